"""librdkafka's security settings in Faust's words."""

import ssl
from pathlib import Path

import pytest
from faust import SASLCredentials, SSLCredentials

from schemas.errors import UsageError
from streams.faust_security import faust_credentials
from tests.certificates import Authority


def test_an_open_broker_needs_nothing() -> None:
    assert faust_credentials({"bootstrap.servers": "k:9092"}) is None


def test_scram_over_tls_checks_the_host_name() -> None:
    credentials = faust_credentials(
        {
            "security.protocol": "sasl_ssl",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": "twin",
            "sasl.password": "not a real one",
        }
    )

    assert isinstance(credentials, SASLCredentials)
    assert ("SASL_SSL", "SCRAM-SHA-512", "twin", "not a real one") == (
        credentials.protocol.value,
        credentials.mechanism.value,
        credentials.username,
        credentials.password,
    )
    assert credentials.ssl_context is not None
    assert credentials.ssl_context.check_hostname
    assert "not a real one" not in repr(credentials)


@pytest.mark.parametrize(
    "client",
    [{"security.protocol": "tls"}, {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "GSSAPI"}],
)
def test_what_faust_cannot_speak_is_refused(client: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        faust_credentials(client)


def test_a_certificate_of_our_own_is_read_with_its_password(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    twin = authority.issue("twin", password="hunter2")
    client = {
        "security.protocol": "SSL",
        "ssl.ca.location": str(authority.certificate),
        "ssl.certificate.location": str(twin.certificate),
        "ssl.key.location": str(twin.key),
    }

    credentials = faust_credentials({**client, "ssl.key.password": "hunter2"})

    assert isinstance(credentials, SSLCredentials)
    assert (True, ssl.CERT_REQUIRED) == (credentials.context.check_hostname, credentials.context.verify_mode)
    for password in ({}, {"ssl.key.password": "hunter3"}):  # without one OpenSSL would ask at the terminal
        with pytest.raises(UsageError, match="FORESITE_SSL_KEY_PASSWORD opens the key") as refusal:
            faust_credentials({**client, **password})
        assert "hunter" not in str(refusal.value)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"ssl.ca.location"):
        faust_credentials({"security.protocol": "SSL", "ssl.ca.location": "/nowhere/ca.pem"})


def test_what_only_librdkafka_reads_is_refused() -> None:
    with pytest.raises(UsageError, match=r"ssl.keystore.location in FORESITE_KAFKA_CONFIG"):
        faust_credentials({"security.protocol": "SSL", "ssl.keystore.location": "/x.p12"})
