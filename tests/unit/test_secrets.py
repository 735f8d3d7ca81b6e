"""No secret shows: not in settings as shown, in messages, in logs with tracebacks, nor in the arguments of roles."""

import io
import os
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr, ValidationError

from streams import logs
from streams.faust_security import faust_credentials
from streams.settings import Settings

SECRET = "hunter2-in-the-open"
FIELDS = [name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("FORESITE_")]:
        monkeypatch.delenv(name)


def with_secrets() -> Settings:
    return Settings.model_validate(
        {
            "sasl_password": SECRET,
            "ssl_key_password": SECRET,
            "notify_smtp_password": SECRET,
            "notify_webhook_secrets": {"hook": SECRET},
        }
    )


def test_every_setting_that_sounds_secret_is_kept_as_one() -> None:
    sounding = {
        name
        for name in Settings.model_fields
        if any(word in name for word in ("password", "secret", "token", "credential"))
        and not name.endswith("_file")
    }

    assert sounding == set(FIELDS)


def test_no_secret_shows_in_settings_however_they_are_shown() -> None:
    settings = with_secrets()

    shown = [
        repr(settings),
        str(settings),
        settings.model_dump_json(),
        str(settings.model_dump()),
        f"{vars(settings)}",
    ]

    assert [] == [each for each in shown if SECRET in each]
    assert all(
        SECRET == secret.get_secret_value()
        for secret in [settings.sasl_password]
        if isinstance(secret, SecretStr)
    )


@pytest.mark.parametrize("name", FIELDS)
def test_a_secret_in_a_wrong_form_is_not_repeated(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"FORESITE_{name.upper()}", f'{{"hook": ["{SECRET}"]}}')
    monkeypatch.setenv("FORESITE_COMMIT_INTERVAL_MS", "0")

    with pytest.raises(ValidationError) as refused:
        Settings()

    assert SECRET not in str(refused.value)


def test_a_traceback_through_the_clients_settings_shows_no_secret() -> None:
    out = io.StringIO()
    logs.configure(role="test", version="0", log_format="json", stream=out)

    def connect(client: dict[str, object]) -> None:
        raise OSError(f"cannot connect to {client['bootstrap.servers']}")

    printed = ""
    try:
        connect(dict(with_secrets().client_config()))
    except OSError as error:
        structlog.get_logger("streams.test").error(
            "failed", exc_info=True, client=with_secrets().client_config()
        )
        printed = "".join(traceback.format_exception(error))

    assert "cannot connect" in out.getvalue()
    assert SECRET not in out.getvalue()
    assert SECRET not in printed


def test_faust_s_credentials_do_not_show_it() -> None:
    client = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.password": SECRET}

    assert SECRET not in repr(faust_credentials(client))


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="arguments are read from /proc")
@pytest.mark.slow
def test_roles_get_no_secret_as_an_argument(tmp_path: Path) -> None:
    """What stands in a command line is read by anybody on the machine."""
    process = subprocess.Popen(
        [sys.executable, "-m", "streams.cli", "up"],
        env={
            **os.environ,
            "FORESITE_SASL_PASSWORD": SECRET,
            "FORESITE_SSL_KEY_PASSWORD": SECRET,
            "COLUMNS": "300",
            "FORESITE_WEB_PORT": "0",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Running "):
                break
        arguments = [
            Path(f"/proc/{pid}/cmdline").read_bytes().decode()
            for pid in (process.pid, *children_of(process.pid))
        ]
    finally:
        process.terminate()
        process.wait(60)
        if process.stdout is not None:
            process.stdout.close()

    assert len(arguments) >= 4, arguments  # up, ingest, twin, solver
    assert [] == [each for each in arguments if SECRET in each]


def children_of(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_secret_that_is_no_json_is_not_repeated() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", "acls", "list"],
        env={**os.environ, "FORESITE_NOTIFY_WEBHOOK_SECRETS": SECRET},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (2, True) == (done.returncode, "notify_webhook_secrets" in done.stderr), done.stderr
    assert SECRET not in done.stderr + done.stdout
