"""Each example command is decided as its scenario says, and facts add up to what theirs say."""

import json

import pytest

from shared.contracts.alerts import Alert
from shared.contracts.screening import CoverageTally
from tests.contract.consumers import Consumer, example, on_the_wire
from tests.contract.copies import storage_for

Scenario = tuple[str, list[str], str | None]
"""What is decided, what was before, and with which code it is refused, if it is."""

DISPATCH: list[Scenario] = [
    ("issue-to-a-community", [], None),
    ("issue-barest", [], None),
    ("issue-straight-through-to-floor-heads", [], None),
    ("issue-ugly-text", [], None),
    ("issue-longest-text-and-ids", [], "unknown-scope"),
    ("issue-by-somebody-unknown", [], "unknown-issuer"),
    ("cancel", ["issue-to-a-community"], None),
    ("cancel", [], "unknown-directive"),
    ("amend", ["issue-to-a-community"], None),
    ("amend", ["issue-to-a-community", "amend-again"], None),
    ("amend", [], "unknown-directive"),
    ("amend", ["issue-to-a-community", "cancel"], "already-cancelled"),
    ("amend", ["issue-to-a-community", "close"], "already-closed"),
    ("amend-again", ["issue-to-a-community"], None),
    ("amend-nothing", ["issue-to-a-community"], "nothing-to-amend"),
    ("amend-nothing", ["issue-straight-through-to-floor-heads"], "unknown-directive"),
    ("cancel", ["issue-to-a-community", "amend"], None),
    ("close", ["issue-to-a-community", "amend"], "another-version"),
    ("a-newer-writer", ["issue-to-a-community"], None),
    ("close", ["issue-to-a-community"], None),
    ("close", ["issue-to-a-community", "extend-by-a-new-child"], "changed-since"),
    ("close", ["issue-to-a-community", "cancel"], "another-version"),
    ("extend-by-a-new-child", ["issue-to-a-community"], None),
    ("extend-by-a-new-child", ["issue-to-a-community", "close"], "already-closed"),
    ("raise-a-fever", [], None),
    ("raise-a-fever", ["raise-without-a-charge-post"], None),
    ("raise-without-a-charge-post", [], None),
    ("raise-at-a-desk-without-a-roster", [], "no-chain"),
]
SCREENING: list[Scenario] = [
    ("open-a-round", [], None),
    ("open-a-window-of-three-days", [], None),
    ("open-a-window-of-three-days", ["open-a-round"], "round-already-open"),
    ("open-a-window-of-three-days", ["open-a-round", "close-a-round"], None),
    ("open-a-round-by-a-criterion", [], "unknown-criterion"),
    ("open-a-round-by-a-criterion", ["put-a-criterion"], None),
    ("open-by-somebody-unknown", [], "unknown-issuer"),
    ("open-longest-title-and-ids", [], "unknown-issuer"),
    ("close-a-round", ["open-a-round"], None),
    ("close-a-round", [], "unknown-round"),
    ("widen-a-criterion", ["put-a-criterion"], None),
    ("narrow-a-criterion", ["put-a-criterion"], "not-wider"),
]
CHECKPOINT: list[Scenario] = [
    ("open-the-exit", [], None),
    ("open-a-second-exit", ["open-the-exit"], "another-exit-open"),
    ("open-a-turn-back-point", ["open-the-exit"], None),
    ("open-a-boundary-post", ["open-the-exit"], None),
    ("close-the-last-exit", ["open-the-exit"], "last-exit"),
    ("move-the-exit", ["open-the-exit"], None),
    ("open-for-a-fire", ["open-the-exit"], None),
    ("end-an-emergency", ["open-for-a-fire"], None),
    ("end-an-emergency", [], "no-emergency"),
    ("an-emergency-is-over", ["open-for-a-fire"], "not-over-yet"),
    ("man-a-gate", [], None),
    ("man-a-gate-with-too-few", [], "team-incomplete"),
    ("issue-a-movement-pass", [], None),
    ("issue-a-home-pass", [], None),
    ("issue-a-pass-that-is-over", [], "window-over"),
    ("issue-to-a-household-never-heard-of", [], "unknown-household"),
    ("revoke-a-pass", ["issue-a-movement-pass"], None),
    ("revoke-a-pass", [], "unknown-pass"),
    ("a-pass-is-over", ["issue-a-movement-pass"], "not-over-yet"),
]
ALL = [
    *(("dispatch", *scenario) for scenario in DISPATCH),
    *(("screening", *scenario) for scenario in SCREENING),
    *(("checkpoint", *scenario) for scenario in CHECKPOINT),
]


