"""The end of the act: what checkpoint holds, beside what the gate's people counted, and every difference."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cli.demo.gate.ledger import DAY, NO_DATA, Ledger
from cli.demo.gate.morning import shares
from cli.demo.gate.watch import Watch


@dataclass(slots=True)
class Summary:
    """What is printed and written of this act; `differences` decides the exit code.

    `outage` is how many seconds Kafka could not be reached; `latency` is in milliseconds, by phase.
    """

    area: str
    passes: int = 0
    decisions: int = 0
    errors: int = 0
    again: int = 0
    crossings: int = 0
    readings: int = 0
    outside: int = 0
    outage: float = 0.0
    codes: dict[str, int] = field(default_factory=dict)
    gates: dict[str, dict[str, int]] = field(default_factory=dict)
    latency: dict[str, dict[str, float]] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """Yield the summary for a person."""
        today = {name: sum(counts[name] for counts in self.gates.values()) for name in DAY}
        yield (
            f"gate          {self.decisions} asked with {self.passes} passes: {today['allowed']} allowed, "
            f"{today['referred']} referred, {today['denied']} denied, {self.errors} without an answer"
        )
        for phase, took in self.latency.items():
            yield f"{phase:<13} " + ", ".join(f"{name} {ms} ms" for name, ms in took.items())
        yield (
            f"reconciled    Kafka away for {self.outage:.1f} s, {self.crossings} crossings on its topic, "
            f"{self.readings} readings, {self.outside} outside"
        )
        closed = sum(alert["closed"] for alert in self.alerts)
        yield f"overstayed    {len(self.alerts)} up the chain, {closed} closed"


@dataclass(frozen=True, slots=True)
class Told:
    """What checkpoint says in the end: each gate's day, and who is outside."""

    gates: Mapping[str, Mapping[str, int]]
    outside: Iterable[Mapping[str, Any]]


def compare(summary: Summary, *, ledger: Ledger, watch: Watch, told: Told, restarts: int) -> None:
    """Fill in what the service says, and note each difference; `restarts` are those of the gate's process."""
    summary.decisions, summary.errors = len(ledger.answered), len(ledger.errors)
    summary.again = ledger.again
    summary.crossings, summary.readings = len(watch.crossings), len(watch.readings)
    summary.codes = dict(sorted(ledger.codes.items()))
    summary.latency = {phase: shares(latencies) for phase, latencies in ledger.latencies.items()}
    found = summary.differences
    found += ledger.errors + ledger.surprises
    if not restarts and (ledger.again or ledger.codes[NO_DATA]):
        found.append(f"{ledger.again} questions sent again, {ledger.codes[NO_DATA]} without data to answer")
    for gate, counts in told.gates.items():
        summary.gates[gate] = {name: int(counts[name]) for name in DAY}
        found += [
            f"{gate}: {name} {summary.gates[gate][name]}, the gate's people know {number}"
            for name, number in ledger.day(gate).items()
            if summary.gates[gate][name] != number
        ]
    outside = {item["pass"] for item in told.outside}
    summary.outside = len(outside)
    found += [f"pass {each} is said to be out" for each in sorted(outside - ledger.outside_now())]
    found += [f"pass {each} is not said to be out" for each in sorted(ledger.outside_now() - outside)]
    found += [f"pass {item['pass']} is overdue" for item in told.outside if item["overdue"]]
    answered = {id_: verdict for id_, (_, verdict) in ledger.answered.items()}
    missing, others = answered.keys() - watch.crossings.keys(), watch.crossings.keys() - answered.keys()
    found += [f"crossing {each} was answered and is not on the topic" for each in sorted(missing)]
    found += [f"crossing {each} is on the topic and was not answered" for each in sorted(others)]
    found += [
        f"crossing {id_}: {watch.crossings[id_]} on the topic, {verdict} answered"
        for id_, verdict in answered.items()
        if watch.crossings.get(id_, verdict) != verdict
    ]
    if len(watch.readings) != ledger.readings:
        found.append(f"{len(watch.readings)} readings, the gate's people took {ledger.readings}")
