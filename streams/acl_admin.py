"""Compares the ACLs that a cluster has with those that an installation needs, and adds what is missing."""

import time
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclBindingFilter, AclOperation, AclPermissionType
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

from schemas import UsageError
from streams.acls import CLUSTER, Acl, principals_of, roles_of, topics_of, wanted_acls
from streams.partition_reader import READER_GROUP
from streams.settings import Settings

TIMEOUT_S = 30.0

_ANYTHING: Any = None  # the stubs want text where the client takes None for anything

EVERY_ACL = AclBindingFilter(
    ResourceType.ANY,
    _ANYTHING,
    ResourcePatternType.ANY,
    _ANYTHING,
    _ANYTHING,
    AclOperation.ANY,
    AclPermissionType.ANY,
)

_RESOURCES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional-id": ResourceType.TRANSACTIONAL_ID,
    "cluster": ResourceType.BROKER,
}
_OPERATIONS = {
    "Create": AclOperation.CREATE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
}


SEEN_EVERY_S = 0.2
PROBE_GROUP = "foresite-acl-probe"
"""A group that no ACL names: whoever may look it up without being an administrator meets an open door."""

_Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class AclDiff:
    """How a cluster differs from what is needed.

    Attributes:
        missing: rights that a role needs and does not have.
        surplus: what else the cluster says of our topics, groups, ids and principals, in words.
        open_door: why what is not listed is not denied, in words; None where it is.
    """

    missing: list[Acl]
    surplus: list[str]
    open_door: str | None

    @property
    def is_equal(self) -> bool:
        """Whether each has what it needs and nobody more."""
        return not self.missing and not self.surplus and self.open_door is None


def diff_acls(settings: Settings) -> AclDiff:
    """Compare; the principal that asks must be allowed to describe the cluster, as `deploy` is.

    Raises:
        UsageError: Kafka does not tell; the message says why.
    """
    admin = AdminClient(dict(settings.client_config()))
    try:
        open_door = _open_door(admin)
        found = _all(admin)
    except KafkaException as error:
        raise UsageError(
            f"Kafka at {settings.kafka} does not tell its ACLs: {error.args[0].str()}. Ask as `deploy` or as an "
            "administrator of the cluster; without an authorizer (authorizer.class.name of the brokers) there are none"
        ) from None
    wanted = {_key(_binding(acl)): acl for acl in wanted_acls(settings)}
    there = {_key(binding) for binding in found}
    surplus = [binding for binding in found if _key(binding) not in wanted and _is_ours(binding, settings)]
    return AclDiff(
        missing=sorted(acl for key, acl in wanted.items() if key not in there),
        surplus=sorted(map(_in_words, surplus)),
        open_door=open_door,
    )


def apply_acls(settings: Settings) -> list[Acl]:
    """Add what is missing and nothing else, and wait until it counts; gives what was added.

    Surplus ACLs are a person's to remove.

    Raises:
        UsageError: Kafka refuses; the message says what helps.
    """
    missing = diff_acls(settings).missing
    if missing:
        admin = AdminClient(dict(settings.client_config()))
        _wait(admin.create_acls([_binding(acl) for acl in missing], request_timeout=TIMEOUT_S).values())
        _see(admin, {_key(_binding(acl)) for acl in missing})
    return missing


def _see(admin: AdminClient, written: set[_Key]) -> None:
    """The controller has them; the brokers judge by them a moment later."""
    deadline = time.monotonic() + TIMEOUT_S
    while not written <= {_key(binding) for binding in _all(admin)}:
        if time.monotonic() > deadline:
            raise UsageError(
                "the ACLs were written, but the brokers do not show them yet; see `foresite acls diff`"
            )
        time.sleep(SEEN_EVERY_S)


def _all(admin: AdminClient) -> list[AclBinding]:
    found: list[AclBinding] = admin.describe_acls(EVERY_ACL, request_timeout=TIMEOUT_S).result(TIMEOUT_S)
    return found


