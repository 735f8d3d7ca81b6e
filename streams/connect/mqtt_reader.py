"""Reads an MQTT broker: connects and reconnects, gives messages to a translator, acknowledges what Kafka has.

Law: a message of quality of service 1 is acknowledged after Kafka's delivery report for everything that was made of it,
never before, and only on the connection that brought it. What was not acknowledged comes again and makes the same ids.
"""

import ssl
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
import structlog

from schemas import UsageError
from streams.adapters.machines.sparkplug import NAMESPACE
from streams.adapters.machines.translators import Translator
from streams.admin import Health
from streams.connect.outlet import Outlet, count_ignored
from streams.faults import fault_point
from streams.metrics import Metrics
from streams.settings import Settings

log = structlog.get_logger(__name__)

KEEPALIVE_S: Final = 30
CONNECT_TIMEOUT_S: Final = 10.0
LOOP_S: Final = 0.05
DRAIN_S: Final = 10.0

RECONNECT_FIRST_S: Final = 1.0
RECONNECT_MOST_S: Final = 60.0
"""Pauses between attempts, doubling. Too small: a broker that starts is knocked over by its clients. Too large: so long
nobody notices that it is back."""

MESSAGE_BYTES_MAX: Final = 8_000_000
"""Of one message that is held in memory; beyond it the client refuses it. Sources are judged by their own limits."""

PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class _Pending:
    """A message that waits for Kafka: its number, and what acknowledges it on which connection."""

    number: int
    connection: int
    mid: int
    qos: int


