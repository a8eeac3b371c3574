"""The handlers together, over a log in memory: an order goes down, answers come up, the loop closes."""

from collections.abc import Sequence

import pytest

from shared.contracts import dispatch as contract
from shared.contracts.directives import CancelDirective, DirectiveCommand, IssueDirective, Mode
from shared.contracts.envelope import Context, Message, header, message
from shared.flow.documents import Write
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
    OTHER,
    STREET,
    answer,
    community,
    roster,
    street_roster,
)
from tests.unit.dispatch.loop import Dispatch

POSTS = (AREA, GRID_CHIEF, HEAD, FLOOR1, FLOOR2)


def issued(mode: Mode = "relayed", scope: str = DESK) -> DirectiveCommand:
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
        await dispatch.silence()
    assert dispatch.asked() == [[CHIEF], [CHIEF]]
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
