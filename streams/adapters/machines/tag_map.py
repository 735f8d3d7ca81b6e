"""The words of a tag map: which tag of a machine means what. Data, never code; docs/adapters/machines.md has the table.

mapping: essen-press-shop
source: sparkplug
site_id: essen
packml: isa-tr88
tags:
  - {tag: "Essen/{edge}/{line}/Status/StateCurrent", is: state, line_id: "{line}"}
  - {tag: "Essen/*/{line}/Count/Good", is: good, counter: total, line_id: "{line}"}
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from schemas import PackmlState, UsageError
from schemas.base import Id
from streams.adapters.machines.packml import Numbering
from streams.adapters.mapping import placeholders

Meaning = Literal["state", "good", "scrap", "rework", "run", "consumed"]

SEPARATORS: Final = {"sparkplug": "/", "umh": "."}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class TagRule(_Part):
    """What the tags of one pattern mean.

    Attributes:
        tag: levels of the name; `{word}` takes one level and gives it a name, `*` takes one, a last `#` the rest.
        meaning: `is` in the file.
        line_id, station_id, item_id: templates of the words in braces.
        counter: of counts: "total" since the run began, or "delta" since the last value.
        states: what the machine's own words or numbers for states mean.
        leaves: of a run tag: what becomes of the run that it no longer names.
    """

    tag: Annotated[str, Field(min_length=1, max_length=1000)]
    meaning: Meaning = Field(alias="is")
    line_id: Annotated[str, Field(min_length=1)]
    station_id: str | None = None
    item_id: str | None = None
    counter: Literal["total", "delta"] | None = None
    states: dict[str, PackmlState] = Field(default_factory=dict)
    leaves: Literal["run_completed", "run_held", "nothing"] = "run_completed"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        counts = self.meaning in ("good", "scrap", "rework", "consumed")
        if counts != (self.counter is not None):
            raise ValueError(f"{self.meaning} {'needs' if counts else 'has no'} counter: total or delta")
        if self.meaning == "consumed" and (self.counter != "delta" or self.item_id is None):
            raise ValueError("consumed needs counter: delta, and the item_id that is used up")
        if self.states and self.meaning != "state":
            raise ValueError("states goes with `is: state`")
        known = set(placeholders(self.tag))
        for name in ("line_id", "station_id", "item_id"):
            for word in placeholders(getattr(self, name)):
                if word not in known:
                    raise ValueError(
                        f"{name}: the tag has no {{{word}}}; it has {', '.join(sorted(known)) or 'none'}"
                    )
        return self

    def pattern(self, separator: str) -> re.Pattern[str]:
        """Of the whole name of a tag."""
        parts: list[str] = []
        for part in re.split(r"(\{[^{}]+\}|\*|#)", self.tag):
            if part.startswith("{"):
                parts.append(f"(?P<{part[1:-1]}>[^{re.escape(separator)}]+)")
            elif part == "*":
                parts.append(f"[^{re.escape(separator)}]+")
            elif part == "#":
                parts.append(".+")
            else:
                parts.append(re.escape(part))
        return re.compile("".join(parts))


class TagMap(_Part):
    """A tag map.

    Attributes:
        mapping: its name, the beginning of every event_id.
        source: how tags come.
        site_id: of all its lines.
        subscribe: topics of MQTT; host_id: our name as a Sparkplug host application; None: we are none.
        packml: whose numbers states have; None: names only.
        lines: name of a line in a tag -> line_id; a name that is not here is taken as it is.
        cycle_time: unit of cycle_time_ms in UMH Classic, which says ms and is documented in seconds.
        tags: what tags mean; the first one that fits counts. A tag that fits none is ignored and counted.
    """

    mapping: Annotated[Id, Field(max_length=60)]
    source: Literal["sparkplug", "umh"]
    site_id: Id
    subscribe: list[Annotated[str, Field(min_length=1)]] = Field(default_factory=list, max_length=1000)
    host_id: Annotated[str, Field(pattern=r"^[^/+#]+$")] | None = None
    packml: Numbering | None = None
    lines: dict[str, Id] = Field(default_factory=dict)
    cycle_time: Literal["ms", "s"] | None = None
    tags: Annotated[list[TagRule], Field(max_length=10_000)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for index, rule in enumerate(self.tags):
            try:
                rule.pattern(SEPARATORS[self.source])
            except re.error as error:
                raise ValueError(
                    f"tags.{index}.tag: a word in braces is a name of letters, digits and _, once each ({error})"
                ) from None
        # A count has one way to be added up: totals and deltas of one line would be counted twice or lost.
        ways: dict[str, str] = {}
        for rule in self.tags:
            if rule.meaning in ("good", "scrap", "rework"):
                assert rule.counter is not None, "looked at by the rule"
                before = ways.setdefault(rule.line_id, rule.counter)
                if before != rule.counter:
                    raise ValueError(f"the counters of {rule.line_id} are all totals or all deltas")
        return self


def load_tag_map(path: Path) -> TagMap:
    """Read and check a tag map.

    Raises:
        UsageError: it cannot be read or is none; the message names file and key.
    """
    try:
        return TagMap.model_validate(yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_OnceLoader))  # noqa: S506 - a SafeLoader
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: no YAML: {error}") from None
    except ValidationError as error:
        raise UsageError("\n".join(f"{path}: {sentence}" for sentence in _sentences(error))) from None


class _OnceLoader(yaml.SafeLoader):
    """Refuses a key that stands twice, where YAML would drop the first without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value]
        for key, _ in node.value:
            if names.count(key.value) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands twice", key.start_mark
                )
        return super().construct_mapping(node, deep)


def _sentences(error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        place = ".".join(map(str, problem["loc"])) or "the map"
        yield f"{place}: {problem['msg'].removeprefix('Value error, ')}"
