"""Translates the installation's Kafka security from librdkafka's words into Faust's."""

import ssl
from collections.abc import Mapping

from faust import SASLCredentials, SSLCredentials
from faust.auth import Credentials

from schemas.errors import UsageError

_FILES = ("ssl.ca.location", "ssl.certificate.location", "ssl.key.location")
_UNKNOWN = (
    "ssl.ca.pem",
    "ssl.certificate.pem",
    "ssl.keystore.location",
    "ssl.crl.location",
    "ssl.ca.certificate.stores",
)
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
    """Certificates as librdkafka is given them; the broker's certificate and host name are always checked.

    Raises:
        UsageError: a file cannot be used, or it is given in a way that Faust's client does not know.
    """
    for name in client:
        if name in _UNKNOWN:
            raise UsageError(
                f"{name} in FORESITE_KAFKA_CONFIG: the twin reads PEM files, named by {', '.join(_FILES)}"
            )
    ca_file, certificate, key_file = (_text(client.get(name)) for name in _FILES)
    try:
        context = ssl.create_default_context(cafile=ca_file)
        if certificate is not None:
            # Without a password OpenSSL would ask at the terminal, and a role would wait for ever.
            context.load_cert_chain(certificate, key_file, password=str(client.get("ssl.key.password", "")))
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"the certificates of FORESITE_KAFKA_CONFIG cannot be used ({error.strerror or error}): see that the files in "
            f"{', '.join(_FILES)} are there, in PEM, belong together, and FORESITE_SSL_KEY_PASSWORD opens the key"
        ) from None
    return context


def _text(value: object) -> str | None:
    return None if value is None else str(value)
