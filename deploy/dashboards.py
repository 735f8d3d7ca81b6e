"""The Grafana dashboards, from one table: `python -m docs.generate` writes deploy/grafana/dashboards/*.json from it.

A panel is one row: what it is called, its unit, and queries with their legends. Where it stands follows from its place.
"""

import json
from dataclasses import dataclass
from typing import Any

SCHEMA_VERSION = 39
"""Of Grafana's dashboard JSON. Older Grafanas ignore what they do not know, newer ones migrate it."""

COLUMNS = 24
PANEL_HEIGHT = 7
PANEL_WIDTH = 8

SECONDS, PER_SECOND, SHARE, COUNT, BYTES, MONEY = "s", "cps", "percentunit", "short", "bytes", "none"


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        title: what it shows, in words.
        unit: Grafana's name of it.
        queries: (PromQL, legend).
        is_stat: one number instead of a curve.
    """

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    is_stat: bool = False


@dataclass(frozen=True)
class Dashboard:
    """One dashboard: its id in addresses, title, what it is for, and its panels in order."""

    uid: str
    title: str
    text: str
    panels: tuple[Panel, ...]


def _rate(metric: str, by: str = "") -> str:
    keep = f" by ({by})" if by else ""
    return f"sum{keep} (rate(foresite_{metric}[$__rate_interval]))"


def _quantile(metric: str, share: float, by: str = "") -> str:
    keep = f"le, {by}" if by else "le"
    return (
        f"histogram_quantile({share:g}, sum by ({keep}) (rate(foresite_{metric}_bucket[$__rate_interval])))"
    )


def _max(metric: str, by: str) -> str:
    return f"max by ({by}) (foresite_{metric})"


def _spread(metric: str, by: str = "") -> tuple[tuple[str, str], ...]:
    """Median and 99th percentile of a histogram."""
    label = "".join(f"{{{{{each}}}}} " for each in by.split(", ") if each)
    return (_quantile(metric, 0.5, by), f"{label}p50"), (_quantile(metric, 0.99, by), f"{label}p99")


def _budget(name: str, budget: float) -> str:
    """Share of the month's budget that is left, if the last three days went on for a month."""
    return f"clamp_min(1 - foresite:{name}:bad_ratio_3d / {budget:g}, 0)"


