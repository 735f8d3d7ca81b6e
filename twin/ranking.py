"""How much a card matters: score = P(it happens) x exposure x customer weight x urgency. Every term is printed.

The score is money: the expected loss, weighted by who loses it and by how soon the chance to act is gone.
"""

from collections.abc import Sequence

from schemas import RankTerm, Severity
from twin.assessment import Assessment

URGENCY_HALF_H = 24.0
"""Hours to the deadline at which urgency is one half. Smaller: only the very next deadlines count."""


def urgency(deadline: float | None, now: float) -> float:
    """1 at or after the deadline, 1/2 a day before it, falling with the distance; 3 decimals."""
    if deadline is None or deadline <= now:
        return 1.0
    return round(URGENCY_HALF_H / (URGENCY_HALF_H + (deadline - now) / 3600.0), 3)


def rank_terms(
    affected: Sequence[Assessment], weight: float, deadline: float | None, now: float
) -> tuple[float, list[RankTerm]]:
    """Score and its factors for the orders of a card.

    P and exposure are those of the orders together: expected loss over loss, so that their product is the sum of
    p x exposure over the orders.
    """
    exposure = round(sum(each.penalty for each in affected), 2)
    expected = sum(each.p_late * each.penalty for each in affected)
    p_late = round(expected / exposure, 3) if exposure > 0 else max(each.p_late for each in affected)
    urgent = urgency(deadline, now)
    score = round(p_late * exposure * weight * urgent, 2)
    return score, [
        RankTerm(
            name="p_late", value=p_late, because="probability that it happens, over the affected orders"
        ),
        RankTerm(name="exposure", value=exposure, because="money lost if it happens and nobody acts"),
        RankTerm(name="customer_weight", value=weight, because="largest weight among the affected customers"),
        RankTerm(name="urgency", value=urgent, because="24 h / (24 h + time to the deadline)"),
    ]


_LADDER = [Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL]


def severity(
    worst_days: int, p_late: float, raise_at: float, cannot_slip: bool, lasting_drift: str | None
) -> tuple[Severity, str]:
    """Severity and the rule that set it: a step each for a late order, a customer that cannot slip, a lasting drift."""
    steps = 0
    because: list[str] = []
    if worst_days > 0 and p_late >= raise_at:
        steps += 1
        because.append("an order will be late")
    if cannot_slip:
        steps += 1
        because.append("its customer cannot slip")
    if lasting_drift is not None:
        steps += 1
        because.append(lasting_drift)
    return _LADDER[steps], "; ".join(because) or "an order may be late"
