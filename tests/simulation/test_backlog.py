"""Hours of facts that piled up while the twin was away: folded as they were written, told as things stand. No broker.

Ingest was there: its ticks carry no lag, and the fold says of each moment what it would have said then. Whom that is told
to is the desk's matter, and a solver that could not be asked has not answered, so it is asked less and less.
"""

from datetime import UTC, datetime, timedelta

import pytest

from schemas import Facts
from streams.notify.old_news import OLD_AFTER
from streams.replay import ENDED
from streams.simulator import Factory, FactorySettings
from tests.backlog_plant import HOUR, Town, as_facts, simulated, story
from tests.folding import fold_all

END = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
HOURS = 10
COMMIT_RECORDS = 40
"""Facts records of one commit while the twin catches up."""


def split(records: list[Facts], when: datetime) -> tuple[list[Facts], list[Facts]]:
    """Records up to the tick of a moment, and those behind it."""
    place = next(n for n, facts in enumerate(records) if facts.tick is not None and facts.tick.now >= when)
    return records[: place + 1], records[place + 1 :]


def catch_up(town: Town, records: list[Facts], now: datetime) -> list[tuple[str, str]]:
    """The twin is back at a moment and folds what piled up; gives what was told before it was through."""
    town.clock.set(now)
    before = told = len(town.letters)
    for first in range(0, len(records), COMMIT_RECORDS):
        town.fold(records[first : first + COMMIT_RECORDS])
        clock = town.twin.now
        if clock is not None and now.timestamp() - clock > OLD_AFTER.total_seconds():
            told = len(town.letters)
    return town.letters[before:told]


def line_of(card_id: str) -> str:
    return card_id.split("/")[3]


def test_what_came_and_went_is_told_to_nobody_and_what_stands_is_told_once() -> None:
    """M1's card was told at 03:00, six hours before the end nobody is there; M2 stood and runs again, M3 stands."""
    town = Town()
    before, missed = split(as_facts(story(END, HOURS)), END - 6 * HOUR)
    town.live(before)
    told_before = list(town.letters)
    revisions = dict(town.revisions)
    on_the_way = catch_up(town, missed, END)
    after = town.letters[len(told_before) :]

    assert [("M1", "raised")] == [(line_of(card_id), change) for card_id, change in told_before]
    assert [] == on_the_way
    assert [("M3", "raised")] == [
        (line_of(card_id), change) for card_id, change in after if change == "raised"
    ]
    assert {"M2"} == {line_of(card.card_id) for card in town.cards.values() if card.state in ENDED}
    assert [] == [each for each in after if line_of(each[0]) == "M2"]
    [known] = revisions
    assert [] == [each for each in after if each == (known, "raised")]


def test_requests_in_the_backlog_are_few_and_take_each_other_s_place() -> None:
    """Eighteen orders in six hours, each cancelled in five minutes, and two stops: asked one by one they would be twenty
    requests and more. Unanswered: three at once, then after 15, 30, 60, 120 and 240 minutes of the clock at the soonest;
    and each of the three once more, when it has had no answer for a quarter of an hour."""
    town = Town()
    before, missed = split(as_facts(story(END, HOURS)), END - 6 * HOUR)
    town.live(before)
    asked_before = town.requests
    catch_up(town, missed, END)

    assert 0 < town.requests - asked_before <= 2 * 3


def test_a_backlog_folds_to_the_same_as_if_the_twin_had_been_there() -> None:
    records = as_facts(story(END, HOURS))
    town = Town()
    before, missed = split(records, END - 6 * HOUR)
    town.live(before)
    catch_up(town, missed, END)
    expected, _, _ = fold_all(records)

    assert expected.digest == town.twin.digest


def factory(seed: int) -> FactorySettings:
    return FactorySettings(seed=seed, lines=3, days=2, count_step_s=600.0, clock_step_s=60.0)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_simulated_day_missed_is_told_as_it_stands_at_its_end(seed: int) -> None:
    """A seeded factory; nobody is there from noon of the first day on. What must hold, whatever happened:

    a card that stands at the end and was not told is told once; one that was told and is over is told to be over, once;
    one that began and ended meanwhile is told to nobody; and nothing is told on the way.
    """
    settings = factory(seed)
    records = list(simulated(Factory(settings).events()))
    gone = settings.start + 6 * HOUR
    before, missed = split(records, gone)
    town = Town()
    town.live(before)
    known = {card_id for card_id, change in town.letters}
    count = len(town.letters)
    last = [facts.tick.now for facts in records if facts.tick is not None][-1]
    on_the_way = catch_up(town, [*missed, tick_after(last)], last + timedelta(seconds=10))
    after = town.letters[count:]
    wanted = {
        (card.card_id, "cleared" if card.state in ENDED else "raised")
        for card in town.cards.values()
        if (card.card_id in known) is (card.state in ENDED)
    }
    silent = {
        card.card_id for card in town.cards.values() if card.state in ENDED and card.card_id not in known
    }

    assert [] == on_the_way, f"seed {seed}"
    assert len(set(after)) == len(after), f"seed {seed}: told twice"
    assert wanted <= {(card_id, "raised" if change == "escalated" else change) for card_id, change in after}
    assert set() == silent & {card_id for card_id, _ in after}, f"seed {seed}"
    assert silent or wanted, f"seed {seed} shows nothing"


def tick_after(when: datetime) -> Facts:
    return Facts.model_validate({"group_id": "*", "tick": {"now": when + timedelta(seconds=10)}})


def test_a_desk_without_the_rule_would_tell_what_came_and_went() -> None:
    """What the tests above rest on: told as it is read, M2's card is raised and cleared hours after both."""
    town = Town()
    town.desk._is_wall_clock = False
    before, missed = split(as_facts(story(END, HOURS)), END - 6 * HOUR)
    town.live(before)
    catch_up(town, missed, END)

    assert {"raised", "cleared"} == {change for card_id, change in town.letters if line_of(card_id) == "M2"}
