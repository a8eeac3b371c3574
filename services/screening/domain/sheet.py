"""One round at one desk: its head (terms, children, what waits or is listed) and a sheet for each part.

A sheet is compact arrays by frozen position, one stretch a slot. Heads and sheets belong to the batch that
loaded them; `merging` says how records change them.
"""

from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Literal, NamedTuple, get_args

from services.screening.domain.denominator import NO_CARE_UNIT, Part
from shared.contracts.screening import Means, Round

LISTED_MOST: Final = 500
EARLY_MOST: Final = 5_000
LATER_MOST: Final = 2_000
MEANS: Final[tuple[str, ...]] = get_args(Means)

Why = Literal["late", "stranger", "future", "outside-window", "overflow"]
Status = Literal["stub", "waiting", "frozen", "closed"]


class Outcome(IntEnum):
    """What is known of a household in a slot; where two visits differ, the higher one holds."""

    OPEN = 0
    NOBODY_HOME = 1
    REFUSED = 2
    VACANT = 3
    MOVED_AWAY = 4
    SCREENED = 5


NAMED: Final = {
    "nobody-home": Outcome.NOBODY_HOME,
    "refused": Outcome.REFUSED,
    "vacant": Outcome.VACANT,
    "moved-away": Outcome.MOVED_AWAY,
    "screened": Outcome.SCREENED,
}
COVERED: Final = Outcome.VACANT
"""From here on a household is covered: it was screened, or nobody lives there to be."""


class Seen:
    """What was said of a person in a slot, as bits: a "no" is a bit of its own, not the lack of a "yes"."""

    YES: Final = {"symptoms": 1, "travelled": 4, "contact": 16}
    NO: Final = {"symptoms": 2, "travelled": 8, "contact": 32}
    MEASURED: Final = 64
    AWAY: Final = 128
    """The home was found vacant or moved away: nobody was there to be asked."""


class Early(NamedTuple):
    """A visit or reading that arrived before the denominator: it waits, as the text it came as."""

    id: str
    at: int
    kind: Literal["visit", "reading"]
    text: str


class Listed(NamedTuple):
    """A visit that is kept and shown but never counted, and why; `at` is the time it claims, in ms."""

    at: int
    id: str
    why: Why
    household: str
    found: str


class Later(NamedTuple):
    """A household that was not on the denominator: what was found, and when last (packed)."""

    found: int
    last: int


@dataclass(slots=True)
class Head:
    """A round at a desk: a stub (no terms yet), waiting (not yet countable), frozen, or closed.

    `children` is None while the desk's roster is unknown. `later` is by (household, slot).
    """

    round: str
    desk: str
    terms: Round | None = None
    sender: str | None = None
    children: tuple[str, ...] | None = None
    children_sent: dict[str, int] = field(default_factory=dict)
    frozen: bool = False
    parts: tuple[str, ...] = ()
    facts_sent: bool = False
    early: dict[tuple[str, int], Early] = field(default_factory=dict)
    later: dict[tuple[str, str], Later] = field(default_factory=dict)
    listed: list[Listed] = field(default_factory=list)

    @property
    def closed(self) -> bool:
        """Whether the accepted close has arrived here."""
        return self.terms is not None and self.terms.status == "closed"

    @property
    def status(self) -> Status:
        """Where this desk stands in the round; a desk closed before it could be counted is closed."""
        if self.terms is None:
            return "stub"
        if self.closed:
            return "closed"
        return "frozen" if self.frozen else "waiting"

    @property
    def waiting(self) -> bool:
        """Whether a census could change something: the roster or the households were not complete yet."""
        return self.terms is not None and (self.children is None or not (self.frozen or self.closed))

    @property
    def rank(self) -> int:
        """How far the round has got here: 1 open, 2 closed."""
        return 0 if self.terms is None else 1 + self.closed

    def note(self, listed: Listed) -> None:
        """List a visit once, and of too many the earliest, so that the order of arrival does not matter."""
        place = bisect_left(self.listed, listed)
        if self.listed[place : place + 1] != [listed]:
            self.listed.insert(place, listed)
            del self.listed[LISTED_MOST:]


@dataclass(slots=True)
class Sheet:
    """The state of one part: by household and by person, one stretch a slot.

    `found` holds `Outcome`s and `seen` bits of `Seen`; `heat` is the highest temperature, in tenths above
    30 °C, plus one; `last` and `confirmed` are packed times of the last attempt and the last confirmation.
    `closed` repeats the head's, so that what a part reports is said by one document and its version.
    """

    round: str
    desk: str
    part: str
    found: bytearray
    last: "array[int]"
    seen: bytearray
    heat: bytearray
    confirmed: "array[int]"
    closed: bool = False

    @classmethod
    def of(cls, round_: str, desk: str, part: Part, slots: int) -> "Sheet":
        """Return a sheet on which nothing was said yet."""
        households, persons = len(part.households) * slots, len(part.persons) * slots
        return cls(
            round_, desk, part.part, bytearray(households), array("q", bytes(8 * households)),
            bytearray(persons), bytearray(persons), array("q", bytes(8 * persons)),
        )  # fmt: skip


def packed(at: int, means: str) -> int:
    """Return a time (ms) with its means as one number; the later time is the greater."""
    return at * 8 + MEANS.index(means)


def unpacked(value: int) -> tuple[int, str] | None:
    """Return the time (ms) and the means of a packed number; None where nothing was said."""
    return (value >> 3, MEANS[value & 7]) if value else None


def heat(temperature: float) -> int:
    """Return the byte that a temperature is kept as; 0 is where nobody measured."""
    return round((temperature - 30) * 10) + 1


def head_id(round_: str, desk: str) -> str:
    """Return the id of a head, of its denominator and of its progress."""
    return f"{round_}/{desk}"


def sheet_id(round_: str, desk: str, part: str) -> str:
    """Return the id of a part's sheet."""
    return f"{round_}/{desk}/{part}"


def own_part(head: Head) -> str | None:
    """Return the part whose counts stand in the desk's own tally, if there is one."""
    return NO_CARE_UNIT if NO_CARE_UNIT in head.parts else None
