"""The loop, closed, in one process: shop floor -> twin -> request -> solver -> proposal -> planner -> ERP -> shop floor.

No Kafka, but what goes over it: facts in, outputs out. The planner is automatic: each morning it asks for a plan of
everything, and whenever a proposal comes it commits the first option, by the goal of the rules, that loses less than
doing nothing. ERP is the stand-in of streams/simulator/erp.py. The shop hears of nothing but what ERP accepted.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from bench.shop_weeks import DAY_S, MORNING_BEFORE_S, MOST_DAYS_AFTER, Score, is_over, score_of
from schemas import (
    TOPIC_OF_KIND,
    ClockTicked,
    Event,
    Facts,
    Output,
    PlanChange,
    PlanOption,
    PlanState,
    Proposal,
    ProposalApproved,
    ProposalCommitted,
    ReplanAsked,
    ReplanRequested,
    Rules,
    RulesUpdated,
    RunPlanned,
    Segment,
    ShipmentSlotsUpserted,
    topics,
)
from solvers.engine import solve
from streams.simulator.clock import moment
from streams.simulator.erp import ErpPlan
from streams.simulator.settings import FactorySettings
from streams.simulator.shop import Shop
from twin import Twin
from twin.state.chronicle import Chronicle

C = TypeVar("C", bound=Event)

TICK_S = 600.0
"""Plant time between two looks at the clock; the solver is asked and answers within one. Coarser: later answers."""

NEVER_CHOSEN = frozenset({"overtime", "split", "other_site", "expedite_material", "partial_ship"})
"""What the shop cannot do: it has one site, plenty of material, no overtime, and makes each run in one piece."""

LEAST_LATE_H = 0.5
"""Weighted late hours that an option must save where it saves no money."""


@dataclass(slots=True)
class LoopLog:
    """What happened in the loop.

    Attributes:
        requests: by trigger; chosen: options committed, by label.
        changes, answers: plan changes sent, and what ERP answered, by outcome.
        ends: how proposals ended, by state.
        solve_s: time that the solver took, processor or wall as the clock given says.
        refused: commands that the twin refused, by reason.
        answered: requests with the last revision of their answers; committed: options that the planner committed.
    """

    requests: Counter[str] = field(default_factory=Counter)
    chosen: Counter[str] = field(default_factory=Counter)
    changes: list[PlanChange] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    solve_s: float = 0.0
    answered: list[tuple[ReplanRequested, Proposal]] = field(default_factory=list)
    committed: list[PlanOption] = field(default_factory=list)


class ClosedLoop:
    """One shop under the loop.

    Args:
        settings: of the shop.
        clock: seconds, for what the solver takes; nothing is decided by it.
        rules: that the twin and the planner go by.
        move_budget: moves of the solver a request; None: the request's own.
        air_s: the twin is told that goods must be at the dock so much earlier than they must: the planner's air for what
            nobody foresees. The shop's trucks take them as before.
    """

    def __init__(
        self,
        settings: FactorySettings,
        clock: Callable[[], float],
        rules: Rules | None = None,
        move_budget: int | None = None,
        air_s: float = 0.0,
    ) -> None:
        self.shop = Shop(settings)
        self.twin = Twin()
        self.chronicle = Chronicle()
        self.log = LoopLog()
        self.outputs: list[Output] = []
        self._erp = ErpPlan()
        self._clock = clock
        self._move_budget = move_budget
        self._air_min = air_s / 60.0
        self._offsets: Counter[str] = Counter()
        self._commands = itertools.count(1)
        self._rules = Rules(rules_id="loop", version="1") if rules is None else rules

    def run(self, progress: Callable[[float], None] | None = None) -> Score:
        """The weeks, until every order that counts has left."""
        settings = self.shop.settings
        self.begin()
        at_s = settings.start_s
        next_morning_s = settings.start_s
        last_s = settings.end_s + MOST_DAYS_AFTER * DAY_S
        while at_s <= last_s and not is_over(self.shop, at_s):
            self.step(at_s)
            if at_s >= next_morning_s:
                self.ask()
                next_morning_s = self._morning_after(at_s)
            if progress is not None:
                progress(min(1.0, (at_s - settings.start_s) / (settings.days * DAY_S)))
            at_s += TICK_S
        return score_of(self.shop)

    def begin(self) -> None:
        """Tell the twin and ERP of the plant, and of the rules."""
        start = self.shop.settings.start
        rules = RulesUpdated(
            event_id="rules/loop", event_time=start, site_id=self.shop.site.site_id, rules=self._rules
        )
        self.tell([*(self._with_air(event) for event in self.shop.start_events()), rules])

    def step(self, at_s: float) -> None:
        """Let the plant live up to a moment, and everybody act on what was said."""
        said = [event for _, event in self.shop.advance(at_s)]
        self.tell([*said, self._tick(at_s)])

    def ask(self) -> None:
        """The planner asks for a plan of everything that waits."""
        lines = [line.line_id for line in self.shop.site.lines]
        self.tell([self._command(ReplanAsked, line_ids=lines, reason="the plan of the day")])

    def tell(self, events: Sequence[Event]) -> None:
        """Fold events, and act on what follows until nothing more does."""
        waiting = list(events)
        while waiting:
            for event in waiting:
                self._erp.learn(event)
            self.chronicle.take_events(waiting)
            outputs = self.twin.apply(self._facts(waiting))
            self.twin.take_changes()
            self.outputs += outputs
            waiting = [event for output in outputs for event in self._answers(output)]

    # Everybody's part ------------------------------------------------------------------------------------------

    def _answers(self, output: Output) -> Iterable[Event]:
        body = output.body
        if isinstance(body, ReplanRequested):
            return self._solve(body)
        if isinstance(body, PlanChange):
            return self._execute(body)
        if isinstance(body, PlanState):
            return self._decide(body)
        if output.topic == topics.COMMAND_RESULTS and getattr(body, "outcome", "") != "accepted":
            self.log.refused[str(getattr(body, "reason", ""))] += 1
        return ()

    def _solve(self, request: ReplanRequested) -> Iterable[Event]:
        """The solver: every revision of its answer comes back as a fact."""
        self.log.requests[request.trigger] += 1
        if self._move_budget is not None:
            problem = request.problem.model_copy(update={"move_budget": self._move_budget})
            request = request.model_copy(update={"problem": problem})
        began = self._clock()
        final: Proposal | None = None
        for proposal in solve(request, clock=self._clock, cancelled=lambda: False):
            if proposal is not None:
                final = proposal
        self.log.solve_s += self._clock() - began
        if final is None:
            return []
        self.log.answered.append((request, final))
        return [final]

    def _decide(self, state: PlanState) -> Iterable[Event]:
        """The planner: approves the best option that is worth it, then commits what was approved."""
        if state.plan_id.startswith("committed/"):
            return []
        life = self.twin.model.plan_book.lives.get((state.site_id, state.plan_id))
        if life is None or life.revision != state.revision:
            return []  # something newer is known of it
        if state.state == "proposed":
            proposal = self.twin.model.plan_book.proposals.get((state.site_id, state.plan_id))
            option = None if proposal is None else choice(proposal.options)
            if option is None:
                return []
            self.log.chosen[option.label] += 1
            self.log.committed.append(option)
            return [
                self._command(
                    ProposalApproved,
                    proposal_id=state.plan_id,
                    option_id=option.option_id,
                    expected_revision=state.revision,
                )
            ]
        if state.state == "approved":
            return [
                self._command(
                    ProposalCommitted,
                    proposal_id=state.plan_id,
                    option_id=state.option_id,
                    expected_revision=state.revision,
                )
            ]
        if state.state in ENDED:
            self.log.ends[state.state] += 1
        return []

    def _execute(self, change: PlanChange) -> Iterable[Event]:
        """ERP: answers, and plans what it accepted; the shop floor follows."""
        self.log.changes.append(change)
        answer = self._erp.answer(change, self._now())
        self.log.answers[answer.ack.outcome] += 1
        for event in answer.events:
            if isinstance(event, RunPlanned):
                self.shop.carry_out(event)
        return [*answer.events, answer.ack]

    # Facts -----------------------------------------------------------------------------------------------------

    def _with_air(self, event: Event) -> Event:
        """Slots with the planner's air in their loading time."""
        if not isinstance(event, ShipmentSlotsUpserted):
            return event
        return event.model_copy(update={"loading_min": event.loading_min + self._air_min})

    def _now(self) -> datetime:
        return moment(self.shop.kernel.now_s, self.shop.settings.zone)

    def _tick(self, at_s: float) -> ClockTicked:
        at = moment(at_s, self.shop.settings.zone)
        return ClockTicked(event_id=f"clock/{at.isoformat()}", event_time=at, site_id=self.shop.site.site_id)

    def _command(self, model: type[C], **fields: object) -> C:
        number = next(self._commands)
        return model.model_validate(
            {
                "event_id": f"planner/{number}",
                "command_id": f"planner/{number}",
                "event_time": self._now(),
                "site_id": self.shop.site.site_id,
                "actor": "automatic-planner",
                **fields,
            }
        )

    def _facts(self, events: Sequence[Event]) -> Facts:
        segments = []
        for topic, group in itertools.groupby(events, key=_topic_of):
            members = list(group)
            begin = self._offsets[topic]
            self._offsets[topic] += len(members)
            segments.append(
                Segment.model_construct(
                    topic=topic,
                    partition=0,
                    positions=[(begin + index, 0) for index in range(len(members))],
                    events=members,  # type: ignore[arg-type]  # a list is invariant: events of any kind
                )
            )
        return Facts(group_id="loop", segments=segments)

    def _morning_after(self, at_s: float) -> float:
        start_s = self.shop.settings.start_s
        days = int((at_s - start_s + MORNING_BEFORE_S) // DAY_S) + 1
        return start_s + days * DAY_S - MORNING_BEFORE_S


ENDED = frozenset({"committed", "partially_committed", "commit_failed", "rejected", "expired", "superseded"})


def choice(options: Sequence[PlanOption]) -> PlanOption | None:
    """The first option, by the goal, that the shop can carry out and that is expected to lose less than doing nothing."""
    for option in options:
        if option.label == "hold" or option.label in NEVER_CHOSEN or not option.feasible:
            continue
        saved = -option.against_hold.get("cost", 0.0) - option.against_hold.get("penalty_at_risk", 0.0)
        less_late_h = -option.against_hold.get("weighted_tardiness_h", 0.0)
        if saved > 0.0 or (saved == 0.0 and less_late_h >= LEAST_LATE_H):
            return option
    return None


def _topic_of(event: Event) -> str:
    return topics.PROPOSALS if isinstance(event, Proposal) else TOPIC_OF_KIND[event.kind]
