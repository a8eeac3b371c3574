"""The handlers together, over a log in memory: an order goes down, answers come up, the loop closes."""

from collections.abc import Sequence

import pytest

from services.dispatch.domain.directive import SYSTEM
from services.dispatch.store import ROSTERS
from shared.contracts import dispatch as contract
from shared.contracts.base import Model
from shared.contracts.dispatch import (
    Answer,
    CancelDirective,
    DirectiveCommand,
    IssueDirective,
    Progress,
    Tick,
)
from shared.contracts.envelope import Context, Message, header, message
from shared.contracts.registry import Roster
from shared.flow.documents import Write
from shared.kernel.clock import from_ms
from tests.builders.dispatch import (
    AREA,
    CHIEF,
    DESK,
    DIRECTIVE,
    FLOOR1,
    FLOOR2,
    GRID_CHIEF,
    HEAD,
    NOON,
    OTHER,
    STREET,
    answer,
    community,
    roster,
    street_roster,
)
from tests.contract.consumers import Consumer
from tests.fakes.storage import MemoryStorage

GROUPS = {
    contract.COMMANDS_TOPIC.name: "dispatch.commands",
    contract.DESKS_TOPIC.name: "dispatch.sheets",
    contract.ACKS_TOPIC.name: "dispatch.sheets",
    contract.TALLIES_TOPIC.name: "dispatch.progress",
}
POSTS = (AREA, GRID_CHIEF, HEAD, FLOOR1, FLOOR2)


class Dispatch:
    """Three groups on one storage; what one publishes the next one reads, until nothing is left to say.

    `twice` feeds every record twice, as after a crash between publishing and the offset commit.
    """

    def __init__(self, *rosters: Roster, twice: bool = False) -> None:
        self.storage = MemoryStorage()
        self.twice = twice
        for each in rosters:
            self.storage.put(Write(ROSTERS.name, each.desk, 0, ROSTERS.encode(each)))
        self.consumers = {group: Consumer(group, self.storage) for group in set(GROUPS.values())}
        self.said: list[Message] = []
        self.numbers = 0

    async def tell(self, body: Model, *, actor: str = "boss", id_: str | None = None) -> None:
        """Append one message of the outside world, and let everything follow from it."""
        topic, type_, key = _address(body)
        self.numbers += 1
        context = Context(id_ or f"message-{self.numbers:04}", "/test", NOON, actor)
        await self.settle([message(topic, type_, key, body, context)])

    async def settle(self, records: Sequence[Message]) -> None:
        waiting = list(records)
        while waiting:
            record = waiting.pop(0)
            consumer = self.consumers.get(GROUPS.get(record.topic, ""))
            if consumer is None:
                continue
            before = len(consumer.watch.published)
            await consumer.take(record)
            if self.twice:
                await consumer.take(record, again=True)
            assert not consumer.watch.letters
            fresh = [each for each in consumer.watch.published[before:] if each not in self.said]
            self.said.extend(fresh)
            waiting.extend(fresh)

    def bodies(self, type_: str) -> list[Model]:
        from shared.contracts.catalog import MODELS

        return [
            MODELS[type_].model_validate_json(each.value or b"")
            for each in self.said
            if header(each.headers, "ce_type") == type_
        ]

    def progress(self, desk: str = STREET) -> Progress:
        shown = [
            each
            for each in self.bodies(contract.PROGRESS)
            if isinstance(each, Progress) and each.desk == desk
        ]
        return max(shown, key=lambda each: each.v)

    def told(self) -> list[str]:
        """Return who was told of the order itself, in turn."""
        return [
            entry.addressee
            for each in self.bodies(contract.DELIVERY)
            if isinstance(each, contract.Delivery) and not each.decide_for
            for entry in each.entries
        ]


def _address(body: Model) -> tuple[contract.Topic, str, str]:
    match body:
        case DirectiveCommand():
            return contract.COMMANDS_TOPIC, contract.COMMAND, f"{STREET}/{DIRECTIVE}"
        case Answer():
            return contract.ACKS_TOPIC, contract.ANSWER, body.desk
        case Tick():
            return contract.ACKS_TOPIC, contract.TICK, body.desk
        case _:
            raise TypeError(type(body).__name__)


def issued(mode: contract.Mode = "relayed", scope: str = DESK) -> DirectiveCommand:
    return DirectiveCommand(
        command=IssueDirective(directive=DIRECTIVE, issuer=CHIEF, text="集合", scope=scope, mode=mode)
    )


async def answered(dispatch: Dispatch, posts: Sequence[str] = POSTS, **other: int) -> None:
    for post in posts:
        state = "executed" if "floor" in post else "relayed"
        await dispatch.tell(answer(post, state, **other), actor="somebody")


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.req("F-03", "S3-03")
async def test_an_order_goes_down_post_by_post_and_closes_when_everybody_has_answered(*, twice: bool) -> None:
    dispatch = Dispatch(roster(), street_roster(), twice=twice)
    await dispatch.tell(issued())
    assert dispatch.told() == [AREA]
    assert dispatch.progress().total.total == 5
    await answered(dispatch, POSTS[:-1])
    assert dispatch.told() == list(POSTS)
    assert not dispatch.progress().all_reported
    await answered(dispatch, POSTS[-1:])
    progress = dispatch.progress()
    assert (progress.total.done, progress.all_reported, progress.complete) == (5, True, True)
    assert dispatch.progress(DESK).complete


