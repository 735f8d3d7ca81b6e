"""The page's files: vendored code is what was published, all of it is served from a wheel, and the first load is small."""

import gzip
import hashlib
import json
import re
import tomllib
from pathlib import Path

import pytest

from schemas import CardKind, CardState
from streams.web.page import MEDIA_TYPES, PAGES, STATIC, StaticFiles
from tests.web_plant import web_plant
from twin.cards.card_life import CARD_MOVES

ROOT = Path(__file__).parents[2]
FILES = ROOT / "streams" / "web" / "static"
VENDORED = [FILES / "vendor", ROOT / "tests" / "browser" / "vendor"]
SHIPPED = {"MIT", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "0BSD"}
FIRST_LOAD_BYTES_MAX = 45_000


def modules_of(path: str) -> set[str]:
    """A module and all that it imports at once; what a page imports when it is first shown is not among them."""
    found: set[str] = set()
    waiting = [path]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        text = (FILES / name).read_text(encoding="utf-8")
        imported = re.findall(r"""\bfrom\s*["'](\.[^"']+)["']""", text)
        waiting += [
            str((FILES / name).parent.joinpath(each).resolve().relative_to(FILES)) for each in imported
        ]
    return found


@pytest.mark.parametrize("folder", VENDORED, ids=["shipped", "development"])
def test_vendored_files_are_as_published_but_for_what_is_said(folder: Path) -> None:
    rows = json.loads((folder / "vendor.json").read_text(encoding="utf-8"))

    for row in rows:
        body = (folder / row["file"]).read_bytes()
        assert row["sha256"] == hashlib.sha256(body).hexdigest(), row["file"]
        for before, after in row["replaced"].items():
            body = body.replace(after.encode(), before.encode())
        assert row["path_sha256"] == hashlib.sha256(body).hexdigest(), row["file"]
        assert 200 < len((folder / row["license_file"]).read_text(encoding="utf-8"))
    assert {path.name for path in folder.glob("*.js")} == {row["file"] for row in rows}
    if folder == VENDORED[0]:
        assert {row["license"] for row in rows} <= SHIPPED


def test_the_first_load_is_small() -> None:
    first = modules_of("app.js") | modules_of("pages/now.js")

    sizes = {name: len(gzip.compress((FILES / name).read_bytes(), 9)) for name in sorted(first)}

    assert len(sizes) > 20
    assert sum(sizes.values()) < FIRST_LOAD_BYTES_MAX, sizes


def test_every_import_is_relative_and_leads_to_a_file() -> None:
    for path in FILES.rglob("*.js"):
        if "vendor" in path.parts:
            continue
        for name in re.findall(r"""(?:from|import\()\s*["']([^"']+)["']""", path.read_text(encoding="utf-8")):
            assert name.startswith("."), (path, name)
            assert (path.parent / name).is_file(), (path, name)


def test_a_wheel_holds_every_file() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["*"]
    packed = {path for pattern in patterns for path in (ROOT / "streams" / "web").glob(pattern)}

    assert set() == {path for path in FILES.rglob("*") if path.is_file()} - packed
    assert {path.suffix for path in FILES.rglob("*") if path.is_file()} <= set(MEDIA_TYPES)


def test_pages_and_files_are_served_with_their_policy_and_for_as_long_as_they_hold() -> None:
    version = StaticFiles().version
    with web_plant() as plant, plant.client() as client:
        shells = {client.get(path.replace("{rest:path}", "a%2Fb")).text for path in PAGES}
        shell = client.get("/")
        script = client.get(f"{STATIC}/{version}/app.js", headers={"Accept-Encoding": "gzip"})
        plain = client.get(f"{STATIC}/{version}/app.js", headers={"Accept-Encoding": "identity"})
        missing = [
            client.get(f"{STATIC}/{version}/{name}") for name in ("../page.py", "index.html", "x.js", "")
        ]
        old = client.get(f"{STATIC}/0123456789abcdef/app.js")
        unknown = client.get("/no-such-page")

    assert 1 == len(shells)
    assert f'src="{STATIC}/{version}/app.js"' in shell.text
    assert "no-store" == shell.headers["cache-control"]
    policy = shell.headers["content-security-policy"]
    assert "require-trusted-types-for 'script'" in policy
    assert "unsafe" not in policy
    assert 1 == len(shell.headers.get_list("content-security-policy"))
    assert "text/javascript; charset=utf-8" == script.headers["content-type"]
    assert "public, max-age=31536000, immutable" == script.headers["cache-control"]
    assert "gzip" == script.headers["content-encoding"]
    assert "content-encoding" not in plain.headers
    assert plain.content == script.content == (FILES / "app.js").read_bytes()
    assert {404} == {each.status_code for each in (*missing, old, unknown)}


def test_the_page_knows_the_moves_and_kinds_of_cards() -> None:
    actions = (FILES / "cards" / "actions.js").read_text(encoding="utf-8")
    table = actions[
        actions.index("export const MOVES") : actions.index("};", actions.index("export const MOVES"))
    ]
    moves = {
        state: set(re.findall(r'"(\w+)"', names))
        for state, names in re.findall(r"(\w+): \[([^\]]*)\]", table)
    }
    kinds = re.findall(r'kind: "(\w+)"', (FILES / "cards" / "kinds.js").read_text(encoding="utf-8"))

    assert {state.value: set(CARD_MOVES[state]) for state in CardState} == moves
    assert [kind.value for kind in CardKind] == kinds
