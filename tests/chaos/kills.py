"""A plant's life with many deaths, and what is left at its end."""

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from streams.local_kafka import LocalKafka
from streams.role_processes import RoleProcesses
from tests.chaos.answers import notices_kept, proposals_kept
from tests.chaos.installation import new_settings, notify_environment
from tests.chaos.lanes import Lane
from tests.chaos.living import Living, bare_environment
from tests.chaos.load import Load
from tests.chaos.nursery import Nursery
from tests.chaos.report import Report
from tests.chaos.schedule import schedule
from tests.chaos.ticking import Counts, clock_kept
from tests.notify_plant import receiver

LINES: Final = 4
STEP_S: Final = 0.03
SAY_EVERY_S: Final = 15.0

FEW_REQUESTS: Final = {"FORESITE_SOLVER_REQUESTS_MAX": "4"}
"""The plant asks faster than two cores answer. With many requests at once the first answer comes after all of them, more
than a minute after each death, and the solver's lane takes for ever."""

LANES: Final = (("ingest",), ("twin",), ("solver",), ("notify",))
"""Roles die side by side, so a twin's recovery may have to wait for an ingest that is down too; with both in one lane a
run takes nearly twice as long."""

Say = Callable[[str], None]


def kill_rounds(
    seed: int, rounds: int, say: Say, *, minutes: float | None = None, is_cold: bool = False
) -> Report:
    """Kill each role at each point once a round, then compare everything that is left.

    Args:
        seed: of the plant and of the kills.
        rounds: how often each point is struck.
        say: is told how far it is.
        minutes: of kills at most; what is left of the rounds by then is left out, and the report says so.
        is_cold: each role is an interpreter of its own, instead of a fork of one that has imported everything.
    """
    report = Report(seed, rounds, is_cold=is_cold)
    report.load.append(os.getloadavg()[0])
    with ExitStack() as stack:
        broker = stack.enter_context(LocalKafka())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="foresite-chaos-")))
        hook = stack.enter_context(receiver())
        processes = stack.enter_context(RoleProcesses(folder, bare_environment()))
        nursery = None if is_cold else Nursery(processes, folder)
        say(f"logs in {folder}")

        settings = new_settings(broker.bootstrap_servers, f"chaos-{seed}-", "events")
        load = Load(settings, seed, LINES)
        plant = stack.enter_context(
            Living(settings, load, {**notify_environment(hook, folder), **FEW_REQUESTS}, processes, nursery)
        )
        ticking = new_settings(broker.bootstrap_servers, f"chaos-{seed}-ticking-", "wall")
        clock = stack.enter_context(Living(ticking, Counts(ticking), None, processes, nursery))
        lanes = [Lane(plant.crew, plant.commits, schedule(seed, rounds, roles)) for roles in LANES]
        lanes.append(Lane(clock.crew, clock.commits, schedule(seed, rounds, ["ticking"])))
        for each in (plant, clock):
            each.begin()
        say("every role has committed; the kills begin")
        _run(
            lanes, load, report, say, time.monotonic() + (float("inf") if minutes is None else minutes * 60.0)
        )
        report.load.append(os.getloadavg()[0])

        say(f"{load.sent:,} records sent; coming to rest")
        for each in (plant, clock):
            report.failures += each.come_to_rest()
        clock.crew.start("ticking-twin")
        report.failures += clock.come_to_rest()
        say("at rest; reading everything once more")
        account = plant.account()
        report.failures += account.failures
        report.failures += proposals_kept(settings)
        report.failures += notices_kept(settings, hook)
        report.failures += clock.account().failures
        report.failures += clock_kept(ticking)
        report.counts = {
            "records sent": load.sent,
            **{f"items {verdict}": count for verdict, count in sorted(account.items.items())},
            **{f"{what} written again": count for what, count in account.repeated.items()},
            "messages told": len(hook.posted),
            **{
                f"restarts of {role} by itself": count
                for lane in lanes
                for role, count in lane.restarts.items()
            },
        }
        if not report.is_passed:
            _keep_logs(folder, seed, say)
    report.load.append(os.getloadavg()[0])
    return report


def _run(lanes: Sequence[Lane], load: Load, report: Report, say: Say, deadline: float) -> None:
    said = time.monotonic()
    while not all(lane.is_done for lane in lanes):
        for lane in lanes:
            known = len(lane.deaths)
            lane.step()
            for death in lane.deaths[known:]:
                if death.failure:
                    say(f"FAILED: {death.kill}: {death.failure}")
            if time.monotonic() > deadline and lane.is_longer:
                report.is_cut_short = True
                lane.cut_short()
        if time.monotonic() - said > SAY_EVERY_S:
            said = time.monotonic()
            at = ", ".join(f"{lane.round_number or 'done'}" for lane in lanes)
            died = sum(len(lane.deaths) for lane in lanes)
            failed = sum(bool(death.failure) for lane in lanes for death in lane.deaths)
            say(
                f"rounds {at} of {report.rounds}: {died} deaths, {failed} failures, {load.sent:,} records sent"
            )
        time.sleep(STEP_S)
    report.deaths += [death for lane in lanes for death in lane.deaths]


def _keep_logs(folder: Path, seed: int, say: Say) -> None:
    kept = Path("build") / f"chaos-{seed}"
    kept.mkdir(parents=True, exist_ok=True)
    for log in folder.glob("*.log"):
        (kept / log.name).write_bytes(log.read_bytes())
    say(f"the roles' logs are kept in {kept}")
