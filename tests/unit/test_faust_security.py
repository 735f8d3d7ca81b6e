"""librdkafka's security settings in Faust's words."""

import pytest
from faust import SASLCredentials

from schemas.errors import UsageError
from streams.faust_security import faust_credentials


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
