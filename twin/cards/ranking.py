"""How much a card matters: score = P(it happens) x exposure x customer weight x urgency. Every term is printed.

The score is money: the expected loss, weighted by who loses it and by how soon the chance to act is gone.
"""

from schemas import RankTerm, Severity
from twin.judges.risk import Risk

URGENCY_HALF_H = 24.0
"""Hours to the deadline at which urgency is one half. Smaller: only the very next deadlines count."""


def urgency(deadline: float | None, now: float) -> float:
    """1 at or after the deadline, 1/2 a day before it, falling with the distance; 3 decimals."""
    if deadline is None or deadline <= now:
        return 1.0
    return round(URGENCY_HALF_H / (URGENCY_HALF_H + (deadline - now) / 3600.0), 3)


def rank_terms(risk: Risk, now: float) -> tuple[float, list[RankTerm]]:
    """Score and its factors, the same four for every kind of card, so that they compare."""
    urgent = urgency(risk.deadline, now)
    score = round(risk.probability * risk.exposure * risk.weight * urgent, 2)
    exposed = "money lost if it happens and nobody acts"
    if len(risk.parts) > 1:
        exposed += ": " + " + ".join(f"{name} {part:,.2f}" for name, part in risk.parts.items())
    return score, [
        RankTerm(name="probability", value=risk.probability, because=risk.probability_because),
        RankTerm(name="exposure", value=risk.exposure, because=exposed),
        RankTerm(
            name="customer_weight", value=risk.weight, because="largest weight among the affected customers"
        ),
        RankTerm(name="urgency", value=urgent, because="24 h / (24 h + time to the deadline)"),
    ]


_LADDER = [Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL]


def severity_of(risk: Risk) -> tuple[Severity, str]:
    """Severity and the rules that set it: a step for each reason."""
    steps = risk.severity_steps
    return _LADDER[min(len(steps), len(_LADDER) - 1)], "; ".join(steps) or risk.mild


def is_worse(after: Severity, before: Severity) -> bool:
    """Whether a severity is above another."""
    return _LADDER.index(after) > _LADDER.index(before)
