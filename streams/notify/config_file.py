"""Reads notify.yaml and the secrets that belong to it, and says in words what is wrong with them."""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from pydantic import SecretStr, ValidationError

from schemas import UsageError
from streams.notify.config import NotifyConfig
from streams.notify.quiet import is_never_awake
from streams.settings import Settings

SECRET_LENGTH_MIN = 16
"""Characters of a webhook's secret; a shorter one can be guessed from one signed message."""

_SECRET_KEYS = {
    "password": "put it into a file (`password_file`) or FORESITE_NOTIFY_SMTP_PASSWORD",
    "secret": "put it into a file (`secret_file`) or FORESITE_NOTIFY_WEBHOOK_SECRETS",
}


@dataclass(frozen=True, slots=True)
class Secrets:
    """What may not stand in the file.

    Attributes:
        smtp_password: None where nobody signs in.
        webhooks: secret of each webhook.
    """

    smtp_password: SecretStr | None
    webhooks: dict[str, SecretStr]


def load_config(path: Path, now: datetime) -> NotifyConfig:
    """Read and check a file.

    Args:
        path: of the file.
        now: quiet hours that never end from this moment on are a mistake.

    Raises:
        UsageError: it cannot be read or means nothing; a line for each problem, with file, key and what to do.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        found = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader that refuses repeated keys
        config = NotifyConfig.model_validate(found)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    except (yaml.YAMLError, _RepeatedKey) as error:
        raise UsageError(f"{path}: no YAML: {error}") from None
    except ValidationError as error:
        sentences = [_sentence(problem) for problem in error.errors(include_url=False, include_input=False)]
        raise UsageError("\n".join(f"{path}: {sentence}" for sentence in sentences)) from None
    for person_id, person in config.people.items():
        if is_never_awake(person.quiet, ZoneInfo(person.zone or "UTC"), now):
            raise UsageError(
                f"{path}: people.{person_id}.quiet: leaves no moment of the week to tell them anything"
            )
    return config


def load_secrets(config: NotifyConfig, settings: Settings) -> Secrets:
    """Find every secret that the configuration needs.

    Raises:
        UsageError: one is missing, cannot be read, is given twice, or is too short.
    """
    password: SecretStr | None = None
    mail = config.mail
    if mail is not None and mail.user is not None:
        password = _secret(
            "mail",
            mail.password_file,
            settings.notify_smtp_password,
            "password_file",
            "FORESITE_NOTIFY_SMTP_PASSWORD",
        )
    webhooks: dict[str, SecretStr] = {}
    for name, webhook in config.webhooks.items():
        given = settings.notify_webhook_secrets.get(name)
        variable = "FORESITE_NOTIFY_WEBHOOK_SECRETS"
        webhooks[name] = _secret(f"webhooks.{name}", webhook.secret_file, given, "secret_file", variable)
        if len(webhooks[name].get_secret_value()) < SECRET_LENGTH_MIN:
            raise UsageError(f"webhooks.{name}: its secret needs {SECRET_LENGTH_MIN} characters or more")
    return Secrets(password, webhooks)


def _secret(place: str, file: str | None, given: SecretStr | None, key: str, variable: str) -> SecretStr:
    if file is not None and given is not None:
        raise UsageError(f"{place}: give {key} or {variable}, not both")
    if given is not None:
        return given
    if file is None:
        raise UsageError(f"{place}: no secret; give {key} or {variable}")
    try:
        return SecretStr(Path(file).read_text(encoding="utf-8").removesuffix("\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{place}.{key}: cannot be read: {error}") from None


class _RepeatedKey(Exception):
    """A key stands twice in one block: YAML would drop the first without a word."""


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, less its silence about repeated keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise _RepeatedKey(f"line {key.start_mark.line + 1}: the key {key.value!r} stands twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _sentence(problem: Any) -> str:
    place = ".".join(map(str, problem["loc"]))
    key = str(problem["loc"][-1]) if problem["loc"] else ""
    if problem["type"] == "extra_forbidden":
        hint = _SECRET_KEYS.get(key)
        return (
            f"{place}: no secrets in this file; {hint}"
            if hint
            else f"{place}: no such key; see docs/notify.md"
        )
    if problem["type"] == "missing":
        return f"{place}: is needed and not there"
    words: str = problem["msg"].removeprefix("Value error, ")
    return f"{place}: {words}" if place else words  # the file as a whole names its place itself
