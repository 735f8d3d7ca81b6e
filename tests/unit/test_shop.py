"""The shop whose plan somebody else makes: one world for every plan, and a floor that follows what ERP says."""

from collections.abc import Sequence

from schemas import CountReported, OrderShipped, RunPlanned, RunStarted
from streams.simulator.book import Order, Run
from streams.simulator.clock import moment
from streams.simulator.dispatch_rule import Waiting, plan_by_rule
from streams.simulator.plant import Line
from streams.simulator.settings import FactorySettings
from streams.simulator.shop import Shop
from streams.simulator.truth import OrderTruth, RunTruth, ShortageTruth, StopTruth

HOUR_S = 3_600.0
DAY_S = 86_400.0
SETTINGS = FactorySettings(seed=4, lines=4, areas=2, days=5, load=0.7, setup_scale=2.0, count_step_s=900.0)


def worked(shop: Shop, days: int, *, by_rule: bool) -> Shop:
    """The shop after so many days, planned anew each morning or left as ERP places runs."""
    start_s = shop.settings.start_s
    for day in range(days + 1):
        for _ in shop.advance(start_s + day * DAY_S):
            pass
        if by_rule:
            now_s = start_s + day * DAY_S
            shop.replan(plan_by_rule(shop.site, shop.waiting(), shop.free(), now_s).positions)
    return shop


def runs_of(shop: Shop) -> dict[str, RunTruth]:
    return {record.run_id: record for record in shop.truth if isinstance(record, RunTruth)}


def test_two_plans_meet_one_world() -> None:
    """The same orders, promises, run speeds and drifts; a setup of the same planned length takes the same time."""
    by_rule = worked(Shop(SETTINGS), 5, by_rule=True)
    by_erp = worked(Shop(SETTINGS), 5, by_rule=False)

    def asked(shop: Shop) -> list[tuple[str, str, int, float, float]]:
        return [
            (each.order.order_id, each.order.item.item_id, each.order.quantity_pcs, each.told_s, each.order.promised_s)
            for each in shop.placed
        ]  # fmt: skip

    assert asked(by_erp) == asked(by_rule)
    here, there = runs_of(by_rule), runs_of(by_erp)
    both = sorted(here.keys() & there.keys())
    assert len(both) > 30
    assert [there[run_id].speed for run_id in both] == [here[run_id].speed for run_id in both]
    alike = [run_id for run_id in both if here[run_id].planned_setup_s == there[run_id].planned_setup_s]
    assert [there[run_id].setup_s for run_id in alike] == [here[run_id].setup_s for run_id in alike]
    assert any(here[run_id].line_id != there[run_id].line_id for run_id in both), "the plans were the same"


def test_a_stop_is_over_at_the_same_moment_whatever_the_line_made() -> None:
    """Stops belong to the line and the clock: those that both plans met in a run end at the same second."""
    ends = []
    for by_rule in (True, False):
        shop = worked(Shop(SETTINGS), 5, by_rule=by_rule)
        ends.append({(stop.line_id, stop.reason, round(stop.end_s)) for stop in shop.truth if isinstance(stop, StopTruth)})  # fmt: skip
    shared = ends[0] & ends[1]
    assert len(shared) >= 0.7 * max(map(len, ends)), (len(shared), list(map(len, ends)))


def test_the_same_shop_twice_is_the_same_to_the_byte() -> None:
    said = []
    for _ in range(2):
        shop = Shop(SETTINGS)
        events = [event for _, event in shop.advance(SETTINGS.start_s + 2 * DAY_S)]
        said.append([event.model_dump_json() for event in events])
    assert said[0] == said[1]
    assert any('"run_completed"' in text for text in said[0])


def test_the_floor_makes_a_moved_run_where_and_when_it_was_moved_to() -> None:
    """The last run of a queue goes first on another line of its area; the floor begins with it."""
    shop = Shop(SETTINGS)
    said = [event for _, event in shop.advance(SETTINGS.start_s + 2 * HOUR_S)]
    waiting = [each for each in shop.waiting() if each.run.release_s < shop.kernel.now_s]
    chosen = next(
        each for each in reversed(waiting) if each.run is not shop.book.queues[each.run.line.line_id][0]
    )
    run = chosen.run
    other = next(line for line in chosen.lines if line is not run.line)
    start_s = shop.kernel.now_s
    planned = next(event for event in said if isinstance(event, RunPlanned) and event.run_id == run.run_id)
    moved = {
        "line_id": other.line_id,
        "planned_start_at": moment(start_s, SETTINGS.zone),
        "planned_end_at": moment(other.calendar.add_work(start_s, HOUR_S), SETTINGS.zone),
    }
    shop.carry_out(planned.model_copy(update=moved))

    events = [event for _, event in shop.advance(SETTINGS.start_s + 2 * DAY_S)]

    started = [event for event in events if isinstance(event, RunStarted) and event.line_id == other.line_id]
    assert run.run_id == started[0].run_id


