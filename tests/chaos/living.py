"""An installation that lives: its load, its roles as processes, and what must hold when it has come to rest."""

import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol

from streams.role_processes import RoleProcesses
from streams.settings import Settings
from tests.chaos.account import Account, account_for
from tests.chaos.commits import Commits, Offsets
from tests.chaos.installation import Crew
from tests.chaos.nursery import Nursery

START_TIMEOUT_S: Final = 300.0
"""The solver may have to compile its code first."""

DRAIN_TIMEOUT_S: Final = 300.0

STOP_TIMEOUT_S: Final = 30.0
"""What a container is given."""

AT_WORK: Final = '"event": "admin_listening"'
"""What a role logs when it listens to signals."""

STILL_S: Final = 3.0
"""At rest is: every role has committed the end of its input, and so it stays for this long; answers become facts, and
facts may ask again."""


class Source(Protocol):
    """Whatever publishes to the inputs.

    Attributes:
        failure: what it died of, in words, or "".
    """

    failure: str

    def start(self) -> None:
        """Begin."""

    def end(self) -> None:
        """Stop, and wait until the broker has all."""


class Living:
    """One installation with its load; in a `with`, it ends whatever happens.

    Args:
        settings: of it; its topics are there.
        load: publishes while it lives.
        environment: more of it, for all roles.
        processes: that keeps the roles; by default its own.
        nursery: forks them; None: each is an interpreter of its own.
    """

    def __init__(
        self,
        settings: Settings,
        load: Source,
        environment: Mapping[str, str] | None = None,
        processes: RoleProcesses | None = None,
        nursery: Nursery | None = None,
    ) -> None:
        self.settings = settings
        self.load = load
        self._stack = ExitStack()
        self.log_dir = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="foresite-living-")))
        if processes is None:
            processes = self._stack.enter_context(RoleProcesses(self.log_dir, bare_environment()))
        self.crew = Crew(processes, settings, environment, nursery)
        self.commits = Commits(settings)
        self._stack.callback(self.commits.close)
        self._stack.callback(load.end)

    def __enter__(self) -> "Living":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def begin(self, *roles: str) -> None:
        """Start the load and these roles, and wait until each has committed something.

        Raises:
            TimeoutError: one has not.
        """
        self.load.start()
        for role in roles:
            self.crew.start(role)
        self.wait_until_at_work()

    def start(self, role: str) -> None:
        """Start one more, and return when it is so far that it can be asked to stop.

        Raises:
            TimeoutError: it is not.
        """
        log = self.log_dir / f"{role}.log"
        times = self.logged(role).count(AT_WORK) if log.exists() else 0
        self.crew.start(role)
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.logged(role).count(AT_WORK) == times:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{role} did not start within {START_TIMEOUT_S:.0f} s")
            time.sleep(0.1)

    def wait_until_at_work(self, before: Mapping[str, Offsets] | None = None) -> None:
        """Until every role has committed something, beyond what it had committed before if that is given.

        Raises:
            TimeoutError: one has not.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        while idle := [role for role in self.crew.roles if not self._is_beyond(role, before)]:
            for role in idle:
                if self.crew.exit_code(role) is not None:
                    self.crew.start(
                        role
                    )  # as whatever keeps roles up would: topics are still on their way, as one reason
            if self.load.failure or time.monotonic() > deadline:
                why = self.load.failure or f"not within {START_TIMEOUT_S:.0f} s"
                raise TimeoutError(f"{', '.join(idle)} did not work: {why}")
            time.sleep(0.2)

    def progress(self) -> dict[str, Offsets]:
        """What each role has committed by now."""
        return {role: self.commits.of(role) for role in self.crew.roles}

    def _is_beyond(self, role: str, before: Mapping[str, Offsets] | None) -> bool:
        known = {} if before is None else before.get(role, {})
        return any(offset > known.get(place, -1) for place, offset in self.commits.of(role).items())

    def come_to_rest(self) -> list[str]:
        """No more load; everything that was sent is committed; then the roles end as an operator ends them.

        Returns:
            What went otherwise, in words.
        """
        self.load.end()
        failures = [self.load.failure] if self.load.failure else []
        failures += self._behind()
        for role in self.crew.roles:
            code = self.crew.stop(role, STOP_TIMEOUT_S)
            if code != 0:
                failures.append(f"{role} ended with {code} after SIGTERM (None: not within 30 s)")
        return failures

    def account(self) -> Account:
        """Read everything once more, at rest."""
        return account_for(self.settings)

    def logged(self, role: str) -> str:
        """What a role has logged so far, over all its starts."""
        return (self.log_dir / f"{role}.log").read_text(encoding="utf-8", errors="replace")

    def _behind(self) -> list[str]:
        """Wait until every role has committed the end of its input and nothing moves any more; else what is behind."""
        deadline, still_since = time.monotonic() + DRAIN_TIMEOUT_S, time.monotonic()
        before: object = None
        while time.monotonic() - still_since < STILL_S:
            ends = {role: self.commits.ends(role) for role in self.crew.roles}
            behind = [line for role in self.crew.roles for line in self.commits.unread(role)]
            if behind or ends != before:
                before, still_since = ends, time.monotonic()
            if time.monotonic() > deadline:
                return behind or ["the installation did not come to rest"]
            time.sleep(0.2)
        return []


def bare_environment() -> dict[str, str]:
    """Ours, less what would configure Foresite."""
    return {name: value for name, value in os.environ.items() if not name.startswith("FORESITE_")}
