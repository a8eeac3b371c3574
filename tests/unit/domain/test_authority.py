"""Who stands above whom at a desk. What a post may do is proved where dispatch decides orders."""

from shared.contracts.registry import Superior
from shared.domain.authority import beyond_authority, chain_of, seat_of, top_of
from tests.builders.dispatch import (
    AREA,
    CHIEF,
    DESK,
    FLOOR1,
    GRID,
    GRID_CHIEF,
    HEAD,
    OTHER,
    community,
    handle,
    roster,
    seat,
    street_roster,
)


def test_a_chain_runs_from_the_post_to_the_top_of_its_desk() -> None:
    assert [each.post for each in chain_of(roster(), FLOOR1)] == [FLOOR1, HEAD, GRID_CHIEF, AREA]
    assert [each.post for each in chain_of(roster(), AREA)] == [AREA]


def test_a_post_that_has_no_seat_has_no_chain() -> None:
    assert chain_of(roster(), f"{DESK}/s:nobody") == []
    assert chain_of(roster(seats=()), AREA) == []


def test_a_chain_ends_at_a_superior_that_has_no_seat() -> None:
    seats = [each for each in community() if each.post != GRID_CHIEF]
    assert [each.post for each in chain_of(roster(seats=seats), FLOOR1)] == [FLOOR1, HEAD]


def test_a_chain_that_closes_on_itself_ends() -> None:
    round_ = (seat(AREA, GRID_CHIEF), seat(GRID_CHIEF, AREA))
    assert [each.post for each in chain_of(roster(seats=round_), AREA)] == [AREA, GRID_CHIEF]
    assert top_of(roster(seats=round_)) is None


def test_the_top_of_a_desk_is_commanded_from_elsewhere_or_by_nobody() -> None:
    top = top_of(roster(seats=community()[::-1]))
    assert top is not None
    assert top.post == AREA
    alone = seat(AREA).model_copy(update={"superior": Superior(desk=OTHER, post=f"{OTHER}/s:area")})
    assert top_of(roster(seats=(alone,))) == alone
    assert top_of(roster(seats=())) is None


def test_a_seat_is_found_by_its_post() -> None:
    found = seat_of(roster(), HEAD)
    assert found is not None
    assert found.holder == handle(HEAD)
    assert seat_of(roster(), CHIEF) is None
    assert seat_of(None, HEAD) is None


def test_a_holder_acts_inside_the_own_scope_only() -> None:
    def refused(issuer: str, scope: str, actor: str) -> str | None:
        found = beyond_authority(
            issuer, scope, actor=actor, here=street_roster() if issuer == CHIEF else roster(), there=roster()
        )
        return found and found.code

    assert refused(CHIEF, GRID, "boss") is None
    assert refused(GRID_CHIEF, GRID, handle(GRID_CHIEF)) is None
    assert refused(GRID_CHIEF, DESK, handle(GRID_CHIEF)) == "outside-scope"
    assert refused(CHIEF, GRID, "somebody") == "not-the-holder"
    assert refused(CHIEF, f"{GRID}.b9", "boss") == "unknown-scope"
    assert refused(f"{DESK}/s:nobody", GRID, "boss") == "unknown-issuer"
