"""The matrix of rights on a real broker: every principal tries every operation on every thing. None is left out.

What each may do is written down here by hand where it does not follow from who writes and reads a topic, so that the
generator is not its own judge.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclBindingFilter, AclOperation, AclPermissionType
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.cimpl import NewPartitions, NewTopic

from schemas.topics import PRINCIPALS, TOPICS
from streams.acl_admin import EVERY_ACL, diff_acls
from streams.acls import wanted_acls
from streams.settings import Settings
from tests.secure_kafka import SecureKafka

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(300)]

SITE_TOPICS = {"lyon.": ["lyon"]}
BOUND = ("lyon.publisher-mes", "lyon.publisher-erp", "lyon.publisher-wms")
STRANGER = "stranger"
"""Has a password and no role."""

USERS = (*PRINCIPALS, *BOUND, STRANGER)

FOREIGN_TOPIC = "payroll.salaries.v1"
TOPIC_OPERATIONS = (
    "Read",
    "Write",
    "Describe",
    "Create",
    "Alter",
    "Delete",
    "DescribeConfigs",
    "AlterConfigs",
)
GROUPS = {
    "foresite-ingest": {"ingest"},
    "foresite-ingest-topics": {"ingest"},
    "foresite-twin": {"twin"},
    "foresite-solver": {"solver"},
    "foresite-notify": {"notify"},
    "foresite-reader": set(),
    "foresite-reader-bi": {"reader"},
    "payroll": set(),
}
"""Group -> who may join it and commit to it."""

LOOKED_UP = {"foresite-reader": {"twin", "solver", "notify", "web", "reader", "deploy"}}
"""Group -> who may only ask for it."""

TRANSACTIONAL_IDS = {
    "foresite-twin-0": {"twin"},
    "foresite-twin-3": {"twin"},
    "foresite-notify-test": {"notify"},
    "foresite-ingest": set(),
    "payroll": set(),
}
CLUSTER = {
    "Describe": {"deploy"},
    "DescribeConfigs": {"deploy"},
    "Create": set(),
    "Alter": set(),
    "AlterConfigs": set(),
}
"""What may be done to the cluster itself, and by whom; the rest of Kafka's operations is nobody's."""

CLUSTER_OPERATIONS = (*CLUSTER, "ClusterAction", "IdempotentWrite")

DENIED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
WAIT_S = 30.0

Cell = tuple[str, str, str, str]
"""Principal, kind of thing, its name, operation."""


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, kafka_jars: Path) -> Iterator[SecureKafka]:
    made = SecureKafka(tmp_path_factory.mktemp("matrix"), USERS)
    with made.kafka:
        made.install(made.as_operator(site_topics=SITE_TOPICS))
        operator = made.operator()
        operator.create_topics([NewTopic(FOREIGN_TOPIC, 1, 1)])[FOREIGN_TOPIC].result(WAIT_S)
        yield made


def expected_cells() -> dict[Cell, bool]:
    """Every cell of the matrix, and whether it is to be allowed."""
    cells: dict[Cell, bool] = {}
    for user in USERS:
        for topic, operation in product(all_topics(), TOPIC_OPERATIONS):
            cells[user, "topic", topic, operation] = is_topic_right(user, topic, operation)
        for group, joiners in GROUPS.items():
            cells[user, "group", group, "Read"] = user in joiners
            cells[user, "group", group, "Describe"] = user in joiners | LOOKED_UP.get(group, set())
            cells[user, "group", group, "Delete"] = False
        for identity, writers in TRANSACTIONAL_IDS.items():
            cells[user, "transactional-id", identity, "Write"] = user in writers
        for operation in CLUSTER_OPERATIONS:
            cells[user, "cluster", "kafka-cluster", operation] = user in CLUSTER.get(operation, set())
    return cells


def all_topics() -> list[str]:
    publishers = [
        name for name, topic in TOPICS.items() if any("publisher" in each for each in topic.writers)
    ]
    inputs = [name for name in publishers if TOPICS[name].role == "input"]
    return [*TOPICS, *(f"lyon.{name}" for name in inputs), FOREIGN_TOPIC]


def is_topic_right(user: str, topic: str, operation: str) -> bool:
    if topic == FOREIGN_TOPIC:
        return False
    row = TOPICS[topic.removeprefix("lyon.")]
    writers = (
        {f"lyon.{each}" for each in row.writers if "publisher" in each}
        if topic.startswith("lyon.")
        else {*row.writers}
    )
    reads, writes = user in {*row.readers, "deploy"}, user in writers
    sizes = user == "ingest" and topic in ("twin.facts.v1", "ingest.dead-letters.v1")
    return {
        "Read": reads,
        "Write": writes,
        "Describe": reads or writes,
        "Create": user == "deploy",
        "DescribeConfigs": sizes,
    }.get(operation, False)


def test_each_right_is_given_and_each_other_one_denied(secure: SecureKafka) -> None:
    expected = expected_cells()

    with ThreadPoolExecutor(6) as pool:
        found: dict[Cell, bool] = {}
        for tried in pool.map(partial(tries_of, secure), USERS):
            found |= tried

    assert len(USERS) * (
        len(all_topics()) * len(TOPIC_OPERATIONS)
        + 3 * len(GROUPS)
        + len(TRANSACTIONAL_IDS)
        + len(CLUSTER_OPERATIONS)
    ) == len(expected)
    assert set() == expected.keys() - found.keys(), "never tried"
    assert {} == {cell: found[cell] for cell in expected if found[cell] != expected[cell]}
    print(f"{len(expected)} cells tried, {sum(expected.values())} of them allowed")


def test_the_cluster_has_the_rights_and_no_more(secure: SecureKafka) -> None:
    asked_by_deploy = Settings.model_validate({**secure.scram("deploy"), "site_topics": SITE_TOPICS})

    found = diff_acls(asked_by_deploy)

    assert (True, [], [], None) == (found.is_equal, found.missing, found.surplus, found.open_door)


def test_what_is_missing_and_what_is_too_much_is_found(secure: SecureKafka) -> None:
    settings = secure.as_operator(site_topics=SITE_TOPICS)
    admin = secure.operator()
    extra = [
        acl("*", "User:mallory", AclOperation.WRITE),
        acl("twin.facts.v1", "User:web", AclOperation.WRITE),
    ]
    taken = acl("twin.cards.v1", "User:web", AclOperation.READ)
    for future in admin.create_acls(extra).values():
        future.result(WAIT_S)
    taken_filter = filter_of(taken)
    admin.delete_acls([taken_filter])[taken_filter].result(WAIT_S)
    try:
        found = diff_acls(settings)
    finally:
        secure.install(settings)
        filters = [filter_of(each) for each in extra]
        for future in admin.delete_acls(filters).values():
            future.result(WAIT_S)

    assert [("User:web", "twin.cards.v1", "Read")] == [
        (each.principal, each.name, each.operation) for each in found.missing
    ]
    assert [
        "ALLOW User:mallory from *: WRITE on topic *",
        "ALLOW User:web from *: WRITE on topic twin.facts.v1",
    ] == found.surplus
    assert diff_acls(settings).is_equal


def test_an_open_gateway_lets_web_write_what_publishers_write_and_no_more(secure: SecureKafka) -> None:
    """The web's own word is tried, topic by topic, with the rights of an open gateway and without them."""
    inputs = {topic for topic in all_topics() if any("publisher" in each for each in writers_of(topic))}
    closed = secure.as_operator(site_topics=SITE_TOPICS)
    opened = closed.model_copy(update={"web_gateway": True})
    more = set(wanted_acls(opened)) - set(wanted_acls(closed))
    assert inputs == {each.name for each in more}
    client = {**Settings.model_validate(secure.scram("web")).client_config(), "log_level": 0}

    secure.install(opened)
    try:
        while_open = {topic for topic, is_allowed in writes(client).items() if is_allowed}
    finally:
        admin = secure.operator()
        filters = [filter_of(acl(each.name, each.principal, AclOperation.WRITE)) for each in more]
        for future in admin.delete_acls(filters).values():
            future.result(WAIT_S)
    while_closed = {topic for topic, is_allowed in writes(client).items() if is_allowed}

    assert {"planner.commands.v1"} == while_closed
    assert {"planner.commands.v1", *inputs} == while_open
    assert diff_acls(closed).is_equal


