"""What runs used of an item, as far as reports and counts tell. Answers from scratch, remembers nothing."""

from twin.material.materials import ISSUED_AHEAD, OverUse, over_use, used_after
from twin.material.supply import SupplyBook
from twin.material.supply_documents import UseAccount
from twin.state.entities import Run, SiteKey

NO_ACCOUNT = UseAccount()


def over_use_of(book: SupplyBook, item_key: SiteKey) -> OverUse:
    """Observed use of an item over its bills of material."""
    site_id, item_id = item_key
    observed = []
    for run_id, account in sorted(book.accounts.get(item_key, {}).items()):
        quantity_per = book.takes.get((site_id, run_id), {}).get(item_id)
        if quantity_per is not None and account.reports:
            observed.append((account.seen_used, account.seen_made, quantity_per, account.reports))
    return over_use(observed)


def unmarked_use(book: SupplyBook, item_key: SiteKey, run: Run, use: OverUse) -> float:
    """Units that a run took after the moment of which its use is known, by its counts."""
    quantity_per = book.takes.get((run.site_id, run.run_id), {}).get(item_key[1])
    reported_at = book.reported_at(item_key)
    ended = run.progress.ended_at
    if quantity_per is None or reported_at is None or (ended is not None and ended <= reported_at):
        return 0.0
    account = book.accounts.get(item_key, {}).get(run.run_id, NO_ACCOUNT)
    taken = used_after(run.progress.made_pcs, account.made, quantity_per * (1.0 + use.share))
    return max(0.0, taken - issued_ahead(account, quantity_per, use))


def units_per_good(run: Run, quantity_per: float, use: OverUse) -> float:
    """Units that a good piece takes: by the bill, with over-use, and for the pieces expected to be bad."""
    return quantity_per * (1.0 + use.share) / run.expected_yield


def issued_ahead(account: UseAccount, quantity_per: float, use: OverUse) -> float:
    """Units that a run was handed out ahead of its pieces; only where it is far more than it can have used."""
    by_bill = account.seen_made * quantity_per
    if account.reports == 0 or account.seen_used <= ISSUED_AHEAD * by_bill:
        return 0.0
    return account.seen_used - by_bill * (1.0 + use.share)


def forget_run(book: SupplyBook, run: Run) -> None:
    """The run is dropped; what it used since the stock report stays used."""
    key = (run.site_id, run.run_id)
    used: dict[str, float] = {}
    for item_id in book.takes.get(key, {}):
        item_key = (run.site_id, item_id)
        if run.is_finished:
            used[item_id] = unmarked_use(book, item_key, run, over_use_of(book, item_key))
    book.drop_run(run, used)
