"""JSON objects as rows of a table, so that a mapping file (docs/mapping.md) says what they mean. Pure.

`{"job": {"id": "R-1"}, "good": 5}` on the topic `plant/p1/counts` has the columns `job.id`, `good`, `topic` and
`topic.1` to `topic.3`. What a message lacks is an empty cell.
"""

from collections.abc import Iterator
from typing import Any, Final

from schemas import BadRecord, ReasonCode
from schemas.json_text import DEFAULT_LIMITS, read_json, refuse_unparsed
from streams.adapters.mapper import MappedRow, RowMapper
from streams.adapters.mapping import Mapping
from streams.adapters.tabular import Row

ROWS_MAX: Final = 10_000
"""Objects of one array. Too small: a gateway that was offline for long is refused. Too large: one message holds all up."""


class JsonMapper:
    """Applies a mapping file to messages of JSON.

    Args:
        mapping: what the columns mean. Conditions that ask for the last row of a file find none.
    """

    def __init__(self, mapping: Mapping) -> None:
        self._rows = RowMapper(mapping)
        self._columns = mapping.columns()

    def map(self, data: bytes, topic: str = "") -> Iterator[MappedRow]:
        """What becomes of a message: of its object, or of each object of its array.

        Raises:
            BadRecord: it is no JSON, or neither object nor array of objects.
        """
        value = refuse_unparsed(data, DEFAULT_LIMITS) or read_json(data)
        if isinstance(value, BadRecord):
            raise value
        objects = value if isinstance(value, list) else [value]
        if len(objects) > ROWS_MAX:
            raise BadRecord(
                ReasonCode.SIZE, f"{len(objects)} objects in one array, at most {ROWS_MAX} are read"
            )
        levels = {f"topic.{number}": level for number, level in enumerate(topic.split("/"), start=1)}
        for index, each in enumerate(objects):
            if not isinstance(each, dict):
                problem = BadRecord(ReasonCode.SCHEMA, "a row is a JSON object", str(index) if index else "")
                yield MappedRow(index, problem=problem)
                continue
            cells = dict.fromkeys(self._columns, "") | {"topic": topic} | levels | flattened(each)
            # The number would make the same message another one when it comes again in another place.
            yield self._rows.map_row(Row(0, cells))


def flattened(value: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Columns and texts of an object; lists are numbered from 0, null is an empty cell."""
    cells: dict[str, str] = {}
    for name, each in value.items():
        cells |= _cells(f"{prefix}{name}", each)
    return cells


def _cells(path: str, value: Any) -> dict[str, str]:
    if isinstance(value, dict):
        return flattened(value, f"{path}.")
    if isinstance(value, list):
        cells: dict[str, str] = {}
        for index, each in enumerate(value):
            cells |= _cells(f"{path}.{index}", each)
        return cells
    if value is None:
        return {path: ""}
    if isinstance(value, bool):
        return {path: str(value).lower()}
    return {path: str(value)}
