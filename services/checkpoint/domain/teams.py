"""Whether these people make that team: one rule for every kind of team, the kinds are data (M-05).

Every fault is named at once, so that a team can be put right in one go. Whoever stands in for somebody on
leave is another question.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from shared.contracts.teams import TeamDefinition, TeamMember

FaultCode = Literal[
    "too-few", "role-short", "role-unknown", "role-predicate", "group-empty", "person-twice", "role-twice"
]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing a team lacks: a stable code, and what exactly."""

    code: FaultCode
    text: str


def faults_of(definition: TeamDefinition, members: Sequence[TeamMember]) -> list[Fault]:
    """Return everything that is wrong with a team; nothing, if it is complete."""
    return [
        *_size(definition, members),
        *_roles(definition, members),
        *_predicates(definition, members),
        *_groups(definition, members),
        *_repetitions(definition, members),
    ]


def _size(definition: TeamDefinition, members: Sequence[TeamMember]) -> Iterator[Fault]:
    # A size is of people: who stands in two roles is still one.
    people = len({member.person for member in members})
    if people < definition.size:
        yield Fault("too-few", f"{people} of {definition.size}")


def _roles(definition: TeamDefinition, members: Sequence[TeamMember]) -> Iterator[Fault]:
    """Compare roles with their counts, which are least ones; a team without roles takes any."""
    found = Counter(member.role for member in members)
    for name, role in definition.roles.items():
        if found[name] < role.count:
            yield Fault("role-short", f"{name}: {found[name]} of {role.count}")
    if definition.roles:
        yield from (Fault("role-unknown", name) for name in sorted(found.keys() - definition.roles.keys()))


def _predicates(definition: TeamDefinition, members: Sequence[TeamMember]) -> Iterator[Fault]:
    for member in members:
        role = definition.roles.get(member.role)
        for attribute, accepted in (role.where if role else {}).items():
            held = member.attributes.get(attribute)
            if held not in accepted:
                wanted = " or ".join(accepted)
                yield Fault(
                    "role-predicate", f"{member.role}: {attribute} is {held or 'not said'}, not {wanted}"
                )


def _groups(definition: TeamDefinition, members: Sequence[TeamMember]) -> Iterator[Fault]:
    filled = {member.group for member in members}
    yield from (Fault("group-empty", group) for group in definition.groups if group not in filled)


def _repetitions(definition: TeamDefinition, members: Sequence[TeamMember]) -> Iterator[Fault]:
    if definition.distinct_people:
        people = Counter(member.person for member in members)
        yield from (Fault("person-twice", person) for person, times in people.items() if times > 1)
    if definition.distinct_roles:
        roles = Counter(member.role for member in members)
        yield from (Fault("role-twice", role) for role, times in roles.items() if times > 1)
