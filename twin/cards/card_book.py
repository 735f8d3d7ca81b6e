"""What is remembered of cards: the last published one of each root, and what must be known to judge the next.

Since when a risk is gone, since when two systems differ, and what became of each command: all of it is documents.
"""

import msgspec

from schemas import AuditRecord, Card, join_key
from schemas.audit_chain import AuditHead, chained, site_writer
from twin.cards.card_life import LIVE_STATES
from twin.judges.risk import Root
from twin.state.entities import CommandNote, SiteKey
from twin.state.store import DocumentStore


class CardDocument:
    """The last published card of a root."""

    __slots__ = ("card",)

    def __init__(self, card: Card) -> None:
        self.card = card

    def encode(self) -> bytes:
        """The card's JSON."""
        return self.card.model_dump_json().encode()


class SinceDocument(msgspec.Struct):
    """Since when something holds of a root."""

    since: float

    def encode(self) -> bytes:
        """JSON of the note."""
        return msgspec.json.encode(self)


class AsideDocument(msgspec.Struct):
    """A risk that has no card, because its site has as many as it may have.

    Attributes:
        since: when it was set aside, POSIX seconds; score: its rank; exposure: money at risk.
    """

    since: float
    score: float
    exposure: float

    def encode(self) -> bytes:
        """JSON of the note."""
        return msgspec.json.encode(self)


class AuditHeadDocument(msgspec.Struct):
    """Where the audit chain of a site ends."""

    sequence: int
    hash: str

    def encode(self) -> bytes:
        """JSON of the head."""
        return msgspec.json.encode(self)


class CardBook:
    """The cards of a shard.

    Attributes:
        cards: the last published card of each root.
        aside: risks without a card for want of room, see crowd.py.
        is_held: roots are noted and not judged: ingest is behind, and the picture is of no moment.
        held: roots to be judged when it is not.
        roots_of_cards: card_id of the last episode -> its root.
        suspects: contradictions between systems, and since when; they may settle by themselves.
        commands: (site, command_id) -> what became of it.
        audit_heads: site -> where the chain of its audit records ends.
    """

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self.cards: dict[Root, Card] = {}
        self.roots_of_cards: dict[str, Root] = {}
        self.suspects: dict[Root, float] = {}
        self.commands: dict[SiteKey, CommandNote] = {}
        self.aside: dict[Root, AsideDocument] = {}
        self.is_held = False
        self.held: dict[Root, None] = {}
        self.audit_heads: dict[str, AuditHead] = {}
        self._absent: dict[Root, float] = {}
        self._live: dict[str, dict[Root, None]] = {}

    def live(self, site_id: str) -> list[Card]:
        """Cards of a site that need somebody, in no order that may be told."""
        return [self.cards[root] for root in self._live.get(site_id, {})]

    def live_count(self, site_id: str) -> int:
        """How many they are."""
        return len(self._live.get(site_id, {}))

    def save(self, root: Root, card: Card) -> None:
        """The card of a root was published."""
        self.adopt(root, card)
        self._store.put(_key("card", root), CardDocument(card))

    def adopt(self, root: Root, card: Card) -> None:
        """Hold a card that is already written."""
        before = self.cards.get(root)
        if before is not None:
            self.roots_of_cards.pop(before.card_id, None)
        self.cards[root] = card
        self.roots_of_cards[card.card_id] = root
        live = self._live.setdefault(root[2], {})
        if card.state in LIVE_STATES:
            live[root] = None
        else:
            live.pop(root, None)

    def forget(self, root: Root) -> Card:
        """Drop the card of a root that has ended, and says which one it was."""
        card = self.cards.pop(root)
        assert root not in self._live.get(root[2], {}), f"{card.card_id} is {card.state}"
        self.roots_of_cards.pop(card.card_id, None)
        self._store.remove(_key("card", root))
        return card

    def set_aside(self, root: Root, note: AsideDocument | None) -> None:
        """Note a risk that has no room for a card, or that it has a card or is over."""
        if note is None:
            if self.aside.pop(root, None) is not None:
                self._store.remove(_key("aside", root))
            return
        self.aside[root] = note
        self._store.put(_key("aside", root), note)

    def hold(self, root: Root, since: float) -> None:
        """A root is to be judged once the picture is of this moment."""
        if root not in self.held:
            self.held[root] = None
            self._store.put(_key("held", root), SinceDocument(since))

    def take_held(self) -> list[Root]:
        """Roots that were held, in order."""
        roots = sorted(self.held)
        for root in roots:
            self._store.remove(_key("held", root))
        self.held.clear()
        return roots

    def absent_since(self, root: Root) -> float | None:
        """Since when the risk of an open card is not there; None while it is."""
        return self._absent.get(root)

    def set_absent(self, root: Root, since: float | None) -> None:
        """Note when the risk of an open card went away, or that it is there."""
        if since is None:
            if self._absent.pop(root, None) is not None:
                self._store.remove(_key("absent", root))
            return
        self._absent[root] = since
        self._store.put(_key("absent", root), SinceDocument(since))

    def suspect(self, root: Root, since: float | None) -> None:
        """Note since when two systems contradict each other, or that they agree again."""
        if since is None:
            if self.suspects.pop(root, None) is not None:
                self._store.remove(_key("suspect", root))
        elif root not in self.suspects:
            self.suspects[root] = since
            self._store.put(_key("suspect", root), SinceDocument(since))

    def adopt_absence(self, root: Root, since: float) -> None:
        """Hold what is already written."""
        self._absent[root] = since

    def note_command(self, site_id: str, command_id: str, note: CommandNote) -> None:
        """A command was answered."""
        self.commands[site_id, command_id] = note
        self._store.put(join_key(site_id, "command", command_id), note)

    def chain(self, site_id: str, record: AuditRecord) -> AuditRecord:
        """The record as the next one of its site's chain."""
        linked, head = chained(record, site_writer(site_id), self.audit_heads.get(site_id, AuditHead()))
        self.audit_heads[site_id] = head
        self._store.put(join_key(site_id, "audit_head"), AuditHeadDocument(head.sequence, head.hash))
        return linked

    def forget_commands(self, before: float) -> None:
        """Drop what nobody sends again any more."""
        for key in [key for key, note in self.commands.items() if note.at < before]:
            del self.commands[key]
            self._store.remove(join_key(key[0], "command", key[1]))


def _key(document: str, root: Root) -> str:
    kind, entity_type, site_id, entity_id = root
    return join_key(site_id, document, kind, entity_type, entity_id)
