"""Every role under its own user on a broker that denies the rest: by password and by certificate, both over TLS."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition

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


@pytest.fixture
def secure(tmp_path: Path, kafka_jars: Path) -> Iterator[SecureKafka]:
    # A cluster of its own for each: what another installation gave the same principals is surplus in its eyes.
    folder = tmp_path / "secure"
    folder.mkdir()
    made = SecureKafka(folder, (*PRINCIPALS, SIMULATOR))
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
        started = foresite(as_user("web"), "card", "start", card.card_id, "--actor", "o.roy", "--json")
        assert "accepted" == json.loads(started.stdout)["outcome"], started.stderr
        refused = foresite(as_user("reader"), "card", "acknowledge", card.card_id, "--actor", "mallory")
        logs = [role.printed for role in running]
    assert "accepted" == json.loads(decided.stdout)["outcome"], decided.stderr
    verified = foresite(as_user("deploy"), "verify")
    tampered_with_the_audit(secure, common, as_user("deploy"), tmp_path)
    compared = foresite(as_user("deploy"), "acls", "diff")

    assert (1, True) == (refused.returncode, "Topic authorization failed" in refused.stderr), refused.stderr
    (card,) = cards(reader).values()
    assert (CardState.IN_PROGRESS, "o.roy") == (card.state, card.state_by)
    assert 0 == verified.returncode, verified.stdout + verified.stderr
    assert 0 == compared.returncode, compared.stdout + compared.stderr
    secrets = [SECRET, *(password_of(user) for user in (*PRINCIPALS, SIMULATOR))]
    everything = "\n".join(
        [*logs, *(each.stdout + each.stderr for each in (decided, refused, verified, compared))]
    )
    assert [] == [secret for secret in secrets if secret in everything]
    assert isinstance(card, Card)


def tampered_with_the_audit(
    secure: SecureKafka, common: dict[str, object], deploy: dict[str, object], folder: Path
) -> None:
    """The records of two commands; then somebody with all rights puts one in, and takes the first one away."""
    heads = folder / "heads.ndjson"
    heads.write_text(foresite(deploy, "audit", "heads").stdout, encoding="utf-8")
    sound = foresite(deploy, "audit", "verify", "--heads", str(heads))
    listed = foresite(deploy, "audit", "list", "--json")
    assert (0, "2 records in 1 chains: as they were written\n") == (sound.returncode, sound.stdout), (
        sound.stderr
    )
    records = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [(1, "card_acknowledge"), (2, "card_start")] == [
        (each["sequence"], each["action"]) for each in records
    ]
    assert json.loads(heads.read_text())["hash"] == records[-1]["hash"]

    settings = secure.as_operator(**common)
    name = settings.topic_prefix + topics.AUDIT
    place = next(each.partition() or 0 for each in messages(settings, topics.AUDIT))
    forged = Producer({"bootstrap.servers": settings.kafka})
    body = json.dumps({**records[-1], "actor": "mallory"}).encode()
    forged.produce(name, body, key=records[-1]["target_id"].encode(), partition=place)
    assert 0 == forged.flush(30)
    found = foresite(deploy, "audit", "verify")
    assert (1, True) == (found.returncode, "by mallory) was changed" in found.stdout), found.stdout

    operator = secure.operator()
    deleted = operator.delete_records([TopicPartition(name, place, 1)])
    for future in deleted.values():
        future.result(30)
    found = foresite(deploy, "audit", "verify")
    assert "number 1 missing before" in found.stdout, found.stdout
