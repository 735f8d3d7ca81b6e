"""Where every input record went, and whether the state follows from them: the verifier of `make chaos`.

The inputs are read and judged once more, the facts folded once more, event by event. Then each item of the input is in
exactly one of {applied, dead letter, rejected, repeat}, or the account says where it is missing or double.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from typing import Any

from schemas import INGESTED_TOPICS, DeadLetter, Facts, MachineEvent, Output, decode_facts
from schemas.decode import decode_batch
from schemas.errors import BadRecord
from schemas.topics import DEAD_LETTERS, FACTS, TOPICS
from streams.facts_log import partition_count
from streams.partition_reader import read_to_end, reader
from streams.settings import Settings
from streams.twin_fold import TWIN
from streams.twin_worker import shard_topics
from streams.verify import VerifyReport, verify
from twin import Twin

Place = tuple[str, int, int, int]
"""(topic, partition, offset, index) of one item of the input."""

EXAMPLES = 5

APPLIED, REPEAT, TRIMMED, NOTHING = "applied", "repeat", "trimmed", "nothing"
"""What the fold made of an event: trimmed is a copy at or below the watermark; nothing is a hole in our counting."""


@dataclass(slots=True)
class Account:
    """What was found.

    Attributes:
        items: of the input, by what became of them.
        repeated: copies in facts and dead letters that were written again after a death, and trimmed.
        failures: in words; empty: nothing was lost, nothing doubled.
    """

    items: Counter[str] = field(default_factory=Counter)
    repeated: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    report: VerifyReport | None = None

    def fail(self, what: str, places: list[Any]) -> None:
        """Note a failure, with some of the places where it shows."""
        if places:
            more = f" and {len(places) - EXAMPLES} more" if len(places) > EXAMPLES else ""
            self.failures.append(f"{len(places)} {what}: {', '.join(map(str, places[:EXAMPLES]))}{more}")


class _Judged:
    """Fold and judgement of one shard: wraps a Twin and writes down what it made of each event."""

    def __init__(self, twin: Twin, verdicts: dict[Place, list[str]]) -> None:
        self._twin = twin
        self._verdicts = verdicts
        self.counters: Counter[tuple[str, str]] = Counter()
        self._seen: dict[tuple[str, int], tuple[int, int]] = {}

    @property
    def digest(self) -> str:
        return self._twin.digest

    @property
    def document_count(self) -> int:
        return self._twin.document_count

    def header(self) -> bytes:
        return self._twin.header()

    def take_changes(self) -> Mapping[str, bytes | None]:
        return self._twin.take_changes()

    def apply(self, facts: Facts) -> list[Output]:
        """Fold a record event by event; the twin's state does not depend on how events are grouped."""
        outputs: list[Output] = []
        for segment in facts.segments:
            source = segment.topic, segment.partition
            for position, event in zip(segment.positions, segment.events, strict=True):
                if position <= self._seen.get(source, (-1, -1)):
                    self._verdicts[*source, *position].append(TRIMMED)
                    continue
                self._seen[source] = position
                single = segment.model_copy(update={"positions": [position], "events": [event]})
                outputs += self._twin.apply(facts.model_copy(update={"segments": [single], "tick": None}))
                self._verdicts[*source, *position].append(self._verdict())
        if facts.tick is not None:
            outputs += self._twin.apply(facts.model_copy(update={"segments": []}))
        return outputs

    def _verdict(self) -> str:
        counted, self._twin.counters = self._twin.counters, Counter()
        kinds = dict(counted.keys())  # kind of outcome -> reason or event kind
        if "rejected" in kinds:
            return f"rejected as {kinds['rejected']}"
        if "duplicate" in kinds:
            return REPEAT
        return APPLIED if "applied" in kinds else NOTHING


def account_for(settings: Settings) -> Account:
    """Read everything and compare. The installation must be at rest: everything that was sent is committed."""
    account = Account()
    facts = _facts(settings, account)
    letters = _letters(settings, account)
    verdicts: dict[Place, list[str]] = defaultdict(list)
    judging = replaced(TWIN, new=lambda: _Judged(Twin(), verdicts))
    compacted = [name for name, topic in TOPICS.items() if topic.cleanup == "compact"]
    account.report = verify(
        settings.client_config(), shard_topics(settings), judging, compacted, from_beginning=True
    )
    if not account.report.is_equal:
        account.failures += [
            line.strip() for line in str(account.report).splitlines() if line.startswith(("  ", "DIFFERENT"))
        ]
    items = Items(account, facts, letters, verdicts)
    for place, item in _items(settings):
        items.take(place, item)
    items.close()
    return account


