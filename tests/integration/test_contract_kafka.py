"""From the documents alone: a reader made from docs/schemas reads the cards; docs/publish.md does what it says, word by word.

Both on Apache Kafka, with the roles as processes.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from docs.generate import CONTRACT, DOCS
from schemas import decode_facts
from streams.local_kafka import LocalKafka, free_port
from streams.publish import publish
from streams.settings import Settings
from streams.sources import read_records
from streams.topic_admin import create_topics
from tests.running import ROOT, cards, facts_log, roles, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.timeout(600)]

EVENTS = ROOT / "examples" / "first_card" / "events.ndjson"
PATIENCE_S = 240.0
HERE = str(Path(sys.executable).parent)


def test_a_reader_made_from_the_documents_alone_reads_the_cards(kafka: str, tmp_path: Path) -> None:
    settings = Settings(kafka=kafka, topic_prefix=f"contract-{os.getpid()}-", clock="events")
    create_topics(settings, replication=1)
    lines = EVENTS.read_bytes().splitlines(keepends=True)
    assert 10 == len(lines)
    with roles(settings, "ingest", "twin"):
        # The plan, then the floor, then the clock: readers read topics side by side, and nobody may be early.
        for part in (lines[:6], lines[6:9], lines[9:]):
            file = tmp_path / "part.ndjson"
            file.write_bytes(b"".join(part))
            assert 0 == publish(settings, read_records([file])).exit_code
            told = {json.loads(line)["event_id"] for line in part}
            wait_until(lambda told=told: told <= known(settings), PATIENCE_S)  # type: ignore[misc]
        wait_until(lambda: len(cards(settings)) == 1, PATIENCE_S)
    # Where no package of ours can be found, but for what is installed.
    reader = tmp_path / "reader.py"
    shutil.copy(ROOT / "tests" / "contract_consumer.py", reader)
    shutil.copytree(CONTRACT, tmp_path / "contract")
    done = subprocess.run(
        [sys.executable, str(reader), str(tmp_path / "contract"), kafka, settings.topic_prefix],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == done.returncode, done.stderr
    [card] = [json.loads(line) for line in done.stdout.splitlines()]
    assert "#7001 for Acme will miss its date of Mon 5 Jan 18:00" in card["title"]
    assert ("O. Roy", [*cards(settings)]) == (card["owner"], [card["card_id"]])


def known(settings: Settings) -> set[str]:
    """Ids of the events on the facts topic."""
    return {
        event.event_id
        for values in facts_log(settings).values()
        for value in values
        for segment in decode_facts(value).segments
        for event in segment.events
    }


def snippets() -> list[tuple[str, str]]:
    """Language and text of each block of the document."""
    text = (DOCS / "publish.md").read_text("utf-8")
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


class Newcomer:
    """Somebody who copies the blocks of the document, with the addresses of this test instead of those in it."""

    def __init__(self, folder: Path, kafka: str) -> None:
        self._folder, self._kafka = folder, kafka
        self._web = f"127.0.0.1:{free_port()}"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("FORESITE_")},
            "PATH": f"{HERE}:{os.environ['PATH']}",
            "FORESITE_WEB_PORT": self._web.rpartition(":")[2],
        }
        self.token = ""

    def here(self, text: str) -> str:
        """A block as it is to be run."""
        text = text.replace("localhost:9092", self._kafka).replace("localhost:8410", self._web)
        return text.replace("foresite_...", self.token)

    def run(self, language: str, text: str) -> subprocess.CompletedProcess[str]:
        """Run a block to its end."""
        words = ["bash", "-e", "-o", "pipefail", "-c"] if language == "sh" else [sys.executable, "-c"]
        return subprocess.run(
            [*words, self.here(text)],
            cwd=self._folder,
            env={**self._environment, "TOKEN": self.token},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    @contextmanager
    def running(self, text: str) -> Iterator[None]:
        """Run a block that goes on by itself, as in a shell of its own."""
        log = self._folder / "up.log"
        with log.open("wb") as printed:
            process = subprocess.Popen(
                ["bash", "-c", self.here(text)],
                cwd=self._folder,
                env=self._environment,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            wait_until(self._is_up, PATIENCE_S, lambda: log.read_text(errors="replace")[-3000:])
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _is_up(self) -> bool:
        asked = [
            "curl",
            "-s",
            "-H",
            f"Authorization: Bearer {self.token}",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
        ]
        done = subprocess.run(
            [*asked, "-X", "POST", f"http://{self._web}/api/v1/events"],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout == "415"  # somebody answers, and asks for another content type


def needs(tool: str) -> None:
    """Skip without a tool; where CI says that it is there, fail."""
    if shutil.which(tool) is None:
        message = f"there is no {tool} on the PATH: apt-get install {tool}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


def test_a_newcomer_publishes_with_kcat_curl_and_python(own_kafka: LocalKafka, tmp_path: Path) -> None:
    needs("kcat")
    needs("curl")
    newcomer = Newcomer(tmp_path, own_kafka.bootstrap_servers)
    make, start, line, one, many, python, look = snippets()
    assert ["sh"] * 5 + ["python", "sh"] == [language for language, _ in snippets()]

    made = newcomer.run(*make)
    assert 0 == made.returncode, made.stderr
    [newcomer.token] = re.findall(r"foresite_[\w-]+", made.stderr)
    with newcomer.running(start[1]):
        said = {}
        again = ("sh", many[1][many[1].index("curl") :])
        blocks = {"line": line, "one": one, "many": many, "again": again, "python": python}
        for name, block in blocks.items():
            said[name] = newcomer.run(*block)
            assert 0 == said[name].returncode, (name, said[name].stderr)
        seen: list[subprocess.CompletedProcess[str]] = []

        def is_held() -> bool:
            seen.append(newcomer.run(*look))
            return '"state":"HELD"' in seen[-1].stdout

        wait_until(is_held, PATIENCE_S, lambda: seen[-1].stdout[-2000:] + seen[-1].stderr)

    assert answer("one", said) == {"received": 1, "delivered": 1, "repeated": 0, "unknown_fields": 0}
    assert answer("again", said) == {"received": 2, "delivered": 0, "repeated": 2, "unknown_fields": 0}
    assert answer("many", said) == {"received": 2, "delivered": 2, "repeated": 0, "unknown_fields": 0}
    assert (
        "Delivered(event_id='press-1/4', topic='mes.machine-events.v1', partition=" in said["python"].stdout
    )
    documents = [json.loads(text) for text in seen[-1].stdout.splitlines()]
    assert {("lyon", "L1")} == {(each["site_id"], each["line_id"]) for each in documents}, (
        "and no dead letter"
    )


def answer(name: str, said: dict[str, subprocess.CompletedProcess[str]]) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(said[name].stdout)
    assert "records" in body, body
    return {key: value for key, value in body.items() if key != "records"}
