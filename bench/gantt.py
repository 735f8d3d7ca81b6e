"""How long the page takes to draw a committed plan as a chart, to scroll it, and to draw its next revision, in Chromium.

The whole page as a browser gets it: web role, API and stream, 2,000 runs on 40 lines by default. Times are those of the
page's own clock. `scroll` is the time between two frames while the chart is scrolled by 120 px a frame, which is 16.7 ms
where nothing is in the way; the worst tenth is told, and the longest one.

    python -m bench.gantt [--runs 2000] [--lines 40] [--rounds 5]
"""

import argparse
import shutil
import statistics
import sys
from datetime import timedelta
from typing import Any

from playwright.sync_api import Page, sync_playwright

from schemas import PlannedRun, PlanState, topics
from tests.notify_plant import NOON
from tests.web_plant import WebPlant, plan_state, site, web_plant

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

DRAWN_MS = """() => new Promise((done) => {
  const began = performance.now();
  history.pushState({}, '', '/plan');
  dispatchEvent(new PopStateEvent('popstate'));
  const look = () => (document.querySelector('[data-bar]') ? requestAnimationFrame(() => done(performance.now() - began)) : requestAnimationFrame(look));
  look();
})"""

SCROLL_MS = """(frames) => new Promise((done) => {
  const view = document.querySelector('.gantt-view');
  view.scrollLeft = view.scrollTop = 0;
  const times = [];
  let last = null;
  const step = (now) => {
    if (last !== null) times.push(now - last);
    last = now;
    view.scrollLeft += 120;
    view.scrollTop += 12;
    if (times.length < frames) requestAnimationFrame(step); else done(times);
  };
  requestAnimationFrame(step);
})"""

CHANGED_MS = """(revision) => new Promise((done) => {
  const facts = document.querySelector('.plan-facts dd');
  const began = performance.now();
  const long = [];
  const observer = new PerformanceObserver((list) => long.push(...list.getEntries().map((each) => each.duration)));
  observer.observe({type: 'longtask'});
  const look = () => {
    if (!facts.textContent.startsWith(revision)) { requestAnimationFrame(look); return; }
    requestAnimationFrame(() => requestAnimationFrame(() => { observer.disconnect(); done(Math.max(0, ...long)); }));
  };
  look();
})"""


def plan_of(runs: int, lines: int, revision: int) -> PlanState:
    """A committed plan: queues of eight-hour runs with half an hour of setup between them."""
    planned = []
    for number in range(runs):
        place = number // lines
        start = NOON + timedelta(hours=8.5 * place - 4.0, minutes=revision % 2)
        planned.append(
            PlannedRun(
                site_id="S1",
                run_id=f"R-{number}",
                line_id=f"L{number % lines:02}",
                position=place,
                planned_start_at=start,
                start_at=start,
                end_at=start + timedelta(hours=8),
                quantity_pcs=1000.0,
                status="started" if place == 0 else "frozen" if place == 1 else "free",
                setup_s=1800.0 if place else 0.0,
                order_ids=[f"S1/{4000 + number}"],
            )
        )
    return plan_state("committed/S1", revision, state="committed", proposal_revision=None, runs=planned)


def measured(page: Page, plant: WebPlant, runs: int, lines: int, revision: int) -> dict[str, float]:
    """One round: draw, scroll, draw the next revision, all drawn at once."""
    page.goto(plant.url)
    page.locator(".empty").wait_for()
    drawn = page.evaluate(DRAWN_MS)
    bars = page.locator("[data-bar]").count()
    frames = page.evaluate(SCROLL_MS, 60)
    page.evaluate("() => { window.changed = null; }")
    page.evaluate(
        f"() => {{ window.waiting = ({CHANGED_MS})('{revision}').then((ms) => {{ window.changed = ms; }}); }}"
    )
    plant.tell(topics.PLANS, "committed/S1", plan_of(runs, lines, revision))
    page.wait_for_function("() => window.changed !== null")
    return {
        "drawn_ms": drawn,
        "bars_drawn": bars,
        "scroll_ms_p90": statistics.quantiles(frames, n=10)[-1],
        "scroll_ms_max": max(frames),
        "revision_ms": page.evaluate("() => window.changed"),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--lines", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    told: Any = parser.parse_args()
    path = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if path is None:
        print("no Chromium on the PATH", file=sys.stderr)
        return 2
    with web_plant(clock="events") as plant, sync_playwright() as playwright:
        plant.tell(topics.SITES, "S1", site())
        plant.tell(topics.PLANS, "committed/S1", plan_of(told.runs, told.lines, 1))
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        page = chromium.new_page(viewport={"width": 1440, "height": 900})
        rounds = [measured(page, plant, told.runs, told.lines, number + 2) for number in range(told.rounds)]
        chromium.close()
    print(f"{told.runs} runs on {told.lines} lines, median of {told.rounds} rounds")
    for name in rounds[0]:
        print(f"{name:>16} {statistics.median(each[name] for each in rounds):10.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