def _wait(futures: Iterable["Future[Any]"]) -> None:
    for future in futures:
        try:
            future.result(TIMEOUT_S)
        except KafkaException as error:
            raise UsageError(
                f"the ACLs were not written: {error.args[0].str()}. Writing them needs Alter on the cluster, which none of "
                "Foresite's principals has: run `foresite acls apply` as an administrator of the cluster"
            ) from None


def _open_door(admin: AdminClient) -> str | None:
    """Why what no ACL names is not denied; None where it is.

    The brokers do not tell allow.everyone.if.no.acl.found, so it is tried. An administrator may do anything, with the
    door open or shut: only `deploy` finds out.
    """
    asked = admin.describe_cluster(include_authorized_operations=True, request_timeout=TIMEOUT_S)
    cluster = asked.result(TIMEOUT_S)
    if AclOperation.DESCRIBE not in (cluster.authorized_operations or ()):
        # The client would show no ACLs at all where it may not ask, as if there were none.
        raise KafkaException(KafkaError(KafkaError.CLUSTER_AUTHORIZATION_FAILED))
    broker = ConfigResource(ResourceType.BROKER, str(cluster.controller.id))
    config = admin.describe_configs([broker], request_timeout=TIMEOUT_S)[broker].result(TIMEOUT_S)
    authorizer = config.get("authorizer.class.name")
    if authorizer is not None and not authorizer.value:
        return "the brokers have no authorizer: anybody may do anything. Set authorizer.class.name"
    if AclOperation.ALTER in (cluster.authorized_operations or ()):
        return None
    try:
        admin.describe_consumer_groups([PROBE_GROUP], request_timeout=TIMEOUT_S)[PROBE_GROUP].result(
            TIMEOUT_S
        )
    except KafkaException:
        return None
    return "what no ACL names is open to anybody. Set allow.everyone.if.no.acl.found=false at the brokers"


def _binding(acl: Acl) -> AclBinding:
    return AclBinding(
        _RESOURCES[acl.resource],
        acl.name,
        ResourcePatternType.PREFIXED if acl.is_prefix else ResourcePatternType.LITERAL,
        acl.principal,
        "*",
        _OPERATIONS[acl.operation],
        AclPermissionType.ALLOW,
    )


def _key(binding: AclBinding) -> _Key:
    return (
        binding.restype,
        binding.name,
        binding.resource_pattern_type,
        binding.principal,
        binding.host,
        binding.operation,
        binding.permission_type,
    )


def _is_ours(binding: AclBinding, settings: Settings) -> bool:
    """Whether it gives or takes something of ours: by the principal, or because its pattern meets one of our names."""
    names = {name for role in roles_of(settings) for name in principals_of(settings, role)}
    if binding.principal.removeprefix("User:") in names:
        return True
    ours: dict[Any, list[str]] = {
        ResourceType.TOPIC: list(topics_of(settings)),
        ResourceType.GROUP: [f"{settings.app_id}-", READER_GROUP],
        ResourceType.TRANSACTIONAL_ID: [f"{settings.app_id}-"],
        ResourceType.BROKER: [CLUSTER],
    }
    if binding.name == "*":
        return True
    is_prefix = binding.resource_pattern_type == ResourcePatternType.PREFIXED
    return any(
        binding.name == name
        or (is_prefix and name.startswith(binding.name))
        or (name.endswith("-") and binding.name.startswith(name))
        for name in ours.get(binding.restype, [])
    )


def _in_words(binding: AclBinding) -> str:
    pattern = "prefix " if binding.resource_pattern_type == ResourcePatternType.PREFIXED else ""
    kind, operation = _name(binding.restype), _name(binding.operation)
    return (
        f"{_name(binding.permission_type)} {binding.principal} from {binding.host}: {operation} on {kind.lower()} "
        f"{pattern}{binding.name}"
    )


def _name(value: Any) -> str:
    return str(value.name)
