"""What the docstrings of models say of their fields: the one place where a field's meaning is written down."""

import re
import textwrap
from collections.abc import Iterator

from pydantic import BaseModel


def field_words(model: type[BaseModel]) -> dict[str, str]:
    """Field -> its words, by the `Attributes` of the model and its ancestors; the model's own stand over theirs."""
    words: dict[str, str] = {}
    for ancestor in reversed(model.__mro__):
        section = (ancestor.__doc__ or "").partition("Attributes:\n")[2]
        for names, text in _entries(textwrap.dedent(section)):
            for name in names.split(", "):
                words[name] = text
    return words


def _entries(section: str) -> Iterator[tuple[str, str]]:
    """Names and words of an Attributes section; an entry goes on in deeper lines."""
    names, lines = "", list[str]()
    for line in section.splitlines():
        found = re.match(r"([a-z_]+(?:, [a-z_]+)*): (.*)", line)
        if found:
            if names:
                yield names, " ".join(lines)
            names, lines = found[1], [found[2]]
        elif line.strip():
            lines.append(line.strip())
    if names:
        yield names, " ".join(lines)
