"""The kills, one after the other within a lane, and how long until each role has committed again.

Of the roles of a lane one dies at a time. Lanes run side by side, so whatever a role waits for may be down too.
"""

import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from tests.chaos.commits import Commits, Offsets
from tests.chaos.installation import Crew
from tests.chaos.schedule import ANYWHERE, AT_START, Kill

REACH_TIMEOUT_S: Final = 300.0
"""From when a role is armed to its death. Beyond: it does not pass the point, and the case proves nothing."""

RECOVERY_TIMEOUT_S: Final = 300.0
"""From a death to the next commit. Generous: times are printed, and only a role that does not come back fails."""

RESTARTS_MAX: Final = 5
"""Of one role by itself, in a whole run; a broker that a busy machine makes wait may end notify, say."""

QUIET_S: Final = 0.5
"""From a death to the look at what it left committed; no new process is up so soon, and what the dead one had sent has
arrived by then."""


@dataclass(frozen=True, slots=True)
class Death:
    """One kill, and what came of it.

    Attributes:
        recovered_s: from the death to the next commit of the role; None where it failed.
        failure: why it is no pass, or "".
    """

    kill: Kill
    recovered_s: float | None
    failure: str = ""


class Lane:
    """Roles of which one dies at a time.

    Attributes:
        deaths: so far; restarts: of roles that ended by themselves with a reason.

    Args:
        crew: their processes, running.
        commits: where their commits are seen.
        kills: in order; first_of says which of them a role was started with.
    """

    def __init__(self, crew: Crew, commits: Commits, kills: Sequence[Kill]) -> None:
        self.deaths: list[Death] = []
        self.restarts: Counter[str] = Counter()
        self._crew, self._commits = crew, commits
        self._kills = list(kills)
        self._roles = list(dict.fromkeys(kill.role for kill in kills))
        self._state: Literal["pausing", "armed", "recovering"] = "pausing"
        self._since = time.monotonic()
        self._baseline: Offsets | None = None
        for role in self._roles:
            crew.start(role, self._next_of(role))

    @property
    def is_done(self) -> bool:
        """All kills are behind us, and the last role has recovered."""
        return not self._kills

    @property
    def is_longer(self) -> bool:
        """Whether there are kills behind the one that is under way."""
        return len(self._kills) > 1

    def cut_short(self) -> None:
        """No more kills than the one that is under way."""
        del self._kills[1:]

    @property
    def round_number(self) -> int | None:
        """Of the kill that is under way."""
        return self._kills[0].round_number if self._kills else None

    def step(self) -> None:
        """Look, and do what is next. Never waits."""
        self._raise_the_fallen()
        if self.is_done:
            return
        kill = self._kills[0]
        gone_s = time.monotonic() - self._since
        if self._state == "pausing" and gone_s >= kill.pause_s:
            self._strike(kill)
        elif self._state == "armed":
            code = self._crew.exit_code(kill.role)
            if code is not None:
                self._dead(kill, "" if code == -signal.SIGKILL else f"ended with {code} instead of dying")
            elif gone_s > REACH_TIMEOUT_S:
                self._crew.kill(kill.role)
                self._dead(kill, f"did not pass {kill.point} within {REACH_TIMEOUT_S:.0f} s")
        elif self._state == "recovering":
            self._look_for_recovery(kill, gone_s)

    def _strike(self, kill: Kill) -> None:
        if kill.point == ANYWHERE:
            self._crew.kill(kill.role)
            self._dead(kill, "")
        elif kill.point in AT_START:
            self._crew.kill(kill.role)
            self._crew.start(kill.role, kill)
            self._move_to("armed")
        else:
            self._crew.arm(kill.role)
            self._move_to("armed")

    def _dead(self, kill: Kill, failure: str) -> None:
        if failure:
            self.deaths.append(Death(kill, None, failure))
        self._baseline = None
        self._crew.start(kill.role, self._next_of(kill.role, behind=kill))
        self._move_to("recovering")

    def _look_for_recovery(self, kill: Kill, gone_s: float) -> None:
        if gone_s < QUIET_S:
            return
        if self._baseline is None:
            self._baseline = self._commits.of(kill.role)
            return
        now = self._commits.of(kill.role)
        if any(offset > self._baseline.get(place, -1) for place, offset in now.items()):
            self._ends(kill, Death(kill, time.monotonic() - self._since))
        elif gone_s > RECOVERY_TIMEOUT_S:
            self._ends(kill, Death(kill, None, f"no commit within {RECOVERY_TIMEOUT_S:.0f} s of its death"))

    def _ends(self, kill: Kill, death: Death) -> None:
        if not any(known.kill is kill for known in self.deaths):
            self.deaths.append(death)
        self._kills.pop(0)
        self._move_to("pausing")

    def _raise_the_fallen(self) -> None:
        """A role that ends by itself with a reason (code 1) is started again, as whatever keeps roles up would; so often
        that its work suffers, or in any other way, is a failure."""
        for role in self._roles:
            code = self._crew.exit_code(role)
            if code is None or (self._state == "armed" and self._kills and self._kills[0].role == role):
                continue
            self.restarts[role] += 1
            if code != 1 or self.restarts[role] > RESTARTS_MAX:
                blamed = self._kills[0] if self._kills else Kill(0, role, "the end", 0, 0.0)
                self.deaths.append(Death(blamed, None, f"{role} ended by itself with exit code {code}"))
            self._crew.start(role, self._next_of(role))

    def _next_of(self, role: str, behind: Kill | None = None) -> Kill | None:
        """The kill that a role is to be started with; none where its next one needs another start."""
        following = (kill for kill in self._kills if kill.role == role and kill is not behind)
        kill = next(following, None)
        return None if kill is None or kill.point in AT_START else kill

    def _move_to(self, state: Literal["pausing", "armed", "recovering"]) -> None:
        self._state, self._since = state, time.monotonic()
