"""notify.yaml: what it may say, and the sentence that each mistake gives."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from schemas import UsageError
from streams.cli import app
from streams.notify.config import (
    Filter,
    MailServer,
    NotifyConfig,
    Person,
    QuietHours,
    Retry,
    Site,
    Webhook,
)
from streams.notify.config_file import load_config, load_secrets
from streams.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)

GOOD = """
mail:
  host: mail.example.com
  user: foresite
  from: foresite@example.com
webhooks:
  chat: {url: "https://chat.example.com/hooks/T0?x=1"}
people:
  okafor:
    name: R. Okafor
    mail: r.okafor@example.com
    webhook: chat
    zone: Europe/Berlin
    quiet:
      - {from: 22:00, to: 06:00}
      - {days: [sat, sun], from: "00:00", to: "24:00"}
sites:
  S1: {zone: Europe/Berlin, default: okafor}
filter: {min_severity: medium}
"""


def load(folder: Path, text: str) -> NotifyConfig:
    path = folder / "notify.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, NOW)


def complaint(folder: Path, text: str) -> str:
    with pytest.raises(UsageError) as refused:
        load(folder, text)
    return str(refused.value).replace(f"{folder}/", "")


def test_a_file_is_read_and_times_need_no_quotes(tmp_path: Path) -> None:
    """YAML 1.1 reads 22:00 as 22 x 60 = 1320."""
    config = load(tmp_path, GOOD)

    okafor = config.people["okafor"]
    assert ("22:00", "06:00", True) == (
        okafor.quiet[0].start,
        okafor.quiet[0].end,
        okafor.quiet[0].is_overnight,
    )
    assert ["mail", "chat"] == okafor.sinks
    assert (587, "starttls", 15.0) == (
        config.mail and (config.mail.port, config.mail.security, config.mail.timeout_s)
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("host: mail.example.com", "hosts: x", "mail.host: is needed and not there"),
        ("host: mail.example.com", "hosts: x", "mail.hosts: no such key; see docs/notify.md"),
        ("user: foresite", "password: x", "mail.password: no secrets in this file; put it into a file"),
        ("  chat: {", "  chat: {secret: x, ", "webhooks.chat.secret: no secrets in this file"),
        ("foresite@example.com", "Foresite <f@example.com>", "mail.from: no mail address; write it as name@"),
        ("r.okafor@example.com", '"a@b.example\\r\\nBcc: c@d.example"', "people.okafor.mail: no mail address"),
        ("webhook: chat", "webhook: chet", "people.okafor.webhook: no webhook is called 'chet'"),
        ("default: okafor", "default: roy", "sites.S1.default: 'roy' is not among the people"),
        ("https://chat", "http://chat", "webhooks.chat: url: https is needed; http only to this machine"),
        ("https://chat", "https://me:pw@chat", "webhooks.chat: url: no user or password in it"),
        ("https://chat", "https://ch at", "webhooks.chat: url: only visible ASCII characters"),
        ("https://chat", "ftp://chat", "webhooks.chat: url: write it as https://HOST/PATH"),
        ("chat.example.com/", "chat.example.com:x/", "webhooks.chat: url: the port is no number"),
        ("from: 22:00", "from: 25:00", "people.okafor.quiet.0.from: no time of day"),
        ("Europe/Berlin\n    quiet", "Europe/Berlim\n    quiet", "people.okafor.zone: "),
        ("days: [sat, sun]", "days: [sat, sun, mon, tue, wed, thu, fri]", "people.okafor.quiet: leaves no moment"),
        ("min_severity: medium", "min_severity: loud", "filter.min_severity: Input should be 'low', 'medium'"),
        ("sites:", "people: {}\nsites:", "no YAML: line 17: the key 'people' stands twice"),
        ("mail:\n  host", "mail: [\n  host", "no YAML: "),
    ],
)  # fmt: skip
def test_each_mistake_is_named_with_its_key(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in GOOD
    assert f"notify.yaml: {words}" in complaint(tmp_path, GOOD.replace(old, new, 1))


def test_people_and_sinks_need_each_other(tmp_path: Path) -> None:
    nobody = complaint(tmp_path, "people: {okafor: {name: R}}\nwebhooks: {w: {url: 'https://x.example/'}}")
    no_sink = complaint(tmp_path, "people: {okafor: {mail: o@x.example}}")
    no_server = complaint(
        tmp_path, "people: {okafor: {mail: o@x.example}}\nwebhooks: {w: {url: 'https://x.example/'}}"
    )

    assert nobody.endswith("people.okafor: neither mail nor webhook: nothing reaches them")
    assert no_sink.endswith("no sink: give mail, webhooks, or both")
    assert no_server.endswith("people.okafor.mail: there is no mail server; give `mail` at the top")


def test_a_password_never_crosses_a_network_in_the_clear(tmp_path: Path) -> None:
    said = complaint(tmp_path, GOOD.replace("user: foresite", "user: foresite\n  security: none"))

    assert "mail: security is none: the password would cross the network" in said


def test_secrets_come_from_files_or_the_environment_and_are_shown_nowhere(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef\n", encoding="utf-8")
    config = load(tmp_path, GOOD.replace("chat: {", f"chat: {{secret_file: {secret}, "))

    secrets = load_secrets(config, Settings(notify_smtp_password="hunter2"))  # type: ignore[arg-type]

    assert secrets.smtp_password is not None
    assert ("hunter2", "0123456789abcdef") == (
        secrets.smtp_password.get_secret_value(),
        secrets.webhooks["chat"].get_secret_value(),
    )
    assert "hunter2" not in repr(secrets)
    assert "0123456789abcdef" not in repr(secrets)
    assert "hooks/T0" not in repr(config)


def test_a_secret_that_is_missing_twice_or_short_is_refused(tmp_path: Path) -> None:
    config = load(tmp_path, GOOD.replace("  user: foresite\n", ""))
    said = []
    for settings in (Settings(), Settings(notify_webhook_secrets={"chat": "short"})):  # type: ignore[dict-item]
        with pytest.raises(UsageError) as refused:
            load_secrets(config, settings)
        said.append(str(refused.value))

    assert [
        "webhooks.chat: no secret; give secret_file or FORESITE_NOTIFY_WEBHOOK_SECRETS",
        "webhooks.chat: its secret needs 16 characters or more",
    ] == said


def test_check_says_what_a_file_reaches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORESITE_NOTIFY_SMTP_PASSWORD", "hunter2")
    monkeypatch.setenv("FORESITE_NOTIFY_WEBHOOK_SECRETS", '{"chat": "0123456789abcdef"}')
    path = tmp_path / "notify.yaml"
    path.write_text(GOOD, encoding="utf-8")

    result = CliRunner().invoke(app, ["notify", "check", str(path)])

    assert (0, f"{path}: 1 people by mail, chat\n") == (result.exit_code, result.stdout)


def test_the_document_s_example_is_a_file_and_names_every_key(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "notify.md").read_text(encoding="utf-8")
    [example] = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    load(tmp_path, example)
    models = (NotifyConfig, MailServer, Webhook, Person, QuietHours, Filter, Site, Retry)
    keys = {field.alias or name for model in models for name, field in model.model_fields.items()}

    in_words = {"name"}
    assert in_words == {key for key in keys if not re.search(rf"[`.]{key}[`.:]", text)}
