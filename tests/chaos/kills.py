"""A plant's life with many deaths, and what is left at its end."""

import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from streams.local_kafka import LocalKafka
from streams.role_processes import RoleProcesses
from streams.settings import Settings
from tests.chaos.account import account_for
from tests.chaos.answers import notices_kept, proposals_kept
from tests.chaos.commits import Commits
from tests.chaos.installation import Crew, new_settings, notify_environment
from tests.chaos.lanes import Lane
from tests.chaos.load import Load
from tests.chaos.report import Report
from tests.chaos.schedule import schedule
from tests.chaos.ticking import Counts, clock_kept
from tests.notify_plant import receiver

LINES: Final = 4
STEP_S: Final = 0.03
START_TIMEOUT_S: Final = 300.0
"""The solver may have to compile its code first."""

DRAIN_TIMEOUT_S: Final = 300.0
STOP_TIMEOUT_S: Final = 30.0
STILL_S: Final = 3.0
"""At rest is: every role has committed the end of its input, and so it stays for this long; answers become facts, and
facts may ask again."""

SAY_EVERY_S: Final = 15.0

LANES: Final = (("ingest", "twin"), ("solver",), ("notify",))

Say = Callable[[str], None]


def kill_rounds(seed: int, rounds: int, say: Say) -> Report:
    """Kill each role at each point once a round, then compare everything that is left."""
    report = Report(seed, rounds)
    report.load.append(os.getloadavg()[0])
    with ExitStack() as stack:
        broker = stack.enter_context(LocalKafka())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="foresite-chaos-")))
        hook = stack.enter_context(receiver())
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("FORESITE_")}
        processes = stack.enter_context(RoleProcesses(folder, inherited))
        say(f"logs in {folder}")

        settings = new_settings(broker.bootstrap_servers, f"chaos-{seed}-", "events")
        plant = _Plant(
            stack, processes, settings, notify_environment(hook, folder), Load(settings, seed, LINES)
        )
        ticking = new_settings(broker.bootstrap_servers, f"chaos-{seed}-ticking-", "wall")
        clock = _Plant(stack, processes, ticking, {}, Counts(ticking))
        lanes = [Lane(plant.crew, plant.commits, schedule(seed, rounds, roles)) for roles in LANES]
        lanes.append(Lane(clock.crew, clock.commits, schedule(seed, rounds, ["ticking"])))
        for each in (plant, clock):
            each.wait_until_at_work()
        say("every role has committed; the kills begin")
        _run(lanes, plant.load, report, say)
        report.load.append(os.getloadavg()[0])

        for each in (plant, clock):
            each.come_to_rest(report)
        clock.crew.start("ticking-twin")
        clock.come_to_rest(report)
        say("at rest; reading everything once more")
        account = account_for(settings)
        report.failures += account.failures
        report.failures += proposals_kept(settings)
        report.failures += notices_kept(settings, hook)
        report.failures += account_for(ticking).failures
        report.failures += clock_kept(ticking)
        report.counts = {
            "records sent": plant.load.sent,
            **{f"items {verdict}": count for verdict, count in sorted(account.items.items())},
            **{f"{what} written again": count for what, count in account.repeated.items()},
            "messages told": len(hook.posted),
        }
        if not report.is_passed:
            _keep_logs(folder, seed, say)
    report.load.append(os.getloadavg()[0])
    return report


class _Plant:
    """One installation with its load."""

    def __init__(
        self,
        stack: ExitStack,
        processes: RoleProcesses,
        settings: Settings,
        environment: Mapping[str, str],
        load: Load | Counts,
    ) -> None:
        self.crew = Crew(processes, settings, environment)
        self.commits = Commits(settings)
        stack.callback(self.commits.close)
        self.load = load
        stack.callback(load.end)
        load.start()

    def wait_until_at_work(self) -> None:
        """Until every role has committed something."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while idle := [role for role in self.crew.roles if not self.commits.of(role)]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{', '.join(idle)} did not begin to work within {START_TIMEOUT_S:.0f} s")
            time.sleep(0.2)

    def come_to_rest(self, report: Report) -> None:
        """No more load; everything that was sent is committed; then the roles end as an operator ends them."""
        self.load.end()
        report.failures += [self.load.failure] if self.load.failure else []
        report.failures += self._behind()
        for role in self.crew.roles:
            code = self.crew.stop(role, STOP_TIMEOUT_S)
            if code != 0:
                report.failures.append(f"{role} ended with {code} after SIGTERM (None: not within 30 s)")

    def _behind(self) -> list[str]:
        """Wait until every role has committed the end of its input and nothing moves any more; else what is behind."""
        deadline, still_since = time.monotonic() + DRAIN_TIMEOUT_S, time.monotonic()
        before: object = None
        while time.monotonic() - still_since < STILL_S:
            ends = {role: self.commits.ends(role) for role in self.crew.roles}
            behind = [line for role in self.crew.roles for line in self.commits.unread(role)]
            if behind or ends != before:
                before, still_since = ends, time.monotonic()
            if time.monotonic() > deadline:
                return behind or ["the installation did not come to rest"]
            time.sleep(0.2)
        return []


def _run(lanes: Sequence[Lane], load: Load | Counts, report: Report, say: Say) -> None:
    said = time.monotonic()
    while not all(lane.is_done for lane in lanes):
        for lane in lanes:
            lane.step()
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
