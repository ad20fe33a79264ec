"""A server's first visit and its end: from the address that it prints to a page that can be used; the last seconds.

`python -m tests.load.first_visit` starts a server for each visit as `make run` does, and opens Home or Draw at once.
With `--pictures FOLDER` it also keeps what is on screen every 200 ms, which makes the browser slower.
Then it ends a server in which two train, by SIGTERM and by Ctrl-C.
"""

import argparse
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import NOWHERE, REAL_DATA, ROOT, Server, as_make_run, free_port, launch, run_journey
from tests.browser.test_start import two_train_while_it_ends
from tests.conftest import PATIENCE
from tests.load.server import Row, show

LIMIT = 1500.0
"""Milliseconds from the address to a page that can be used."""

ENDS_WITHIN = 5.0
"""Seconds from the signal to the end of a server in which two train."""

PICTURES = 0.2
"""Seconds from one picture to the next."""

LEADS_ON = "() => [...document.querySelectorAll('[data-testid=stPageLink] a')].find(link => link.href.endsWith('/draw'))"
HAS_CANVAS = """() => {
    const inside = root => root.querySelector("canvas.upper-canvas")
        ?? [...root.querySelectorAll(".st-key-canvas *")].map(each => each.shadowRoot && inside(each.shadowRoot)).find(Boolean);
    return inside(document);
}"""
USABLE = {"": LEADS_ON, "draw": HAS_CANVAS}
"""The paths, and what is to be there: on Home the link to Draw, on Draw the canvas."""

WATCH = """(() => {
    const found = %s;
    const seen = (window.firstVisit = { usable: null, hasSideBar: false, blank: 0 });
    const now = () => performance.timeOrigin + performance.now();
    let last = now();
    const look = () => {
        const body = document.body;
        if (body?.innerText.trim() || document.querySelector("[data-testid*=Skeleton], canvas")) last = now();
        seen.blank = Math.max(seen.blank, now() - last);
        seen.hasSideBar ||= !!document.querySelector("[data-testid=stSidebar]");
        if (body && found()?.getBoundingClientRect().width > 0) seen.usable = now();
        else setTimeout(look, 20);
    };
    look();
})()"""
"""In the page, by its own clock: when it can be used, whether it had a side bar, and for how long it showed nothing."""


@dataclass(frozen=True)
class Visit:
    """Milliseconds until the page could be used, and of showing nothing at a time."""

    usable: float
    blank: float
    has_side_bar: bool

    def as_row(self, what: str) -> Row:
        side_bar = "a side bar was seen" if self.has_side_bar else "no side bar was seen"
        detail = f"{side_bar}; blank for {self.blank:.0f} ms at most"
        return Row(what, f"<= {LIMIT:g} ms", f"{self.usable:.0f} ms", self.usable <= LIMIT, detail)


@contextmanager
def just_started() -> Iterator[tuple[Server, float]]:
    """A server as `make run` starts it, and the time at which it printed its address."""
    port = free_port()
    environment = {**os.environ, "DATA_DIR": str(REAL_DATA), "STREAMLIT_SERVER_HEADLESS": "true"}
    environment |= {"http_proxy": NOWHERE, "https_proxy": NOWHERE, "no_proxy": "localhost,127.0.0.1"}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log.txt")
        with log.open("wb") as output:
            process = subprocess.Popen(as_make_run(port), cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
        server, deadline = Server(f"http://localhost:{port}", process), time.monotonic() + PATIENCE
        while f"is at {server.url}" not in log.read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise SystemExit(f"The app did not start:\n{log.read_text()}")
            time.sleep(0.005)
        try:
            yield server, time.time()
        finally:
            if process.poll() is None:
                server.end()


def watch(page: Page, told: float, pictures: str) -> Visit:
    """Wait until the page can be used. pictures: what the files' names begin with, or nothing for none."""
    while not (found := page.evaluate("window.firstVisit"))["usable"]:
        if time.time() > told + PATIENCE:
            raise SystemExit(f"{page.url} could not be used within {PATIENCE:g} s.")
        begun = time.monotonic()
        if pictures:
            page.screenshot(path=f"{pictures}-{1000 * (time.time() - told):05.0f}.png")
        page.wait_for_timeout(1000 * max(0.0, PICTURES - (time.monotonic() - begun)))
    if pictures:
        page.screenshot(path=f"{pictures}-{1000 * (time.time() - told):05.0f}.png")
    return Visit(found["usable"] - 1000 * told, found["blank"], found["hasSideBar"])


def visit(browser: Browser, path: str, pictures: str) -> Visit:
    """Open one page of a server just started."""
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    page.add_init_script(WATCH % USABLE[path])
    with just_started() as (server, told):
        page.goto(f"{server.url}/{path}", wait_until="commit")
        found = watch(page, told, pictures)
        page.close()
    return found


def end_amid_trainings(number: signal.Signals) -> Row:
    with just_started() as (server, _told):
        seconds = run_journey(two_train_while_it_ends(server, number))
    return Row(f"ended by {number.name}", f"<= {ENDS_WITHIN:g} s", f"{seconds:.1f} s", seconds <= ENDS_WITHIN)


def main(visits: int, folder: Path | None) -> bool:
    rows: list[Row] = []
    with sync_playwright() as playwright:
        browser = launch(playwright)
        browser.new_page().goto("about:blank")  # a person's browser is open already
        for number in range(1, visits + 1):
            for path in USABLE:
                name = path or "home"
                pictures = str(folder / f"{name}-{number}") if folder else ""
                rows.append(visit(browser, path, pictures).as_row(f"{name.capitalize()}, visit {number}"))
        browser.close()
    ends = [end_amid_trainings(number) for number in (signal.SIGTERM, signal.SIGINT)]
    is_quick = show("From the printed address to a page that can be used", rows)
    return show("The end of a server in which two train", ends) and is_quick


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visits", type=int, default=3, help="of each page, each to a server of its own")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="keep what is on screen every 200 ms here")
    asked = parser.parse_args()
    raise SystemExit(0 if main(asked.visits, asked.pictures) else 1)
