"""Whether cards can be trusted: a simulated month of a 12-line plant through the real twin, scored by its truth.

How many cards were right (and of which kind they were not), how many of the orders that were late from a cause older
than a day had a card a day before their truck, how many new cards a shift has to read, and whether a card flaps.
scoring.py says when a card is right, lateness.py what an old cause is.

    foresite bench alerts --seed 3         one month, a few minutes
    python -m bench.alerts --seed 3        the same with each card that was wrong and each order that was missed
"""

import argparse
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from bench.lateness import Causes, LateOrder
from bench.month import Month, live_month
from bench.results import Machine, Result, rounded, this_machine
from bench.scoring import Episode, Foresight, Referee, episodes, flaps, foresight, new_cards_by_shift, returns
from schemas import CardKind
from streams.simulator import FactorySettings
from streams.simulator.truth import OrderTruth

LINES = 12
DAYS = 30


@dataclass(frozen=True, slots=True)
class Score:
    """A month's score.

    Attributes:
        verdicts: each card with whether it was right; None: nothing can tell.
        foresights: the orders that were late from an old cause.
        late: all orders that were late.
        shifts: new cards of each shift.
        flapped: pairs of cards of one root, raised, ended and raised within an hour; returned: ended and raised.
    """

    verdicts: list[tuple[Episode, bool | None]]
    foresights: list[Foresight]
    late: list[LateOrder]
    shifts: list[int]
    flapped: list[tuple[Episode, Episode]]
    returned: list[tuple[Episode, Episode]]


def score(month: Month) -> Score:
    """Hold the cards of a month against its truth."""
    cards = episodes(month.cards)
    referee = Referee(month)
    late = list(Causes(month).late_orders())
    return Score(
        verdicts=[(each, referee.is_right(each)) for each in cards],
        foresights=foresight(late, cards, month),
        late=late,
        shifts=[*new_cards_by_shift(cards, month).values()],
        flapped=flaps(cards),
        returned=returns(cards),
    )


def measure(machine: Machine, *, quick: bool = False, seed: int = 1) -> Iterator[Result]:
    """One month, or for quick a few days of a few lines."""
    settings = FactorySettings(seed=seed, lines=4 if quick else LINES, days=3 if quick else DAYS)
    yield from rows(score(live_month(settings, _tell_progress)), machine)


def rows(scored: Score, machine: Machine) -> Iterator[Result]:
    """The figures of a score; a ratio of nothing is null."""

    def row(metric: str, value: float | None, unit: str, runs: int) -> Result:
        figure = None if value is None else rounded(value)
        return Result("alerts", metric, figure, unit, max(1, runs), figure, figure, machine)

    tally = Counter((each.first.kind.value, verdict) for each, verdict in scored.verdicts)
    yield from _precision_rows("precision", [*CardKind], tally, row)
    foreseen = sum(each.had_card for each in scored.foresights)
    missed = len(scored.foresights) - foreseen
    yield row("recall", _ratio(foreseen, missed), "share of orders", len(scored.foresights))
    yield row("late_from_old_cause_with_card", foreseen, "orders", len(scored.foresights))
    yield row("late_from_old_cause_without_card", missed, "orders", len(scored.foresights))
    warned = [each.warned_h for each in scored.foresights if each.warned_h is not None]
    yield row("median_warning_h", statistics.median(warned) if warned else None, "hours", len(warned))
    for kind, (with_card, without) in _by_cause(scored.foresights).items():
        share = _ratio(with_card, without)
        yield row(f"recall_{kind}", share, "share of orders", with_card + without)
    yield row("late_orders", len(scored.late), "orders", len(scored.late))
    shifts = len(scored.shifts)
    yield row("new_cards_a_shift_max", max(scored.shifts), "cards", shifts)
    yield row("new_cards_a_shift_mean", sum(scored.shifts) / shifts, "cards", shifts)
    yield row("flaps", len(scored.flapped), "cards", len(scored.verdicts))
    yield row("cleared_and_raised_within_an_hour", len(scored.returned), "cards", len(scored.verdicts))
    for name in CardKind:
        yield from _precision_rows(f"precision_{name.value}", [name], tally, row)


