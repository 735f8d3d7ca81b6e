"""`foresite init`: a minimal site from two tables, its orders and what its line counted. One relationship to begin with.

What it writes is meant to be read and changed: a folder with the site's events, two mappings, and copies of the tables.
"""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from schemas import (
    Event,
    LineUpserted,
    OwnerCondition,
    OwnerRule,
    PersonUpserted,
    Rules,
    RulesUpdated,
    SiteUpserted,
    UsageError,
)
from streams.adapters.header_words import plain
from streams.adapters.mapper import map_file
from streams.adapters.mapping_file import MAPPINGS, load_mapping
from streams.adapters.proposal_text import mapping_yaml
from streams.adapters.proposing import Proposal, known_since, mapping_name, propose

SITE_FILE: Final = "site.ndjson"
DOUBTS: Final = ("GUESS", "no ")
"""Begins of comments in a proposed mapping that somebody should read before anything else."""

LINES_MAX: Final = 200
"""Lines that a first site has. Too small: a plant does not fit; too large: a column that is no line makes a thousand."""


@dataclass(slots=True)
class FirstSite:
    """What was made.

    Attributes:
        folder: of the site.
        site: its id; lines: of its tables, by id.
        written: files.
        proposals: of the tables, the orders first.
    """

    folder: Path
    site: str
    lines: list[str] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)
    proposals: list[Proposal] = field(default_factory=list)

    def doubts(self) -> list[str]:
        """What somebody should look at: every guess of the mappings, and what no column says."""
        found = []
        for path in self.written:
            lines = path.read_text(encoding="utf-8").splitlines() if path.suffix == ".yaml" else []
            for line in lines:
                said, _, comment = line.partition("#")
                if comment.strip().startswith(DOUBTS):
                    name = said.strip().removeprefix("- ").partition(":")[0]
                    found.append(
                        f"{path.name}: {name}: {comment.strip()}"
                        if name
                        else f"{path.name}: {comment.strip()}"
                    )
        return found


def make_site(
    folder: Path,
    orders: Path,
    counts: Path,
    *,
    zone: str,
    owner: str,
    now: datetime,
    site: str | None = None,
    line: str = "line-1",
) -> FirstSite:
    """Propose mappings for two tables, and write the site around them.

    Args:
        folder: to make; it must not be there, or be empty.
        orders: table of orders with their runs.
        counts: table of what was counted.
        zone: of the site and its tables.
        owner: name of the person whose all cards are.
        now: nothing that is said lies after it.
        site: its id; None: the folder's name.
        line: id of the line where no column names one.

    Raises:
        UsageError: the folder is in use, or a table is not what it should be.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder}: is there already and not empty; name a folder that is not there yet")
    if orders.name == counts.name:
        raise UsageError(f"{orders} and {counts} have one name: rename one, for both go into {folder}")
    site = site or _id_of(folder.resolve().name)
    proposals = [
        propose(path, zone=zone, site=site, line=line, wanted=wanted)
        for path, wanted in ((orders, "orders"), (counts, "counts"))
    ]
    if mapping_name(orders) == mapping_name(counts):
        raise UsageError(
            f"{orders.name} and {counts.name} differ by numbers alone: rename one by what it holds"
        )
    since = known_since(proposals, now)
    made = FirstSite(folder, site, proposals=proposals)
    (folder / MAPPINGS).mkdir(parents=True, exist_ok=True)
    lines: dict[str, None] = {}
    for proposal in proposals:
        target = folder / MAPPINGS / f"{mapping_name(proposal.path)}.yaml"
        target.write_text(mapping_yaml(proposal, since), encoding="utf-8")
        shutil.copy2(proposal.path, folder / proposal.path.name)
        made.written += [target, folder / proposal.path.name]
        for row in map_file(proposal.path, load_mapping(target)):
            lines |= {
                body["line_id"]: None for body in row.bodies if "line_id" in body and len(lines) < LINES_MAX
            }
    made.lines = sorted(lines)
    events = site_events(site, made.lines, zone, owner, since)
    text = "".join(f"{event.model_dump_json(exclude_none=True, exclude_unset=True)}\n" for event in events)
    (folder / SITE_FILE).write_text(text, encoding="utf-8")
    made.written.insert(0, folder / SITE_FILE)
    return made


def site_events(site: str, lines: Sequence[str], zone: str, owner: str, since: datetime) -> list[Event]:
    """The site, a person, the lines, and one rule: all cards are that person's."""
    person = _id_of(owner)

    def about(what: str) -> dict[str, object]:
        return {"event_id": f"init/{site}/{what}", "event_time": since, "site_id": site}

    rules = Rules(
        rules_id=site,
        version="1",
        owners=[OwnerRule(name=f"all cards of {site}", when=OwnerCondition(), owner_id=person)],
    )
    events: list[Event] = [
        SiteUpserted.model_validate(
            {**about("site"), "kind": "site_upserted", "zone": zone, "owner_id": person}
        ),
        PersonUpserted.model_validate(
            {**about(f"person/{person}"), "kind": "person_upserted", "person_id": person, "name": owner}
        ),
    ]
    events += [
        LineUpserted.model_validate(
            {
                **about(f"line/{line}"),
                "kind": "line_upserted",
                "line_id": line,
                "name": line,
                "supervisor_id": person,
            }
        )
        for line in lines
    ]
    rule = {**about("rules"), "kind": "rules_updated", "rules": rules.model_dump(exclude_unset=True)}
    return [*events, RulesUpdated.model_validate(rule)]


def _id_of(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", plain(name)).strip("-") or "site-1"
