"""Who may do what: every route with every role, tokens, sessions, hosts and origins, and the limits on each request."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from schemas import UsageError
from schemas.topics import COMMANDS, TOPICS
from streams.metrics import Metrics
from streams.settings import Settings
from streams.web.access import COMMAND_ROLES, ROLES, ROUTES, Role, commands_of, may
from streams.web.limits import RateLimit
from streams.web.page import StaticFiles
from streams.web.sign_in import SignIn
from streams.web.tokens import TokenFile, new_token
from tests.web_plant import HOSTILE, WebPlant, web_plant

PATHS = {
    "{card_id:path}": "no-card",
    "{order_id:path}": "no-order",
    "{line_id:path}": "no-line",
    "{node_type}": "line",
    "{entity_id:path}": "L3",
    "{proposal_id:path}": "no-proposal",
    "{name:path}": "x",
    "{command_id:path}": "no-command",
    "{rest:path}": "x",
    "{version}": StaticFiles().version,
    "{path:path}": "app.js",
}
SLOW = ("/api/v1/as-of", "/api/v1/why")
"""Routes that would fold facts if they were let through; their gate is the same, so `time` and `site` are left wrong."""


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A file with one token of each role, and the tokens."""
    path = tmp_path_factory.mktemp("web") / "tokens"
    made = {role: new_token(f"a.{role}", role) for role in ROLES}
    path.write_text("# who may come in\n\n" + "".join(f"{line}\n" for _, line in made.values()))
    return path, {role: token for role, (token, _) in made.items()}


@pytest.fixture(scope="module")
def secured(tokens: tuple[Path, dict[str, str]]) -> Iterator[WebPlant]:
    with web_plant(web_tokens_file=tokens[0], web_requests_per_min=100_000) as plant:
        yield plant


def path_of(route: str) -> str:
    for name, value in PATHS.items():
        route = route.replace(name, value)
    return f"{route}?site=&time=" if route.startswith(SLOW) else route


def asked(client: httpx.Client, method: str, route: str) -> httpx.Response:
    return client.request(method, path_of(route), json={} if method == "POST" else None)


@pytest.mark.parametrize(("method", "route"), ROUTES, ids=" ".join)
@pytest.mark.parametrize("role", [None, *ROLES])
def test_each_route_answers_those_who_may_and_nobody_else(
    secured: WebPlant, tokens: tuple[Path, dict[str, str]], method: str, route: str, role: Role | None
) -> None:
    least = ROUTES[method, route]
    with secured.client(None if role is None else tokens[1][role]) as client:
        answer = asked(client, method, route)

    if least is None:
        assert 200 == answer.status_code
    elif role is None:
        assert (401, "not_signed_in") == (answer.status_code, answer.json()["type"])
        assert 'Bearer realm="foresite"' == answer.headers["www-authenticate"]
    elif may(role, least):
        assert answer.status_code not in (401, 403)
    else:
        assert (403, "not_allowed") == (answer.status_code, answer.json()["type"])


def test_each_route_of_the_application_has_a_row_and_each_row_a_route(secured: WebPlant) -> None:
    found = {
        (method, route.path)
        for route in secured.web.api.routes
        for method in getattr(route, "methods", None) or ()
        if hasattr(route, "path") and method != "HEAD"
    }

    assert set(ROUTES) == found


def test_a_route_without_a_row_is_denied(secured: WebPlant, tokens: tuple[Path, dict[str, str]]) -> None:
    @secured.web.api.get("/api/v1/forgotten")
    async def forgotten() -> str:
        return "secret"

    with secured.client(tokens[1]["admin"]) as client:
        answer = client.get("/api/v1/forgotten")
    secured.web.api.router.routes.pop()

    assert (403, "no rule says who may GET /api/v1/forgotten") == (
        answer.status_code,
        answer.json()["detail"],
    )


def test_each_kind_of_command_has_a_role() -> None:
    kinds = {str(model.model_fields["kind"].default) for model in TOPICS[COMMANDS].types}

    assert kinds == set(COMMAND_ROLES)
    assert [] == commands_of("viewer")
    assert "proposal_approve" not in commands_of("planner")
    assert kinds == set(commands_of("approver")) == set(commands_of("admin"))


