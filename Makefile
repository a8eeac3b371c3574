# Every target creates what it needs: the environment in .venv, once per lock file.
# Needs Python 3.11 to 3.13; demo, test and bench also Java 17+ and Maven (once, to fetch Kafka).

BIN := .venv/bin
READY := .venv/ready
FAST_TESTS = $(wildcard tests/unit tests/contract tests/house)

DEMO ?= # options for the demonstration, e.g. DEMO="--seed 8"

.DEFAULT_GOAL := help
.PHONY: help demo test check bench up down clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(READY) ## Run the demonstration: an order down and back, a screening round, a morning at a gate
	$(BIN)/gridloop demo $(DEMO)

test: $(READY) ## Run all tests, those on real Kafka and MongoDB included
	$(BIN)/pytest -n 2 --dist loadfile

check: $(READY) ## Format, lint, types, imports and the fast tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 $(FAST_TESTS)

bench: $(READY) ## Measure
	$(BIN)/python -m bench

up: $(READY) ## Start Kafka and MongoDB in the background
	$(BIN)/gridloop up

down: $(READY) ## End what `make up` started
	$(BIN)/gridloop down

clean: ## End the stack; remove the environment, its data and all caches
	@if [ -x $(BIN)/gridloop ]; then $(BIN)/gridloop down; fi
	rm -rf .venv .run .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build *.egg-info
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
