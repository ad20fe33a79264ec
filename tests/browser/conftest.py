"""A real server on a free port and a real Chromium; nothing outside this machine is ever asked."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import URLError

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Playwright, expect, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from tests.conftest import PATIENCE
from tests.strokes import Stroke

ROOT = Path(__file__).parent.parent.parent
REAL_DATA = Path(os.environ.get("DATA_DIR") or ROOT / "data").absolute()
T = TypeVar("T")
NOWHERE = "http://127.0.0.1:9"
"""Nothing listens on the discard port: a proxy there is a machine without a network."""

HAS_MNIST = any((REAL_DATA / "MNIST/raw").glob("train-images*"))

ENDLESS = "preset=course&epochs=200&batch=1"
"""Settings of a training that does not end while a test runs, on whatever images are there."""

SOME_SECONDS = "preset=course&epochs=5" if HAS_MNIST else "preset=course&epochs=60&batch=1&data=uci-digits"
"""Settings of a training that a test waits for, and that goes on long enough for something to happen meanwhile."""

expect.set_options(timeout=1000 * PATIENCE)

FAULTS = ["Traceback", "asked other machines", "ended with status"]
"""What a message says of an app that is wrong, whatever a second try says."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test in a browser that fails is tried once more: two processors do not always paint in time. Its faults count."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.flaky(reruns=1, rerun_except=FAULTS))


def slow_but(quick: T, every: Iterable[T]) -> list[Any]:
    """Parameters of which `make test` takes one, and `make test-slow` the others."""
    return [each if each == quick else pytest.param(each, marks=pytest.mark.slow) for each in every]


@dataclass
class Server:
    """A running app and where it is."""

    url: str
    process: subprocess.Popen[bytes]

    def end(self, number: signal.Signals = signal.SIGTERM) -> float:
        """End it in good order, which status 0 says; returns seconds."""
        started = time.monotonic()
        self.process.send_signal(number)
        status = self.process.wait(timeout=PATIENCE)
        assert status == 0, f"The app ended with status {status}."
        return time.monotonic() - started


def run_journey(journey: Coroutine[Any, Any, T]) -> T:
    """Run it in a thread of its own: Playwright's loop already runs in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, journey).result()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def as_make_run(port: int) -> list[str]:
    """The last command of `make run`, by this Python."""
    command = ["make", "--dry-run", "--no-print-directory", "run", f"PORT={port}"]
    # Not as a part of the make that runs the tests, whose options would be this one's.
    environment = {name: text for name, text in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    lines = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    return [sys.executable, *lines.strip().splitlines()[-1].split()[1:]]


def as_streamlit_run(port: int) -> list[str]:
    """As the README says for Windows."""
    return [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]


def as_replica(port: int) -> list[str]:
    """One of several, without the nginx before it."""
    return [sys.executable, "-m", "deploy.replica", "--port", str(port)]


def as_replicas(port: int) -> list[str]:
    """Two replicas behind nginx, as `make replicas` starts them."""
    return [sys.executable, "-m", "deploy.replicas", "--replicas", "2", "--port", str(port)]


WAYS_OF_STARTING = (as_make_run, as_streamlit_run, as_replica, as_replicas)

USUAL_WAY = as_make_run if shutil.which("make") else as_replica
"""Windows has no make, nor has the README's way there."""


def start_server(
    data_directory: Path,
    log: Path,
    more: Mapping[str, str] | None = None,
    way: Callable[[int], list[str]] = USUAL_WAY,
    port: int = 0,
) -> Server:
    """Start the app in one of several ways, with more in its environment, and wait until it says that it is healthy.

    port: 0 is a free one.
    """
    port = port or free_port()
    # Unlike pages that are tested without a server, this one trains as it does for a class.
    inherited = {name: text for name, text in os.environ.items() if name != "TRAINING_PROCESSES"}
    environment = {**inherited, "DATA_DIR": str(data_directory), "STREAMLIT_SERVER_HEADLESS": "true", **(more or {})}
    environment |= {"http_proxy": NOWHERE, "https_proxy": NOWHERE, "no_proxy": "localhost,127.0.0.1"}
    process = subprocess.Popen(
        way(port),
        cwd=ROOT,
        env=environment,
        stdout=log.open("ab"),
        stderr=subprocess.STDOUT,
    )
    below = environment.get("STREAMLIT_SERVER_BASE_URL_PATH", "")
    url = f"http://localhost:{port}{below and '/'}{below}"
    # Straight to this machine, whatever proxy the environment names.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            direct.open(f"{url}/_stcore/health", timeout=2)
            return Server(url, process)
        except (URLError, OSError):
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                pytest.fail(f"The app did not start:\n{log.read_text()}")
            time.sleep(0.1)


def real_data_or(empty: Path) -> Path:
    """Where MNIST is, where it is at hand."""
    return REAL_DATA if HAS_MNIST else empty


