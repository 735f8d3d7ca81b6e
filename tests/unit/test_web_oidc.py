"""Bearer tokens of an OIDC issuer: a real one in the test, with a discovery document, keys and a change of keys."""

import http.server
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from tests.web_plant import WebPlant, web_plant

Key = RSAKey | ECKey


@dataclass
class Issuer:
    """Serves what an OIDC issuer serves, and makes tokens.

    Attributes:
        keys: those that it publishes.
        asked: how often its keys were asked for.
    """

    keys: dict[str, Key] = field(default_factory=dict)
    asked: int = 0
    url: str = ""

    def token(self, kid: str = "k1", key: Any = None, algorithm: str = "RS256", **changes: Any) -> str:
        """A token that is good, but for the changes; None leaves a claim out."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": "foresite",
            "sub": "1",
            "exp": now + 300,
            "preferred_username": "o.roy",
            "roles": ["planner"],
        } | changes
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode({"alg": algorithm, "kid": kid}, kept, key or self.keys[kid], algorithms=[algorithm])


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer({"k1": RSAKey.generate_key(2048, {"kid": "k1"})})

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body: dict[str, Any] = {"issuer": made.url, "jwks_uri": f"{made.url}/keys"}
            if self.path == "/keys":
                made.asked += 1
                body = {"keys": [key.as_dict(private=False) for key in made.keys.values()]}
            text = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield made
        server.shutdown()
        thread.join()


@pytest.fixture
def plant(issuer: Issuer) -> Iterator[WebPlant]:
    with web_plant(
        web_oidc_issuer=issuer.url, web_oidc_audience="foresite", web_requests_per_min=10_000
    ) as made:
        yield made


def status(plant: WebPlant, token: str) -> int:
    with plant.client(token) as client:
        return client.get("/api/v1/me").status_code


def test_a_good_token_signs_in_with_name_and_role(plant: WebPlant, issuer: Issuer) -> None:
    with plant.client(issuer.token(roles=["other", "planner", "viewer"])) as client:
        me = client.get("/api/v1/me").json()

    assert ("o.roy", "planner", "oidc") == (me["name"], me["role"], me["via"])


def test_keys_are_asked_for_once(plant: WebPlant, issuer: Issuer) -> None:
    token = issuer.token()

    assert [200] * 5 == [status(plant, token) for _ in range(5)]
    assert 1 == issuer.asked


def test_what_is_not_meant_for_us_is_refused(plant: WebPlant, issuer: Issuer) -> None:
    now = int(time.time())
    stranger = RSAKey.generate_key(2048, {"kid": "k1"})
    public = json.dumps(issuer.keys["k1"].as_dict(private=False))
    bad = {
        "another audience": issuer.token(aud="other"),
        "no audience": issuer.token(aud=None),
        "another issuer": issuer.token(iss="https://evil.example"),
        "expired": issuer.token(exp=now - 60),
        "never expires": issuer.token(exp=None),
        "not yet": issuer.token(nbf=now + 3600),
        "another key": issuer.token(key=stranger),
        "no role": issuer.token(roles=["manager"]),
        "roles of a wrong type": issuer.token(roles={"admin": True}),
        "no name": issuer.token(preferred_username=None),
        "a name with a line feed": issuer.token(preferred_username="o.roy\nadmin"),
        "the public key as a secret": issuer.token(key=OctKey.import_key(public), algorithm="HS256"),
        "cut": issuer.token()[:-10],
    }
    head, body, _ = issuer.token().split(".")
    none = "eyJhbGciOiJub25lIn0"
    bad["unsigned"] = f"{none}.{body}."
    bad["signature taken off"] = f"{head}.{body}."

    assert dict.fromkeys(bad, 401) == {name: status(plant, token) for name, token in bad.items()}
    failed = {
        sample.labels["reason"]: sample.value
        for family in plant.metrics.registry.collect()
        for sample in family.samples
        if sample.name == "foresite_sign_in_failures_total"
    }
    assert len(bad) == sum(failed.values())
    assert 1.0 == failed["expired"]


def test_a_new_key_is_found_and_a_made_up_one_asks_nobody_twice(
    plant: WebPlant, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 200 == status(plant, issuer.token())
    issuer.keys["k2"] = ECKey.generate_key("P-256", {"kid": "k2"})
    assert 401 == status(plant, issuer.token("k2", algorithm="ES256")), "asked a moment ago"

    monkeypatch.setattr("streams.web.oidc.KEYS_WAIT_S", 0.0)
    assert 200 == status(plant, issuer.token("k2", algorithm="ES256"))
    monkeypatch.setattr("streams.web.oidc.KEYS_WAIT_S", 20.0)
    asked = issuer.asked
    made_up = RSAKey.generate_key(2048, {"kid": "k9"})
    assert [401] * 3 == [status(plant, issuer.token("k9", key=made_up)) for _ in range(3)]
    assert asked == issuer.asked


def test_an_issuer_that_is_away_is_said_to_be_away(issuer: Issuer) -> None:
    token = issuer.token()
    with (
        web_plant(web_oidc_issuer="http://127.0.0.1:9", web_oidc_audience="foresite") as plant,
        plant.client(token) as client,
    ):
        answer = client.get("/api/v1/me")

    assert (503, "sign_in_unavailable") == (answer.status_code, answer.json()["type"])


def test_roles_may_lie_deeper(issuer: Issuer) -> None:
    with (
        web_plant(
            web_oidc_issuer=issuer.url,
            web_oidc_audience="foresite",
            web_oidc_roles_claim="realm_access.roles",
            web_oidc_name_claim="email",
        ) as plant,
        plant.client(
            issuer.token(roles=None, realm_access={"roles": "approver"}, email="o@roy.example")
        ) as client,
    ):
        me = client.get("/api/v1/me").json()

    assert ("o@roy.example", "approver") == (me["name"], me["role"])


def test_a_session_does_not_outlive_its_token(plant: WebPlant, issuer: Issuer) -> None:
    with plant.client(issuer.token(), Origin=plant.url) as browser:
        begun = browser.post("/api/v1/session")

    assert 201 == begun.status_code
    assert 0 < begun.json()["expires_in_s"] <= 300
