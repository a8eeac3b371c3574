"""`gridloop dashboard`: the Grafana dashboard, made of the list of metrics: what is measured is shown."""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from prometheus_client import CollectorRegistry

from cli.stack.paths import ROOT
from shared.runtime.metrics import Declared, Metrics

FILE: Final = ROOT / "deploy" / "grafana" / "gridloop.json"
SOURCE: Final = {"type": "prometheus", "uid": "${source}"}
# Of each process, or of all together: who looks picks the services at the top of the page.
PICKED: Final = 'job=~"$service"'
WIDTH, PANEL, HEIGHT = 24, 8, 8
QUANTILES: Final = (0.5, 0.99)
# A partition's lag is one process's to tell; of ages the oldest counts, as of what waits in several spools.
GAUGES: Final = {"gridloop_gate_data_age_seconds": "max"}
# Labels whose values are too many for one picture: told together.
FOLDED: Final = {"gridloop_lag_records": {"partition"}}
# One of these means that a person should look.
ALARMING: Final = ("gridloop_dead_letters", "gridloop_retries", "gridloop_moved")


def register(app: typer.Typer) -> None:
    """Add the `dashboard` command."""
    app.command("dashboard")(dashboard)


def dashboard(
    *,
    check: Annotated[bool, typer.Option(help="Only compare the file; status 1 if it differs.")] = False,
    file: Annotated[Path, typer.Option(help="The file to write.")] = FILE,
) -> None:
    """Write the Grafana dashboard from the list of metrics."""
    text = rendered()
    if not check:
        file.write_text(text, encoding="utf-8")
    elif not file.exists() or file.read_text(encoding="utf-8") != text:
        told = f"{file} is not what the list of metrics makes of it: run `gridloop dashboard`."
        print(told, file=sys.stderr)
        raise typer.Exit(1)


def rendered() -> str:
    """Return the dashboard as the file has it."""
    return json.dumps(made_of(Metrics(CollectorRegistry()).declared()), indent=2, ensure_ascii=False) + "\n"


def made_of(metrics: Sequence[Declared]) -> dict[str, Any]:
    """Return a dashboard: who is up, then a panel for each metric in the order of the list."""
    panels = [
        _panel("up", "Processes that answer.", "short", [(f"sum by (job) (up{{{PICKED}}})", "{{job}}")])
    ]
    panels += [
        _panel(each.name, each.text, _unit(each), list(_targets(each)), alarming=each.name in ALARMING)
        for each in metrics
    ]
    for number, panel in enumerate(panels):
        row, column = divmod(number, WIDTH // PANEL)
        panel["id"] = number + 1
        panel["gridPos"] = {"h": HEIGHT, "w": PANEL, "x": column * PANEL, "y": row * HEIGHT}
    return {
        "title": "Gridloop",
        "uid": "gridloop",
        "schemaVersion": 39,
        "tags": ["gridloop"],
        "timezone": "browser",
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_source_variable(), _service_variable()]},
        "panels": panels,
    }


def _targets(metric: Declared) -> Iterator[tuple[str, str]]:
    labels = [label for label in metric.labels if label not in FOLDED.get(metric.name, set())] or ["job"]
    by, legend = ", ".join(labels), " ".join(f"{{{{{label}}}}}" for label in labels)
    match metric.kind:
        case "counter":
            yield f"sum by ({by}) (rate({metric.name}_total{{{PICKED}}}[$__rate_interval]))", legend
        case "gauge":
            yield f"{GAUGES.get(metric.name, 'sum')} by ({by}) ({metric.name}{{{PICKED}}})", legend
        case "histogram":
            buckets = f"sum by (le, {by}) (rate({metric.name}_bucket{{{PICKED}}}[$__rate_interval]))"
            for quantile in QUANTILES:
                yield f"histogram_quantile({quantile}, {buckets})", f"p{quantile * 100:.0f} {legend}"


def _unit(metric: Declared) -> str:
    if metric.kind == "counter":
        return "ops"
    return "s" if metric.name.endswith("_seconds") else "short"


def _panel(
    title: str, text: str, unit: str, targets: Sequence[tuple[str, str]], *, alarming: bool = False
) -> dict[str, Any]:
    steps = [{"color": "green", "value": None}, *([{"color": "red", "value": 1e-9}] if alarming else [])]
    custom = {"thresholdsStyle": {"mode": "line+area" if alarming else "off"}}
    return {
        "title": title,
        "description": text,
        "type": "timeseries",
        "datasource": SOURCE,
        "fieldConfig": {
            "defaults": {"unit": unit, "min": 0, "custom": custom, "thresholds": {"steps": steps}},
            "overrides": [],
        },
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": SOURCE,
                "expr": expression,
                "legendFormat": legend,
            }
            for number, (expression, legend) in enumerate(targets)
        ],
    }


def _source_variable() -> dict[str, Any]:
    return {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _service_variable() -> dict[str, Any]:
    return {
        "name": "service",
        "label": "Service",
        "type": "query",
        "datasource": SOURCE,
        "query": "label_values(gridloop_http_requests_total, job)",
        "multi": True,
        "includeAll": True,
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,
    }
