"""Answers that are put together from several topics: the plans in force, and whether the data can be trusted."""

import base64
from typing import Any

import orjson

from schemas import Card, CardKind, DeadLetter, PlanState, topics
from streams.latest_plans import COMMITTED
from streams.web.reading import Json, Reading
from streams.web.view import STREAMED, Refusals, View

_DOUBTS = (CardKind.DATA_STALE, CardKind.DATA_CONFLICT)


def plans(reading: Reading, site_id: str | None) -> Json:
    """Committed plans, and proposals whose changes are not all answered."""
    with reading.view.reading() as view:
        found = view.shelves[topics.PLANS].matching(lambda each: site_id in (None, each.site_id))
        committed, pending = [], []
        for document in sorted(found, key=lambda each: each.key):
            assert isinstance(document.model, PlanState)
            if document.model.plan_id.startswith(COMMITTED):
                committed.append(orjson.Fragment(document.body))
            elif document.model.state in ("committing", "partially_committed", "commit_failed"):
                pending.append(orjson.Fragment(document.body))
        return Json({"as_of": view.as_of(), "committed": committed, "pending": pending})


def data_health(reading: Reading, site_id: str | None) -> Json:
    """What was refused and why, silent lines, contradictions, and what this server left out."""
    with reading.view.reading() as view:
        lines = view.shelves[topics.LINES].matching(lambda each: site_id in (None, each.site_id))
        doubts = view.shelves[topics.CARDS].matching(
            lambda each: (
                not each.is_ended
                and site_id in (None, each.site_id)
                and isinstance(each.model, Card)
                and each.model.kind in _DOUBTS
            )
        )
        return Json(
            {
                "as_of": view.as_of(),
                "dead_letters": [
                    {**_counted(key, refusals), "samples": [_letter(each) for each in refusals.samples]}
                    for key, refusals in sorted(view.dead_letters.items())
                ],
                "rejections": [
                    {**_counted(key, refusals), "samples": list(refusals.samples)}
                    for key, refusals in sorted(view.rejections.items())
                ],
                "lines": [orjson.Fragment(each.body) for each in sorted(lines, key=lambda each: each.key)],
                "doubts": [orjson.Fragment(each.body) for each in sorted(doubts, key=lambda each: each.key)],
                "topics": topics_health(view),
            }
        )


def topics_health(view: View) -> list[dict[str, Any]]:
    """What the view holds of each topic; to be called while it is held still."""
    held = {topic: (len(view.shelves[topic].documents), view.shelves[topic].dropped) for topic in STREAMED}
    held[topics.LEDGER] = (len(view.ledger.documents), view.ledger.dropped)
    held[topics.GRAPH] = (len(view.graph.nodes) + len(view.graph.edges), view.graph.dropped)
    held |= {topic: (0, 0) for topic in view.unreadable if topic not in held}
    return [
        {"topic": topic, "documents": count, "dropped": dropped, "unreadable": view.unreadable[topic]}
        for topic, (count, dropped) in sorted(held.items())
    ]


def _counted(key: tuple[str, str], refusals: Refusals) -> dict[str, Any]:
    return {"source_topic": key[0], "reason": key[1], "count": refusals.count, "last_at": refusals.last_at}


def _letter(letter: object) -> dict[str, Any]:
    assert isinstance(letter, DeadLetter)
    kept = letter.payload_base64[: len(letter.payload_base64) // 4 * 4]  # the view has cut it short
    return {
        "message": letter.message,
        "field_path": letter.field_path,
        "source_partition": letter.source_partition,
        "source_offset": letter.source_offset,
        "index": letter.index,
        "payload": base64.b64decode(kept).decode(errors="replace"),
        "payload_bytes": letter.payload_bytes,
    }
