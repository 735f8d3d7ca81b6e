"""`make audit`: asks OSV whether what the lock files name has known vulnerabilities, and says so when it cannot ask.

    python deploy/audit.py [--osv-url URL] [LOCK...]

Exit codes: 0 nothing is known against what is locked, 1 something is, 3 nobody could be asked: then nothing is known
at all, and a green build proves nothing about it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = (ROOT / "requirements.lock", ROOT / "requirements-dev.lock")

SOUND, VULNERABLE, UNKNOWN = 0, 1, 3

TIMEOUT_S = 600.0
"""For one lock. Too small: a slow service looks dead; too large: a hanging one holds up a build."""


def main() -> int:
    """Audit the locks; gives the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("locks", nargs="*", type=Path, default=list(LOCKS), metavar="LOCK")
    parser.add_argument("--osv-url", help="another vulnerability service that speaks OSV's API")
    given = parser.parse_args()
    outcomes = [audit(lock, given.osv_url) for lock in given.locks]
    if VULNERABLE in outcomes:
        return VULNERABLE
    return UNKNOWN if UNKNOWN in outcomes else SOUND


def audit(lock: Path, osv_url: str | None) -> int:
    """Audit one lock and print what was found."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--require-hashes"]
        command += ["--disable-pip", "--vulnerability-service", "osv", "--progress-spinner", "off"]
        command += ["--format", "json", "--output", str(report)]
        command += [] if osv_url is None else ["--osv-url", osv_url]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            return _unknown(lock, f"no answer within {TIMEOUT_S:.0f} s")
        if (
            not report.exists()
        ):  # pip-audit ends with 1 for a vulnerability and for a service that is not there alike
            return _unknown(lock, (done.stderr.strip() or "pip-audit said nothing").splitlines()[-1])
        dependencies = json.loads(report.read_text(encoding="utf-8"))["dependencies"]
    skipped = [f"{each['name']}: {each['skip_reason']}" for each in dependencies if "skip_reason" in each]
    if skipped or not dependencies:
        return _unknown(lock, "; ".join(skipped) or "the lock names nothing")
    found = [
        f"{each['name']} {each['version']}: {vulnerability['id']}, fixed in "
        f"{', '.join(vulnerability['fix_versions']) or 'no version yet'}"
        for each in dependencies
        for vulnerability in each["vulns"]
    ]
    for line in found:
        sys.stdout.write(f"VULNERABLE  {lock.name}: {line}\n")
    if found:
        sys.stdout.write("next: make lock UPGRADE=--upgrade, or see whether we use what is vulnerable\n")
        return VULNERABLE
    sys.stdout.write(f"{lock.name}: nothing is known against its {len(dependencies)} packages\n")
    return SOUND


def _unknown(lock: Path, why: str) -> int:
    sys.stdout.write(
        f"NOT AUDITED  {lock.name}: the vulnerability service could not be asked ({why[:300]})\n"
    )
    return UNKNOWN


if __name__ == "__main__":
    sys.exit(main())
