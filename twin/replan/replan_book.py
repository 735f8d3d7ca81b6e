"""What is remembered of asking the solver: what happened and waits to be asked about, and what was asked of late.

Documents only. What happens is noted by replan_triggers.py, what becomes of it is decided in replanning.py.
"""

from collections.abc import Sequence

import msgspec

from schemas import Trigger, join_key
from twin.state.entities import SiteKey
from twin.state.store import DocumentStore

MOST_PENDING = 200
"""Notes kept a site. More at once are a plan that came anew: the first ones reach over it."""

UNANSWERED_FREE = 3
"""Requests of a site in a row that are made whether the earlier ones were answered or not. Fewer: what happens while the
solver works waits; more: a solver that is away, or a backlog of facts, piles up requests for what is over."""

SILENT_PAUSE_S = (900.0, 14_400.0)
"""Clock seconds until the next request to a solver that does not answer: the first pause, doubled by each, and the
longest. Shorter: a day's backlog is a flood; longer: a solver that came back without an answer is asked late."""

ASKED_KEPT_S = 86_400.0
"""How long a request is known, to be superseded by a newer one. Shorter than a proposal lives, and both stand."""


class Note(msgspec.Struct, frozen=True):
    """Something happened that a better plan may answer.

    Attributes:
        site_id: whose it is; because: in words; at: the shard's clock then, POSIX seconds.
        events: what said so.
        lines: that it concerns, as (site_id, line_id).
        order: that it is about; item_id: whose material; card_id: that was raised.
        late_before: orders that these lines made late before it, of a change of the plan.
        is_urgent: it is asked about right after the event, and does not wait for the next tick.
        is_worse: the card was noted before, and has grown since.
    """

    trigger: Trigger
    site_id: str
    because: str
    at: float
    events: list[str]
    lines: list[SiteKey]
    order: SiteKey | None = None
    item_id: str | None = None
    card_id: str | None = None
    late_before: list[SiteKey] = msgspec.field(default_factory=list)
    is_urgent: bool = False
    is_worse: bool = False

    @property
    def subject(self) -> tuple[object, ...]:
        """What it is about: of two notes about the same thing the first one stands."""
        about = (self.order, self.item_id, self.card_id)
        return (self.trigger, *about) if any(about) else (self.trigger, tuple(self.lines))


class Asked(msgspec.Struct, frozen=True):
    """A request that was made.

    Attributes:
        at: the shard's clock then; scope: lines that it reaches over; hit: those that what happened concerned.
        orders: that it was about; notes: what happened; site_id: whose it is, set when it is kept.
        is_repeat: nobody answered the request before it, which asked the same.
    """

    request_id: str
    proposal_id: str
    at: float
    scope: list[SiteKey]
    hit: list[SiteKey]
    orders: list[SiteKey]
    notes: list[Note]
    site_id: str = ""
    is_repeat: bool = False


class ReplanMemory(msgspec.Struct):
    """What is remembered of one site.

    Attributes:
        pending: what waits; asked: requests of late.
        exposures: card -> the money on it when it was last noted, while it is live.
        unanswered: requests in a row to which no answer came, repeats not counted; asked_at: when the last of them was made.
    """

    pending: list[Note] = msgspec.field(default_factory=list)
    asked: list[Asked] = msgspec.field(default_factory=list)
    exposures: dict[str, float] = msgspec.field(default_factory=dict)
    unanswered: int = 0
    asked_at: float = 0.0

    def encode(self) -> bytes:
        """JSON of the memory."""
        return msgspec.json.encode(self)


