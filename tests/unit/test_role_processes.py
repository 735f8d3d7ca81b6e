"""Children of a command: watched, and gone with it whatever happens."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.role_processes import RoleFailed, RoleProcesses

SLEEPS = (sys.executable, "-c", "import time; time.sleep(60)")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(is_so: Callable[[], bool], timeout_s: float = 20.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.02)
    return is_so()


def test_children_are_gone_when_the_block_ends(tmp_path: Path) -> None:
    with RoleProcesses(tmp_path, os.environ) as roles:
        started = [roles.start(name, SLEEPS) for name in ("one", "two")]
        roles.check()

    assert [-signal.SIGTERM, -signal.SIGTERM] == [process.returncode for process in started]
    assert not roles.ended.is_set()


def test_children_are_gone_when_the_block_fails(tmp_path: Path) -> None:
    def begin_and_fail(roles: RoleProcesses) -> None:
        with roles:
            started.append(roles.start("one", SLEEPS))
            raise KeyboardInterrupt

    started: list[subprocess.Popen[bytes]] = []
    with pytest.raises(KeyboardInterrupt):
        begin_and_fail(RoleProcesses(tmp_path, os.environ))

    assert -signal.SIGTERM == started[0].returncode


def test_who_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.role_processes.STOP_TIMEOUT_S", 0.3)
    with RoleProcesses(tmp_path, os.environ) as roles:
        stubborn = roles.start("stubborn", STUBBORN, answers=True)
        assert stubborn.stdout is not None
        assert b"up\n" == stubborn.stdout.readline()

    assert -signal.SIGKILL == stubborn.returncode


def test_a_role_that_ends_by_itself_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    with RoleProcesses(tmp_path, os.environ) as roles:
        roles.start("sound", SLEEPS)
        roles.start("broken", (sys.executable, "-c", "import sys; sys.exit('the broker is on fire')"))
        assert roles.ended.wait(20.0)

        with pytest.raises(RoleFailed, match=r"broken ended with exit code 1(.|\n)*the broker is on fire"):
            roles.check()


def test_a_role_that_was_killed_is_told_by_its_signal(tmp_path: Path) -> None:
    with RoleProcesses(tmp_path, os.environ) as roles:
        process = roles.start("victim", SLEEPS)
        process.kill()
        assert roles.ended.wait(20.0)

        with pytest.raises(RoleFailed, match="victim was ended by SIGKILL"):
            roles.check()


def test_a_role_that_ended_can_be_started_again(tmp_path: Path) -> None:
    with RoleProcesses(tmp_path, os.environ) as roles:
        roles.start("short", (sys.executable, "-c", "pass"))
        assert roles.ended.wait(20.0)

        assert ["short"] == roles.take_ended()
        roles.start("short", SLEEPS)
        roles.check()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a parent that is killed leaves its children")
def test_children_do_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import os, sys, time; from pathlib import Path; from streams.role_processes import RoleProcesses\n"
        "with RoleProcesses(Path(sys.argv[1]), os.environ) as roles:\n"
        "    child = roles.start('one', [sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "    print(child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child_pid = int(parent.stdout.readline())
    assert is_alive(child_pid)

    parent.kill()
    parent.wait()
    parent.stdout.close()

    assert wait_until(lambda: not is_alive(child_pid))
