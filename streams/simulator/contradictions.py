"""Where two systems of a site contradict each other: a wrong quantity typed into the MES, a work order closed too soon.

Somebody notices hours later and puts it right. The floor makes what ERP has planned.
"""

from collections.abc import Callable, Mapping
from random import Random

from streams.simulator.book import Run
from streams.simulator.floor import LineFloor
from streams.simulator.surroundings import Surroundings
from streams.simulator.truth import ConflictTruth, TruthRecord
from streams.simulator.voices import Erp, Mes

DAY_S = 86_400.0
HOUR_S = 3_600.0

CONTRADICTIONS_PER_LINE_AND_DAY = 0.04
WRONG_BY = (0.05, 0.2)
"""Least and most share by which a quantity is wrong."""
NOTICED_AFTER_H = (4.0, 36.0)
CLOSED_SHARE = 0.4
LEAST_PCS_LEFT = 0.2
"""Share of a run that must be left for its work order to be closed too soon: nobody calls minutes a contradiction."""


class Contradictions:
    """Wrong words of the ERP of one site, at random moments.

    Args:
        around: the site; erp, mes: who say them; floors: its lines, by id.
        truth: takes note of each.
    """

    def __init__(
        self,
        around: Surroundings,
        erp: Erp,
        mes: Mes,
        floors: Mapping[str, LineFloor],
        truth: Callable[[TruthRecord], None],
    ) -> None:
        self._around = around
        self._erp = erp
        self._mes = mes
        self._floors = [*floors.values()]
        self._truth = truth
        self._rng = Random(f"{around.settings.seed}/contradictions/{around.site.site_id}")

    def start(self) -> None:
        """Ask for each contradiction of the whole time now."""
        settings, rng = self._around.settings, self._rng
        every_s = DAY_S / (CONTRADICTIONS_PER_LINE_AND_DAY * len(self._floors))
        at_s = settings.start_s + rng.expovariate(1.0 / every_s)
        while at_s < settings.end_s:
            happens = self._close if rng.random() < CLOSED_SHARE else self._misquote
            self._around.kernel.at(at_s, happens)
            at_s += rng.expovariate(1.0 / every_s)

    def _misquote(self, at_s: float) -> None:
        """A run that is not begun gets another quantity in the MES."""
        rng = self._rng
        waiting = self._around.book.queues[rng.choice(self._floors).line.line_id]
        runs = [run for run in waiting if run.is_announced]
        if not runs:
            return
        run = rng.choice(runs[:6])
        wrong = round(run.quantity_pcs * rng.choice((-1.0, 1.0)) * rng.uniform(*WRONG_BY))
        self._mes.tell_run(run, max(1, run.quantity_pcs + wrong))
        self._put_right(run, "quantity", at_s, lambda: self._mes.tell_run(run))

    def _close(self, at_s: float) -> None:
        """The work order of a run that is being made is closed."""
        work = self._rng.choice(self._floors).work
        if work is None:
            return
        run = work.run
        if run.is_closed or run.quantity_pcs - work.good < LEAST_PCS_LEFT * run.quantity_pcs:
            return

        def open_again() -> None:
            run.is_closed = False
            self._erp.tell_work_order(run)

        self._erp.close_work_order(run)
        self._put_right(run, "closed", at_s, open_again)

    def _put_right(self, run: Run, what: str, began_s: float, say: Callable[[], None]) -> None:
        noticed_s = began_s + self._rng.uniform(*NOTICED_AFTER_H) * HOUR_S
        order_ids = tuple(order.order_id for order, _ in run.pegs)
        self._truth(ConflictTruth(run.run_id, run.work_order_id, order_ids, what, began_s, noticed_s))

        def correct(_: float) -> None:
            if run.is_made or (run.pegs and all(order.is_cancelled for order, _ in run.pegs)):
                return  # it was made or taken back before anybody noticed
            say()

        self._around.kernel.at(noticed_s, correct)
