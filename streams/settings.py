"""Every setting, in one place: `FORESITE_<NAME>` in the environment, or an argument to `Settings`.

Nothing else in the project reads the environment for its configuration.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.topics import PRINCIPALS

# A topic name may hold these, and 249 characters in all; the longest of ours has 27.
_NAME_PATTERN = r"^[A-Za-z0-9._-]*$"

# One word, so that no prefix is the beginning of another or of a topic's own name with its dots.
_SITE_PREFIX_PATTERN = r"[A-Za-z0-9_-]{1,60}\."

# Properties that hold secrets, and so may not stand among those that are shown and logged -> what to use instead.
_SECRET_PROPERTIES = {
    "sasl.password": "use FORESITE_SASL_PASSWORD or FORESITE_SASL_PASSWORD_FILE",
    "ssl.key.password": "use FORESITE_SSL_KEY_PASSWORD or FORESITE_SSL_KEY_PASSWORD_FILE",
    "ssl.key.pem": "name the key's file in ssl.key.location",
    "ssl_key": "name the key's file in ssl.key.location",
    "ssl.keystore.password": "use PEM files in ssl.certificate.location and ssl.key.location",
    "sasl.oauthbearer.client.secret": "use SCRAM-SHA-512 or mTLS",
    "sasl.oauthbearer.config": "use SCRAM-SHA-512 or mTLS",
}

# Properties that would have us talk to whoever answers, and the values that do.
_TRUSTING_PROPERTIES = {
    "enable.ssl.certificate.verification": ("false", "0"),
    "ssl.endpoint.identification.algorithm": ("none", ""),
}

KafkaProperty = str | int | float | bool


class Settings(BaseSettings):
    """What an installation chooses. Read once at start; two of them can live in one process."""

    model_config = SettingsConfigDict(
        env_prefix="FORESITE_",
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        hide_input_in_errors=True,  # a refused value may be a secret in the wrong place
    )

    kafka: str = Field(default="127.0.0.1:9092", min_length=1)
    """Bootstrap servers, `host:port`, separated by commas."""

    kafka_config: dict[str, KafkaProperty] = {}
    """More librdkafka properties for every client, as JSON: `{"security.protocol": "SASL_SSL"}`. They are laid under
    what a role needs for its guarantees, so none can be weakened here. No passwords: those have fields of their own."""

    sasl_password: SecretStr | None = None
    """The password of `sasl.username` in kafka_config. Never logged."""

    sasl_password_file: Path | None = None
    """A file that holds the password instead, as mounted secrets do. A line feed at its end is not part of it."""

    ssl_key_password: SecretStr | None = None
    """The password of the key in `ssl.key.location` of kafka_config, for mTLS. Never logged."""

    ssl_key_password_file: Path | None = None
    """A file that holds it instead. A line feed at its end is not part of it."""

    app: str = Field(default="foresite", min_length=1, max_length=60, pattern=_NAME_PATTERN)
    """Begins the names of consumer groups and transactional ids. Two installations on one Kafka need different ones,
    or another topic_prefix: with the same they fence each other for ever."""

    topic_prefix: str = Field(default="", max_length=100, pattern=_NAME_PATTERN)
    """Put before every topic name, as in `plant7.` for `plant7.twin.cards.v1`. Producers and readers need it too."""

    principals: dict[str, list[str]] = {}
    """Kafka's users by role, as JSON: `{"publisher-mes": ["lyon-mes", "turin-mes"], "reader": ["bi"]}`. A role that is
    not named is played by the user of its own name. With mTLS a user is what the brokers make of a certificate's
    subject. Only `foresite acls list`, `diff` and `apply` read this."""

    site_topics: dict[str, list[str]] = {}
    """Publishers that may speak for some sites only, as JSON: `{"lyon.": ["lyon"]}`. Ingest then also reads
    `lyon.mes.machine-events.v1` and so on, which only the publishers of `lyon.` may write, and takes events of these
    sites alone from there; others become dead letters (authorisation). "*" among the sites lets them speak of what
    concerns all sites. A prefix ends in a dot."""

    facts_partitions: int = Field(default=4, ge=1, le=512)
    """Partitions of the facts and state topics. Too small: fewer twin workers than there is work for, as a partition
    has one. Too large: each costs a producer and a thread. It cannot change once there are facts: a group's facts
    would be in two partitions, in no order."""

    planning_groups: dict[str, list[str]] = {}
    """Sites that exchange work and so are planned together, as JSON: `{"emea": ["lyon", "turin"]}`. A site in none is
    a group by itself. Too wide: one core carries it all. Too narrow: work that moves between sites is not followed."""

    clock: Literal["wall", "events"] = "wall"
    """Where the twin's time comes from. `wall`: ingest ticks each second. `events`: a simulator or a replay drives it
    with clock_ticked events; without them nothing is ever late."""

    commit_interval_ms: int = Field(default=100, ge=50, le=1000)
    """Milliseconds from one commit of a partition to the next. Too small: the broker is busy with transactions, and
    each takes longer than the folding between them. Too large: that much later are cards seen, and that much is
    folded again after a crash."""

    checkpoints_kept: int = Field(default=14, ge=2, le=1000)
    """Checkpoints that a partition keeps on `twin.checkpoints.v1`: one a day, one a change of version. Too small: how
    a day was is no longer to be had once the facts before it have expired. Too large: disk, one copy of the state
    each."""

    ingest_batch_events: int = Field(default=500, ge=1, le=5000)
    """Events in one facts record at most. Too small: the twin spends its time on records instead of events, about
    70 us each. Too large: records near the topic's size limit, and a long step between two commits."""

    instance_id: Annotated[str, Field(min_length=1, max_length=100, pattern=_NAME_PATTERN)] | None = None
    """Static membership in consumer groups: a name that this worker keeps over restarts, such as its pod's. With it
    a restarted worker is back in seconds; without it, or with a new name each time, the group waits for the old one's
    session to end. Two workers with the same name throw each other out."""

    admin_host: str = "127.0.0.1"
    """Where /metrics, /livez and /readyz are served. There is no sign-in: reach beyond loopback only on a network
    that may read them."""

    admin_port: int = Field(default=0, ge=0, le=65535)
    """Port of the same; 0 takes a free one and logs it."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level logged. Libraries log from `warning` up, unless this is `debug`."""

    log_format: Literal["auto", "console", "json"] = "auto"
    """`console` for people, `json` for machines: one object a line. `auto` is console on a terminal."""

    traces: Literal["off", "otlp"] = "off"
    """`otlp` sends traces to an OpenTelemetry collector; it needs the extra `foresite[otel]`. Where that is, OpenTelemetry's
    own variables say: OTEL_EXPORTER_OTLP_ENDPOINT. See docs/traces.md."""

    traces_sample: float = Field(default=0.001, ge=0, le=1)
    """Share of input records that begin a trace where they carry none. Commands always do. Too small: the one that was slow
    is not among them. Too large: a span for every event."""

    notify_config: Path | None = None
    """The file that says who is told of cards, by mail or webhook; see docs/notify.md. Without it `foresite up` leaves
    the role out."""

    notify_smtp_password: SecretStr | None = None
    """The password of the mail server's user, instead of a `password_file` in that file. Never logged."""

    notify_webhook_secrets: dict[str, SecretStr] = {}
    """The secrets that webhooks are signed with, by name of the webhook, as JSON; instead of a `secret_file`. Never
    logged."""

    notify_max_age_h: float = Field(default=72.0, ge=0, le=8760)
    """Hours since a card was opened beyond which it is not told when notify meets a topic of cards for the first time.
    Too small: what is still to be decided is left to the page. Too large: the first start tells old news."""

    solver_cache_dir: Path = Path("~/.cache/foresite/jit")
    """Where the solver keeps its compiled code from one start to the next. `~` is the user's home. Where it cannot be
    written, code is compiled at each start, half a minute on one core. It holds code: nobody else may write to it."""

    solver_requests_max: int = Field(default=64, ge=1, le=1000)
    """Requests that the solver works on at once before it reads no more. Too small: one that a later one supersedes is
    solved for nobody. Too large: memory, some megabytes each, and everything comes later."""

    solver_runs_max: int = Field(default=20_000, ge=100, le=1_000_000)
    """Runs of a request beyond which the solver answers that it is too large. Too small: large sites get no options. Too
    large: one request takes memory and minutes, and all others wait for their turns."""

    solver_answer_bytes_max: int = Field(default=6_000_000, ge=100_000, le=7_900_000)
    """Bytes of an answer; where it is more, options are left out, those of least value first, and it says so. Too small:
    planners see one way out of many. Too large: more than a record of the topic, or the fact that it comes back in,
    holds."""

    solver_skip: list[Annotated[str, Field(pattern=r"^[0-9]+@[0-9]+$")]] = []
    """Requests that the solver leaves out, as JSON: `["2@1041"]` is the one at offset 1041 of partition 2. For a request
    that stops it by a bug of ours; the log names the position."""

    web_host: str = "127.0.0.1"
    """Where the page and the API are served. Beyond loopback only with web_tokens_file or web_oidc_issuer, and with TLS:
    web_tls_cert_file, or web_tls_elsewhere."""

    web_port: int = Field(default=8410, ge=0, le=65535)
    """Port of the same; 0 takes a free one and logs it."""

    web_origin: Annotated[str, Field(pattern=r"^https?://[^/\s]+$")] | None = None
    """Where people see it, as `https://foresite.plant.example`: requests for another host are refused, and so are
    commands from pages of another origin. Without it, the host that the request names counts as its own."""

    web_tokens_file: Path | None = None
    """Who may sign in with a token, one a line: name, role and hash, as `foresite web token` prints them. Read again when
    it changes. Without it and web_oidc_issuer there is no sign-in, and everybody on this machine is admin."""

    web_oidc_issuer: Annotated[str, Field(pattern=r"^https?://[^\s]+$")] | None = None
    """OpenID Connect issuer whose bearer tokens are taken; its keys come from its discovery document."""

    web_oidc_audience: str | None = None
    """What these tokens must be meant for (`aud`); required with web_oidc_issuer."""

    web_oidc_name_claim: str = "preferred_username"
    """Claim with the name that commands carry as their actor."""

    web_oidc_roles_claim: str = "roles"
    """Claim with the roles: one name or a list, of viewer, planner, approver, admin; the highest counts, others are
    ignored. Dots lead into objects, as in `realm_access.roles`."""

    web_tls_cert_file: Path | None = None
    """Certificate chain (PEM) of the page's address."""

    web_tls_key_file: Path | None = None
    """Its private key (PEM)."""

    web_tls_elsewhere: bool = False
    """A proxy before it speaks TLS: lets it listen beyond loopback in plain text, and marks cookies as Secure."""

    web_notice: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """What every page says of this installation on top, as "Simulated factory" or "Replay of Tue 06:00, 60 x"."""

    web_session_h: float = Field(default=8.0, gt=0, le=168)
    """Hours that a browser stays signed in. Too small: a shift signs in twice. Too large: a browser left open."""

    web_session_key_file: Path | None = None
    """A file of at least 32 random bytes that sign the browsers' cookies. Without it they are drawn at each start:
    everybody signs in again then, and two replicas do not know each other's cookies."""

    web_body_bytes_max: int = Field(default=262_144, ge=1024, le=8_000_000)
    """Bytes of a request's body. Too small: a plan of many locks cannot be sent. Too large: memory for what nobody means."""

    web_requests_per_min: int = Field(default=600, ge=10, le=100_000)
    """Requests a minute of one principal; a tenth of it for sign-ins that fail, by address. Too small: a page is slow to
    open. Too large: one client slows all."""

    web_requests_max: int = Field(default=64, ge=4, le=1000)
    """Requests in progress at once, streams apart; more are answered 503. Too small: a busy morning is refused. Too large:
    all wait."""

    web_request_timeout_s: float = Field(default=15.0, ge=1, le=120)
    """Seconds that a request may take, body included. Too small: commands fail while a broker moves. Too large: so long a
    slow client holds a place."""

    web_fold_timeout_s: float = Field(default=60.0, ge=1, le=600)
    """Seconds for questions that fold the facts again: as-of, and why. Too small: no answer on a long log. Too large: so
    long the next one waits, as there is one at a time."""

    web_stream_clients_max: int = Field(default=200, ge=1, le=5000)
    """Clients of the stream at once. Too small: the next browser polls in vain. Too large: memory, a queue each."""

    web_stream_client_bytes_max: int = Field(default=16_000_000, ge=100_000, le=1_000_000_000)
    """Bytes that wait for one client of the stream before it is let go. Too small: a large plan drops everybody. Too
    large: memory, times the clients."""

    web_view_documents_max: int = Field(default=100_000, ge=10, le=5_000_000)
    """Documents of each topic that web keeps. Beyond, what has ended goes first, then what has not changed for longest,
    and answers say that they are not complete. Too small: orders are missing. Too large: memory."""

    web_view_mb_max: int = Field(default=256, ge=1, le=100_000)
    """Megabytes of each topic's documents, with the same behaviour."""

    web_commands_in_flight_max: int = Field(default=64, ge=1, le=1000)
    """Commands that wait for the broker at once; more are answered 503. Too small: a flood of clicks is refused. Too
    large: they all time out together when the broker is away."""

    web_gateway: bool = False
    """Whether web takes events by POST /api/v1/events from programs whose tokens in web_tokens_file name a publisher
    (`foresite web token press-1 publisher-mes`). `foresite acls apply` then gives web the right to write the inputs."""

    web_gateway_body_bytes_max: int = Field(default=1_000_000, ge=1024, le=8_000_000)
    """Bytes of one post of events. Too small: what a machine kept while it was offline takes many posts. Too large: memory
    for each post under way."""

    web_gateway_events_max: int = Field(default=1000, ge=1, le=100_000)
    """Events of one post. Too small: many posts. Too large: one post waits longer for Kafka than a request may take."""

    web_gateway_in_flight_max: int = Field(default=10_000, ge=1, le=1_000_000)
    """Events of all posts that wait for Kafka at once; posts beyond are answered 503. Too small: a busy minute is refused.
    Too large: they all time out together when the broker is away."""

    web_url: Annotated[str, Field(pattern=r"^https?://[^/\s]+$")] | None = None
    """The web role that commands on cards and proposals go through when they are given on the command line, instead of to
    Kafka: required where only web may write them."""

    web_token: SecretStr | None = None
    """The token to show there. Never logged."""

    web_token_file: Path | None = None
    """A file that holds it instead."""

    web_ca_file: Path | None = None
    """Certificates (PEM) of who signed that role's certificate and web_oidc_issuer's, where the system does not know
    them."""

    mqtt: Annotated[str, Field(pattern=r"^mqtts?://[^/\s@]+/?$")] = "mqtt://127.0.0.1:1883"
    """The MQTT broker that `foresite connect mqtt` reads, `mqtt://host:port` or `mqtts://host:port` for TLS."""

    mqtt_client_id: str = Field(default="foresite", min_length=1, max_length=60, pattern=_NAME_PATTERN)
    """The name of its session there: what comes while it is away is kept for this name. Two readers with the same name
    throw each other out."""

    mqtt_user: str | None = None
    """Its user there."""

    mqtt_password: SecretStr | None = None
    """The user's password. Never logged."""

    mqtt_password_file: Path | None = None
    """A file that holds it instead. A line feed at its end is not part of it."""

    mqtt_ca_file: Path | None = None
    """Certificates (PEM) of who signed the broker's certificate, where the system does not know them. The certificate is
    always checked."""

    mqtt_cert_file: Path | None = None
    """Our own certificate (PEM), for brokers that ask for one; with mqtt_key_file."""

    mqtt_key_file: Path | None = None
    """Its private key (PEM)."""

    umh_kafka: str | None = None
    """Bootstrap servers of the United Manufacturing Hub that `foresite connect umh` reads."""

    umh_kafka_config: dict[str, KafkaProperty] = {}
    """More librdkafka properties for reading it, as JSON. No passwords: use mTLS, or a listener that needs none."""

    data_dir: Path = Path("foresite-data")
    """Where commands that keep files (exports, checkpoints) put them. The roles themselves write none."""

    @field_validator("kafka_config", "umh_kafka_config")
    @classmethod
    def _no_secrets(cls, properties: dict[str, KafkaProperty]) -> dict[str, KafkaProperty]:
        for name, instead in _SECRET_PROPERTIES.items():
            if name in properties:
                raise ValueError(f"{name} is a secret: {instead}")
        for name, values in _TRUSTING_PROPERTIES.items():
            if str(properties.get(name, "-")).lower() in values:
                raise ValueError(
                    f"{name} cannot be switched off: whoever answers would be trusted. Give the brokers certificates for "
                    "the names that FORESITE_KAFKA and advertised.listeners have, and their authority in ssl.ca.location"
                )
        if "bootstrap.servers" in properties:
            raise ValueError("bootstrap.servers has a field of its own: use FORESITE_KAFKA")
        return properties

    @field_validator("principals")
    @classmethod
    def _known_roles(cls, principals: dict[str, list[str]]) -> dict[str, list[str]]:
        for role, names in principals.items():
            if not role.endswith(PRINCIPALS):
                raise ValueError(f"{role} is no role; they are {', '.join(PRINCIPALS)}")
            if not all(names) or any("*" in name for name in names):
                raise ValueError(f"{role}: a user has a name, and none stands for all of them")
        return principals

    @field_validator("site_topics")
    @classmethod
    def _prefixes(cls, site_topics: dict[str, list[str]]) -> dict[str, list[str]]:
        for prefix, sites in site_topics.items():
            if not re.fullmatch(_SITE_PREFIX_PATTERN, prefix):
                raise ValueError(
                    f"{prefix!r} is no prefix of topics: letters, digits, _ and -, and a dot at its end"
                )
            if not sites:
                raise ValueError(f"{prefix}: name the sites that its publishers may speak for")
        return site_topics

    @field_validator("planning_groups")
    @classmethod
    def _one_group_a_site(cls, groups: dict[str, list[str]]) -> dict[str, list[str]]:
        counts = Counter(site for sites in groups.values() for site in sites)
        twice = sorted(site for site, count in counts.items() if count > 1)
        if twice:
            raise ValueError(
                f"a site is in one planning group only, but these are in several: {', '.join(twice)}"
            )
        for site, group in ((site, group) for group, sites in groups.items() for site in sites):
            if site in groups and site != group:
                raise ValueError(f"{site} is the name of a group, and also a site of {group}")
        return groups

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        if self.sasl_password is not None and self.sasl_password_file is not None:
            raise ValueError("give sasl_password or sasl_password_file, not both")
        if self.ssl_key_password is not None and self.ssl_key_password_file is not None:
            raise ValueError("give ssl_key_password or ssl_key_password_file, not both")
        if self.mqtt_password is not None and self.mqtt_password_file is not None:
            raise ValueError("give mqtt_password or mqtt_password_file, not both")
        if (self.mqtt_cert_file is None) != (self.mqtt_key_file is None):
            raise ValueError("mqtt_cert_file and mqtt_key_file go together")
        return self

    @model_validator(mode="after")
    def _whole_web(self) -> Self:
        if (self.web_tls_cert_file is None) != (self.web_tls_key_file is None):
            raise ValueError("web_tls_cert_file and web_tls_key_file go together")
        if self.web_gateway and self.web_tokens_file is None:
            raise ValueError(
                "web_gateway needs web_tokens_file: who posts events shows a token of a publisher, "
                "see `foresite web token --help`"
            )
        if self.web_oidc_issuer is not None and not self.web_oidc_audience:
            raise ValueError(
                "web_oidc_issuer needs web_oidc_audience: else tokens for other services would be taken"
            )
        if self.web_token is not None and self.web_token_file is not None:
            raise ValueError("give web_token or web_token_file, not both")
        return self

    @property
    def bootstrap_servers(self) -> str:
        """Where Kafka clients connect."""
        return self.kafka

    @property
    def app_id(self) -> str:
        """Begins the names of groups and transactional ids: the app's name behind the topics' prefix."""
        return self.topic_prefix + self.app

    @property
    def consumer_group_instance_id(self) -> str | None:
        """This worker's name in its consumer group."""
        return self.instance_id

    def group_of(self, site_id: str) -> str:
        """The planning group of a site."""
        for group, sites in self.planning_groups.items():
            if site_id in sites:
                return group
        return site_id

    def client_config(self) -> dict[str, KafkaProperty]:
        """What every librdkafka client begins with. It holds the passwords: never log it.

        Raises:
            OSError: when the file of a password cannot be read.
        """
        config: dict[str, KafkaProperty] = {**self.kafka_config, "bootstrap.servers": self.kafka}
        for name, secret, file in (
            ("sasl.password", self.sasl_password, self.sasl_password_file),
            ("ssl.key.password", self.ssl_key_password, self.ssl_key_password_file),
        ):
            if secret is not None:
                config[name] = secret.get_secret_value()
            elif file is not None:
                config[name] = file.read_text(encoding="utf-8").removesuffix("\n")
        return config