DASHBOARDS: tuple[Dashboard, ...] = (
    Dashboard("foresite-overview", "Foresite: overview", "Is the picture right and fresh, and what needs somebody.", (
        Panel("Roles that can serve", COUNT, (("sum by (role) (foresite_ready)", "{{role}}"),), is_stat=True),
        Panel("Age of the youngest tick, by stage", SECONDS, (
            ("time() - max by (stage, site) (foresite_tick_timestamp_seconds)", "{{stage}} {{site}}"),)),
        Panel("Budget left, as the last 3 days went", SHARE, (
            (_budget("fresh", 0.005), "fresh {{site}}"), (_budget("fast", 0.01), "fast {{site}}"),
            (_budget("answered", 0.01), "answered"), (_budget("available", 0.001), "available"),
            (_budget("prompt", 0.01), "prompt"))),
        Panel("Open cards, by severity", COUNT, (("sum by (severity) (foresite_cards_open)", "{{severity}}"),)),
        Panel("Money at risk, in the site's currency", MONEY, ((_max("cards_exposure_amount", "site"), "{{site}}"),)),
        Panel("Age of web's picture", SECONDS, ((_max("view_age_seconds", "site"), "{{site}}"),)),
        Panel("Requests, by what became of them", PER_SECOND, ((_rate("http_requests_total", "outcome"), "{{outcome}}"),)),
        Panel("Time of a request", SECONDS, _spread("http_request_seconds")),
        Panel("Versions", COUNT, (("count by (version, schema_version) (foresite_build_info)", "{{version}} / {{schema_version}}"),), is_stat=True),
    )),
    Dashboard("foresite-pipeline", "Foresite: pipeline", "From a record at the broker to a committed card.", (
        Panel("Events read", PER_SECOND, ((_rate("ingest_events_total", "source_topic, outcome"), "{{source_topic}} {{outcome}}"),)),
        Panel("Messages of machines, and events made of them", PER_SECOND, (
            (_rate("connect_messages_total", "outcome"), "{{outcome}}"), (_rate("connect_events_total", "kind"), "{{kind}}"))),
        Panel("Sources lost, values that meant nothing, messages waiting", COUNT, (
            ("sum(increase(foresite_connect_reconnects_total[1h]))", "lost"),
            ("sum by (reason) (foresite_connect_ignored)", "{{reason}}"), ("sum(foresite_connect_waiting)", "waiting"))),
        Panel("Events posted over HTTP", PER_SECOND, (
            (_rate("gateway_events_total", "source_topic, outcome"), "{{source_topic}} {{outcome}}"),
            ("sum(foresite_gateway_events_in_flight)", "in flight"))),
        Panel("Time of Kafka's word on a post", SECONDS, _spread("gateway_delivery_seconds")),
        Panel("Events folded", PER_SECOND, ((_rate("twin_events_applied_total", "kind"), "{{kind}}"),)),
        Panel("Outputs committed", PER_SECOND, ((_rate("twin_outputs_total", "topic"), "{{topic}}"),)),
        Panel("Records behind", COUNT, (("sum by (topic) (foresite_consumer_lag_records)", "{{topic}}"),)),
        Panel("Arrival to committed output", SECONDS, _spread("twin_end_to_end_seconds")),
        Panel("Commit", SECONDS, _spread("twin_commit_seconds")),
        Panel("Fold of one facts record", SECONDS, _spread("twin_apply_seconds")),
        Panel("Events in a facts record", COUNT, _spread("ingest_batch_events")),
        Panel("Steps of a batch of ingest, p99", SECONDS, ((_quantile("ingest_step_seconds", 0.99, "stage"), "{{stage}}"),)),
        Panel("From event time to being read, median", SECONDS, (
            (_quantile("ingest_event_delay_seconds", 0.5, "source_topic"), "{{source_topic}}"),)),
        Panel("Events from the future", SECONDS, ((_max("ingest_clock_skew_seconds", "source_topic"), "{{source_topic}}"),)),
        Panel("Since the youngest event", SECONDS, (
            ("time() - max by (site, source_topic) (foresite_ingest_source_timestamp_seconds)", "{{site}} {{source_topic}}"),)),
        Panel("Dead letters", PER_SECOND, ((_rate("ingest_dead_letters_total", "source_topic, reason"), "{{source_topic}} {{reason}}"),)),
        Panel("Rejected events", PER_SECOND, ((_rate("twin_events_rejected_total", "reason"), "{{reason}}"),)),
        Panel("Repeats and late events", PER_SECOND, (
            (_rate("twin_duplicates_total", "reason"), "repeat {{reason}}"), (_rate("twin_late_events_total"), "late"))),
        Panel("Commits, by outcome", PER_SECOND, ((_rate("twin_commits_total", "outcome"), "{{outcome}}"),)),
        Panel("Folded and not committed", SECONDS, ((_max("twin_uncommitted_seconds", "site"), "{{site}}"),)),
        Panel("In flight, and refused", BYTES, (
            ("sum(foresite_ingest_in_flight_bytes)", "bytes in flight"),
            ("sum(increase(foresite_ingest_delivery_failures_total[$__rate_interval]))", "refused"))),
        Panel("Behind the facts, and catching up", SECONDS, (
            (_max("twin_behind_seconds", "site"), "{{site}} behind"), (_max("twin_catching_up", "site"), "{{site}} catching up"))),
        Panel("Taking a partition over", SECONDS, _spread("twin_restore_seconds")),
        Panel("Checkpoints and digests that differ", COUNT, (
            ("sum by (outcome) (increase(foresite_twin_checkpoints_total[1h]))", "{{outcome}}"),
            (_max("twin_digest_mismatches_total", "site"), "{{site}} digest"))),
    )),
    Dashboard("foresite-solver", "Foresite: solver and plan", "What is asked, what is answered, what is decided and carried out.", (
        Panel("Requests, by what triggered them", PER_SECOND, (
            (_rate("twin_replan_requests_total", "reason"), "asked {{reason}}"),
            (_rate("solver_requests_total", "trigger"), "read {{trigger}}"))),
        Panel("Time to each stage", SECONDS, _spread("solver_stage_seconds", "stage")),
        Panel("Wait before being read", SECONDS, _spread("solver_queue_seconds")),
        Panel("Requests at work", COUNT, (("sum(foresite_solver_in_progress)", "at work"), (_max("twin_questions_waiting", "site"), "{{site}} to be asked"))),
        Panel("Refused, given up, not asked", COUNT, (
            ("sum by (reason) (increase(foresite_solver_refused_total[1h]))", "refused {{reason}}"),
            ("sum by (reason) (increase(foresite_solver_cancelled_total[1h]))", "given up {{reason}}"),
            ("sum by (reason) (increase(foresite_twin_replan_refused_total[1h]))", "not asked {{reason}}"))),
        Panel("Refused by the checker", COUNT, (
            ("sum by (stage) (increase(foresite_solver_rejected_by_checker_total[1h]))", "{{stage}}"),)),
        Panel("Share of cost that the best option saves", SHARE, _spread("solver_improvement_ratio", "stage")),
        Panel("Orders that the best option moves", COUNT, _spread("solver_moved_orders")),
        Panel("Options, and options left out", COUNT, (
            ("sum by (kind) (increase(foresite_solver_options_total[1h]))", "{{kind}}"),
            ("sum(increase(foresite_solver_options_left_out_total[1h]))", "left out"))),
        Panel("Proposals, by the state they went into", COUNT, (
            ("sum by (state) (increase(foresite_proposals_total[1h]))", "{{state}}"),)),
        Panel("From approval to the last answer", SECONDS, _spread("plan_commit_seconds")),
        Panel("Answers to plan changes", COUNT, (("sum by (outcome) (increase(foresite_plan_acks_total[1h]))", "{{outcome}}"),)),
        Panel("Plan changes without an answer", COUNT, ((_max("plan_acks_pending", "site"), "{{site}}"),)),
        Panel("Oldest of them", SECONDS, ((_max("plan_acks_age_seconds_max", "site"), "{{site}}"),)),
        Panel("Last warm-up", SECONDS, (("max(foresite_solver_warm_up_seconds)", "warm-up"),), is_stat=True),
    )),
    Dashboard("foresite-desk", "Foresite: desk", "What people get to see, what they do with it, and how right it was.", (
        Panel("Open cards, by kind", COUNT, (("sum by (site, kind) (foresite_cards_open)", "{{site}} {{kind}}"),)),
        Panel("Opened and come back, an hour", COUNT, (
            ("sum by (kind) (increase(foresite_cards_opened_total[1h]))", "{{kind}} opened"),
            ("sum by (kind) (increase(foresite_cards_reopened_total[1h]))", "{{kind}} came back"))),
        Panel("Ended, by how, an hour", COUNT, (("sum by (outcome) (increase(foresite_cards_closed_total[1h]))", "{{outcome}}"),)),
        Panel("Revisions, by what moved", PER_SECOND, ((_rate("card_updates_total", "reason"), "{{reason}}"),)),
        Panel("Warned so long before", SECONDS, _spread("cards_lead_time_seconds", "kind")),
        Panel("Oldest card without an owner's word", SECONDS, ((_max("cards_unacknowledged_age_seconds_max", "site"), "{{site}}"),)),
        Panel("Risks without a card", COUNT, ((_max("cards_set_aside", "site"), "{{site}}"),)),
        Panel("Error of P(late): 0 is perfect, 0.25 a coin", MONEY, ((_max("projection_brier_score", "site"), "{{site}}"),)),
        Panel("Silent lines and contradictions", COUNT, (
            (_max("lines_stale", "site"), "{{site}} silent"), (_max("data_conflicts", "site"), "{{site}} contradict"))),
        Panel("Commands, by what became of them", COUNT, (
            ("sum by (kind, outcome) (increase(foresite_commands_total[1h]))", "{{kind}} {{outcome}}"),)),
        Panel("Audit records not as written", COUNT, (("max(foresite_audit_chain_breaks_total)", "breaks"),), is_stat=True),
        Panel("Notices, by what became of them", COUNT, (
            ("sum by (sink, outcome) (increase(foresite_notify_deliveries_total[1h]))", "{{sink}} {{outcome}}"),)),
        Panel("Notices waiting, sites held", COUNT, (
            (_max("notify_waiting", "sink"), "{{sink}}"), ("max(foresite_notify_held_sites)", "sites held"))),
        Panel("Notices overdue", SECONDS, ((_max("notify_overdue_seconds", "sink"), "{{sink}}"),)),
        Panel("Time of a delivery", SECONDS, _spread("notify_send_seconds", "sink")),
    )),
    Dashboard("foresite-runtime", "Foresite: runtime", "Processes, loops, clients.", (
        Panel("CPU", COUNT, (("sum by (job, instance) (rate(process_cpu_seconds_total[$__rate_interval]))", "{{job}} {{instance}}"),)),
        Panel("Memory", BYTES, (
            ("sum by (job, instance) (process_resident_memory_bytes)", "{{job}} {{instance}}"), (_max("memory_limit_bytes", "role"), "{{role}} limit"))),
        Panel("Up for", SECONDS, (("time() - process_start_time_seconds", "{{job}} {{instance}}"),)),
        Panel("How late the loop turns, p99", SECONDS, ((_quantile("loop_delay_seconds", 0.99, "job"), "{{job}}"),)),
        Panel("Errors of the Kafka clients", PER_SECOND, ((_rate("kafka_errors_total", "job, reason"), "{{job}} {{reason}}"),)),
        Panel("Rebalances, an hour", COUNT, (("sum by (job) (increase(foresite_rebalances_total[1h]))", "{{job}}"),)),
        Panel("Partitions", COUNT, (("sum by (job, instance) (foresite_assigned_partitions)", "{{job}} {{instance}}"),)),
        Panel("Clients of the stream", COUNT, (("sum(foresite_stream_clients)", "clients"), ("sum(foresite_http_requests_in_progress)", "requests"))),
        Panel("Documents on the stream, clients let go", PER_SECOND, (
            (_rate("stream_events_total"), "documents"), (_rate("stream_clients_dropped_total", "reason"), "let go {{reason}}"))),
        Panel("Sign-ins that failed", PER_SECOND, ((_rate("sign_in_failures_total", "reason"), "{{reason}}"),)),
        Panel("Entities, and what waits to be judged", COUNT, (
            ("sum by (site) (foresite_twin_entities)", "{{site}}"), ("sum by (kind) (foresite_twin_dirty_entities)", "{{kind}} waiting"))),
        Panel("Documents that web keeps, and dropped", COUNT, (
            (_max("view_documents", "topic"), "{{topic}}"), (_max("view_documents_dropped", "topic"), "{{topic}} dropped"))),
        Panel("Certificates end in", SECONDS, (("min by (kind) (foresite_certificate_expiry_timestamp_seconds) - time()", "{{kind}}"),), is_stat=True),
    )),
)  # fmt: skip


