"""The table of docs/limits.md: everything that grows with input, what bounds it, what shows it, what happens then.

Law: a row names code, not numbers. Values, meanings and metrics are read from the code when the document is written, so a
limit that is gone or renamed fails the build.
"""

import ast
import importlib
import inspect
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from docs.markdown import anchor, table, wrapped
from schemas import Rules
from schemas.field_words import field_words
from streams.metrics import Metrics
from streams.settings import Settings


@dataclass(frozen=True)
class Limit:
    """One row.

    Attributes:
        what: may grow.
        bound: a setting (FORESITE_X), a rule (rule x) or a named constant (module.NAME, a field behind it by a dot).
        metric: attribute of streams.metrics.Metrics that shows how near it is or how often it was met.
        then: what happens at the limit.
        test: file that meets it by its name; empty where none does.
    """

    what: str
    bound: str
    metric: str
    then: str
    test: str = ""


LIMITS: dict[str, tuple[Limit, ...]] = {
    "What comes in": (
        Limit("bytes of a record", "schemas.json_text.DEFAULT_LIMITS.record_bytes", "ingest_dead_letters", "dead letter `size`; it is not parsed", "tests/unit/test_decode.py"),
        Limit("nesting of a record", "schemas.json_text.DEFAULT_LIMITS.depth", "ingest_dead_letters", "dead letter `depth`; it is not parsed", "tests/unit/test_decode.py"),
        Limit("keys of a record", "schemas.json_text.DEFAULT_LIMITS.keys", "ingest_dead_letters", "dead letter `size`; it is not parsed", "tests/unit/test_decode.py"),
        Limit("headers that a dead letter keeps", "streams.dead_letters.HEADER_BYTES_MAX", "ingest_dead_letters", "cut, and the letter says so", "tests/unit/test_batcher.py"),
        Limit("key that a dead letter keeps", "streams.dead_letters.KEY_BYTES_MAX", "ingest_dead_letters", "cut, and the letter says so", "tests/unit/test_batcher.py"),
        Limit("records read ahead by ingest", "streams.input_reader.QUEUED_KB", "consumer_lag_records", "the client fetches no more until some are taken"),
        Limit("input converted at a time", "streams.ingest.SLICE_BYTES", "ingest_step_seconds", "the rest is the next slice"),
        Limit("events in a facts record", "FORESITE_INGEST_BATCH_EVENTS", "ingest_batch_events", "the rest is the next record"),
        Limit("bytes of a facts record", "schemas.topics.LARGE_RECORD_BYTES", "ingest_batch_events", "halved until it fits; one event that does not fit is a dead letter `size`"),
        Limit("bytes under way to the broker", "streams.gapless_writer.IN_FLIGHT_BYTES_MAX", "ingest_in_flight_bytes", "nothing is read until the broker has taken some; after ten seconds the role is not ready (`deliveries`)", "tests/unit/test_gapless_writer.py"),
        Limit("sites whose partition is remembered", "streams.routing.KNOWN_SITES_MAX", "ingest_events", "worked out anew for each event"),
    ),
    "What the twin holds": (
        Limit("sites of a shard", "twin.state.limits.SITES_MAX", "twin_events_rejected", "rejected `too_many_sites`", "tests/unit/test_twin_limits.py"),
        Limit("entities of a site", "rule entities_max", "twin_entities", "new ones are rejected `too_many_entities`; what changes or ends known ones is taken", "tests/unit/test_twin_limits.py"),
        Limit("what ends entities, of a full site", "twin.state.limits.FOLLOWING_ROOM", "twin_entities", "rejected `too_many_entities`", "tests/unit/test_twin_limits.py"),
        Limit("lines of a site", "rule lines_max", "twin_entities", "rejected `too_many_lines`", "tests/unit/test_twin_limits.py"),
        Limit("runs of a line", "twin.state.limits.RUNS_PER_LINE_MAX", "twin_events_rejected", "rejected `too_many_runs`", "tests/unit/test_twin_limits.py"),
        Limit("completed runs, closed orders, departures, work orders, receipts", "rule retention_days", "twin_entities", "forgotten at midnight, with tombstones"),
        Limit("cards of orders and runs that are gone", "twin.state.retention.CARDS_KEPT_S", "cards_closed", "forgotten at midnight, with tombstones", "tests/unit/test_twin_limits.py"),
        Limit("open cards of a site", "rule open_cards_max", "cards_set_aside", "a new one opens only where it outranks an open one; others are set aside: counted with their money on `twin.sites.v1`, and raised when there is room", "tests/unit/test_crowd.py"),
        Limit("open cards of a site that outrank others", "twin.cards.crowd.CROWD", "cards_set_aside", "set aside, whatever they rank"),
        Limit("commands known, to tell one sent twice", "twin.state.retention.COMMANDS_KEPT_S", "twin_duplicates", "forgotten at midnight"),
        Limit("event ids of a line", "twin.state.dedupe.CHUNKS_PER_LINE", "twin_events_rejected", "older events without a number are rejected `too_late`", "tests/unit/test_dedupe.py"),
        Limit("gaps in the numbers of a source", "twin.state.dedupe.RANGES_PER_SOURCE", "twin_duplicates", "the oldest gap is given up: what comes for it counts as a repeat", "tests/unit/test_dedupe.py"),
        Limit("numbering sources of a line", "twin.state.limits.SOURCES_PER_LINE_MAX", "twin_duplicates", "repeats of a further one are told by event id", "tests/unit/test_twin_limits.py"),
        Limit("systems with a view of one order or run", "twin.state.plant.CLAIMS_MAX", "data_conflicts", "a further one's view is the last word and no claim", "tests/unit/test_twin_limits.py"),
        Limit("series of bad pieces of a line", "twin.state.limits.SERIES_PER_LINE_MAX", "twin_events_applied", "pieces count for the run; nobody watches their share", "tests/unit/test_twin_limits.py"),
        Limit("buckets of production of a line", "twin.shopfloor.progress.BUCKETS_KEPT", "twin_late_events", "the oldest goes"),
        Limit("buckets of a quality series", "twin.quality.quality_series.BUCKETS_KEPT", "twin_late_events", "the oldest goes into the base rate"),
        Limit("stops remembered of a line", "twin.shopfloor.stops.STOPS_KEPT", "twin_events_applied", "the oldest goes"),
        Limit("ends of a proposal remembered", "twin.decisions.proposals.LIFE_KEPT_S", "twin_entities", "forgotten, with a tombstone"),
        Limit("moves of a run remembered", "twin.decisions.plan_moves.MOVES_KEPT", "twin_events_applied", "the oldest goes"),
        Limit("runs in a site's published plan", "twin.decisions.committed_plan.MOST_RUNS", "twin_outputs", "those furthest away are left out, and the plan says how many"),
        Limit("projections of a line in one evaluation", "twin.evaluation.MOST_PASSES", "twin_apply_seconds", "a circle of routings ends there"),
    ),
    "What the twin has under way": (
        Limit("facts read ahead", "streams.twin_app.STREAM_BUFFER_RECORDS", "twin_behind_seconds", "the reader waits for the fold", "tests/integration/test_backlog.py"),
        Limit("bytes of facts in one fetch", "streams.twin_app.FETCH_BYTES_MAX", "twin_behind_seconds", "the rest is the next fetch", "tests/integration/test_backlog.py"),
        Limit("facts records folded and not committed", "streams.shard_keeper.UNCOMMITTED_RECORDS_MAX", "twin_uncommitted_seconds", "folding waits for the commit", "tests/unit/test_shard.py"),
        Limit("partitions of a worker", "streams.shard_keeper.SHARDS_MAX", "assigned_partitions", "further ones wait for a thread: start another worker"),
        Limit("time that cards wait while ingest is behind", "twin.session.CARDS_HELD_S", "twin_catching_up", "judged by what is known", "tests/unit/test_catching_up.py"),
    ),
    "What is asked of the solver": (
        Limit("notes that wait to be asked about", "twin.replan.replan_book.MOST_PENDING", "twin_replan_requests", "further ones are not noted: the first ones reach over the same lines"),
        Limit("lines of a problem", "twin.replan.problem_scope.MOST_LINES", "twin_replan_requests", "those further away are left out"),
        Limit("bytes of a request", "twin.replan.replan_requests.MOST_BYTES", "twin_replan_requests", "lines are left out, those hit last", "tests/unit/test_replanning.py"),
        Limit("a line that alone is more than a request holds", "twin.replan.replan_requests.MOST_BYTES", "twin_replan_refused", "not asked about; a command is refused `too_large`", "tests/unit/test_solver_limits.py"),
        Limit("requests of a site without an answer", "twin.replan.replan_book.UNANSWERED_FREE", "twin_questions_waiting", "the next ones wait, each twice as long, and are asked together; what is over by then is not", "tests/unit/test_solver_limits.py"),
        Limit("runs of a request that the solver takes", "FORESITE_SOLVER_RUNS_MAX", "solver_refused", "answered without options and with the reason, `too_large`", "tests/integration/test_solver_worker.py"),
        Limit("bytes of an answer", "FORESITE_SOLVER_ANSWER_BYTES_MAX", "solver_options_left_out", "options of least value are left out, and the answer says so", "tests/integration/test_solver_worker.py"),
        Limit("keys of an answer that comes back", "streams.batcher.ANSWER_KEYS_MAX", "ingest_dead_letters", "dead letter `size`"),
        Limit("requests worked on at once", "FORESITE_SOLVER_REQUESTS_MAX", "solver_in_progress", "no more are read"),
        Limit("superseded requests remembered", "streams.solver_desk.SUPERSEDED_KEPT", "solver_cancelled", "the oldest is forgotten, and solved for nobody where it comes late"),
        Limit("options of an answer", "solvers.board.MOST_OPTIONS", "solver_options", "those of least value are left out"),
    ),
    "What is told": (
        Limit("notices that wait", "streams.notify.worker.WAITING_MAX", "notify_waiting", "no more cards are read"),
        Limit("time that letters of a site wait while the twin catches up", "streams.notify.old_news.HELD_MAX", "notify_held_sites", "told as it stands", "tests/unit/test_old_news.py"),
        Limit("letters handed to a sink", "streams.notify.sinks.QUEUE_LETTERS", "notify_waiting", "the desk keeps them; other sinks go on", "tests/unit/test_notify_slow_sink.py"),
        Limit("cards in a digest", "streams.notify.desk.DIGEST_CARDS_MAX", "notify_deliveries", "the rest is the next digest"),
        Limit("outcomes kept of a card", "schemas.notices.OUTCOMES_KEPT", "notify_deliveries", "the oldest goes"),
        Limit("sites with metrics of their own in ingest", "streams.ingest.SITES_MAX", "ingest_source_timestamp_seconds", "called `other`"),
        Limit("seconds of a request to the admin port", "streams.admin.REQUEST_TIMEOUT_S", "ready", "cut off"),
        Limit("restarts of a role within a minute by `foresite up`", "streams.up.RESTARTS_MAX", "ready", "given up, with the end of its log"),
    ),
    "What web serves": (
        Limit("bytes of a request's body", "FORESITE_WEB_BODY_BYTES_MAX", "http_requests", "refused", "tests/unit/test_web_access.py"),
        Limit("requests a minute of one principal", "FORESITE_WEB_REQUESTS_PER_MIN", "http_requests", "refused, 429", "tests/unit/test_web_access.py"),
        Limit("requests in progress", "FORESITE_WEB_REQUESTS_MAX", "http_requests_in_progress", "refused, 503"),
        Limit("seconds of a request", "FORESITE_WEB_REQUEST_TIMEOUT_S", "http_request_seconds", "cut off, 504", "tests/unit/test_web_access.py"),
        Limit("commands under way", "FORESITE_WEB_COMMANDS_IN_FLIGHT_MAX", "commands", "refused, 503", "tests/unit/test_web_commands.py"),
        Limit("bytes of a post of events", "FORESITE_WEB_GATEWAY_BODY_BYTES_MAX", "http_requests", "refused, 413; nothing is sent", "tests/unit/test_web_events.py"),
        Limit("events of a post", "FORESITE_WEB_GATEWAY_EVENTS_MAX", "gateway_events", "refused, 413; nothing is sent", "tests/unit/test_web_events.py"),
        Limit("posted events that wait for Kafka", "FORESITE_WEB_GATEWAY_IN_FLIGHT_MAX", "gateway_events_in_flight", "refused, 503; nothing is sent", "tests/unit/test_web_events.py"),
        Limit("posted events remembered, to tell one posted twice", "streams.web.event_desk.SENT_KEPT", "gateway_events", "the oldest is forgotten: posted again, it is sent again, and the twin counts it once"),
        Limit("seconds of a question that folds facts", "FORESITE_WEB_FOLD_TIMEOUT_S", "http_request_seconds", "its process is ended, 504; one at a time, others are refused, 503"),
        Limit("clients of the stream", "FORESITE_WEB_STREAM_CLIENTS_MAX", "stream_clients", "refused; the page asks again", "tests/unit/test_web_stream.py"),
        Limit("bytes that wait for one client", "FORESITE_WEB_STREAM_CLIENT_BYTES_MAX", "stream_clients_dropped", "let go; it begins again from the picture", "tests/unit/test_web_stream.py"),
        Limit("documents of a topic", "FORESITE_WEB_VIEW_DOCUMENTS_MAX", "view_documents_dropped", "what has ended goes first, and answers say that they are not complete", "tests/unit/test_web_reading.py"),
        Limit("megabytes of a topic's documents", "FORESITE_WEB_VIEW_MB_MAX", "view_documents_dropped", "the same"),
    ),
}  # fmt: skip


