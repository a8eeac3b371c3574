"""The log: whether state was made from this one, its readers get on, and bad data waits."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence

from cli.doctor.database import connected
from cli.doctor.findings import Finding, fail, ok, warn
from cli.verify.rest import groups_of
from shared.contracts.catalog import dead_letter_topics
from shared.kernel.errors import ConfigurationError
from shared.messaging.admin import TopicAdmin
from shared.messaging.asking import behind, places_of
from shared.messaging.letters import Kept, opened
from shared.messaging.places import Place, Places
from shared.runtime.settings import ServiceSettings
from shared.service.positions import Positions, read_positions, refuse_implausible
from shared.service.process import security_of

LOOK_AGAIN_S = 0.2
LETTERS_S = 120.0
NOBODY = {"Empty", "Dead"}


async def look_at_positions(settings: ServiceSettings) -> list[Finding]:
    """Hold what each group has applied against what is there, as its service does when it starts."""
    before = await _positions(settings)
    places = await places_of(settings.kafka, groups_of(), security_of(settings))
    return judge_positions(before, places, await _positions(settings))


async def look_at_lag(settings: ServiceSettings, *, patience: float, most: int) -> list[Finding]:
    """Look twice where records wait: a group that has not moved in `patience` seconds is stuck."""
    security = security_of(settings)
    first = await places_of(settings.kafka, groups_of(), security)
    last = first
    async with asyncio.timeout(patience + 30), TopicAdmin(settings.kafka, security) as admin:
        states = {group: await admin.state_of(group) for group in first}
        # Where nobody reads there is nothing to wait for.
        read = {group: places for group, places in first.items() if states[group] not in NOBODY}
        deadline = asyncio.get_running_loop().time() + patience
        while any(unmoved(places, last[group]) for group, places in read.items()):
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(LOOK_AGAIN_S)
            last = await places_of(settings.kafka, groups_of(), security)
    return judge_lag(first, last, states, most=most)


async def look_at_letters(settings: ServiceSettings) -> list[Finding]:
    """Count what was set aside and not taken up again."""
    async with asyncio.timeout(LETTERS_S), opened(settings.kafka, security_of(settings)) as letters:
        return judge_letters(await letters.read(dead_letter_topics()))


def judge_positions(
    before: Mapping[str, Positions], places: Mapping[str, Places], after: Mapping[str, Positions]
) -> list[Finding]:
    """Judge every group that has applied anything."""
    found = []
    for group, positions in after.items():
        try:
            refuse_implausible(group, before.get(group, {}), places[group], positions)
        except ConfigurationError as error:
            found.append(fail(error.code, error.detail))
    applied = sum(1 for positions in after.values() if positions)
    return found or [ok("positions", f"{applied} groups stand in the log they were applied from")]


def judge_lag(
    first: Mapping[str, Places], last: Mapping[str, Places], states: Mapping[str, str], *, most: int
) -> list[Finding]:
    """Judge each group by what waits for it, and whether it gets less."""
    found = []
    for group, places in first.items():
        lag = sum(behind(last[group]).values())
        stuck = unmoved(places, last[group])
        if states[group] in NOBODY:
            told = fail if lag else warn
            found.append(told("group-empty", f"nobody reads for {group}; {lag} records wait"))
        elif stuck:
            where = ", ".join(f"{place.topic}/{place.partition}" for place in stuck[:3])
            found.append(fail("group-stuck", f"{group} does not move at {where}; {lag} records wait"))
        elif lag > most:
            found.append(warn("lag", f"{lag} records wait for {group}"))
    total = sum(sum(behind(places).values()) for places in last.values())
    return found or [ok("lag", f"{len(first)} groups read; {total} records wait")]


def unmoved(first: Places, last: Places) -> list[Place]:
    """Return the partitions where records waited at both looks and nothing was committed between."""
    waited, wait = behind(first), behind(last)
    return sorted(
        (
            place
            for place in waited
            if place in wait and first.committed.get(place) == last.committed.get(place)
        ),
        key=lambda place: (place.topic, place.partition),
    )


def judge_letters(kept: Sequence[Kept]) -> list[Finding]:
    """Judge by topic what waits for somebody to look at it."""
    waiting: dict[str, Counter[str]] = {}
    for each in kept:
        if not each.replayed:
            waiting.setdefault(each.letter.topic, Counter())[each.letter.code] += 1
    found = [
        warn("dead-letters", f"{codes.total()} in {topic}: {_codes(codes)}")
        for topic, codes in waiting.items()
    ]
    return found or [ok("dead-letters", "none wait")]


def _codes(codes: Mapping[str, int]) -> str:
    return ", ".join(f"{code} {count}" for code, count in sorted(codes.items()))


async def _positions(settings: ServiceSettings) -> dict[str, Positions]:
    found: dict[str, Positions] = {}
    for service in {group.partition(".")[0] for group in groups_of()}:
        async with connected(settings, service) as database:
            for group in groups_of():
                if group.startswith(f"{service}."):
                    found[group] = await read_positions(group, database)
    return found