class MqttReader:
    """One session with one broker.

    Args:
        settings: where broker and Kafka are.
        translator: maps messages.
        subscribe: filters of topics; at quality of service 1.
        host_id: our name as a Sparkplug host application; None: we are none, and publish no STATE.
        metrics, health: are told how it goes.

    Raises:
        UsageError: paho-mqtt is missing, or a certificate cannot be read.
    """

    def __init__(
        self,
        settings: Settings,
        translator: Translator,
        subscribe: Sequence[str],
        host_id: str | None,
        metrics: Metrics,
        health: Health,
    ) -> None:
        if not subscribe:
            raise UsageError("no topics to read: name them in the map's `subscribe`, or with --topic")
        self._settings, self._translator, self._metrics, self._health = settings, translator, metrics, health
        self._subscribe, self._host_id = list(dict.fromkeys(subscribe)), host_id
        self._outlet = Outlet(settings, metrics)
        self._pending: deque[_Pending] = deque()
        self._number = 0
        self._connection = 0
        self._subscription: int | None = None
        self._state_ms = 0
        self._refused = ""
        self._client = self._new_client()

    def run(self, stop: threading.Event) -> None:
        """Read until `stop` is set.

        Raises:
            DeliveryFailed: Kafka refused a record.
            UsageError: the broker refuses us: user, password, or what we may read.
        """
        pause_s = RECONNECT_FIRST_S
        is_connected = False
        self._health.not_ready("mqtt", f"not connected to {self._settings.mqtt}")
        self._health.started()
        try:
            while not stop.is_set():
                self._health.beat()
                if not is_connected:
                    is_connected = self._connect()
                    if not is_connected:
                        self._outlet.poll(0.0)
                        stop.wait(pause_s)
                        pause_s = min(2 * pause_s, RECONNECT_MOST_S)
                        continue
                result = self._client.loop(LOOP_S) if self._outlet.has_room else self._client.loop_misc()
                self._settle(0.0 if self._outlet.has_room else LOOP_S)
                if self._refused:
                    raise UsageError(self._refused)
                if result != 0:
                    is_connected = False
                    self._lost(str(result))
                elif self._client.is_connected():
                    pause_s = RECONNECT_FIRST_S
        finally:
            self._end()

    def _new_client(self) -> Any:
        try:
            from paho.mqtt.client import Client, MQTTv311  # noqa: PLC0415 - an extra
            from paho.mqtt.enums import CallbackAPIVersion  # noqa: PLC0415
        except ImportError:
            raise UsageError("MQTT needs paho-mqtt: pip install 'foresite[mqtt]'") from None
        settings = self._settings
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.mqtt_client_id,
            clean_session=False,  # what comes while we are away is kept for us
            protocol=MQTTv311,
            manual_ack=True,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        if settings.mqtt_user is not None:
            client.username_pw_set(settings.mqtt_user, _password(settings))
        if urlsplit(settings.mqtt).scheme == "mqtts":
            client.tls_set_context(_tls(settings))
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _connect(self) -> bool:
        address = urlsplit(self._settings.mqtt)
        host, port = address.hostname or "", address.port or PORTS[address.scheme]
        self._connection += 1
        self._pending = deque(_Pending(each.number, 0, each.mid, each.qos) for each in self._pending)
        if self._host_id is not None:
            self._state_ms = int(time.time() * 1000)
            self._client.will_set(self._state_topic, self._state(is_online=False), qos=1, retain=True)
        try:
            self._client.connect(host, port, keepalive=KEEPALIVE_S)
        except (OSError, ValueError) as error:
            self._health.not_ready("mqtt", f"{self._settings.mqtt}: {error}")
            log.warning("mqtt_unreachable", broker=self._settings.mqtt, error=str(error))
            return False
        return True

    def _on_connect(self, client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            if reason.getName() in ("Bad user name or password", "Not authorized"):
                self._refused = (
                    f"{self._settings.mqtt} refuses us ({reason}): see FORESITE_MQTT_USER and its password"
                )
            return
        if self._host_id is not None:
            client.subscribe(self._state_topic, 1)
            client.publish(self._state_topic, self._state(is_online=True), qos=1, retain=True)
        _, self._subscription = client.subscribe([(topic, 1) for topic in self._subscribe])

    def _on_subscribe(self, _client: Any, _data: Any, mid: int, reasons: Any, _properties: Any) -> None:
        """From here on the broker keeps messages for us; before its answer it may know nothing of us."""
        if mid != self._subscription:
            return
        denied = [topic for topic, reason in zip(self._subscribe, reasons, strict=False) if reason.is_failure]
        if denied:
            self._refused = f"{self._settings.mqtt} does not let us read {', '.join(denied)}: give FORESITE_MQTT_USER the right"
            return
        self._health.ready("mqtt")
        log.info("mqtt_connected", broker=self._settings.mqtt, topics=self._subscribe)

    def _on_message(self, client: Any, _data: Any, message: Any) -> None:
        topic: str = message.topic
        if self._host_id is not None and topic == self._state_topic:
            client.ack(message.mid, message.qos)
            if b'"online":false' in message.payload.replace(
                b" ", b""
            ):  # the will of our last connection came late
                client.publish(topic, self._state(is_online=True), qos=1, retain=True)
            return
        self._number += 1
        made = self._translator.translate(topic, message.payload, datetime.now(UTC))
        for request in made.requests:
            log.info("rebirth_requested", topic=request.topic)
            client.publish(request.topic, request.payload, qos=0)
        for bad in made.problems:
            log.warning("message_refused", topic=topic, code=bad.code, field=bad.field_path, error=str(bad))
        self._pending.append(_Pending(self._number, self._connection, message.mid, message.qos))
        self._outlet.send(("mqtt", 0), self._number, f"mqtt:{topic}", message.payload, made)
        fault_point("before_kafka")

    def _settle(self, wait_s: float) -> None:
        """Acknowledge what Kafka has."""
        self._outlet.poll(wait_s)
        done = self._outlet.take_done().get(("mqtt", 0))
        if done is not None:
            fault_point("after_kafka")
            while self._pending and self._pending[0].number <= done:
                each = self._pending.popleft()
                if each.qos and each.connection == self._connection:
                    self._client.ack(each.mid, each.qos)
            fault_point("after_mqtt_ack")
            count_ignored(self._metrics, self._translator.ignored().items())
        self._metrics.connect_waiting.set(len(self._pending))

    def _lost(self, why: str) -> None:
        self._metrics.connect_reconnects.inc()
        self._health.not_ready("mqtt", f"lost {self._settings.mqtt}: {why}")
        log.warning("mqtt_lost", broker=self._settings.mqtt, error=why)

    def _end(self) -> None:
        """Let Kafka answer for what was sent, acknowledge it, and leave."""
        try:
            if self._outlet.drain(DRAIN_S):
                self._settle(0.0)
            if self._host_id is not None and self._client.is_connected():
                self._state_ms = int(time.time() * 1000)
                self._client.publish(self._state_topic, self._state(is_online=False), qos=1, retain=True)
            self._client.disconnect()
            self._client.loop(LOOP_S)
        finally:
            self._outlet.close()

    @property
    def _state_topic(self) -> str:
        return f"{NAMESPACE}/STATE/{self._host_id}"

    def _state(self, *, is_online: bool) -> bytes:
        return orjson.dumps({"online": is_online, "timestamp": self._state_ms})


def _password(settings: Settings) -> str | None:
    if settings.mqtt_password is not None:
        return settings.mqtt_password.get_secret_value()
    if settings.mqtt_password_file is None:
        return None
    try:
        return settings.mqtt_password_file.read_text(encoding="utf-8").removesuffix("\n")
    except OSError as error:
        raise UsageError(f"FORESITE_MQTT_PASSWORD_FILE: {error}") from None


def _tls(settings: Settings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.mqtt_ca_file)
        if settings.mqtt_cert_file is not None:
            context.load_cert_chain(settings.mqtt_cert_file, settings.mqtt_key_file)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"certificates of MQTT cannot be used: {error}") from None
    return context