@pytest.mark.parametrize("kind", COMMAND_ROLES)
@pytest.mark.parametrize("role", ["planner", "approver"])
def test_a_command_needs_its_role(
    secured: WebPlant, tokens: tuple[Path, dict[str, str]], kind: str, role: Role
) -> None:
    """Judged before anything is sent; where it may, the broker that is not there is never asked: the body is bad."""
    with secured.client(tokens[1][role]) as client:
        answer = client.post("/api/v1/commands", json={"kind": kind, "command_id": "c"})

    assert 422 == answer.status_code
    body = {
        "kind": kind,
        "command_id": f"{kind}-{role}",
        "site_id": "S1",
        "expected_revision": 1,
        "card_id": "c",
        "proposal_id": "p",
        "option_id": "o",
        "line_id": "L1",
        "owner_id": "x",
        "item_id": "i",
        "reason": "r",
        "until": "2026-12-01T00:00:00Z",
        "due_at": "2026-12-01T00:00:00Z",
        "locks": [],
        "quantity_pcs": 1.0,
        "expected_duration_min": 5.0,
    }
    if not may(role, COMMAND_ROLES[kind]):
        with secured.client(tokens[1][role]) as client:
            answer = client.post("/api/v1/commands", json=body)
        assert (403, f"a.{role} is {role}; {kind} needs {COMMAND_ROLES[kind]}") == (
            answer.status_code,
            answer.json()["detail"],
        )


# Tokens


@pytest.mark.parametrize(
    "header",
    ["Bearer nonsense", "Bearer", "Basic YTpi", "foresite_x", "Bearer a.b.c", "Bearer " + "x" * 9_000, "Bearer \u00e9"],
)  # fmt: skip
def test_what_is_no_token_of_ours_is_refused_and_counted(
    tokens: tuple[Path, dict[str, str]], header: str
) -> None:
    with web_plant(web_tokens_file=tokens[0]) as plant, plant.client() as client:
        answer = client.get("/api/v1/me", headers=[(b"Authorization", header.encode("latin-1"))])
        failed = sum(plant.sample("sign_in_failures_total", reason=each) for each in ("unknown", "malformed"))

    assert (401, 1.0) == (answer.status_code, failed)


def test_the_file_holds_no_token_and_a_token_is_not_its_own_hash(tokens: tuple[Path, dict[str, str]]) -> None:
    path, by_role = tokens
    text = path.read_text()
    assert not [token for token in by_role.values() if token in text]
    file = TokenFile(path)

    assert file.principal(hashlib.sha256(by_role["admin"].encode()).hexdigest()) is None
    found = file.principal(by_role["approver"])
    assert found is not None
    assert ("a.approver", "approver", "token") == (found.name, found.role, found.via)


