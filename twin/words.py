"""Numbers and times as people in the plant write them, in the site's zone."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


def utc(moment: float) -> datetime:
    """POSIX seconds as a UTC datetime, to the millisecond."""
    return datetime.fromtimestamp(round(moment * 1000) / 1000, UTC)


def day_of(moment: float, zone: ZoneInfo) -> str:
    """Day with weekday: "Tue 24 Nov"."""
    return f"{datetime.fromtimestamp(moment, zone):%a %-d %b}"


def time_of(moment: float, zone: ZoneInfo) -> str:
    """Day and minute: "Tue 24 Nov 12:00"."""
    return f"{datetime.fromtimestamp(moment, zone):%a %-d %b %H:%M}"


def money(amount: float, currency: str) -> str:
    """Whole money with thousands: "4,103 EUR"."""
    return f"{amount:,.0f} {currency}".replace("-0 ", "0 ")


def plural(count: float, word: str) -> str:
    """Count and word: "1 day", "2 days"."""
    return f"{count:g} {word}" if count == 1 else f"{count:g} {word}s"
