"""What is installed is what is locked: by hash, as pyproject.toml asks for it; and known holes are asked for aloud."""

import json
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
RUNTIME, DEV = ROOT / "requirements.lock", ROOT / "requirements-dev.lock"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ONE_PACKAGE = "idna==3.4 --hash=sha256:90b77e79eaa3eba6de819a0c442c0b4ceefc341a7a2ab77d7562bf49f425c5c2\n"


def locked(path: Path) -> dict[str, tuple[str, int]]:
    """Package -> version, and how many hashes it has."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    found: dict[str, tuple[str, int]] = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            name, version = re.match(r"([\w.-]+)==([^\s;]+)", line).groups()  # type: ignore[union-attr]
            found[canonicalize_name(name)] = (version, line.count("--hash=sha256:"))
    return found


@pytest.mark.parametrize("path", [RUNTIME, DEV], ids=["runtime", "dev"])
def test_every_locked_package_has_hashes(path: Path) -> None:
    packages = locked(path)

    assert len(packages) > 30
    assert [] == [name for name, (_, hashes) in packages.items() if hashes == 0]


@pytest.mark.parametrize(
    ("path", "groups"), [(RUNTIME, ("build",)), (DEV, ("build", "dev"))], ids=["runtime", "dev"]
)
def test_the_locks_have_what_the_project_asks_for(path: Path, groups: tuple[str, ...]) -> None:
    packages = locked(path)
    asked = [
        *PROJECT["project"]["dependencies"],
        *(each for group in groups for each in PROJECT["dependency-groups"][group]),
    ]

    wrong = [
        text
        for text in asked
        for wanted in [Requirement(text)]
        if not wanted.specifier.contains(packages.get(canonicalize_name(wanted.name), ("0", 0))[0])
    ]

    assert [] == wrong


def test_both_locks_agree() -> None:
    runtime, dev = locked(RUNTIME), locked(DEV)

    assert {} == {name: found for name, found in runtime.items() if dev.get(name) != found}


# Known vulnerabilities: a service of the test's own, as the real one may be out of reach ----------------------------


@contextmanager
def vulnerability_service(answer: dict[str, object]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def audited(folder: Path, url: str) -> subprocess.CompletedProcess[str]:
    lock = folder / "some.lock"
    lock.write_text(ONE_PACKAGE, encoding="utf-8")
    return subprocess.run(
        [sys.executable, str(ROOT / "deploy" / "audit.py"), "--osv-url", url, str(lock)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_known_vulnerability_fails_and_is_named(tmp_path: Path) -> None:
    affected = {
        "package": {"ecosystem": "PyPI", "name": "idna"},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.7"}]}],
        "versions": ["3.4"],
    }
    known = {"id": "TEST-1", "summary": "quadratic", "affected": [affected]}

    with vulnerability_service({"vulns": [known]}) as url:
        done = audited(tmp_path, url)

    assert (1, True) == (done.returncode, "idna 3.4: TEST-1, fixed in 3.7" in done.stdout), done


def test_nothing_known_is_said_with_the_number_asked(tmp_path: Path) -> None:
    with vulnerability_service({}) as url:
        done = audited(tmp_path, url)

    assert (0, "some.lock: nothing is known against its 1 packages\n") == (done.returncode, done.stdout), done


def test_a_service_that_is_away_is_no_pass(tmp_path: Path) -> None:
    done = audited(tmp_path, "http://127.0.0.1:9/")

    assert (3, True) == (done.returncode, done.stdout.startswith("NOT AUDITED  some.lock")), done


def test_ci_audits_and_does_not_take_silence_for_a_pass() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")

    assert "deploy/audit.py" in ci
    assert "NOT AUDITED" in ci
