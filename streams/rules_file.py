"""A person's rules.yaml: read, checked whole, and every error told with its line.

Law: nothing in the file is half used. On the wire unknown fields are ignored so that sources can grow; in a file that
somebody wrote an unknown field is a slip, and the file is refused with the path and what may have been meant.
"""

import difflib
import hashlib
import json
import typing
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ValidationError

from schemas import Rules, UsageError

Place = tuple[str | int, ...]
"""Where in the file: names of fields, and numbers of list entries from 0."""

REQUIRED: Final = ("rules_id", "version")
"""What has a default on the wire, and none in a file: cards name both."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or looks wrong, in a file.

    Attributes:
        line: counted from 1; None: it is about no place in the file.
        is_error: the file cannot be used; else it is only worth a look.
    """

    place: Place
    line: int | None
    message: str
    is_error: bool = True

    def __str__(self) -> str:
        where = place_text(self.place)
        begin = "" if self.line is None else f"line {self.line}: "
        return f"{begin}{where + ': ' if where else ''}{self.message}"


@dataclass(slots=True)
class RulesFile:
    """A file as it was read.

    Attributes:
        rules: what it says; None where it cannot be used.
        problems: in the order of the lines.
        lines: place -> line, for what is checked later.
    """

    path: Path
    rules: Rules | None = None
    problems: list[Problem] = field(default_factory=list)
    lines: dict[Place, int] = field(default_factory=dict)

    @property
    def errors(self) -> list[Problem]:
        """What makes the file unusable."""
        return [each for each in self.problems if each.is_error]

    def add(self, place: Place, message: str, *, is_error: bool = True) -> None:
        """Note a problem at a place, or where its nearest parent stands."""
        at = place
        while at and at not in self.lines:
            at = at[:-1]
        self.problems.append(Problem(place, self.lines.get(at), message, is_error))
        self.problems.sort(key=lambda each: (each.line is None, each.line or 0))


def place_text(place: Place) -> str:
    """As people write it: owners[0].when.line_id."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return text


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """A hint, empty where nothing is near."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def content_hash(rules: Rules) -> str:
    """12 hex digits over all that rules say but for their version: two of one version must have the same."""
    content = json.dumps(rules.model_dump(mode="json", exclude={"version"}), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def read_rules(path: Path) -> RulesFile:
    """Read and check a file.

    Raises:
        UsageError: there is no such file, or it is no text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from None
    read = RulesFile(path)
    given = _parsed(text, read)
    if given is None:
        return read
    for name in REQUIRED:
        if name not in given:
            read.add((), f"{name} is missing: each card names the rules and the version it was judged under")
    _find_unknown(given, Rules, (), read)
    try:
        rules = Rules.model_validate(given)
    except ValidationError as error:
        for each in error.errors():
            read.add(each["loc"], _words_of(each))
        return read
    if not read.errors:
        read.rules = rules
    return read


# Parsing


def _parsed(text: str, read: RulesFile) -> dict[str, Any] | None:
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            read.problems.append(Problem((), None, "the file is empty"))
            return None
        _note_lines(node, (), read)
        given = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        read.problems.append(Problem((), line, f"no YAML: {error.problem or error.context}"))
        return None
    except yaml.YAMLError as error:
        read.problems.append(Problem((), None, f"no YAML: {error}"))
        return None
    finally:
        loader.dispose()
    if not isinstance(given, dict):
        read.problems.append(Problem((), 1, 'rules are fields and values, as `version: "2"`'))
        return None
    return given


def _note_lines(node: yaml.Node, place: Place, read: RulesFile) -> None:
    """Where each field stands; one that stands twice is an error: YAML itself would take the last in silence."""
    read.lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            read.lines[*place, name] = key.start_mark.line + 1
            if name in seen:
                read.add((*place, name), "stands twice")
            seen.add(name)
            _note_lines(value, (*place, name), read)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            _note_lines(value, (*place, number), read)


def _find_unknown(given: Any, model: type[BaseModel], place: Place, read: RulesFile) -> None:
    if not isinstance(given, dict):
        return  # the model says so itself
    for name, value in given.items():
        info = model.model_fields.get(str(name))
        if info is None:
            read.add((*place, str(name)), f"unknown field{did_you_mean(str(name), [*model.model_fields])}")
            continue
        part = _model_in(info.annotation)
        if part is None:
            continue
        if isinstance(value, list):
            for number, each in enumerate(value):
                _find_unknown(each, part, (*place, str(name), number), read)
        else:
            _find_unknown(value, part, (*place, str(name)), read)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that a field holds, alone, in a list or optional."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in typing.get_args(annotation) if (found := _model_in(part))), None)


def _words_of(error: Any) -> str:
    given = error["input"]
    if error["type"] == "string_type":
        return f'text is wanted: write it in quotes, "{given}"'
    if error["type"] == "missing":
        return "is missing"
    if error["type"] == "enum":
        known = [word.strip("' ") for word in error["ctx"]["expected"].replace(" or ", ", ").split(",")]
        return f"{given!r} is none of {', '.join(known)}{did_you_mean(str(given), known)}"
    told = str(error["msg"]).removeprefix("Input should be ")
    shown = "" if isinstance(given, dict | list) else f", not {given!r}"
    return f"should be {told}{shown}"
