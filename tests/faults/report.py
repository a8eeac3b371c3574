"""What came of all rows: lines while they run, JSON for programs, and the table in docs/faults.md."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from tests.faults.run import Result

COLUMNS = (
    "fault",
    "service",
    "reliability",
    "injected",
    "lasted",
    "first newly counted",
    "all counted",
    "longest gap",
    "entries",
    "counts seen",
    "lost",
    "doubled",
    "above the truth",
)
PAGE = """\
# Faults

`make faults` injects these into real servers while everything flows, and writes this page.

```
make faults                                        # every row, each on fresh servers
.venv/bin/python -m tests.faults zombie            # only the rows that are named
.venv/bin/python -m tests.faults --json out.json   # every injection with its times, for programs
```

## The rows

{table}

Times are medians (greatest) over the injections, in seconds. `lasted` is the fault itself; what follows is
measured from its end: the server answers again, the process is started or woken, the disk has room.
`first newly counted` is the first progress read after that in which the city counts more than before,
`all counted` the moment at which every desk counts all that had been said by then, what had queued up
included. `longest gap` is the longest time in the whole row without a newly counted entry, the fault
included.

A row is good only if every injection was seen to have happened, nothing was lost, doubled or above the
truth, and every desk was exact at the end and, of an order, closed; else the exit code is 1.

{faults}

## What flows, and who counts

{load}

- **Said** by a client outside at a fixed rate, in random order and 5 % of it twice, whatever is away: what
  cannot be sent waits in that client until it can. It counts an entry before it sends it.
- **Lost**: said, acknowledged, and not counted at the end; a command without an outcome, somebody who was
  never told, a good record set aside as a dead letter.
- **Doubled**: counted beyond what was said; a command with two outcomes, somebody told under two ids.
- **Above the truth**: of every progress ever published at any desk, those that counted more than the log held
  by then, by the broker's own clock. Progress as it is read from the topic, and what the API of every replica
  answers again and again, is compared with the client's own count as well ("counts seen" are all of these). A
  count that falls is a violation too.

## Conditions

{conditions}

One machine and one broker: a SIGKILL of a process is not a power cut (what the operating system holds is not
lost), and there is no second replica of a partition to lose.
"""


def line(result: Result) -> str:
    """Return one line for whoever waits."""
    if result.skipped:
        return f"skipped  {result.name}: {result.skipped}"
    times = f"first {_times(result, 'first_s')} s, all {_times(result, 'all_s')} s"
    counts = f"lost {result.lost}, doubled {result.doubled}, above {result.above_truth}"
    return (
        f"{'good' if result.good else 'BAD '}     {result.name}: {result.injected} injected, {times}; "
        f"{result.distinct} entries, {counts}; {result.took_s:.0f} s"
    )


def as_json(conditions: Mapping[str, Any], results: Sequence[Result]) -> str:
    """Return everything for programs."""
    rows = [{**asdict(each), "good": each.good} for each in results]
    return json.dumps({"conditions": conditions, "rows": rows}, indent=1, ensure_ascii=False) + "\n"


def page(conditions: Mapping[str, Any], load: str, results: Sequence[Result]) -> str:
    """Return the page of documentation."""
    return PAGE.format(
        table="\n".join([_cells(COLUMNS), _cells(["---"] * len(COLUMNS)), *map(_row, results)]),
        faults="\n".join(
            f"- **{name}**: {says}." for name, says in {r.name: r.says for r in results}.items()
        ),
        load=load,
        conditions="\n".join(f"- {name}: {value}" for name, value in conditions.items()),
    )


def _row(result: Result) -> str:
    if result.skipped:
        empty = ["–"] * (len(COLUMNS) - 4)
        return _cells([result.name, result.service, result.reliability, f"skipped: {result.skipped}", *empty])
    figures = (
        result.name,
        result.service,
        result.reliability,
        result.injected,
        _times(result, "lasted_s"),
        _times(result, "first_s"),
        _times(result, "all_s"),
        f"{result.longest_gap_s:.1f}",
        f"{result.distinct:,}",
        f"{result.published + result.sampled:,}",
        result.lost,
        result.doubled,
        result.above_truth,
    )
    return _cells(figures)


def _cells(values: Iterable[object]) -> str:
    return "| " + " | ".join(map(str, values)) + " |"


def _times(result: Result, figure: str) -> str:
    """Return the median, and the greatest where there are several."""
    times = result.times(figure)
    if not times:
        return "–"
    return f"{median(times):.1f}" + (f" ({max(times):.1f})" if times[1:] else "")
