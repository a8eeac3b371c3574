"""Unit codes and post ids: how places and seats are written, and which desk a place belongs to.

A code names a place, it does not place it: "inside X" is a question to the unit's dated path, which
registry keeps; what a code alone can say is its default path, its kind and its desk.
Only structure is checked. Real registers drift, so no legal-looking digit is refused for its value.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Self

from shared.kernel.errors import Permanent

COMMUNITY_DIGITS = 12
_CACHED = 65_536  # a large city's grids fit; a street office's whole tree fits many times


class InvalidCode(Permanent, ValueError):  # noqa: N818 (the house names errors by what is wrong)
    """No unit code or post id; also a ValueError, so that a pydantic validator reports it as such."""

    def __str__(self) -> str:
        """Leave the text at fault in `detail`: somebody may have put a person's name where a code belongs."""
        return self.code


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of unit: the name schemes use for it, and its titles."""

    name: str
    en: str
    zh: str


# Administrative digits → kind: GB/T 2260 (2, 4, 6), GB/T 10114 (9), statistics bureau (12), unit grid (15).
LEVELS: Mapping[int, Kind] = MappingProxyType(
    {
        2: Kind("province", "province", "省"),
        4: Kind("city", "city", "市"),
        6: Kind("county", "county or district", "县（区）"),
        9: Kind("street", "street or town", "街道（乡镇）"),
        COMMUNITY_DIGITS: Kind("community", "community or village", "社区（村）"),
        15: Kind("grid", "grid", "网格"),
    }
)

# The letter of a `.letter+digits` segment → kind.
LETTERS: Mapping[str, Kind] = MappingProxyType(
    {
        "a": Kind("plot", "plot", "片区"),
        "b": Kind("building", "building", "楼栋"),
        "c": Kind("compound", "compound", "小区"),
        "d": Kind("dwelling", "dwelling", "户室"),
        "e": Kind("entrance", "entrance", "单元"),
        "f": Kind("floor-span", "floor span", "楼层段"),
        "g": Kind("residents-group", "residents' or villagers' group", "居民（村民）小组"),
        "i": Kind("institution", "institution", "单位"),
        "k": Kind("gate", "gate", "卡口"),
        "l": Kind("lane", "lane", "巷道"),
        "m": Kind("market", "market", "市场"),
        "p": Kind("bungalow", "bungalow or open area", "平房（开放区）"),
        "s": Kind("shops", "shops", "门店"),
        "w": Kind("third-tier-grid", "third-tier grid", "三级网格"),
        "x": Kind("functional-zone", "functional zone", "功能区"),
        "y": Kind("courtyard", "courtyard", "院落"),
        "z": Kind("defence-zone", "defence zone", "防区"),
    }
)

KINDS: Mapping[str, Kind] = MappingProxyType(
    {kind.name: kind for kind in (*LEVELS.values(), *LETTERS.values())}
)

# Five digits hold a city-wide serial of buildings (DB6101/T 3185); eight segments, any real nesting.
PATTERN = (
    r"^(?:[0-9]{15}|[0-9]{12}|[0-9]{9}|[0-9]{6}|[0-9]{4}|[0-9]{2})"
    rf"(?:\.[{''.join(LETTERS)}][0-9]{{1,6}}){{0,8}}$"
)
_UNIT = re.compile(PATTERN)
_NAME = r"[a-z][a-z0-9-]{0,39}"
_POST = re.compile(
    rf"(?P<unit>[^/]+)/(?P<scheme>{_NAME}):(?P<type>{_NAME})(?:/(?P<number>[1-9][0-9]{{0,4}}))?"
)


@dataclass(frozen=True, slots=True)
class UnitCode:
    """A well-formed code; made by `parse` only."""

    text: str
    kind: str

    def __str__(self) -> str:
        return self.text

    def parent(self) -> "UnitCode | None":
        """Give the default superior place; a unit's dated path may say otherwise."""
        head, dot, _ = self.text.rpartition(".")
        if dot:
            return parse(head)
        shorter = [length for length in LEVELS if length < len(self.text)]
        return parse(self.text[: max(shorter)]) if shorter else None

    def ancestors(self) -> "tuple[UnitCode, ...]":
        """Give the default path from the province down to the parent."""
        parent = self.parent()
        return (*parent.ancestors(), parent) if parent else ()

    def desk(self) -> str:
        return self.text.partition(".")[0][:COMMUNITY_DIGITS]


@lru_cache(maxsize=_CACHED)
def parse(code: str) -> UnitCode:
    if _UNIT.fullmatch(code) is None:
        raise InvalidCode("invalid-unit-code", code)
    # The last segment gives the kind.
    _, dot, last = code.rpartition(".")
    kind = LETTERS[last[0]] if dot else LEVELS[len(code)]
    return UnitCode(code, kind.name)


def desk_of(code: str) -> str:
    """Give the desk a place belongs to: its community, or above that its own administrative code.

    This is the routing key `K` of every topic keyed by place.
    """
    return parse(code).desk()


@dataclass(frozen=True, slots=True)
class PostId:
    """A seat: where, which type of which scheme, and its number where a place has several."""

    unit: str
    scheme: str
    type: str
    number: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        match = _POST.fullmatch(text)
        if match is None:
            raise InvalidCode("invalid-post-id", text)
        number = match["number"]
        return cls(parse(match["unit"]).text, match["scheme"], match["type"], int(number) if number else None)

    def __str__(self) -> str:
        seat = f"{self.unit}/{self.scheme}:{self.type}"
        return seat if self.number is None else f"{seat}/{self.number}"


def desk_of_post(post: str) -> str:
    """Give the desk that lists a post; cheaper than PostId.parse, for every answer asks it."""
    unit, slash, _ = post.partition("/")
    if not slash:
        raise InvalidCode("invalid-post-id", post)
    return parse(unit).desk()
