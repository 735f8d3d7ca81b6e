"""What is known of material: stock, receipts, what runs take and took, and what follows from it for each item.

Holds documents and indexes only. The rules by which events change them are in stockroom.py, the arithmetic is in
materials.py, and allocation.py works out from here which run has to wait.
"""

from collections.abc import Mapping, Sequence
from math import inf

from schemas import (
    ItemUpserted,
    ReceiptExpected,
    ReceiptReceived,
    StockReported,
    join_key,
)
from twin.material.materials import Gate, decisive, received_since
from twin.material.supply_documents import ARRIVALS_KEPT, Arrivals, ItemSupply, UseAccount
from twin.material.supply_graph import SupplyGraph
from twin.state.entities import Run, SiteKey
from twin.state.graph import PlantGraph
from twin.state.plant import EVERYWHERE, Plant, PlantKey, upsert_key
from twin.state.store import DocumentStore


class SupplyBook:
    """Stock, receipts and use of a shard, by site and item."""

    def __init__(self, store: DocumentStore, plant: Plant, graph: PlantGraph) -> None:
        self._store = store
        self._plant = plant
        self._edges = SupplyGraph(graph, plant)
        self.items: dict[SiteKey, ItemSupply] = {}
        self.dirty: dict[SiteKey, None] = {}
        self.clocked: dict[SiteKey, None] = {}  # items whose gates depend on the hour
        self.lots: dict[SiteKey, dict[PlantKey, StockReported]] = {}
        self.receipts: dict[SiteKey, ReceiptExpected] = {}  # wholly received ones too, until retention
        self.expected: dict[SiteKey, dict[str, None]] = {}  # item -> receipts
        self.arrivals: dict[SiteKey, Arrivals] = {}  # receipt -> what came
        self.arrived: dict[SiteKey, dict[str, None]] = {}  # item -> receipts of which something came
        self.accounts: dict[SiteKey, dict[str, UseAccount]] = {}  # item -> runs
        self.used: dict[SiteKey, dict[str, None]] = {}  # run -> items of which it has an account
        self.takes: dict[
            SiteKey, dict[str, float]
        ] = {}  # run -> items by its bill of material, and units a piece
        self.users: dict[SiteKey, dict[str, None]] = {}  # item -> runs that take it
        self.makers: dict[SiteKey, dict[str, None]] = {}  # product -> runs that make it
        self._sites: dict[str, None] = {}
        self._product: dict[SiteKey, str] = {}
        self._gates: dict[str, dict[str, tuple[Gate, ...]]] = {}  # site -> run -> gates of all its items

    # What runs take

    def link_run(self, run: Run) -> None:
        """The run is planned, or planned otherwise: its items are to be worked out anew."""
        key = (run.site_id, run.run_id)
        self._unlink(key)
        self._sites[run.site_id] = None
        self._product[key] = run.plan.item_id
        self.makers.setdefault((run.site_id, run.plan.item_id), {})[run.run_id] = None
        bill = self._plant.bill(run.site_id, run.plan.item_id)
        takes: dict[str, float] = {}
        for component in [] if bill is None else bill.components:
            takes[component.item_id] = takes.get(component.item_id, 0.0) + component.quantity_per
        if takes:
            self.takes[key] = takes
            if run.is_finished:
                run.use_known_at = inf
        for item_id in takes:
            self.users.setdefault((run.site_id, item_id), {})[run.run_id] = None
            self.touch((run.site_id, item_id), run.plan.event_time.timestamp())
        self._edges.link_run(run, takes, bill)

    def drop_run(self, run: Run, used_unmarked: Mapping[str, float]) -> None:
        """The run is forgotten; what it used since the stock report stays used.

        Args:
            run: before its node leaves the graph.
            used_unmarked: units by item that it took after the moment of which its use is known.
        """
        key = (run.site_id, run.run_id)
        concerned = sorted({*self.takes.get(key, {}), *self.used.get(key, {})})
        self._unlink(key)
        for item_id in concerned:
            item_key = (run.site_id, item_id)
            account = self.accounts.get(item_key, {}).get(run.run_id)
            self.drop_account(item_key, run.run_id)
            supply = self.items.get(item_key)
            if supply is None:
                continue
            supply.carried += (0.0 if account is None else account.used) + used_unmarked.get(item_id, 0.0)
            self.touch(item_key, supply.touched_at)
        self._edges.unlink_run(key)

    def account(self, item_key: SiteKey, run: Run) -> UseAccount:
        """The run's account of an item, made if there is none; to be saved after it was changed."""
        self.used.setdefault((run.site_id, run.run_id), {})[item_key[1]] = None
        return self.accounts.setdefault(item_key, {}).setdefault(run.run_id, UseAccount())

    def save_account(self, item_key: SiteKey, run: Run) -> None:
        """The account changed."""
        account = self.accounts[item_key][run.run_id]
        self._store.put(self._account_key(item_key, run.run_id), account)
        run.use_known_at = max(run.use_known_at, account.at)

    def drop_account(self, item_key: SiteKey, run_id: str) -> None:
        """The account says nothing that stock and count do not say."""
        if self.accounts.get(item_key, {}).pop(run_id, None) is None:
            return
        self._store.remove(self._account_key(item_key, run_id))
        of_run = self.used[item_key[0], run_id]
        del of_run[item_key[1]]
        if not of_run:
            del self.used[item_key[0], run_id]

    def _account_key(self, item_key: SiteKey, run_id: str) -> str:
        return join_key(item_key[0], "material_use", run_id, item_key[1])

    def _unlink(self, key: SiteKey) -> None:
        site_id, run_id = key
        product = self._product.pop(key, None)
        if product is not None:
            del self.makers[site_id, product][run_id]
        for item_id in self.takes.pop(key, {}):
            item_key = (site_id, item_id)
            del self.users[item_key][run_id]
            self.touch(item_key, 0.0)
            if not self.users[item_key]:
                del self.users[item_key]

    def sites_of(self, site_id: str) -> list[str]:
        """The site, or where it is "*" every site that plans runs."""
        return sorted(self._sites) if site_id == EVERYWHERE else [site_id]

    def rename(self, event: ItemUpserted) -> None:
        """An item is called otherwise, or has another buyer."""
        for site_id in self.sites_of(event.site_id):
            self._edges.link_owner(site_id, event)

    # Stock and receipts

    def put_stock(self, event: StockReported) -> None:
        """Take over stock of a lot at a location."""
        self.lots.setdefault((event.site_id, event.item_id), {})[upsert_key(event)] = event

    def reported_at(self, item_key: SiteKey) -> float | None:
        """The youngest stock report of the item: it knows what was used and what came before it."""
        lots = self.lots.get(item_key)
        return max(lot.event_time.timestamp() for lot in lots.values()) if lots else None

    def put_expected(self, event: ReceiptExpected) -> None:
        """Take over a receipt that is on its way."""
        key = (event.site_id, event.receipt_id)
        before = self.receipts.get(key)
        if before is not None and before.item_id != event.item_id:
            other = (event.site_id, before.item_id)
            del self.expected[other][event.receipt_id]
            self.touch(other, event.event_time.timestamp())
        self.receipts[key] = event
        self.expected.setdefault((event.site_id, event.item_id), {})[event.receipt_id] = None
        if self.open_quantity(key) > 0:
            self._edges.link_receipt(event)
        else:
            self._edges.unlink_receipt(key)

    def put_arrival(self, event: ReceiptReceived) -> None:
        """Take over what came of a receipt."""
        key = (event.site_id, event.receipt_id)
        arrivals = self.arrivals.setdefault(key, Arrivals(event.item_id))
        arrivals.steps.append((event.event_time.timestamp(), event.quantity))
        arrivals.steps.sort()
        del arrivals.steps[:-ARRIVALS_KEPT]
        self.arrived.setdefault((event.site_id, arrivals.item_id), {})[event.receipt_id] = None
        self._store.put(join_key(event.site_id, "arrivals", event.receipt_id), arrivals)
        if self.open_quantity(key) <= 0:
            self._edges.unlink_receipt(key)

    def open_quantity(self, key: SiteKey) -> float:
        """Units of a receipt that are still to come."""
        event = self.receipts.get(key)
        return 0.0 if event is None else max(0.0, event.quantity - self.received(key))

    def received(self, key: SiteKey) -> float:
        """Units of a receipt that came in all."""
        arrivals = self.arrivals.get(key)
        return arrivals.steps[-1][1] if arrivals is not None and arrivals.steps else 0.0

    def forget_old(self, site_id: str, before: float) -> None:
        """Retention: receipts that are over or given up, and lots that were empty, go."""
        for key in sorted({*self.receipts, *self.arrivals}):
            event, arrivals = self.receipts.get(key), self.arrivals.get(key)
            last = -inf if event is None else event.expected_at.timestamp()
            last = max(last, arrivals.steps[-1][0] if arrivals else -inf)
            if key[0] == site_id and last < before:
                self._forget_receipt(key)
        for item_key in sorted(self.lots):
            youngest = self.reported_at(item_key)
            for lot_key, lot in sorted(self.lots[item_key].items()):
                told = lot.event_time.timestamp()
                if item_key[0] == site_id and lot.quantity <= 0 and told < before and told != youngest:
                    del self.lots[item_key][lot_key]
                    self._plant.forget(*lot_key)

    def _forget_receipt(self, key: SiteKey) -> None:
        event, arrivals = self.receipts.pop(key, None), self.arrivals.pop(key, None)
        if event is not None:
            del self.expected[key[0], event.item_id][key[1]]
            self._plant.forget(key[0], "receipt_expected", key[1])
            self.touch((key[0], event.item_id), 0.0)
        if arrivals is not None:
            item_key = (key[0], arrivals.item_id)
            reported_at = self.reported_at(item_key)
            came = 0.0 if reported_at is None else received_since(arrivals.steps, reported_at)
            if came > 0:
                # Nobody has counted since: what came is there although its receipt is forgotten.
                self.items.setdefault(item_key, ItemSupply()).carried -= came
            del self.arrived[key[0], arrivals.item_id][key[1]]
            self._plant.forget(key[0], "receipt_received", key[1])
            self._store.remove(join_key(key[0], "arrivals", key[1]))
            self.touch(item_key, 0.0)
        self._edges.unlink_receipt(key)

    # What follows

    def touch(self, item_key: SiteKey, moment: float) -> None:
        """Something about an item that runs take changed: the next tick works its gates out anew."""
        supply = self.items.get(item_key)
        if supply is None:
            if item_key not in self.users:
                return
            supply = self.items[item_key] = ItemSupply()
        supply.dirty = True
        supply.touched_at = max(supply.touched_at, moment)
        self.dirty[item_key] = None
        self.save_item(item_key)

    def save_item(self, item_key: SiteKey) -> None:
        """What follows for an item changed."""
        self._store.put(join_key(item_key[0], "supply", item_key[1]), self.items[item_key])

    def put_gates(
        self, item_key: SiteKey, gates: Mapping[str, Sequence[Gate]], hour: float | None
    ) -> list[str]:
        """Take over what follows for an item; says the runs for which it changed."""
        supply = self.items[item_key]
        before = supply.gates
        supply.gates = {run_id: list(each) for run_id, each in sorted(gates.items())}
        supply.hour, supply.dirty = hour, False
        self.dirty.pop(item_key, None)
        self._note_clock(item_key, supply)
        self.save_item(item_key)
        changed = sorted(
            run_id for run_id in {**before, **supply.gates} if before.get(run_id) != supply.gates.get(run_id)
        )
        for run_id in changed:
            self._merge(item_key[0], run_id)
        if item_key not in self.users and supply.carried == 0.0 and supply.short_since is None:
            del self.items[item_key]
            self.clocked.pop(item_key, None)
            self._store.remove(join_key(item_key[0], "supply", item_key[1]))
        return changed

    def gates_of(self, site_id: str) -> Mapping[str, tuple[Gate, ...]]:
        """Gates of every run of a site that has any, over all its items; only those that can decide when it ends."""
        return self._gates.get(site_id, {})

    def _note_clock(self, item_key: SiteKey, supply: ItemSupply) -> None:
        if supply.hour is None:
            self.clocked.pop(item_key, None)
        else:
            self.clocked[item_key] = None

    def _merge(self, site_id: str, run_id: str) -> None:
        merged: list[Gate] = []
        for item_id in sorted(self.takes.get((site_id, run_id), {})):
            supply = self.items.get((site_id, item_id))
            merged += [] if supply is None else supply.gates.get(run_id, [])
        of_site = self._gates.setdefault(site_id, {})
        if merged:
            of_site[run_id] = decisive(merged)
        else:
            of_site.pop(run_id, None)

    # Restoring

    def restore(
        self,
        items: Mapping[SiteKey, ItemSupply],
        accounts: Mapping[tuple[str, str, str], UseAccount],
        arrivals: Mapping[SiteKey, Arrivals],
        runs: Mapping[SiteKey, Run],
    ) -> None:
        """Take over documents after plant and runs were; accounts by site, run and item."""
        for stock in self._plant.of_type(StockReported):
            self.put_stock(stock)
        self.arrivals = dict(arrivals)
        for (site_id, receipt_id), each in arrivals.items():
            self.arrived.setdefault((site_id, each.item_id), {})[receipt_id] = None
        for expected in self._plant.of_type(ReceiptExpected):
            self.put_expected(expected)
        for (site_id, run_id, item_id), account in accounts.items():
            self.accounts.setdefault((site_id, item_id), {})[run_id] = account
            self.used.setdefault((site_id, run_id), {})[item_id] = None
            run = runs[site_id, run_id]
            run.use_known_at = max(run.use_known_at, account.at)
        for key, run in runs.items():
            if run.is_finished and key in self.takes:
                run.use_known_at = inf
        self.items = dict(items)
        self.dirty = {key: None for key, supply in self.items.items() if supply.dirty}
        for item_key, supply in self.items.items():
            self._note_clock(item_key, supply)
            for run_id in supply.gates:
                self._merge(item_key[0], run_id)