@pytest.mark.parametrize(("service", "scenario", "before", "code"), ALL)
async def test_an_example_command_is_decided_as_its_scenario_says(
    service: str, scenario: str, before: list[str], code: str | None
) -> None:
    consumer = Consumer(f"{service}.commands", storage_for(f"{service}.commands"))
    for each in (*before, scenario):
        await consumer.take(on_the_wire(example(f"{service}.commands.v1", each)))
    outcome = consumer.watch.of(f"gridloop.{service}.outcome.v1")[-1]
    (result,) = json.loads(outcome.value or b"")["results"]
    assert (result["accepted"], result.get("code")) == (code is None, code)


async def at_a_desk(*facts: tuple[str, str]) -> Consumer:
    """Return screening's desk after these examples, by topic and scenario, a plain round being open there."""
    consumer = Consumer("screening.sheets", storage_for("screening.sheets"))
    for topic, scenario in (("desks", "at-the-scope-itself"), *facts):
        await consumer.take(on_the_wire(example(f"screening.{topic}.v1", scenario)))
    return consumer


@pytest.mark.req("S4-08", "U-11", "U-12")
@pytest.mark.parametrize(
    ("visits", "covered", "persons", "outcome"),
    [
        (["a-household-of-three"], 1, 2, "screened"),
        (["nobody-home"], 0, 0, "nobody_home"),
        (["nobody-home", "a-household-of-three"], 1, 2, "screened"),
        (["a-household-of-three", "nobody-home"], 1, 2, "screened"),
        (["a-fever-by-phone"], 1, 1, "screened"),
        (["nobody-asked-anything"], 1, 0, "screened"),
        (["vacant-as-the-data-say"], 1, 3, "vacant"),
        (["moved-away"], 1, 3, "moved_away"),
        (["barest"], 0, 0, "refused"),
        (["from-tomorrow"], 0, 0, None),
        (["for-a-round-never-heard-of"], 0, 0, None),
        (["a-household-never-heard-of"], 0, 0, None),
    ],
)
async def test_example_visits_cover_what_their_scenarios_say(
    visits: list[str], covered: int, persons: int, outcome: str | None
) -> None:
    consumer = await at_a_desk(*(("visits", visit) for visit in visits))
    tallies = [
        CoverageTally.model_validate_json(record.value or b"")
        for record in consumer.watch.of("gridloop.screening.tally.v1")
    ]
    cell = max((tally for tally in tallies if tally.covers == "subtree"), key=lambda tally: tally.v).cells[""]
    assert (cell.households, cell.covered, cell.persons, cell.persons_covered) == (1, covered, 3, persons)
    assert outcome is None or getattr(cell, outcome) == 1


@pytest.mark.parametrize(
    ("topic", "scenario", "raised"),
    [
        ("visits", "a-fever-by-phone", "p-2"),
        ("visits", "a-household-of-three", None),
        ("readings", "a-fever", "p-1"),
        ("readings", "at-the-door", None),
        ("readings", "from-tomorrow", None),
    ],
)
async def test_an_example_fever_is_told_to_the_households_chain(
    topic: str, scenario: str, raised: str | None
) -> None:
    consumer = await at_a_desk((topic, scenario))
    alerts = [
        Alert.model_validate_json(record.value or b"")
        for record in consumer.watch.of("gridloop.screening.alert.v1")
    ]
    assert [alert.subject for alert in alerts] == ([raised] if raised else [])
    assert {alert.charge for alert in alerts} <= {"610802006003001/cw5:grid-chief"}
