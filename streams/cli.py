"""The command line: `foresite --help`. Each command reads its arguments, calls one function, prints what it says."""

import json
import signal
import sys
import threading
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import typer
from confluent_kafka import KafkaError, KafkaException
from pydantic import ValidationError
from pydantic_settings import SettingsError
from rich.console import Console
from rich.table import Table

from schemas import TOPICS, ForesiteError, UsageError
from streams import (
    acls_cli,
    audit_cli,
    desk_cli,
    ledger_cli,
    map_cli,
    picture_cli,
    plan_cli,
    proposal_cli,
    recovery_cli,
    rules_cli,
    schemas_cli,
    site_cli,
    solver_cli,
)
from streams.cli_options import AsJson, Kafka, MappingFiles
from streams.connect import cli as connect_cli
from streams.kafka_refusals import explained
from streams.notify import cli as notify_cli
from streams.settings import Settings
from streams.times import moment
from streams.web import cli as web_cli

app = typer.Typer(
    name="foresite",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="""The operating picture above ERP and MES: what is at risk, whose it is, until when, and what it costs.

Begin with `foresite demo`. With data of your own: `foresite replay FILE...` needs no Kafka at all.
With Kafka: `foresite topics create`, `foresite up --kafka HOST:PORT`, `foresite publish FILE...`.

Every setting is an environment variable FORESITE_<NAME>; see docs/settings.md.""",
)
topics_app = typer.Typer(no_args_is_help=True, help="The topics: list them, or create them on Kafka.")
app.add_typer(topics_app, name="topics")
app.add_typer(desk_cli.app, name="card")
app.add_typer(proposal_cli.app, name="proposal")
app.add_typer(notify_cli.app, name="notify")
app.add_typer(web_cli.app, name="web")
app.add_typer(connect_cli.app, name="connect")
picture_cli.register(app)
ledger_cli.register(app)
plan_cli.register(app)
recovery_cli.register(app)
solver_cli.register(app)
site_cli.register(app)
app.add_typer(rules_cli.app, name="rules")
app.add_typer(schemas_cli.app, name="schemas")
app.add_typer(acls_cli.app, name="acls")
app.add_typer(audit_cli.app, name="audit")
app.add_typer(map_cli.app, name="map")

Files = Annotated[
    list[Path],
    typer.Argument(help="Files of events: NDJSON, CSV (both also as .gz) or XLSX; or folders of them."),
]


