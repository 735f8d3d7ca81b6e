"""How a run is planned: what two plans are compared by."""

from dataclasses import dataclass

from twin.decisions.commits import SAME_START_S, same_quantity
from twin.state.entities import SiteKey
from twin.state.model import Model


@dataclass(frozen=True, slots=True)
class PlannedAs:
    """Line, start (POSIX seconds) and quantity of a planned run."""

    line_id: str
    start: float
    quantity_pcs: float

    def is_like(self, line_id: str | None, start: float | None, quantity_pcs: float) -> bool:
        """Whether another plan of the run is the same but for rounding."""
        return (
            self.line_id == line_id
            and start is not None
            and abs(self.start - start) < SAME_START_S
            and same_quantity(self.quantity_pcs, quantity_pcs)
        )


def planned_as(model: Model, run_key: SiteKey) -> PlannedAs | None:
    """How a run is planned now; None where it is not."""
    run = model.runs.get(run_key)
    if run is None:
        return None
    line = model.line_of_run[run_key]
    return PlannedAs(line.line_id, run.planned_start, run.plan.quantity_pcs)
