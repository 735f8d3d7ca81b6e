"""What is said of material: stock, receipts, bills of material, consumption; and the hour at which it is weighed.

Events only note; what follows is worked out at the next tick, for the items that they touched and for those whose
gates depend on the hour. A count costs nothing here unless it speaks of the time before a stock report.
"""

from collections.abc import Callable, Iterable
from math import inf
from typing import Any

from schemas import (
    BillOfMaterialUpserted,
    CardKind,
    Event,
    ItemUpserted,
    MaterialConsumed,
    ReceiptExpected,
    ReceiptReceived,
    StockReported,
)
from twin.judges.risk import Root
from twin.material.allocation import allocation_of
from twin.material.materials import HOUR_S, used_after
from twin.material.shortfall import NEGLIGIBLE_SHARE, RAISE_SHARE, shortage_signal, shortfall_of
from twin.material.supply_documents import UseAccount
from twin.material.usage import over_use_of
from twin.replan.replan_triggers import note_announced, note_received
from twin.session import Session
from twin.state.entities import Line, Run, SiteKey
from twin.state.plant import EVERYWHERE, Word
from twin.state.runs import RunState

REMARK_SHARE = 0.01
"""Share of a run's pieces by which it may make more than its good ones ask for before its material is weighed anew.
Smaller: items are worked out more often; larger: scrap shows in shortages later."""


