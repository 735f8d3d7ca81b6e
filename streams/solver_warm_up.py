"""Before the solver joins its group: compiled code is at hand, and a small plan has been solved from end to end.

Numba compiles each kernel once and keeps it on disk; from then on a warm-up takes seconds. The folder is named by how
it was made: numba itself looks whether source and processor are still the same.
"""

import os
import stat
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import structlog

from schemas import (
    EligibleLine,
    ForesiteError,
    OvertimeOffer,
    PeggedTo,
    ReplanRequested,
    SchedulingLine,
    SchedulingOrder,
    SchedulingProblem,
    SchedulingRun,
    SetupMatrix,
    SetupTime,
)
from streams.admin import Health
from streams.metrics import Metrics
from streams.solver_desk import Engine

log = structlog.get_logger(__name__)

BEAT_EVERY_S = 1.0
TOLD_EVERY_S = 10.0

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S


def warm_up(cache: Path, stop: threading.Event, metrics: Metrics, health: Health) -> Engine | None:
    """Import and compile the engine, and solve a small plan with it; None when asked to stop meanwhile.

    Args:
        cache: where compiled code is kept.
        stop: ends the waiting; the process has to end then, for a compilation cannot be broken off.
        metrics: are told how long it took.
        health: the role is alive meanwhile, and not ready.

    Raises:
        ForesiteError: the engine does not answer as it should.
    """
    health.not_ready("warm_up", "code is being compiled")
    folder = usable_folder(cache)
    log.info("solver_warming_up", cache_dir=str(folder))
    began = time.monotonic()
    found: list[Engine] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            found.append(load_engine(folder))
            run_through(found[0])
        except BaseException as error:  # noqa: BLE001 - raised again by the role's own thread
            failed.append(error)

    thread = threading.Thread(target=work, name="solver-warm-up", daemon=True)
    thread.start()
    next_told = began + TOLD_EVERY_S
    while thread.is_alive():
        thread.join(BEAT_EVERY_S)
        health.beat()
        if stop.is_set():
            return None
        if time.monotonic() > next_told and thread.is_alive():
            log.info("solver_still_warming_up", seconds=round(time.monotonic() - began, 1))
            next_told += TOLD_EVERY_S
    if failed:
        raise failed[0]
    seconds = time.monotonic() - began
    metrics.solver_warm_up_seconds.set(seconds)
    log.info("solver_warm", seconds=round(seconds, 1))
    health.ready("warm_up")
    return found[0]


def usable_folder(cache: Path) -> Path:
    """The folder, made if it is not there; one for this process alone where it cannot be written, or others may too.

    What is kept there is loaded as code (numba unpickles it): whoever may write there may run anything as us.
    """
    folder = cache.expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder):
            pass
        if (why := _not_ours_alone(folder)) is None:
            return folder
        other = Path(tempfile.mkdtemp(prefix="foresite-jit-"))
        log.warning("cache_dir_not_ours_alone", cache_dir=str(folder), error=why, instead=str(other))
    except OSError as error:
        other = Path(tempfile.mkdtemp(prefix="foresite-jit-"))
        log.warning("cache_dir_not_writable", cache_dir=str(folder), error=str(error), instead=str(other))
    return other


def _not_ours_alone(folder: Path) -> str | None:
    """Who else may write to a folder or what is in it; None where nobody may."""
    for path in (folder, *folder.rglob("*")):
        found = path.lstat()
        if found.st_uid != os.getuid():
            return f"{path} belongs to user {found.st_uid}, we are {os.getuid()}: give it to us, or name another folder"
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not stat.S_ISLNK(found.st_mode):
            return f"others may write to {path}: chmod -R go-w {folder}"
    return None


def load_engine(folder: Path) -> Engine:
    """Import the engine with its compiled code kept in a folder; for commands that solve in process too."""
    from numba.core import config  # noqa: PLC0415 - it takes a second, and nobody else needs it

    config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]  # before the kernels are imported: they look for their cache then
    from solvers.engine import solve  # noqa: PLC0415

    return solve


def run_through(engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
    """Solve the small plan to its end.

    Raises:
        ForesiteError: the answer is not final, or has no option.
    """
    last = None
    for proposal in engine(small_request(), clock=clock, cancelled=lambda: False):
        last = proposal or last
    if last is None or not last.is_final or not last.options:
        raise ForesiteError(
            f"the engine does not solve its small plan: {None if last is None else last.error}"
        )


def small_request() -> ReplanRequested:
    """Two lines, five runs, one of them started, setups, overtime, a night between: all that the kernels know of."""
    begin = datetime(2026, 1, 5, 6, tzinfo=UTC)
    start = begin.timestamp()
    days = [(start + day * DAY_S, start + day * DAY_S + 16 * HOUR_S) for day in range(5)]
    lines = [
        SchedulingLine(
            site_id="warm",
            line_id=line_id,
            name=line_id,
            free_from=start,
            family="a",
            setup_id="m",
            spans=days,
            overtime=[
                OvertimeOffer(
                    window_id=f"{line_id}-night",
                    start=days[0][1],
                    end=days[0][1] + 4 * HOUR_S,
                    notice_by=start + HOUR_S,
                    cost_per_h=100.0,
                )
            ],
            is_hit=line_id == "L1",
        )
        for line_id in ("L1", "L2")
    ]
    runs = [_run(place, start) for place in range(5)]
    orders = [
        SchedulingOrder(
            site_id="warm",
            order_id=f"O{place}",
            customer_id="c",
            customer_name="C",
            item_id="i",
            quantity_pcs=400.0,
            promised=start + (8.0 + 3.0 * place) * HOUR_S,
            on_time_slot=start + (8.0 + 3.0 * place) * HOUR_S,
            penalty_per_day=500.0,
        )
        for place in range(5)
    ]
    setups = SetupMatrix(
        setup_id="m",
        entries=[SetupTime(from_family="a", to_family="b", setup_s=1800.0, cost=50.0)],
        default_s=900.0,
        same_family_s=0.0,
    )
    problem = SchedulingProblem(
        problem_id="warm-up",
        as_of=start,
        horizon_end=days[-1][1],
        frozen_until=start + HOUR_S,
        move_budget=20_000,
        lines=lines,
        setups=[setups],
        runs=runs,
        orders=orders,
    )
    return ReplanRequested(
        output_id="warm-up",
        request_id="warm-up",
        proposal_id="warm-up",
        site_id="warm",
        trigger="line_down",
        triggers=["line_down"],
        because=["to warm up"],
        caused_by=[],
        scope=["warm/L1", "warm/L2"],
        plan_revision=1,
        problem=problem,
        as_of=begin,
    )


def _run(place: int, start: float) -> SchedulingRun:
    """The first one runs; all others wait behind it on the same line, one family and then the other."""
    begin = start + 4.0 * place * HOUR_S
    return SchedulingRun(
        site_id="warm",
        run_id=f"R{place}",
        item_id="i",
        family="ab"[place % 2],
        state="running" if place == 0 else "planned",
        freedom="started" if place == 0 else "free",
        line_id="L1",
        position=place,
        planned_start=begin,
        planned_end=begin + 4.0 * HOUR_S,
        quantity_pcs=400.0,
        remaining_pcs=400.0,
        next_piece_at=start + HOUR_S if place == 0 else None,
        eligible=[
            EligibleLine(site_id="warm", line_id=line_id, rate_pcs_per_h=100.0) for line_id in ("L1", "L2")
        ],
        pegs=[PeggedTo(site_id="warm", order_id=f"O{place}", quantity_pcs=400.0)],
    )
