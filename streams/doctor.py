"""`foresite doctor`: which kinds of risk a site's data lets the twin see, what the others lack, and how good the data is.

Law: each finding is counted, not judged by feel, and says what to do next. What is asked of the twin is what its judges
read, so a kind that is said to be blind raises no card, and one that can be seen does where there is a risk.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from schemas import UsageError, topics
from schemas.base import EARLIEST_TIME
from streams.adapters.mapping_file import mappings_for
from streams.doctor_data import DataNotes, WatchedTwin, data_findings
from streams.doctor_findings import DATA, Finding, Level
from streams.doctor_risks import risk_findings
from streams.facts_log import partition_count
from streams.partition_reader import read_to_end, reader
from streams.picture import Picture, picture_from_kafka
from streams.replay import Replay
from streams.settings import Settings


@dataclass(slots=True)
class Examined:
    """What was found, by site.

    Attributes:
        findings: site -> findings, those of risks first.
        dead_letters: by code, of all sites: a record that cannot be read names none.
    """

    findings: dict[str, list[Finding]] = field(default_factory=dict)
    dead_letters: Counter[str] = field(default_factory=Counter)

    @property
    def is_blind(self) -> bool:
        """Whether a kind of risk cannot be seen at some site."""
        return not self.findings or any(
            finding.level is Level.MISSING and finding.risk != DATA
            for findings in self.findings.values()
            for finding in findings
        )


def examine_files(
    files: Sequence[Path], mapping: Sequence[Path] | None, site_id: str | None, tick_s: int
) -> Examined:
    """Examine files of events and tables, folded to their end.

    Raises:
        UsageError: a file cannot be read.
    """
    shard = WatchedTwin()
    run = Replay(files, mappings_for(files, mapping), shard, tick_s)
    result = run.advance(run.last_at or EARLIEST_TIME)
    notes = shard.notes
    notes.dead_letters = Counter({str(code): count for code, count in result.dead_letters.items()})
    notes.refusals = result.refusals[:3]
    notes.ignored = result.read.ignored
    notes.is_live = False
    picture = Picture(None)
    picture.add(shard)
    return _examined(picture, notes, site_id)


def examine_kafka(settings: Settings, site_id: str | None) -> Examined:
    """Examine the facts on Kafka; where retention took the first ones, from the nearest checkpoint on.

    Raises:
        UsageError: there are no facts.
        KafkaException: the broker failed.
    """
    shards: list[WatchedTwin] = []

    def new_shard() -> WatchedTwin:
        shards.append(WatchedTwin())
        return shards[-1]

    try:
        picture = picture_from_kafka(settings, None, site_id, new_shard)
    except UsageError:
        shards.clear()
        picture = picture_from_kafka(settings, None, site_id)
    notes = DataNotes.of(shards)
    notes.is_live = settings.clock == "wall"
    _read_dead_letters(settings, notes)
    return _examined(picture, notes, site_id)


def _examined(picture: Picture, notes: DataNotes, site_id: str | None) -> Examined:
    examined = Examined(dead_letters=notes.dead_letters)
    for twin in picture.shards:
        sites = dict.fromkeys([*twin.model.plant.site_ids, *(key[0] for key in sorted(twin.model.lines))])
        for each in sites:
            if site_id in (None, each):
                examined.findings[each] = [*risk_findings(twin, each), *data_findings(twin, each, notes)]
    return examined


def _read_dead_letters(settings: Settings, notes: DataNotes) -> None:
    topic = settings.topic_prefix + topics.DEAD_LETTERS
    letter_type = topics.TOPICS[topics.DEAD_LETTERS].types[0]
    with reader(settings.client_config(), "read_committed") as consumer:
        for partition in range(partition_count(consumer, topic)):
            for message in read_to_end(consumer, topic, partition):
                value = message.value()
                if value is None:
                    continue
                letter = letter_type.model_validate_json(value)
                code, field_path = str(getattr(letter, "code", "")), getattr(letter, "field_path", "")
                notes.dead_letters[code] += 1
                if len(notes.refusals) < 3:
                    where = f" [{field_path}]" if field_path else ""
                    notes.refusals.append(
                        f"{getattr(letter, 'source_topic', '')}: {code}{where}: {getattr(letter, 'message', '')}"
                    )
