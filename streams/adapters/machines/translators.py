"""What each source of machine data makes of a message: events, refusals, and messages to send back. Pure but for `now`.

A translator remembers what its source needs (births, aliases, newest totals) and nothing else; readers in
streams/connect feed it and carry out what it says.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from schemas import BadRecord
from streams.adapters.json_cells import JsonMapper
from streams.adapters.machines.readings import Connection, Reading
from streams.adapters.machines.sparkplug_session import Request, SparkplugSession
from streams.adapters.machines.tag_events import TagMapper
from streams.adapters.machines.tag_map import TagMap
from streams.adapters.machines.umh import ANALYTICS, parse_key, read_body, reading_of
from streams.adapters.machines.umh_classic import ClassicMapper
from streams.adapters.mapping import Mapping


@dataclass(slots=True)
class Translated:
    """What became of one message.

    Attributes:
        bodies: events. problems: what could not be mapped; the rest of the message is mapped all the same.
        requests: to be published to the source.
    """

    bodies: list[dict[str, Any]] = field(default_factory=list)
    problems: list[BadRecord] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)


class Translator(Protocol):
    """Maps the messages of one source."""

    def translate(self, address: str, payload: bytes, at: datetime) -> Translated:
        """What a message makes.

        Args:
            address: topic of MQTT, or key of the unified namespace.
            payload: as it came.
            at: when it was sent where the transport says so, else now.
        """
        ...

    def ignored(self) -> Counter[str]:
        """Why -> how much meant nothing, so far."""
        ...


class SparkplugTranslator:
    """Sparkplug B by a tag map."""

    def __init__(self, tags: TagMap) -> None:
        self._session, self._mapper = SparkplugSession(), TagMapper(tags)

    def translate(self, address: str, payload: bytes, at: datetime) -> Translated:
        """What a message makes."""
        made = Translated()
        try:
            for told in self._session.receive(address, payload, at):
                if isinstance(told, Request):
                    made.requests.append(told)
                elif isinstance(told, BadRecord):
                    made.problems.append(told)
                elif isinstance(told, Connection):
                    made.bodies += self._mapper.connection(told)
                else:
                    _map(self._mapper, told, made)
        except BadRecord as bad:
            made.problems.append(bad)
        return made

    def ignored(self) -> Counter[str]:
        """Why -> how much meant nothing, so far."""
        return Counter(self._session.skipped) + Counter(self._mapper.ignored)


class UmhTranslator:
    """UMH Core's values by a tag map, and Classic's messages."""

    def __init__(self, tags: TagMap) -> None:
        self._mapper, self._classic = TagMapper(tags), ClassicMapper(tags)
        self._other: Counter[str] = Counter()

    def translate(self, address: str, payload: bytes, at: datetime) -> Translated:
        """What a message makes."""
        made = Translated()
        try:
            key = parse_key(address)
            if key.contract == ANALYTICS:
                made.bodies += self._classic.map(key, read_body(payload), at)
            elif self._mapper.has_rule(address.replace("/", ".")):
                reading = reading_of(address, read_body(payload))
                if reading is None:
                    self._other["null"] += 1
                else:
                    _map(self._mapper, reading, made)
            else:
                self._other["no rule for the tag"] += 1
        except BadRecord as bad:
            made.problems.append(bad)
        return made

    def ignored(self) -> Counter[str]:
        """Why -> how much meant nothing, so far."""
        return self._other + Counter(self._mapper.ignored) + Counter(self._classic.ignored)


class JsonTranslator:
    """Messages of JSON by a mapping file."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapper = JsonMapper(mapping)
        self._ignored: Counter[str] = Counter()

    def translate(self, address: str, payload: bytes, at: datetime) -> Translated:
        """What a message makes."""
        made = Translated()
        try:
            for row in self._mapper.map(payload, address):
                if row.problem is not None:
                    made.problems.append(row.problem)
                elif row.ignored is not None:
                    self._ignored[row.ignored] += 1
                else:
                    made.bodies += row.bodies
        except BadRecord as bad:
            made.problems.append(bad)
        return made

    def ignored(self) -> Counter[str]:
        """Why -> how much meant nothing, so far."""
        return self._ignored.copy()


def _map(mapper: TagMapper, reading: Reading, made: Translated) -> None:
    try:
        made.bodies += mapper.map(reading)
    except BadRecord as bad:
        made.problems.append(bad)
