"""The metrics of one role: names, labels and buckets, in a registry of the role's own.

Labels are bounded, and never ids. A role that does not use a family shows no sample of its labelled metrics.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from schemas import SCHEMA_VERSION
from streams.metric_conventions import (
    BATCH_BUCKETS,
    DECISION_BUCKETS,
    DELAY_BUCKETS,
    LEAD_BUCKETS,
    MOVED_BUCKETS,
    RATIO_BUCKETS,
    WAIT_BUCKETS,
    WORK_BUCKETS,
)

PREFIX = "foresite"


class Metrics:
    """The metrics that every role has, and those of ingest, the twin, its cards, notify, the solver and web.

    Attributes:
        registry: holds them and nothing else; made here unless one is given.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        # Else each counter and histogram is shown twice, with the time of its birth. The switch is the process's.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no types
        self.registry = CollectorRegistry(auto_describe=True) if registry is None else registry
        self._define_common()
        self._define_ingest()
        self._define_twin()
        self._define_cards()
        self._define_notify()
        self._define_solver()
        self._define_plan()
        self._define_web()
        self._define_connect()
        self.build_info.labels(version("foresite"), "unknown", str(SCHEMA_VERSION)).set(1)

    def _define_common(self) -> None:
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.build_info = self._gauge(
            "build_info", "Always 1; what runs is in its labels.", "version", "commit", "schema_version"
        )
        self.ready = self._gauge("ready", "1 when the role can serve, else 0.", "role")
        self.tick_timestamp_seconds = self._gauge(
            "tick_timestamp_seconds",
            "Wall time of the youngest tick that a stage has seen: tells where it hangs.",
            *("stage", "site"),
        )
        self.consumer_lag_records = self._gauge(
            "consumer_lag_records",
            "Records of a topic that are not read yet, over the partitions assigned.",
            "topic",
        )
        self.assigned_partitions = self._gauge("assigned_partitions", "Partitions that this worker has.")
        self.rebalances = self._counter("rebalances", "Changes of the partitions assigned.")
        self.kafka_errors = self._counter("kafka_errors", "Errors that the Kafka client reported.", "reason")
        self.loop_delay_seconds = self._histogram(
            "loop_delay_seconds",
            "How late the loop of twin or web turns: folding and garbage collection hold it up.",
            WORK_BUCKETS,
        )
        self.memory_limit_bytes = self._gauge(
            "memory_limit_bytes",
            "Memory that the container may take; not shown where there is no limit.",
            "role",
        )
        self.certificate_expiry_timestamp_seconds = self._gauge(
            "certificate_expiry_timestamp_seconds",
            "When the certificate ends that was read at the start: web's own, or the one shown to Kafka.",
            "kind",
        )

    def _define_ingest(self) -> None:
        self.ingest_events = self._counter(
            "ingest_events", "Events read, by what became of them.", "source_topic", "outcome"
        )
        self.ingest_dead_letters = self._counter(
            "ingest_dead_letters", "Records that became dead letters.", "source_topic", "reason"
        )
        self.ingest_batch_events = self._histogram(
            "ingest_batch_events", "Events in one facts record.", BATCH_BUCKETS
        )
        self.ingest_step_seconds = self._histogram(
            "ingest_step_seconds", "Time that one step of a batch took.", WORK_BUCKETS, "stage"
        )
        self.ingest_event_delay_seconds = self._histogram(
            "ingest_event_delay_seconds", "From event time to being read.", DELAY_BUCKETS, "source_topic"
        )
        self.ingest_clock_skew_seconds = self._gauge(
            "ingest_clock_skew_seconds", "How far the furthest event lay in the future.", "source_topic"
        )
        self.ingest_source_timestamp_seconds = self._gauge(
            "ingest_source_timestamp_seconds", "Event time of the youngest event.", "site", "source_topic"
        )
        self.ingest_in_flight_bytes = self._gauge(
            "ingest_in_flight_bytes", "Bytes produced and not yet acknowledged by the broker."
        )
        self.ingest_delivery_failures = self._counter(
            "ingest_delivery_failures", "Records that the broker would not take."
        )

    def _define_twin(self) -> None:
        self.twin_events_applied = self._counter("twin_events_applied", "Events folded.", "site", "kind")
        self.twin_events_rejected = self._counter(
            "twin_events_rejected", "Events that cannot be true here.", "site", "reason"
        )
        self.twin_duplicates = self._counter(
            "twin_duplicates", "Events dropped as seen before.", "site", "reason"
        )
        self.twin_late_events = self._counter(
            "twin_late_events", "Events folded into a time bucket of the past.", "site"
        )
        self.twin_apply_seconds = self._histogram(
            "twin_apply_seconds", "Time to fold one facts record.", WORK_BUCKETS, "site"
        )
        self.twin_commit_seconds = self._histogram(
            "twin_commit_seconds", "Time of one commit, begin to committed.", WAIT_BUCKETS, "site"
        )
        self.twin_commits = self._counter("twin_commits", "Commits, by how they ended.", "site", "outcome")
        self.twin_checkpoints = self._counter(
            "twin_checkpoints",
            "Checkpoints of the state, by what became of them: written or failed.",
            "site",
            "outcome",
        )
        self.twin_uncommitted_seconds = self._gauge(
            "twin_uncommitted_seconds", "Age of the oldest folded record that is not committed.", "site"
        )
        self.twin_end_to_end_seconds = self._histogram(
            "twin_end_to_end_seconds",
            "From a fact's arrival at the broker to its committed output.",
            WAIT_BUCKETS,
            "site",
        )
        self.twin_outputs = self._counter("twin_outputs", "Outputs committed.", "topic")
        self.twin_entities = self._gauge(
            "twin_entities", "Entities that a site's systems have told of.", "site", "kind"
        )
        self.twin_dirty_entities = self._gauge(
            "twin_dirty_entities",
            "Lines and cards that wait to be evaluated again; cards do while ingest is behind.",
            "kind",
        )
        self.twin_catching_up = self._gauge(
            "twin_catching_up", "1 while ingest is so far behind that a site's cards wait, else 0.", "site"
        )
        self.twin_behind_seconds = self._gauge(
            "twin_behind_seconds",
            "How old the youngest fact of the last commit is: more than a moment while the twin catches up.",
            "site",
        )
        self.twin_restore_seconds = self._histogram(
            "twin_restore_seconds", "Time to take over one partition.", WAIT_BUCKETS, "site"
        )
        self.twin_digest_mismatches = self._counter(
            "twin_digest_mismatches", "State that is not what its manifest says.", "site"
        )
        self.twin_replan_requests = self._counter(
            "twin_replan_requests", "Requests to the solver, by what triggered them.", "site", "reason"
        )

        self.twin_replan_refused = self._counter(
            "twin_replan_refused", "Questions that were not put to the solver, by why.", "site", "reason"
        )
        self.twin_questions_waiting = self._gauge(
            "twin_questions_waiting",
            "Things that wait to be asked about: within a pause, or while the solver does not answer.",
            "site",
        )

    def _define_cards(self) -> None:
        self.cards_open = self._gauge("cards_open", "Risk cards that are open.", "site", "kind", "severity")
        self.cards_opened = self._counter("cards_opened", "Risk cards opened.", "site", "kind", "severity")
        self.cards_closed = self._counter(
            "cards_closed",
            "Risk cards that ended, by how: cleared, resolved, dismissed, closed.",
            "site",
            "kind",
            "outcome",
        )
        self.card_updates = self._counter("card_updates", "New revisions of open cards.", "kind", "reason")
        self.cards_reopened = self._counter("cards_reopened", "Cards that came back.", "site", "kind")
        self.cards_unacknowledged_age_seconds_max = self._gauge(
            "cards_unacknowledged_age_seconds_max",
            "Age of the oldest card that nobody has acknowledged.",
            "site",
        )
        self.cards_lead_time_seconds = self._histogram(
            "cards_lead_time_seconds",
            "From a card's opening to the moment it warns of.",
            LEAD_BUCKETS,
            "kind",
        )
        self.cards_exposure_amount = self._gauge(
            "cards_exposure_amount", "Money at risk in open cards, in the site's currency.", "site"
        )
        self.cards_set_aside = self._gauge(
            "cards_set_aside",
            "Risks without a card, because the site has as many as its rules allow (open_cards_max).",
            "site",
        )
        self.lines_stale = self._gauge("lines_stale", "Lines whose data are too old to judge.", "site")
        self.data_conflicts = self._gauge("data_conflicts", "Sources that contradict each other now.", "site")
        self.projection_brier_score = self._gauge(
            "projection_brier_score",
            "Mean squared error of P(late), as said 8 h before the truck, over the last 200 orders shipped: 0 is perfect.",
            "site",
        )

    def _define_notify(self) -> None:
        self.notify_deliveries = self._counter(
            "notify_deliveries",
            "Notices to people, by what became of them: delivered, failed, retried, dropped as overtaken.",
            *("sink", "outcome"),
        )
        self.notify_waiting = self._gauge(
            "notify_waiting", "Notices that have not left, those held for quiet hours too.", "sink"
        )
        self.notify_overdue_seconds = self._gauge(
            "notify_overdue_seconds", "How long the oldest notice could have left and has not.", "sink"
        )
        self.notify_held_sites = self._gauge(
            "notify_held_sites",
            "Sites of which nothing is told, because the twin is catching up with their past.",
        )
        self.notify_send_seconds = self._histogram(
            "notify_send_seconds", "Time of one attempt to deliver.", WAIT_BUCKETS, "sink"
        )

    def _define_solver(self) -> None:
        self.solver_requests = self._counter("solver_requests", "Requests read.", "trigger")
        self.solver_in_progress = self._gauge("solver_in_progress", "Requests that are being worked on.")
        self.solver_queue_seconds = self._histogram(
            "solver_queue_seconds", "From a request's arrival at the broker to its being read.", WAIT_BUCKETS
        )
        self.solver_improvement_ratio = self._histogram(
            "solver_improvement_ratio",
            "Share of the cost of doing nothing that the best option of a revision saves.",
            RATIO_BUCKETS,
            "stage",
        )
        self.solver_moved_orders = self._histogram(
            "solver_moved_orders", "Orders that the best option of a final revision moves.", MOVED_BUCKETS
        )
        self.solver_stage_seconds = self._histogram(
            "solver_stage_seconds", "From reading a request to a stage of its answer.", WAIT_BUCKETS, "stage"
        )
        self.solver_cancelled = self._counter(
            "solver_cancelled",
            "Requests given up: superseded, asked again, or their partition went to another worker.",
            "reason",
        )
        self.solver_refused = self._counter(
            "solver_refused",
            "Requests answered with an error or not at all: unreadable, refused by the engine, skipped.",
            "reason",
        )
        self.solver_options = self._counter(
            "solver_options", "Options in final revisions that can be carried out.", "kind"
        )
        self.solver_options_left_out = self._counter(
            "solver_options_left_out", "Options left out of answers that were too large for a record."
        )
        self.solver_rejected_by_checker = self._counter(
            "solver_rejected_by_checker",
            "Revisions of which the checker rejected options: a bug of ours.",
            "stage",
        )
        self.solver_warm_up_seconds = self._gauge(
            "solver_warm_up_seconds", "Time that the last warm-up took; long where nothing was in the cache."
        )

    def _define_plan(self) -> None:
        self.proposals = self._counter("proposals", "Proposals that went into a state.", "state")
        self.plan_commit_seconds = self._histogram(
            "plan_commit_seconds", "From a proposal's approval to the last answer.", DECISION_BUCKETS
        )
        self.plan_acks = self._counter("plan_acks", "Answers of ERP and MES to plan changes.", "outcome")
        self.plan_acks_pending = self._gauge(
            "plan_acks_pending", "Plan changes that were sent and not answered.", "site"
        )
        self.plan_acks_age_seconds_max = self._gauge(
            "plan_acks_age_seconds_max", "How long the oldest of them has waited.", "site"
        )
        self.audit_chain_breaks = self._counter(
            "audit_chain_breaks", "Audit records that web read and that are not as they were written."
        )

    def _define_web(self) -> None:
        self.http_requests = self._counter(
            "http_requests", "Requests answered, by what became of them.", "route", "outcome"
        )
        self.http_request_seconds = self._histogram(
            "http_request_seconds", "Time of one request, streams left out.", WAIT_BUCKETS, "route"
        )
        self.http_requests_in_progress = self._gauge(
            "http_requests_in_progress", "Requests that are being answered, streams left out."
        )
        self.stream_clients = self._gauge("stream_clients", "Clients of the stream.")
        self.stream_events = self._counter("stream_events", "Documents put on the stream, each counted once.")
        self.stream_clients_dropped = self._counter(
            "stream_clients_dropped", "Clients of the stream that were let go or not taken.", "reason"
        )
        self.sign_in_failures = self._counter("sign_in_failures", "Sign-ins that failed.", "reason")
        self.view_age_seconds = self._gauge(
            "view_age_seconds", "Age of the picture that web serves: now less the plant's time of it.", "site"
        )
        self.view_documents = self._gauge("view_documents", "Documents of a topic that web keeps.", "topic")
        self.view_documents_dropped = self._gauge(
            "view_documents_dropped",
            "Documents that web left out because of its limits, since its start.",
            "topic",
        )
        self.gateway_events = self._counter(
            "gateway_events", "Events posted over HTTP, by what became of them.", "source_topic", "outcome"
        )
        self.gateway_events_in_flight = self._gauge(
            "gateway_events_in_flight", "Events posted over HTTP that wait for Kafka."
        )
        self.gateway_delivery_seconds = self._histogram(
            "gateway_delivery_seconds",
            "Time from a post of events to Kafka's confirmation of the last one.",
            WAIT_BUCKETS,
        )
        self.commands = self._counter(
            "commands", "Commands posted, by what became of them.", "kind", "outcome"
        )

    def _define_connect(self) -> None:
        self.connect_messages = self._counter(
            "connect_messages",
            "Messages of a foreign system that were read, by what became of them.",
            "outcome",
        )
        self.connect_events = self._counter("connect_events", "Events that were made of them.", "kind")
        self.connect_ignored = self._gauge(
            "connect_ignored", "Values that meant nothing to the map, since the start.", "reason"
        )
        self.connect_reconnects = self._counter("connect_reconnects", "Times that the source was lost.")
        self.connect_waiting = self._gauge(
            "connect_waiting",
            "Messages that are not acknowledged yet, as Kafka has not answered for their events.",
        )

    def watch_readiness(self, role: str, is_ready: Callable[[], bool]) -> None:
        """Let `foresite_ready` answer by asking, so that it cannot be forgotten."""
        self.ready.labels(role=role).set_function(lambda: float(is_ready()))

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"{PREFIX}_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"{PREFIX}_{name}", text, labels, buckets=buckets, registry=self.registry)