def test_a_token_that_is_taken_out_of_the_file_is_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.web.tokens.LOOK_EVERY_S", 0.0)
    path = tmp_path / "tokens"
    token, line = new_token("o.roy", "planner")
    path.write_text(line)
    file = TokenFile(path)
    assert file.principal(token) is not None

    path.write_text("o.roy planner half a li")
    assert file.principal(token) is not None, "a file that cannot be read changes nothing"
    path.write_text("# nobody\n")
    assert file.principal(token) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("o.roy planner", "expected NAME ROLE"),
        ("o.roy king sha256:" + "0" * 64, "'king' is no role"),
        ("o.roy planner sha256:12", "not 64"),
        ("o.roy planner sha256:" + "z" * 64, "not 64"),
        ("o.roy planner plain:secret", "expected NAME ROLE"),
        (f"a planner sha256:{'0' * 64}\na viewer sha256:{'1' * 64}", "has two roles"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "tokens"
    path.write_text(text)

    with pytest.raises(UsageError, match=says):
        TokenFile(path)


def test_sign_ins_that_fail_are_held_back(tokens: tuple[Path, dict[str, str]]) -> None:
    with (
        web_plant(web_tokens_file=tokens[0], web_requests_per_min=10) as plant,
        plant.client("wrong") as client,
    ):
        found = [client.get("/api/v1/me").status_code for _ in range(4)]

    assert [401, 429, 429, 429] == found


def test_who_asks_too_often_is_told_when_to_come_back(tokens: tuple[Path, dict[str, str]]) -> None:
    path, by_role = tokens
    with web_plant(web_tokens_file=path, web_requests_per_min=20) as plant:
        with plant.client(by_role["viewer"]) as client:
            answers = [client.get("/api/v1/me") for _ in range(7)]
        with plant.client(by_role["planner"]) as other:
            assert 200 == other.get("/api/v1/me").status_code, "everybody has a measure of their own"

    assert [200] * 5 == [each.status_code for each in answers[:5]]
    assert (429, "too_often") == (answers[-1].status_code, answers[-1].json()["type"])
    assert 0 < int(answers[-1].headers["retry-after"]) <= 4


def test_a_bucket_fills_with_time_and_memory_is_bounded() -> None:
    now = [0.0]
    limit = RateLimit(60.0, clock=lambda: now[0])
    assert [0.0] * 15 == [limit.wait_s("a") for _ in range(15)]
    assert 1.0 == pytest.approx(limit.wait_s("a"))
    now[0] = 1.0
    assert 0.0 == limit.wait_s("a", counts=False)
    assert 0.0 == limit.wait_s("a")
    for number in range(20_000):
        limit.wait_s(str(number))

    assert len(limit._buckets) == 10_000


# Sessions


def test_a_browser_signs_in_once_and_out(secured: WebPlant, tokens: tuple[Path, dict[str, str]]) -> None:
    with secured.client() as browser:
        own = {"Origin": secured.url}
        begun = browser.post(
            "/api/v1/session", headers={**own, "Authorization": f"Bearer {tokens[1]['planner']}"}
        )
        assert 201 == begun.status_code
        cookie = begun.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert tokens[1]["planner"] not in cookie
        assert "a.planner" == browser.get("/api/v1/me").json()["name"]

        assert 403 == browser.post("/api/v1/commands", json={}).status_code, "a browser says its origin"
        assert (
            403
            == browser.post(
                "/api/v1/commands", json={}, headers={"Origin": "https://evil.example"}
            ).status_code
        )
        assert 403 == browser.post("/api/v1/commands", json={}, headers={"Origin": "null"}).status_code
        assert 422 == browser.post("/api/v1/commands", json={}, headers=own).status_code

        assert 204 == browser.delete("/api/v1/session", headers=own).status_code
        assert 401 == browser.get("/api/v1/me").status_code


def test_a_session_ends_with_its_token_and_cannot_be_made_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.web.tokens.LOOK_EVERY_S", 0.0)
    path = tmp_path / "tokens"
    token, line = new_token("o.roy", "viewer")
    path.write_text(line)
    with web_plant(web_tokens_file=path) as plant, plant.client() as browser:
        shown = {"Authorization": f"Bearer {token}", "Origin": plant.url}
        browser.post("/api/v1/session", headers=shown)
        value = browser.cookies["foresite"]
        body, _, signature = value.partition(".")
        for forged in (f"{body[:-4]}AAAA.{signature}", f"{body}.{'0' * 64}", body, "", "..", "\u00e9.1"):
            answer = httpx.get(f"{plant.url}/api/v1/me", headers={b"Cookie": f"foresite={forged}".encode()})
            assert answer.status_code in (401, 429)

        path.write_text(line.replace("viewer", "planner"))
        assert "planner" == browser.get("/api/v1/me").json()["role"]
        path.write_text("")
        assert 401 == browser.get("/api/v1/me").status_code


def test_a_session_runs_out(tokens: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    with web_plant(web_tokens_file=tokens[0]) as plant, plant.client() as browser:
        shown = {"Authorization": f"Bearer {tokens[1]['viewer']}", "Origin": plant.url}
        browser.post("/api/v1/session", headers=shown)
        late = time.time() + 8 * 3600.0 + 1.0
        monkeypatch.setattr("streams.web.sessions.time.time", lambda: late)

        assert 401 == browser.get("/api/v1/me").status_code


# Without sign-in


def test_without_sign_in_everybody_on_this_machine_is_admin() -> None:
    with web_plant() as plant, plant.client() as client:
        assert ("admin", "local") == tuple(client.get("/api/v1/me").json()[name] for name in ("role", "via"))
        for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", ""):
            answer = client.get("/api/v1/me", headers={"Host": host})
            assert (421, "wrong_host") == (answer.status_code, answer.json()["type"])
        for host in ("localhost:1", "[::1]:1", "127.0.0.1"):
            assert 200 == client.get("/api/v1/me", headers={"Host": host}).status_code
        foreign = client.post("/api/v1/commands", json={}, headers={"Origin": "http://evil.example"})
        assert 403 == foreign.status_code


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({}, "there is no sign-in"),
        ({"web_tokens_file": "T"}, "plain text"),
        ({"web_oidc_issuer": "https://id.example", "web_oidc_audience": "foresite"}, "plain text"),
        ({"web_oidc_issuer": "http://id.example", "web_oidc_audience": "foresite", "web_tls_elsewhere": True}, "https"),
        ({"web_tokens_file": "nowhere", "web_tls_elsewhere": True}, "cannot be read"),
    ],
)  # fmt: skip
def test_it_refuses_to_be_reached_by_anybody(tmp_path: Path, more: dict[str, object], says: str) -> None:
    (tmp_path / "T").write_text("")
    if "web_tokens_file" in more:
        more = {**more, "web_tokens_file": tmp_path / str(more["web_tokens_file"])}

    with pytest.raises(UsageError, match=says):
        SignIn(Settings.model_validate({"web_host": "0.0.0.0", **more}), Metrics())


