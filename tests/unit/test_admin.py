"""The admin port: alive is the role's own loop, ready is everything a correct picture needs."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from prometheus_client import CollectorRegistry, Counter

from streams.admin import LIVENESS_LIMIT_S, AdminServer, Health


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def get(server: AdminServer, path: str, method: str = "GET") -> tuple[int, bytes, dict[str, str]]:
    address = urlsplit(server.url)
    assert address.hostname is not None
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=5)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read(), dict(response.getheaders())
    finally:
        connection.close()


def get_json(server: AdminServer, path: str) -> tuple[int, Any]:
    status, body, _ = get(server, path)
    return status, json.loads(body)


def test_a_role_is_ready_when_its_last_reason_is_gone() -> None:
    health = Health()
    with AdminServer(health, CollectorRegistry()) as server:
        starting = get_json(server, "/readyz")
        health.started()
        health.not_ready("partition-3", "reading its state")
        restoring = get_json(server, "/readyz")
        health.ready("partition-3")
        ready = get_json(server, "/readyz")

    not_started = {"ready": False, "reasons": {"starting": "the role has not finished starting"}}
    assert (503, not_started) == starting
    assert (503, {"ready": False, "reasons": {"partition-3": "reading its state"}}) == restoring
    assert (200, {"ready": True, "reasons": {}}) == ready


def test_a_role_is_alive_while_its_loop_turns_whatever_it_waits_for() -> None:
    clock = Clock()
    health = Health(clock)
    health.not_ready("kafka", "no broker answers")
    with AdminServer(health, CollectorRegistry()) as server:
        clock.now += LIVENESS_LIMIT_S
        waiting = get_json(server, "/livez")
        clock.now += 1.0
        hung = get_json(server, "/livez")
        health.beat()
        again = get_json(server, "/livez")

    assert (200, {"alive": True, "beat_age_s": 30.0}) == waiting
    assert (503, {"alive": False, "beat_age_s": 31.0}) == hung
    assert (200, {"alive": True, "beat_age_s": 0.0}) == again


def test_metrics_are_those_of_the_registry_given() -> None:
    registry = CollectorRegistry()
    Counter("foresite_things", "Things.", registry=registry).inc(3)
    with AdminServer(Health(), registry) as server:
        status, body, headers = get(server, "/metrics?name=any")

    assert 200 == status
    assert b"\nforesite_things_total 3.0\n" in body
    assert headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/", 404), ("POST", "/livez", 501)])
def test_nothing_else_is_served(method: str, path: str, status: int) -> None:
    with AdminServer(Health(), CollectorRegistry()) as server:
        answer, _, headers = get(server, path, method)

    assert status == answer
    assert "Python" not in headers["Server"]


def test_it_listens_on_loopback_and_closes_its_port() -> None:
    server = AdminServer(Health(), CollectorRegistry())
    assert server.url.startswith("http://127.0.0.1:")

    server.start()
    server.stop()
    server.stop()

    with pytest.raises(ConnectionRefusedError):
        get(server, "/livez")


def test_a_server_that_never_started_can_be_stopped() -> None:
    AdminServer(Health(), CollectorRegistry()).stop()
