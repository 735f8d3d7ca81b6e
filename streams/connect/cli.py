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


def _settings(**given: Any) -> Any:
    from streams.settings import Settings

    return Settings(**{name: value for name, value in given.items() if value is not None})


def _until_stopped() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