def dashboard_files() -> dict[str, str]:
    """File name -> JSON of each dashboard."""
    return {
        f"{each.uid}.json": json.dumps(_dashboard(each), indent=1, ensure_ascii=False) + "\n"
        for each in DASHBOARDS
    }


def _dashboard(dashboard: Dashboard) -> dict[str, Any]:
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.text,
        "tags": ["foresite"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "timezone": "browser",
        "time": {"from": "now-6h", "to": "now"},
        "links": [
            {
                "asDropdown": False,
                "icon": "",
                "includeVars": False,
                "keepTime": True,
                "tags": ["foresite"],
                "targetBlank": False,
                "title": "Foresite",
                "tooltip": "",
                "type": "dashboards",
            }
        ],
        "templating": {
            "list": [{"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}]
        },
        "annotations": {"list": []},
        "panels": [_panel(panel, place) for place, panel in enumerate(dashboard.panels)],
    }


def _panel(panel: Panel, place: int) -> dict[str, Any]:
    in_a_row = COLUMNS // PANEL_WIDTH
    source = {"type": "prometheus", "uid": "${source}"}
    return {
        "id": place + 1,
        "type": "stat" if panel.is_stat else "timeseries",
        "title": panel.title,
        "datasource": source,
        "gridPos": {
            "x": PANEL_WIDTH * (place % in_a_row),
            "y": PANEL_HEIGHT * (place // in_a_row),
            "w": PANEL_WIDTH,
            "h": PANEL_HEIGHT,
        },
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + number), "datasource": source, "expr": query, "legendFormat": legend}
            for number, (query, legend) in enumerate(panel.queries)
        ],
    }