class ReplanBook:
    """What is remembered of asking, by site.

    Attributes:
        is_urgent: something was noted that does not wait for the next tick; not part of the state, for it never
            outlives the fold of an event.
    """

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._sites: dict[str, ReplanMemory] = {}
        self.is_urgent = False

    def note(self, note: Note) -> None:
        """Remember that something happened."""
        memory = self._sites.setdefault(note.site_id, ReplanMemory())
        self.is_urgent = self.is_urgent or note.is_urgent
        if (
            any(each.subject == note.subject for each in memory.pending)
            or len(memory.pending) >= MOST_PENDING
        ):
            return
        memory.pending.append(note)
        self.save(note.site_id)

    def exposure_of(self, site_id: str, card_id: str) -> float | None:
        """The money on a card when it was last noted; None where it was not."""
        memory = self._sites.get(site_id)
        return None if memory is None else memory.exposures.get(card_id)

    def set_exposure(self, site_id: str, card_id: str, exposure: float | None) -> None:
        """Note the money on a card; None: it is live no more."""
        exposures = self._sites.setdefault(site_id, ReplanMemory()).exposures
        if exposure is not None:
            exposures[card_id] = exposure
        elif exposures.pop(card_id, None) is None:
            return
        self.save(site_id)

    def notes_change_on(self, line: SiteKey) -> bool:
        """Whether it is noted already that the plan of a line changed."""
        memory = self._sites.get(line[0])
        return memory is not None and any(
            note.trigger == "plan_changed" and line in note.lines for note in memory.pending
        )

    def pending(self) -> list[Note]:
        """Everything that waits to be asked about, site by site."""
        return [note for _, memory in sorted(self._sites.items()) for note in memory.pending]

    def keep_pending(self, notes: Sequence[Note]) -> None:
        """These still wait, the others do not any more."""
        kept = set(map(id, notes))
        for site_id, memory in sorted(self._sites.items()):
            left = [note for note in memory.pending if id(note) in kept]
            if len(left) < len(memory.pending):
                memory.pending = left
                self.save(site_id)

    def asked(self) -> list[Asked]:
        """Requests that are known, site by site, the oldest first."""
        return [asked for _, memory in sorted(self._sites.items()) for asked in memory.asked]

    def add_asked(self, site_id: str, asked: Asked) -> None:
        """A site made a request."""
        memory = self._sites.setdefault(site_id, ReplanMemory())
        memory.asked.append(msgspec.structs.replace(asked, site_id=site_id))
        if not asked.is_repeat:
            memory.unanswered += 1
            memory.asked_at = asked.at
        self.save(site_id)

    def heard(self, site_id: str) -> None:
        """The solver answered a site."""
        memory = self._sites.get(site_id)
        if memory is not None and memory.unanswered:
            memory.unanswered = 0
            self.save(site_id)

    def waits_until(self, site_id: str) -> float:
        """Until when nothing more is asked of a solver that does not answer; POSIX seconds."""
        memory = self._sites.get(site_id)
        beyond = -1 if memory is None else memory.unanswered - UNANSWERED_FREE
        if memory is None or beyond < 0:
            return 0.0
        return memory.asked_at + min(SILENT_PAUSE_S[1], SILENT_PAUSE_S[0] * 2.0 ** min(beyond, 30))

    def pending_count(self, site_id: str) -> int:
        """How much of a site waits to be asked about."""
        memory = self._sites.get(site_id)
        return 0 if memory is None else len(memory.pending)

    def drop_asked(self, asked: Sequence[Asked]) -> None:
        """A newer request took their place."""
        gone = {each.request_id for each in asked}
        for site_id, memory in sorted(self._sites.items()):
            left = [each for each in memory.asked if each.request_id not in gone]
            if len(left) < len(memory.asked):
                memory.asked = left
                self.save(site_id)

    def forget_before(self, moment: float) -> None:
        """Drop requests made before a moment."""
        for site_id, memory in sorted(self._sites.items()):
            kept = [asked for asked in memory.asked if asked.at >= moment]
            if len(kept) < len(memory.asked):
                memory.asked = kept
                self.save(site_id)

    def save(self, site_id: str) -> None:
        """The memory of a site changed; an empty one is no document."""
        memory, key = self._sites[site_id], join_key(site_id, "replanning", "asked")
        if memory.pending or memory.asked or memory.exposures or memory.unanswered:
            self._store.put(key, memory)
        else:
            self._store.remove(key)

    def adopt(self, site_id: str, memory: ReplanMemory) -> None:
        """Hold what is already written."""
        self._sites[site_id] = memory
