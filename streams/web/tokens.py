"""Static tokens: a file of names, roles and hashes, and the one comparison of a token with it.

A token is 32 random bytes, so that its plain SHA-256 cannot be guessed back; a slow hash would only slow each request.
"""

import hashlib
import hmac
import secrets
import threading
import time
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from schemas import UsageError
from schemas.topics import PRINCIPALS
from streams.web.access import PUBLISHER, ROLES, Principal, Role

log = structlog.get_logger(__name__)

PREFIX: Final = "foresite_"
"""Begins every token, so that scanners for leaked secrets know one when they see it."""

LOOK_EVERY_S: Final = 2.0
"""Between two looks whether the file has changed: so long a token that was taken out may still be used."""

FILE_BYTES_MAX: Final = 1_000_000
NAME_MAX: Final = 100


PUBLISHERS: Final = tuple(role for role in PRINCIPALS if role.startswith("publisher-"))
"""Roles of programs that post events; with a prefix of FORESITE_SITE_TOPICS before them, those bound to its sites."""


class _Entry(NamedTuple):
    name: str
    role: Role
    publishes_as: str
    digest: bytes

    @property
    def said(self) -> str:
        """The role as the file has it."""
        return self.publishes_as or self.role

    @property
    def principal(self) -> Principal:
        """Who that is."""
        return Principal(self.name, self.role, "token", publishes_as=self.publishes_as)


def new_token(name: str, role: str) -> tuple[str, str]:
    """A new token, and its line for the file.

    Raises:
        UsageError: there is no such role, or the name cannot stand in the file.
    """
    _checked(name, role, "")
    token = PREFIX + secrets.token_urlsafe(32)
    return token, f"{name} {role} sha256:{hashlib.sha256(token.encode()).hexdigest()}"


class TokenFile:
    """The tokens of a file, read again when it changes.

    Args:
        path: of the file.

    Raises:
        UsageError: it cannot be read, or a line of it cannot be understood.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen = self._stamp()
        self._entries = _read(path)
        self._looked_at = time.monotonic()

    def principal(self, token: str) -> Principal | None:
        """Who shows this token; every entry is compared, each in constant time."""
        self._look()
        digest = hashlib.sha256(token.encode()).digest()
        found: _Entry | None = None
        for entry in self._entries:
            if hmac.compare_digest(entry.digest, digest):
                found = entry
        return None if found is None else found.principal

    def named(self, name: str) -> Principal | None:
        """Who has that name now, for sessions that began with a token."""
        self._look()
        found = next((entry for entry in self._entries if entry.name == name), None)
        return None if found is None else found.principal

    def holders(self) -> list[tuple[str, str]]:
        """Names and roles."""
        self._look()
        return [(entry.name, entry.said) for entry in self._entries]

    def _look(self) -> None:
        now = time.monotonic()
        with self._lock:
            if now - self._looked_at < LOOK_EVERY_S:
                return
            self._looked_at = now
            stamp = self._stamp()
            if stamp == self._seen:
                return
            try:
                self._entries = _read(self._path)
            except UsageError as error:  # half written, perhaps: the list as it was still holds
                log.error("tokens_file_unreadable", error=str(error))
            else:
                self._seen = stamp
                log.info("tokens_file_read", tokens=len(self._entries))

    def _stamp(self) -> tuple[int, int, int]:
        try:
            status = self._path.stat()
        except OSError:
            return (0, 0, 0)
        return (status.st_mtime_ns, status.st_size, status.st_ino)


def _read(path: Path) -> list[_Entry]:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise UsageError(f"{path}: larger than {FILE_BYTES_MAX:,} bytes; one token a line is meant")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    entries: list[_Entry] = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        where = f"{path}, line {number}: "
        if len(words) != 3 or not words[2].startswith("sha256:"):
            raise UsageError(
                f"{where}expected NAME ROLE sha256:HASH, as `foresite web token NAME ROLE` prints it"
            )
        role, publishes_as = _checked(words[0], words[1], where)
        try:
            digest = bytes.fromhex(words[2].removeprefix("sha256:"))
        except ValueError:
            digest = b""
        if len(digest) != hashlib.sha256().digest_size:
            raise UsageError(f"{where}the hash is not 64 hexadecimal digits")
        entry = _Entry(words[0], role, publishes_as, digest)
        if any(other.name == entry.name and other.said != entry.said for other in entries):
            raise UsageError(f"{where}{words[0]} has two roles; one person has one")
        entries.append(entry)
    return entries


def _checked(name: str, role: str, where: str) -> tuple[Role, str]:
    """The role, and what a publisher is on Kafka."""
    if (
        not name
        or len(name) > NAME_MAX
        or not name.isprintable()
        or name.startswith("#")
        or len(name.split()) != 1
    ):
        raise UsageError(f"{where}{name!r} is no name: one word of at most {NAME_MAX} characters, as o.roy")
    for known in ROLES:
        if role == known:
            return known, ""
    prefix, _, last = role.rpartition(".")
    if last in PUBLISHERS and "." not in prefix:
        return PUBLISHER, role
    raise UsageError(f"{where}{role!r} is no role; there are {', '.join((*ROLES, *PUBLISHERS))}")