@pytest.fixture(scope="module")
def data_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of own_server: real MNIST where it is at hand, else an empty folder. A module that overrides it visits own_server."""
    return real_data_or(tmp_path_factory.mktemp("no-data"))


@contextmanager
def served(data_directory: Path, log: Path, more: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A server that runs meanwhile; it ends in good order, and without a traceback in its log."""
    running = start_server(data_directory, log, more)
    yield running
    running.end()
    assert "Traceback" not in log.read_text(), log.read_text()


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """The app that most modules visit, and its log."""
    folder = tmp_path_factory.mktemp("shared")
    with served(real_data_or(folder), folder / "log.txt") as running:
        yield running, folder / "log.txt"


@pytest.fixture(scope="module")
def server(shared_server: tuple[Server, Path]) -> Iterator[Server]:
    """The app, with visitors of other modules before; a traceback in its log fails the module during which it came."""
    running, log = shared_server
    before = len(log.read_text())
    yield running
    assert "Traceback" not in log.read_text()[before:], log.read_text()[before:]


@pytest.fixture(scope="module")
def own_server(data_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An app that no other module visits: for what is seen of a whole server, or left behind in it."""
    with served(data_directory, tmp_path_factory.mktemp("server") / "log.txt") as running:
        yield running


def launch(playwright: Playwright) -> Browser:
    """The machine's Chromium, else Playwright's own; it asks no proxy, for all it visits is on this machine."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-proxy-server"]
    # Else each window has a page for its address bar, which nobody sees and which costs as much as a page of the app.
    bare = "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup"
    return playwright.chromium.launch(executable_path=found, args=[*quiet, bare])


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The machine's Chromium, else Playwright's own; in CI a missing one is a failure."""
    with sync_playwright() as playwright:
        try:
            browser = launch(playwright)
        except Exception as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"No Chromium: {error}")
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A fresh visitor at a laptop, who never asks anything of another machine."""
    visitor = chromium.new_context(viewport={"width": 1366, "height": 768})
    strangers: list[str] = []
    visitor.on("request", lambda request: strangers.append(request.url) if is_elsewhere(request.url) else None)
    yield visitor
    visitor.close()
    assert not strangers, f"The page asked other machines: {strangers}"


def is_elsewhere(url: str) -> bool:
    return url.startswith(("http", "ws")) and "//localhost:" not in url


@pytest.fixture
def page(context: BrowserContext, server: Server) -> Page:
    """A tab that has not been anywhere yet; `open_page` takes it somewhere."""
    return context.new_page()


def open_page(page: Page, server: Server, path: str = "") -> None:
    """Open a page by its address and wait until its script has ended."""
    page.goto(f"{server.url}/{path}")
    settled(page)


def settled(page: Page) -> None:
    """Wait until no script runs."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def eventually(page: Page, condition: Callable[[], bool]) -> None:
    """Wait until a condition holds that no locator can express."""
    deadline = time.monotonic() + PATIENCE
    reason = ""
    while True:
        try:
            if condition():
                return
        except (PlaywrightError, AssertionError, LookupError) as error:  # while a page runs, a part is there twice, or not yet
            reason = str(error)
        if time.monotonic() > deadline:
            pytest.fail(f"The condition that this test waits for never came true. {reason}")
        page.wait_for_timeout(50)


def until(page: Page, expression: str) -> None:
    """Wait until JavaScript is true; Playwright's own wait_for_function would need the page to allow eval."""
    eventually(page, lambda: bool(page.evaluate(expression)))


def canvas_of(page: Page) -> Locator:
    # The last: after Clear the old canvas leaves a moment later than the new one comes.
    canvas = page.locator(".st-key-canvas canvas.upper-canvas").last
    canvas.wait_for()
    return canvas


def clear(page: Page, label: str = "Clear") -> None:
    """Begin another drawing: wait until the old canvas is gone, on which one could still draw. label: of the button."""
    old = canvas_of(page).element_handle()
    assert old
    page.get_by_role("button", name=label).click()
    eventually(page, lambda: not old.evaluate("canvas => canvas.isConnected"))
    settled(page)


def draw(page: Page, strokes: list[Stroke]) -> None:
    """Draw with the pointer, in canvas pixels; a phone shows the canvas at another size."""
    # In a tab behind another one, Chromium takes a second for each move of the pointer.
    page.bring_to_front()
    box = canvas_of(page).bounding_box()
    assert box
    scale = box["width"] / 320
    for stroke in strokes:
        page.mouse.move(box["x"] + scale * stroke[0][0], box["y"] + scale * stroke[0][1])
        page.mouse.down()
        for x, y in stroke[1:]:
            page.mouse.move(box["x"] + scale * x, box["y"] + scale * y)
        page.mouse.up()


def final_score(page: Page) -> str:
    """The score once it no longer changes: it moves with the pen, and the canvas sends its drawing a moment later."""
    expect(page.locator(".st-key-score")).to_be_visible()
    return str(
        page.evaluate(
            """() => new Promise(done => {
                let last = "", since = performance.now();
                const look = () => {
                    const text = document.querySelector(".st-key-score")?.innerText ?? "";
                    if (text !== last) [last, since] = [text, performance.now()];
                    performance.now() - since > 1000 ? done(last) : requestAnimationFrame(look);
                };
                look();
            })"""
        )
    )


def number_in(page: Page, key: str) -> float:
    """The plain number in the container with this key."""
    return float(page.locator(f".st-key-{key}").inner_text())
