"""What is wrong with a mapping as a whole: names that are nowhere, fields that no event has, fields that are missing."""

import difflib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic import BaseModel

from schemas import MODEL_OF_KIND

if TYPE_CHECKING:
    from streams.adapters.mapping import Mapping, Source

GIVEN_FIELDS: Final = frozenset({"kind", "event_id", "schema_version"})


def broken_references(mapping: "Mapping") -> Iterator[str]:
    """Values and maps that are named and not there, each with its path."""
    known: list[str] = []
    for path, source in mapping.sources():
        if path.startswith("values."):
            usable = list(known)
            known += [path.removeprefix("values.")] if path.count(".") == 1 else []
        else:
            usable = list(mapping.values)
        if source.value is not None and source.value not in usable:
            yield f"{path}: no value {source.value!r}{near(source.value, usable)}"
        for name in source.placeholders:
            if name in mapping.values and name not in usable:
                yield f"{path}: the value {name!r} is defined further down"
        if source.map is not None and source.map not in mapping.maps:
            yield f"{path}: no map {source.map!r}{near(source.map, mapping.maps)}"
    for path, condition in mapping.conditions():
        if condition.value is not None and condition.value not in mapping.values:
            yield f"{path}: no value {condition.value!r}{near(condition.value, mapping.values)}"


def broken_fields(mapping: "Mapping") -> Iterator[str]:
    """Kinds and fields that no event has, and fields that an event needs, each with its path."""
    used: set[str] = set()
    for index, rule in enumerate(mapping.events):
        path = f"events.{index}"
        model = MODEL_OF_KIND.get(rule.kind)
        if model is None:
            yield f"{path}.kind: no event of kind {rule.kind!r}{near(rule.kind, MODEL_OF_KIND)}"
            continue
        fields = model.model_fields
        used |= {name for name in mapping.fields if name in fields}
        for name in rule.fields:
            if name not in fields or name in GIVEN_FIELDS:
                yield f"{path}.fields.{name}: {rule.kind} has no such field to map{near(name, fields)}"
            else:
                yield from _broken_list(f"{path}.fields.{name}", rule.fields[name], fields[name].annotation)
        given = {*rule.fields, *mapping.fields, *GIVEN_FIELDS}
        missing = [name for name, field in fields.items() if field.is_required() and name not in given]
        if missing:
            yield f"{path}.fields: {rule.kind} needs {', '.join(missing)}"
    for name in mapping.fields:
        if name not in used:
            yield f"fields.{name}: no event of this mapping has such a field"


def _broken_list(path: str, source: "Source", annotation: Any) -> Iterator[str]:
    """What of a list's blocks the model of its members does not have, or needs."""
    model = member_model(annotation)
    for index, block in enumerate(source.list or []):
        if model is None:
            yield f"{path}: holds no list of objects"
            continue
        fields = model.model_fields
        for name in block:
            if name not in fields:
                yield f"{path}.{index}.{name}: no such field{near(name, fields)}"
        missing = [name for name, field in fields.items() if field.is_required() and name not in block]
        if missing:
            yield f"{path}.{index}: needs {', '.join(missing)}"


def member_model(annotation: Any) -> type[BaseModel] | None:
    """The model of the members of a list; None where it is no list of models."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := member_model(part)) is not None), None)


def near(name: str, known: Iterable[str]) -> str:
    """What somebody may have meant by a name that is not known, as the end of a sentence.

    Args:
        name: as it was written.
        known: what there is.
    """
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there are {', '.join(names)}" if 0 < len(names) <= 20 else ""
