"""The judge of plan_infeasible: the plan itself cannot hold, whatever the floor does."""

from twin import delivery
from twin.risk import Risk
from twin.view import View


def judge(view: View) -> Risk | None:
    """The risk of an order whose own plan ends after it is needed; None where it does not."""
    return delivery.judge(view)
