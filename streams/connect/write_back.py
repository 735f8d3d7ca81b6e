"""Carries plan changes to a system and its answers back, by files: `out/CHANGE.json` to it, `in/ANY.json` from it.

Law: a change is written once, under its change_id; the same change sent again finds its file there. An answer is
acknowledged on erp.plan-acks.v1 and moved to `done` only when Kafka has it; one that comes again says the same.

An answer is {"change_id": ..., "status": 200, "at": "2026-11-23T08:03:00+01:00", "body": {what the system said}}; of
B2MML, `body` is the text of its RespondOperationsSchedule.
"""

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import orjson
import structlog

from schemas import TOPIC_OF_KIND, BadRecord, ReasonCode
from schemas.topics import PLAN_CHANGES
from streams.adapters.erp import b2mml, erpnext, frepple, odoo
from streams.adapters.erp.documents import Body, ForeignRequest, Plant
from streams.admin import Health
from streams.facts_log import partition_count
from streams.partition_reader import read_to_end, reader
from streams.publish import publish
from streams.settings import Settings
from streams.sources import Origin, RefusedRecord, SourceRecord, record_key

log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 1.0
"""Between two looks at topic and folder. Too small: disk and broker are asked for nothing. Too large: late answers."""

REQUESTS: Final[Mapping[str, Callable[[Mapping[str, Any], Plant], ForeignRequest]]] = {
    erpnext.NAME: erpnext.request,
    odoo.NAME: odoo.request,
    frepple.NAME: frepple.request,
    b2mml.NAME: b2mml.request,
}

ANSWERS: Final[Mapping[str, Callable[[Mapping[str, Any], int, Mapping[str, Any], datetime, Plant], Body]]] = {
    erpnext.NAME: erpnext.answer,
    odoo.NAME: odoo.answer,
    frepple.NAME: frepple.answer,
}


class WriteBack:
    """One system's carrier.

    Args:
        settings: where Kafka is.
        system: whose terms are spoken.
        folder: of `out`, `in` and `done`.
        plant: whose changes are carried: those of its site.
        health: is told that it turns.
    """

    def __init__(self, settings: Settings, system: str, folder: Path, plant: Plant, health: Health) -> None:
        self._settings, self._system, self._plant, self._health = settings, system, plant, health
        self._out, self._in, self._done = (folder / name for name in ("out", "in", "done"))
        for each in (self._out, self._in, self._done):
            each.mkdir(parents=True, exist_ok=True)

    def run(self, stop: threading.Event) -> None:
        """Carry until `stop` is set.

        Raises:
            KafkaException: the broker failed.
        """
        self._health.started()
        name = self._settings.topic_prefix + PLAN_CHANGES
        nexts: dict[int, int] = {}
        with reader(self._settings.client_config(), "read_committed") as consumer:
            while not stop.is_set():
                self._health.beat()
                for partition in range(partition_count(consumer, name)):
                    for message in read_to_end(consumer, name, partition, nexts.get(partition, 0)):
                        value, offset = message.value(), message.offset()
                        if value is not None and offset is not None:
                            self.carry(orjson.loads(value))
                            nexts[partition] = offset + 1
                self.answer_all()
                stop.wait(LOOK_EVERY_S)

    def carry(self, change: Mapping[str, Any]) -> None:
        """Write a change in the system's terms, once."""
        if change["site_id"] != self._plant.site_id:
            return
        kept = self._path_of(str(change["change_id"]))
        if kept.exists():
            return
        made = REQUESTS[self._system](change, self._plant)
        content = {"change_id": made.change_id, "call": made.call, "body": made.body, "change": dict(change)}
        draft = kept.with_suffix(".part")
        draft.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
        draft.replace(kept)  # whoever watches the folder sees whole files only
        log.info("change_written", change_id=made.change_id, call=made.call)

    def answer_all(self) -> None:
        """Acknowledge what has been answered; what cannot be read stays in `in`, and the log says why."""
        for file in sorted(self._in.glob("*.json")):
            record = self._read(file)
            if isinstance(record, RefusedRecord):
                log.warning("answer_refused", file=str(file), error=str(record))
                file.replace(file.with_suffix(".refused"))
            elif publish(self._settings, [record]).exit_code == 0:
                file.replace(self._done / file.name)

    def _read(self, file: Path) -> SourceRecord | RefusedRecord:
        data = file.read_bytes()
        try:
            body = self._acknowledgement(data)
        except BadRecord as bad:
            return RefusedRecord(Origin(file, 1, "document"), bad, data)
        return SourceRecord(
            TOPIC_OF_KIND[body["kind"]], record_key(body), orjson.dumps(body), Origin(file, 1, "document")
        )

    def _acknowledgement(self, data: bytes) -> Body:
        try:
            told = orjson.loads(data)
            change_id, at = str(told["change_id"]), datetime.fromisoformat(told["at"])
            status, said = int(told.get("status", 200)), told.get("body")
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadRecord(
                ReasonCode.SCHEMA, f"an answer has change_id, at, status and body: {error!r}"
            ) from None
        if at.tzinfo is None:
            raise BadRecord(ReasonCode.TIME, "a time without zone", "at")
        kept = self._path_of(change_id)
        if not kept.exists():
            raise BadRecord(ReasonCode.SCHEMA, f"no change {change_id[:100]!r} was written here", "change_id")
        change = orjson.loads(kept.read_bytes())["change"]
        if self._system == b2mml.NAME:
            return b2mml.answer_xml(change, str(said).encode(), at, self._plant)
        return ANSWERS[self._system](change, status, said if isinstance(said, dict) else {}, at, self._plant)

    def _path_of(self, change_id: str) -> Path:
        plain = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in change_id)[:100]
        suffix = "" if plain == change_id else f"-{blake2b(change_id.encode(), digest_size=6).hexdigest()}"
        return self._out / f"{plain}{suffix}.json"
