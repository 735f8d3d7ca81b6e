"""What a twin says that catches up with hours of facts is told only where it still holds: by hand, with a desk."""

from datetime import datetime, timedelta

from schemas import SiteStatus
from streams.notify.old_news import HELD_MAX, OLD_AFTER
from tests.notify_plant import NOON, card
from tests.unit.test_notify_desk import DELIVERED, Setting

HOUR = timedelta(hours=1)


def status(as_of: datetime, site_id: str = "S1", *, is_catching_up: bool = False) -> SiteStatus:
    return SiteStatus(
        output_id="s",
        site_id=site_id,
        as_of=as_of,
        is_catching_up=is_catching_up,
        behind_s=0.0,
        currency="EUR",
        cards_open=0,
        cards_exposure=0.0,
        cards=[],
        cards_set_aside=0,
        set_aside_exposure=0.0,
        cards_waiting=0,
        questions_waiting=0,
        lines=1,
        lines_waiting=0,
        lines_stale=0,
        data_conflicts=0,
        entities={},
    )


class Office(Setting):
    """The desk of test_notify_desk.py, which reads cards of partition 0 one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.offset = 0
        self.desk.adopt(0, [], is_first_start=False)
        self.desk.caught_up(0)

    def read(self, name: str, revision: int, as_of: datetime, state: str = "open", **fields: object) -> None:
        """A card comes, published now."""
        self.offset += 1
        made = card(name, revision, state=state, as_of=as_of, opened_at=min(as_of, NOON), **fields)
        self.desk.card_changed(0, made, self.clock())
        self.desk.old_news.read(0, self.offset)

    def hear(self, told: SiteStatus, end: int | None = None) -> list[str]:
        """A site says how it stands, published now."""
        if self.desk.old_news.status(told, self.clock()):
            self.desk.old_news.read_up_to(told.site_id, {0: self.offset if end is None else end})
        return self.desk.old_news.settle(self.clock())

    def told(self) -> list[str]:
        self.turn()
        subjects = [letter.subject for letter in self.drawer.letters]
        self.drawer.answer(DELIVERED)
        self.turn()
        return subjects


def back_after(hours: float) -> Office:
    """The twin was away since noon; it is so many hours later."""
    made = Office()
    made.clock.set(NOON + hours * HOUR)
    return made


def test_what_opened_and_ended_in_the_backlog_is_told_to_nobody_and_what_stands_is_told_once() -> None:
    """Six hours: L1 had a card from 12:00 to 13:00, L2 since 14:00 and was revised at 16:00. At 18:00 only L2 is told."""
    office = back_after(6)
    office.read("L1", 1, NOON)
    office.read("L2", 1, NOON + 2 * HOUR)
    on_the_way = office.told()
    office.read("L1", 2, NOON + HOUR, state="cleared")
    office.read("L2", 2, NOON + 4 * HOUR)
    also_on_the_way = office.told()
    released = office.hear(status(NOON + 6 * HOUR))

    assert ([], []) == (on_the_way, also_on_the_way)
    assert ["S1"] == released
    assert ["#4471 for Müller waits for L2"] == office.told()
    assert [] == office.told()
    assert [("dropped", "not due any more: the card is cleared")] == office.outcomes("L1")


def test_the_end_of_what_was_told_before_the_outage_is_told_when_the_twin_has_caught_up() -> None:
    office = Office()
    office.read("L1", 1, NOON)
    before = office.told()
    office.clock.set(NOON + 6 * HOUR)
    office.read("L1", 2, NOON + HOUR, state="cleared")
    while_behind = office.told()
    office.hear(status(NOON + 6 * HOUR))

    assert (1, [], 1) == (len(before), while_behind, len(office.told()))


def test_a_status_of_before_or_of_a_twin_still_behind_ends_nothing() -> None:
    """Old: of an hour after what the last old card says, but published five hours late; catching up: ingest is behind."""
    office = back_after(6)
    office.read("L1", 1, NOON)
    none = [
        *office.hear(status(NOON + HOUR)),
        *office.hear(status(NOON + 6 * HOUR, is_catching_up=True)),
        *office.hear(status(NOON + 6 * HOUR, site_id="S2")),
    ]

    assert ([], []) == (none, office.told())


def test_a_fresh_status_of_before_the_outage_ends_nothing() -> None:
    """Read from the topic's beginning after a restart: it was fresh when it came, at noon."""
    office = back_after(6)
    office.read("L1", 1, NOON + HOUR)
    early = status(NOON)

    assert not office.desk.old_news.status(early, NOON)
    assert [] == office.told()


def test_letters_wait_until_the_cards_are_read_as_far_as_the_twin_had_got() -> None:
    """The status overtakes the card that ends it all: two topics are read side by side."""
    office = back_after(6)
    office.read("L1", 1, NOON)
    released = office.hear(status(NOON + 6 * HOUR), end=2)
    early = office.told()
    office.read("L1", 2, NOON + HOUR, state="cleared")
    late = office.hear(status(NOON + 6 * HOUR + OLD_AFTER))

    assert ([], []) == (released, early)
    assert ["S1"] == late
    assert [] == office.told()


def test_another_site_is_told_at_once() -> None:
    office = back_after(6)
    office.read("L1", 1, NOON)
    office.read("L2", 1, NOON + 6 * HOUR, site_id="S2")

    assert ["#4471 for Müller waits for L2"] == office.told()


def test_a_twin_that_stops_on_the_way_does_not_keep_letters_for_ever() -> None:
    office = back_after(6)
    office.read("L1", 1, NOON)
    office.clock.set(NOON + 6 * HOUR + HELD_MAX - timedelta(seconds=1))
    before = office.desk.old_news.settle(office.clock())
    office.clock.set(NOON + 6 * HOUR + HELD_MAX)

    assert ([], ["S1"]) == (before, office.desk.old_news.settle(office.clock()))
    assert ["#4471 for Müller waits for L1"] == office.told()


def test_a_desk_that_starts_in_the_middle_of_a_backlog_waits_too() -> None:
    """What was noted and not sent is of 12:00, noted at 18:00: the site's past was not over when the desk ended."""
    first = back_after(6)
    first.read("L1", 1, NOON)
    first.turn()
    noted = first.notes["L1"]
    assert noted is not None
    second = Setting()
    second.clock.set(NOON + 6 * HOUR)
    second.desk.adopt(0, [noted], is_first_start=False)
    second.desk.caught_up(0)
    second.turn()

    assert (["S1"], []) == (second.desk.old_news.sites, second.drawer.letters)


def test_where_a_simulator_drives_the_clock_nothing_is_old() -> None:
    """Its time is of another day: what a card says and when it came are not to be compared."""
    office = back_after(6)
    office.desk._is_wall_clock = False
    office.read("L1", 1, NOON)

    assert ["#4471 for Müller waits for L1"] == office.told()
