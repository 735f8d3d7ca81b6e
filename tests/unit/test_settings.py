"""Settings come from the environment, and refuse what would break quietly later."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from streams.settings import Settings


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"FORESITE_{name.upper()}", raising=False)


def test_the_environment_is_read_with_json_for_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORESITE_KAFKA", "broker-1:9092,broker-2:9092")
    monkeypatch.setenv("FORESITE_PLANNING_GROUPS", '{"emea": ["lyon", "turin"]}')
    monkeypatch.setenv(
        "FORESITE_KAFKA_CONFIG", '{"security.protocol": "SASL_SSL", "socket.keepalive.enable": true}'
    )
    monkeypatch.setenv("FORESITE_SASL_PASSWORD", "hunter2")

    settings = Settings()

    assert {
        "bootstrap.servers": "broker-1:9092,broker-2:9092",
        "security.protocol": "SASL_SSL",
        "socket.keepalive.enable": True,
        "sasl.password": "hunter2",
    } == settings.client_config()
    assert ["emea", "emea", "osaka"] == [settings.group_of(site) for site in ("lyon", "turin", "osaka")]


def test_a_password_is_shown_nowhere() -> None:
    settings = Settings(sasl_password="hunter2")  # type: ignore[arg-type]

    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


def test_a_password_file_ends_with_a_line_feed_or_not(tmp_path: Path) -> None:
    file = tmp_path / "password"
    passwords = []
    for text in ("hunter2\n", "hunter2", "with space \n"):
        file.write_text(text, encoding="utf-8")
        passwords.append(Settings(sasl_password_file=file).client_config()["sasl.password"])

    assert ["hunter2", "hunter2", "with space "] == passwords


def test_a_key_s_password_comes_from_a_field_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hunter2\n", encoding="utf-8")

    assert "hunter2" == Settings(ssl_key_password_file=file).client_config()["ssl.key.password"]
    with pytest.raises(ValidationError, match="not both"):
        Settings(ssl_key_password_file=file, ssl_key_password="hunter2")  # type: ignore[arg-type]


def test_two_installations_on_one_kafka_share_no_names() -> None:
    assert "plant7.foresite" == Settings(topic_prefix="plant7.").app_id
    assert "foresite" == Settings().app_id


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("COMMIT_INTERVAL_MS", "49", "greater than or equal to 50"),
        ("COMMIT_INTERVAL_MS", "1001", "less than or equal to 1000"),
        ("CLOCK", "sundial", "'wall' or 'events'"),
        ("TOPIC_PREFIX", "plant 7", "match pattern"),
        ("KAFKA_CONFIG", '{"sasl.password": "hunter2"}', "sasl.password is a secret"),
        ("KAFKA_CONFIG", '{"bootstrap.servers": "elsewhere:9092"}', "use FORESITE_KAFKA"),
        ("KAFKA_CONFIG", '{"ssl.key.password": "hunter2"}', "use FORESITE_SSL_KEY_PASSWORD"),
        ("KAFKA_CONFIG", '{"ssl.key.pem": "hunter2"}', "ssl.key.pem is a secret"),
        ("KAFKA_CONFIG", '{"enable.ssl.certificate.verification": false}', "cannot be switched off"),
        ("KAFKA_CONFIG", '{"ssl.endpoint.identification.algorithm": "none"}', "cannot be switched off"),
        ("PLANNING_GROUPS", '{"a": ["lyon"], "b": ["lyon"]}', "in several: lyon"),
        ("PLANNING_GROUPS", '{"a": ["b"], "b": ["lyon"]}', "b is the name of a group, and also a site of a"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(f"FORESITE_{name}", value)

    with pytest.raises(ValidationError) as refusal:
        Settings()

    assert message in str(refusal.value)


def test_a_refused_password_is_not_repeated_in_the_message() -> None:
    with pytest.raises(ValidationError) as refusal:
        Settings(kafka_config={"sasl.password": "hunter2"})

    assert "hunter2" not in str(refusal.value)


def test_every_setting_says_what_it_means() -> None:
    assert [] == [name for name, field in Settings.model_fields.items() if not field.description]
