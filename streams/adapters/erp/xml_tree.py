"""XML to a tree without what XML can do to its reader: no document type, so no entities, no files, no expansion. Pure.

Law: a document with a DOCTYPE is refused before anything of it is expanded or fetched; size and depth are bounded.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat  # what defusedxml wraps; its dangers are switched off below

from schemas import BadRecord, ReasonCode

XML_BYTES_MAX: Final = 20_000_000
"""Of one document. Too small: the schedule of a large site is refused. Too large: memory, some ten times as much."""

DEPTH_MAX: Final = 64
ELEMENTS_MAX: Final = 1_000_000


@dataclass(slots=True)
class Element:
    """An element without its namespace.

    Attributes:
        text: what stands between its tags, without surrounding space.
        path: from the root, with positions among those of one name, from 0.
    """

    name: str
    path: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list["Element"] = field(default_factory=list)
    text: str = ""

    def find(self, *names: str) -> "Element | None":
        """The first descendant along these names."""
        here: Element | None = self
        for name in names:
            here = None if here is None else next((each for each in here.children if each.name == name), None)
        return here

    def all(self, name: str) -> Iterator["Element"]:
        """Children of a name."""
        return (each for each in self.children if each.name == name)

    def value(self, *names: str) -> str | None:
        """Text of a descendant; None where it is not there or empty."""
        found = self.find(*names)
        return found.text or None if found is not None else None


def parse_xml(data: bytes) -> Element:
    """Read a document.

    Raises:
        BadRecord: it is no XML, has a DOCTYPE, or is too large or too deep.
    """
    if len(data) > XML_BYTES_MAX:
        raise BadRecord(ReasonCode.SIZE, f"{len(data)} bytes, at most {XML_BYTES_MAX} are read")
    root = Element("", "")
    stack, texts, number = [root], [[""]], 0

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal number
        number += 1
        if len(stack) > DEPTH_MAX:
            raise BadRecord(ReasonCode.DEPTH, f"nested deeper than {DEPTH_MAX}", stack[-1].path)
        if number > ELEMENTS_MAX:
            raise BadRecord(ReasonCode.SIZE, f"more than {ELEMENTS_MAX} elements", stack[-1].path)
        above, local = stack[-1], name.rpartition(" ")[2]
        before = above.children[-1] if above.children else None
        nth = _position(before) + 1 if before is not None and before.name == local else 0
        path = f"{above.path}.{local}" if above.path else local
        made = Element(local, f"{path}.{nth}" if nth else path, attributes)
        above.children.append(made)
        stack.append(made)
        texts.append([])

    def end(_name: str) -> None:
        stack.pop().text = "".join(texts.pop()).strip()

    def read_text(text: str) -> None:
        texts[-1].append(text)

    def refuse(*_: object) -> None:
        raise BadRecord(ReasonCode.SCHEMA, "a document type or an entity: neither is read, whatever it says")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.CharacterDataHandler = read_text
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = parser.ExternalEntityRefHandler = refuse  # type: ignore[assignment]
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise BadRecord(ReasonCode.PARSE, f"no XML: {error}") from None
    except (LookupError, ValueError) as error:  # an encoding that nobody knows
        raise BadRecord(ReasonCode.PARSE, f"no XML: {error}") from None
    return root.children[0]


def _position(element: Element) -> int:
    last = element.path.rpartition(".")[2]
    return int(last) if last.isdigit() else 0
