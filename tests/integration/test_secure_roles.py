"""Every role under its own user on a broker that denies the rest: by password and by certificate, both over TLS."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from schemas import Card, CardState, topics
from schemas.topics import PRINCIPALS
from streams.settings import Settings
from tests.notify_plant import SECRET, receiver
from tests.running import ROOT, Role, cards, messages, wait_until
from tests.secure_kafka import SecureKafka, environment, password_of

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(400)]

EVENTS = ROOT / "examples" / "first_card" / "events.ndjson"

SIMULATOR = "simulator"
"""One user that plays several roles: it speaks as MES, ERP and WMS."""

PUBLISHERS = ("publisher-mes", "publisher-erp", "publisher-wms")
ROLES = ("ingest", "twin", "solver", "notify")

SignIn = Callable[[str], dict[str, object]]


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, kafka_jars: Path) -> Iterator[SecureKafka]:
    made = SecureKafka(tmp_path_factory.mktemp("secure"), (*PRINCIPALS, SIMULATOR))
    with made.kafka:
        yield made


def installation(prefix: str) -> dict[str, object]:
    """What all settings of an installation have in common."""
    return {
        "topic_prefix": prefix,
        "clock": "events",
        "principals": {role: [role, SIMULATOR] for role in PUBLISHERS},
    }


def foresite(fields: dict[str, object], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "streams.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment(fields)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("how", ["scram", "mtls"])
def test_a_card_comes_out_and_is_acknowledged(secure: SecureKafka, tmp_path: Path, how: str) -> None:
    common = installation(f"{how}.")
    secure.install(secure.as_operator(**common))
    sign_in: SignIn = getattr(secure, how)

    def as_user(user: str) -> dict[str, object]:
        return {**common, **sign_in(user)}

    reader = Settings.model_validate(as_user("reader"))
    published = foresite(as_user(SIMULATOR), "publish", str(EVENTS))
    assert 0 == published.returncode, published.stderr
    with receiver() as hook, ExitStack() as stack:
        file = tmp_path / "notify.yaml"
        people = {"roy": {"name": "O. Roy", "webhook": "hook"}}
        hooks = {"hook": {"url": hook.url, "allow_http": True}}
        file.write_text(json.dumps({"webhooks": hooks, "people": people, "default": "roy"}), encoding="utf-8")
        running: list[Role] = []
        for name in ROLES:
            fields = {**as_user(name), "notify_config": str(file), "notify_webhook_secrets": {"hook": SECRET}}
            running.append(Role(name, reader, **environment(fields)))
            stack.callback(running[-1].end)

        def told() -> str:
            return "\n".join(role.printed[-3000:] for role in running)

        wait_until(lambda: bool(cards(reader)), 120.0, told)
        wait_until(lambda: bool(hook.posted), 60.0, told)
        wait_until(lambda: bool(messages(reader, topics.PROPOSALS)), 120.0, told)
        (card,) = cards(reader).values()
        decided = foresite(as_user("web"), "card", "acknowledge", card.card_id, "--actor", "o.roy", "--json")
        refused = foresite(as_user("reader"), "card", "acknowledge", card.card_id, "--actor", "mallory")
        logs = [role.printed for role in running]
    verified = foresite(as_user("deploy"), "verify")
    compared = foresite(as_user("deploy"), "acls", "diff")

    assert "accepted" == json.loads(decided.stdout)["outcome"], decided.stderr
    assert (1, True) == (refused.returncode, "Topic authorization failed" in refused.stderr), refused.stderr
    (card,) = cards(reader).values()
    assert (CardState.ACKNOWLEDGED, "o.roy") == (card.state, card.state_by)
    assert 0 == verified.returncode, verified.stdout + verified.stderr
    assert 0 == compared.returncode, compared.stdout + compared.stderr
    secrets = [SECRET, *(password_of(user) for user in (*PRINCIPALS, SIMULATOR))]
    everything = "\n".join(
        [*logs, *(each.stdout + each.stderr for each in (decided, refused, verified, compared))]
    )
    assert [] == [secret for secret in secrets if secret in everything]
    assert isinstance(card, Card)
