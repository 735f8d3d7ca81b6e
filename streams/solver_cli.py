"""`foresite solver`, the role, and `foresite erp`, what it can be tried with: a stand-in for who carries plans out."""

from importlib.metadata import version
from typing import Annotated

import typer

from schemas import UsageError
from streams.settings import Settings

Kafka = Annotated[
    str | None, typer.Option("--kafka", metavar="HOST:PORT", help="Bootstrap servers. [FORESITE_KAFKA]")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(solver)
    app.command()(erp)


def solver(kafka: Kafka = None) -> None:
    """Run the solver role: answer replan requests with options and their trade-offs, better from stage to stage.

    It compiles its code before it takes work: half a minute the first time, seconds from then on.
    """
    from streams.solver_role import run

    settings = _settings(kafka)
    _log_as("solver", settings)
    raise typer.Exit(run(settings))


def erp(
    kafka: Kafka = None,
    round_start_min: Annotated[
        float, typer.Option(min=0, help="It plans in steps of so many minutes: a modified answer.")
    ] = 0.0,
    notice_min: Annotated[
        float, typer.Option(min=0, help="It refuses what is to begin sooner than in so many minutes.")
    ] = 0.0,
    closed: Annotated[
        list[str] | None,
        typer.Option(metavar="SITE/LINE", help="It plans nothing onto this line; repeatable."),
    ] = None,
) -> None:
    """Stand in for an ERP and MES that carry plan changes out, for trials and the demo; never in a plant.

    It reads twin.plan-changes.v1, publishes the runs as it now plans them, and answers accepted, modified or rejected
    on erp.plan-acks.v1. A change sent twice is carried out once.
    """
    from streams.simulator.erp import ErpPlan, ErpRules
    from streams.simulator.erp_role import run

    lines = [each.rpartition("/")[::2] for each in closed or []]
    if not all(site and line for site, line in lines):
        raise UsageError("--closed is SITE/LINE, as lyon/L2")
    settings = _settings(kafka)
    _log_as("erp", settings)
    raise typer.Exit(run(settings, ErpPlan(ErpRules(frozenset(lines), notice_min, round_start_min))))


def _settings(kafka: str | None) -> Settings:
    return Settings() if kafka is None else Settings(kafka=kafka)


def _log_as(role: str, settings: Settings) -> None:
    from streams import logs

    logs.configure(
        role=role, version=version("foresite"), level=settings.log_level, log_format=settings.log_format
    )
