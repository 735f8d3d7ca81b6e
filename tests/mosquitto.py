"""A real MQTT broker for tests: mosquitto, from Debian or wherever this machine has it, one process on a free port."""

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from streams.local_kafka import free_port


def mosquitto_or_skip() -> str:
    """The program; a test without it skips, and fails where CI=true: a green run would prove nothing."""
    found = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
    if found is None:
        reason = "there is no mosquitto: apt-get install mosquitto"
        if os.environ.get("CI", "").lower() in {"true", "1"}:
            pytest.fail(reason)
        pytest.skip(reason)
    return found


class Mosquitto:
    """A broker that keeps sessions in a folder, so that it can be killed and started again.

    Args:
        folder: for its configuration and sessions.
        lines: of its configuration, instead of an open listener in plain text.
    """

    def __init__(self, folder: Path, lines: Sequence[str] = ()) -> None:
        self.port = free_port()
        self._program = mosquitto_or_skip()
        self._file = folder / "mosquitto.conf"
        listener = [each.format(port=self.port) for each in lines] or [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
        ]
        self._file.write_text(
            "\n".join(
                [
                    *listener,
                    "persistence true",
                    f"persistence_location {folder}/",
                    "autosave_interval 1",
                    "max_queued_messages 0",
                    "max_inflight_messages 10",  # so that what waits is acknowledged in several turns, never in one
                    "user root",
                ]
            )
            + "\n"
        )
        self._log = (folder / "mosquitto.log").open("ab")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Mosquitto":
        """Run it, and wait until it listens."""
        self.process = subprocess.Popen(
            [self._program, "-c", str(self._file), "-v"], stdout=self._log, stderr=self._log
        )
        deadline = time.monotonic() + 20
        while not self._listens():
            assert self.process.poll() is None, "mosquitto ended"
            assert time.monotonic() < deadline, "mosquitto does not listen"
            time.sleep(0.05)
        return self

    def stop(self) -> None:
        """End it in order; it saves its sessions."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)

    def close(self) -> None:
        """End it for good."""
        self.stop()
        self._log.close()

    def _listens(self) -> bool:
        import socket  # noqa: PLC0415 - only here

        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Publisher:
    """A machine's side: publishes and waits until the broker has it."""

    def __init__(self, port: int, name: str = "machine") -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.client: Any = Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTv311)
        self.client.on_message = lambda _client, _data, message: self.heard.append(
            (message.topic, bytes(message.payload))
        )
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def listen(self, topic: str) -> None:
        """Keep what comes on a topic in `heard`."""
        self.client.subscribe(topic, 1)

    def send(self, topic: str, payload: bytes, *, qos: int = 1) -> None:
        """Publish one message."""
        self.client.publish(topic, payload, qos=qos).wait_for_publish(30)

    def close(self) -> None:
        """Leave."""
        self.client.disconnect()
        self.client.loop_stop()