def writers_of(topic: str) -> tuple[str, ...]:
    row = TOPICS.get(topic.removeprefix("lyon."))
    return row.writers if row is not None and row.role == "input" else ()


def acl(topic: str, principal: str, operation: AclOperation) -> AclBinding:
    return AclBinding(
        ResourceType.TOPIC,
        topic,
        ResourcePatternType.LITERAL,
        principal,
        "*",
        operation,
        AclPermissionType.ALLOW,
    )


def filter_of(binding: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        binding.restype,
        binding.name,
        binding.resource_pattern_type,
        binding.principal,
        binding.host,
        binding.operation,
        binding.permission_type,
    )


# Trying -----------------------------------------------------------------------------------------------------------


def tries_of(secure: SecureKafka, user: str) -> dict[Cell, bool]:
    """What one user may do, found by doing it."""
    client: dict[str, Any] = {**Settings.model_validate(secure.scram(user)).client_config(), "log_level": 0}
    found: dict[Cell, bool] = {}
    admin = AdminClient(client)
    for operation, allowed in {
        "Read": reads(client),
        "Write": writes(client),
        **topic_administration(admin),
    }.items():
        found |= {(user, "topic", topic, operation): is_allowed for topic, is_allowed in allowed.items()}
    for group in GROUPS:
        found |= {
            (user, "group", group, operation): is_allowed
            for operation, is_allowed in group_rights(admin, group).items()
        }
    for identity in TRANSACTIONAL_IDS:
        found[user, "transactional-id", identity, "Write"] = begins_transactions(client, identity)
    described = admin.describe_cluster(include_authorized_operations=True).result(WAIT_S)
    operations = {each.name for each in described.authorized_operations or ()}
    for operation in CLUSTER_OPERATIONS:
        found[user, "cluster", "kafka-cluster", operation] = in_capitals(operation) in operations
    # The broker's word is good; what would hurt most is tried as well.
    assert found[user, "cluster", "kafka-cluster", "Alter"] == gives_itself_rights(admin, user)
    assert found[user, "cluster", "kafka-cluster", "Describe"] == bool(
        admin.describe_acls(EVERY_ACL).result(WAIT_S)
    )
    return found


