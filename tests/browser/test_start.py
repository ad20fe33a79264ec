"""The first seconds of a server and its last: nobody is shown a page that is not the app's, and it ends in good order."""

import asyncio
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from pages.shared.navigation import PAGES
from tests.browser.conftest import (
    ENDLESS,
    USUAL_WAY,
    WAYS_OF_STARTING,
    Server,
    as_make_run,
    as_replicas,
    canvas_of,
    open_page,
    run_journey,
    slow_but,
    start_server,
)
from tests.conftest import WaitUntil
from tests.load.visitor import Visitor

Way = Callable[[int], list[str]]
VISITORS = 24
PASSWORD, TOKEN = "anomaly", "token-of-the-teacher"


@pytest.fixture(params=slow_but(USUAL_WAY, WAYS_OF_STARTING), ids=lambda way: way.__name__)
def way(request: pytest.FixtureRequest) -> Way:
    chosen: Way = request.param
    if chosen is as_make_run and not shutil.which("make"):
        pytest.skip("There is no make.")
    if chosen is as_replicas and not shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"):
        pytest.skip("There is no nginx: apt-get install nginx-light")
    return chosen


async def come_at_once(server: Server) -> list[Visitor]:
    """Visitors over all pages, who do not wait for one another."""
    names = [entry.path for entry in PAGES]
    visitors = [Visitor(server.url) for _ in range(VISITORS)]
    await asyncio.gather(*(visitor.arrive(names[number % len(names)]) for number, visitor in enumerate(visitors)))
    return visitors


def shown(visitor: Visitor) -> set[str]:
    """The kinds of elements on the page, but for style."""
    return {part.kind for part in visitor.parts.values()} - {"html", "vertical", "flex_container"}


async def every_one_is_asked(server: Server) -> None:
    visitors = await come_at_once(server)
    for visitor in visitors:
        for _again in range(2):
            assert "This class has a password." in visitor.texts(), visitor.page
            assert "Detector" not in visitor.texts()
            assert not {"bidi_component", "plotly_chart", "metric", "page_link", "progress"} & shown(visitor), visitor.page
            assert not re.search("Open tabs|Canvas|Draw a digit", visitor.texts())
            await visitor.run_again()
        await visitor.run_fragments()
        assert "This class has a password." in visitor.texts(), visitor.page
    for visitor in visitors:
        await visitor.close()


def test_the_password_is_asked_of_every_first_visitor(way: Way, tmp_path: Path) -> None:
    server = start_server(tmp_path, tmp_path / "log.txt", {"CLASS_PASSWORD": PASSWORD, "STATUS_TOKEN": TOKEN}, way)
    try:
        run_journey(every_one_is_asked(server))
    finally:
        server.end(signal.SIGINT)


async def every_one_sees_the_app(server: Server) -> None:
    visitors = await come_at_once(server)
    for visitor in visitors:
        assert {entry.path for entry in PAGES if not entry.for_teacher} <= set(visitor.pages), visitor.page
        assert "Detector: 5" in visitor.texts(), visitor.page
        assert any(".badge" in html for html in visitor.htmls()), "no style"
        await visitor.close()


async def two_train_while_it_ends(server: Server, number: signal.Signals) -> float:
    """Seconds that it takes to end."""
    visitors = [await Visitor(server.url).arrive("train", ENDLESS) for _ in range(2)]
    for visitor in visitors:
        await visitor.press("Start")
    for visitor in visitors:
        await visitor.wait(lambda visitor=visitor: "Training: epoch" in visitor.texts() or "Waiting" in visitor.texts())
    seconds = await asyncio.to_thread(server.end, number)
    for visitor in visitors:
        await visitor.close()
    return seconds


def test_every_first_visitor_sees_the_app_which_ends_in_good_order_amid_trainings(way: Way, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    server = start_server(tmp_path, log, way=way)
    run_journey(every_one_sees_the_app(server))
    run_journey(two_train_while_it_ends(server, signal.SIGTERM))
    assert not re.search("Traceback|terminate called", log.read_text())


@pytest.mark.slow
def test_ctrl_c_amid_trainings(way: Way, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    run_journey(two_train_while_it_ends(start_server(tmp_path, log, way=way), signal.SIGINT))
    assert not re.search("Traceback|terminate called", log.read_text())


@pytest.mark.slow
def test_a_visitor_who_does_not_answer_does_not_keep_the_server(tmp_path: Path) -> None:
    server = start_server(tmp_path, tmp_path / "log.txt")

    async def freeze_while_it_ends() -> None:
        visitor = await Visitor(server.url).arrive("draw")
        visitor.freeze()
        await asyncio.to_thread(server.end)

    run_journey(freeze_while_it_ends())


@pytest.mark.slow
def test_the_address_is_told_when_a_page_answers_at_once(
    context: BrowserContext, tmp_path: Path, wait_until: WaitUntil
) -> None:
    log = tmp_path / "log.txt"
    server = start_server(tmp_path, log)
    try:
        wait_until(lambda: server.url in log.read_text())
        told = log.read_text()
        assert told.index("Loading the pages") < told.index(f"See the anomaly is at {server.url}")
        assert "restart streamlit" not in told, "the options are read once, as the command line has them"
        page = context.new_page()
        open_page(page, server, "draw")
        expect(page.get_by_test_id("stSidebar")).to_have_count(0)
        canvas_of(page)
    finally:
        server.end()