def limits() -> str:
    """The document."""
    parts = [
        "# Limits",
        (
            "Everything that grows with what comes in, and what bounds it: a setting, a rule of the site, or a number in "
            "code with its reason. What the fold goes by is a rule, and so a fact, or a number in code, never a setting of "
            "a process: a refold gives the same. The metric shows how near a limit is, or how often "
            "it was met; where a test meets the limit itself, it is named."
        ),
    ]
    reasons: dict[str, str] = {}
    for title, rows in LIMITS.items():
        parts.append(f"## {title}")
        lines = []
        for row in rows:
            bound, reason = described(row.bound)
            if reason:
                reasons[f"`{row.bound.rpartition('.')[2]}`, {row.what}"] = reason
            metric = metric_name(row.metric)
            lines.append(
                [row.what, bound, f"[`{metric}`](metrics.md)", row.then, row.test and f"`{row.test}`"]
            )
        parts.append(table(["what", "bound", "metric", "at the limit", "test"], lines))
    parts.append("## Why these numbers")
    parts += [f"{name}: {reason}" for name, reason in reasons.items()]
    return wrapped(parts)


def name_of(bound: str) -> str:
    """The name of a bound by itself, as a test would have it."""
    name = bound.rsplit(maxsplit=1)[-1].rpartition(".")[2]
    return name.removeprefix("FORESITE_").lower() if bound.startswith("FORESITE_") else name


