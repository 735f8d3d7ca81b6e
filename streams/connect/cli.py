"""`foresite connect`: readers of the systems that a plant has already."""

import signal
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from streams.cli_options import Kafka

app = typer.Typer(
    no_args_is_help=True,
    help="""Read what machines, ERP and WMS already say, and publish it as events. docs/adapters/README.md says what is mapped.

What cannot be mapped is a dead letter with its reason (ingest.dead-letters.v1); everything around it goes on.""",
)

MapFile = Annotated[
    Path,
    typer.Argument(metavar="MAP", help="What the tags or messages mean (YAML): docs/adapters/machines.md."),
]


@app.command()
def mqtt(
    map_file: MapFile,
    topic: Annotated[
        list[str] | None,
        typer.Option("--topic", "-t", help="Read this; + and # stand for levels. Default: the map's."),
    ] = None,
    broker: Annotated[
        str | None, typer.Option(metavar="URL", help="mqtt://host:port, mqtts:// for TLS. [FORESITE_MQTT]")
    ] = None,
    kafka: Kafka = None,
) -> None:
    """Read machines over MQTT until Ctrl-C: Sparkplug B by a tag map, or JSON by a mapping file.

    A message is acknowledged when Kafka has what was made of it: nothing is lost when this is killed, and what comes
    again makes the same event ids.
    """
    from streams.adapters.machines.translators import JsonTranslator, SparkplugTranslator, Translator
    from streams.connect.maps import load_map
    from streams.connect.mqtt_reader import MqttReader
    from streams.connect.role import run_reader

    loaded = load_map(map_file)
    translator: Translator
    if loaded.tags is not None:
        translator, topics, host_id = (
            SparkplugTranslator(loaded.tags),
            loaded.tags.subscribe,
            loaded.tags.host_id,
        )
    else:
        assert loaded.mapping is not None, "a map is one or the other"
        translator, topics, host_id = JsonTranslator(loaded.mapping), [], None
    settings = _settings(kafka=kafka, mqtt=broker)
    raise typer.Exit(
        run_reader(
            settings,
            "mqtt",
            lambda metrics, health: MqttReader(
                settings, translator, topic or topics, host_id, metrics, health
            ),
            _until_stopped(),
        )
    )


@app.command()
def umh(
    map_file: MapFile,
    hub: Annotated[
        str | None, typer.Option("--umh", metavar="HOST:PORT", help="The hub's Kafka. [FORESITE_UMH_KAFKA]")
    ] = None,
    topic: Annotated[
        list[str] | None, typer.Option("--topic", "-t", help="Its topics. Default: umh.messages.")
    ] = None,
    kafka: Kafka = None,
) -> None:
    """Read a United Manufacturing Hub until Ctrl-C: Core's tags by a tag map, and Classic's _analytics as they are."""
    from schemas import UsageError
    from streams.adapters.machines.translators import UmhTranslator
    from streams.adapters.machines.umh import TOPIC
    from streams.connect.maps import load_map
    from streams.connect.role import run_reader
    from streams.connect.umh_reader import UmhReader

    tags = load_map(map_file).tags
    if tags is None or tags.source != "umh":
        raise UsageError(f"{map_file}: a map of a hub says `source: umh` at its top")
    settings, translator = _settings(kafka=kafka, umh_kafka=hub), UmhTranslator(tags)
    raise typer.Exit(
        run_reader(
            settings,
            "umh",
            lambda metrics, health: UmhReader(settings, translator, topic or [TOPIC], metrics, health),
            _until_stopped(),
        )
    )


System = Annotated[str, typer.Argument(metavar="SYSTEM", help="erpnext, odoo, frepple, b2mml or wms.")]
Site = Annotated[str, typer.Option(help="The site that all of it concerns.")]
Zone = Annotated[str, typer.Option(help="Of times that say none, as Europe/Berlin.")]
Lines = Annotated[
    list[str] | None,
    typer.Option(
        "--line", metavar="THEIRS=OURS", help="A line's name or id there, and its line_id. Repeat it."
    ),
]
DefaultLine = Annotated[
    str | None, typer.Option(help="Of orders that name none; without it they are refused.")
]


