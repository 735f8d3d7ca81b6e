"""What is remembered of plans: how often each site's plan changed, proposals and their lives, what was promised.

Everything here is a document. What happens to proposals is in proposals.py and write_back.py; this file only keeps.
"""

from typing import TYPE_CHECKING

import msgspec

from schemas import Proposal, join_key
from twin.decisions.proposal_life import OPEN_STATES
from twin.state.entities import SiteKey
from twin.state.plant import EventDocument
from twin.state.store import DocumentStore

if TYPE_CHECKING:
    from twin.state.model import Model


class SitePlan(msgspec.Struct):
    """The committed plan of a site.

    Attributes:
        revision: counts its changes; told: the revision that was last published.
        is_urgent: a commit changed it since: people wait for it.
    """

    revision: int = 0
    told: int = 0
    is_urgent: bool = False

    def encode(self) -> bytes:
        """JSON of the counts."""
        return msgspec.json.encode(self)


class BasisRun(msgspec.Struct, frozen=True):
    """A run as the plan had it when a request was made; times are POSIX seconds.

    Attributes:
        line_id, start: None where it was not planned.
        freedom: how far it might be moved, as in schemas/scheduling.py.
        eligible: lines that can make it, as (site_id, line_id).
        pegs: orders that it is for, as (site_id, order_id, pieces).
        unlocked: of a run under a planner's lock, freedom and eligible lines without it; None: it has no lock.
    """

    site_id: str
    run_id: str
    item_id: str
    line_id: str | None
    start: float | None
    quantity_pcs: float
    freedom: str
    eligible: list[tuple[str, str]]
    pegs: list[tuple[str, str, float]]
    unlocked: tuple[str, list[tuple[str, str]]] | None = None


class Basis(msgspec.Struct):
    """What a request rests on.

    Attributes:
        request_id: the last request of the proposal; asked_at: the shard's clock then; earlier: requests before it.
        first_revision: of its answer.
        scope: lines that may be touched, as site_id/line_id.
        card_ids: cards that it is about.
        added: runs that nobody has planned yet, as JSON of schemas.SchedulingRun.
        hit: lines that what happened concerns, as (site_id, line_id).
    """

    request_id: str
    trigger: str
    because: list[str]
    asked_at: float
    first_revision: int
    plan_revision: int
    scope: list[str]
    card_ids: list[str]
    runs: list[BasisRun]
    added: list[str]
    hit: list[tuple[str, str]]
    earlier: list[str] = msgspec.field(default_factory=list)

    def encode(self) -> bytes:
        """JSON of the basis."""
        return msgspec.json.encode(self)

    def run(self, site_id: str, run_id: str) -> BasisRun | None:
        """A run that it rests on."""
        return next((run for run in self.runs if (run.site_id, run.run_id) == (site_id, run_id)), None)


class ChangeNote(msgspec.Struct):
    """A plan change of a commit, and what became of it; times are POSIX seconds.

    Attributes:
        after: changes that must be in force before this one is sent.
        outcome: held_back, sent, accepted, modified or rejected; reason: why, as the answer says.
        answered_by: the acknowledgement's event id.
        is_move: to another line, or to another place in the sequence; not only to another time.
    """

    change_id: str
    action: str
    site_id: str
    order_id: str
    order_site_id: str | None
    run_id: str
    of_run_id: str | None
    of_site_id: str | None
    item_id: str | None
    line_id: str
    start: float
    end: float
    quantity_pcs: float
    window_id: str | None
    hours: float | None
    because: str
    expected_revision: int
    after: list[str]
    outcome: str = "held_back"
    reason: str | None = None
    answered_by: str | None = None
    is_move: bool = False


class ProposalLife(msgspec.Struct):
    """Where a proposal is in its life; times are POSIX seconds.

    Attributes:
        state: of proposal_life.py; since: when it was entered; revision: counts every published change.
        say: what happened and what to do.
        proposal_revision: of the options that stand; None: none have come since the last request.
        offered_at: when options were first shown under the last request.
        option_id: that was approved.
        changes: of the commit, in the order in which they are sent; sent_at: when the last of them was.
        is_overdue: that no answer came in time was said.
    """

    site_id: str
    proposal_id: str
    state: str
    since: float
    revision: int = 0
    say: str = ""
    proposal_revision: int | None = None
    offered_at: float | None = None
    option_id: str | None = None
    approved_by: str | None = None
    committed_by: str | None = None
    reason: str | None = None
    changes: list[ChangeNote] = msgspec.field(default_factory=list)
    sent_at: float | None = None
    is_overdue: bool = False

    def encode(self) -> bytes:
        """JSON of the life."""
        return msgspec.json.encode(self)

    def change(self, change_id: str) -> ChangeNote | None:
        """One change of the commit."""
        return next((each for each in self.changes if each.change_id == change_id), None)


class PromisedOrder(msgspec.Struct):
    """What a committed option promised for an order, and what came; times are POSIX seconds, slips hours.

    Attributes:
        ships_at: promised departure, None where there is none; came_at: when it had shipped whole; came_status: shipped
            or cancelled, None while it is open.
    """

    site_id: str
    order_id: str
    ships_at: float | None
    slip_h: float | None
    penalty: float
    came_at: float | None = None
    came_status: str | None = None


