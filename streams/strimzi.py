"""The table of topics and its rights as resources of the Strimzi operator: what `topics create` and `acls apply` do, declared.

Law: nothing is said here that schemas/topics.py, streams/topic_admin.py and streams/acls.py do not say.
"""

import re
from collections.abc import Iterable
from hashlib import sha256
from itertools import groupby
from typing import Any, Literal

import yaml

from streams.acls import Acl, topics_of, wanted_acls
from streams.settings import Settings
from streams.topic_admin import topic_config, wanted_partitions

API_VERSION = "kafka.strimzi.io/v1"
"""Of Strimzi 0.49 and later."""

RESOURCE_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
"""What Kubernetes takes for a name; Kafka takes more."""

Auth = Literal["scram-sha-512", "tls"]

_KINDS = {"topic": "topic", "group": "group", "transactional-id": "transactionalId", "cluster": "cluster"}


def strimzi_resources(
    settings: Settings, cluster: str, replicas: int, auth: Auth = "scram-sha-512"
) -> list[dict[str, Any]]:
    """A KafkaTopic for each topic, and a KafkaUser with its rights for each principal.

    Args:
        settings: prefix, partitions, users and sites.
        cluster: name of the Kafka resource.
        replicas: copies of each partition.
        auth: how users sign in.
    """
    return [*_topics(settings, cluster, replicas), *_users(settings, cluster, auth)]


def as_yaml(resources: Iterable[dict[str, Any]]) -> str:
    """The resources as one file for kubectl or kustomize."""
    return yaml.safe_dump_all(resources, sort_keys=False, width=120, explicit_start=True)


def _topics(settings: Settings, cluster: str, replicas: int) -> list[dict[str, Any]]:
    found = []
    for name, topic in sorted(topics_of(settings).items()):
        config = {key: _number(value) for key, value in topic_config(topic).items()}
        if (
            replicas > 2
        ):  # a copy may be away and writing goes on; with one left it stops, and nothing is lost
            config["min.insync.replicas"] = replicas - 1
        found.append(
            {
                "apiVersion": API_VERSION,
                "kind": "KafkaTopic",
                "metadata": {"name": resource_name(name), "labels": {"strimzi.io/cluster": cluster}},
                "spec": {
                    "topicName": name,
                    "partitions": wanted_partitions(topic, settings),
                    "replicas": replicas,
                    "config": config,
                },
            }
        )
    return found


def _users(settings: Settings, cluster: str, auth: Auth) -> list[dict[str, Any]]:
    users = []
    for principal, rights in groupby(wanted_acls(settings), key=lambda acl: acl.principal):
        name = principal.removeprefix("User:")
        users.append(
            {
                "apiVersion": API_VERSION,
                "kind": "KafkaUser",
                "metadata": {"name": name, "labels": {"strimzi.io/cluster": cluster}},
                "spec": {
                    "authentication": {"type": auth},
                    "authorization": {"type": "simple", "acls": _acls(rights)},
                },
            }
        )
    return users


def _acls(rights: Iterable[Acl]) -> list[dict[str, Any]]:
    """One entry for all that may be done with a thing."""
    entries = []
    for (resource, name, is_prefix), same in groupby(
        rights, key=lambda acl: (acl.resource, acl.name, acl.is_prefix)
    ):
        on: dict[str, Any] = {"type": _KINDS[resource]}
        if resource != "cluster":
            on |= {"name": name, "patternType": "prefix" if is_prefix else "literal"}
        entries.append({"resource": on, "operations": [acl.operation for acl in same]})
    return entries


def resource_name(topic: str) -> str:
    """A name that Kubernetes takes: the topic's own where it does, else one that no other topic has."""
    if RESOURCE_NAME.fullmatch(topic):
        return topic
    plain = re.sub(r"[^-a-z0-9.]", "-", topic.lower()).strip("-.")
    return f"{plain}-{sha256(topic.encode()).hexdigest()[:8]}"


def _number(value: str) -> Any:
    """Numbers as numbers, as the operator compares them."""
    if re.fullmatch(r"-?\d+", value):
        return int(value)
    return float(value) if re.fullmatch(r"\d+\.\d+", value) else value