@app.command()
def documents(
    system: System,
    files: Annotated[list[Path], typer.Argument(help="JSON, lines of JSON, CSV or XML; plain or .gz.")],
    site: Site,
    zone: Zone = "UTC",
    line: Lines = None,
    default_line: DefaultLine = None,
    kafka: Kafka = None,
    show: Annotated[
        bool, typer.Option("--show", help="Print the events as NDJSON, publish nothing.")
    ] = False,
) -> None:
    """Publish what documents of an ERP, planning or warehouse system say. docs/adapters/ has a table for each.

    The same document makes the same event ids, so a file that is published again changes nothing.
    """
    import sys

    from streams.connect.documents import read_documents
    from streams.publish import publish
    from streams.sources import RefusedRecord

    records = read_documents(_known(system), files, _plant(site, zone, line, default_line))
    if show:
        refused = 0
        for record in records:
            if isinstance(record, RefusedRecord):
                refused += 1
                sys.stderr.write(f"refused: {record}\n")
            else:
                sys.stdout.write(record.value.decode() + "\n")
        raise typer.Exit(1 if refused else 0)
    outcome = publish(_settings(kafka=kafka), records)
    for failure in outcome.failures:
        sys.stderr.write(f"not sent: {failure}\n")
    sys.stdout.write(
        f"{outcome.delivered:,} events delivered, {outcome.failed} failed, {outcome.refused} refused\n"
    )
    raise typer.Exit(outcome.exit_code)


@app.command("write-back")
def write_back(
    system: System,
    folder: Annotated[Path, typer.Argument(help="Changes go to FOLDER/out, answers come to FOLDER/in.")],
    site: Site,
    zone: Zone = "UTC",
    line: Lines = None,
    kafka: Kafka = None,
) -> None:
    """Write committed plan changes in a system's own terms, and acknowledge its answers, until Ctrl-C.

    Each change is one file, written once. Whoever carries it to the system puts the answer into FOLDER/in:
    docs/adapters/erp.md has the forms.
    """
    from schemas import UsageError
    from streams.connect.role import run_reader
    from streams.connect.write_back import REQUESTS, WriteBack

    if system not in REQUESTS:
        raise UsageError(f"{system} takes no plan changes; {', '.join(REQUESTS)} do")
    settings, plant = _settings(kafka=kafka), _plant(site, zone, line, None)
    raise typer.Exit(
        run_reader(
            settings,
            "write-back",
            lambda _metrics, health: WriteBack(settings, system, folder, plant, health),
            _until_stopped(),
        )
    )


def _known(system: str) -> str:
    from schemas import UsageError
    from streams.connect.documents import SYSTEMS

    if system not in SYSTEMS:
        raise UsageError(f"no such system: {system}; there are {', '.join(SYSTEMS)}")
    return system


def _plant(site: str, zone: str, lines: list[str] | None, default_line: str | None) -> Any:
    from zoneinfo import ZoneInfo

    from schemas import UsageError
    from streams.adapters.erp.documents import Plant

    try:
        ZoneInfo(zone)
    except (ValueError, OSError, LookupError):
        raise UsageError(f"--zone {zone}: no such time zone; they are named as Europe/Berlin") from None
    named: dict[str, str] = {}
    for each in lines or []:
        theirs, separator, ours = each.partition("=")
        if not (theirs and separator and ours):
            raise UsageError(f"--line {each}: THEIRS=OURS, as --line 'WC-3=line-3'")
        named[theirs] = ours
    return Plant(site, zone, named, default_line)


def _settings(**given: Any) -> Any:
    from streams.settings import Settings

    return Settings(**{name: value for name, value in given.items() if value is not None})


def _until_stopped() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
