"""Apache Kafka that lets nobody in without a password or a certificate, and lets nobody do what no ACL names.

The plain listener is the operator's: on loopback, and a super user, as the broker itself speaks through it. Clients that
are tested use the other two: SASL_SSL with SCRAM-SHA-512, and SSL with certificates of their own (mTLS).
"""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from confluent_kafka.admin import AdminClient

from streams.acl_admin import apply_acls
from streams.local_kafka import LocalKafka, free_port
from streams.settings import Settings
from streams.topic_admin import create_topics
from tests.certificates import DAY, Authority, Identity

HOST = "127.0.0.1"
_SCRAM_MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


def password_of(user: str) -> str:
    """The password of a user of the test: made so that it can be looked for in logs."""
    return f"hunter2-{user}-5e7c"


class SecureKafka:
    """A broker with an authorizer, users and certificates.

    Args:
        folder: where certificates and data go.
        users: who has a password here; each may have a certificate too.
        broker: the broker's own certificate; by default one for its address.
        properties: more properties of the broker.
    """

    def __init__(
        self,
        folder: Path,
        users: Sequence[str],
        broker: Identity | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.authority = Authority(folder)
        broker = broker or self.authority.issue("broker", address=HOST)
        plain = free_port()
        self.scram_servers = f"{HOST}:{free_port(taken=plain)}"
        self.mtls_servers = f"{HOST}:{free_port(taken=plain)}"
        self._identities: dict[Path, Identity] = {}
        self.kafka = LocalKafka(
            port=plain,
            data_dir=folder / "kafka",
            heap_mb=512,
            listeners={"SASL_SSL": self.scram_servers, "SSL": self.mtls_servers},
            users={user: password_of(user) for user in users},
            properties={
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "allow.everyone.if.no.acl.found": "false",
                "super.users": "User:ANONYMOUS",  # the plain listener, see above
                "sasl.enabled.mechanisms": "SCRAM-SHA-512",
                "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": _SCRAM_MODULE,
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": str(broker.both),
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": str(self.authority.certificate),
                "listener.name.ssl.ssl.client.auth": "required",
                "ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/,DEFAULT",
                **(properties or {}),
            },
        )

    def as_operator(self, **more: object) -> Settings:
        """Settings of whoever runs the cluster."""
        return Settings.model_validate({"kafka": self.kafka.bootstrap_servers, **more})

    def operator(self) -> AdminClient:
        """An administrator's client."""
        return AdminClient({"bootstrap.servers": self.kafka.bootstrap_servers, "log_level": 3})

    def install(self, settings: Settings) -> None:
        """Topics and ACLs of an installation."""
        create_topics(settings, replication=1)
        apply_acls(settings)

    def scram(self, user: str, password: str | None = None) -> dict[str, object]:
        """Fields of Settings with which a user signs in by password."""
        return {
            "kafka": self.scram_servers,
            "kafka_config": {
                "security.protocol": "SASL_SSL",
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": user,
                "ssl.ca.location": str(self.authority.certificate),
            },
            "sasl_password": password_of(user) if password is None else password,
        }

    def mtls(self, user: str, lasts: timedelta = DAY) -> dict[str, object]:
        """Fields of Settings with which a user signs in by certificate, which lasts so long from now."""
        folder = self.folder / f"{user}-{lasts.total_seconds():.0f}"
        if folder not in self._identities:
            folder.mkdir()
            self._identities[folder] = self.authority.issue(
                user, lasts=lasts, password=password_of(user), folder=folder
            )
        identity = self._identities[folder]
        return {
            "kafka": self.mtls_servers,
            "kafka_config": {
                "security.protocol": "SSL",
                "ssl.ca.location": str(self.authority.certificate),
                "ssl.certificate.location": str(identity.certificate),
                "ssl.key.location": str(identity.key),
            },
            "ssl_key_password": password_of(user),
        }


def environment(fields: Mapping[str, object]) -> dict[str, str]:
    """Fields of Settings as environment variables of a process."""
    return {
        f"FORESITE_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in fields.items()
    }
