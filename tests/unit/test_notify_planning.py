"""What is to be told of a card as it goes through its life: by hand, one revision after the other."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from schemas import CardNotices
from schemas.notices import delivery_id, notice_level
from streams.notify.planning import ChannelKey, Circumstances, Sent, plan, settle
from streams.notify.recipients import recipients
from tests.notify_plant import NOON, card, config_of

OKAFOR = ("okafor", "mail")
ROY = ("roy", "mail")
DELIVERED = Sent("delivered", "accepted")


def about(*targets: ChannelKey, **changes: Any) -> Circumstances:
    given: dict[str, Any] = {
        "targets": targets or (OKAFOR,),
        "passes": lambda _: True,
        "now": NOON,
        "quiet_until": lambda *_: None,
    }
    return Circumstances(**(given | changes))


class Life:
    """A card's document over its revisions; what is pending is taken by the sink at once unless told otherwise."""

    def __init__(self) -> None:
        self.notices: CardNotices | None = None
        self.revision = 0

    def comes(
        self,
        *targets: ChannelKey,
        sent: Sent | None = DELIVERED,
        now: dict[str, Any] | None = None,
        **changes: Any,
    ) -> list[tuple[str, str, int]]:
        """The next revision; gives (person, change, level) of what became due by it."""
        self.revision += 1
        circumstances = about(*targets, **(now or {}))
        self.notices = plan(self.notices, card(revision=self.revision, **changes), circumstances)
        due = self.pending()
        for person_id, _, _ in due if sent is not None else []:
            assert self.notices is not None
            assert sent is not None
            self.notices = settle(self.notices, (person_id, "mail"), sent, circumstances)
        return due

    def pending(self) -> list[tuple[str, str, int]]:
        channels: Sequence[Any] = [] if self.notices is None else self.notices.channels
        return [
            (each.person_id, each.pending.change, each.pending.level)
            for each in channels
            if each.pending is not None
        ]

    @property
    def outcomes(self) -> list[tuple[str, str]]:
        return [] if self.notices is None else [(each.change, each.outcome) for each in self.notices.outcomes]


def test_levels_count_escalations_double_and_critical_once() -> None:
    levels = [
        notice_level(card(escalation=escalation, severity=severity))
        for escalation, severity in ((0, "high"), (0, "critical"), (1, "low"), (1, "critical"), (2, "high"))
    ]

    assert [0, 1, 2, 3, 4] == levels


def test_raised_escalated_and_over_are_told_once_each() -> None:
    life = Life()

    assert [("okafor", "raised", 0)] == life.comes()
    assert [] == life.comes(score=7.0)
    assert [("okafor", "escalated", 1)] == life.comes(severity="critical")
    assert [] == life.comes(severity="high")
    assert [] == life.comes(severity="critical")
    assert [("okafor", "escalated", 2)] == life.comes(escalation=1)
    assert [("okafor", "cleared", 2)] == life.comes(state="cleared", escalation=1)
    assert [] == life.comes(state="cleared", escalation=1)


def test_a_revision_that_is_read_again_changes_nothing() -> None:
    first = plan(None, card(revision=3), about())
    assert first is not None

    assert first is plan(first, card(revision=3, severity="critical"), about())
    assert first is plan(first, card(revision=2, state="cleared"), about())


def test_what_came_and_went_before_anybody_was_told_is_told_of_not_at_all() -> None:
    life = Life()
    life.comes(sent=None)

    assert [] == life.comes(state="cleared")
    assert [("raised", "dropped")] == life.outcomes
    assert None is plan(None, card(state="dismissed"), about())


def test_a_notice_that_waits_becomes_the_newer_one() -> None:
    life = Life()
    life.comes(sent=None)

    assert [("okafor", "raised", 1)] == life.comes(severity="critical")
    assert [("raised", "dropped"), ("raised", "delivered")] == life.outcomes


def test_what_is_being_sent_is_left_alone_and_reconsidered_after() -> None:
    life = Life()
    life.comes(sent=None)
    life.comes(sent=None, state="cleared", now={"in_flight": {OKAFOR}})
    assert [("okafor", "raised", 0)] == life.pending()

    assert life.notices is not None
    delivered = settle(life.notices, OKAFOR, Sent("delivered", ""), about())
    failed = settle(life.notices, OKAFOR, Sent("failed", "550"), about())

    assert ["cleared"] == [each.pending.change for each in delivered.channels if each.pending]
    assert ([None], None) == ([each.pending for each in failed.channels], failed.card)


def test_who_ended_it_is_not_told_that_it_is_over() -> None:
    life = Life()
    life.comes(OKAFOR, ROY)

    assert [("roy", "cleared", 0)] == life.comes(OKAFOR, ROY, state="resolved", state_by="okafor")
    assert [] == life.comes(OKAFOR, ROY, state="closed")