class Stockroom:
    """Folds what is said of material.

    Args:
        session: shared with the twin's other handlers.
        keep: takes an event as the last word on what it speaks of.
    """

    def __init__(self, session: Session, keep: Callable[[Event], Word]) -> None:
        self._session = session
        self._keep = keep

    def handlers(self) -> dict[str, Callable[[Any], None]]:
        """Kind -> what folds it."""
        return {
            "stock_reported": self._on_stock,
            "receipt_expected": self._on_expected,
            "receipt_received": self._on_received,
            "bill_of_material_upserted": self._on_bill,
        }

    def followers(self) -> dict[str, Callable[[Any], None]]:
        """Kind -> what is to follow once others have folded it."""
        return {"item_upserted": self._on_item, "rules_updated": self._on_terms}

    def _on_stock(self, event: StockReported) -> None:
        """Stock as counted: what was used and what came before is in it."""
        if self._keep(event) not in (Word.NEW, Word.CHANGED):
            return
        book = self._session.model.supply
        key = (event.site_id, event.item_id)
        before = book.reported_at(key)
        book.put_stock(event)
        reported_at = book.reported_at(key)
        assert reported_at is not None
        if before is None or reported_at > before:
            self._begin_anew(key, reported_at)
        book.touch(key, event.event_time.timestamp())

    def _on_expected(self, event: ReceiptExpected) -> None:
        """A receipt is on its way, or comes at another time than was said."""
        book = self._session.model.supply
        before = book.receipts.get((event.site_id, event.receipt_id))
        if self._keep(event) in (Word.NEW, Word.CHANGED):
            note_announced(self._session.model, self._session.now, before, event)
            book.put_expected(event)
            self._touch(event.site_id, [event.item_id], event)

    def _on_received(self, event: ReceiptReceived) -> None:
        """Goods came; the quantity is what came in all."""
        book = self._session.model.supply
        if self._keep(event) in (Word.NEW, Word.CHANGED):
            expected = book.receipts.get((event.site_id, event.receipt_id))
            note_received(self._session.model, self._session.now, expected, event, event.item_id)
            book.put_arrival(event)
            self._touch(event.site_id, [event.item_id], event)

    def _on_bill(self, event: BillOfMaterialUpserted) -> None:
        """What a product is made of: its runs take other items, or other quantities."""
        if self._keep(event) not in (Word.NEW, Word.CHANGED):
            return
        model = self._session.model
        for key in self._makers(event.site_id, event.item_id):
            run = model.runs[key]
            known = {*model.supply.takes.get(key, {})}
            model.supply.link_run(run)
            for item_id in model.supply.takes.get(key, {}):
                reported_at = model.supply.reported_at((key[0], item_id))
                if item_id not in known and reported_at is not None:
                    self._mark((key[0], item_id), run, reported_at)
        # A product that was bought so far is one that the plant makes now.
        self._touch(event.site_id, [event.item_id], event)

    def _on_item(self, event: ItemUpserted) -> None:
        """Lead time, buyer or expected scrap changed."""
        model = self._session.model
        model.supply.rename(event)
        concerned = [event.item_id]
        for key in self._makers(event.site_id, event.item_id):
            concerned += model.supply.takes.get(key, {})
        self._touch(event.site_id, concerned, event)

    def _on_terms(self, event: Event) -> None:
        """Rules changed: every item is weighed anew."""
        book = self._session.model.supply
        for key in [key for key in sorted(book.items) if event.site_id in (EVERYWHERE, key[0])]:
            book.touch(key, event.event_time.timestamp())

    def on_consumed(self, line: Line, run: Run, event: MaterialConsumed) -> None:
        """A run used material."""
        book = self._session.model.supply
        key = (event.site_id, event.item_id)
        moment = event.event_time.timestamp()
        account = book.account(key, run)
        account.seen_used += event.quantity
        account.reports += 1
        reported_at = book.reported_at(key)
        if reported_at is None or moment > reported_at:
            account.enter(moment, event.quantity)
        if moment >= account.reported_at:
            account.reported_at, account.event_id = moment, event.event_id
            if moment >= account.at:
                account.good, account.made = _made_by(line, run, account, moment)
                account.at, account.estimated = moment, 0.0
            account.seen_made = account.made
        book.save_account(key, run)
        book.touch(key, moment)

    def on_late_count(self, run: Run, moment: float, good: float, made: float) -> None:
        """Pieces of the time before use was last known, or of a run that has ended."""
        book = self._session.model.supply
        for item_id in sorted({*book.takes.get((run.site_id, run.run_id), {})}):
            key = (run.site_id, item_id)
            account = book.accounts.get(key, {}).get(run.run_id)
            if account is not None and moment <= account.at:
                account.good = max(0.0, account.good + good)
                account.made = max(0.0, account.made + made)
                book.save_account(key, run)
                book.touch(key, moment)
            elif run.is_finished:
                book.touch(key, moment)

    def on_finished(self, run: Run, moment: float) -> None:
        """A run has ended: it takes nothing any more."""
        book = self._session.model.supply
        takes = book.takes.get((run.site_id, run.run_id), {})
        for item_id in takes:
            book.touch((run.site_id, item_id), moment)
        if takes:
            run.use_known_at = inf

    # Time

    def settle(self, now: float, *, is_new_minute: bool) -> list[SiteKey]:
        """Work out anew what was touched, and what depends on the hour; lines that have to wait otherwise are dirty.

        Args:
            now: the shard's clock.
            is_new_minute: time may speak for itself: it is a new minute, and ingest is not behind.

        Returns:
            The items that were worked out.
        """
        model = self._session.model
        book = model.supply
        if is_new_minute:
            self._remark()
        hour = now - now % HOUR_S
        due = {**book.dirty}
        if is_new_minute:
            due |= dict.fromkeys(key for key in book.clocked if book.items[key].hour != hour)
        lines: dict[SiteKey, Line] = {}
        for key in sorted(due):
            if book.items[key].hour is not None and not book.items[key].dirty:
                book.items[key].touched_at = max(book.items[key].touched_at, hour)
            found = allocation_of(model, key, now)
            book.items[key].over_use = found.over_use.share
            for run_id in book.put_gates(key, found.gates, found.hour):
                line = model.line_of_run.get((key[0], run_id))
                if line is not None:
                    lines[line.site_id, line.line_id] = line
        for _, line in sorted(lines.items()):
            self._session.mark_dirty(line)
        return sorted(due)

    def roots(self, keys: Iterable[SiteKey]) -> list[Root]:
        """Roots of the cards of items."""
        return [(CardKind.MATERIAL_SHORTAGE.value, "item", *key) for key in keys]

    def tell(self, keys: Iterable[SiteKey], now: float) -> None:
        """Signal shortages that appeared or went away among items that were worked out."""
        model = self._session.model
        for key in keys:
            supply = model.supply.items.get(key)
            if supply is None:
                continue
            least = RAISE_SHARE if supply.short_since is None else NEGLIGIBLE_SHARE
            found = shortfall_of(model, key, now, least)
            if (found is not None) == (supply.short_since is not None):
                continue
            began = supply.short_since
            supply.short_since = None if found is None else supply.touched_at
            model.supply.save_item(key)
            since = began if supply.short_since is None else supply.short_since
            self._session.outputs.append(
                shortage_signal(model, key, found, since or now, now, self._session.cause)
            )

    def _remark(self) -> None:
        """Runs that make much more than their good pieces ask for: what they used so far is written off by count."""
        model = self._session.model
        book = model.supply
        for _, line in sorted(model.lines.items()):
            run = line.run
            if run is None or (run.site_id, run.run_id) not in book.takes:
                continue
            progress, quantity = run.progress, run.plan.quantity_pcs
            if progress.state is RunState.PLANNED:
                continue
            for item_id, quantity_per in book.takes[run.site_id, run.run_id].items():
                key = (run.site_id, item_id)
                if book.reported_at(key) is None:
                    continue
                account = book.accounts.get(key, {}).get(run.run_id) or UseAccount()
                to_make = max(0.0, quantity - progress.good_pcs) - max(0.0, quantity - account.good)
                extra = progress.made_pcs - account.made + to_make / run.expected_yield
                if abs(extra) <= REMARK_SHARE * quantity / run.expected_yield:
                    continue
                account = book.account(key, run)
                use = over_use_of(book, key)
                account.estimated += used_after(
                    progress.made_pcs, account.made, quantity_per * (1.0 + use.share)
                )
                account.good, account.made = progress.good_pcs, progress.made_pcs
                account.at = max(account.at, line.state.last_event_at or 0.0)
                book.save_account(key, run)
                book.touch(key, account.at)

    def _begin_anew(self, key: SiteKey, reported_at: float) -> None:
        """A younger stock report: use and receipts up to its moment are in it."""
        model = self._session.model
        book = model.supply
        supply = book.items.get(key)
        if supply is not None:
            supply.carried = 0.0
        runs = {**book.users.get(key, {}), **dict.fromkeys(book.accounts.get(key, {}))}
        for run_id in sorted(runs):
            run = model.runs[key[0], run_id]
            ended = run.progress.ended_at
            account = book.accounts.get(key, {}).get(run_id)
            if ended is not None and ended <= reported_at:
                if account is not None and account.reports == 0:
                    book.drop_account(key, run_id)
                elif account is not None:
                    account.entries = [entry for entry in account.entries if entry[0] > reported_at]
                    account.estimated = 0.0
                    book.save_account(key, run)
                continue
            self._mark(key, run, reported_at)

    def _mark(self, key: SiteKey, run: Run, moment: float) -> None:
        """Note what a run had made by a stock report, and forget what it had used by then."""
        model = self._session.model
        book = model.supply
        began = run.progress.first_started_at
        account = book.accounts.get(key, {}).get(run.run_id)
        if account is None and (began is None or began >= moment) and run.progress.made_pcs <= 0:
            return
        account = book.account(key, run)
        account.entries = [entry for entry in account.entries if entry[0] > moment]
        if account.at <= moment:
            line = model.line_of_run[run.site_id, run.run_id]
            account.good, account.made = _made_by(line, run, account, moment)
            account.at, account.estimated = moment, 0.0
        book.save_account(key, run)

    def _touch(self, site_id: str, items: Iterable[str], event: Event) -> None:
        book = self._session.model.supply
        for item_id in items:
            for site in book.sites_of(site_id):
                book.touch((site, item_id), event.event_time.timestamp())

    def _makers(self, site_id: str, product: str) -> list[SiteKey]:
        book = self._session.model.supply
        return [
            (site, run_id)
            for site in book.sites_of(site_id)
            for run_id in sorted(book.makers.get((site, product), {}))
        ]


def _made_by(line: Line, run: Run, account: UseAccount, moment: float) -> tuple[float, float]:
    """Good pieces, and all, that a run had made by a moment: between two known ones in step with working time."""
    progress = run.progress
    last = progress.ended_at if progress.ended_at is not None else line.state.last_event_at
    if last is None or moment >= last:
        return progress.good_pcs, progress.made_pcs
    first = account.at or progress.first_started_at
    if first is None or moment <= first:
        return account.good, account.made
    span = line.calendar.work_between(first, last)
    share = line.calendar.work_between(first, moment) / span if span > 0 else 1.0
    good = account.good + (progress.good_pcs - account.good) * share
    return good, account.made + (progress.made_pcs - account.made) * share