class Items:
    """Puts each item of the input where it belongs."""

    def __init__(
        self,
        account: Account,
        facts: Mapping[Place, Any],
        letters: Mapping[Place, str],
        verdicts: Mapping[Place, Sequence[str]],
    ) -> None:
        self._account, self._facts, self._letters, self._verdicts = account, facts, letters, verdicts
        self._wrong: dict[str, list[Any]] = defaultdict(list)
        self._applied: dict[Any, Place] = {}
        self._rejected: dict[Any, Place] = {}
        self._repeats: list[tuple[Any, Place]] = []

    def take(self, place: Place, item: Any) -> None:
        """One item, as the decoder judges it."""
        in_facts, in_letters = place in self._facts, place in self._letters
        if in_facts and in_letters:
            self._wrong["items of the input are both in the facts and dead letters"].append(place)
        elif not in_facts and not in_letters:
            self._wrong["items of the input are neither in the facts nor dead letters"].append(place)
        elif isinstance(item, BadRecord):
            self._account.items["dead letter"] += 1
            if self._letters.get(place) != str(item.code):
                self._wrong["broken items became something else"].append(place)
        elif self._facts.get(place) != item:
            self._wrong["good items became something else"].append(place)
        else:
            self._judge(place, item)

    def _judge(self, place: Place, item: Any) -> None:
        found = {verdict for verdict in self._verdicts.get(place, ()) if verdict != TRIMMED}
        if len(found) != 1 or found == {NOTHING}:
            self._wrong["facts were not in one of applied, rejected, repeat"].append((place, sorted(found)))
            return
        [verdict] = found
        self._account.items[verdict] += 1
        if not isinstance(item, MachineEvent):
            return
        identity = (item.site_id, item.line_id, item.event_id)
        if item.source_id is not None and item.source_sequence is not None:
            identity = (*identity[:2], f"{item.source_id} {item.source_sequence}")
        if verdict == REPEAT:
            self._repeats.append((identity, place))
        elif verdict == APPLIED:
            if identity in self._applied:
                self._wrong["events were applied twice"].append((self._applied[identity], place))
            self._applied[identity] = place
        else:  # it was news, and impossible; a gateway that repeats it repeats what was judged
            self._rejected[identity] = place

    def close(self) -> None:
        """All items were taken: say what is wrong."""
        judged = self._applied.keys() | self._rejected.keys()
        orphans = [place for identity, place in self._repeats if identity not in judged]
        self._wrong["items were taken for repeats of what was never there"] = orphans
        for what, places in self._wrong.items():
            self._account.fail(what, places)


def _items(settings: Settings) -> Iterator[tuple[Place, Any]]:
    """Everything that is on the inputs, as the decoder judges it."""
    with reader(settings.client_config(), "read_committed") as consumer:
        for topic in INGESTED_TOPICS:
            name = settings.topic_prefix + topic
            for partition in range(partition_count(consumer, name)):
                for message in read_to_end(consumer, name, partition):
                    for index, item in decode_batch(topic, [message.value()])[0].items:
                        yield (topic, partition, message.offset() or 0, index), item


def _facts(settings: Settings, account: Account) -> dict[Place, Any]:
    """Position -> event, of all facts partitions; what concerns all sites is in each of them."""
    found: dict[Place, Any] = {}
    out_of_order = []
    name = settings.topic_prefix + FACTS
    with reader(settings.client_config(), "read_committed") as consumer:
        for partition in range(partition_count(consumer, name)):
            marks: dict[tuple[str, int], tuple[int, int]] = {}
            first: set[Place] = set()
            for message in read_to_end(consumer, name, partition):
                for segment in decode_facts(message.value() or b"").segments:
                    source = segment.topic, segment.partition
                    for position, event in zip(segment.positions, segment.events, strict=True):
                        place = (*source, *position)
                        if place in first:
                            account.repeated["facts"] += 1
                            continue
                        first.add(place)
                        if position <= marks.get(source, (-1, -1)):
                            out_of_order.append(place)
                        marks[source] = position
                        found[place] = event
    account.fail("events stand behind later ones of their source, and would be trimmed", out_of_order)
    return found


def _letters(settings: Settings, account: Account) -> dict[Place, str]:
    found: dict[Place, str] = {}
    name = settings.topic_prefix + DEAD_LETTERS
    with reader(settings.client_config(), "read_committed") as consumer:
        for partition in range(partition_count(consumer, name)):
            for message in read_to_end(consumer, name, partition):
                letter = DeadLetter.model_validate_json(message.value() or b"")
                place = letter.source_topic, letter.source_partition, letter.source_offset, letter.index
                account.repeated["dead letters"] += place in found
                found[place] = letter.code
    return found
