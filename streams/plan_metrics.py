"""How long a plan takes from approval to the last answer, from the states of proposals that were committed."""

from datetime import datetime

from schemas import PlanState
from streams.metrics import Metrics

APPROVALS_KEPT = 1_000
"""Proposals whose approval is remembered; the oldest go first. More are never under way at once."""


class PlanMetrics:
    """Feeds plan_commit_seconds. An approval from before this process began is not known to it, and not measured.

    Args:
        metrics: where it is.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._approved_at: dict[str, datetime] = {}

    def committed(self, plan: PlanState) -> None:
        """Note an approval, or measure what became of it."""
        if plan.state == "approved":
            self._approved_at[plan.plan_id] = plan.as_of
            if len(self._approved_at) > APPROVALS_KEPT:
                del self._approved_at[next(iter(self._approved_at))]
        elif plan.state != "committing":
            approved_at = self._approved_at.pop(plan.plan_id, None)
            if approved_at is not None and plan.state in ("committed", "partially_committed"):
                self._metrics.plan_commit_seconds.observe((plan.as_of - approved_at).total_seconds())
