"""State and facts that a version has written are read by this one, or refused with the way to migrate.

`tests/golden/versions/schema-<n>` holds what a version of that schema wrote: a log of facts, and state, manifest as of
record CUT of it. These never change once they are there. What this code makes of the rest of the log may change with
its judgement; write that anew with FORESITE_UPDATE_GOLDEN=1, and read the difference. A new schema version needs a
folder of its own, which the same variable makes.
"""

import json
import os
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

from schemas import SCHEMA_VERSION, Facts, Output, decode_facts
from schemas.errors import StateCorrupt
from streams.state_topic import Manifest, sealed, unsealed
from streams.twin_fold import TWIN
from tests.folding import Folded, absorb, at, count, event, wire
from tests.living_plant import begun
from twin import Twin

VERSIONS = Path(__file__).parent.parent / "golden" / "versions"
FOLDERS = sorted(VERSIONS.glob("schema-*"))
CUT = 20
CURRENT = VERSIONS / f"schema-{SCHEMA_VERSION}"
IS_UPDATING = bool(os.environ.get("FORESITE_UPDATE_GOLDEN"))


def story() -> list[Facts]:
    """A day of the small plant: counts with scrap, a stop, a late correction, commands, a shortage, an order more."""
    folded: Folded = begun()
    folded.tell(event("run_started", at(0, "06:00"), line_id="L1", run_id="R1"))
    for number in range(1, 11):
        minute = f"{6 + number // 2:02}:{30 * (number % 2):02}"
        folded.tell(count("L1", "R1", at(0, minute), 48.0 - number, scrap_count=float(number % 3)))
        folded.tick(at(0, minute))
        if number == 4:
            folded.tell(
                event("state_changed", at(0, minute), line_id="L2", state="HELD", expected_duration_min=90.0)
            )
        if number == 6:
            folded.tell(event("state_changed", at(0, minute), line_id="L2", state="EXECUTE"))
            folded.tell(
                event("stock_reported", at(0, minute), item_id="bolt", location_id="A", quantity=100.0)
            )
    for card_id in sorted(folded.cards)[:2]:
        said: dict[str, Any] = {
            "command_id": f"ack-{card_id}",
            "actor": "sue",
            "expected_revision": folded.cards[card_id].revision,
        }
        folded.tell(event("card_acknowledge", at(0, "11:05"), card_id=card_id, **said))
    deltas: dict[str, Any] = {"good_delta": -12.0, "scrap_delta": 12.0}
    folded.tell(event("count_corrected", at(0, "08:10"), line_id="L1", run_id="R1", **deltas))
    folded.tick(at(0, "12:00"))
    return folded.records


def digest_of(outputs: list[Output]) -> str:
    return blake2b(repr(wire(outputs)).encode(), digest_size=16).hexdigest()


def write_anew() -> None:
    """The folder of the current schema; facts and state only where there are none yet."""
    CURRENT.mkdir(parents=True, exist_ok=True)
    if not (CURRENT / "manifest.json").exists():
        records = story()
        (CURRENT / "facts.ndjson").write_bytes(b"".join(facts.encode() + b"\n" for facts in records))
        twin, documents = Twin(), dict[str, bytes]()
        for facts in facts_of(CURRENT)[:CUT]:  # as read, for that is what a twin folds
            twin.apply(facts)
        absorb(documents, twin)
        manifest = Manifest(
            facts_offset=CUT,
            facts_mark="",
            facts_partitions=1,
            header=twin.header().decode(),
            schema_version=TWIN.schema_version,
            code_version=TWIN.code_version,
            document_count=twin.document_count,
            digest=twin.digest,
        )
        kept = {name: document.decode() for name, document in sorted(documents.items())}
        (CURRENT / "documents.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        (CURRENT / "manifest.json").write_bytes(manifest.encode() + b"\n")
    _, continued = read_on(CURRENT)
    (CURRENT / "continued.json").write_text(json.dumps(continued, indent=1) + "\n", encoding="utf-8")


def manifest_of(folder: Path) -> Manifest:
    return Manifest.decode((folder / "manifest.json").read_bytes().strip())


def facts_of(folder: Path) -> list[Facts]:
    return [decode_facts(line) for line in (folder / "facts.ndjson").read_bytes().splitlines()]


def read_on(folder: Path) -> tuple[Twin, dict[str, object]]:
    """Restore what the version wrote, vouch for it, and fold the rest of its facts."""
    manifest = manifest_of(folder)
    manifest.refuse_other_version(TWIN.schema_version, folder.name)
    kept = json.loads((folder / "documents.json").read_text(encoding="utf-8"))
    documents = {name: document.encode() for name, document in kept.items()}
    twin = Twin.restore(manifest.header.encode(), documents)
    manifest.vouch_for(twin.document_count, twin.digest, folder.name)
    outputs = [output for facts in facts_of(folder)[manifest.facts_offset :] for output in twin.apply(facts)]
    twin.take_changes()  # which brings count and digest up to date
    continued: dict[str, object] = {
        "documents": twin.document_count,
        "state_digest": twin.digest,
        "outputs": len(outputs),
        "outputs_digest": digest_of(outputs),
    }
    return twin, continued


@pytest.fixture(scope="module", autouse=True)
def _golden_files() -> None:
    if IS_UPDATING:
        write_anew()


def test_the_current_schema_has_its_golden_files() -> None:
    assert CURRENT.is_dir(), (
        "a new schema version: FORESITE_UPDATE_GOLDEN=1 writes its files, docs/development.md says more"
    )
    assert SCHEMA_VERSION == manifest_of(CURRENT).schema_version


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_facts_of_every_version_are_folded(folder: Path) -> None:
    """The log outlives all versions: whoever refolds it must be able to read it from its beginning."""
    twin = Twin()
    for facts in facts_of(folder):
        twin.apply(facts)

    assert len(twin.take_changes()) > 20


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_state_of_a_version_is_continued_or_refused_with_the_way_to_migrate(folder: Path) -> None:
    if manifest_of(folder).schema_version < SCHEMA_VERSION:
        with pytest.raises(StateCorrupt, match="foresite rebuild"):
            read_on(folder)
        return
    twin, continued = read_on(folder)

    assert json.loads((folder / "continued.json").read_text(encoding="utf-8")) == continued
    refolded = Twin()
    for facts in facts_of(folder):
        refolded.apply(facts)
    refolded.take_changes()
    assert refolded.digest == twin.digest, (
        "state of this schema version no longer means what it meant: raise the version"
    )


def test_the_way_to_migrate_is_named_in_both_directions() -> None:
    manifest = manifest_of(CURRENT)

    with pytest.raises(StateCorrupt, match=r"reads 9: stop the twins and run `foresite rebuild`"):
        manifest.refuse_other_version(9, "state/0")
    with pytest.raises(StateCorrupt, match="start the version of Foresite that wrote it, or a newer one"):
        replace(manifest, schema_version=9).refuse_other_version(SCHEMA_VERSION, "state/0")


def test_a_manifest_that_says_more_is_read_for_its_version() -> None:
    """A newer version may have added a field: the answer is which version helps, not that the bytes are broken."""
    said = unsealed(manifest_of(CURRENT).encode())
    newer = Manifest.decode(sealed(said | {"schema_version": 9, "epoch": 3}))

    with pytest.raises(StateCorrupt, match="was written with schema version 9"):
        newer.refuse_other_version(SCHEMA_VERSION, "state/0")
