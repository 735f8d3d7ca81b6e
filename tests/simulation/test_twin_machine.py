"""A twin that lives through anything in any order: a state machine whose rules are what can happen to one.

Events, repeats, late ones, corrections, changes of orders, decisions, time; and commits, restores and crashes between
any two of them. Whatever came before, the picture equals the one from scratch, and in the end a straight fold says the
same bytes. Hypothesis prints the shortest way to a failure as a program of these rules.
"""

from contextlib import suppress
from datetime import timedelta
from typing import cast

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from schemas import Event, Facts, Output
from tests.deciding import Decision
from tests.folding import Folded, absorb, at, fold_all, wire
from tests.invariants import assert_conserved, assert_recomputed
from tests.living_plant import DECIDED, MADE, RUNS, beginning, drawn_event, one_event_a_record
from twin import Twin
from twin.recompute import PlanCircular


def _draw(data: st.DataObject) -> st.DrawFn:
    return cast("st.DrawFn", data.draw)


class Committing(Folded):
    """A twin whose documents are those of its last commit."""

    def __init__(self) -> None:
        super().__init__()
        self.header = self.twin.header()
        self.committed_records = 0
        self.committed_outputs = 0

    def fold(self, facts: Facts) -> list[Output]:
        self.records.append(facts)
        outputs = self.twin.apply(facts)
        self.outputs += outputs
        return outputs

    def commit(self) -> None:
        """Everything folded is in documents and header."""
        absorb(self.documents, self.twin)
        self.header = self.twin.header()
        self.committed_records, self.committed_outputs = len(self.records), len(self.outputs)

    def crash(self) -> list[Output]:
        """A new owner begins at the last commit and folds what came after it; what it says again."""
        self.twin = Twin.restore(self.header, dict(self.documents))
        return [
            output for facts in self.records[self.committed_records :] for output in self.twin.apply(facts)
        ]


class LivingTwin(RuleBasedStateMachine):
    """The rules."""

    @initialize()
    def begin(self) -> None:
        self.folded = Committing()
        self.folded.tell(*beginning())
        self.now = at(0, "05:00")
        self.folded.tick(self.now)
        self.told: list[Event] = []
        self.numbers = 0
        self.is_ticked = True

    def _id(self) -> str:
        self.numbers += 1
        return f"e{self.numbers}"

    def _tell(self, events: list[Event]) -> None:
        if events:
            self.folded.tell(*events)
            self.told += events
            self.is_ticked = False

    @rule(data=st.data(), made=st.lists(st.sampled_from(MADE), min_size=1, max_size=4))
    def something_happens(self, data: st.DataObject, made: list[str]) -> None:
        """In any order within three hours, late ones and some from the near future among them."""
        events = []
        for each in made:
            when = self.now + timedelta(minutes=data.draw(st.integers(-180, 10)))
            run_id = data.draw(st.sampled_from(sorted(RUNS)))
            events.append(drawn_event(_draw(data), each, self._id(), when, run_id))
        self._tell(events)

    @rule(made=st.sampled_from(MADE), data=st.data(), days=st.integers(1, 30))
    def something_comes_very_late(self, data: st.DataObject, made: str, days: int) -> None:
        when = self.now - timedelta(days=days)
        self._tell(
            [drawn_event(_draw(data), made, self._id(), when, data.draw(st.sampled_from(sorted(RUNS))))]
        )

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def a_source_sends_again(self, data: st.DataObject) -> None:
        """The same event under a new offset, as after a restart of a gateway."""
        self._tell([data.draw(st.sampled_from(self.told[-20:]))])

    @rule(data=st.data(), what=st.sampled_from([each for each in DECIDED if each]))
    def somebody_decides(self, data: st.DataObject, what: list[str]) -> None:
        """Solver, planner and ERP: proposals, commands, acknowledgements."""
        for each in what:
            numbers = data.draw(st.tuples(*[st.integers(0, 41)] * 3))
            self._tell(Decision(each, numbers, self._id(), self.now).events(self.folded))

    @rule(minutes=st.sampled_from([1, 5, 30, 60, 240]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        self.folded.tick(self.now)
        self.is_ticked = True

    @rule(data=st.data())
    def facts_are_read_again(self, data: st.DataObject) -> None:
        """What ingest wrote twice counts once."""
        facts = data.draw(st.sampled_from(self.folded.records))
        if facts.tick is None:
            before = self.folded.twin.header()
            assert [] == self.folded.twin.apply(facts)
            assert before == self.folded.twin.header()

    @rule()
    def a_commit(self) -> None:
        self.folded.commit()

    @rule()
    def a_commit_and_a_new_owner(self) -> None:
        self.folded.commit()
        digest = self.folded.twin.digest
        assert [] == self.folded.crash()
        assert digest == self.folded.twin.digest

    @rule()
    def a_crash(self) -> None:
        """What was said and not committed is said again in the same bytes."""
        said = wire(self.folded.outputs[self.folded.committed_outputs :])
        assert said == wire(self.folded.crash())

    @precondition(lambda self: self.is_ticked)
    @invariant()
    def incremental_equals_recomputed(self) -> None:
        self.folded.commit()
        with suppress(PlanCircular):  # runs that wait for each other have no right answer to compare with
            assert_recomputed(self.folded)

    @invariant()
    def nothing_is_lost_and_no_edge_hangs_loose(self) -> None:
        assert_conserved(self.folded)

    def teardown(self) -> None:
        """In the end: any grouping into commits and any batching of events into facts gave the same."""
        if not hasattr(self, "folded"):
            return
        folded = self.folded
        folded.commit()
        for records in (folded.records, list(one_event_a_record(folded.records))):
            twin, outputs, documents = fold_all(records)
            assert wire(folded.outputs) == wire(outputs)
            assert (folded.documents, folded.twin.digest) == (documents, twin.digest)


TestLivingTwin = LivingTwin.TestCase
TestLivingTwin.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
