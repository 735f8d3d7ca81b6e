"""The reference of events, from the models: their source for types, their docstrings for meanings."""

import ast
import inspect
import json
import sys
import textwrap
from enum import StrEnum
from functools import cache
from types import ModuleType
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from docs.markdown import anchor, table, wrapped
from schemas import INPUT_TOPICS, MODEL_OF_KIND, TOPICS, Event, base, plant_model, rules
from schemas.field_words import field_words


def events() -> str:
    """The reference of all input kinds."""
    parts = [
        "# Events",
        (
            "Every kind that an input topic takes. Fields that are unknown are ignored and counted; a field without a "
            "default must be there; numbers are JSON numbers, never text. Where a key stands twice in an object, the last "
            "one wins. What is refused is a [dead letter](dead-letters.md). JSON Schemas of all kinds are in "
            "`docs/schemas/events/`: [contracts](contracts.md)."
        ),
        "## Every event has",
        _fields_table(Event),
    ]
    nested: dict[str, type[BaseModel]] = {}
    for name in INPUT_TOPICS:
        parts += [f"## {name}", f"Keyed by {TOPICS[name].key}: {TOPICS[name].holds}."]
        for model in TOPICS[name].types:
            parts += [f"### {model.model_fields['kind'].default}", _first_words(model)]
            own = _own_fields(model)
            parts.append(_fields_table(model, own) if own else "No further fields.")
            _collect_nested(model, nested)
    parts.append("## Parts of events")
    for model in nested.values():
        parts += [f"### {model.__name__}", _first_words(model), _fields_table(model)]
    parts += [
        "## Types",
        table(["type", "means"], [[f"`{name}`", words] for name, words in _types().items()]),
    ]
    return wrapped(parts)


def _own_fields(model: type[BaseModel]) -> list[str]:
    return [name for name in model.model_fields if name not in Event.model_fields]


def _fields_table(model: type[BaseModel], names: list[str] | None = None) -> str:
    words = {"kind": "what it is: the headings below"} | field_words(model)
    rows = []
    for name in model.model_fields if names is None else names:
        info = model.model_fields[name]
        rows.append([f"`{name}`", _type_words(_annotation(model, name)), _default(info), words.get(name, "")])
    return table(["field", "type", "default", "meaning"], rows)


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True, validated_data={})
    return "" if value is None or value is PydanticUndefined else f"`{json.dumps(_plain(value))}`"


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def _collect_nested(model: type[BaseModel], found: dict[str, type[BaseModel]]) -> None:
    for name in model.model_fields:
        for node in ast.walk(_annotation(model, name)):
            if isinstance(node, ast.Name):
                part = _named(node.id)
                if isinstance(part, type) and issubclass(part, BaseModel) and node.id not in found:
                    found[node.id] = part
                    _collect_nested(part, found)


@cache
def _annotations(model: type[BaseModel]) -> dict[str, ast.expr]:
    """Fields as the source writes their types, inherited ones included."""
    found: dict[str, ast.expr] = {}
    for ancestor in reversed(model.__mro__):
        if not issubclass(ancestor, BaseModel) or ancestor.__module__.startswith("pydantic"):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(ancestor))).body[0]
        assert isinstance(body, ast.ClassDef)
        for statement in body.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                found[statement.target.id] = statement.annotation
    return found


def _annotation(model: type[BaseModel], name: str) -> ast.expr:
    return _annotations(model)[name]


def _type_words(node: ast.expr) -> str:
    """A type in words; which types there are is listed at the end of the document."""
    match node:
        case ast.BinOp(left=left, right=ast.Constant(value=None)):
            return _type_words(left)
        case ast.Subscript(value=ast.Name(id="list"), slice=inner):
            return f"list of {_type_words(inner)}"
        case ast.Subscript(value=ast.Name(id="Literal"), slice=inner):
            values = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return " or ".join(f"`{ast.unparse(value).replace(chr(39), chr(34))}`" for value in values)
        case ast.Subscript(
            value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[kind, ast.Call() as field, *_])
        ):
            return _bounds(kind, field)
        case ast.Name(id="bool"):
            return "true or false"
        case ast.Name(id="str"):
            return "text"
        case ast.Name(id=name):
            return _name_words(name)
    raise AssertionError(f"no words for {ast.unparse(node)}")


def _name_words(name: str) -> str:
    named = _named(name)
    if isinstance(named, type) and issubclass(named, StrEnum):
        return " or ".join(f"`{member.value}`" for member in named)
    if isinstance(named, type) and issubclass(named, BaseModel):
        return f"[{name}](#{anchor(name)})"
    assert name in _types(), f"{name} has no words in schemas/base.py"
    return f"`{name}`"


_SIGNS = {"gt": "above {}", "ge": "at least {}", "lt": "below {}", "le": "at most {}"}
_LENGTHS = {
    "min_length": "at least {} characters",
    "max_length": "at most {} characters",
    "pattern": "as `{}`",
}


def _bounds(kind: ast.expr, field: ast.Call) -> str:
    words = {"int": "whole number", "float": "number", "str": "text"}[ast.unparse(kind)]
    for keyword in field.keywords:
        text = (_SIGNS | _LENGTHS).get(keyword.arg or "")
        if text is not None:
            value = _literal(keyword.value)
            words += ", " + text.format(f"{value:g}" if isinstance(value, float) else value)
    return words


def _literal(node: ast.expr) -> Any:
    match node:
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return ast.literal_eval(left) ** ast.literal_eval(right)
    return ast.literal_eval(node)


def _named(name: str) -> Any:
    for module in {model.__module__: None for model in MODEL_OF_KIND.values()}:
        named = getattr(sys.modules[module], name, None)
        if named is not None:
            return named
    return getattr(rules, name, None)


@cache
def _types() -> dict[str, str]:
    """Names of types and the words under them in the source."""
    found: dict[str, str] = {}
    for module in (base, plant_model, rules):
        found |= _words_under(module)
    used = {
        node.id
        for model in (Event, *MODEL_OF_KIND.values(), *_all_parts())
        for annotation in _annotations(model).values()
        for node in ast.walk(annotation)
        if isinstance(node, ast.Name)
    }
    return {name: words for name, words in found.items() if name in used and words}


def _all_parts() -> list[type[BaseModel]]:
    found: dict[str, type[BaseModel]] = {}
    for model in MODEL_OF_KIND.values():
        _collect_nested(model, found)
    return list(found.values())


def _words_under(module: ModuleType) -> dict[str, str]:
    """Each `Name = Annotated[...]` of a module, with the string below it, or else its bounds."""
    found: dict[str, str] = {}
    body = ast.parse(inspect.getsource(module)).body
    for statement, below in zip(body, [*body[1:], ast.Pass()], strict=True):
        match statement, below:
            case ast.Assign(targets=[ast.Name(id=name)], value=value), ast.Expr(
                value=ast.Constant(value=str(text))
            ):
                found[name] = " ".join(text.split()) + _range(value)
            case ast.Assign(targets=[ast.Name(id=name)], value=value), _:
                found[name] = _range(value).strip()
    return found


def _range(value: ast.expr) -> str:
    """Numbers' bounds where a type has some; the words under text types say theirs."""
    match value:
        case ast.Subscript(
            slice=ast.Tuple(elts=[ast.Name(id="int" | "float") as kind, ast.Call() as field, *_])
        ):
            words = _bounds(kind, field)
            return f" {words[0].upper()}{words[1:]}."
    return ""


def _first_words(model: type[BaseModel]) -> str:
    text = inspect.getdoc(model) or ""
    return text.partition("\nAttributes:")[0].strip()
