"""Whose a card is: the first person that a list of rules names and who is there, always with a fallback."""

from collections.abc import Iterable, Sequence

from schemas import CustomerUpserted, Owner
from twin.judges.view import View
from twin.state.plant import Plant
from twin.words import time_of

Candidate = tuple[str | None, str]
"""Person id, None where nobody is configured, and the rule that names them."""


def owner_for(
    view: View, candidates: Sequence[Candidate], customers: Iterable[CustomerUpserted | None] | None = None
) -> Owner:
    """Who owns what a judge has found: a candidate, else who answers for a customer that cannot slip; see owner_of.

    Args:
        view: what was judged.
        candidates: most fitting first.
        customers: whose orders are at stake, worst first; None: those whose orders are late.
    """
    at_stake = [each.customer for each in view.late] if customers is None else customers
    all_of_them = [*candidates, *account_owners(at_stake)]
    return owner_of(view.model.plant, view.site_id, all_of_them, view.now)


def account_owners(customers: Iterable[CustomerUpserted | None]) -> list[Candidate]:
    """Who answers for those that cannot slip."""
    found: dict[str, str] = {}
    for customer in customers:
        if customer is not None and customer.cannot_slip and customer.account_owner_id is not None:
            found.setdefault(customer.account_owner_id, f"account owner of {customer.name}, who cannot slip")
    return [*found.items()]


def owner_of(plant: Plant, site_id: str, candidates: Sequence[Candidate], now: float) -> Owner:
    """The first candidate that names somebody who is known and present; else the owner of the site, else the default.

    Where the person who should have it is passed over, the rule on the card says why. Where nobody is known and
    present, it is the first one named: a card of somebody absent is better than a card of nobody.

    Args:
        plant: for names and absences.
        site_id: the card's site.
        candidates: most fitting first.
        now: the shard's clock, POSIX seconds: who is absent then is passed over.
    """
    site = plant.site(site_id)
    fallbacks: list[Candidate] = [
        (None if site is None else site.owner_id, f"owner of site {site_id}"),
        (plant.rules(site_id).default_owner_id, "default owner of the rules"),
    ]
    first: Owner | None = None
    for person_id, rule in [*candidates, *fallbacks]:
        if person_id is None:
            continue
        why_not = why_passed_over(plant, site_id, person_id, now)
        if why_not is None:
            owner = named(plant, site_id, person_id, rule)
            return owner if first is None else owner.model_copy(update={"rule": f"{rule}; {first.rule}"})
        if first is None:
            first = named(plant, site_id, person_id, f"{rule}: {why_not}")
    if first is not None:
        return first
    missing = (
        f"no {candidates[0][1]} and no site owner is configured" if candidates else "nobody is configured"
    )
    return Owner(id=None, name="nobody", rule=missing)


def why_passed_over(plant: Plant, site_id: str, person_id: str, now: float) -> str | None:
    """Why somebody cannot own a card now, in words; None where they can."""
    person = plant.person(site_id, person_id)
    if person is None:
        return f"{person_id} is not known"
    if person.absent_until is None or person.absent_until.timestamp() <= now:
        return None
    back = time_of(person.absent_until.timestamp(), plant.zone(site_id))
    return f"{person.name} is absent until {back}"


def named(plant: Plant, site_id: str, person_id: str, rule: str) -> Owner:
    """The person as people call them."""
    person = plant.person(site_id, person_id)
    return Owner(id=person_id, name=person_id if person is None else person.name, rule=rule)
