"""A broker that says no: at start for what is wrong with the sign-in, in the middle for a right that was taken away.

The role waits, says what to do in its readiness, logs a line now and then and no secret, and goes on when it may.
"""

import json
import re
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from urllib.error import HTTPError

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin._acl import AclBinding, AclBindingFilter, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.admin._scram import ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

from schemas.topics import CARDS, FACTS, MACHINE_EVENTS, PRINCIPALS, REPLAN_REQUESTS, STATE
from streams.settings import Settings
from streams.topic_admin import create_topics
from tests.certificates import Authority
from tests.running import Role, facts_log, messages, wait_until
from tests.secure_kafka import HOST, SecureKafka, environment, password_of
from tests.unit.test_batcher import count

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(600)]

PATIENCE_S = 240.0
"""A solver compiles for minutes where the machine is busy and nothing is in its cache."""
OTHER_PASSWORD = "swordfish-0c1d"
LOG_LINES_PER_S_MAX = 5.0
"""More than so many is a busy loop. Two or three are written at the beginning of each state."""


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, kafka_jars: Path) -> Iterator[SecureKafka]:
    # A client that stays connected must sign in again, or a changed password counts for new connections only.
    made = SecureKafka(
        tmp_path_factory.mktemp("refused"), PRINCIPALS, properties={"connections.max.reauth.ms": "5000"}
    )
    with made.kafka:
        made.install(made.as_operator())
        yield made


class At:
    """A role at work under its own user."""

    def __init__(self, secure: SecureKafka, name: str, fields: dict[str, object]) -> None:
        self.began = time.monotonic()
        self.role = Role(name, secure.as_operator(clock="events"), **environment(fields))

    def readiness(self) -> dict[str, str]:
        """Why it is not ready, by reason; `starting` before its port is open."""
        found = re.search(r'"url": ?"([^"]+)"', self.role.printed)
        if found is None:
            return {"starting": self.role.printed[-2000:]}
        try:
            with urllib.request.urlopen(f"{found[1]}/readyz", timeout=10) as answer:
                return dict(json.load(answer)["reasons"])
        except HTTPError as error:
            return dict(json.load(error)["reasons"])
        except OSError as error:  # a machine under load cuts a slow question off
            return {"unreachable": str(error)}

    def wait_until_it_says(self, words: str) -> None:
        wait_until(
            lambda: words in " ".join(self.readiness().values()),
            PATIENCE_S,
            lambda: f"{self.readiness()}\n{self.role.printed[-4000:]}",
        )
        assert self.role.process.poll() is None, self.role.printed[-4000:]

    def wait_until_ready(self) -> None:
        wait_until(
            lambda: self.readiness() == {},
            PATIENCE_S,
            lambda: f"{self.readiness()}\n{self.role.printed[-4000:]}",
        )

    def end(self) -> None:
        """Stop it; what it logged has no secret in it, and is not the log of a busy loop."""
        lasted_s = time.monotonic() - self.began
        printed = self.role.printed
        self.role.end()
        assert "hunter2" not in printed
        assert OTHER_PASSWORD not in printed
        assert len(printed.splitlines()) < 20 + LOG_LINES_PER_S_MAX * lasted_s, printed[-4000:]


def wrong_password(secure: SecureKafka, user: str, _folder: Path) -> dict[str, object]:
    return secure.scram(user, password=OTHER_PASSWORD)


def unknown_authority(secure: SecureKafka, user: str, folder: Path) -> dict[str, object]:
    fields = secure.scram(user)
    config = fields["kafka_config"]
    assert isinstance(config, dict)
    config["ssl.ca.location"] = str(Authority(folder, "someone-else").certificate)
    return fields


def wrong_host(secure: SecureKafka, user: str, _folder: Path) -> dict[str, object]:
    fields = secure.scram(user)
    fields["kafka"] = secure.scram_servers.replace(
        HOST, "localhost"
    )  # the certificate is for the address alone
    return fields


