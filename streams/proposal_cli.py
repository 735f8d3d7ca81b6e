"""`foresite proposal ...`: what could be done instead of going on as planned, and what a planner decides."""

import json
import sys
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from schemas import CommandResult, PlanState, UsageError
from streams.cli_options import Actor, AsJson, Kafka, Revision, Zone, actor_of, settings_of
from streams.desk_cli import tell
from streams.settings import Settings
from streams.times import moment

app = typer.Typer(
    no_args_is_help=True,
    help="""Proposals: options with their trade-offs, and what you decide about them.

A proposal is approved first and then committed: the commit sends plan changes to ERP and MES, and what they answer takes
effect. You act on the revision that you looked at: if the proposal has changed since, the command is refused.""",
)

ProposalId = Annotated[
    str, typer.Argument(metavar="PROPOSAL", help="Its id, or a part of it that no other proposal has.")
]
OptionId = Annotated[str, typer.Argument(metavar="OPTION", help="Id of the option, as `show` prints it.")]


@app.command("list")
def list_proposals(
    kafka: Kafka = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that have ended, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the proposals that wait for somebody, the newest first."""
    from streams.latest_plans import read_proposals
    from streams.proposal_text import proposal_line
    from twin.decisions.proposal_life import OPEN_STATES, RETRIED_STATES

    plans = read_proposals(settings_of(kafka))
    shown = [
        plan for plan in plans if everything or plan.state in OPEN_STATES or plan.state in RETRIED_STATES
    ]
    for plan in shown:
        sys.stdout.write((plan.model_dump_json() if as_json else proposal_line(plan)) + "\n")
    if not shown and not as_json:
        sys.stdout.write("No proposal waits for a decision.\n")


@app.command()
def show(proposal_id: ProposalId, kafka: Kafka = None, zone: Zone = "UTC", as_json: AsJson = False) -> None:
    """Print the options side by side: figures against going on as planned, sacrifices, and why each run moved."""
    from streams.latest_plans import find_proposal, read_options
    from streams.proposal_text import proposal_text

    settings = settings_of(kafka)
    plan = find_proposal(settings, proposal_id)
    options = read_options(settings, plan)
    if as_json:
        body = {
            "state": plan.model_dump(mode="json"),
            "proposal": None if options is None else options.model_dump(mode="json"),
        }
        sys.stdout.write(json.dumps(body) + "\n")
        return
    sys.stdout.write(proposal_text(plan, options, ZoneInfo(zone)) + "\n")


@app.command()
def approve(
    proposal_id: ProposalId,
    option_id: OptionId,
    actor: Actor = None,
    revision: Revision = None,
    kafka: Kafka = None,
    as_json: AsJson = False,
) -> None:
    """Choose an option. Nothing is sent yet: `foresite proposal commit` does that."""
    _act("proposal_approve", proposal_id, actor, revision, kafka, as_json=as_json, option_id=option_id)


@app.command()
def adjust(
    proposal_id: ProposalId,
    lock: Annotated[
        list[str] | None,
        typer.Option(
            "--lock",
            metavar="RUN[@LINE][+TIME]",
            help="R-4472@L2 pins it to a line, R-4472+2026-11-20T06:00+01:00 lets it begin no earlier; repeat it "
            "for more runs. Without any, earlier locks are taken off.",
        ),
    ] = None,
    actor: Actor = None,
    revision: Revision = None,
    kafka: Kafka = None,
    as_json: AsJson = False,
) -> None:
    """Solve it again under your locks; the new options come under the same proposal."""
    locks = [_lock(text) for text in lock or []]
    _act("proposal_adjust", proposal_id, actor, revision, kafka, as_json=as_json, locks=locks)


@app.command()
def reject(
    proposal_id: ProposalId,
    reason: Annotated[str | None, typer.Option("--reason", help="Why none of the options.")] = None,
    actor: Actor = None,
    revision: Revision = None,
    kafka: Kafka = None,
    as_json: AsJson = False,
) -> None:
    """None of the options: the plan stays as it is."""
    _act("proposal_reject", proposal_id, actor, revision, kafka, as_json=as_json, reason=reason)


@app.command()
def commit(
    proposal_id: ProposalId,
    option_id: Annotated[
        str | None, typer.Argument(metavar="[OPTION]", help="The approved option; default: that one.")
    ] = None,
    actor: Actor = None,
    revision: Revision = None,
    kafka: Kafka = None,
    as_json: AsJson = False,
) -> None:
    """Send the approved option to ERP and MES. Again: what nobody answered, or what was refused, under the same ids."""
    from streams.latest_plans import find_proposal

    settings = settings_of(kafka)
    plan = find_proposal(settings, proposal_id)
    option = option_id or plan.option_id
    if option is None:
        raise UsageError(
            f"no option of {plan.plan_id} is approved yet: `foresite proposal approve` does that"
        )
    _send("proposal_commit", settings, plan, actor, revision, as_json=as_json, option_id=option)


def _act(
    kind: str,
    proposal_id: str,
    actor: str | None,
    revision: int | None,
    kafka: str | None,
    *,
    as_json: bool,
    **more: Any,
) -> None:
    from streams.latest_plans import find_proposal

    settings = settings_of(kafka)
    _send(kind, settings, find_proposal(settings, proposal_id), actor, revision, as_json=as_json, **more)


def _send(
    kind: str,
    settings: Settings,
    plan: PlanState,
    actor: str | None,
    revision: int | None,
    *,
    as_json: bool,
    **more: Any,
) -> None:
    from streams.desk import command, send

    # Where events drive the clock, the plant's time is not ours: the proposal's own moment is in its past for sure.
    now = plan.as_of if settings.clock == "events" else datetime.now(UTC)
    given = {name: value for name, value in more.items() if value is not None}
    said = command(
        kind,
        plan.site_id,
        actor_of(actor),
        now,
        proposal_id=plan.plan_id,
        expected_revision=plan.revision if revision is None else revision,
        **given,
    )
    result: CommandResult = send(settings, said, plan.plan_id)
    tell(result, f"{result.message} (revision {result.current_revision})", as_json=as_json)


def _lock(text: str) -> dict[str, str]:
    """A lock as written: run, then "@" and a line, then "+" and a moment.

    Raises:
        UsageError: it names neither a line nor a time.
    """
    before, _, time = text.partition("+") if "+" in text else (text, "", "")
    run_id, _, line_id = before.partition("@")
    if not run_id or not (line_id or time):
        raise UsageError(f"{text!r} is no lock; write it as RUN@LINE, RUN+TIME or RUN@LINE+TIME")
    lock = {"run_id": run_id}
    if line_id:
        lock["line_id"] = line_id
    if time:
        lock["not_before"] = moment(time).isoformat()
    return lock
