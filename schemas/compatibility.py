"""Whether one version of a schema keeps what another one promised: additive within a major version, and nothing else.

Law: every difference is either shown to be harmless or named. A keyword whose change cannot be judged (a pattern) counts
as a break.

For inputs, whoever writes by the old schema must be taken by the new one, and mean the same. For outputs, whoever reads
by the old schema must be able to read what is written by the new one. Words of an enum may be added on both sides:
docs/contracts.md asks readers to expect words that they do not know.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

Side = Literal["input", "output"]

Schema = Mapping[str, Any]

_LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_EXACT: Final = ("pattern", "format", "uniqueItems", "multipleOf")
_STRUCTURE: Final = frozenset(
    {
        "type",
        "properties",
        "required",
        "items",
        "prefixItems",
        "additionalProperties",
        "anyOf",
        "oneOf",
        "enum",
        "const",
        "$ref",
    }
)
_WORDS: Final = frozenset(
    {"$schema", "$id", "$defs", "title", "description", "default", "discriminator", "examples"}
)


class _Pair:
    """Two versions of a schema, with their definitions."""

    def __init__(self, before: Schema, after: Schema, side: Side) -> None:
        self._before, self._after, self._side = before, after, side
        self._seen: set[tuple[str, str]] = set()

    def breaks(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        """What is lost between two places, in words with their path."""
        pair = (str(old.get("$ref")), str(new.get("$ref")))
        if pair[0] != "None" and pair[1] != "None":
            if pair in self._seen:
                return  # looked at before, or a model within itself
            self._seen.add(pair)
        old, new = _resolved(self._before, old), _resolved(self._after, new)
        olds, news = _choices(old), _choices(new)
        if len(olds) == 1 and len(news) == 1:
            yield from self._one(_resolved(self._before, olds[0]), _resolved(self._after, news[0]), path)
        else:
            yield from self._several(olds, news, path)
        yield from self._default(old, new, path)

    def _several(self, olds: Sequence[Schema], news: Sequence[Schema], path: str) -> Iterator[str]:
        """Choices: each that was taken must still be; an output must have none that its readers do not know."""
        known = {_label(self._before, each): each for each in olds}
        found = {_label(self._after, each): each for each in news}
        for label in known.keys() - found.keys():
            if self._side == "input" or label != "null":  # an output that is never null any more hurts nobody
                yield f"{_at(path)} may no longer be {label}"
        if self._side == "output":
            yield from (f"{_at(path)} may now be {label}" for label in sorted(found.keys() - known.keys()))
        for label in sorted(known.keys() & found.keys()):
            yield from self.breaks(known[label], found[label], path)

    def _one(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        unknown = sorted({*old, *new} - _STRUCTURE - _WORDS - {*_LOWER, *_UPPER, *_EXACT})
        yield from (f"{_at(path)}: nobody taught this check what {word} means" for word in unknown)
        yield from self._type(old, new, path)
        yield from self._values(old, new, path)
        yield from self._bounds(old, new, path)
        yield from self._fields(old, new, path)
        for word in ("items", "additionalProperties"):
            if isinstance(old.get(word), Mapping) and isinstance(new.get(word), Mapping):
                yield from self.breaks(old[word], new[word], f"{path}[]" if word == "items" else f"{path}.*")
            elif word in new and word not in old and self._side == "input":
                yield f"{_at(path)}: what is in it was free and is bound"
            elif word in old and word not in new and self._side == "output":
                yield f"{_at(path)}: what is in it is free now"
        olds, news = old.get("prefixItems", ()), new.get("prefixItems", ())
        if len(olds) != len(news):
            yield f"{_at(path)} had {len(olds)} places and has {len(news)}"
        else:
            for place, (before, after) in enumerate(zip(olds, news, strict=True)):
                yield from self.breaks(before, after, f"{path}[{place}]")

    def _type(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        before, after = old.get("type"), new.get("type")
        if before == after:
            return
        narrow, wide = (before, after) if self._side == "input" else (after, before)
        if wide is not None and (narrow, wide) != ("integer", "number"):
            yield f"{_at(path)} was of type {before} and is of type {after}"

    def _values(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        before, after = _values_of(old), _values_of(new)
        if before is None and after is None:
            return
        if before is None:
            if self._side == "input":
                yield f"{_at(path)} could be anything and is now one of {_listed(after or [])}"
        elif after is None:
            if self._side == "output":
                yield f"{_at(path)} was one of {_listed(before)} and can be anything now"
        elif gone := [value for value in before if value not in after]:
            yield f"{_at(path)} may no longer be {_listed(gone)}"

    def _bounds(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        for word in (*_LOWER, *_UPPER):
            narrow, wide = (old, new) if self._side == "input" else (new, old)
            inner, outer = narrow.get(word), wide.get(word)
            if outer is None:
                continue
            is_kept = inner is not None and (inner >= outer if word in _LOWER else inner <= outer)
            if not is_kept:
                yield f"{_at(path)}: {word} was {_said(old.get(word))} and is {_said(new.get(word))}"
        for word in _EXACT:
            before, after = old.get(word), new.get(word)
            dropped = after is None if self._side == "input" else before is None
            if before != after and not dropped:
                yield f"{_at(path)}: {word} was {_said(before)} and is {_said(after)}"

    def _fields(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        olds, news = old.get("properties", {}), new.get("properties", {})
        before, after = set(old.get("required", ())), set(new.get("required", ()))
        for name in olds:
            here = f"{path}.{name}".lstrip(".")
            if name not in news:
                yield f"{here}: the field is gone"
                continue
            yield from self.breaks(olds[name], news[name], here)
            if self._side == "input" and name in after - before:
                yield f"{here}: it could be left out and must be there now"
            if self._side == "output" and name in before - after:
                yield f"{here}: it was always there and may be left out now"
        if self._side == "input":
            for name in sorted(after - olds.keys()):
                yield f"{path}.{name}".lstrip(".") + ": a new field that must be there"

    def _default(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        if self._side == "input" and "default" in old and old["default"] != new.get("default"):
            yield f"{_at(path)}: left out it meant {old['default']!r} and means {new.get('default')!r} now"


def breaking_changes(before: Schema, after: Schema, side: Side) -> list[str]:
    """What a later version of a schema takes away, in words; empty where it only adds.

    Args:
        before: the earlier version.
        after: the later one.
        side: input: others write it; output: others read it.
    """
    return list(_Pair(before, after, side).breaks(before, after, ""))


def _resolved(root: Schema, schema: Schema) -> Schema:
    while "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        schema = {**root["$defs"][name], **{word: value for word, value in schema.items() if word != "$ref"}}
    return schema


def _choices(schema: Schema) -> Sequence[Schema]:
    return schema.get("anyOf") or schema.get("oneOf") or [schema]


def _label(root: Schema, schema: Schema) -> str:
    """What tells a choice from its neighbours: its model's name, its kind, or its type."""
    resolved = _resolved(root, schema)
    if "$ref" in schema and resolved.get("type") == "object":
        return str(schema["$ref"]).rpartition("/")[2]
    kind = resolved.get("properties", {}).get("kind", {}).get("const")
    return str(kind or resolved.get("type", "anything"))


def _values_of(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    return schema.get("enum")


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values))


def _said(value: Any) -> str:
    return "not set" if value is None else str(value)


def _at(path: str) -> str:
    return path or "the body"