@pytest.mark.req("F-03")
async def test_answers_in_the_wrong_order_give_the_same_counts() -> None:
    dispatch = Dispatch(roster(), street_roster())
    await dispatch.tell(issued("straight-through"))
    await answered(dispatch, POSTS[::-1])
    assert dispatch.progress().complete
    assert dispatch.progress().cells["s:5"].executed == 2


@pytest.mark.req("F-03")
async def test_a_cancel_reaches_everybody_and_is_counted_apart() -> None:
    dispatch = Dispatch(roster(), street_roster())
    await dispatch.tell(issued())
    await answered(dispatch, POSTS[:1])
    withdrawn = CancelDirective(directive=DIRECTIVE, issuer=CHIEF, reason="误报")
    await dispatch.tell(DirectiveCommand(command=withdrawn))
    assert set(dispatch.told()[2:]) == set(POSTS)
    assert (dispatch.progress().version, dispatch.progress().total.read) == (2, 0)
    for post in POSTS:
        await dispatch.tell(answer(post, "read", version=2))
    assert dispatch.progress().complete
    assert dispatch.progress().effect == "cancel"


async def test_a_cancel_reaches_posts_that_have_left_the_roster_meanwhile() -> None:
    dispatch = Dispatch(roster(), street_roster())
    await dispatch.tell(issued("straight-through"))
    smaller = roster(v=2, seats=community()[:2])
    dispatch.storage.put(Write(ROSTERS.name, DESK, 1, ROSTERS.encode(smaller)))
    withdrawn = CancelDirective(directive=DIRECTIVE, issuer=CHIEF, reason="误报")
    await dispatch.tell(DirectiveCommand(command=withdrawn))
    assert sorted(dispatch.told()) == sorted([*POSTS, *POSTS])


@pytest.mark.req("F-04")
async def test_a_vacant_post_is_brought_to_its_superior_who_answers_for_it() -> None:
    dispatch = Dispatch(roster(seats=community(vacant=[HEAD])), street_roster())
    await dispatch.tell(issued("straight-through"))
    (asked,) = [
        each
        for each in dispatch.bodies(contract.DELIVERY)
        if isinstance(each, contract.Delivery) and each.sheet
    ]
    assert [entry.addressee for entry in asked.entries] == [GRID_CHIEF]
    assert [(entry.addressee, entry.why) for entry in asked.decide_for] == [(HEAD, "vacant")]
    await answered(dispatch, [AREA, GRID_CHIEF, FLOOR1, FLOOR2])
    assert not dispatch.progress().all_reported
    await dispatch.tell(answer(HEAD, "relayed", by=GRID_CHIEF))
    progress = dispatch.progress()
    assert progress.complete
    assert (progress.total.answered_for, progress.total.vacant) == (1, 0)


@pytest.mark.req("F-04")
async def test_silence_is_brought_up_rung_by_rung_to_the_issuer() -> None:
    dispatch = Dispatch(roster(), street_roster())
    await dispatch.tell(issued())
    for _ in range(2):
        due = from_ms((dispatch.storage.body("sheets", f"{DIRECTIVE}/{DESK}") or {})["next_due"])
        await dispatch.tell(Tick(directive=DIRECTIVE, desk=DESK, version=1, due=due), actor=SYSTEM)
    asked = [
        each
        for each in dispatch.bodies(contract.DELIVERY)
        if isinstance(each, contract.Delivery) and each.sheet
    ]
    assert {entry.addressee for each in asked for entry in each.entries} == {CHIEF}
    assert dispatch.progress().total.overdue == 5


async def test_a_desk_without_a_roster_is_one_open_entry_that_its_roster_fills() -> None:
    dispatch = Dispatch(roster(), street_roster(DESK, OTHER))
    await dispatch.tell(issued(scope=STREET))
    progress = dispatch.progress()
    assert (progress.total.total, progress.missing) == (6, 0)
    there = roster(OTHER, seats=[])
    dispatch.storage.put(Write(ROSTERS.name, OTHER, 0, ROSTERS.encode(there)))
    filled = message(
        contract.DESKS_TOPIC, contract.FILL, OTHER, contract.Fill(directive=DIRECTIVE, desk=OTHER),
        Context("fill-0001", "/test", NOON),
    )  # fmt: skip
    await dispatch.settle([filled])
    assert dispatch.progress().total.total == 5


async def test_whatever_is_said_under_one_id_has_the_same_bytes() -> None:
    dispatch = Dispatch(roster(), street_roster(), twice=True)
    await dispatch.tell(issued())
    await answered(dispatch)
    by_id: dict[str, Message] = {}
    for each in dispatch.said:
        known = by_id.setdefault(header(each.headers, "ce_id"), each)
        assert (each.topic, each.key, each.value) == (known.topic, known.key, known.value)