def test_a_failed_notice_is_not_repeated_and_its_end_not_told() -> None:
    life = Life()

    assert [("okafor", "raised", 0)] == life.comes(sent=Sent("failed", "550"))
    assert [] == life.comes()
    assert [] == life.comes(state="cleared")


def test_a_failed_notice_does_not_hold_back_the_next_louder_one() -> None:
    life = Life()
    life.comes(sent=Sent("failed", "550"))

    assert [("okafor", "escalated", 2)] == life.comes(escalation=1)
    assert [("okafor", "cleared", 2)] == life.comes(escalation=1, state="cleared")


def test_a_card_that_came_back_after_its_end_was_told_is_told_anew_under_another_id() -> None:
    life = Life()
    life.comes()
    life.comes(state="dismissed", state_by="roy")

    assert [("okafor", "raised", 0)] == life.comes()
    assert life.notices is not None
    ids = [each.delivery_id for each in life.notices.outcomes]
    assert delivery_id("delivery_risk/S1/line/L3/1", "raised", "0", "okafor") == ids[0]
    assert 3 == len(set(ids))


def test_a_card_that_came_back_before_its_end_left_is_as_if_nothing_had_been() -> None:
    life = Life()
    life.comes()
    life.comes(sent=None, state="dismissed", state_by="roy")

    assert [] == life.comes()
    assert [("raised", "delivered"), ("cleared", "dropped")] == life.outcomes


def test_who_takes_a_card_over_is_told_and_who_takes_it_himself_is_not() -> None:
    roy: Any = {"owner": {"id": "roy", "name": "Roy", "rule": "assigned"}}
    given, taken = Life(), Life()
    for life in (given, taken):
        life.comes()

    assert [("roy", "raised", 0)] == given.comes(ROY, **roy, assigned_by="okafor", state="acknowledged")
    assert [] == taken.comes(ROY, **roy, assigned_by="roy")
    assert [("okafor", "cleared", 0)] == taken.comes(ROY, **roy, assigned_by="roy", state="cleared")


def test_a_card_that_somebody_has_in_hand_or_snoozed_is_not_raised() -> None:
    in_hand, snoozed = Life(), Life()

    assert [] == in_hand.comes(state="acknowledged", state_by="okafor")
    assert [("okafor", "escalated", 1)] == in_hand.comes(state="in_progress", severity="critical")
    assert [] == snoozed.comes(state="snoozed")
    assert [("okafor", "raised", 0)] == snoozed.comes()


def test_whom_it_is_passed_on_to_hears_that_it_was_escalated() -> None:
    life = Life()
    life.comes()
    passed_on: Any = {"escalation": 1, "escalated_to": {"id": "roy", "name": "Roy", "rule": "escalation"}}

    assert [("okafor", "escalated", 2), ("roy", "escalated", 2)] == life.comes(OKAFOR, ROY, **passed_on)


def test_a_card_that_grows_into_the_filter_is_raised_then() -> None:
    life = Life()

    assert [] == life.comes(severity="low", now={"passes": lambda _: False})
    assert None is life.notices
    assert [("okafor", "raised", 0)] == life.comes(severity="high")


def test_history_is_not_told_but_what_becomes_of_it_is() -> None:
    life = Life()

    assert [] == life.comes(now={"is_history": True})
    assert [("okafor", "escalated", 1)] == life.comes(severity="critical")


def test_quiet_hours_hold_a_notice_back() -> None:
    morning: datetime = NOON + timedelta(hours=18)
    held = plan(None, card(), about(quiet_until=lambda *_: morning))

    assert held is not None
    assert [morning] == [each.pending.not_before for each in held.channels if each.pending]


def test_recipients_are_the_owner_or_a_default_and_who_is_always_told() -> None:
    people: Any = {name: {"webhook": "hook"} for name in ("okafor", "roy", "site", "any", "desk")}
    config = config_of(
        people=people, sites={"S1": {"default": "site"}}, default="any", always=["desk", "okafor"]
    )
    stranger: Any = {"owner": {"id": "nobody", "name": "N", "rule": ""}}
    unnamed: Any = {"owner": {"id": None, "name": "nobody", "rule": ""}}
    passed_on: Any = {"escalated_to": {"id": "roy", "name": "Roy", "rule": ""}}

    assert ["okafor", "desk"] == recipients(card(), config)
    assert ["site", "desk", "okafor"] == recipients(card(**stranger), config)
    assert ["any", "desk", "okafor"] == recipients(card(**unnamed, site_id="S2"), config)
    assert ["okafor", "roy", "desk"] == recipients(card(**passed_on), config)
