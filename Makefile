# Every target creates what it needs: the environment in .venv, once per lock file.
# Needs Python 3.11 to 3.13; demo, test, bench and faults also Java 17+ and Maven (once, to fetch Kafka); test also
# npm and a JDK for the two partners of docs/integrate.md, which are skipped where those are missing; bench also
# redis-server and PostgreSQL's server for two rivals, which it names where they are missing.

BIN := .venv/bin
READY := .venv/ready
FAST_TESTS = $(wildcard tests/unit tests/contract tests/house)
RIVALS_READY := .venv/rivals
PARTNER := docs/clients/node
PARTNER_READY := $(PARTNER)/node_modules/.package-lock.json

DEMO ?= # options for the demonstration, e.g. DEMO="--seed 8"
FAULTS ?= # options for the faults, e.g. FAULTS="--json out.json"
SEEDS ?= 0:1000
CONTAINERS ?= # options for the containers, e.g. CONTAINERS="--file deploy/standins/compose.yml"

.DEFAULT_GOAL := help
.PHONY: help demo test check bench faults simulate containers up down clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(READY) ## Run the demonstration: an order down and back, a screening round, a morning at a gate
	$(BIN)/gridloop demo $(DEMO)

test: $(READY) $(PARTNER_READY) ## Run all tests, those on real Kafka and MongoDB included
	$(BIN)/pytest -n 3 --dist loadfile

check: $(READY) $(PARTNER_READY) ## Format, lint, types, imports and the fast tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 $(FAST_TESTS)

bench: $(READY) $(RIVALS_READY) ## Measure
	$(BIN)/python -m bench

faults: $(READY) ## Inject faults into real servers under load, and write docs/faults.md
	$(BIN)/python -m tests.faults --table docs/faults.md $(FAULTS)

simulate: $(READY) ## Run seeds of all three simulations, e.g. SEEDS=0:10000; each that breaks a rule is a line
	$(BIN)/python -m tests.simulation $(SEEDS)

containers: $(READY) ## Build, start, use, scale and take down docker-compose.yml; needs Docker with its compose plugin
	$(BIN)/python -m tests.containers $(CONTAINERS)

up: $(READY) ## Start Kafka and MongoDB in the background
	$(BIN)/gridloop up

down: $(READY) ## End what `make up` started
	$(BIN)/gridloop down

clean: ## End the stack; remove the environment, its data and all caches
	@if [ -x $(BIN)/gridloop ]; then $(BIN)/gridloop down; fi
	rm -rf .venv .run .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build *.egg-info
	rm -rf $(PARTNER)/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements/dev.lock pyproject.toml
	@python=$$(for p in python3 python3.13 python3.12 python3.11; do \
	    $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	    && echo $$p && break; done); \
	if [ -z "$$python" ]; then \
	    echo "Gridloop needs Python 3.11, 3.12 or 3.13: install one of them so that it is on PATH." >&2; exit 1; \
	fi; \
	[ -x $(BIN)/python ] || $$python -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(RIVALS_READY): requirements/rivals.lock $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/rivals.lock
	@touch $@

$(PARTNER_READY): $(PARTNER)/package-lock.json
	@if command -v npm >/dev/null; then \
	    cd $(PARTNER) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error \
	    && touch node_modules/.package-lock.json \
	    || echo "The Node partner's packages could not be fetched: its tests are skipped." >&2; \
	else \
	    echo "npm is not installed: the tests of the Node partner are skipped." >&2; \
	fi