def expired_certificate(secure: SecureKafka, user: str, _folder: Path) -> dict[str, object]:
    return secure.mtls(user, lasts=timedelta(hours=-1))


def to_tell(folder: Path) -> dict[str, object]:
    """Whom notify would tell, if it came so far."""
    file = folder / "notify.yaml"
    hooks = {"hook": {"url": "http://127.0.0.1:9/", "allow_http": True}}
    people = {"roy": {"name": "O. Roy", "webhook": "hook"}}
    file.write_text(json.dumps({"webhooks": hooks, "people": people, "default": "roy"}), encoding="utf-8")
    return {"notify_config": str(file), "notify_webhook_secrets": {"hook": "hunter2-for-the-hook"}}


@pytest.mark.parametrize(
    ("wrong", "helps"),
    [
        (wrong_password, "FORESITE_SASL_PASSWORD"),
        (unknown_authority, "ssl.ca.location"),
        (wrong_host, "subjectAltName"),
        (expired_certificate, "ssl.certificate.location"),
    ],
)
def test_a_sign_in_that_cannot_work_says_what_to_do(
    secure: SecureKafka,
    tmp_path: Path,
    wrong: Callable[[SecureKafka, str, Path], dict[str, object]],
    helps: str,
) -> None:
    running = [
        At(secure, name, {**wrong(secure, name, tmp_path), **to_tell(tmp_path)})
        for name in ("ingest", "twin", "solver", "notify", "web")
    ]
    try:
        for at in running:
            at.wait_until_it_says(helps)
    finally:
        with ExitStack() as ends:  # each of them ends, whatever is found wrong with another
            for at in running:
                ends.callback(at.end)


# In the middle ----------------------------------------------------------------------------------------------------


def right(user: str, topic: str, operation: AclOperation) -> AclBinding:
    return AclBinding(
        ResourceType.TOPIC,
        topic,
        ResourcePatternType.LITERAL,
        f"User:{user}",
        "*",
        operation,
        AclPermissionType.ALLOW,
    )


def take_away(secure: SecureKafka, acl: AclBinding) -> None:
    asked = AclBindingFilter(
        acl.restype,
        acl.name,
        acl.resource_pattern_type,
        acl.principal,
        acl.host,
        acl.operation,
        acl.permission_type,
    )
    admin = secure.operator()
    assert 1 == len(admin.delete_acls([asked])[asked].result(30))


def give(secure: SecureKafka, acl: AclBinding) -> None:
    admin = secure.operator()
    admin.create_acls([acl])[acl].result(30)


def say(secure: SecureKafka, *event_ids: str) -> None:
    producer = Producer({"bootstrap.servers": secure.kafka.bootstrap_servers, "enable.idempotence": True})
    for event_id in event_ids:
        producer.produce(MACHINE_EVENTS, count(event_id), partition=0)
    assert 0 == producer.flush(30)


def said(settings: Settings) -> list[str]:
    """Ids of the events in the facts, in order."""
    found = []
    for records in facts_log(settings).values():
        for value in records:
            for segment in json.loads(value)["segments"]:
                found += [event["event_id"] for event in segment["events"]]
    return found


@pytest.mark.parametrize(
    ("topic", "operation"), [(FACTS, AclOperation.WRITE), (MACHINE_EVENTS, AclOperation.READ)]
)
def test_ingest_waits_while_a_right_is_taken_away(
    secure: SecureKafka, topic: str, operation: AclOperation
) -> None:
    settings = secure.as_operator(clock="events")
    before = said(settings)
    ids = [f"{topic}-{number}" for number in range(4)]
    at = At(secure, "ingest", secure.scram("ingest"))
    try:
        at.wait_until_ready()
        say(secure, *ids[:2])
        wait_until(
            lambda: len(said(settings)) >= len(before) + 2, PATIENCE_S, lambda: at.role.printed[-3000:]
        )
        take_away(secure, right("ingest", topic, operation))
        say(secure, *ids[2:])
        at.wait_until_it_says("foresite acls diff")
        assert [*before, *ids[:2]] == said(settings)
        give(secure, right("ingest", topic, operation))
        wait_until(
            lambda: len(said(settings)) >= len(before) + 4, PATIENCE_S, lambda: at.role.printed[-3000:]
        )
        at.wait_until_ready()
        assert at.role.process.poll() is None
    finally:
        give(secure, right("ingest", topic, operation))
        at.end()
    assert [*before, *ids] == said(settings)


