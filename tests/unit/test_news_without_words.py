"""Whether a card has news is decided by figures alone: words are long to make, and most judgments say nothing new."""

from dataclasses import replace
from zoneinfo import ZoneInfo

from schemas import Card, CardKind, Cause, Confidence, Owner, Rules
from tests.folding import at
from twin.cards.card_maker import Frame, build_card, material_change
from twin.judges.risk import Risk, Root, Words

ROOT: Root = (CardKind.DELIVERY_RISK.value, "line", "S1", "L1")
RULES = Rules(rules_id="r", version="1")
NOW = at(0, "09:00").timestamp()


def words() -> Words:
    cause = Cause(signal="drift", entity_type="line", entity_id="L1", in_words="Line 1 is slow")
    confidence = Confidence(value=0.9, n=30, window_h=2.5)
    return Words(title="late", sentences=["Slow."], cause=cause, confidence=confidence)


def not_to_be_asked() -> Words:
    raise AssertionError("nobody asked for words")


RISK = Risk(
    signal="drift",
    words=words,
    probability=0.9,
    probability_because="by pace",
    parts={"penalty": 1000.0},
    severity_steps=["an order will be late"],
    mild="an order may be late",
    owner=Owner(id="sue", name="S. Upervisor", rule="supervisor of Line 1"),
    deadline=at(0, "12:00").timestamp(),
    deadline_because="goods must be ready",
    listed=[("S1", "O1")],
    affected_total=1,
    slip_s=3600.0,
    slip_days=1,
)


def card() -> Card:
    frame = Frame("S1", ZoneInfo("UTC"), "EUR", RULES, NOW, "id")
    published = build_card(ROOT, 1, RISK, frame)
    # The orders of a card are listed in words; what was published lists the one that the figures name.
    return published.model_copy(update={"affected_total": 0})


def test_what_says_the_same_is_found_without_words() -> None:
    same = replace(RISK, words=not_to_be_asked, listed=[], affected_total=0)

    assert material_change(card(), same, RULES) is None


def test_what_differs_is_found_without_words() -> None:
    said = replace(RISK, words=not_to_be_asked, listed=[], affected_total=0)
    changes = {
        "severity medium -> high": replace(said, severity_steps=["one", "two"]),
        "owner changed": replace(said, owner=Owner(id="bob", name="B. Ob", rule="absent")),
        "cause drift -> stop": replace(said, signal="stop"),
        "affected orders changed": replace(said, listed=[("S1", "O2")]),
        "deadline moved": replace(said, deadline_because="overtime notice"),
        "slip moved": replace(said, slip_s=3600.0 + RULES.material_slip_days * 86_400.0),
        "exposure moved": replace(said, parts={"penalty": 100_000.0}),
        "probability moved": replace(said, probability=0.9 - 2 * RULES.material_p_late),
        "caveats changed": replace(said, caveats=["Line 1 is silent"]),
    }

    assert [*changes] == [material_change(card(), risk, RULES) for risk in changes.values()]


def test_an_owner_by_assignment_is_no_news() -> None:
    given = card().model_copy(
        update={"assigned_by": "boss", "owner": Owner(id="kim", name="K", rule="given")}
    )
    same = replace(RISK, words=not_to_be_asked, listed=[], affected_total=0)

    assert material_change(given, same, RULES) is None
