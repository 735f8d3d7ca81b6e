"""Roles as child processes of one command: started, watched, and stopped whatever happens.

Law: no child outlives its parent. Each is asked (SIGTERM), then made (SIGKILL), together with what it started; on Linux
the kernel also ends it when the parent is killed with no chance to do so.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Final

from schemas import ForesiteError

STOP_TIMEOUT_S: Final = 10.0
"""From SIGTERM to SIGKILL. Too small: a role is killed in the middle of a commit; too large: a long wait at the end."""

WATCH_EVERY_S: Final = 0.2
LOG_TAIL_LINES: Final = 20

_PR_SET_PDEATHSIG: Final = 1


class RoleFailed(ForesiteError):
    """A role ended by itself; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class _Child:
    name: str
    process: subprocess.Popen[bytes]
    log: Path


class RoleProcesses:
    """The children of one command; use it in a `with`.

    Args:
        log_dir: each role's output goes to <role>.log in it.
        environment: of every role.

    Attributes:
        ended: set as soon as a role has ended without having been asked to.
    """

    def __init__(self, log_dir: Path, environment: Mapping[str, str]) -> None:
        self.ended = threading.Event()
        self._log_dir = log_dir
        self._environment = dict(environment)
        self._children: list[_Child] = []
        self._is_stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="role-watcher", daemon=True)

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        answers: bool = False,
    ) -> subprocess.Popen[bytes]:
        """Start a role; to be called from the main thread, which is the one that children are tied to.

        Args:
            name: of the role and its log.
            command: program and arguments.
            environment: of this role, over that of all.
            answers: whether it is talked to over standard input and output.
        """
        log = self._log_dir / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                env={**self._environment, **(environment or {})},
                stdin=subprocess.PIPE if answers else subprocess.DEVNULL,
                stdout=subprocess.PIPE if answers else output,
                stderr=output,
                start_new_session=True,  # Ctrl-C in the terminal is for us; we stop them in order
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - one call, no locks
            )
        self._children.append(_Child(name, process, log))
        return process

    def check(self) -> None:
        """Raise if a role has ended by itself.

        Raises:
            RoleFailed: with the end of its log.
        """
        for child in self._children:
            code = child.process.poll()
            if code is not None and not self._is_stopping.is_set():
                how = (
                    f"was ended by {signal.Signals(-code).name}"
                    if code < 0
                    else f"ended with exit code {code}"
                )
                raise RoleFailed(f"{child.name} {how}. The end of {child.log}:\n{_tail(child.log)}")

    def take_ended(self) -> list[str]:
        """Names of the roles that have ended by themselves; they are no longer watched and may be started again."""
        ended = [child for child in self._children if child.process.poll() is not None]
        self._children = [child for child in self._children if child not in ended]
        self.ended.clear()
        return [child.name for child in ended]

    def stop(self) -> None:
        """End all roles, the last one started first. Does nothing the second time."""
        self._is_stopping.set()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        children, self._children = self._children[::-1], []
        for child in children[:-1]:  # the first one is what the others need to stop in order
            _signal_group(child.process, signal.SIGTERM)
        for child in children:
            if child is children[-1]:
                _signal_group(child.process, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.1, deadline - time.monotonic()))
            _signal_group(child.process, signal.SIGKILL)  # also what it may have left behind in its group
            child.process.wait()
            for stream in (child.process.stdin, child.process.stdout):
                _close(stream)

    def __enter__(self) -> "RoleProcesses":
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        in_main_thread = threading.current_thread() is threading.main_thread()
        before = signal.signal(signal.SIGINT, signal.SIG_IGN) if in_main_thread else None
        try:
            self.stop()  # takes STOP_TIMEOUT_S at most, so an impatient second Ctrl-C may wait
        finally:
            if in_main_thread:
                signal.signal(signal.SIGINT, before)

    def _watch(self) -> None:
        while not self._is_stopping.wait(WATCH_EVERY_S):
            if any(child.process.poll() is not None for child in list(self._children)):
                self.ended.set()


def _die_with_parent() -> None:
    """Ask the kernel to end this child with its parent; runs between fork and exec."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # gone already; macOS says the latter of a zombie
        os.killpg(process.pid, number)  # it leads a group of its own


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        with suppress(BrokenPipeError):
            stream.close()


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(f"  {line}" for line in lines[-LOG_TAIL_LINES:]) or "  (nothing was logged)"
