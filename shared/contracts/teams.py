"""What a scheme says of a team, and who is in one: the data the team rules read (M-04, M-05).

A rank, an organisation or a profession is a predicate on the holder, never a name in code.
"""

from typing import Annotated

from pydantic import Field, StringConstraints

from shared.contracts.base import Handle, Model

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,40}$")]
TeamName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*:[a-z][a-z0-9-]*$")]
"""`scheme:team`."""


class Role(Model):
    """How many of one role a team needs, and what each of them must be (`attribute: one of these`)."""

    count: Annotated[int, Field(ge=0, le=100)] = 1
    where: dict[Slug, tuple[str, ...]] = Field(default_factory=dict)


class TeamDefinition(Model):
    """What a team must be made of.

    At least `size` members in all, the roles with their counts, in each of `groups` at least one, and where
    `distinct_people` nobody twice, where `distinct_roles` no role twice.
    """

    title: dict[str, str] = Field(default_factory=dict)
    size: Annotated[int, Field(ge=1, le=200)] = 1
    roles: dict[Slug, Role] = Field(default_factory=dict)
    groups: tuple[Slug, ...] = ()
    distinct_people: bool = True
    distinct_roles: bool = False


class TeamMember(Model):
    """One member: a person in a role, perhaps in a group, with what predicates ask for."""

    person: Handle
    role: Slug
    group: Slug | None = None
    attributes: dict[Slug, str] = Field(default_factory=dict)