def test_what_has_begun_is_not_moved() -> None:
    shop = Shop(SETTINGS)
    said = [event for _, event in shop.advance(SETTINGS.start_s + 30 * HOUR_S)]
    begun = next(event for event in said if isinstance(event, RunStarted))
    planned = next(event for event in said if isinstance(event, RunPlanned) and event.run_id == begun.run_id)
    queues = {line_id: list(queue) for line_id, queue in shop.book.queues.items()}
    shop.carry_out(planned.model_copy(update={"line_id": "L4"}))
    assert queues == shop.book.queues


def test_every_order_that_was_placed_leaves_or_is_taken_back() -> None:
    shop = worked(Shop(SETTINGS), 25, by_rule=True)
    left = {record.order_id for record in shop.truth if isinstance(record, OrderTruth)}
    assert 0 == shop.open_orders
    assert left == {each.order.order_id for each in shop.placed if not each.order.is_cancelled}
    assert all(each.cancelled_s is not None for each in shop.placed if each.order.is_cancelled)


def test_nobody_starves_and_nothing_is_offered_in_overtime() -> None:
    shop = Shop(SETTINGS)
    kinds = {event.kind for event in shop.start_events()}
    assert "overtime_window_upserted" not in kinds
    events = [event for _, event in shop.advance(SETTINGS.start_s + 3 * DAY_S)]
    assert any(isinstance(event, CountReported) for event in events)
    assert any(isinstance(event, OrderShipped) for event in events)
    starved = [record for record in shop.truth if isinstance(record, ShortageTruth)]
    assert [] == starved


class TestTheRule:
    """ATCS on three runs and one line, by hand."""

    def shop(self) -> Shop:
        return Shop(FactorySettings(seed=4, lines=1, areas=1, days=2, noise=0.0, disturbances=False))

    def run(self, shop: Shop, run_id: str, family: str, hours: float, due_h: float) -> Run:
        (line,) = shop.site.lines
        template = shop.placed[0].order
        item = next(item for item in shop.site.items.values() if item.family == family)
        start_s = shop.settings.start_s
        order = Order(
            run_id, template.customer, item, 10, line.calendar.add_work(start_s, due_h * HOUR_S), template.route, None, 0
        )  # fmt: skip
        pieces = round(hours * line.rate_pcs_per_h)
        return Run(run_id, line, item, pieces, start_s, start_s, start_s, start_s, pegs=[(order, pieces)])

    def sequence(self, shop: Shop, runs: Sequence[Run], family: str) -> list[str]:
        lines: list[Line] = shop.site.lines
        plan = plan_by_rule(
            shop.site,
            [Waiting(run, lines) for run in runs],
            {lines[0].line_id: (shop.settings.start_s, family)},
            shop.settings.start_s,
        )
        return [position.run.run_id for position in plan.positions[lines[0].line_id]]

    def test_without_haste_families_stay_together(self) -> None:
        """All due in a hundred hours: the line begins with what it is set up for."""
        shop = self.shop()
        runs = [
            self.run(shop, "R-1", "blue", 2.0, 100.0),
            self.run(shop, "R-2", "red", 2.0, 100.0),
            self.run(shop, "R-3", "blue", 2.0, 100.0),
        ]
        assert ["R-2", "R-1", "R-3"] == self.sequence(shop, runs, "red")

    def test_what_is_due_now_goes_first_whatever_the_setup(self) -> None:
        shop = self.shop()
        runs = [
            self.run(shop, "R-1", "red", 8.0, 100.0),
            self.run(shop, "R-2", "blue", 1.0, 2.5),
            self.run(shop, "R-3", "red", 8.0, 100.0),
        ]
        assert "R-2" == self.sequence(shop, runs, "red")[0]

    def test_what_has_no_material_waits(self) -> None:
        shop = self.shop()
        runs = [self.run(shop, "R-1", "red", 2.0, 3.0), self.run(shop, "R-2", "red", 2.0, 50.0)]
        runs[0].release_s = shop.settings.start_s + HOUR_S
        assert ["R-2", "R-1"] == self.sequence(shop, runs, "red")