@pytest.mark.parametrize("topic_and_operation", [(STATE, AclOperation.WRITE), (FACTS, AclOperation.READ)])
def test_the_twin_waits_while_a_right_is_taken_away(
    secure: SecureKafka, topic_and_operation: tuple[str, AclOperation]
) -> None:
    topic, operation = topic_and_operation
    settings = secure.as_operator(clock="events")
    ingest, twin = At(secure, "ingest", secure.scram("ingest")), At(secure, "twin", secure.scram("twin"))
    try:
        ingest.wait_until_ready()
        twin.wait_until_ready()
        take_away(secure, right("twin", topic, operation))
        committed = len(messages(settings, STATE))
        say(secure, f"twin-{topic}-{operation.name}")
        twin.wait_until_it_says("foresite acls diff")
        assert committed == len(messages(settings, STATE))
        give(secure, right("twin", topic, operation))
        wait_until(
            lambda: len(messages(settings, STATE)) > committed, PATIENCE_S, lambda: twin.role.printed[-3000:]
        )
        twin.wait_until_ready()
        assert twin.role.process.poll() is None
    finally:
        give(secure, right("twin", topic, operation))
        twin.end()
        ingest.end()


@pytest.mark.parametrize(("name", "topic"), [("solver", REPLAN_REQUESTS), ("notify", CARDS), ("web", CARDS)])
def test_a_reader_waits_while_its_right_is_taken_away(
    secure: SecureKafka, tmp_path: Path, name: str, topic: str
) -> None:
    at = At(secure, name, {**secure.scram(name), **to_tell(tmp_path)})
    acl = right(name, topic, AclOperation.READ)
    try:
        at.wait_until_ready()
        take_away(secure, acl)
        at.wait_until_it_says("foresite acls diff")
        give(secure, acl)
        at.wait_until_ready()
        assert at.role.process.poll() is None
    finally:
        give(secure, acl)
        at.end()


def test_ingest_comes_back_when_its_password_is_known_again(secure: SecureKafka) -> None:
    settings = secure.as_operator(clock="events")
    before = said(settings)
    at = At(secure, "ingest", secure.scram("ingest"))
    try:
        at.wait_until_ready()
        set_password(secure, "ingest", OTHER_PASSWORD)
        at.wait_until_it_says("FORESITE_SASL_PASSWORD")
        say(secure, "while-locked-out")
        set_password(secure, "ingest", password_of("ingest"))
        wait_until(
            lambda: said(settings) == [*before, "while-locked-out"],
            PATIENCE_S,
            lambda: at.role.printed[-3000:],
        )
        at.wait_until_ready()
    finally:
        set_password(secure, "ingest", password_of("ingest"))
        at.end()


def set_password(secure: SecureKafka, user: str, password: str) -> None:
    admin = secure.operator()
    change = UserScramCredentialUpsertion(
        user, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), password.encode()
    )
    admin.alter_user_scram_credentials([change])[user].result(30)


def test_topics_are_made_by_deploy_alone(secure: SecureKafka) -> None:
    """`deploy` may; the answer to anybody else says what to do."""
    made = Settings.model_validate({**secure.scram("deploy")})

    outcomes = create_topics(made, replication=1)

    assert {"exists"} == {each.outcome for each in outcomes}