def test_settings_that_do_not_fit_are_refused() -> None:
    for wrong in (
        {"web_oidc_issuer": "https://id.example"},
        {"web_tls_cert_file": "x"},
        {"web_token": "x", "web_token_file": "y"},
    ):
        with pytest.raises(ValueError, match="web_"):
            Settings.model_validate(wrong)


# Each request


def test_every_answer_has_the_headers_and_an_id(secured: WebPlant) -> None:
    with secured.client() as client:
        found = [client.get(path) for path in ("/", "/api/v1/me", "/nowhere", "/api/v1/docs")]

    for answer in found:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "nosniff" == answer.headers["x-content-type-options"]
        assert "no-referrer" == answer.headers["referrer-policy"]
        assert "no-store" == answer.headers["cache-control"]
        assert "access-control-allow-origin" not in answer.headers
        assert 16 == len(answer.headers["x-request-id"])
        assert "server" not in answer.headers
    assert found[1].headers["x-request-id"] == found[1].json()["request_id"]
    assert "application/problem+json" == found[2].headers["content-type"]


def test_a_body_is_bounded_also_where_its_length_is_not_announced(secured: WebPlant) -> None:
    with web_plant(web_body_bytes_max=1_024) as plant, plant.client() as client:
        announced = client.post("/api/v1/commands", content=b"x" * 2_000)
        chunked = client.post(
            "/api/v1/commands",
            content=(b"x" * 100 for _ in range(20)),
            headers={"Content-Type": "application/json"},
        )

    assert (413, 413) == (announced.status_code, chunked.status_code)
    assert "too_large" == chunked.json()["type"]


def test_a_body_that_never_comes_is_not_waited_for() -> None:
    def slowly() -> Iterator[bytes]:
        yield b"{"
        time.sleep(3.0)
        yield b"}"

    with web_plant(web_request_timeout_s=1.0) as plant, plant.client() as client:
        answer = client.post(
            "/api/v1/commands", content=slowly(), headers={"Content-Type": "application/json"}
        )

    assert (504, "timeout") == (answer.status_code, answer.json()["type"])


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{}", "text/plain", 415),
        (b"{}", "application/x-www-form-urlencoded", 415),
        (b"{", "application/json", 422),
        (b"[]", "application/json", 422),
        (b"[" * 100_000, "application/json", 422),
        (b'{"kind": NaN}', "application/json", 422),
        (b"\xff", "application/json", 422),
        (b"", "application/json", 422),
    ],
)
def test_what_is_no_command_is_refused(content: bytes, content_type: str, status: int) -> None:
    with web_plant() as plant, plant.client() as client:
        answer = client.post("/api/v1/commands", content=content, headers={"Content-Type": content_type})

    assert status == answer.status_code
    assert "application/problem+json" == answer.headers["content-type"]


def test_metrics_name_routes_and_never_ids(secured: WebPlant) -> None:
    with secured.client() as client:
        client.get("/api/v1/cards/secret-card")
        client.get("/no/such/secret")
    routes = {
        sample.labels["route"]
        for family in secured.metrics.registry.collect()
        for sample in family.samples
        if "route" in sample.labels
    }

    assert routes <= {path for _, path in ROUTES} | {"unknown", "/api/v1/forgotten"}
    assert "/api/v1/cards/{card_id:path}" in routes


@pytest.mark.parametrize("name", [HOSTILE, "../../etc/passwd", "%00", "a/b/why", "\u202e", "x" * 900])
def test_hostile_ids_are_names_and_nothing_else(name: str) -> None:
    with web_plant() as plant, plant.client() as client:
        made = plant.card(name, title=name, owner={"id": name, "name": name, "rule": name})
        found = client.get("/api/v1/cards", params={"id": made.card_id}) if len(made.card_id) <= 200 else None
        by_path = client.get(f"/api/v1/cards/{quote(made.card_id, safe='')}")
        if found is not None:
            assert [made.model_dump(mode="json")] == found.json()["items"]
        if ".." not in name:
            assert made.model_dump(mode="json") == by_path.json()["card"]
        assert "application/json" == by_path.headers["content-type"] or by_path.status_code == 404