def metric_name(attribute: str) -> str:
    """The name under which an attribute of Metrics is served.

    Raises:
        AttributeError: there is none.
    """
    described = next(iter(getattr(_metrics(), attribute).describe()))
    return str(described.name) + ("_total" if described.type == "counter" else "")


def described(bound: str) -> tuple[str, str]:
    """A bound with its value, and its reason where no other document has it.

    Raises:
        LookupError, AttributeError, ImportError: there is no such setting, rule or constant, or it gives no reason.
    """
    if bound.startswith("FORESITE_"):
        field = Settings.model_fields[bound.removeprefix("FORESITE_").lower()]
        return f"[`{bound}`](settings.md#{anchor(bound)}), {_number(field.default)}", ""
    if bound.startswith("rule "):
        name = bound.removeprefix("rule ")
        assert field_words(Rules)[name]
        return f"rule [`{name}`](rules-reference.md), {_number(Rules.model_fields[name].default)}", ""
    module, name, rest = _split(bound)
    value: Any = getattr(module, name)
    for part in rest:
        value = getattr(value, part)
    reason = _reason(module, name, rest)
    return (
        f"`{'.'.join([name, *rest])}` in `{module.__name__.replace('.', '/')}.py`, {_number(value)}",
        reason,
    )


def _split(bound: str) -> tuple[Any, str, list[str]]:
    parts = bound.split(".")
    end = next(place for place, part in enumerate(parts) if part.isupper())
    return importlib.import_module(".".join(parts[:end])), parts[end], parts[end + 1 :]


