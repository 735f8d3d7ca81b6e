"""The words of notify.yaml: who is reached where, what is told, and when people are left alone.

It holds no secrets: they come from files or FORESITE_NOTIFY_... variables, see streams/notify/config_file.py.
"""

import ipaddress
import re
from datetime import time
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from schemas import Card, CardKind, Severity
from schemas.base import Id
from schemas.plant_model import ZoneName

MAIL = "mail"
"""Name of the one mail sink; webhooks have names of their own."""

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_SEVERITIES = list(Severity)  # from low to critical
_ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
)
_MINUTES_A_DAY = 1_440


def _clock_text(value: object) -> object:
    # YAML 1.1 reads 22:00 without quotes as a number to the base of sixty: minutes, as it happens.
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 <= value <= _MINUTES_A_DAY:
            return f"{value // 60:02}:{value % 60:02}"
        raise ValueError('no time of day; write it as "22:00"')
    return value


Clock = Annotated[str, BeforeValidator(_clock_text), Field(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")]
"""Time of day, "HH:MM"; "24:00" is the end of the day."""

StartClock = Annotated[str, BeforeValidator(_clock_text), Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
"""Time of day, "HH:MM", at which something begins."""

SinkName = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z0-9_-]+$")]
"""Name of a webhook: it is a label of metrics."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class MailServer(_Part):
    """The SMTP server.

    Attributes:
        security: starttls: a plain connection that must turn to TLS; tls: TLS from the first byte; none: plain text.
        user: to sign in with, where the server wants it; password_file: holds the password, or
            FORESITE_NOTIFY_SMTP_PASSWORD does.
        sender: address that mails come from (`from` in the file); sender_name: name beside it.
        ca_file: certificates to trust instead of the system's.
        timeout_s: of each step with the server; a whole delivery may take three times as long. Too small: a slow
            server is asked again and again. Too large: mails wait behind one that hangs.
    """

    host: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.:_-]+$")]
    port: Annotated[int, Field(ge=1, le=65_535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password_file: str | None = None
    sender: str = Field(alias="from")
    sender_name: Annotated[str, Field(max_length=100)] = "Foresite"
    ca_file: str | None = None
    timeout_s: Annotated[float, Field(gt=0, le=120)] = 15.0

    @field_validator("sender")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return check_address(value)

    @model_validator(mode="after")
    def _no_password_in_the_clear(self) -> Self:
        if self.user is not None and self.security == "none" and not is_loopback(self.host):
            raise ValueError("security is none: the password would cross the network for anyone to read")
        return self


class Webhook(_Part):
    """A receiver of HTTP POST.

    Attributes:
        url: where; it may itself be a secret, so it is never logged.
        secret_file: holds the secret of the signature, or FORESITE_NOTIFY_WEBHOOK_SECRETS does.
        allow_http: http instead of https, to this machine only.
        ca_file: certificates to trust instead of the system's.
        timeout_s: of a whole request. Too small: a slow receiver is asked again and again, and may take each. Too
            large: what it is to get waits behind a request that hangs.
    """

    url: Annotated[str, Field(max_length=2000, repr=False)]
    secret_file: str | None = None
    allow_http: bool = False
    ca_file: str | None = None
    timeout_s: Annotated[float, Field(gt=0, le=120)] = 10.0

    @model_validator(mode="after")
    def _can_be_called(self) -> Self:
        if not self.url.isascii() or any(letter.isspace() or not letter.isprintable() for letter in self.url):
            raise ValueError("url: only visible ASCII characters; escape others")
        parts = urlsplit(self.url)
        try:
            _ = parts.port
        except ValueError:
            raise ValueError("url: the port is no number from 0 to 65535") from None
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise ValueError("url: write it as https://HOST/PATH")
        if parts.username is not None or parts.password is not None:
            raise ValueError("url: no user or password in it; the signature says who we are")
        if parts.scheme == "http" and not (self.allow_http and is_loopback(parts.hostname)):
            raise ValueError(
                "url: https is needed; http only to this machine (127.0.0.1), with allow_http: true"
            )
        return self


class QuietHours(_Part):
    """When somebody is not told of anything that can wait.

    Attributes:
        days: on which it begins; all where none are named.
        start, end: in the person's zone (`from` and `to` in the file). An end not after the start is on the next day.
    """

    days: list[Weekday] = Field(default=list(WEEKDAYS), min_length=1)
    start: StartClock = Field(alias="from")
    end: Clock = Field(alias="to")

    @property
    def is_overnight(self) -> bool:
        """Whether it ends on the day after that on which it began."""
        return self.end <= self.start


class Filter(_Part):
    """Which cards are told; what is empty or absent lets everything through.

    Attributes:
        min_severity: the least that is told; a card that grows into it is told then.
        kinds, sites: only these.
    """

    min_severity: Severity = Severity.LOW
    kinds: list[CardKind] = []
    sites: list[Id] = []

    def passes(self, card: Card) -> bool:
        """Whether the card is told."""
        return (
            _SEVERITIES.index(card.severity) >= _SEVERITIES.index(self.min_severity)
            and (not self.kinds or card.kind in self.kinds)
            and (not self.sites or card.site_id in self.sites)
        )


class Person(_Part):
    """Somebody, or a desk or channel, by the id that the twin knows them by.

    Attributes:
        name: for greetings and names beside addresses.
        mail: address; webhook: name of one of the webhooks. One of them, or both.
        zone: of quiet hours and of the times in messages; None: that of the card's site.
        quiet: when they are left alone.
        filter: what is told to them, of what the general filter lets through.
    """

    name: Annotated[str, Field(max_length=200)] = ""
    mail: str | None = None
    webhook: SinkName | None = None
    zone: ZoneName | None = None
    quiet: list[QuietHours] = []
    filter: Filter = Filter()

    @field_validator("mail")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        return None if value is None else check_address(value)

    @property
    def sinks(self) -> list[str]:
        """Names of the sinks that reach them."""
        return [*([MAIL] if self.mail else []), *([self.webhook] if self.webhook else [])]


class Site(_Part):
    """What is particular to a site.

    Attributes:
        zone: of times in messages to people who have none of their own.
        default: who is told of cards whose owner is not among the people.
    """

    zone: ZoneName = "UTC"
    default: Id | None = None


class Retry(_Part):
    """How a delivery is tried again.

    Attributes:
        first_s: after the first failure; each further one waits twice as long, less up to half of it by chance.
        max_s: at most so long. Too small: a receiver in trouble is kept in it. Too large: it is back and not told.
        give_up_after_h: from when it could first leave; then it has failed. Too small: a mail server that is down
            over a weekend loses what was to be said. Too large: old news.
    """

    first_s: Annotated[float, Field(ge=0.01, le=3600)] = 5.0
    max_s: Annotated[float, Field(ge=0.01, le=86_400)] = 900.0
    give_up_after_h: Annotated[float, Field(gt=0, le=720)] = 24.0


class NotifyConfig(_Part):
    """notify.yaml.

    Attributes:
        mail, webhooks: the sinks.
        people: by owner id.
        sites: by site id; default: who is told where neither owner nor site names anybody.
        always: who is told of every card, besides its owner.
        filter: which cards are told at all.
        critical_breaks_quiet: whether a critical card is told in quiet hours.
        digest_above: more than so many messages that are due to one person at once become one.
        retry: of every sink.
    """

    mail: MailServer | None = None
    webhooks: dict[SinkName, Webhook] = {}
    people: dict[Id, Person] = Field(min_length=1)
    sites: dict[Id, Site] = {}
    default: Id | None = None
    always: list[Id] = []
    filter: Filter = Filter()
    critical_breaks_quiet: bool = True
    digest_above: Annotated[int, Field(ge=1, le=1000)] = 10
    retry: Retry = Retry()

    @model_validator(mode="after")
    def _names_lead_somewhere(self) -> Self:
        if self.mail is None and not self.webhooks:
            raise ValueError("no sink: give mail, webhooks, or both")
        if MAIL in self.webhooks:
            raise ValueError(f"webhooks.{MAIL}: this name is the mail sink's; choose another one")
        for person_id, person in self.people.items():
            if not person.sinks:
                raise ValueError(f"people.{person_id}: neither mail nor webhook: nothing reaches them")
            if person.mail and self.mail is None:
                raise ValueError(f"people.{person_id}.mail: there is no mail server; give `mail` at the top")
            if person.webhook and person.webhook not in self.webhooks:
                raise ValueError(f"people.{person_id}.webhook: no webhook is called {person.webhook!r}")
        named: list[tuple[str, str | None]] = [("default", self.default)]
        named += [(f"sites.{site_id}.default", site.default) for site_id, site in self.sites.items()]
        named += [("always", person_id) for person_id in self.always]
        for place, named_id in named:
            if named_id is not None and named_id not in self.people:
                raise ValueError(f"{place}: {named_id!r} is not among the people")
        return self

    def zone_of(self, person: Person, site_id: str) -> ZoneInfo:
        """The zone in which a person reads times on a card of a site, and has quiet hours."""
        return ZoneInfo(person.zone or self.sites.get(site_id, Site()).zone)


def check_address(value: str) -> str:
    """A mail address as SMTP takes it everywhere.

    Raises:
        ValueError: it is none.
    """
    if not _ADDRESS.fullmatch(value):
        raise ValueError("no mail address; write it as name@example.com, without a name beside it")
    return value


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its name or number alone; nothing is looked up."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def time_of_day(clock: str) -> tuple[time, bool]:
    """A Clock as a time, and whether it is on the next day ("24:00")."""
    return (time(0), True) if clock == "24:00" else (time.fromisoformat(clock), False)
