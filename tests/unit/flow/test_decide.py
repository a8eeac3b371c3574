"""A command has one stored outcome, however often it is sent; a bulk record's rows are decided apart."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from shared.contracts import registry as contract
from shared.contracts.base import Model, json_bytes
from shared.contracts.envelope import Context, Message, header, message
from shared.contracts.outcomes import Event, Outcome
from shared.contracts.registry import Changes, PutUnit
from shared.flow.decide import Accepted, Decide, Rejected, body_digest
from shared.flow.documents import Documents
from shared.flow.records import Origin, Record, Unreadable
from shared.kernel.ids import derived_id
from tests.builders.dispatch import DESK, NOON
from tests.unit.flow.toys import HOME, SEEN, Bench

GROUP = "registry.commands"
TOPIC = contract.COMMANDS_TOPIC.name
COMMAND = "01JGXA5T8Z00000000000000AA"


class Units:
    """Accepts each unit's code once, and refuses the code `99`; `bad` codes break the rule."""

    def __init__(self, *, breaks: Sequence[str] = ()) -> None:
        self.breaks = breaks
        self.decided: list[str] = []

    async def load(self, docs: Documents, records: Sequence[Record]) -> None:
        await docs.load(SEEN, {record.key for record in records})

    def rows(self, record: Record) -> Sequence[Model]:
        return record.body.rows if isinstance(record.body, Changes) else ()

    def decide(self, docs: Documents, row: Model, record: Record) -> Accepted | Rejected:
        assert isinstance(row, PutUnit)
        self.decided.append(row.code)
        if row.code in self.breaks:
            raise ZeroDivisionError
        based_on = {f"roster/{row.code}": 3}
        if row.code in (docs.get(SEEN, record.key) or []):
            return Rejected("unit-exists", row.code, based_on)
        if row.code == "99":
            return Rejected("no-such-province", row.code)
        return Accepted((Event(type="unit-put", data={"code": row.code}),), based_on)

    def apply(self, docs: Documents, event: Event, record: Record) -> None:
        docs.put(SEEN, record.key, [*(docs.get(SEEN, record.key) or []), event.data["code"]])

    def derive(self, docs: Documents, decided: Sequence[tuple[Record, Outcome]]) -> Iterable[Message]:
        for record, outcome in decided:
            yield Message(
                "out", record.origin.key, f"{outcome.command}:{docs.get(SEEN, record.key)}".encode()
            )


def bench(decider: Units, **more: Any) -> Bench:
    handler = Decide(decider, outcomes=contract.OUTCOMES_TOPIC, outcome_type=contract.OUTCOME, source="/t")
    return Bench(handler, group=GROUP, **more)


def command(*codes: str, offset: int = 0, id_: str = COMMAND, actor: str = "p-1") -> Record:
    body = Changes(rows=tuple(PutUnit(code=code, valid_from=NOON.date()) for code in codes))
    origin = Origin(TOPIC, HOME, offset, f"{DESK}/x".encode(), json_bytes(body), ())
    return Record(origin, id_, contract.CHANGES, body, NOON, actor, "00-trace")


def malformed(id_: str, offset: int = 0) -> Unreadable:
    origin = Origin(TOPIC, HOME, offset, f"{DESK}/x".encode(), b"{", ())
    return Unreadable(origin, "invalid-body", "body: json_invalid", NOON, id_, "p-1")


def outcomes(ran: Bench) -> list[dict[str, Any]]:
    return [
        json.loads(each.value or b"")
        for each in ran.watch.published
        if each.topic == contract.OUTCOMES_TOPIC.name
    ]


async def test_every_row_has_its_own_result_and_sees_the_rows_before_it() -> None:
    ran = bench(Units())
    await ran([command("61", "99", "61", "62")])
    (outcome,) = outcomes(ran)
    assert [(row["accepted"], row.get("code")) for row in outcome["results"]] == [
        (True, None), (False, "no-such-province"), (False, "unit-exists"), (True, None),
    ]  # fmt: skip
    assert outcome["results"][0]["events"] == [{"type": "unit-put", "data": {"code": "61"}}]
    assert ran.seen(f"{DESK}/x") == ["61", "62"]


async def test_the_outcome_says_who_what_when_and_on_which_facts() -> None:
    ran = bench(Units())
    sent = command("61")
    await ran([sent])
    (outcome,) = outcomes(ran)
    assert outcome["command"] == COMMAND
    assert outcome["actor"] == "p-1"
    assert outcome["body"] == body_digest(sent.origin.value)
    assert outcome["at"] == "2026-01-01T12:00:00Z"
    assert outcome["based_on"] == {"roster/61": 3}
    (said,) = [each for each in ran.watch.published if each.topic == contract.OUTCOMES_TOPIC.name]
    assert said.key == f"{DESK}/{COMMAND}".encode()
    assert header(said.headers, "ce_id") == derived_id("outcome", COMMAND)
    assert header(said.headers, "traceparent") == "00-trace"


