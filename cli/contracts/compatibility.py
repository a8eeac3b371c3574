"""What a change of a message's schema means to those who already write and read it.

Compatible: an optional field more, a bound relaxed. Everything that would make an old record unreadable, or
take from a reader what it was promised, is breaking and needs a new type beside the old one. A *wider* field
(another value of an enumeration, another kind of command, a value that may now be missing) breaks readers, so
it is compatible only where the owner is the only reader: on commands and internal topics.

jsonsubschema 0.0.8, the one library that decides such questions, fails on discriminated unions: a command's
schema cannot even be held against itself. This compares what pydantic writes, and calls breaking whatever it
does not know.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Schema = Mapping[str, Any]

# For people, or said elsewhere in the same schema; a property's default is compared with the property.
_SILENT: Final = {"$schema", "$id", "$defs", "$ref", "title", "description", "examples", "default"}
_SILENT_TOO: Final = {"discriminator", "anyOf", "oneOf", "deprecated"}
_LOWER: Final = ("minLength", "minItems", "minProperties")
_UPPER: Final = ("maxLength", "maxItems", "maxProperties")
_RANGES: Final = {"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"}
_INNER: Final = {"items", "propertyNames", "additionalProperties"}
_LISTED: Final = {"properties", "patternProperties", "required", "prefixItems", "enum", "const"}
_COMPARED: Final = {*_SILENT, *_SILENT_TOO, *_LOWER, *_UPPER, *_RANGES, *_INNER, *_LISTED, "type", "pattern"}
_NOTHING: Final[Schema] = {}


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """One difference: where, what, and whether somebody's program breaks on it."""

    where: str
    what: str
    breaking: bool

    def __str__(self) -> str:
        return f"{'breaking' if self.breaking else 'compatible'}: {self.where}: {self.what}"


def compare(type_: str, old: Schema, new: Schema, *, may_widen: bool) -> list[Change]:
    """Return how a type's schema changed; `may_widen`: its owner is its only reader."""
    return sorted(set(_Comparison(old, new, may_widen=may_widen).of(type_, old, new)))


class _Comparison:
    """Two schemas with the definitions that each of them refers to."""

    def __init__(self, old: Schema, new: Schema, *, may_widen: bool) -> None:
        self._old_parts = old.get("$defs", _NOTHING)
        self._new_parts = new.get("$defs", _NOTHING)
        self._may_widen = may_widen
        self._inside: set[tuple[str, str]] = set()

    def of(self, where: str, old: Schema, new: Schema) -> Iterator[Change]:
        """Yield the differences of two schemas, and of all they contain."""
        pair = old.get("$ref", ""), new.get("$ref", "")
        if all(pair) and pair in self._inside:
            return  # a part that contains itself is compared where it was met first
        self._inside.add(pair)
        old, new = _resolved(old, self._old_parts), _resolved(new, self._new_parts)
        if _is_choice(old) or _is_choice(new):
            yield from self._choices(where, old, new)
        else:
            yield from self._values(where, old, new)
            yield from self._fields(where, old, new)
            yield from self._parts(where, old, new)
        self._inside.discard(pair)

    def _wider(self, where: str, what: str) -> Change:
        return Change(where, what, breaking=not self._may_widen)

    def _choices(self, where: str, old: Schema, new: Schema) -> Iterator[Change]:
        before, after = _choices_of(old, self._old_parts), _choices_of(new, self._new_parts)
        for name in before.keys() - after.keys():
            yield Change(where, f"no longer {name}", breaking=True)
        for name in after.keys() - before.keys():
            yield self._wider(where, f"now also {name}")
        for name in before.keys() & after.keys():
            inside = f"{where}[{name}]" if "=" in name else where
            yield from self.of(inside, before[name], after[name])

    def _values(self, where: str, old: Schema, new: Schema) -> Iterator[Change]:
        if old.get("type") != new.get("type"):
            yield Change(where, f"type {old.get('type')} became {new.get('type')}", breaking=True)
            return
        before, after = _enumerated(old), _enumerated(new)
        if before is not None and after is not None:
            for value in before - after:
                yield Change(where, f"value {value} is gone", breaking=True)
            for value in after - before:
                yield self._wider(where, f"value {value} is new")
        elif before is not None:
            yield self._wider(where, "any value may stand where some could")
        elif after is not None:
            yield Change(where, "only some values may stand where any could", breaking=True)
        yield from _bounds(where, old, new)
        if old.get("pattern") != new.get("pattern"):
            relaxed = "pattern" not in new
            yield Change(where, "pattern " + ("dropped" if relaxed else "changed"), breaking=not relaxed)
        for word in sorted((old.keys() | new.keys()) - _COMPARED):
            if old.get(word) != new.get(word):
                yield Change(where, f"{word} changed", breaking=True)

    def _fields(self, where: str, old: Schema, new: Schema) -> Iterator[Change]:
        before, after = old.get("properties", _NOTHING), new.get("properties", _NOTHING)
        needed_before, needed = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(before.keys() - after.keys()):
            yield Change(f"{where}.{name}", "field is gone", breaking=True)
        for name in sorted(after.keys() - before.keys()):
            kind = "required" if name in needed else "optional"
            yield Change(f"{where}.{name}", f"new {kind} field", breaking=name in needed)
        for name in sorted(before.keys() & after.keys()):
            inside = f"{where}.{name}"
            if name in needed and name not in needed_before:
                yield Change(inside, "is required now", breaking=True)
            elif name in needed_before and name not in needed:
                yield self._wider(inside, "is optional now")
            elif before[name].get("default") != after[name].get("default"):
                # Who leaves the field out would now say something else.
                yield Change(inside, "default changed", breaking=True)
            yield from self.of(inside, before[name], after[name])

    def _parts(self, where: str, old: Schema, new: Schema) -> Iterator[Change]:
        for word in sorted(_INNER & (old.keys() | new.keys())):
            before, after = old.get(word), new.get(word)
            if isinstance(before, Mapping) and isinstance(after, Mapping):
                yield from self.of(f"{where}.*", before, after)
            elif before != after:
                yield Change(where, f"{word} changed", breaking=True)
        items_before, items = old.get("prefixItems", ()), new.get("prefixItems", ())
        if len(items_before) != len(items):
            yield Change(where, "another number of items", breaking=True)
        for index, (one, other) in enumerate(zip(items_before, items, strict=False)):
            yield from self.of(f"{where}.{index}", one, other)
        before, after = old.get("patternProperties", _NOTHING), new.get("patternProperties", _NOTHING)
        if before.keys() != after.keys():
            yield Change(where, "pattern of the keys changed", breaking=True)
        for pattern in sorted(before.keys() & after.keys()):
            yield from self.of(f"{where}.*", before[pattern], after[pattern])


