"""`foresite card ...`: the cards, and what a person does with them."""

import json
import sys
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console

from schemas import CommandResult
from streams.cli_options import Actor, AsJson, Kafka, Revision, Zone, actor_of, settings_of
from streams.times import moment

app = typer.Typer(
    no_args_is_help=True,
    help="""Cards: list them, and say what you do about them.

Each command is answered by the twin itself: carried out, or refused with the reason. You act on the revision that you
looked at: if the card has changed since, the command is refused, and `foresite card show` tells what is new.""",
)

CardId = Annotated[
    str, typer.Argument(metavar="CARD", help="Its id, or a part of it that no other card has.")
]


@app.command("list")
def list_cards(
    kafka: Kafka = None,
    owner: Annotated[str | None, typer.Option(help="Only cards of this person (id).")] = None,
    zone: Zone = "UTC",
    as_json: AsJson = False,
) -> None:
    """Print the cards that need somebody, the most urgent first."""
    from streams.card_text import print_cards
    from streams.desk import read_cards
    from twin.cards.card_life import LIVE_STATES

    cards = [card for card in read_cards(settings_of(kafka)) if card.state in LIVE_STATES]
    cards = [card for card in cards if owner is None or card.owner.id == owner]
    if as_json:
        for card in cards:
            sys.stdout.write(card.model_dump_json() + "\n")
        return
    now = max((card.as_of for card in cards), default=datetime.now(UTC))
    print_cards(cards, ZoneInfo(zone), now, Console())


@app.command()
def show(card_id: CardId, kafka: Kafka = None, zone: Zone = "UTC", as_json: AsJson = False) -> None:
    """Print one card as it now stands, whatever its state."""
    from streams.card_text import print_cards
    from streams.desk import find_card

    card = find_card(settings_of(kafka), card_id)
    if as_json:
        sys.stdout.write(card.model_dump_json() + "\n")
        return
    print_cards([card], ZoneInfo(zone), card.as_of, Console())
    sys.stdout.write(f"     id     {card.card_id}, revision {card.revision}: {card.update_reason}\n")


@app.command()
def acknowledge(
    card_id: CardId,
    actor: Actor = None,
    revision: Revision = None,
    kafka: Kafka = None,
    as_json: AsJson = False,
) -> None:
    """You have seen it: it is not passed on any more."""
    _act("card_acknowledge", card_id, actor, revision, kafka, as_json=as_json)


@app.command()
def assign(
    card_id: CardId,
    to: Annotated[str, typer.Option("--to", metavar="PERSON", help="Id of the person who gets it.")],
    actor: Actor = None,
    revision: Revision = None,
    kafka: Kafka = None,
    as_json: AsJson = False,
) -> None:
    """Hand it over to somebody else, who has not seen it yet."""
    _act("card_assign", card_id, actor, revision, kafka, as_json=as_json, owner_id=to)


@app.command()
def start(
    card_id: CardId,
    actor: Actor = None,
    revision: Revision = None,
    kafka: Kafka = None,
    as_json: AsJson = False,
) -> None:
    """You work on it."""
    _act("card_start", card_id, actor, revision, kafka, as_json=as_json)


@app.command()
def snooze(
    card_id: CardId,
    until: Annotated[
        str, typer.Option("--until", metavar="TIME", help="When it comes back, as 2026-11-19T14:00+01:00.")
    ],
    actor: Actor = None,
    revision: Revision = None,
    kafka: Kafka = None,
    as_json: AsJson = False,
) -> None:
    """Put it aside until a moment before its deadline. It comes back sooner if it gets worse."""
    _act("card_snooze", card_id, actor, revision, kafka, as_json=as_json, until=moment(until).isoformat())


@app.command()
def resolve(
    card_id: CardId,
    note: Annotated[str | None, typer.Option("--note", help="What was done.")] = None,
    actor: Actor = None,
    revision: Revision = None,
    kafka: Kafka = None,
    as_json: AsJson = False,
) -> None:
    """It is dealt with. It closes when its cause is gone, and comes back if that still stands after some hours."""
    _act("card_resolve", card_id, actor, revision, kafka, as_json=as_json, note=note)


@app.command()
def dismiss(
    card_id: CardId,
    reason: Annotated[str, typer.Option("--reason", help="Why it is no risk.")],
    actor: Actor = None,
    revision: Revision = None,
    kafka: Kafka = None,
    as_json: AsJson = False,
) -> None:
    """It is no risk, and why. It stays away while this cause lasts, unless it gets worse."""
    _act("card_dismiss", card_id, actor, revision, kafka, as_json=as_json, reason=reason)


@app.command()
def reopen(
    card_id: CardId,
    actor: Actor = None,
    revision: Revision = None,
    kafka: Kafka = None,
    as_json: AsJson = False,
) -> None:
    """It is a risk after all."""
    _act("card_reopen", card_id, actor, revision, kafka, as_json=as_json)


@app.command("stop-duration")
def stop_duration(
    line_id: Annotated[str, typer.Argument(metavar="LINE", help="The line that stands.")],
    minutes: Annotated[float, typer.Argument(min=0, help="How long from now on.")],
    site: Annotated[str, typer.Option(help="The line's site.")],
    actor: Actor = None,
    kafka: Kafka = None,
    as_json: AsJson = False,
) -> None:
    """Say how long a line will stand: its orders are projected anew from that."""
    from streams.desk import command, read_cards, send

    settings = settings_of(kafka)
    now = datetime.now(UTC)
    if settings.clock == "events":
        now = max((card.as_of for card in read_cards(settings) if card.site_id == site), default=now)
    said = command(
        "stop_duration_report",
        site,
        actor_of(actor),
        now,
        line_id=line_id,
        expected_duration_min=float(minutes),
    )
    tell(
        send(settings, said, line_id),
        f"line {line_id} is expected to stand for {minutes:g} min",
        as_json=as_json,
    )


def _act(
    kind: str,
    card_id: str,
    actor: str | None,
    revision: int | None,
    kafka: str | None,
    *,
    as_json: bool,
    **more: Any,
) -> None:
    from streams.desk import card_command, find_card, send

    settings = settings_of(kafka)
    card = find_card(settings, card_id)
    given = {name: value for name, value in more.items() if value is not None}
    result = send(
        settings, card_command(settings, kind, card, actor_of(actor), revision, **given), card.card_id
    )
    verb = kind.removeprefix("card_")
    tell(result, f"{verb}: {card.title} (revision {result.current_revision})", as_json=as_json)


def tell(result: CommandResult, done: str, *, as_json: bool) -> None:
    """Print what became of a command, and end with 0 where it was carried out."""
    if as_json:
        sys.stdout.write(json.dumps(result.model_dump(mode="json")) + "\n")
    elif result.outcome == "accepted":
        sys.stdout.write(f"done  {done}\n")
    else:
        sys.stderr.write(f"foresite: refused ({result.reason}): {result.message}\n")
    raise typer.Exit(0 if result.outcome == "accepted" else 1)
