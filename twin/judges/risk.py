"""What a judge finds out about one root: all that a card says and that differs from kind to kind.

A judge is a pure function of the model: it answers from scratch, and remembers nothing. Its figures decide whether there
is news; its words are worked out only where there is, which is once in some hundred times.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from schemas import (
    AffectedOrder,
    Cause,
    Confidence,
    CustomerUpserted,
    DataTrouble,
    Owner,
    PathStep,
    QualityShift,
    Rescue,
    Shortage,
    Stop,
    join_key,
    split_key,
)
from twin.forecast.assessment import Assessment
from twin.judges.causes import Blame
from twin.state.entities import SiteKey

Root = tuple[str, str, str, str]
"""(card kind, entity type, site, entity id): what a card is about. At most one card of a root is open."""


def root_text(root: Root) -> str:
    """A root as documents keep it."""
    return join_key(*root)


def root_of(text: str) -> Root:
    """A root from the text that documents keep."""
    kind, entity_type, site_id, entity_id = split_key(text)
    return kind, entity_type, site_id, entity_id


@dataclass(frozen=True, slots=True)
class LateOrder:
    """An order that is late, with its cause."""

    assessment: Assessment
    blame: Blame
    customer: CustomerUpserted | None

    @property
    def customer_name(self) -> str:
        """What people call the customer."""
        return self.assessment.order.event.customer_id if self.customer is None else self.customer.name

    @property
    def badness(self) -> tuple[float, float, str, str]:
        """Sort key, worst first."""
        each = self.assessment
        return (-each.p_late * each.penalty, -each.slip_s, each.order.site_id, each.order.order_id)


@dataclass(frozen=True, slots=True)
class Words:
    """How a card puts it.

    Attributes:
        title: the one line; sentences: cause and consequence in words; owner and deadline are added to them.
        affected: the orders that the card lists, worst first.
    """

    title: str
    sentences: Sequence[str]
    cause: Cause
    confidence: Confidence
    affected: Sequence[AffectedOrder] = ()
    path: Sequence[PathStep] = ()
    evidence: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Risk:
    """One root as it stands now. Money in the site's currency, times in POSIX seconds.

    Attributes:
        signal: of its cause.
        words: the same in words, asked at the moment of judging; long to make, and seldom needed.
        probability: that the loss comes if nobody acts; probability_because: how it was come by.
        parts: the loss given that it comes, by part (penalty, lost_margin, scrapped_value, idle_line).
        weight: largest customer weight among the orders.
        severity_steps: reasons that each raise the severity by a step; mild: the reason where there is none.
        deadline: the last moment at which an action still helps, None where nothing helps any more.
        listed: the orders that the card lists, at most as many as a card holds; affected_total: all of them.
        slip_s, slip_days: of the worst order.
        margin_before: of the affected orders, without the loss; None where prices are unknown.
        caveats: what it rests on that cannot be trusted.
    """

    signal: str
    words: Callable[[], Words] = field(compare=False)
    probability: float
    probability_because: str
    parts: Mapping[str, float]
    severity_steps: Sequence[str]
    mild: str
    owner: Owner
    deadline: float | None
    deadline_because: str
    listed: Sequence[SiteKey] = ()
    affected_total: int = 0
    weight: float = 1.0
    need_by: float | None = None
    slip_s: float = 0.0
    slip_days: int = 0
    margin_before: float | None = None
    rescue: Rescue | None = None
    caveats: Sequence[str] = field(default_factory=list)
    shortage: Shortage | None = None
    quality: QualityShift | None = None
    stop: Stop | None = None
    data: DataTrouble | None = None

    @property
    def exposure(self) -> float:
        """The loss given that it comes."""
        return round(sum(self.parts.values()), 2)