def _resolved(schema: Schema, parts: Schema) -> Schema:
    """Follow references; what stands beside one stays."""
    while "$ref" in schema:
        beside = {word: value for word, value in schema.items() if word != "$ref"}
        schema = {**parts[schema["$ref"].removeprefix("#/$defs/")], **beside}
    return schema


def _is_choice(schema: Schema) -> bool:
    return "anyOf" in schema or "oneOf" in schema


def _choices_of(schema: Schema, parts: Schema) -> dict[str, Schema]:
    """Return the alternatives by what tells them apart on the wire, never by a class's name if avoidable."""
    given = schema.get("anyOf") or schema.get("oneOf") or [schema]
    choices = [(each, _resolved(each, parts)) for each in given]
    objects = sum(1 for _, resolved in choices if resolved.get("type") == "object")
    return {_told_by(resolved, alone=objects == 1): each for each, resolved in choices}


def _told_by(schema: Schema, *, alone: bool) -> str:
    if schema.get("type") != "object":
        return str(schema.get("type", "anything"))
    for name, field in schema.get("properties", _NOTHING).items():
        if "const" in field:
            return f"{name}={field['const']}"
    return "object" if alone else str(schema.get("title"))


def _enumerated(schema: Schema) -> frozenset[str] | None:
    if "const" in schema:
        return frozenset({repr(schema["const"])})
    return frozenset(map(repr, schema["enum"])) if "enum" in schema else None


def _bounds(where: str, old: Schema, new: Schema) -> Iterator[Change]:
    pairs = [(word, old.get(word, 0), new.get(word, 0)) for word in _LOWER]
    pairs += [(word, -old.get(word, float("inf")), -new.get(word, float("inf"))) for word in _UPPER]
    for word, before, after in pairs:
        if before != after:
            yield _bound(where, word, narrowed=after > before)
    for word, sign in (("minimum", 1), ("maximum", -1)):
        before_end, after_end = _end(old, word, sign), _end(new, word, sign)
        if before_end != after_end:
            yield _bound(where, word, narrowed=after_end > before_end)


def _bound(where: str, word: str, *, narrowed: bool) -> Change:
    return Change(where, f"{word} {'narrowed' if narrowed else 'relaxed'}", breaking=narrowed)


def _end(schema: Schema, word: str, sign: int) -> tuple[float, bool]:
    """Return where a range ends, so that the greater of two is the narrower, and whether its end is out."""
    exclusive = f"exclusive{word.capitalize()}"
    ends = [(sign * schema[name], name == exclusive) for name in (word, exclusive) if name in schema]
    return max(ends, default=(-float("inf"), False))
