"""Markdown out of headings, paragraphs and rows."""

import re
import textwrap


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table; bars inside cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def wrapped(parts: list[str]) -> str:
    """Paragraphs at 120 characters; headings and tables as they are."""
    return "\n\n".join(
        part
        if part.startswith(("#", "|"))
        else "\n\n".join(
            textwrap.fill(" ".join(paragraph.split()), 120, break_long_words=False, break_on_hyphens=False)
            for paragraph in part.split("\n\n")
        )
        for part in parts
        if part
    )


def anchor(heading: str) -> str:
    """What GitHub links a heading by."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