def _precision_rows(
    metric: str,
    kinds: Sequence[CardKind],
    tally: Counter[tuple[str, bool | None]],
    row: Callable[[str, float | None, str, int], Result],
) -> Iterator[Result]:
    """The ratio and its counts; of a kind that no card had, nothing."""
    right, wrong, undecided = (
        sum(tally[kind.value, verdict] for kind in kinds) for verdict in (True, False, None)
    )
    cards = right + wrong + undecided
    if not cards and len(kinds) == 1:
        return
    yield row(metric, _ratio(right, wrong), "share of cards", cards)
    suffix = metric.removeprefix("precision")
    for name, count in (("right", right), ("wrong", wrong), ("undecided", undecided)):
        yield row(f"cards_{name}{suffix}", count, "cards", cards)


def _by_cause(foresights: Iterable[Foresight]) -> dict[str, tuple[int, int]]:
    """Orders with a card and without one, by what took most of their time, by name."""
    tally = Counter(
        ("nothing" if each.order.main is None else each.order.main.kind, each.had_card) for each in foresights
    )
    kinds = sorted({kind for kind, _ in tally})
    return {kind: (tally[kind, True], tally[kind, False]) for kind in kinds}


def _ratio(good: int, bad: int) -> float | None:
    return good / (good + bad) if good + bad else None


def _tell_progress(share: float) -> None:
    """How far the month is, on standard error: in place where somebody watches, else a line each fifth."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\rsimulated month: {share:4.0%}" + ("\n" if share >= 1.0 else ""))
    elif round(share * 100.0) % 20 == 0:
        sys.stderr.write(f"simulated month: {share:.0%}\n")
    sys.stderr.flush()


def explain(month: Month, scored: Score) -> Iterator[str]:
    """Each wrong card and each missed order in a line, for looking into."""
    zone = month.settings.zone
    shipped = {each.order_id: each for each in month.truth if isinstance(each, OrderTruth)}

    def clock(at_s: float | None) -> str:
        return "-" if at_s is None else f"{datetime.fromtimestamp(at_s, zone):%a %d %H:%M}"

    for episode, verdict in scored.verdicts:
        if verdict is not False:
            continue
        first = episode.first
        orders = ", ".join(
            f"{order_id} p={each.p_late:g} promised {clock(promised_at.timestamp())} ready "
            f"{clock(shipped[order_id].ready_s) if order_id in shipped else 'never'}"
            for (order_id, promised_at), each in sorted(episode.affected().items())[:4]
        )
        yield (
            f"wrong {first.kind.value} {first.cause.entity_id} {first.cause.signal} "
            f"{clock(episode.opened_s)} - {clock(episode.ended_s)} ({len(episode.revisions)} revisions): {orders}"
        )
    for each in scored.foresights:
        order = each.order
        if each.had_card:
            continue
        losses = ", ".join(
            f"{loss.kind} {loss.where} {loss.work_s / 3600:.1f} h from {clock(loss.began_s)}"
            for loss in order.losses[:4]
        )
        yield (
            f"missed {order.order_id} truck {clock(order.truck_s)} ready {clock(order.ready_s)} "
            f"over by {order.overhang_s / 3600:.1f} h, old {order.old_overhang_s / 3600:.1f} h: {losses}"
        )
    for before, after in scored.returned:
        yield f"{'flap' if (before, after) in scored.flapped else 'return'} {before.root} ended {clock(before.ended_s)}, raised {clock(after.opened_s)}"


def main() -> None:
    """Print the figures, and what was wrong with what."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--lines", type=int, default=LINES)
    options = parser.parse_args()
    settings = FactorySettings(seed=options.seed, lines=options.lines, days=options.days)
    month = live_month(settings, _tell_progress)
    scored = score(month)
    for line in explain(month, scored):
        print(line)
    for row in rows(scored, this_machine()):
        print(f"{row.metric:>40} {row.value}")


if __name__ == "__main__":
    main()
