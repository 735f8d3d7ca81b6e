"""Rights follow from the table of topics, under the installation's own names."""

import json
import subprocess
import sys

import pytest
from pydantic import ValidationError

from schemas.topics import CHECKPOINTS, FACTS, PRINCIPALS, STATE, TOPICS
from streams.acls import Acl, as_commands, wanted_acls
from streams.settings import Settings
from streams.web.view import FOLLOWED


def test_every_writer_and_reader_is_a_principal() -> None:
    named = {role for topic in TOPICS.values() for role in (*topic.writers, *topic.readers)}

    assert set() == named - set(PRINCIPALS)


def test_rights_are_under_the_prefix_and_the_app() -> None:
    acls = wanted_acls(Settings(topic_prefix="plant7.", app="fs"))

    ours = [acl for acl in acls if acl.resource != "cluster" and acl.name != "foresite-reader"]
    assert [] == [acl for acl in ours if not acl.name.startswith("plant7.")]
    assert Acl("User:twin", "transactional-id", "plant7.fs-twin-", True, "Write") in acls


def test_several_users_play_a_role_and_one_user_several() -> None:
    roles = {"publisher-mes": ["lyon-mes", "sim"], "publisher-wms": ["sim"]}

    acls = wanted_acls(Settings(principals=roles))

    writers = {(acl.principal, acl.name) for acl in acls if acl.operation == "Write"}
    assert {
        ("User:lyon-mes", "mes.machine-events.v1"),
        ("User:lyon-mes", "plant.model.v1"),
        ("User:lyon-mes", "ingest.dead-letters.v1"),
        ("User:sim", "mes.machine-events.v1"),
        ("User:sim", "plant.model.v1"),
        ("User:sim", "ingest.dead-letters.v1"),
        ("User:sim", "wms.inventory.v1"),
    } == {each for each in writers if each[0] in ("User:lyon-mes", "User:sim")}
    assert "User:publisher-mes" not in {acl.principal for acl in acls}


def test_a_publisher_of_a_site_writes_that_site_s_topics_alone() -> None:
    acls = wanted_acls(Settings(site_topics={"lyon.": ["lyon"]}))

    assert [
        ("lyon.mes.machine-events.v1", "Write"),
        ("lyon.plant.model.v1", "Write"),
    ] == [(acl.name, acl.operation) for acl in acls if acl.principal == "User:lyon.publisher-mes"]
    assert [] == [
        acl for acl in acls if acl.principal == "User:publisher-mes" and acl.name.startswith("lyon.")
    ]
    assert Acl("User:ingest", "topic", "lyon.mes.machine-events.v1", False, "Read") in acls


def test_nobody_may_delete_alter_or_do_everything() -> None:
    assert {"Create", "Describe", "DescribeConfigs", "Read", "Write"} == {
        acl.operation for acl in wanted_acls(Settings())
    }


def test_the_commands_are_those_of_kafka_s_own_tool() -> None:
    acls = [
        Acl("User:notify", "topic", "notify.deliveries.v1", False, "Read"),
        Acl("User:notify", "topic", "notify.deliveries.v1", False, "Write"),
        Acl("User:notify", "transactional-id", "foresite-notify-", True, "Write"),
    ]
    to = "kafka-acls.sh --bootstrap-server k:9093 --command-config admin.properties --add --allow-principal User:notify"

    assert [
        f"{to} --operation Read --operation Write --topic notify.deliveries.v1",
        f"{to} --operation Write --transactional-id foresite-notify- --resource-pattern-type prefixed",
    ] == as_commands(acls, "k:9093")


def test_the_command_lists_them_for_machines_too() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "streams.cli", "acls", "list", "--json"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    first = json.loads(printed.splitlines()[0])
    assert {"principal", "resource", "name", "is_prefix", "operation"} == first.keys()
    assert len(wanted_acls(Settings())) == len(printed.splitlines())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"principals": {"boss": ["x"]}}, "boss is no role"),
        ({"principals": {"reader": ["*"]}}, "none stands for all"),
        ({"site_topics": {"lyon": ["lyon"]}}, "'lyon' is no prefix"),
        ({"site_topics": {"a.b.": ["lyon"]}}, "'a.b.' is no prefix"),
        ({"site_topics": {"lyon.": []}}, "name the sites"),
    ],
)
def test_what_names_nobody_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Settings.model_validate(given)


def test_web_and_deploy_may_read_what_they_look_at() -> None:
    acls = wanted_acls(Settings())

    def read_by(user: str) -> set[str]:
        return {acl.name for acl in acls if acl.principal == f"User:{user}" and acl.operation == "Read"}

    assert set() == {*FOLLOWED, FACTS, STATE, CHECKPOINTS} - read_by("web")
    assert set() == set(TOPICS) - read_by("deploy")