def reads(client: Mapping[str, Any]) -> dict[str, bool]:
    """Topics that give a record or their end. A reader's first step is to look the topic up: that may be denied."""
    consumer = Consumer(
        {**client, "group.id": "foresite-reader", "enable.partition.eof": True, "enable.auto.commit": False}
    )
    answers: dict[str, bool] = {}
    try:
        for topic in all_topics():
            error = consumer.list_topics(topic, timeout=WAIT_S).topics[topic].error
            if error is not None:
                assert error.code() in DENIED, (topic, error)
                answers[topic] = False
        consumer.assign([TopicPartition(topic, 0, 0) for topic in all_topics() if topic not in answers])
        while answers.keys() < {*all_topics()}:
            message = consumer.poll(WAIT_S)
            assert message is not None, f"no answer from {sorted({*all_topics()} - answers.keys())}"
            error, topic = message.error(), message.topic() or ""
            if error is not None and error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
                continue  # the name that a reader must have; the topics answer for themselves
            assert error is None or error.code() in {KafkaError._PARTITION_EOF, *DENIED}, (topic, error)
            answers[topic] = error is None or error.code() == KafkaError._PARTITION_EOF
    finally:
        consumer.close()
    return answers


def writes(client: Mapping[str, Any]) -> dict[str, bool]:
    answers: dict[str, bool] = {}

    def delivered(topic: str, error: KafkaError | None, _message: Any) -> None:
        assert error is None or error.code() in DENIED, (topic, error)
        answers[topic] = error is None

    producer = Producer({**client, "message.timeout.ms": 20_000})
    for topic in all_topics():
        producer.produce(topic, b"{}", key=b"matrix", partition=0, on_delivery=partial(delivered, topic))
    assert 0 == producer.flush(WAIT_S)
    return answers