def main() -> None:
    """Run a command; errors become one clear line and an exit code."""
    try:
        app(standalone_mode=True)
    except UsageError as error:
        _fail(str(error), 2)
    except ValidationError as error:
        _fail("; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()), 2)
    except SettingsError as error:
        _fail(f"{error}: lists and maps are given as JSON, see docs/settings.md", 2)
    except KafkaException as error:
        _fail(
            f"Kafka: {explained(error.args[0]) if isinstance(error.args[0], KafkaError) else error.args[0]}",
            1,
        )
    except ForesiteError as error:
        _fail(str(error), 1)


def _fail(message: str, code: int) -> None:
    sys.stderr.write(f"foresite: {message}\n")
    sys.exit(code)


def _settings(kafka: str | None = None, **given: Any) -> Settings:
    return Settings(**{name: value for name, value in {"kafka": kafka, **given}.items() if value is not None})


def _until_stopped() -> threading.Event:
    """Set by Ctrl-C and SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _moment(text: str | None) -> datetime | None:
    return None if text is None else moment(text)


@app.command()
def demo(
    headless: Annotated[bool, typer.Option(help="Print the final cards and end.")] = False,
    as_json: AsJson = False,
    seed: Annotated[int, typer.Option(help="Of the four lines of the other site.")] = 5,
) -> None:
    """Play a simulated factory through every role on an embedded broker, and print its ranked cards.

    Line 3 runs 8 % under plan since Tuesday and nobody logged a stoppage: see who misses which truck, what it costs,
    whose it is and until when something can be done. Then the plant goes on live until Ctrl-C.
    """
    from streams.demo import run_demo

    raise typer.Exit(run_demo(headless=headless, json=as_json, seed=seed))


@app.command()
def replay(
    files: Files,
    mapping: MappingFiles = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="The picture as of this moment.")] = None,
    tick: Annotated[
        int, typer.Option(min=1, metavar="SECONDS", help="Plant time between two looks at the clock.")
    ] = 60,
    zone: Annotated[str, typer.Option(help="Zone of the printed times.")] = "UTC",
    as_json: AsJson = False,
) -> None:
    """Fold files offline and print the ranked cards as of a moment. Needs no broker.

    The same twin as the live one, on the same verdicts about each record. The tally goes to standard error.
    """
    from streams.adapters.mapping_file import mappings_for
    from streams.card_text import print_cards
    from streams.replay import replay as run_replay
    from twin import Twin

    result = run_replay(files, mappings_for(files, mapping), Twin, _moment(until), tick)
    cards = result.ranked()
    if as_json:
        for card in cards:
            sys.stdout.write(card.model_dump_json() + "\n")
        sys.stderr.write(json.dumps(result.tally()) + "\n")
        return
    print_cards(cards, ZoneInfo(zone), result.until or datetime.now(ZoneInfo(zone)), Console())
    for name, count in result.tally().items():
        sys.stderr.write(f"{name:>13}  {count}\n")
    for refusal in result.refusals[:5]:
        sys.stderr.write(f"      refused  {refusal}\n")


@app.command()
def publish(files: Files, mapping: MappingFiles = None, kafka: Kafka = None, as_json: AsJson = False) -> None:
    """Send events from files to their input topics, and wait until Kafka has them all.

    The topic follows from each event's kind. What cannot be sent is named with its line; everything else is sent.
    """
    from streams.adapters.mapping_file import mappings_for
    from streams.publish import publish as run_publish
    from streams.sources import ReadTally, read_records

    tally = ReadTally()
    records = read_records(files, mappings_for(files, mapping), tally)
    console = Console(stderr=True)
    with console.status("publishing") as status:
        outcome = run_publish(_settings(kafka), records, lambda done: status.update(f"{done:,} delivered"))
    for failure in outcome.failures:
        sys.stderr.write(f"not sent: {failure}\n")
    counts = {
        "lines": tally.lines,
        "delivered": outcome.delivered,
        "failed": outcome.failed,
        "refused": outcome.refused,
    }
    sys.stdout.write(
        json.dumps(counts) + "\n" if as_json else "".join(f"{k:>10}  {v:,}\n" for k, v in counts.items())
    )
    raise typer.Exit(outcome.exit_code)


@app.command()
def simulate(
    out: Annotated[Path, typer.Option(help="File of events (NDJSON).")],
    truth: Annotated[
        Path | None, typer.Option(help="File of what the factory hides: drifts, stops, finishes.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 1,
    days: Annotated[int, typer.Option(min=1, help="Days of events.")] = 14,
    lines: Annotated[int, typer.Option(min=1, help="Production lines.")] = 12,
    sites: Annotated[int, typer.Option(min=1, help="Sites that they are spread over.")] = 1,
) -> None:
    """Write what the MES and ERP of a seeded factory would publish, noise and data trouble included."""
    from streams.simulator import FactorySettings
    from streams.simulator import simulate as run_simulation

    try:
        settings = FactorySettings(seed=seed, days=days, lines=lines, sites=sites)
    except ValueError as error:
        raise UsageError(str(error)) from None
    made = run_simulation(settings, out, truth)
    told = f", {made.truth_records:,} truths to {truth}" if truth else ""
    sys.stdout.write(f"{made.events:,} events to {out}{told}\nnext: foresite replay {out}\n")


@app.command("order-book")
def order_book(
    log: Annotated[Path, typer.Argument(help="A shop-floor log (CSV).")],
    mapping: Annotated[Path, typer.Option("--mapping", "-m", help="What its columns mean.")],
    seed: Annotated[int, typer.Option(help="Same seed, same order book.")] = 1,
) -> None:
    """Make up the orders, customers, prices and plan that a shop-floor log lacks, by a stated, seeded rule (NDJSON)."""
    from streams.adapters.mapping_file import load_mapping
    from streams.adapters.order_book import order_book as make

    for event in make(log, load_mapping(mapping), seed):
        sys.stdout.write(event.model_dump_json(exclude_none=True) + "\n")


@app.command()
def up(
    kafka: Kafka = None,
    clock: Annotated[
        Literal["wall", "events"] | None, typer.Option(help="Where time comes from. [FORESITE_CLOCK]")
    ] = None,
) -> None:
    """Run every role on this machine: against Kafka, or without --kafka on the embedded, volatile broker."""
    from streams.up import run_up

    settings = _settings(kafka, clock=clock)
    embedded = kafka is None and "kafka" not in settings.model_fields_set
    run_up(settings, embedded=embedded, stop=_until_stopped(), console=Console())


@app.command()
def broker() -> None:
    """Run the embedded broker until Ctrl-C. Volatile: it keeps nothing, and proves no guarantee."""
    from streams.acls import topics_of
    from streams.embedded_broker import EmbeddedBroker

    stop = _until_stopped()
    settings = _settings()
    with EmbeddedBroker() as embedded:
        for topic in topics_of(settings):
            embedded.create_topic(topic)
        sys.stdout.write(
            f"{embedded.bootstrap_servers}\n"
            "Volatile: about 5 MB a partition in memory, gone at the end; transactions isolate nothing.\n"
            f"next: FORESITE_KAFKA={embedded.bootstrap_servers} foresite up\n"
        )
        sys.stdout.flush()
        stop.wait()


@app.command()
def ingest(kafka: Kafka = None) -> None:
    """Run the ingest role: validate raw events, write facts and dead letters."""
    from streams.ingest import run
    from streams.logs import configure_role

    settings = _settings(kafka)
    configure_role("ingest", settings)
    raise typer.Exit(run(settings, admin_host=settings.admin_host, admin_port=settings.admin_port))


@app.command()
def twin(kafka: Kafka = None) -> None:
    """Run the twin role: fold facts into the live model, put out cards, signals and projections."""
    from streams.logs import configure_role
    from streams.twin_role import run

    settings = _settings(kafka)
    configure_role("twin", settings)
    raise typer.Exit(run(settings))


@app.command()
def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="fold, ingest, twin, latency, loop, detection, quality, calibration, alerts, replanning, disruptions, "
            "factory, adapters, solver, recovery, soak; default: all.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything random: same seed, same plants.")] = 1,
    as_json: AsJson = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Tiny runs, to see that it works; no figures to quote.")
    ] = False,
    kafka: Annotated[
        str | None, typer.Option("--kafka", metavar="HOST:PORT", help="Measure against this Kafka.")
    ] = None,
    embedded: Annotated[
        bool, typer.Option("--embedded", help="Measure against the broker in memory.")
    ] = False,
    instances: Annotated[
        str | None, typer.Option(metavar="DIR", help="solver: the folder of the problems.")
    ] = None,
    family: Annotated[list[str] | None, typer.Option(help="solver: wtsds, wt, upmsp_sdst, ...")] = None,
    time: Annotated[float, typer.Option(help="solver: seconds an instance and seed, by --clock.")] = 2.0,
    seeds: Annotated[int, typer.Option(help="solver: how many, from --seed on.")] = 1,
    against: Annotated[
        str | None, typer.Option(help="solver: atcs,cp-sat,pyjobshop (default), some of them, or none.")
    ] = None,
    clock: Annotated[
        str, typer.Option(help="solver: wall, or cpu: processor time, for busy machines.")
    ] = "wall",
    every: Annotated[int, typer.Option(min=1, help="solver: of the instances by name, each so many.")] = 1,
    peer_seeds: Annotated[
        int | None, typer.Option(min=1, help="solver: seeds that peers are run with; default: all.")
    ] = None,
    entities: Annotated[int, typer.Option(min=1_000, help="recovery: that the twin holds.")] = 100_000,
    rounds: Annotated[int, typer.Option(min=1, help="recovery: kills.")] = 25,
    minutes: Annotated[float, typer.Option(min=0.1, help="soak: at the even rate.")] = 60.0,
    rate: Annotated[
        float | None,
        typer.Option(help="soak: events a second; default: half of the maximum, measured before."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="soak: keep samples (NDJSON) and plot (SVG) there.")
    ] = None,
) -> None:
    """Measure, and print the figures: how fast, how soon drift is found, how often a card is right.

    Needs a source checkout: the folder bench/ with its README is no part of the installed package.
    """
    from streams.benches import run_benches

    options = ["--seed", str(seed)]
    options += ["--json"] * as_json + ["--quick"] * quick + ["--embedded"] * embedded
    options += [] if kafka is None else ["--kafka", kafka]
    options += ["--time", str(time), "--seeds", str(seeds)]
    options += ["--entities", str(entities), "--rounds", str(rounds)]
    options += ["--minutes", str(minutes)]
    options += [] if rate is None else ["--rate", str(rate)]
    options += [] if out is None else ["--out", str(out)]
    options += [] if instances is None else ["--instances", instances]
    options += [] if against is None else ["--against", against]
    options += ["--clock", clock, "--every", str(every)]
    options += [] if peer_seeds is None else ["--peer-seeds", str(peer_seeds)]
    options += [word for name in family or [] for word in ("--family", name)]
    raise typer.Exit(run_benches([*(names or []), *options]))


@topics_app.command("list")
def list_topics(as_json: AsJson = False) -> None:
    """Print the table of topics: key, cleanup, who writes and reads."""
    if as_json:
        for topic in TOPICS.values():
            row = {"name": topic.name, "key": topic.key, "cleanup": topic.cleanup, "role": topic.role}
            sys.stdout.write(json.dumps({**row, "holds": topic.holds}) + "\n")
        return
    table = Table("topic", "key", "cleanup", "holds", box=None, pad_edge=False)
    for topic in TOPICS.values():
        table.add_row(topic.name, topic.key, topic.cleanup, topic.holds)
    Console().print(table)


@topics_app.command("create")
def create(
    kafka: Kafka = None,
    replication: Annotated[
        int, typer.Option(help="Copies of each partition; -1: the cluster's default.")
    ] = -1,
) -> None:
    """Create what is missing of the topics; what exists is left as it is. Safe to repeat."""
    from streams.topic_admin import create_topics

    for each in create_topics(_settings(kafka), replication):
        sys.stdout.write(f"{each.name:36} {each.outcome}\n")


@topics_app.command("export")
def export(
    cluster: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the Kafka resource.")
    ] = "foresite-kafka",
    replicas: Annotated[int, typer.Option(min=1, help="Copies of each partition.")] = 3,
    auth: Annotated[
        Literal["scram-sha-512", "tls"], typer.Option(help="How users sign in.")
    ] = "scram-sha-512",
) -> None:
    """Print topics, users and their rights as resources of the Strimzi operator (YAML). Asks no broker.

    The same as `topics create` and `acls apply` do, for `kubectl apply` or kustomize.
    """
    from streams.strimzi import as_yaml, strimzi_resources

    sys.stdout.write(as_yaml(strimzi_resources(_settings(), cluster, replicas, auth)))


if __name__ == "__main__":
    main()
