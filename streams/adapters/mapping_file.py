"""Mapping files as people write them: read, checked, and picked by the names of the tables that they are for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, Protocol

import yaml
from pydantic import BaseModel, ValidationError

from schemas import UsageError
from streams.adapters.mapping import (
    Condition,
    EventRule,
    FileFormat,
    IgnoreRule,
    LogColumns,
    Mapping,
    Source,
)

MAPPINGS: Final = "mappings"
"""Folder in a folder of tables that holds their mappings."""


class Mappings(Protocol):
    """One mapping, or several."""

    def of(self, path: Path) -> Mapping:
        """The mapping of a table.

        Raises:
            UsageError: there is none, or more than one.
        """
        ...


@dataclass(frozen=True, slots=True)
class MappingBook:
    """Several mappings, each for the tables that its `files` name.

    Attributes:
        entries: each with the file that it was read from.
    """

    entries: Sequence[tuple[Path, Mapping]]

    def of(self, path: Path) -> Mapping:
        """The mapping whose `files` name the table; one without `files` is for what no other names.

        Raises:
            UsageError: there is none, or more than one.
        """
        named = [entry for entry in self.entries if _is_named(path, entry[1])]
        found = named or [entry for entry in self.entries if not entry[1].files]
        if len(found) == 1:
            return found[0][1]
        told = ", ".join(
            f"{file} ({', '.join(each.files) or 'every table'})" for file, each in found or self.entries
        )
        if found:
            raise UsageError(f"{path}: more than one mapping is for it: {told}")
        raise UsageError(f"{path}: no mapping is for a file of this name (files): {told}")


def _is_named(path: Path, mapping: Mapping) -> bool:
    name = path.name.casefold()
    return any(fnmatchcase(name, pattern.casefold()) for pattern in mapping.files)


def mappings_for(files: Iterable[Path], given: Sequence[Path] | None) -> Mappings | None:
    """The mappings that somebody named, else those in mappings/ of the folders among the files.

    Args:
        files: that are to be read, or folders of them.
        given: files and folders of mappings.

    Raises:
        UsageError: one cannot be read, is no mapping, or two have one name.
    """
    return load_mappings(given or [path / MAPPINGS for path in files if (path / MAPPINGS).is_dir()])


def load_mappings(paths: Sequence[Path] | None) -> Mappings | None:
    """The mappings of files and folders (every .yaml in them); None where there are no paths.

    Raises:
        UsageError: one cannot be read, is no mapping, or two have one name.
    """
    if not paths:
        return None
    files = [file for path in paths for file in (sorted(path.glob("*.yaml")) if path.is_dir() else [path])]
    if not files:
        raise UsageError(f"{paths[0]}: holds no mapping (*.yaml)")
    entries = [(file, load_mapping(file)) for file in files]
    names: dict[str, Path] = {}
    for file, mapping in entries:
        if mapping.mapping in names:
            raise UsageError(
                f"{file}: is called {mapping.mapping}, as {names[mapping.mapping]} is: ids would clash"
            )
        names[mapping.mapping] = file
    return entries[0][1] if len(entries) == 1 else MappingBook(entries)


def load_mapping(path: Path) -> Mapping:
    """Read and check a mapping file.

    Raises:
        UsageError: it cannot be read or is no mapping; the message names file, key and what is allowed.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        _refuse_repeated_keys(yaml.compose(text, Loader=yaml.SafeLoader))
        return Mapping.model_validate(yaml.safe_load(text))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    except (yaml.YAMLError, _RepeatedKey) as error:
        raise UsageError(f"{path}: no YAML: {error}") from None
    except ValidationError as error:
        found = [_sentence(problem) for problem in error.errors(include_url=False)]
        raise UsageError("\n".join(f"{path}: {sentence}" for sentence in found)) from None


class _RepeatedKey(Exception):
    """A key stands twice in one block: YAML would drop the first without a word."""


def _refuse_repeated_keys(node: yaml.Node | None) -> None:
    if isinstance(node, yaml.SequenceNode):
        for member in node.value:
            _refuse_repeated_keys(member)
    elif isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                raise _RepeatedKey(f"line {key.start_mark.line + 1}: the key {key.value!r} stands twice")
            seen.add(key.value)
            _refuse_repeated_keys(value)


def _sentence(problem: Any) -> str:
    place = ".".join(map(str, problem["loc"])) or "the mapping"
    if problem["type"] == "extra_forbidden":
        return f"{place}: no such key here; {_allowed_keys(problem['loc'])}"
    return f"{place}: {problem['msg'].removeprefix('Value error, ')}"


def _allowed_keys(location: tuple[str | int, ...]) -> str:
    model: type[BaseModel] = Mapping
    if location[0] == "format" and len(location) > 1:
        model = FileFormat
    elif "when" in location or "setup_when" in location:
        model = Condition
    elif (
        location[0] in ("values", "fields")
        or "fields" in location
        or (location[0] == "order_book" and len(location) > 2)
    ):
        model = Source
    elif location[0] == "order_book" and len(location) > 1:
        model = LogColumns
    elif location[0] in ("events", "ignore") and len(location) > 1:
        model = EventRule if location[0] == "events" else IgnoreRule
    return f"allowed are {', '.join(model.model_fields)}"
