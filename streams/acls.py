"""Who may do what on Kafka, worked out from the table of topics: nothing here is written by hand twice.

Law: what is not listed is denied (`allow.everyone.if.no.acl.found=false`). Nobody may delete a topic, change
its settings (a short retention deletes too) or write an ACL: that is left to the cluster's own administrator.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from schemas.topics import (
    DEAD_LETTERS,
    DEPLOY,
    FACTS,
    PRINCIPALS,
    TOPICS,
    Topic,
)
from streams.partition_reader import READER_GROUP
from streams.settings import Settings
from streams.site_binding import bound_inputs
from streams.topic_identity import bookmarks_group

Resource = Literal["topic", "group", "transactional-id", "cluster"]
Operation = Literal["Create", "Describe", "DescribeConfigs", "Read", "Write"]

CLUSTER = "kafka-cluster"
"""The name of the one resource of kind cluster."""

SIZES_ASKED: tuple[str, ...] = (FACTS, DEAD_LETTERS)
"""Topics whose largest record ingest asks for."""


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """One right of one principal.

    Attributes:
        principal: as Kafka writes it, `User:ingest`.
        resource: kind of thing; name: of it.
        is_prefix: whether the name only begins the names that are meant.
        operation: what may be done; Read and Write bring Describe with them.
    """

    principal: str
    resource: Resource
    name: str
    is_prefix: bool
    operation: Operation


def wanted_acls(settings: Settings) -> list[Acl]:
    """Every right that an installation needs, and no other."""
    rights = {
        Acl(f"User:{name}", resource, resource_name, is_prefix, operation)
        for role, resource, resource_name, is_prefix, operation in _rights(settings)
        for name in principals_of(settings, role)
    }
    return sorted(rights)


def principals_of(settings: Settings, role: str) -> list[str]:
    """Kafka's users that play a role: those of FORESITE_PRINCIPALS, or one of the role's own name."""
    return settings.principals.get(role, [role])


def roles_of(settings: Settings) -> tuple[str, ...]:
    """All roles: the table's, and for each prefix of FORESITE_SITE_TOPICS its own publishers, as `lyon.publisher-mes`."""
    bound = (
        prefix + role
        for prefix in settings.site_topics
        for role in PRINCIPALS
        if role.startswith("publisher-")
    )
    return (*PRINCIPALS, *bound)


def topics_of(settings: Settings) -> dict[str, Topic]:
    """Full name of every topic of an installation, those bound to sites included -> its row of the table."""
    named = {settings.topic_prefix + name: topic for name, topic in TOPICS.items()}
    for prefix in settings.site_topics:
        named |= {settings.topic_prefix + prefix + name: TOPICS[name] for name in bound_inputs()}
    return named


_Right = tuple[str, Resource, str, bool, Operation]


def _rights(settings: Settings) -> Iterator[_Right]:
    for name, topic in TOPICS.items():
        yield from _topic_rights(settings.topic_prefix + name, topic.writers, {*topic.readers, DEPLOY})
    for prefix in settings.site_topics:
        for name in bound_inputs():
            writers = [prefix + role for role in TOPICS[name].writers if _is_publisher(role)]
            yield from _topic_rights(
                settings.topic_prefix + prefix + name, writers, {*TOPICS[name].readers, DEPLOY}
            )
    if settings.web_gateway:
        for prefix in ("", *settings.site_topics):
            for name in bound_inputs():
                yield "web", "topic", settings.topic_prefix + prefix + name, False, "Write"
    for name in SIZES_ASKED:
        yield "ingest", "topic", settings.topic_prefix + name, False, "DescribeConfigs"
    yield from _group_rights(settings)
    yield "twin", "transactional-id", f"{settings.app_id}-twin-", True, "Write"
    yield "notify", "transactional-id", f"{settings.app_id}-notify-", True, "Write"
    yield DEPLOY, "cluster", CLUSTER, False, "Describe"  # to compare the ACLs there are with these
    yield DEPLOY, "cluster", CLUSTER, False, "DescribeConfigs"  # to see that the rest is denied


def _topic_rights(full_name: str, writers: Iterable[str], readers: Iterable[str]) -> Iterator[_Right]:
    for role in writers:
        yield role, "topic", full_name, False, "Write"
    for role in sorted(readers):
        yield role, "topic", full_name, False, "Read"
    yield DEPLOY, "topic", full_name, False, "Create"


def _group_rights(settings: Settings) -> Iterator[_Right]:
    """Groups that are joined or committed to need Read; the one of readers without a group is only looked up."""
    for role in ("ingest", "twin", "solver", "notify"):
        yield role, "group", f"{settings.app_id}-{role}", False, "Read"
    for prefix in ("", *settings.site_topics):
        yield "ingest", "group", bookmarks_group(settings.app_id, prefix), False, "Read"
    for role in ("twin", "solver", "notify", "web", "reader", DEPLOY):
        yield role, "group", READER_GROUP, False, "Describe"
    yield "reader", "group", f"{settings.app_id}-reader-", True, "Read"  # for readers of your own


def _is_publisher(role: str) -> bool:
    return role.startswith("publisher-")


def as_commands(acls: Iterable[Acl], bootstrap_servers: str) -> list[str]:
    """The same for Kafka's own tool: one command for all that a principal may do with a thing."""
    commands = []
    for (principal, resource, name, is_prefix), rights in groupby(
        sorted(acls), key=lambda acl: (acl.principal, acl.resource, acl.name, acl.is_prefix)
    ):
        thing = "--cluster" if resource == "cluster" else f"--{resource} {name}"
        pattern = " --resource-pattern-type prefixed" if is_prefix else ""
        operations = " ".join(f"--operation {acl.operation}" for acl in rights)
        commands.append(
            f"kafka-acls.sh --bootstrap-server {bootstrap_servers} --command-config admin.properties --add "
            f"--allow-principal {principal} {operations} {thing}{pattern}"
        )
    return commands
