"""Until when somebody is left alone, by the clock on their wall."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from streams.notify.config import QuietHours
from streams.notify.quiet import is_never_awake, quiet_until

BERLIN = ZoneInfo("Europe/Berlin")


def windows(*texts: str) -> list[QuietHours]:
    """ "22:00-06:00" or "00:00-24:00 sat sun"."""
    found = []
    for text in texts:
        hours, *days = text.split()
        start, end = hours.split("-")
        found.append(
            QuietHours.model_validate({"from": start, "to": end, **({"days": days} if days else {})})
        )
    return found


def until(now: str, *texts: str) -> str | None:
    """The end in UTC, as text."""
    end = quiet_until(windows(*texts), BERLIN, datetime.fromisoformat(now))
    return None if end is None else f"{end:%d %H:%M}"


def test_a_night_ends_in_the_morning_of_the_next_day() -> None:
    assert "20 05:00" == until("2026-11-19T22:00:00+01:00", "22:00-06:00")
    assert "20 05:00" == until("2026-11-20T05:59:59+01:00", "22:00-06:00")
    assert None is until("2026-11-20T06:00:00+01:00", "22:00-06:00")
    assert None is until("2026-11-19T21:59:59+01:00", "22:00-06:00")


def test_a_window_belongs_to_the_day_on_which_it_begins() -> None:
    """Friday's night is quiet, Saturday's is not; 20 November 2026 is a Friday."""
    assert "21 05:00" == until("2026-11-21T02:00:00+01:00", "22:00-06:00 fri")
    assert None is until("2026-11-22T02:00:00+01:00", "22:00-06:00 fri")


def test_windows_that_touch_are_one() -> None:
    """Friday 22:00 over a whole weekend to Monday 06:00."""
    weekend = ("22:00-06:00", "00:00-24:00 sat sun")

    assert "23 05:00" == until("2026-11-20T23:00:00+01:00", *weekend)
    assert "23 05:00" == until("2026-11-22T13:00:00+01:00", *weekend)
    assert None is until("2026-11-20T13:00:00+01:00", *weekend)


def test_the_clock_on_the_wall_counts_when_it_is_set_back_or_forward() -> None:
    """25 October 2026: 03:00 becomes 02:00, so the night has an hour more. 29 March: 02:00 becomes 03:00."""
    assert "25 05:00" == until("2026-10-24T23:00:00+02:00", "22:00-06:00")
    assert "29 04:00" == until("2026-03-28T23:00:00+01:00", "22:00-06:00")
    assert "29 01:30" == until("2026-03-28T23:00:00+01:00", "22:00-02:30")  # 02:30 is not there: 03:30


def test_quiet_hours_that_never_end_are_told() -> None:
    now = datetime(2026, 11, 19, tzinfo=UTC)

    assert is_never_awake(windows("00:00-24:00"), BERLIN, now)
    assert is_never_awake(windows("06:00-06:00"), BERLIN, now)
    assert not is_never_awake(windows("00:00-24:00 mon tue wed thu fri sat"), BERLIN, now)
    assert not is_never_awake([], BERLIN, now)
