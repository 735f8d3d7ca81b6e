"""`foresite demo`: a whole installation for a few minutes, with nothing to install and nothing left behind.

A broker in memory, the real roles as processes, and a simulated plant: the Line 3 case and four ordinary lines beside
it, Monday to Thursday in fast motion. Then the cards, and the plant goes on.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Final

from confluent_kafka import KafkaException
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from schemas import Card, Event, ForesiteError, Proposal
from streams.card_text import print_cards
from streams.latest_cards import LatestCards
from streams.latest_proposals import LatestProposals
from streams.local_kafka import free_port
from streams.proposal_text import options_text
from streams.role_processes import RoleFailed, RoleProcesses
from streams.settings import Settings
from streams.simulator.committed_clock import CommittedClock
from streams.simulator.demo_story import demo_events, up_to
from streams.simulator.line3_case import BEGIN, SITE_ID, ZONE, local
from streams.simulator.player import WINDOW_S, Played, Player
from twin.words import time_of

ROLES: Final = ("ingest", "twin")
NICE_ROLES: Final = ("solver",)
"""Roles that leave the processor to the others: the solver compiles its code while the plant is played."""

PAGE_ROLES: Final = ("web", "erp")
"""Roles for who looks at the page: the page, and the stand-in for the ERP that carries out what is committed there."""

NOTICE: Final = (
    "Simulated factory. Line 3 is 8 % slow since Tuesday and nobody logged it: open the card of #4471, press o for its "
    "options, a to approve one, c to commit it, and see the plan move."
)
"""What the page says on top, and what to look at."""

NICENESS: Final = 15
"""Smaller: the cards come later. Larger, and on a busy machine the solver is not warm when they have come."""

SHOWN_AT: Final = local(19, "08:00")
"""Thursday morning: two working days of drift are over, and the overtime can still be ordered."""

LIVE_SPEED: Final = 60.0
DEFAULT_SEED: Final = 5
BROKER_TIMEOUT_S: Final = 30.0
SETTLED_S: Final = 0.5
"""No new card for so long after the last tick is committed: the picture is complete."""

PROPOSAL_WAIT_S: Final = 180.0
"""How long the options of the first card are waited for. Too small: a slow machine's first start, which compiles, shows
none. Too large: a demo without an answer seems to hang."""

LINE_3: Final = f"{SITE_ID}/L3"

RoleCommand = Callable[[str], Sequence[str]]


def role_command(role: str) -> Sequence[str]:
    """How a role is started."""
    return (sys.executable, "-m", "streams.cli", role)


def run_demo(
    headless: bool = False, json: bool = False, seed: int = DEFAULT_SEED, command: RoleCommand = role_command
) -> int:
    """Run the demo until Ctrl-C, or until the cards are printed if headless.

    Args:
        headless: print the cards and end.
        json: print them as lines of JSON.
        seed: of the four lines of the other site.
        command: how to start a role.

    Returns:
        The process's exit code: 1 where a role failed, which is told on standard error.
    """
    errors = Console(stderr=True)
    try:
        with (
            _interruptible(),
            tempfile.TemporaryDirectory(prefix="foresite-demo-") as folder,
            RoleProcesses(Path(folder), _environment(os.environ, folder)) as roles,
        ):
            demo = _Demo(roles, Path(folder), errors, command)
            try:
                demo.run(headless=headless, as_json=json, seed=seed)
            finally:
                demo.close()
    except KeyboardInterrupt:
        errors.print("Stopped; nothing was left behind.")
    except (ForesiteError, KafkaException, OSError) as error:
        errors.print(
            f"The demo failed: {error}", style="bold red", markup=False, highlight=False, soft_wrap=True
        )
        return 1
    return 0


class _Demo:
    """One run of the demo."""

    def __init__(self, roles: RoleProcesses, folder: Path, errors: Console, command: RoleCommand) -> None:
        self._roles = roles
        self._folder = folder
        self._errors = errors
        self._command = command
        self._out = Console()
        self._port = 0
        self._closing: list[Callable[[], object]] = []

    def run(self, headless: bool, as_json: bool, seed: int) -> None:
        """Start everything, play to Thursday, print the cards, and go on unless headless."""
        began = time.monotonic()
        settings = self._start_roles(has_page=not headless)
        cards = LatestCards(settings)
        self._closing.append(cards.close)
        proposals = LatestProposals(settings)
        self._closing.append(proposals.close)
        clock = CommittedClock(settings)
        self._closing.append(clock.close)
        player = Player(
            settings, clock, window_s=0.0
        )  # the same cards each time, but for the proposals on them
        self._closing.append(player.close)
        events = demo_events(seed, SHOWN_AT)
        with self._progress(headless) as progress:
            self._play(player, events, progress)
            _settle(cards)
        self._show(cards.ranked(), as_json)
        if not as_json:
            self._show_options(proposals)
        if headless:
            return
        self._say_what_next(settings, player.played, time.monotonic() - began)
        self._go_on(player, events, cards)

    def close(self) -> None:
        """Let go of Kafka before its broker is gone."""
        for close in self._closing[::-1]:
            close()

    def _start_roles(self, has_page: bool) -> Settings:
        broker = self._roles.start("broker", (sys.executable, "-m", "streams.demo_broker"), answers=True)
        servers = self._first_answer(broker)
        environment = {"FORESITE_KAFKA": servers, "FORESITE_CLOCK": "events"}
        for role in ROLES:
            self._roles.start(role, self._command(role), environment=environment)
        for role in NICE_ROLES:
            self._roles.start(role, _nice(self._command(role)), environment=environment)
        if has_page:
            self._port = free_port()
            page = {"FORESITE_WEB_PORT": str(self._port), "FORESITE_WEB_NOTICE": NOTICE}
            for role in PAGE_ROLES:
                self._roles.start(role, self._command(role), environment=environment | page)
            self._errors.print(
                f"The page, in a few seconds: http://127.0.0.1:{self._port}", highlight=False, soft_wrap=True
            )
        return Settings(kafka=servers, clock="events", kafka_config={"log_level": 3})

    def _first_answer(self, broker: subprocess.Popen[bytes]) -> str:
        """Where the broker listens.

        Raises:
            RoleFailed: it does not come up.
        """
        assert broker.stdout is not None
        readable, _, _ = select.select([broker.stdout], [], [], BROKER_TIMEOUT_S)
        line = broker.stdout.readline() if readable else b""
        if not line:
            broker.wait(1.0) if readable else None
            self._roles.check()
            raise RoleFailed(f"the embedded broker has not answered for {BROKER_TIMEOUT_S:.0f} s")
        return str(json.loads(line)["bootstrap_servers"])

    def _play(self, player: Player, events: Iterator[Event], progress: Progress | None) -> None:
        task = None if progress is None else progress.add_task("starting the roles", total=1.0)

        def show(played: Played) -> None:
            if progress is not None and task is not None:
                _show_progress(progress, task, played)

        player.play(up_to(events, SHOWN_AT), stop=self._roles.ended, progress=show)
        self._roles.check()

    def _progress(self, headless: bool) -> AbstractContextManager[Progress | None]:
        if headless or not self._errors.is_terminal:
            return nullcontext()
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"))
        return Progress(*columns, console=self._errors, transient=True)

    def _show(self, cards: Sequence[Card], as_json: bool) -> None:
        if as_json:
            for card in cards:
                sys.stdout.write(card.model_dump_json() + "\n")
            sys.stdout.flush()
        else:
            print_cards(cards, ZONE, SHOWN_AT, self._out)

    def _show_options(self, proposals: LatestProposals) -> None:
        """The last word of the solver on Line 3, when there is one."""
        deadline = time.monotonic() + PROPOSAL_WAIT_S
        with self._errors.status("the solver works on Line 3 (the first time it compiles its code)"):
            while not (found := _options_for_line_3(proposals)) and time.monotonic() < deadline:
                proposals.changed(0.2)
                self._roles.check()
        if found is None:
            self._out.print("No options for Line 3 yet; they come on solver.proposals.v1.", highlight=False)
            return
        self._out.print(f"\n{found.proposal_id}, what could be done:", style="bold", highlight=False)
        self._out.print(options_text(found, ZONE), markup=False, highlight=False, soft_wrap=True, end="\n\n")

    def _say_what_next(self, settings: Settings, played: Played, seconds: float) -> None:
        rows = (
            (
                "page",
                f"http://127.0.0.1:{self._port}   (cards, options, plan; what is committed there is carried out)",
            ),
            ("Kafka", f"{settings.kafka} (in memory, gone with this demo)"),
            (
                "look",
                f"kcat -b {settings.kafka} -C -t twin.cards.v1   (or twin.signals.v1, twin.lines.v1, ...)",
            ),
            ("publish", f"FORESITE_KAFKA={settings.kafka} foresite publish FILE..."),
            ("replay", "foresite replay FILE...   (your own data through the same twin, no Kafka needed)"),
            ("logs", f"{self._folder}"),
            ("docs", "README.md, docs/"),
        )
        self._out.print(
            f"{played.events:,} events of three days in {seconds:.0f} s. The plant goes on at {LIVE_SPEED:.0f} x real "
            "time, and cards are told as they change. Ctrl-C ends it.",
            highlight=False,
        )
        for label, words in rows:
            self._out.print(f"  {label:8}{words}", markup=False, highlight=False, soft_wrap=True)

    def _go_on(self, player: Player, events: Iterator[Event], cards: LatestCards) -> None:
        """Play in a thread beside us, and tell of cards here, until Ctrl-C, the end of the story, or a failure."""
        player.window_s = WINDOW_S
        over = threading.Event()
        failures: list[Exception] = []

        def play() -> None:
            try:
                player.play(events, speed=LIVE_SPEED, stop=over)
            except (ForesiteError, KafkaException) as error:
                failures.append(error)
            finally:
                over.set()

        thread = threading.Thread(target=play, name="demo-player")
        thread.start()
        try:
            while not over.is_set() and not self._roles.ended.is_set():
                for card in cards.changed(0.2):
                    self._tell(card)
        finally:
            over.set()
            thread.join()
        self._roles.check()
        if failures:
            raise failures[0]

    def _tell(self, card: Card) -> None:
        at = time_of(card.as_of.timestamp(), ZONE)
        state = card.state.value.replace("_", " ")
        self._out.print(
            f"{at}  {card.severity.value}, {state}: {card.title} ({card.update_reason})",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


def _options_for_line_3(proposals: LatestProposals) -> Proposal | None:
    final = [each for each in proposals.all() if each.is_final and LINE_3 in each.scope and each.options]
    return final[0] if final else None


def _nice(command: Sequence[str]) -> Sequence[str]:
    """The command at a lower priority, where the system knows one."""
    return command if shutil.which("nice") is None else ("nice", "-n", str(NICENESS), *command)


def _settle(cards: LatestCards) -> None:
    while cards.changed(SETTLED_S):
        pass


def _show_progress(progress: Progress, task: TaskID, played: Played) -> None:
    if played.now_s is None:
        return
    done = (played.now_s - BEGIN.timestamp()) / (SHOWN_AT - BEGIN).total_seconds()
    words = f"{time_of(played.now_s, ZONE)}  {played.events:,} events"
    progress.update(task, completed=done, description=words)


def _environment(inherited: Mapping[str, str], folder: str) -> dict[str, str]:
    """Of the roles: what we have, but none of a real installation's settings, which must not reach the demo."""
    environment = {name: value for name, value in inherited.items() if not name.startswith("FORESITE_")}
    return environment | {
        "FORESITE_DATA_DIR": folder,
        "FORESITE_LOG_FORMAT": "json",
        "FORESITE_COMMIT_INTERVAL_MS": "50",
    }


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and a closed terminal end the demo as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
