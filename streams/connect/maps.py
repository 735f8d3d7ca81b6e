"""Which of the two kinds of map a file is: tags of machines, or columns of messages."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from schemas import UsageError
from streams.adapters.machines.tag_map import TagMap, load_tag_map
from streams.adapters.mapping import Mapping
from streams.adapters.mapping_file import load_mapping


@dataclass(frozen=True, slots=True)
class LoadedMap:
    """A tag map or a mapping: one of the two."""

    tags: TagMap | None = None
    mapping: Mapping | None = None


def load_map(path: Path) -> LoadedMap:
    """Read a map; `source` at its top makes it a tag map.

    Raises:
        UsageError: it cannot be read, or is none.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    if isinstance(content, dict) and "source" in content:
        return LoadedMap(tags=load_tag_map(path))
    return LoadedMap(mapping=load_mapping(path))
