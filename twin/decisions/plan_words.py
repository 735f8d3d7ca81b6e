"""What the twin says of proposals: what happened, and what to do."""

from zoneinfo import ZoneInfo

from schemas import PlanOption
from twin.decisions.commits import IN_FORCE
from twin.decisions.plan_book import Basis, ChangeNote
from twin.words import plural, time_of

LISTED = 5
"""Things named before the rest is only counted."""


def listed(words: list[str]) -> str:
    """The first of them, and how many more there are."""
    more = len(words) - LISTED
    return ", ".join(words[:LISTED]) + (f" and {plural(more, 'other')}" if more > 0 else "")


def asked(basis: Basis) -> str:
    """A request went out."""
    lines = plural(len(basis.scope), "line")
    because = "; ".join(each.rstrip(".") for each in basis.because) or basis.trigger.replace("_", " ")
    return f"{because}. Options for {lines} are being worked out."


def asked_again(basis: Basis) -> str:
    """The same went out once more."""
    return f"The solver has not answered in time and was asked once more. {asked(basis)}"


def offered(options: list[PlanOption], best: PlanOption, *, is_final: bool) -> str:
    """Options came; their titles say what they bring."""
    others = sum(option.feasible and option.label != "hold" for option in options)
    more = "" if is_final else " Better ones may follow."
    return (
        f"{plural(others, 'option')} beside going on as planned. First {best.option_id}: {best.title}.{more} Approve one, "
        "adjust, or reject."
    )


def nothing_better(error: str | None) -> str:
    """The last answer holds no option."""
    if error:
        return f"No option: {error}. Go on as planned, or ask again."
    return "Nothing is better than going on as planned."


def approved(option: PlanOption, by: str, *, has_changes: bool, four_eyes: bool) -> str:
    """An option was approved."""
    if not has_changes:
        return f"{by} decided to go on as planned ({option.option_id}): there is nothing to commit."
    who = " by somebody else" if four_eyes else ""
    return f"{by} approved {option.option_id}: {option.title}. Commit it{who} to send it to ERP and MES."


def sent(changes: list[ChangeNote]) -> str:
    """A commit is under way."""
    waiting = [each for each in changes if each.outcome == "sent"]
    held = [each for each in changes if each.outcome == "held_back"]
    done = sum(each.outcome in IN_FORCE for each in changes)
    words = [f"{done} of {plural(len(changes), 'change')} in force" if done else ""]
    words.append(
        f"waiting for the answer to {listed([name_of(each) for each in waiting])}" if waiting else ""
    )
    words.append(
        f"{listed([name_of(each) for each in held])} held back until what takes over is in force"
        if held
        else ""
    )
    return "; ".join(word for word in words if word) + "."


def overdue(changes: list[ChangeNote], minutes: float) -> str:
    """Nobody answered in time."""
    waiting = listed([name_of(each) for each in changes if each.outcome == "sent"])
    return (
        f"No answer within {minutes:g} min to {waiting}. See whether ERP took it; then commit again: the same changes "
        "are sent under the same ids, and carried out once."
    )


def outcome(changes: list[ChangeNote], zone: ZoneInfo) -> str:
    """What came of a commit when everything was answered."""
    stands = [each for each in changes if each.outcome in IN_FORCE]
    refused = [each for each in changes if each.outcome == "rejected"]
    words = []
    if not refused:
        words.append(
            "The change is in force." if len(changes) == 1 else f"All {len(changes)} changes are in force."
        )
    elif stands:
        words.append(f"In force: {listed([name_of(each) for each in stands])}.")
    if refused:
        reasons = [f"{name_of(each)} ({each.reason or 'no reason given'})" for each in refused]
        words.append(f"Not in force: {listed(reasons)}.")
        words.append(
            "Mend what it was refused for and commit again, or take back in ERP what stands; the twin goes by what stands."
            if stands
            else "The plan is as it was. Mend what it was refused for and commit again, or ask for new options."
        )
    words += [
        f"{name_of(each)} was modified: on {each.line_id} from {time_of(each.start, zone)}"
        + (f" ({each.reason})" if each.reason else "")
        + "."
        for each in stands
        if each.outcome == "modified"
    ]
    return " ".join(words)


def overtaken(what: str, changes: list[ChangeNote]) -> str:
    """Another plan came in between."""
    if not changes:
        return f"{what}: the plan that it rests on has moved on."
    stands = [name_of(each) for each in changes if each.outcome in IN_FORCE]
    unanswered = [name_of(each) for each in changes if each.outcome == "sent"]
    unsent = [name_of(each) for each in changes if each.outcome == "held_back"]
    words = [f"{what}, while the commit was under way."]
    words += [f"In force: {listed(stands)}."] if stands else []
    words += [f"Sent and not answered: {listed(unanswered)}; see whether ERP took it."] if unanswered else []
    words += [f"Not sent any more: {listed(unsent)}."] if unsent else []
    return " ".join(words)


def name_of(change: ChangeNote) -> str:
    """A change in few words: "R-4472 to L2", "cancel R-4472", "overtime SAT on L3"."""
    if change.action == "order_overtime":
        return f"overtime {change.window_id} on {change.line_id}"
    if change.action == "cancel_run":
        return f"cancel {change.run_id} at {change.site_id}"
    where = (
        change.line_id
        if change.of_site_id in (None, change.site_id)
        else f"{change.site_id}/{change.line_id}"
    )
    return f"{change.run_id} to {where}"
