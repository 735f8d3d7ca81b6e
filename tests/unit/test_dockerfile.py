"""The image runs as nobody in particular, can install nothing, and is made of what is locked."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"


def instructions(text: str) -> list[tuple[str, str]]:
    """Instructions and their arguments; continued lines joined, comments left out."""
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#")).replace("\\\n", " ")
    return [(line.partition(" ")[0], line.partition(" ")[2].strip()) for line in lines.splitlines() if line]


def stages(text: str) -> dict[str, list[tuple[str, str]]]:
    """The instructions of each stage."""
    found: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for word, rest in instructions(text):
        if word == "FROM":
            name = rest.rpartition(" AS ")[2]
        found.setdefault(name, []).append((word, rest))
    return found


TEXT = DOCKERFILE.read_text(encoding="utf-8")
STAGES = stages(TEXT)
FINAL = STAGES["run"]


def runs(stage: str) -> str:
    return " && ".join(rest for word, rest in STAGES[stage] if word == "RUN")


def test_the_last_stage_is_the_one_that_runs() -> None:
    assert ["", "build", "run"] == list(STAGES)


def test_it_runs_as_a_user_without_rights() -> None:
    users = [rest for word, rest in FINAL if word == "USER"]
    after_user = [word for word, _ in FINAL[[word for word, _ in FINAL].index("USER") :]]

    assert ["10001:10001"] == users
    assert {"USER", "VOLUME", "HEALTHCHECK", "ENTRYPOINT", "CMD"} == set(after_user)
    assert "nologin" in runs("run")


def test_every_base_is_pinned_by_a_digest_or_the_build_stops() -> None:
    bases = [rest for word, rest in instructions(TEXT) if word == "FROM"]
    declared = [rest for word, rest in STAGES[""] if word == "ARG"]

    assert ["${BASE} AS build", "${BASE} AS run"] == bases
    assert ["BASE"] == declared  # no default: a tag alone may be another image tomorrow
    check = next(rest for word, rest in STAGES["build"] if word == "RUN")
    for base, code in (("python:3.11-slim", 1), ("python@sha256:" + 64 * "0", 0)):
        assert (
            code
            == subprocess.run(
                ["sh", "-c", check], env={"BASE": base}, capture_output=True, check=False
            ).returncode
        )


def test_only_what_is_locked_and_hashed_is_installed() -> None:
    installs = [part for part in runs("build").split("&&") if "pip install" in part]

    assert ["--require-hashes -r requirements.lock", "--no-build-isolation --no-deps ."] == [
        " ".join(part.partition("--disable-pip-version-check ")[2].split()) for part in installs
    ]


def test_nothing_in_the_image_can_install_anything() -> None:
    assert "pip uninstall --yes setuptools wheel pip" in runs("build")
    assert "setuptools wheel pip" in runs("run")
    assert "pip install" not in runs("run")
    assert "apt-get" not in TEXT
    assert [("COPY", "--from=build /opt/foresite /opt/foresite")] == [
        each for each in FINAL if each[0] in ("COPY", "ADD")
    ]


def test_it_needs_no_writable_root() -> None:
    environment = " ".join(rest for word, rest in FINAL if word == "ENV")

    assert "PYTHONDONTWRITEBYTECODE=1" in environment
    assert 'VOLUME ["/var/cache/foresite"]' in TEXT
    assert "FORESITE_SOLVER_CACHE_DIR=/var/cache/foresite" in environment


def test_its_health_is_its_readiness() -> None:
    (health,) = [rest for word, rest in FINAL if word == "HEALTHCHECK"]

    assert "/readyz" in health


def test_no_secret_is_built_in() -> None:
    assert [] == re.findall(r"(?i)(?:ARG|ENV)[^\n]*(?:password|secret|token)", TEXT)


def test_it_is_given_only_what_it_copies() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = {each for word, rest in STAGES["build"] if word == "COPY" for each in rest.split()[:-1]}

    assert "*" in ignored
    assert copied == {line[1:] for line in ignored if line.startswith("!")}


def test_hadolint_finds_nothing() -> None:
    found = subprocess.run(
        [
            str(Path(sys.executable).parent / "hadolint"),
            "--no-fail",
            "--failure-threshold",
            "style",
            str(DOCKERFILE),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert "" == found
