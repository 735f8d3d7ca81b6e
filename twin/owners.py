"""Whose a card is: the first person that a list of rules names, always with a fallback."""

from collections.abc import Sequence

from schemas import Owner
from twin.plant import Plant

Candidate = tuple[str | None, str]
"""Person id, None where nobody is configured, and the rule that names them."""


def owner_of(plant: Plant, site_id: str, candidates: Sequence[Candidate]) -> Owner:
    """The first candidate that names somebody; else the owner of the site, else the rules' default.

    Args:
        plant: for names.
        site_id: the card's site.
        candidates: most fitting first.
    """
    site = plant.site(site_id)
    fallbacks: list[Candidate] = [
        (None if site is None else site.owner_id, f"owner of site {site_id}"),
        (plant.rules(site_id).default_owner_id, "default owner of the rules"),
    ]
    for person_id, rule in [*candidates, *fallbacks]:
        if person_id is not None:
            return named(plant, site_id, person_id, rule)
    missing = (
        f"no {candidates[0][1]} and no site owner is configured" if candidates else "nobody is configured"
    )
    return Owner(id=None, name="nobody", rule=missing)


def named(plant: Plant, site_id: str, person_id: str, rule: str) -> Owner:
    """The person as people call them."""
    person = plant.person(site_id, person_id)
    return Owner(id=person_id, name=person_id if person is None else person.name, rule=rule)
