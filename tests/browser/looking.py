"""Opening pages and looking at them: widths, themes, what went wrong on the way, axe, and pictures.

Pictures go to the folder that FORESITE_PICTURES names; without it none are kept.
"""

import os
import re
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, Page, expect

AXE = Path(__file__).with_name("vendor") / "axe.min.js"
WIDTHS = {"desktop": (1440, 900), "tablet": (800, 1000), "phone": (390, 844)}
Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
TIMEOUT_MS = 20_000

EXPECTED = re.compile(
    r"Failed to load resource: (the server responded with a status of (401|403|404|409|422|503)|net::ERR_)"
)
"""What Chromium itself writes to the console about answers that a test asks for."""

expect.set_options(timeout=TIMEOUT_MS)


class Eyes:
    """Opens pages and remembers what went wrong in them.

    Args:
        browser: to open them in.
        name: of the test, for its pictures.
    """

    def __init__(self, browser: Browser, name: str) -> None:
        self._browser = browser
        self._name = re.sub(r"\W+", "-", name).strip("-")
        self._contexts: list[BrowserContext] = []
        self._is_listening = True
        self.faults: list[str] = []

    def context(self, width: str = "desktop", theme: Theme = "light", **more: Any) -> BrowserContext:
        """A browser of its own: with cookies, storage and locks that no other page shares."""
        size = WIDTHS[width]
        made = self._browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=theme,
            locale="en-GB",
            timezone_id="America/New_York",  # not the site's: times must be shown in that of the site
            reduced_motion="reduce",
            has_touch=width == "phone",
            **more,
        )
        made.set_default_timeout(TIMEOUT_MS)
        made.add_init_script(
            "document.addEventListener('securitypolicyviolation', (event) => "
            "console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`))"
        )
        self._contexts.append(made)
        return made

    def open(
        self, url: str, width: str = "desktop", theme: Theme = "light", context: BrowserContext | None = None
    ) -> Page:
        """Open an address, in a browser of its own unless one is given."""
        page = (context or self.context(width, theme)).new_page()
        origin = "/".join(url.split("/")[:3])
        page.on("pageerror", lambda error: self.faults.append(f"exception: {error}"))
        page.on("console", lambda message: self._hear(message.type, message.text))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((origin, "data:", "blob:"))
                else self.faults.append(f"foreign request: {request.url}")
            ),
        )
        page.goto(url)
        return page

    def dress(self, page: Page, width: str, theme: Theme) -> None:
        """Another width and theme for a page that is open."""
        size = WIDTHS[width]
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")

    def forgive(self, words: str) -> None:
        """Forget faults that a test has brought about on purpose."""
        self.faults = [fault for fault in self.faults if words not in fault]

    def close(self) -> None:
        """Close all pages, and fail on what went wrong in them."""
        for context in self._contexts:
            context.close()
        assert [] == self.faults

    def picture(self, page: Page, name: str = "", *, whole: bool = False) -> None:
        """Keep a picture of what is seen, where FORESITE_PICTURES says so."""
        folder = os.environ.get("FORESITE_PICTURES")
        if folder:
            path = Path(folder) / f"{self._name}{'-' if name else ''}{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            self._is_listening = False  # Playwright puts a style into the page, which its policy refuses
            page.screenshot(path=path, full_page=whole)
            self._is_listening = True

    def axe(self, page: Page) -> list[str]:
        """Violations of WCAG 2.2 AA that axe finds, each with where it is."""
        self._is_listening = False  # axe tries what the policy refuses
        # Through the debugger, past the content policy of the page: axe is no part of it.
        session = page.context.new_cdp_session(page)
        session.send("Runtime.evaluate", {"expression": AXE.read_text(encoding="utf-8")})
        found = page.evaluate(
            "() => axe.run(document, {preload: false, resultTypes: ['violations'], runOnly: {type: 'tag', values: "
            "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}})"
        )
        self._is_listening = True
        return [
            f"{rule['id']}: {rule['help']}: {node['target']} {node.get('failureSummary', '')[:300]}"
            for rule in found["violations"]
            for node in rule["nodes"][:3]
        ]

    def looks_well(self, page: Page, name: str = "") -> None:
        """No violation and nothing too wide, on a desk and on a phone, by day and by night; a picture of each."""
        for width in ("desktop", "phone"):
            for theme in THEMES:
                self.dress(page, width, theme)
                self.picture(page, f"{name}{'-' if name else ''}{width}-{theme}", whole=True)
                assert [] == self.axe(page), (name, width, theme)
                assert fits(page), (name, width, theme)
        self.dress(page, "desktop", "light")

    def _hear(self, kind: str, text: str) -> None:
        if self._is_listening and kind in ("error", "warning") and not EXPECTED.search(text):
            self.faults.append(f"console {kind}: {text}")


def fits(page: Page) -> bool:
    """Whether nothing makes the page wider than it is."""
    return bool(
        page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    )
