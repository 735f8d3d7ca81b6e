"""The cards of a shard: judged root by root, and published when they say something new."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from schemas import Card, CardKind, CardState, Output, Rules, join_key, topics
from twin.cards.card_life import (
    HELD_STATES,
    LIVE_STATES,
    comes_back,
    due_escalation,
    ended,
    escalated,
    moved,
    revised,
)
from twin.cards.card_maker import Frame, build_card, material_change
from twin.cards.crowd import has_room, note_aside
from twin.cards.owners import owner_of
from twin.cards.ranking import severity_of
from twin.cards.rules import under_rules
from twin.forecast.assessment import Assessment
from twin.judges.causes import Blame, is_worth_a_card
from twin.judges.data_signals import signal_of
from twin.judges.judging import AT_ONCE, GONE, JUDGES
from twin.judges.risk import LateOrder, Root
from twin.judges.view import View
from twin.state.entities import Order
from twin.state.model import Model
from twin.words import utc


@dataclass
class CardBoard:
    """Judges roots at one moment.

    Attributes:
        cause: begins the ids of what is put out.
        assessment: how an order stands at this moment; None where it has no projection.
        blamed: what makes it late; None where nothing can be named.
        outputs: what was published.
    """

    model: Model
    now: float
    cause: str
    assessment: Callable[[Order], Assessment | None]
    blamed: Callable[[Order], Blame | None]
    outputs: list[Output] = field(default_factory=list)
    _said: Counter[Root] = field(default_factory=Counter)

    def judge(self, root: Root) -> None:
        """Judge one root, and publish what its card now says if that is news."""
        model = self.model
        card = model.cards.get(root)
        is_live = card is not None and card.state in LIVE_STATES
        is_held = card is not None and card.state in HELD_STATES
        rules = model.plant.rules(root[2])
        current = card if is_live or is_held else None
        view = View(model, self.now, root, current, self.late_orders(root, is_open=current is not None))
        found = JUDGES[CardKind(root[0])](view)
        risk = None if found is None else under_rules(view, found)
        output_id = self.output_id(root)
        if risk is None or (current is None and risk.exposure < rules.min_exposure):
            if current is not None and self._is_over(root, current, rules):
                self.publish(root, ended(current, self.now, output_id, self._why_over(current)))
            model.card_book.set_aside(root, None)
            return
        model.card_book.set_absent(root, None)
        frame = Frame(
            site_id=root[2],
            zone=view.zone,
            currency=view.currency,
            rules=rules,
            now=self.now,
            output_id=output_id,
        )
        if current is None:
            episode = 1 if card is None else card.episode + 1
            fresh = build_card(root, episode, risk, frame)
            if not has_room(model, fresh, rules):
                note_aside(model, root, fresh, self.now)
                return
            model.card_book.set_aside(root, None)
            self.publish(root, fresh.model_copy(update={"revision": 1}))
            return
        returns = comes_back(current, severity_of(risk)[0], rules, self.now)
        if returns is not None:
            fresh = revised(current, build_card(root, current.episode, risk, frame), "")
            before = fresh.model_copy(update={"revision": current.revision})
            self.publish(root, moved(before, CardState.OPEN, self.now, output_id, returns))
            return
        if is_held:
            return
        reason = material_change(current, risk, rules)
        if reason is not None:
            current = revised(current, build_card(root, current.episode, risk, frame), reason)
            self.publish(root, current)
        self._escalate(root, current, rules)

    def _is_over(self, root: Root, card: Card, rules: Rules) -> bool:
        """Whether a risk that is not there now is over: for good, or for long enough that its card will not flap."""
        if card.kind in AT_ONCE or self._is_final(card):
            return True
        since = self.model.card_book.absent_since(root)
        if since is None:
            self.model.card_book.set_absent(root, self.now)
            since = self.now
        return self.now - since >= rules.clear_after_min * 60.0

    def _escalate(self, root: Root, card: Card, rules: Rules) -> None:
        level = due_escalation(card, rules, self.now)
        if level == card.escalation:
            return
        rule = "escalation owner of the rules"
        to = owner_of(self.model.plant, root[2], [(rules.escalation_owner_id, rule)], self.now)
        output_id = self.output_id(root)
        self.publish(root, escalated(card, level, to, self.now, output_id))

    def publish(self, root: Root, card: Card) -> None:
        """Put a card out, with its place among the open ones of its site."""
        model = self.model
        if card.state in LIVE_STATES:
            others = [
                (-other.score, other.deadline or card.as_of, other.card_id)
                for other in model.card_book.live(card.site_id)
                if other.card_id != card.card_id
            ]
            mine = (-card.score, card.deadline or card.as_of, card.card_id)
            card = card.model_copy(update={"rank": 1 + sum(other < mine for other in others)})
        if card.state not in (*LIVE_STATES, *HELD_STATES):
            model.card_book.set_absent(root, None)
        model.card_book.save(root, card)
        self._said[root] += 1
        moment = utc(self.now).isoformat()
        self.outputs.append(Output(topics.CARDS, card.card_id, card, card.output_id, moment))
        signal = signal_of(root, card, self.now)
        if signal is not None:
            key = join_key(root[2], root[3])
            self.outputs.append(Output(topics.SIGNALS, key, signal, signal.output_id, moment))

    def late_orders(self, root: Root, *, is_open: bool) -> list[LateOrder]:
        """Orders that are late by this root, worst first."""
        model = self.model
        rules = model.plant.rules(root[2])
        least = rules.clear_below_p_late if is_open else rules.raise_at_p_late
        late: list[LateOrder] = []
        for key in sorted(model.members.get(root, {})):
            order = model.orders[key]
            each = self.assessment(order)
            if each is None or each.p_late < least:
                continue
            blamed = self.blamed(order)
            if blamed is None:
                continue
            if is_open or is_worth_a_card(blamed, each):
                customer = model.plant.customer(order.site_id, order.event.customer_id)
                late.append(LateOrder(each, blamed, customer))
        return sorted(late, key=lambda each: each.badness)

    def _is_final(self, card: Card) -> bool:
        """Whether every affected order was shipped or cancelled, so that nothing can come back."""
        orders = [self.model.orders.get((each.site_id, each.order_id)) for each in card.affected]
        return bool(orders) and not any(order is not None and order.is_open for order in orders)

    def _why_over(self, card: Card) -> str:
        if self._is_final(card):
            return "every affected order was shipped or cancelled"
        if card.state not in LIVE_STATES:
            return f"it was {card.state}, and its cause is gone"
        return GONE[card.kind]

    def output_id(self, root: Root) -> str:
        """Id of what is said of a root now: the fact that caused it, the topic and the root."""
        again = f"/{self._said[root]}" if self._said[root] else ""
        return f"{self.cause}>{topics.CARDS}>{'/'.join(root)}{again}"