class Commitment(msgspec.Struct):
    """A committed option: what it promised, and what came. The ledger reads it.

    Attributes:
        committed_at: when the last answer came, POSIX seconds; is_partial: some of it was refused.
        label: of the option; lines: that its changes concern, as site_id/line_id.
        kpis: as promised (schemas.PlanKpis, numbers only); against_hold: the same less those of doing nothing.
        orders: whose shipment it was to change.
    """

    site_id: str
    proposal_id: str
    option_id: str
    label: str
    committed_at: float
    is_partial: bool
    lines: list[str]
    kpis: dict[str, float]
    against_hold: dict[str, float]
    orders: list[PromisedOrder]

    def encode(self) -> bytes:
        """JSON of the promise."""
        return msgspec.json.encode(self)

    @property
    def is_settled(self) -> bool:
        """Everything that was promised has come, or will not."""
        return all(order.came_status is not None for order in self.orders)


class PlanBook:
    """Plans, proposals and promises of a shard.

    Attributes:
        plans: of sites; proposals, bases, lives: by (site_id, proposal_id); bases go when a proposal has ended, the
            proposals' options too.
        by_request: request_id -> its proposal; by_change: change_id -> its proposal.
        commitments: by (site_id, proposal_id).
    """

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self.plans: dict[str, SitePlan] = {}
        self.lives: dict[SiteKey, ProposalLife] = {}
        self.bases: dict[SiteKey, Basis] = {}
        self.proposals: dict[SiteKey, Proposal] = {}
        self.commitments: dict[SiteKey, Commitment] = {}
        self.by_request: dict[str, SiteKey] = {}
        self.by_change: dict[str, SiteKey] = {}
        self._open: dict[SiteKey, None] = {}  # proposals of which something can still come by itself

    def open_lives(self) -> list[ProposalLife]:
        """Proposals of which something can still come by itself, by id."""
        return [self.lives[key] for key in sorted(self._open)]

    # Plans

    def plan_changed(self, site_id: str, *, by_commit: bool) -> None:
        """The committed plan of a site is another one now."""
        plan = self.plans.setdefault(site_id, SitePlan())
        plan.revision += 1
        plan.is_urgent = plan.is_urgent or by_commit
        self.save_plan(site_id)

    def save_plan(self, site_id: str) -> None:
        """A site's counts changed."""
        self._store.put(join_key(site_id, "site_plan", "committed"), self.plans[site_id])

    # Proposals

    def save_life(self, life: ProposalLife) -> None:
        """Something happened to a proposal."""
        self.adopt_life(life)
        self._store.put(join_key(life.site_id, "proposal_life", life.proposal_id), life)

    def adopt_life(self, life: ProposalLife) -> None:
        """Hold a life that is already written."""
        key = (life.site_id, life.proposal_id)
        if life.state in OPEN_STATES:
            self._open[key] = None
        else:
            self._open.pop(key, None)
        before = self.lives.get(key)
        if before is not None and before is not life:
            for change in before.changes:
                self.by_change.pop(change.change_id, None)
        self.lives[key] = life
        for change in life.changes:
            self.by_change[change.change_id] = key

    def save_basis(self, key: SiteKey, basis: Basis) -> None:
        """A request was made for a proposal, perhaps once more."""
        before = self.bases.get(key)
        if before is not None and before.request_id != basis.request_id:
            basis.earlier = [*before.earlier, before.request_id]
        self.adopt_basis(key, basis)
        self._store.put(join_key(key[0], "proposal_basis", key[1]), basis)

    def adopt_basis(self, key: SiteKey, basis: Basis) -> None:
        """Hold a basis that is already written."""
        self.bases[key] = basis
        for request_id in (*basis.earlier, basis.request_id):
            self.by_request[request_id] = key

    def save_options(self, proposal: Proposal) -> None:
        """Options came."""
        self.proposals[proposal.site_id, proposal.proposal_id] = proposal
        key = join_key(proposal.site_id, "proposal_options", proposal.proposal_id)
        self._store.put(key, EventDocument(proposal))

    def forget_options(self, key: SiteKey) -> None:
        """Options and basis of a proposal are of no use any more."""
        if self.proposals.pop(key, None) is not None:
            self._store.remove(join_key(key[0], "proposal_options", key[1]))
        basis = self.bases.pop(key, None)
        if basis is not None:
            for request_id in (*basis.earlier, basis.request_id):
                self.by_request.pop(request_id, None)
            self._store.remove(join_key(key[0], "proposal_basis", key[1]))

    def forget_life(self, key: SiteKey) -> None:
        """A proposal ended so long ago that nobody asks."""
        self.forget_options(key)
        for change in self.lives.pop(key).changes:
            self.by_change.pop(change.change_id, None)
        self._store.remove(join_key(key[0], "proposal_life", key[1]))

    # Promises

    def save_commitment(self, promise: Commitment) -> None:
        """A proposal was committed, or something of it came."""
        self.commitments[promise.site_id, promise.proposal_id] = promise
        self._store.put(join_key(promise.site_id, "commitment", promise.proposal_id), promise)

    def forget_commitment(self, key: SiteKey) -> None:
        """Retention no longer keeps a promise."""
        del self.commitments[key]
        self._store.remove(join_key(key[0], "commitment", key[1]))


def revision_of(model: "Model", site_id: str) -> int:
    """How often the committed plan of a site has changed; 0 while nothing is planned."""
    plan = model.plan_book.plans.get(site_id)
    return 0 if plan is None else plan.revision


def commitments_of(model: "Model", site_id: str) -> list[Commitment]:
    """Committed proposals of a site, by id: what each promised, and what came so far."""
    return [promise for key, promise in sorted(model.plan_book.commitments.items()) if key[0] == site_id]
