"""What the oracle makes of registry's rows: written down by hand."""

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from cli.verify import registry
from shared.contracts import registry as contract
from shared.contracts.outcomes import Event
from shared.contracts.registry import Appoint, Changes, EndAppointment, PutUnit
from tests.builders.log import Written
from tests.builders.registry import household, post, unit

DESK, STREET = "610802006003", "610802006"
CHIEF = f"{DESK}/cw5:area-chief"
NEW_YEAR, LATER = date(2026, 1, 1), date(2026, 6, 1)
ZONE = ZoneInfo("Asia/Shanghai")
SOMETHING = (Event(type="unit-put"),)


def said(*bulks: tuple[str, list[Any], tuple[bool, ...]]) -> dict[str, Any]:
    """Return what is said of rows of desks, each accepted or not."""
    written = Written()
    for desk, rows, accepted in bulks:
        written.command(
            contract.COMMANDS_TOPIC, contract.OUTCOMES_TOPIC, Changes(rows=tuple(rows)), key=desk,
            accepted=accepted or (True,) * len(rows), events=SOMETHING,
        )  # fmt: skip
    return registry.said(written.log, ZONE)


def begun(code: str) -> PutUnit:
    return unit(code, valid_from=NEW_YEAR)


def test_rows_that_were_refused_change_nothing() -> None:
    rows = [begun(DESK), post(DESK, "cw5:area-chief", valid_from=NEW_YEAR), begun(f"{DESK}001")]
    found = said((DESK, rows, (True, True, False)))
    assert f"unit {DESK}001" not in found
    assert found[f"seat {CHIEF}"] == "p-610802006003-cw5-area-chief"
    assert found[f"desk {DESK} compiled on"] == NEW_YEAR


def test_a_seat_is_held_by_whoever_holds_it_on_the_day() -> None:
    rows = [
        begun(DESK),
        post(DESK, "cw5:area-chief", holder="p-first", valid_from=NEW_YEAR),
        EndAppointment(post=CHIEF, valid_to=LATER),
        Appoint(post=CHIEF, holder="p-second", valid_from=LATER),
    ]
    found = said((DESK, rows, ()))
    assert found[f"seat {CHIEF}"] == "p-first"
    assert found[f"post {CHIEF}"]["holders"] == [("p-first", NEW_YEAR, LATER), ("p-second", LATER, None)]


def test_a_seat_is_there_only_while_its_unit_and_itself_are() -> None:
    grid, ended = f"{DESK}001", f"{DESK}002"
    rows = [
        begun(DESK), unit(grid, valid_from=LATER),
        post(grid, "cw5:grid-chief", valid_from=LATER),
        unit(ended, valid_from=date(2025, 1, 1), valid_to=NEW_YEAR),
        post(ended, "cw5:grid-chief", valid_from=date(2025, 1, 1)),
        post(DESK, "cw5:area-chief", valid_from=NEW_YEAR, holder=None),
    ]  # fmt: skip
    found = said((DESK, rows, ()))
    assert {place: who for place, who in found.items() if place.startswith("seat ")} == {
        f"seat {CHIEF}": "vacant"
    }


def test_households_are_counted_as_they_stand_now() -> None:
    charge = f"{DESK}001.c1/cw5:floor-head"
    rows = [
        household(1, f"{DESK}001.c1", charge, 3),
        household(2, f"{DESK}001.c1", None, 2),
        household(1, f"{DESK}001.c1", charge, 4),
    ]
    found = said((DESK, rows, ()))
    assert found[f"households of {DESK}"] == {
        "households": 2, "members": 6, "by post": {charge: 1}, "without a charge": {f"{DESK}001.c1": 1},
    }  # fmt: skip


def test_posts_are_added_up_along_the_paths_of_desks() -> None:
    found = said(
        ("610802", [begun("610802")], ()),
        (STREET, [begun(STREET), post(STREET, "city-vertical:duty-desk", valid_from=NEW_YEAR)], ()),
        (DESK, [begun(DESK), post(DESK, "cw5:area-chief", valid_from=NEW_YEAR)], ()),
    )
    assert found[f"posts below {STREET} at {DESK}"] == 1
    assert found[f"posts below 610802 at {STREET}"] == 2
