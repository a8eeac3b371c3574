"""An order amended midway, over the handlers and a log in memory: told again, counted on, and closed."""

from itertools import pairwise

import pytest

from shared.contracts import dispatch as contract
from shared.contracts.base import Model
from shared.contracts.directives import (
    AmendDirective,
    DirectiveCommand,
    DirectiveFact,
    IssueDirective,
    Mode,
    Order,
)
from shared.contracts.dispatch import Delivery, Progress, SheetFrozen
from shared.contracts.envelope import Context, Message, message
from shared.contracts.topics import Topic
from shared.flow.batch import Flow
from shared.flow.documents import Write
from shared.messaging.reading import read
from shared.service.rosters import ROSTERS
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
    STREET,
    alert,
    answer,
    cancelled,
    community,
    relay,
    roster,
    street_roster,
)
from tests.contract.consumers import HANDLERS
from tests.fakes.log import PARTITIONS, Watch, arriving
from tests.fakes.storage import MemoryStorage
from tests.unit.dispatch.loop import Dispatch

POSTS = (AREA, GRID_CHIEF, HEAD, FLOOR1, FLOOR2)


def issued(mode: Mode = "relayed") -> DirectiveCommand:
    command = IssueDirective(directive=DIRECTIVE, issuer=CHIEF, text="集合", scope=DESK, mode=mode)
    return DirectiveCommand(command=command)


def amendment(*, again: bool = False) -> DirectiveCommand:
    command = AmendDirective(
        directive=DIRECTIVE, issuer=CHIEF, reason="地点有变", text="东门集合", again=again
    )
    return DirectiveCommand(command=command)


async def answered(dispatch: Dispatch, *posts: str, **other: int) -> None:
    for post in posts:
        state = "executed" if "floor" in post else "relayed"
        await dispatch.tell(answer(post, state, **other), actor="somebody")


def told(dispatch: Dispatch, version: int) -> list[str]:
    return [
        entry.addressee
        for each in dispatch.bodies(contract.DELIVERY)
        if isinstance(each, Delivery) and each.version == version and not each.decide_for
        for entry in each.entries
    ]


def shown(dispatch: Dispatch, desk: str = STREET) -> list[Progress]:
    every = [each for each in dispatch.bodies(contract.PROGRESS) if isinstance(each, Progress)]
    return sorted((each for each in every if each.desk == desk), key=lambda each: each.v)


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.req("F-03", "S3-03")
async def test_an_amended_order_is_told_again_counts_on_and_closes(*, twice: bool) -> None:
    dispatch = Dispatch(roster(), street_roster(), twice=twice)
    await dispatch.tell(issued())
    await answered(dispatch, AREA, GRID_CHIEF)
    assert told(dispatch, 1) == [AREA, GRID_CHIEF, HEAD]
    await dispatch.tell(amendment())
    assert told(dispatch, 2) == [AREA, GRID_CHIEF, HEAD]
    assert (dispatch.progress().version, dispatch.progress().total.relayed) == (2, 2)
    await answered(dispatch, HEAD)  # it had not read the amendment yet
    await answered(dispatch, FLOOR1, FLOOR2, version=2)
    assert told(dispatch, 2) == list(POSTS)
    assert (dispatch.progress().complete, dispatch.progress().total.done) == (True, 5)
    for desk in (STREET, DESK):
        for before, after in pairwise(shown(dispatch, desk)):
            falls = [name for name, number in before.total if number > getattr(after.total, name)]
            assert set(falls) <= {"unreached"}, f"{before.v}: {falls}"


@pytest.mark.req("F-03", "S3-03")
async def test_again_counts_restart_and_only_answers_to_it_close_it() -> None:
    dispatch = Dispatch(roster(), street_roster())
    await dispatch.tell(issued("straight-through"))
    await answered(dispatch, *POSTS[:-1])
    await dispatch.tell(amendment(again=True))
    now = dispatch.progress()
    assert (now.version, now.epoch, now.total.done, now.total.total) == (2, 1, 0, 5)
    await answered(dispatch, *POSTS)
    assert dispatch.progress().total.done == 0
    await answered(dispatch, *POSTS, version=2, epoch=1)
    assert dispatch.progress().complete


@pytest.mark.req("S3-03")
async def test_an_order_that_everybody_had_answered_closes_at_its_new_version_once_all_desks_have_it() -> (
    None
):
    dispatch = Dispatch(roster(), street_roster())
    await dispatch.tell(issued("straight-through"))
    await answered(dispatch, *POSTS[:-1])
    await dispatch.tell(amendment())
    await answered(dispatch, *POSTS[-1:])
    last = dispatch.progress()
    assert (last.version, last.complete) == (2, True)
    assert told(dispatch, 2) == list(POSTS)


async def test_each_version_has_its_own_audience_and_says_so_once() -> None:
    dispatch = Dispatch(roster(), street_roster())
    await dispatch.tell(issued("straight-through"))
    smaller = roster(v=2, seats=community()[:2])
    dispatch.storage.put(Write(ROSTERS.name, DESK, 1, ROSTERS.encode(smaller)))
    await dispatch.tell(amendment())
    frozen = [each for each in dispatch.bodies(contract.FROZEN) if isinstance(each, SheetFrozen)]
    here = {each.version: each for each in frozen if each.desk == DESK}
    assert {version: each.roster_v for version, each in here.items()} == {1: 1, 2: 2}
    assert {seat.post for seat in here[2].seats} == set(POSTS)
    assert sorted(told(dispatch, 2)) == sorted(POSTS)


async def test_a_version_that_finds_no_seats_any_more_goes_to_those_who_had_the_one_before() -> None:
    dispatch = Dispatch(roster())
    await dispatch.tell(alert(), actor="screening")
    assert told(dispatch, 1) == [FLOOR1]
    dispatch.storage.put(Write(ROSTERS.name, DESK, 1, ROSTERS.encode(roster(v=2, seats=()))))
    last = relay().model_copy(update={"order": _withdrawn(dispatch), "sender": None})
    await dispatch.tell(last)
    assert told(dispatch, 2) == [FLOOR1]


def _withdrawn(dispatch: Dispatch) -> Order:
    """Return the newest order of the log, cancelled: nobody holds a post any more who could do so."""
    (fact,) = [each for each in dispatch.bodies(contract.DIRECTIVE) if isinstance(each, DirectiveFact)]
    return cancelled(fact.order)


async def test_an_audience_is_told_of_though_an_answer_came_in_the_same_batch() -> None:
    storage, watch = MemoryStorage(), Watch()
    storage.put(Write(ROSTERS.name, DESK, 0, ROSTERS.encode(roster())))
    flow = Flow(
        "dispatch.sheets", HANDLERS["dispatch.sheets"](), storage=storage, publish=watch.publish,
        partitions=lambda _topic: PARTITIONS, observer=watch,
    )  # fmt: skip
    down = said(contract.DESKS_TOPIC, contract.RELAY, relay())
    up = said(contract.ACKS_TOPIC, contract.ANSWER, answer(AREA, "read"))
    await flow([read(arriving(down, offset=0)), read(arriving(up, offset=0))])
    assert len(watch.of(contract.FROZEN)) == 1


def said(topic: Topic, type_: str, body: Model) -> Message:
    return message(topic, type_, DESK, body, Context("message-0001", "/test", NOON, "somebody"))
