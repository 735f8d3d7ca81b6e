"""What somebody may have meant by a name that nothing has."""

from collections.abc import Iterable
from difflib import get_close_matches

SHOWN = 3
LIKE = 0.5
"""Likeness of two names, 0 to 1, from which one is worth a mention. Smaller: odd suggestions; larger: none."""


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """A sentence about a name that is not known, with the nearest of those that are.

    Args:
        what: kind of thing, as "line".
        name: as somebody wrote it.
        known: names that there are; several times the same is no matter.
    """
    names = sorted(set(known))
    by_small = {each.lower(): each for each in names}
    near = [by_small[each] for each in get_close_matches(name.lower(), by_small, SHOWN, LIKE)]
    if near:
        return f"there is no {what} {name!r}; did you mean {' or '.join(near)}?"
    if not names:
        return f"there is no {what} {name!r}: none is known at all"
    more = ", ..." if len(names) > SHOWN else ""
    return f"there is no {what} {name!r}; there is {', '.join(names[:SHOWN])}{more}"