def topic_administration(admin: AdminClient) -> dict[str, dict[str, bool]]:
    topics = all_topics()
    configs = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
    changes = [
        ConfigResource(
            ResourceType.TOPIC,
            topic,
            incremental_configs=[
                ConfigEntry("retention.ms", "1", incremental_operation=AlterConfigOpType.SET)
            ],
        )
        for topic in topics
    ]
    asked: dict[str, Mapping[Any, Future[Any]]] = {
        "Describe": admin.describe_topics(TopicCollection(topics)),
        "Create": admin.create_topics([NewTopic(topic, 1, 1) for topic in topics]),
        "Alter": admin.create_partitions([NewPartitions(topic, 5) for topic in topics], validate_only=True),
        "DescribeConfigs": admin.describe_configs(configs),
        "AlterConfigs": admin.incremental_alter_configs(changes, validate_only=True),
    }
    rights = {
        operation: {
            getattr(key, "name", key): is_done(
                future, KafkaError.TOPIC_ALREADY_EXISTS, KafkaError.INVALID_PARTITIONS
            )
            for key, future in futures.items()
        }
        for operation, futures in asked.items()
    }
    return {**rights, "Delete": deletes(admin, rights["Describe"])}


def deletes(admin: AdminClient, is_seen: Mapping[str, bool]) -> dict[str, bool]:
    """Whether records may be deleted, asked for none of them; where not, whether the topic may be, for real.

    Of a topic that a user may not see, a client does not even find the broker to ask for its records.
    """
    seen = [TopicPartition(topic, 0, 0) for topic, is_one in is_seen.items() if is_one]
    allowed = {
        place.topic: is_done(future, KafkaError.POLICY_VIOLATION, KafkaError.OFFSET_OUT_OF_RANGE)
        for place, future in (admin.delete_records(seen) if seen else {}).items()
    }
    denied = [topic for topic in is_seen if not allowed.get(topic, False)]
    return allowed | {topic: is_done(future) for topic, future in admin.delete_topics(denied).items()}


def group_rights(admin: AdminClient, group: str) -> dict[str, bool]:
    described = admin.describe_consumer_groups([group])[group]
    rights = {"Describe": is_done(described), "Read": commits_offsets(admin, group)}
    deleted = admin.delete_consumer_groups([group])[group]
    return {**rights, "Delete": is_done(deleted, KafkaError.GROUP_ID_NOT_FOUND)}


def commits_offsets(admin: AdminClient, group: str) -> bool:
    """Whether the group lets this user commit; the topic, which is judged after it, may refuse all the same."""
    offsets = ConsumerGroupTopicPartitions(group, [TopicPartition("twin.cards.v1", 0, 0)])
    asked = admin.alter_consumer_group_offsets([offsets])[group]
    if not is_done(asked):
        return False
    (partition,) = asked.result().topic_partitions
    error = partition.error
    assert error is None or error.code() in DENIED, error
    return error is None or error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED


def begins_transactions(client: Mapping[str, Any], identity: str) -> bool:
    producer = Producer({**client, "transactional.id": identity})
    try:
        producer.init_transactions(WAIT_S)
    except KafkaException as error:
        if error.args[0].code() not in DENIED:
            raise
        return False
    return True


def gives_itself_rights(admin: AdminClient, user: str) -> bool:
    futures = admin.create_acls([acl("twin.state.v1", f"User:{user}", AclOperation.ALTER)])
    (future,) = futures.values()
    return is_done(future)


def is_done(future: "Future[Any]", *codes_of_authorised: int) -> bool:
    """Whether it was allowed, which the broker judges before anything else."""
    try:
        future.result(WAIT_S)
    except KafkaException as error:
        code = error.args[0].code()
        if code in DENIED:
            return False
        if code not in codes_of_authorised:
            raise
    return True


def in_capitals(operation: str) -> str:
    return "".join(f"_{each}" if each.isupper() else each.upper() for each in operation).lstrip("_").upper()
