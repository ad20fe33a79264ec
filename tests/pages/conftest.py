"""Pages run by Streamlit's AppTest, as a server runs them; nothing is ever asked of a network."""

import logging
import re
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import streamlit.testing.v1.app_test as app_test
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Block, Html, Selectbox
from streamlit.util import calc_hash

from core import checkpoint
from core.data.datasets import DataSet
from core.detector import AutoencoderDetector
from core.presets import Shipped
from pages.shared.navigation import PAGES
from pages.shared.state import detectors, keys, uploads
from pages.shared.state.lesson import Lesson
from pages.shared.state.visitor import Choice, Tab, Visitor
from tests.conftest import REAL_DATA

NAMES = tuple(entry.name for entry in PAGES if not entry.for_teacher)
"""The pages of every visitor."""

ROOT = Path(__file__).parent.parent.parent
NOWHERE = "http://127.0.0.1:9"
"""Nothing listens on the discard port: a proxy there is a machine without a network."""


class ServedPages(PagesManager):
    """Takes AppTest's resetting of `uses_pages_directory` upon itself.

    A server turns the discovery of pages/ off before it answers and for good; AppTest turns it on again before each run.
    """


# AppTest asks widgets for their labels between runs, when there is no session; that is no fault.
for source in ("scriptrunner_utils.script_run_context", "state.session_state_proxy"):
    logging.getLogger(f"streamlit.runtime.{source}").disabled = True


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """For the whole session, since a download outlives the test that began it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            patch.setenv(name, NOWHERE)
        yield


@pytest.fixture(scope="session", autouse=True)
def components_are_looked_for_once() -> Iterator[None]:
    """As by a server; AppTest reads for each visitor what all installed packages say of themselves, for half a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture(autouse=True)
def as_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PagesManager, "uses_pages_directory", False)
    monkeypatch.setattr(app_test, "PagesManager", ServedPages)
    titles: dict[Choice, str] = {}
    title = detectors.choice_title

    def remembered(chosen: Choice) -> str:
        """A browser has the titles that the run sent; AppTest asks for them again, without the session."""
        if get_script_run_ctx(suppress_warning=True):
            titles[chosen] = title(chosen)
        return titles[chosen]

    monkeypatch.setattr(detectors, "choice_title", remembered)


@pytest.fixture
def without_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """DATA_DIR is an empty folder."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def with_mnist(mnist: DataSet, monkeypatch: pytest.MonkeyPatch) -> DataSet:
    """DATA_DIR has the real MNIST, else the test is skipped."""
    monkeypatch.setenv("DATA_DIR", str(REAL_DATA))
    return mnist


@pytest.fixture(scope="session")
def best() -> AutoencoderDetector:
    """The detector that is in use until a visitor chooses another, read from its file."""
    return checkpoint.read(Shipped("best", "mnist", 5).path).detector


def open_page(name: str = "home") -> AppTest:
    """A new visitor on a page, which ran without an exception."""
    return go_to(AppTest.from_file(str(ROOT / "app.py"), default_timeout=60.0), name)


def go_to(app: AppTest, name: str) -> AppTest:
    """The same visitor on another page."""
    return checked(switch_page(app, name).run())


def switch_page(app: AppTest, name: str) -> AppTest:
    """What the next run is of; AppTest itself knows pages by their files only, and Streamlit by their paths."""
    assert name in {entry.name for entry in PAGES}
    app._page_hash = calc_hash(name)
    return app


def checked(app: AppTest) -> AppTest:
    assert not app.exception, [error.value for error in app.exception]
    return app


def noting_turns(patch: pytest.MonkeyPatch, module: Any, name: str) -> list[bool]:
    """Whether each call of a module's reader of files is one of as many as may read at a time."""
    turn, read = threading.Semaphore(1), getattr(module, name)
    had_turn: list[bool] = []
    patch.setattr(uploads, "reading_files", lambda: turn)

    def noted(*given: Any) -> Any:
        if is_free := turn.acquire(blocking=False):
            turn.release()
        had_turn.append(not is_free)
        return read(*given)

    patch.setattr(module, name, noted)
    return had_turn


def visitor_of(app: AppTest) -> Visitor:
    """What the visitor has."""
    return app.session_state[keys.VISITOR]  # type: ignore[no-any-return]


def lesson_of(app: AppTest) -> Lesson:
    """What was said of what the lesson is about."""
    return visitor_of(app).lessons[tab_of(app).lesson_about]


def tab_of(app: AppTest) -> Tab:
    """What the tab knows."""
    return app.session_state[keys.TAB]  # type: ignore[no-any-return]


def inside(app: AppTest, key: str) -> Block:
    """The container with this key."""
    block = app.get_by_key(key)
    assert isinstance(block, Block)
    return block


def has(app: AppTest, key: str) -> bool:
    """Whether something with this key is on the page."""
    return any(getattr(node, "key", None) == key for node in app.main)


def plain(html: str) -> str:
    """HTML without its tags."""
    return re.sub(r"<[^>]+>", "", html)


def html_of(block: Block | AppTest) -> list[str]:
    """All pieces of HTML, in order."""
    return [element.value for element in block.get("html") if isinstance(element, Html)]


def number_in(app: AppTest, key: str) -> float:
    """The plain number in the container with this key."""
    return float(plain(html_of(inside(app, key))[0]))


def verdicts(app: AppTest) -> list[str]:
    """The words of all badges on the page, in order."""
    return [word for html in html_of(app) for word in re.findall(r'class="badge \w+">(\w+)', html)]


def detector_box(app: AppTest) -> Selectbox:
    """The box in which another detector is chosen."""
    return next(box for box in app.selectbox if box.label == "Detector in use")


def detector_line(app: AppTest) -> str:
    """What the line on every page says of the detector in use."""
    popover: Any = next(node for node in inside(app, "detector-line") if getattr(node, "type", "") == "popover")
    return str(popover.proto.popover.label)
