"""A scheme as data: which posts there are, what each does, and who stands above whom.

Everything that has a name in a source (a post, a level, a span) is data here and never appears in code.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.contracts.base import Code, Count
from shared.contracts.registry import DoneAt, Line, SchemeName, Verb
from shared.contracts.teams import Slug, TeamDefinition
from shared.kernel.codes import KINDS
from shared.kernel.errors import ConfigurationError

Title = dict[str, str]
Schemes = Mapping[str, "Scheme"]
_DONE_AT: Mapping[Verb, DoneAt] = {"takes-charge": "executed", "none": "read"}


class Part(BaseModel):
    """A part of a scheme file; a key that is not known is a mistake, not an extension."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Attach(Part):
    """Where a scheme may be attached, and whether it then governs that unit or only what lies below."""

    kinds: Annotated[tuple[str, ...], Field(min_length=1)]
    governs: Literal["below", "self"] = "below"


class Level(Part):
    """One level: who may stand there instead (`any_of`), and whether a chain may leave it out."""

    any_of: tuple[str, ...] = ()
    optional: bool = False


class ReportsTo(Part):
    """The post above: a type of this scheme, or `scheme:type`; nearest upwards, or at a unit of one kind."""

    post: str
    unit: str | None = None


class PostDefinition(Part):
    """One type of post."""

    title: Title = Field(default_factory=dict)
    unit: str | tuple[str, ...]
    level: int | dict[str, int]
    verb: Verb
    reports_to: str | ReportsTo | None = None
    done_at: DoneAt | None = None
    line: Line | None = None
    per_unit: Annotated[int, Field(ge=1)] | None = None
    span: dict[str, Any] = Field(default_factory=dict)
    eligible: Title = Field(default_factory=dict)

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of unit that may have this post."""
        return (self.unit,) if isinstance(self.unit, str) else self.unit

    @property
    def done(self) -> DoneAt:
        """The state at which this post has done its part of an order, unless the order says otherwise."""
        return self.done_at or _DONE_AT.get(self.verb, "relayed")

    @cached_property
    def levels(self) -> frozenset[int]:
        return frozenset((self.level,) if isinstance(self.level, int) else self.level.values())

    def level_at(self, kind: str) -> int:
        """Return the level of this post at a unit of this kind."""
        return self.level if isinstance(self.level, int) else self.level[kind]

    @cached_property
    def above(self) -> ReportsTo | None:
        """The post it reports to whatever its template says, if the scheme names one."""
        return ReportsTo(post=self.reports_to) if isinstance(self.reports_to, str) else self.reports_to


class Declared(Part):
    """What the source itself says there is; types without a figure stand outside its total."""

    unit: Code | None = None
    posts: Count
    people: Count | None = None
    by_type: dict[str, Count] = Field(default_factory=dict)


class Scheme(Part):
    """One version of one scheme."""

    scheme: SchemeName
    version: Annotated[int, Field(ge=1)] = 1
    valid_from: date
    source: str = ""
    title: Title = Field(default_factory=dict)
    kind: Title = Field(default_factory=dict)
    owner: Title = Field(default_factory=dict)
    attach: Attach
    levels: dict[int, Level]
    care_unit: str | None = None
    household_level: int | None = None
    posts: Annotated[dict[str, PostDefinition], Field(min_length=1)]
    templates: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]] = Field(default_factory=dict)
    duties: tuple[str, ...] = ()
    bodies: dict[str, Any] = Field(default_factory=dict)
    areas: dict[str, Any] = Field(default_factory=dict)
    teams: dict[Slug, TeamDefinition] = Field(default_factory=dict)
    declared: Declared | None = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        faults = [
            *self._unknown_kinds(),
            *self._unknown_levels(),
            *self._unknown_posts(),
            *self._false_sums(),
        ]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def qualified(self, post: str) -> str:
        """Return `scheme:type`; a name that is qualified already is left as it is."""
        return post if ":" in post else f"{self.scheme}:{post}"

    def instead_of(self, post: str) -> tuple[str, ...]:
        """Return the types that may stand where a template names this one."""
        definition = self.posts[post]
        if isinstance(definition.level, dict):
            return (post,)
        return self.levels[definition.level].any_of or (post,)

    def optional(self, post: str) -> bool:
        """Say whether a chain may leave out the level of this post."""
        level = self.posts[post].level
        return isinstance(level, int) and self.levels[level].optional

    @cached_property
    def above(self) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
        """For each post type, by residential type of the templates it stands in: the types above it."""
        found: dict[str, dict[str, tuple[str, ...]]] = {post: {} for post in self.posts}
        for residential, types in self.templates.items():
            for place, named in enumerate(types):
                for post in {named, *self.instead_of(named)}:
                    found[post].setdefault(residential, types[:place])
        return found

    def _unknown_kinds(self) -> Iterator[str]:
        for name, post in self.posts.items():
            named = [*post.kinds, *([post.above.unit] if post.above and post.above.unit else [])]
            yield from (
                f"posts.{name}: no kind of unit is called {kind!r}" for kind in named if kind not in KINDS
            )
        yield from (
            f"attach: no kind of unit is called {kind!r}" for kind in self.attach.kinds if kind not in KINDS
        )
        if self.care_unit is not None and self.care_unit not in KINDS:
            yield f"care_unit: no kind of unit is called {self.care_unit!r}"

    def _unknown_levels(self) -> Iterator[str]:
        for name, post in self.posts.items():
            yield from (
                f"posts.{name}: no level {level}" for level in post.levels if level not in self.levels
            )
            if isinstance(post.level, dict) and set(post.level) != set(post.kinds):
                yield f"posts.{name}: level must name each kind of unit the post stands at"
        if self.household_level is not None and self.household_level not in self.levels:
            yield f"household_level: no level {self.household_level}"

    def _unknown_posts(self) -> Iterator[str]:
        named: list[tuple[str, str]] = [
            (f"templates.{template}", post) for template, types in self.templates.items() for post in types
        ]
        named += [(f"levels.{n}", post) for n, level in self.levels.items() for post in level.any_of]
        named += [
            (f"posts.{name}", post.above.post)
            for name, post in self.posts.items()
            if post.above and ":" not in post.above.post
        ]
        named += [("declared", post) for post in (self.declared.by_type if self.declared else ())]
        yield from (
            f"{where}: no post type is called {post!r}" for where, post in named if post not in self.posts
        )

    def _false_sums(self) -> Iterator[str]:
        if self.declared and self.declared.by_type:
            found = sum(self.declared.by_type.values())
            if found != self.declared.posts:
                yield f"declared: by_type adds up to {found}, posts says {self.declared.posts}"


def parse_scheme(data: object, *, origin: str) -> Scheme:
    """Read one scheme from plain data; every fault it has is named in one error."""
    try:
        return Scheme.model_validate(data)
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(step) for step in fault['loc'])}: {fault['msg']}".removeprefix(": ")
            for fault in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise ConfigurationError("invalid-scheme", f"{origin}: {'; '.join(lines)}") from error


def qualified_posts(schemes: Schemes) -> dict[str, tuple[Scheme, PostDefinition]]:
    """Return every post type by `scheme:type`; a reference to a type nobody defines is a mistake."""
    found = {s.qualified(name): (s, post) for s in schemes.values() for name, post in s.posts.items()}
    for scheme in schemes.values():
        for name, post in scheme.posts.items():
            if post.above and scheme.qualified(post.above.post) not in found:
                raise ConfigurationError("unknown-post-type", f"{scheme.scheme}:{name} → {post.above.post}")
    return found
