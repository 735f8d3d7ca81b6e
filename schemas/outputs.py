"""What the twin publishes beside cards: signals, projections, lines, graph, rejections, results; and dead letters."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from schemas.base import OutputModel


class Signal(OutputModel):
    """twin.signals.v1: something was detected or went away.

    Attributes:
        signal: drift_detected / _updated / _cleared, shortage_projected / _cleared, quality_shifted / _cleared,
            line_down / line_up, data_stale / data_fresh, conflict_found / conflict_settled.
        line_id, station_id, item_id, run_id, order_id: what it is about, as far as it has one.
        delta: relative to plan; since: when it began; detected_at: the shard's clock.
        n, window_h: observations and working hours it rests on; statistic against threshold.
    """

    output_id: str
    signal: Literal[
        "drift_detected",
        "drift_updated",
        "drift_cleared",
        "shortage_projected",
        "shortage_cleared",
        "quality_shifted",
        "quality_cleared",
        "line_down",
        "line_up",
        "data_stale",
        "data_fresh",
        "conflict_found",
        "conflict_settled",
    ]
    site_id: str
    line_id: str | None = None
    station_id: str | None = None
    run_id: str | None = None
    item_id: str | None = None
    order_id: str | None = None
    metric: str
    delta: float | None = None
    since: datetime | None = None
    detected_at: datetime
    method: str
    n: int
    window_h: float
    statistic: float | None = None
    threshold: float | None = None
    confidence: float
    evidence: list[str]


class OrderProjection(OutputModel):
    """twin.order-projections.v1: where an order stands.

    Attributes:
        status: projected; no_runs (nothing is planned for it); unreachable (its line has no working time left);
            shipped; cancelled.
        ready_at, ships_at, slip_s, slack_s, p_late: as on the card; None where there is no projection.
        transfer_h: hours to bring it to its site from the site where it is made, 0 where that is the same one.
        ready_sd_h: standard deviation of the ready time, in working hours of its line, long stops left out.
        p_pace, long_stops, p_stop_lasts: what p_late is made of: 1 - (1 - p_pace) x exp(-long_stops) x (1 -
            p_stop_lasts). Late by pace and short stops alone; how many long stops are expected that eat the room; that
            the present stop of unknown length does.
        binding: the run and line that decide, and what consumed the slack.
        caveats: what it rests on that cannot be trusted, in words.
    """

    output_id: str
    order_id: str
    site_id: str
    customer_id: str
    status: Literal["projected", "no_runs", "unreachable", "shipped", "cancelled"]
    promised_at: datetime
    ready_at: datetime | None = None
    ships_at: datetime | None = None
    need_by: datetime | None = None
    slip_s: float | None = None
    slip_days: int | None = None
    slack_s: float | None = None
    p_late: float | None = None
    p_pace: float | None = None
    long_stops: float | None = None
    p_stop_lasts: float | None = None
    ready_sd_h: float | None = None
    binding_run_id: str | None = None
    binding_line_id: str | None = None
    binding_cause: str | None = None
    transfer_h: float = 0.0
    as_of: datetime
    caveats: list[str] = Field(default_factory=list)


class Measures(OutputModel):
    """ISO 22400 elements over some time, and their ratios; null, not 0 or 1, where a denominator is 0.

    Elements of several lines or days may be added up; ratios may not, and are to be asked of the sums.

    Attributes:
        day: working day, ISO date, where the elements are of one.
        since, until: the time that they cover; of a line, until the last moment of which progress is known.
        pbt_s: planned busy time, each second of it in exactly one of apt_s (production), aust_s (setup), adet_s (delay:
            on an order, not producing) and adot_s (down: on no order).
        gq, sq, rq, pq: good, scrap, rework, and all of it.
        availability: apt_s / pbt_s; effectiveness: planned run time per item x pq / apt_s, above 1 where it is faster
            than planned; quality: gq / pq; oee: their product.
    """

    day: str | None = None
    since: datetime | None
    until: datetime | None
    pbt_s: float
    apt_s: float
    aust_s: float
    adet_s: float
    adot_s: float
    gq: float
    sq: float
    rq: float
    pq: float
    availability: float | None
    effectiveness: float | None
    quality: float | None
    oee: float | None


class LineStatus(OutputModel):
    """twin.lines.v1: a line as it stands; null where a denominator is 0 (ISO 22400).

    Attributes:
        attainment: good pieces made over good pieces due by as_of, of the current run.
        level: good rate over planned good rate since the last change point, shrunk while evidence is thin.
        apt_s, made_pcs, good_pcs, scrap_pcs, rework_pcs: ISO 22400 elements of the current run.
        elements: all elements of the current run over its whole life, and their ratios; None between runs.
        day: the same of the line on its present working day; None before its first news.
    """

    output_id: str
    line_id: str
    site_id: str
    state: str
    run_id: str | None
    order_ids: list[str]
    attainment: float | None
    level: float | None
    drift_delta: float | None
    drift_since: datetime | None
    apt_s: float
    made_pcs: float
    good_pcs: float
    scrap_pcs: float
    rework_pcs: float
    last_event_at: datetime | None
    as_of: datetime
    elements: Measures | None = None
    day: Measures | None = None


class CardCount(OutputModel):
    """How many cards of a kind and severity need somebody."""

    kind: str
    severity: str
    count: int


class SiteStatus(OutputModel):
    """twin.sites.v1: a site as a whole, every ten seconds of the clock; its age is the age of the picture.

    Attributes:
        as_of: the clock. Where the wall clock drives, a record that came to the topic much later than that was said by a
            twin that is catching up with facts.
        zone: IANA time zone of the site, in which its people read times.
        is_catching_up: ingest is more than a minute behind: nothing is raised for silence, and cards wait.
        behind_s: how far.
        cards_open, cards_exposure: cards that need somebody, and the money on them; cards: the same by kind and severity.
        unacknowledged_since: since when the oldest card that nobody has acknowledged is open.
        cards_set_aside, set_aside_exposure: risks that have no card because there are as many as open_cards_max of the
            rules allows.
        questions_waiting: things that happened and wait to be asked about, as while the solver does not answer.
        changes_pending: plan changes that were sent and not answered; changes_pending_since: when the oldest was sent.
        cards_waiting: risks to be looked at when ingest has caught up; lines_waiting: lines to be projected anew.
        lines_stale: lines that are silent or have a hole in their messages; data_conflicts: systems that contradict each
            other; of those with open cards.
        entities: things that the site's systems have told of, by the kind of event, as entities_max of the rules counts
            them.
    """

    output_id: str
    site_id: str
    as_of: datetime
    zone: str = "UTC"
    is_catching_up: bool
    behind_s: float
    currency: str
    cards_open: int
    cards_exposure: float
    cards: list[CardCount]
    unacknowledged_since: datetime | None = None
    cards_set_aside: int
    set_aside_exposure: float
    cards_waiting: int
    questions_waiting: int
    changes_pending: int = 0
    changes_pending_since: datetime | None = None
    lines: int
    lines_waiting: int
    lines_stale: int
    data_conflicts: int
    entities: dict[str, int]


class GraphNode(OutputModel):
    """twin.graph.v1: a node; the key is its id, a tombstone removes it."""

    output_id: str
    element: Literal["node"] = "node"
    node_id: str
    node_type: str
    entity_id: str
    site_id: str
    label: str


class GraphEdge(OutputModel):
    """twin.graph.v1: an edge, since when it holds and the event that said so; a tombstone removes it."""

    output_id: str
    element: Literal["edge"] = "edge"
    edge_id: str
    from_id: str
    relation: str
    to_id: str
    since: datetime
    event_id: str
    quantity_pcs: float | None = None


class EventRejected(OutputModel):
    """twin.rejections.v1: a valid event that cannot be true here; state is unchanged.

    Attributes:
        reason: unknown_run, unknown_line, unknown_order, illegal_transition, in_future, too_late, superseded,
            wrong_line, below_zero, too_many_sites, too_many_lines, too_many_runs, too_many_entities, ...; docs/rejections.md says what each means.
    """

    output_id: str
    reason: str
    message: str
    event_kind: str
    event_id: str
    event_time: datetime
    site_id: str
    source_topic: str
    source_partition: int
    source_offset: int
    source_index: int
    as_of: datetime | None


class CommandResult(OutputModel):
    """twin.command-results.v1: what became of a command."""

    output_id: str
    command_id: str
    command_kind: str
    actor: str
    site_id: str
    outcome: Literal["accepted", "rejected"]
    reason: str | None = None
    message: str = ""
    target_id: str | None = None
    current_revision: int | None = None
    as_of: datetime | None


class AuditRecord(OutputModel):
    """twin.audit.v1: who did what, on what revision, why.

    Attributes:
        writer: whose chain it stands in; None in records of versions without chains.
        sequence: its number there, from 1 without a gap.
        previous: hash of the record before it; hash: of this one (schemas/audit_chain.py).
    """

    output_id: str
    target_id: str
    action: str
    actor: str
    command_id: str
    revision: int | None
    reason: str | None = None
    at: datetime
    details: dict[str, Any]
    writer: str | None = None
    sequence: int | None = None
    previous: str | None = None
    hash: str | None = None


class LedgerRun(OutputModel):
    """A run in the sequence of a line, as it was made or could have been; setup_min: of the changeover before it."""

    run_id: str
    family: str | None
    setup_min: float
    start_at: datetime
    end_at: datetime


class LatenessPattern(OutputModel):
    """Orders of one customer, family, line or weekday of the promise that were late more often than the others.

    Attributes:
        orders, late: of the group, over the weeks looked at; others, others_late: of all others.
        weeks: in which orders of it were late.
        chance: that a group without any fault has so many late ones, times the number of groups looked at.
    """

    dimension: Literal["customer", "family", "line", "weekday"]
    value: str
    orders: int
    late: int
    others: int
    others_late: int
    weeks: int
    chance: float


class CommittedOutcome(OutputModel):
    """A committed proposal: what it promised for the orders that it was to change, and what came.

    Attributes:
        lines: that it concerned, as site_id/line_id.
        promised, came: orders, late_orders, total_slip_h, penalty; came counts the orders that have left.
        open_orders: that have not left yet.
    """

    proposal_id: str
    label: str
    committed_at: datetime
    is_partial: bool
    lines: list[str]
    promised: dict[str, float]
    came: dict[str, float]
    open_orders: int


class LedgerEntry(OutputModel):
    """twin.ledger.v1: per week and line, the plan that was made against the plan that could have been made.

    Both are worked out by the same arithmetic from what really happened (docs/ledger.md). Money in `currency`.

    Attributes:
        week: ISO week of the site's zone, as 2026-W47; line_id: "*" for the site as a whole.
        changeovers_run, changeovers_needed: setups made against those of the best plan with hindsight; avoidable: the
            difference, negative where being on time needed more of them.
        tardiness_h, tardiness_possible_h, money, money_possible: made against possible; money is penalties and setups.
        promised, came: for committed proposals, summed up; commitments: one by one, on the site's entry.
        runs, orders: finished in the week; late_orders, late_orders_possible: of them.
        tardiness_really_h: by the moments at which orders really left; None where none has.
        setup_min_run, setup_min_needed: minutes of these changeovers.
        utilization, utilization_possible: production over planned busy time (APT / PBT), as it was and with the minutes
            of avoidable setups spent on production; None without planned busy time; utilization_points: the difference
            in points.
        sequence_run, sequence_possible: what the line made, and could have made, one after the other.
        patterns: of lateness that recurs, on the site's entry.
        violations: what the independent checker says of the plan with hindsight.
        caveats: what could not be reconstructed, in words.
        plans: that were looked at; method: version of the method.
    """

    output_id: str
    week: str
    site_id: str
    line_id: str
    changeovers_run: int
    changeovers_needed: int
    tardiness_h: float
    tardiness_possible_h: float
    money: float
    money_possible: float
    promised: dict[str, float]
    came: dict[str, float]
    currency: str = "EUR"
    runs: int = 0
    orders: int = 0
    late_orders: int = 0
    late_orders_possible: int = 0
    changeovers_avoidable: int = 0
    setup_min_run: float = 0.0
    setup_min_needed: float = 0.0
    weighted_tardiness_h: float = 0.0
    weighted_tardiness_possible_h: float = 0.0
    tardiness_really_h: float | None = None
    utilization: float | None = None
    utilization_possible: float | None = None
    utilization_points: float | None = None
    sequence_run: list[LedgerRun] = Field(default_factory=list)
    sequence_possible: list[LedgerRun] = Field(default_factory=list)
    patterns: list[LatenessPattern] = Field(default_factory=list)
    commitments: list[CommittedOutcome] = Field(default_factory=list)
    violations: list[str] = Field(default_factory=list)
    caveats: list[str] = Field(default_factory=list)
    plans: int = 0
    method: str = "hindsight/1"
    as_of: datetime | None = None


class DeadLetter(OutputModel):
    """ingest.dead-letters.v1: a record that could not be read, whole.

    Attributes:
        code: a ReasonCode; field_path: dotted path of the offending field, "" for the record.
        payload_base64: the original bytes; payload_truncated where they were beyond what a record may carry
            (the coordinates still name the original).
        headers: the original headers, values base64.
        index: position in a JSON array, 0 otherwise.
    """

    output_id: str
    code: str
    message: str
    field_path: str
    source_topic: str
    source_partition: int
    source_offset: int
    index: int
    source_timestamp_ms: int | None
    key_base64: str | None
    payload_base64: str
    payload_truncated: bool = False
    payload_bytes: int
    headers: list[tuple[str, str | None]]
