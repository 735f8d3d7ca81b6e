"""The objectives over 30 days, as Prometheus rules: how much of each budget is being spent, and who is told.

Each is one row here; `python -m docs.generate` writes deploy/prometheus/objectives.yaml from it. A budget that burns 14.4
times too fast is gone in two days: somebody now. One that burns just too fast is gone at the month's end: today will do.
"""

from dataclasses import dataclass

WINDOWS = ("5m", "30m", "1h", "6h", "3d")
"""Over which the share of what was bad is recorded."""

PAGE_BURNS = ((14.4, "1h", "5m"), (6.0, "6h", "30m"))
TICKET_BURNS = ((1.0, "3d", "6h"),)
"""Times the budget, over a long window, and still over a short one: it ends when the trouble does."""

SCRAPE_AGE_S = 5.0
"""How old the youngest tick may be. Scrapes see it at most as young as the last commit, a tenth of a second."""


@dataclass(frozen=True)
class Objective:
    """What is promised of each month.

    Attributes:
        name: of the recorded series.
        alert: its name and that of its runbook section.
        budget: share of the month that may be bad.
        bad: share that was bad over a window, PromQL with WINDOW in it.
        by: label that is kept.
        summary: in words, `$value` is the share.
        severities: who is told.
        panel: dashboard that shows it.
    """

    name: str
    alert: str
    budget: float
    bad: str
    by: str | None
    summary: str
    severities: tuple[str, ...]
    panel: str


def _slow(metric: str, limit: str, by: str | None = None, **match: str) -> str:
    """Share of a histogram above one of its bounds."""
    by_word = f" by ({by})" if by else ""
    fixed = ",".join(f'{name}="{value}"' for name, value in match.items())
    below = f'{{{fixed}{"," if fixed else ""}le="{limit}"}}'
    rest = f"{{{fixed}}}" if fixed else ""
    return (
        f"1 - sum{by_word} (rate(foresite_{metric}_bucket{below}[WINDOW]))"
        f" / sum{by_word} (rate(foresite_{metric}_count{rest}[WINDOW]))"
    )


OBJECTIVES: tuple[Objective, ...] = (
    Objective(
        "fresh", "PictureStale", 0.005, "avg_over_time(foresite:fresh:bad[WINDOW])", "site",
        "{{ $labels.site }} was behind the clock for {{ $value | humanizePercentage }} of the time",
        ("page", "ticket"), "overview",
    ),
    Objective(
        "fast", "EndToEndSlow", 0.01, _slow("twin_end_to_end_seconds", "1.0", "site"), "site",
        "{{ $value | humanizePercentage }} of the facts of {{ $labels.site }} took longer than a second",
        ("page", "ticket"), "pipeline",
    ),
    Objective(
        "answered", "ReplanSlow", 0.01, _slow("solver_stage_seconds", "1.0", stage="repair"), None,
        "{{ $value | humanizePercentage }} of repairs took longer than a second",
        ("ticket",), "solver",
    ),
    Objective(
        "available", "WebErrors", 0.001,
        'sum(rate(foresite_http_requests_total{outcome=~"error|unavailable|timeout"}[WINDOW]))'
        " / sum(rate(foresite_http_requests_total[WINDOW]))", None,
        "{{ $value | humanizePercentage }} of requests failed for reasons of ours",
        ("page", "ticket"), "overview",
    ),
    Objective(
        "prompt", "WebSlow", 0.01, _slow("http_request_seconds", "0.3"), None,
        "{{ $value | humanizePercentage }} of requests took longer than 300 ms",
        ("ticket",), "overview",
    ),
)  # fmt: skip


def objective_rules() -> str:
    """deploy/prometheus/objectives.yaml."""
    lines = [
        "# Written by deploy/objectives.py: change it there, then `python -m docs.generate`.",
        "groups:",
        "  - name: foresite-objectives",
        "    rules:",
        "      - record: foresite:fresh:bad",
        "        expr: >-",
        f'          time() - max by (site) (foresite_tick_timestamp_seconds{{stage="twin"}}) > bool {SCRAPE_AGE_S:g}',
    ]
    for each in OBJECTIVES:
        for window in WINDOWS:
            lines += [
                f"      - record: foresite:{each.name}:bad_ratio_{window}",
                "        expr: >-",
                f"          {each.bad.replace('WINDOW', window)}",
            ]
    lines += ["  - name: foresite-budgets", "    rules:"]
    for each in OBJECTIVES:
        for severity in each.severities:
            lines += _alert(each, severity)
    return "\n".join(lines) + "\n"


def _alert(objective: Objective, severity: str) -> list[str]:
    burns = PAGE_BURNS if severity == "page" else TICKET_BURNS
    series = f"foresite:{objective.name}:bad_ratio_"
    parts = [
        f"({series}{long} > {times:g} * {objective.budget:g} and {series}{short} > {times:g} * {objective.budget:g})"
        for times, long, short in burns
    ]
    joined = "\n          or ".join(parts)
    return [
        f"      - alert: {objective.alert}",
        "        expr: >-",
        f"          {joined}",
        f"        labels: {{severity: {severity}}}",
        "        annotations:",
        f'          summary: "{objective.summary}"',
        f"          runbook_url: docs/runbooks.md#{objective.alert.lower()}",
        f"          dashboard: foresite-{objective.panel}",
    ]