def _reason(module: Any, name: str, rest: list[str]) -> str:
    """The string under a constant, or the comment at it; a field of an object has it in the docstring of its class."""
    if rest:
        return " ".join(field_words(type(getattr(module, name)))[rest[-1]].split())
    body = ast.parse(inspect.getsource(module)).body
    for place, node in enumerate(body):
        targets = node.targets if isinstance(node, ast.Assign) else []
        if not any(isinstance(target, ast.Name) and target.id == name for target in targets):
            continue
        last = place  # constants on lines that follow each other share the string under them
        while isinstance(body[last + 1], ast.Assign) and body[last + 1].lineno == body[last].lineno + 1:
            last += 1
        under = body[last + 1]
        if isinstance(under, ast.Expr) and isinstance(under.value, ast.Constant):
            return " ".join(str(under.value.value).split())
        return _comment(module, node.lineno)
    raise LookupError(f"{module.__name__} has no constant {name}")


def _comment(module: Any, line: int) -> str:
    """The comment at or above a constant."""
    lines = inspect.getsource(module).splitlines()[:line]
    found = [lines.pop().partition("  # ")[2]]
    while lines and lines[-1].startswith("#"):
        found.insert(0, lines.pop().lstrip("# "))
    if not any(found):
        raise LookupError(f"{module.__name__}: the constant in line {line} gives no reason")
    return " ".join(filter(None, found))


def _number(value: Any) -> str:
    if isinstance(value, timedelta):
        return f"{value.total_seconds():,.0f} s"
    return (
        f"{value:,}" if isinstance(value, int) else f"{value:,.0f}" if value == int(value) else f"{value:g}"
    )


@cache
def _metrics() -> Metrics:
    return Metrics()
