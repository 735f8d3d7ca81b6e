"""What only some kinds of card say, as rows for a terminal. Every number stands on the card."""

from zoneinfo import ZoneInfo

from schemas import Card, DataTrouble, QualityShift, Shortage, Stop
from twin.words import time_of

Row = tuple[str, str]


def details(card: Card, zone: ZoneInfo) -> list[Row]:
    """Rows of what is particular to the card's kind; none for a kind that has nothing of its own."""
    rows: list[Row] = []
    if card.shortage is not None:
        rows += _shortage(card.shortage, zone)
    if card.quality is not None:
        rows += _quality(card.quality, zone)
    if card.stop is not None:
        rows += _stop(card.stop, zone)
    if card.data is not None:
        rows += _data(card.data, zone)
    return rows


def _shortage(shortage: Shortage, zone: ZoneInfo) -> list[Row]:
    need = time_of(shortage.need_by.timestamp(), zone)
    missing = f"{shortage.short_quantity:,.0f} {shortage.unit} of {shortage.item_name} missing from {need}"
    have = f"{shortage.available:,.0f} there, {shortage.on_order:,.0f} on order until then"
    rows = [("part", f"{missing}; {have}")]
    if shortage.order_by is not None:
        by = time_of(shortage.order_by.timestamp(), zone)
        rows.append(("order", f"by {by} at the normal price ({shortage.lead_time_because})"))
    if shortage.next_receipt_at is not None:
        comes = time_of(shortage.next_receipt_at.timestamp(), zone)
        rows.append(("next", f"{shortage.next_receipt_id} comes {comes}"))
    return rows


def _quality(quality: QualityShift, zone: ZoneInfo) -> list[Row]:
    bad = (
        f"{quality.bad_quantity:,.0f} bad of {quality.made_quantity:,.0f} "
        f"({quality.base_rate:.1%} before, {quality.rate:.1%} now); {quality.projected_bad_quantity:,.0f} if nothing is done"
    )
    begin, end = (
        time_of(moment.timestamp(), zone) for moment in (quality.containment_from, quality.containment_to)
    )
    return [("bad", bad), ("hold", f"{quality.containment_quantity:,.0f} pieces made from {begin} to {end}")]


def _stop(stop: Stop, zone: ZoneInfo) -> list[Row]:
    reason = f" ({stop.reason})" if stop.reason else ""
    until = "nobody knows how long"
    if stop.expected_end_at is not None:
        until = f"expected until {time_of(stop.expected_end_at.timestamp(), zone)}"
    since = time_of(stop.since.timestamp(), zone)
    return [("down", f"since {since}{reason}; {until}: {stop.expected_because}")]


def _data(data: DataTrouble, zone: ZoneInfo) -> list[Row]:
    rows = []
    for claim in data.claims:
        since = "" if claim.since is None else f", {time_of(claim.since.timestamp(), zone)}"
        rows.append(("says", f"{claim.source}: {claim.value}{since}"))
    return [*rows, ("used", data.used)]
