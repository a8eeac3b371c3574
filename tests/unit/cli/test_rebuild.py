"""A rebuild applies what was accepted, once and in order, freezes what was published, and decides nothing."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from cli.rebuild.audiences import Audiences
from cli.rebuild.denominators import NOT_YET, Denominators
from cli.rebuild.digest import digest_of, whole
from cli.rebuild.memory import Memory
from cli.rebuild.replay import Replay
from cli.rebuild.running import Replayed, run
from cli.rebuild.services import SERVICES
from services.dispatch.settings import DispatchSettings
from services.screening.settings import ScreeningSettings
from shared.contracts import dispatch, registry, screening
from shared.contracts.base import Model, Scope
from shared.contracts.directives import Deadlines, Order
from shared.contracts.dispatch import Answer, Fill, Relay, SheetFrozen
from shared.contracts.outcomes import Event, Outcome, Result
from shared.contracts.registry import Roster
from shared.contracts.screening import FrozenHousehold, Opening, PartFrozen, Round
from shared.contracts.topics import Topic
from shared.flow.decide import OUTCOMES, Accepted, Rejected
from shared.flow.documents import Collection, Documents, Write
from shared.flow.records import Record
from shared.kernel.errors import Conflict
from shared.messaging.reading import read
from tests.builders.log import NOON, Written
from tests.harness.world import FIRST, STREET, STREET_DUTY, community, member

ID = "directive-1"
SUMS: Collection[list[str]] = Collection(
    "sums", lambda value: {"said": value}, lambda body: list(body["said"])
)


class Adding:
    """A decider that would fail if it were asked to decide."""

    async def load(self, docs: Documents, records: Sequence[Record]) -> None:
        raise AssertionError("a rebuild loads by events", docs, records)

    def rows(self, record: Record) -> Sequence[Model]:
        raise AssertionError("a rebuild has no commands", record)

    def decide(self, docs: Documents, row: Model, record: Record) -> Accepted | Rejected:
        raise AssertionError("a rebuild decides nothing", docs, row, record)

    def apply(self, docs: Documents, event: Event, record: Record) -> None:
        said = docs.get(SUMS, record.key.partition("/")[0]) or []
        docs.put(SUMS, record.key.partition("/")[0], [*said, f"{event.data['what']} at {record.at:%H:%M}"])

    def derive(self, docs: Documents, decided: Any) -> Any:
        raise AssertionError("a rebuild publishes nothing", docs, decided)


def outcome(command: str, *events: str, at: int = 0) -> Outcome:
    results = (
        Result(accepted=True, events=tuple(Event(type="said", data={"what": what}) for what in events)),
        Result(accepted=False, code="no"),
    )
    instant = NOON + timedelta(minutes=at)
    return Outcome(command=command, actor="somebody", body="0" * 64, at=instant, results=results)


async def test_each_accepted_event_is_applied_once_in_the_order_of_its_key() -> None:
    written, memory = Written(), Memory()
    topic = dispatch.OUTCOMES_TOPIC
    said = [outcome("command-1", "a", "b"), outcome("command-2", "c", at=1), outcome("command-1", "a", "b")]
    for each in said:
        written.say(topic, each, key=f"{FIRST}/{each.command}")
    replay = Replay(Adding(), lambda _, key: iter([(SUMS, key)]))
    await run([[Replayed("dispatch.commands", (topic,), replay)]], written.log, memory)
    assert memory.documents["sums"][FIRST]["said"] == ["a at 12:00", "b at 12:00", "c at 12:01"]
    assert OUTCOMES.decode(memory.documents["outcomes"]["command-1"]) == said[0]


async def rebuilt(service: str, settings: Any, written: Written) -> Memory:
    memory = Memory()
    groups = SERVICES[service].groups(settings)
    for topic in SERVICES[service].topics(groups):
        written.log.records.setdefault(topic.name, [])
        written.log.partitions.setdefault(topic.name, 12)
    await run(SERVICES[service].plan(groups, written.log), written.log, memory)
    return memory


def told(written: Written, at: float, **said: Any) -> Order:
    order = Order(
        directive=ID, issuer=STREET_DUTY, desk=STREET, text="x", scope=Scope(unit=FIRST, desk=FIRST),
        deadlines=Deadlines(done=60, step=60), issued_at=NOON, mode="straight-through", **said,
    )  # fmt: skip
    relay = Relay(order=order, to=FIRST, sender=STREET)
    written.say(dispatch.DESKS_TOPIC, relay, key=FIRST, at=at)
    return order


def frozen(written: Written, roster: Roster, at: float) -> None:
    fact = SheetFrozen(
        directive=ID, version=1, desk=FIRST, roster_v=roster.v, seats=roster.seats, children=()
    )
    written.say(dispatch.PROGRESS_TOPIC, fact, key=f"{ID}/{FIRST}/frozen/1", at=at)


def answered(written: Written, at: float) -> None:
    answer = Answer(
        directive=ID, version=1, epoch=0, desk=FIRST, addressee=member(FIRST), state="read", at=NOON
    )
    written.say(dispatch.ACKS_TOPIC, answer, key=FIRST, at=at)


async def test_an_audience_is_the_one_that_was_published_and_not_todays() -> None:
    written = Written()
    then, today = community(), community(vacant=[member(FIRST)])
    today = today.model_copy(update={"seats": today.seats[:2]})
    for roster in (then, today):
        written.say(registry.ROSTERS_TOPIC, roster, key=FIRST, at=-1)
    told(written, at=0)
    frozen(written, then, at=0)
    answered(written, at=1)
    memory = await rebuilt("dispatch", DispatchSettings(), written)
    sheet = memory.documents["sheets"][f"{ID}/{FIRST}"]
    assert memory.documents["frozen"][sheet["frozen"]]["posts"].splitlines() == [
        seat.post for seat in then.seats
    ]
    assert (sheet["roster_v"], list(sheet["state"])) == (then.v, [0, 0, 2, 0])
    assert len(Roster.model_validate_json(memory.documents["rosters"][FIRST]["roster"]).seats) == 2


async def test_a_desk_that_was_filled_later_froze_then() -> None:
    written = Written()
    roster = community()
    written.say(registry.ROSTERS_TOPIC, roster, key=FIRST, at=-1)
    told(written, at=0)
    written.say(dispatch.DESKS_TOPIC, Fill(directive=ID, desk=FIRST), key=FIRST, at=10)
    frozen(written, roster, at=10)
    audiences, memory = Audiences(written.log), Memory()
    relay, fill = records(written)
    assert audiences.instead(relay, memory) == {"rosters": {}}
    memory.documents["sheets"][f"{ID}/{FIRST}"] = {"version": 1}
    shown = audiences.instead(fill, memory)
    assert shown is not None
    assert shown["rosters"][FIRST]["roster_v"] == roster.v


def records(written: Written, topic: Topic = dispatch.DESKS_TOPIC) -> list[Record]:
    found = [read(raw) for raw in written.log.records[topic.name]]
    return [each for each in found if isinstance(each, Record)]


async def test_a_denominator_is_the_one_that_was_published_whatever_the_copies_say() -> None:
    written = Written()
    written.say(registry.ROSTERS_TOPIC, community(), key=FIRST, at=-1)
    round_ = Round(
        round="round-001", number=1, scope=Scope(unit=FIRST, desk=FIRST), issuer=STREET_DUTY, title="x",
        opened_at=NOON, due=NOON,
    )  # fmt: skip
    written.say(screening.DESKS_TOPIC, Opening(round=round_, to=FIRST), key=FIRST)
    house = FrozenHousehold(household="house-0001", unit=f"{FIRST}001.b1", members=("p-1",))
    part = PartFrozen(round="round-001", desk=FIRST, part=f"{FIRST}001", charges_v=7, households=(house,))
    memory = await rebuilt("screening", ScreeningSettings(), written)
    assert memory.documents["heads"][f"round-001/{FIRST}"]["status"] == "waiting"
    written.say(screening.PROGRESS_TOPIC, part, key=f"round-001/{FIRST}/{FIRST}001")
    memory = await rebuilt("screening", ScreeningSettings(), written)
    head = memory.documents["heads"][f"round-001/{FIRST}"]
    assert (head["status"], head["parts"]) == ("frozen", [f"{FIRST}001"])
    # Nothing of it stays among the copies.
    assert memory.documents["households"] == {}


def test_a_record_that_freezes_nothing_sees_what_is_stored() -> None:
    written = Written()
    answered(written, at=0)
    (record,) = records(written, dispatch.ACKS_TOPIC)
    assert Denominators(written.log).instead(record, Memory()) is None
    assert Audiences(written.log).instead(record, Memory()) is None
    assert set(NOT_YET) == {"households", "charges"}


async def test_memory_guards_its_writes_and_shows_others_only_for_a_while() -> None:
    memory = Memory()
    await memory.commit([Write("things", "a", 0, {"x": 1})])
    with pytest.raises(Conflict):
        await memory.commit([Write("things", "b", 0, {}), Write("things", "a", 0, {})])
    assert await memory.get_many("things", ["a", "b"]) == {"a": {"_id": "a", "v": 1, "x": 1}}
    with memory.showing({"things": {"c": {"x": 1}}}):
        assert await memory.find("things", "x", "1") == {}
        assert list(await memory.get_many("things", ["a", "c"])) == ["c"]
    assert list(await memory.get_many("things", ["a", "c"])) == ["a"]


def test_a_digest_is_of_what_documents_say_and_not_of_how_often_they_were_written() -> None:
    one = [{"_id": "a", "v": 1, "x": b"\x01", "items": [{"v": 1, "y": 2}], "sent": 1}]
    other = [{"items": [{"v": 9, "y": 2}], "sent": 4, "x": b"\x01", "v": 7, "_id": "a"}]
    digests = [digest_of(each, ["items.v", "sent"]) for each in (one, other)]
    assert whole({"things": digests[0]}) == whole({"things": digests[1]})
    assert digests[0].differing(digests[1]) == []
    changed = digest_of([{**one[0], "x": b"\x02"}], ["items.v", "sent"])
    assert changed.differing(digests[0]) == ["a"]
    assert digests[0].differing(digest_of([], [])) == ["a"]
    assert whole({"things": changed}) != whole({"things": digests[0]})
