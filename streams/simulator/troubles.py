"""What happens to events between the floor and us: outages, late counts, wrong counts put right, repeats.

Modest doses of what real gateways do. Every trouble can be undone by who reads carefully: good and scrap pieces still
add up to the truth. Only lines that report deltas are late or wrong: a counter's reading that comes late is a reset to
any reader.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from random import Random

from schemas import CountCorrected, CountReported, Event, MachineEvent, RunPlanned
from streams.simulator.clock import TimedEvent
from streams.simulator.plant import Line
from streams.simulator.truth import OutageTruth, TruthRecord

DAY_S = 86_400.0

OUTAGE_EVERY_DAYS = 6.0
OUTAGE_MIN = (10.0, 50.0)
SILENCE_SHARE = 0.15
"""Share of outages that nobody sees to for hours."""
SILENCE_H = (1.5, 6.0)
LATE_SHARE = 0.004
LATE_MIN = (2.0, 25.0)
WRONG_SHARE = 0.002
CORRECTED_AFTER_MIN = (10.0, 100.0)
REPEAT_SHARE = 0.004
REPEAT_AFTER_S = (0.2, 600.0)

LATE_BEFORE_END_H = 2.0
"""Planned hours that must be left, so that a late count still finds its run open."""
WRONG_BEFORE_END_H = 4.0


class _GatewayTrouble:
    """The troubles of one line's gateway."""

    def __init__(self, line: Line, seed: int, start_s: float, is_on: bool) -> None:
        self.line = line
        self.rng = Random(f"{seed}/troubles/{line.line_id}")
        self._silences = Random(f"{seed}/silences/{line.line_id}")
        self.is_on = is_on
        self.sequence = 0
        self.left: dict[str, float] = {}
        self._outage = (start_s, start_s)
        self._held_back = False

    def outage_end(self, at_s: float) -> float | None:
        """End of the outage that the moment lies in, None where the gateway is up."""
        while at_s >= self._outage[1]:
            begin_s = self._outage[1] + self.rng.expovariate(1.0 / (OUTAGE_EVERY_DAYS * DAY_S))
            lasts_s = self.rng.uniform(*OUTAGE_MIN) * 60.0
            if self._silences.random() < SILENCE_SHARE:
                lasts_s = self._silences.uniform(*SILENCE_H) * 3_600.0
            self._outage = (begin_s, begin_s + lasts_s)
            self._held_back = False
        return self._outage[1] if at_s >= self._outage[0] else None

    def first_held_back(self) -> OutageTruth | None:
        """The outage, with the first event that it holds back; None with those after it."""
        if self._held_back:
            return None
        self._held_back = True
        return OutageTruth(self.line.line_id, *self._outage)

    def hours_left(self, count: CountReported) -> float:
        """Planned hours left of the count's run, after it."""
        if count.run_id is None or count.counter == "total":
            return 0.0
        self.left[count.run_id] = self.left.get(count.run_id, 0.0) - count.good_count
        return self.left[count.run_id] / self.line.rate_pcs_per_h


class Troubles:
    """Turns what happened into what arrives; numbers the events of each gateway in the order in which it sends them.

    Args:
        lines: lines by id.
        seed: seed of the factory.
        start_s: first moment.
        is_on: False only numbers them.
        truth: takes note of each outage that held something back.
    """

    def __init__(
        self,
        lines: Mapping[str, Line],
        seed: int,
        start_s: float,
        is_on: bool,
        truth: Callable[[TruthRecord], None] = lambda _: None,
    ) -> None:
        self._truth = truth
        self._gateways = {
            line_id: _GatewayTrouble(line, seed, start_s, is_on) for line_id, line in lines.items()
        }
        self._waiting: list[tuple[float, int, Event]] = []
        self._order = 0
        self._repeated: dict[str, int | None] = {}  # number of each event that is sent twice

    def arrivals(self, happened: Iterable[TimedEvent]) -> Iterator[TimedEvent]:
        """Events in the order in which they arrive."""
        for at_s, event in happened:
            yield from self._due(at_s)
            if isinstance(event, MachineEvent):
                self._send(at_s, event)
            else:
                if isinstance(event, RunPlanned):
                    self._gateways[event.line_id].left.setdefault(event.run_id, event.quantity_pcs)
                self._arrive(at_s, event)
        yield from self._due(float("inf"))

    def _send(self, at_s: float, event: MachineEvent) -> None:
        gateway = self._gateways[event.line_id]
        if not gateway.is_on:
            self._arrive(at_s, event)
            return
        rng = gateway.rng
        hours_left = gateway.hours_left(event) if isinstance(event, CountReported) else 0.0
        outage_end_s = gateway.outage_end(at_s)
        if outage_end_s is not None:
            outage = gateway.first_held_back()
            if outage is not None:
                self._truth(outage)
            self._arrive(outage_end_s, event)
            return
        if hours_left > LATE_BEFORE_END_H and rng.random() < LATE_SHARE:
            self._arrive(at_s + rng.uniform(*LATE_MIN) * 60.0, event)
            return
        if (
            isinstance(event, CountReported)
            and hours_left > WRONG_BEFORE_END_H
            and rng.random() < WRONG_SHARE
        ):
            event = self._misreport(at_s, event, rng)
        self._arrive(at_s, event)
        if rng.random() < REPEAT_SHARE:
            self._repeated[event.event_id] = None
            self._arrive(at_s + rng.uniform(*REPEAT_AFTER_S), event)

    def _misreport(self, at_s: float, count: CountReported, rng: Random) -> CountReported:
        """A count that is wrong by a few pieces, and its correction, which arrives later for the same moment."""
        wrong_by = float(rng.choice((-1, 1)) * rng.randint(1, 30))
        wrong_by = max(wrong_by, -count.good_count)
        assert count.run_id is not None
        correction = CountCorrected(
            event_id=f"{count.event_id}/corrected",
            event_time=count.event_time,
            site_id=count.site_id,
            line_id=count.line_id,
            run_id=count.run_id,
            good_delta=-wrong_by,
            corrects_event_id=count.event_id,
            reason="recounted",
        )
        self._arrive(at_s + rng.uniform(*CORRECTED_AFTER_MIN) * 60.0, correction)
        return count.model_copy(update={"good_count": count.good_count + wrong_by})

    def _arrive(self, at_s: float, event: Event) -> None:
        self._order += 1
        heapq.heappush(self._waiting, (at_s, self._order, event))

    def _due(self, at_s: float) -> Iterator[TimedEvent]:
        while self._waiting and self._waiting[0][0] <= at_s:
            arrives_s, _, event = heapq.heappop(self._waiting)
            yield arrives_s, self._numbered(event)

    def _numbered(self, event: Event) -> Event:
        """The event with its gateway's running number; a repeat keeps its own."""
        if not isinstance(event, MachineEvent):
            return event
        is_repeated = event.event_id in self._repeated
        number = self._repeated.pop(event.event_id, None)
        if number is None:
            gateway = self._gateways[event.line_id]
            gateway.sequence = number = gateway.sequence + 1
            if is_repeated:
                self._repeated[event.event_id] = number
        return event.model_copy(
            update={"source_id": f"gateway-{event.line_id.lower()}", "source_sequence": number}
        )