async def test_outcomes_are_read_before_documents() -> None:
    ran = bench(Units())
    await ran([command("61")])
    assert [collection for collection, _ in ran.storage.reads] == ["positions", "outcomes", "seen"]


async def test_outcome_documents_and_position_are_one_transaction() -> None:
    ran = bench(Units())
    await ran([command("61")])
    assert [write.collection for write in ran.storage.commits[-1]] == ["outcomes", "positions", "seen"]


async def test_a_resent_command_changes_nothing_and_publishes_the_same_bytes() -> None:
    ran = bench(Units())
    await ran([command("61")])
    first = list(ran.watch.published)
    await ran([command("61", offset=1)])
    assert ran.watch.published[len(first) :] == first
    assert ran.seen(f"{DESK}/x") == ["61"]


@pytest.mark.parametrize("again", [command("62", offset=1), command("61", offset=1, actor="p-2")])
async def test_the_same_id_with_another_body_or_actor_publishes_the_stored_outcome(again: Record) -> None:
    decider = Units()
    ran = bench(decider)
    await ran([command("61")])
    await ran([again])
    first, second = outcomes(ran)
    assert second == first
    assert decider.decided == ["61"]
    assert ran.seen(f"{DESK}/x") == ["61"]


async def test_a_resent_command_in_the_same_poll_is_decided_once() -> None:
    decider = Units()
    ran = bench(decider)
    await ran([command("61"), command("61", offset=1)])
    assert decider.decided == ["61"]
    assert [row["accepted"] for outcome in outcomes(ran) for row in outcome["results"]] == [True, True]


async def test_a_malformed_command_is_answered_once() -> None:
    ran = bench(Units())
    await ran([malformed(COMMAND), command("61", offset=1)])
    assert [outcome["status"] for outcome in outcomes(ran)] == ["malformed", "malformed"]
    (result,) = outcomes(ran)[0]["results"]
    assert result == {"accepted": False, "code": "malformed", "detail": "body: json_invalid", "events": []}
    assert ran.seen(f"{DESK}/x") == []


async def test_a_command_that_breaks_its_rule_is_answered_as_malformed() -> None:
    ran = bench(Units(breaks=["62"]))
    await ran([command("61"), command("62", offset=1, id_="01JGXA5T8Z00000000000000BB")])
    by_command = {outcome["command"]: outcome for outcome in outcomes(ran)}
    assert by_command[COMMAND]["status"] == "decided"
    broken = by_command["01JGXA5T8Z00000000000000BB"]
    assert (broken["status"], broken["actor"]) == ("malformed", "p-1")
    assert ran.watch.letters == {"rule-failed": 1}


UNUSABLE = ["", "short", "with a space in it", "x" * 65, "\\xff\\xfe\\xfd", "姓名姓名姓名姓名"]


@pytest.mark.parametrize("id_", UNUSABLE)
async def test_a_malformed_command_whose_id_is_none_is_set_aside_without_an_answer(id_: str) -> None:
    ran = bench(Units())
    await ran([malformed(id_), command("61", offset=1)])
    assert ran.watch.letters == {"invalid-body": 1}
    assert [outcome["command"] for outcome in outcomes(ran)] == [COMMAND]


@pytest.mark.parametrize("id_", UNUSABLE)
async def test_a_command_under_an_id_that_is_none_is_set_aside(id_: str) -> None:
    ran = bench(Units())
    await ran([command("61", id_=id_), command("62", offset=1)])
    assert ran.watch.letters == {"rule-failed": 1}
    assert ran.seen(f"{DESK}/x") == ["62"]


async def test_a_poll_is_cut_by_rows() -> None:
    ran = bench(Units(), max_weight=3)
    codes = [str(number) for number in range(10, 16)]
    await ran(
        [
            command(*codes[:2], offset=0, id_="01JGXA5T8Z00000000000000AA"),
            command(*codes[2:4], offset=1, id_="01JGXA5T8Z00000000000000BB"),
            command(*codes[4:5], offset=2, id_="01JGXA5T8Z00000000000000CC"),
        ]
    )
    assert [records for records, _ in ran.watch.applications] == [1, 2]
    assert ran.seen(f"{DESK}/x") == codes[:5]


def test_a_message_must_be_of_the_type_it_is_sent_as() -> None:
    with pytest.raises(TypeError):
        message(
            contract.COMMANDS_TOPIC, contract.UNIT, "k", Outcome.model_construct(), Context("i", "s", NOON)
        )
