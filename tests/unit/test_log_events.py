"""Events of the log have stable names: words of the source, in snake case, of one level each, and all of them listed."""

import re
from collections import defaultdict
from pathlib import Path

import pytest

from docs.log_events import LogCall, log_calls

CALLS = list(log_calls())
LIST = (Path(__file__).resolve().parents[2] / "docs" / "log-events.md").read_text("utf-8")
FIELD = re.compile(r"[a-z][a-z0-9_]*")


def test_there_are_events() -> None:
    assert {"shard_taken_over", "admin_listening", "facts_not_folded"} <= {call.event for call in CALLS}


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.module}:{call.line}")
def test_an_event_is_a_word_of_the_source_and_listed(call: LogCall) -> None:
    assert call.event is not None
    assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", call.event)
    assert f"| `{call.event}` |" in LIST
    assert [] == [name for name in call.fields if not FIELD.fullmatch(name)]


def test_an_event_is_news_or_trouble_and_not_both() -> None:
    levels: defaultdict[str, set[str]] = defaultdict(set)
    for call in CALLS:
        levels[call.event or ""].add("news" if call.level in ("debug", "info") else "trouble")

    assert {} == {event: found for event, found in levels.items() if event and len(found) > 1}
