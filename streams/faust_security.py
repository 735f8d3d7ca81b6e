"""Translates the installation's Kafka security from librdkafka's words into Faust's."""

import ssl
from collections.abc import Mapping

from faust import SASLCredentials, SSLCredentials
from faust.auth import Credentials

from schemas.errors import UsageError

_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


def faust_credentials(client: Mapping[str, object]) -> Credentials | None:
    """What Faust needs to connect as librdkafka does with `client`; None for an open broker.

    Raises:
        UsageError: a protocol or mechanism that Faust's client does not speak.
    """
    protocol = str(client.get("security.protocol", "PLAINTEXT")).upper()
    if protocol == "PLAINTEXT":
        return None
    context = _context(client) if protocol in {"SSL", "SASL_SSL"} else None
    if protocol == "SSL":
        return SSLCredentials(context)
    if protocol not in {"SASL_SSL", "SASL_PLAINTEXT"}:
        raise UsageError(f"security.protocol {protocol!r} in FORESITE_KAFKA_CONFIG is none of Kafka's")
    mechanism = str(client.get("sasl.mechanism", client.get("sasl.mechanisms", "PLAIN"))).upper()
    if mechanism not in _MECHANISMS:
        raise UsageError(f"sasl.mechanism {mechanism!r}: the twin speaks {', '.join(_MECHANISMS)}")
    return SASLCredentials(
        username=str(client.get("sasl.username", "")),
        password=str(client.get("sasl.password", "")),
        mechanism=mechanism,
        ssl_context=context,
    )


def _context(client: Mapping[str, object]) -> ssl.SSLContext:
    """Certificates as librdkafka is given them; host names are checked unless switched off there too."""
    ca_file = client.get("ssl.ca.location")
    context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    certificate = client.get("ssl.certificate.location")
    if certificate is not None:
        key_file = client.get("ssl.key.location")
        context.load_cert_chain(str(certificate), None if key_file is None else str(key_file))
    if str(client.get("ssl.endpoint.identification.algorithm", "https")) == "none":
        context.check_hostname = False
    return context
