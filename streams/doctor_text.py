"""What the doctor says, for people and for machines."""

from collections.abc import Iterator
from typing import Any

from streams.doctor import Examined
from streams.doctor_findings import DATA, RISKS, Finding, Level


def doctor_lines(examined: Examined) -> Iterator[str]:
    """Sites, kinds of risk, findings; what is not well comes with what follows and what to do."""
    if not examined.findings:
        yield "no site is known: there is nothing to be seen yet"
        yield "    next  foresite init DIR --orders FILE --counts FILE --zone ZONE --owner NAME"
    for site, findings in sorted(examined.findings.items()):
        yield f"site {site}"
        for risk in RISKS:
            theirs = [each for each in findings if each.risk == risk]
            yield f"  {risk}: {verdict(theirs)}"
            for each in theirs:
                yield from _finding(each)
        yield "  the data itself"
        for each in findings:
            if each.risk == DATA:
                yield from _finding(each)


def verdict(findings: list[Finding]) -> str:
    """Whether a kind of risk can be seen."""
    if any(each.level is Level.MISSING for each in findings):
        return "CANNOT BE SEEN"
    return "can be seen" if all(each.level is Level.OK for each in findings) else "can be seen in part"


def doctor_records(examined: Examined) -> Iterator[dict[str, Any]]:
    """One record a finding."""
    for site, findings in sorted(examined.findings.items()):
        for risk in RISKS:
            theirs = [each for each in findings if each.risk == risk]
            yield {"site_id": site, "risk": risk, "verdict": verdict(theirs)}
        for each in findings:
            yield {
                "site_id": site,
                "check": each.check,
                "risk": each.risk,
                "level": each.level.value,
                "says": each.says,
                "then": each.then,
                "next": each.next,
                "count": each.count,
                "of": each.of,
            }


def _finding(finding: Finding) -> Iterator[str]:
    yield f"    {finding.level:8} {finding.says}"
    if finding.then:
        yield f"{'':13}so: {finding.then}"
    if finding.next:
        yield f"{'':13}next: {finding.next}"
