"""What fits the models of rules and yet makes no sense, in itself or against the events of a plant."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from schemas import BadRecord, OwnerCondition, Rules, UsageError
from schemas.decode import decode_batch
from streams.adapters.mapping_file import Mappings
from streams.rules_file import Place, RulesFile, did_you_mean, read_rules
from streams.sources import SourceRecord, read_records
from twin.forecast.assessment import SUREST

_EVERYTHING: Final = OwnerCondition().model_dump_json()


def check_rules(path: Path, against: Sequence[Path] = (), mapping: Mappings | None = None) -> RulesFile:
    """Read a file and hold it against common sense, and against the events of a plant where some are given.

    Args:
        path: the rules.
        against: files of events: each id in the rules must be one that they speak of.
        mapping: what the columns of tables among them mean.

    Raises:
        UsageError: a file cannot be read.
    """
    read = read_rules(path)
    if read.rules is not None:
        _check_numbers(read.rules, read)
        _check_lists(read.rules, read)
        if against:
            check_names(read.rules, known_names(against, mapping), read)
    return read


def load_rules(path: Path) -> Rules:
    """The rules of a file that has no error.

    Raises:
        UsageError: it cannot be read or used; every error is named with its line.
    """
    read = check_rules(path)
    if read.rules is None or read.errors:
        raise UsageError(f"{path} cannot be used:\n" + "\n".join(f"  {each}" for each in read.errors))
    return read.rules


def _check_numbers(rules: Rules, read: RulesFile) -> None:
    low, high = rules.clear_below_p_late, rules.raise_at_p_late
    if low > high:
        read.add(
            ("clear_below_p_late",), f"{low:g} is above raise_at_p_late ({high:g}): no card would ever clear"
        )
    elif low == high:
        read.add(("clear_below_p_late",), "is the same as raise_at_p_late: cards will flap", is_error=False)
    if high > SUREST:
        read.add(
            ("raise_at_p_late",),
            f"no probability is ever above {SUREST:g}: no delivery risk will be raised",
            is_error=False,
        )
    shares = rules.escalate_at
    if any(after <= before for before, after in pairwise(shares)):
        read.add(("escalate_at",), "shares must rise: each level comes after the one before")


def _check_lists(rules: Rules, read: RulesFile) -> None:
    seen: dict[str, int] = {}
    for number, customer in enumerate(rules.customers):
        first = seen.setdefault(customer.customer_id, number)
        if first != number:
            read.add(
                ("customers", number, "customer_id"),
                f"{customer.customer_id} stands in customers[{first}] already",
            )
    conditions: dict[str, int] = {}
    for number, rule in enumerate(rules.owners):
        place: Place = ("owners", number)
        if rule.fallback_id == rule.owner_id:
            read.add((*place, "fallback_id"), "is the owner: nobody stands in for them", is_error=False)
        everything = conditions.get(_EVERYTHING)
        same = conditions.setdefault(rule.when.model_dump_json(), number)
        if everything is not None or same != number:
            hides = same if everything is None else everything
            read.add(place, f"never reached: owners[{hides}] holds before it", is_error=False)


# Names that must be known

KnownNames = dict[str, dict[str, None]]
"""What it is (customer, person, line, area, item, setup family) -> ids that events speak of."""

_SPEAKS_OF: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "customer_upserted": (("customer", "customer_id"),),
    "order_upserted": (("customer", "customer_id"), ("item", "item_id")),
    "person_upserted": (("person", "person_id"),),
    "line_upserted": (("line", "line_id"),),
    "area_upserted": (("area", "area_id"),),
    "item_upserted": (("item", "item_id"), ("setup family", "setup_family")),
    "run_planned": (("line", "line_id"), ("item", "item_id")),
}


def known_names(paths: Sequence[Path], mapping: Mappings | None = None) -> KnownNames:
    """Ids that the events of files speak of."""
    names: KnownNames = {}
    for record in read_records(paths, mapping):
        if not isinstance(record, SourceRecord):
            continue
        [decoded] = decode_batch(record.topic, [record.value])
        for _, event in decoded.items:
            if isinstance(event, BadRecord):
                continue
            for what, name in _SPEAKS_OF.get(event.kind, ()):
                value = getattr(event, name)
                if value is not None:
                    names.setdefault(what, {})[value] = None
    return names


def check_names(rules: Rules, known: KnownNames, read: RulesFile) -> None:
    """Each id in the rules must be one that the events speak of."""
    for what, place, value in _ids_in(rules):
        names = known.get(what, {})
        if value not in names:
            read.add(place, f"no {what} {value!r} in the events{did_you_mean(value, [*names])}")


def _ids_in(rules: Rules) -> Iterator[tuple[str, Place, str]]:
    for name in Rules.model_fields:
        value = getattr(rules, name)
        if name.endswith("_id") and name != "rules_id" and value is not None:
            yield "person", (name,), value  # whoever the rules name by an id of their own is somebody
    for number, customer in enumerate(rules.customers):
        place: Place = ("customers", number)
        yield "customer", (*place, "customer_id"), customer.customer_id
        if customer.account_owner_id is not None:
            yield "person", (*place, "account_owner_id"), customer.account_owner_id
    for number, rule in enumerate(rules.owners):
        place = ("owners", number)
        yield "person", (*place, "owner_id"), rule.owner_id
        if rule.fallback_id is not None:
            yield "person", (*place, "fallback_id"), rule.fallback_id
        for what, name in _CONDITIONS:
            value = getattr(rule.when, name)
            if value is not None:
                yield what, (*place, "when", name), value


_CONDITIONS: Final = (
    ("line", "line_id"),
    ("area", "area_id"),
    ("item", "item_id"),
    ("setup family", "family"),
    ("customer", "customer_id"),
)
