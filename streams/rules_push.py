"""Puts rules in force: a fact on plant.model.v1, taken by every twin without a restart.

Law: a version means one content. Cards name the version that they were judged under, so the same version with another
content is refused, as far back as the topic remembers.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaException

from schemas import ForesiteError, Rules, RulesUpdated, UsageError
from schemas.decode import decode_batch
from schemas.json_text import DEFAULT_LIMITS
from schemas.topics import PLANT_MODEL
from streams.partition_reader import read_to_end, reader
from streams.publish import publish
from streams.rules_file import content_hash
from streams.settings import Settings
from streams.sources import Origin, SourceRecord, record_key

METADATA_TIMEOUT_S: Final = 10.0
EVERY_SITE: Final = "*"
_KIND: Final = "rules_updated"


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of a push.

    Attributes:
        was_sent: false where the very same rules are in force already.
        replaced: the rules that were in force for the site, None where there were none.
        keep_their_own: sites with rules of their own, which rules for every site do not touch.
    """

    was_sent: bool
    replaced: Rules | None
    keep_their_own: list[str]


def push_rules(settings: Settings, rules: Rules, at: datetime, site_id: str = EVERY_SITE) -> Pushed:
    """Publish rules, and wait until Kafka has them.

    Args:
        settings: where to.
        rules: checked ones.
        at: when they begin to hold; moved behind the last rules of the site, for the last word by time holds.
        site_id: the only site that they are for; "*": every site without rules of its own.

    Raises:
        UsageError: the same version was pushed with other content, or the rules are larger than a record may be.
        ForesiteError: Kafka did not take them.
    """
    told = rules_told(settings)
    for known in told:
        is_same_version = (known.rules.rules_id, known.rules.version) == (rules.rules_id, rules.version)
        if is_same_version and content_hash(known.rules) != content_hash(rules):
            raise UsageError(
                f"version {rules.version} of {rules.rules_id} is known with other content, since "
                f"{known.event_time.isoformat()}: give the new rules a new version"
            )
    of_site = [each for each in told if each.site_id == site_id]
    last = max(of_site, key=lambda each: each.event_time, default=None)
    own = sorted({each.site_id for each in told} - {EVERY_SITE}) if site_id == EVERY_SITE else []
    if last is not None and last.rules == rules:
        return Pushed(was_sent=False, replaced=last.rules, keep_their_own=own)
    if last is not None and at <= last.event_time:
        at = last.event_time + timedelta(milliseconds=1)
    identity = f"rules/{rules.rules_id}/{rules.version}/{content_hash(rules)}/{int(at.timestamp() * 1000)}"
    event = RulesUpdated(event_id=identity[-200:], event_time=at, site_id=site_id, rules=rules)
    value = event.model_dump_json(exclude_none=True).encode()
    if len(value) > DEFAULT_LIMITS.record_bytes:
        raise UsageError(f"the rules take {len(value):,} bytes; ingest takes {DEFAULT_LIMITS.record_bytes:,}")
    record = SourceRecord(
        topic=PLANT_MODEL,
        key=record_key(event.model_dump(mode="json")),
        value=value,
        origin=Origin(Path("rules"), 1),
    )
    outcome = publish(settings, [record])
    if outcome.delivered != 1:
        raise ForesiteError(f"the rules were not taken: {'; '.join(outcome.failures)}")
    return Pushed(was_sent=True, replaced=None if last is None else last.rules, keep_their_own=own)


def rules_told(settings: Settings) -> list[RulesUpdated]:
    """Every rules_updated that plant.model.v1 still holds, in no particular order."""
    topic = settings.topic_prefix + PLANT_MODEL
    told: list[RulesUpdated] = []
    with reader(settings.client_config(), "read_committed") as consumer:
        described = consumer.list_topics(topic, timeout=METADATA_TIMEOUT_S).topics[topic]
        if described.error is not None:
            raise KafkaException(described.error)
        for partition in sorted(described.partitions):
            values = [
                value
                for message in read_to_end(consumer, topic, partition)
                if isinstance(value := message.value(), bytes) and _KIND.encode() in value
            ]
            for decoded in decode_batch(PLANT_MODEL, values):
                told += [event for _, event in decoded.items if isinstance(event, RulesUpdated)]
    return told
