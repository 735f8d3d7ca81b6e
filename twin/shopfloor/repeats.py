"""Which machine events are news: not in the future, of a line that is known, no repeat, and not too late to tell."""

from schemas import MachineEvent, join_key
from twin.session import Session
from twin.state.dedupe import SequenceWindow, Verdict
from twin.state.limits import SOURCES_PER_LINE_MAX


def is_news(session: Session, event: MachineEvent) -> bool:
    """Whether a machine event is neither in the future, nor a repeat, nor too late to tell; notes it as seen."""
    moment = event.event_time.timestamp()
    if session.is_in_future(event, moment):
        return False
    line = session.model.lines.get((event.site_id, event.line_id))
    if line is None:
        session.reject(event, "unknown_line", f"line {event.line_id} of site {event.site_id} is not known")
        return False
    source_id, number = event.source_id, event.source_sequence
    if source_id is not None and number is not None and _is_remembered(session, event, source_id):
        return _is_new_number(session, event, source_id, number)
    verdict = line.ids.judge(event.event_id, moment)
    if verdict is Verdict.REPEAT:
        session.counters["duplicate", "event_id"] += 1
        return False
    if verdict is Verdict.TOO_LATE:
        session.reject(
            event, "too_late", "older than the window in which a repeat could be told, and not numbered"
        )
        return False
    chunk, given_up = line.ids.add(event.event_id, moment)
    session.model.store.put(f"{line.ids_key}/{chunk.number}", chunk)
    if given_up is not None:
        session.model.store.remove(f"{line.ids_key}/{given_up.number}")
    return True


def _is_remembered(session: Session, event: MachineEvent, source_id: str) -> bool:
    """Whether the numbers of a source on this line are kept, or may be from now on."""
    sources = session.model.sources_of_line.get((event.site_id, event.line_id), {})
    return source_id in sources or len(sources) < SOURCES_PER_LINE_MAX


def _is_new_number(session: Session, event: MachineEvent, source_id: str, number: int) -> bool:
    key = (event.site_id, event.line_id, source_id)
    model = session.model
    kept = model.sequences.get(key)
    if kept is None:
        document_key = join_key(event.site_id, "sequence", event.line_id, source_id)
        kept = model.adopt_sequence(key, SequenceWindow([]), document_key)
    window, document_key = kept
    if window.judge(number) is Verdict.REPEAT:
        session.counters["duplicate", "sequence"] += 1
        return False
    window.add(number, event.event_time.timestamp())
    model.store.put(document_key, window)
    return True
