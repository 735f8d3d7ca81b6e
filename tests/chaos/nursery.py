"""Processes of roles that are quick to start: forked from one that has imported everything.

Hundreds of deaths on a busy machine would be spent on importing Python modules. A child is a role's whole process in all
else: its own id, session, Kafka clients, logs and end. Times of recovery leave out the imports, about two seconds of
processor time for the twin and four for the solver; `make chaos COLD=1` starts interpreters instead.

Spoken with over standard input and output, a line of JSON each: {"command", "environment", "log", "niceness"} to it,
{"pid"} back at once, and {"ended", "code"} when a child has ended.
"""

import ctypes
import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from streams.cli import main as run_command
from streams.faults import plan_fault
from streams.role_processes import RoleProcesses
from streams.settings import Settings
from streams.solver_warm_up import load_engine, run_through, usable_folder

IMPORTED: Final = (
    "streams.ingest",
    "streams.twin_role",
    "streams.notify.role",
    "streams.solver_role",
    "streams.logs",
)
THREADS_END_S: Final = 30.0
LOOK_EVERY_S: Final = 0.02
BEGIN_TIMEOUT_S: Final = 300.0
"""The engine may have to be compiled first."""

_PR_SET_PDEATHSIG: Final = 1


class Child:
    """A role's process, as subprocess.Popen has it, as far as it is needed here."""

    def __init__(self, pid: int, ends: dict[int, int], changed: threading.Condition) -> None:
        self.pid = pid
        self._ends, self._changed = ends, changed

    def poll(self) -> int | None:
        """Its exit code, below zero for a signal; None while it runs."""
        with self._changed:
            return self._ends.get(self.pid)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it goes on.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self.pid in self._ends, timeout):
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
            return self._ends[self.pid]

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


class Nursery:
    """Starts roles by forking.

    Args:
        processes: that ends the nursery, and with it its children.
        log_dir: each role's output goes to <role>.log in it.
    """

    def __init__(self, processes: RoleProcesses, log_dir: Path) -> None:
        self._log_dir = log_dir
        self._process = processes.start(
            "nursery",
            [sys.executable, "-m", "tests.chaos.nursery"],
            environment={"OPENBLAS_NUM_THREADS": "1"},  # it starts its threads when it is imported
            answers=True,
        )
        self._ends: dict[int, int] = {}
        self._born: list[int] = []
        self._has_ended = False
        self._changed = threading.Condition()
        threading.Thread(target=self._listen, name="nursery", daemon=True).start()

    def start(self, role: str, command: str, environment: Mapping[str, str], niceness: int) -> Child:
        """Start a role and return at once.

        Raises:
            TimeoutError: the nursery does not answer.
        """
        log = str(self._log_dir / f"{role}.log")
        said = {"command": command, "environment": dict(environment), "log": log, "niceness": niceness}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(said).encode() + b"\n")
        self._process.stdin.flush()
        with self._changed:
            self._changed.wait_for(lambda: bool(self._born) or self._has_ended, BEGIN_TIMEOUT_S)
            if not self._born:
                raise TimeoutError(f"no process was forked: see {self._log_dir / 'nursery.log'}")
            return Child(self._born.pop(), self._ends, self._changed)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            with self._changed:
                if "pid" in said:
                    self._ends.pop(said["pid"], None)  # of a process that had this number before
                    self._born.append(said["pid"])
                else:
                    self._ends[said["ended"]] = said["code"]
                self._changed.notify_all()
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()


def main() -> None:
    """Import everything, then fork on demand until standard input ends."""
    for name in IMPORTED:
        importlib.import_module(name)
    _warm_up()
    gc.collect()
    gc.freeze()
    while True:
        readable, _, _ = select.select([sys.stdin], [], [], LOOK_EVERY_S)
        _report_ends()
        if readable:
            line = sys.stdin.readline()
            if not line:
                return
            _say({"pid": _fork(json.loads(line))})


def _warm_up() -> None:
    """Import the engine, get its compiled kernels into memory, and wait for the threads that it solved with."""
    run_through(load_engine(usable_folder(Settings().solver_cache_dir)))
    deadline = time.monotonic() + THREADS_END_S
    while len(list(Path("/proc/self/task").iterdir())) > 1:
        assert time.monotonic() < deadline, "threads do not live on in a fork"
        time.sleep(0.05)


def _fork(said: dict[str, Any]) -> int:
    sys.stdout.flush()
    parent = os.getpid()
    # Whoever arms the fault may be faster than a child on a busy machine: the signal waits for its handler.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    pid = os.fork()
    if not pid:
        _live(said, parent)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
    return pid


def _live(said: dict[str, Any], parent: int) -> NoReturn:
    code = 1
    try:
        os.setsid()
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)
        log = os.open(said["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.nice(said["niceness"])
        os.environ.update(said["environment"])
        plan_fault(said["environment"].get("FORESITE_FAULT"))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
        sys.argv = ["foresite", said["command"]]
        run_command()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _report_ends() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        _say({"ended": pid, "code": os.waitstatus_to_exitcode(status)})


def _say(said: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
