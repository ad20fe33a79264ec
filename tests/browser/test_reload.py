"""A reload brings back what the visitor had; tabs of one browser share it; to start afresh forgets it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import (
    ENDLESS,
    SOME_SECONDS,
    Server,
    canvas_of,
    draw,
    eventually,
    final_score,
    open_page,
    settled,
    slow_but,
    start_server,
)
from tests.strokes import WAYS, on_canvas

SEVEN, FIVE = (on_canvas(WAYS[digit][0]) for digit in (7, 5))


@pytest.fixture
def nothing_trains_afterwards(context: BrowserContext, server: Server) -> Iterator[None]:
    """A training that goes on would slow the next test."""
    yield
    leaving = context.new_page()
    open_page(leaving, server)
    start_afresh(leaving)


def start_afresh(page: Page) -> None:
    page.locator(".st-key-hideable-help button").first.click()
    with page.expect_navigation():
        page.locator(".st-key-start-afresh button").first.click()
    settled(page)


def reload(page: Page) -> None:
    page.reload()
    settled(page)


def batches(page: Page) -> int:
    """How many batches are trained, by the sentence on Train."""
    found = re.search(r"epoch ([\d,]+) of [\d,]+, batch ([\d,]+) of ([\d,]+)", page.locator(".st-key-job-status").inner_text())
    assert found
    epoch, batch, of_epoch = (int(number.replace(",", "")) for number in found.groups())
    return (epoch - 1) * of_epoch + batch


def start_training(page: Page, server: Server) -> None:
    open_page(page, server, f"train?{ENDLESS}")
    page.locator(".st-key-start button").click()
    expect(page.locator(".st-key-job-status")).to_contain_text("Training: epoch")


@pytest.mark.usefixtures("nothing_trains_afterwards")
def test_a_training_goes_on_through_a_reload(page: Page, server: Server) -> None:
    start_training(page, server)
    before = batches(page)
    reload(page)
    expect(page.locator(".st-key-job-status")).to_contain_text("Training: epoch")
    after = batches(page)
    assert after >= before
    eventually(page, lambda: batches(page) > after)
    expect(page.locator(".st-key-epochs")).to_contain_text("200")
    expect(page.locator(".st-key-detector-line")).to_contain_text("in training")

    # From whatever page, and by its address.
    open_page(page, server, "browse")
    expect(page.locator(".st-key-job-line")).to_contain_text("Training: epoch")
    open_page(page, server, "train")
    page.locator(".st-key-button-stop button").click()
    expect(page.locator(".st-key-detector-line")).to_contain_text("run 1")


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_trains_afterwards")
def test_runs_and_the_detector_in_use_stay_whatever_the_link_asked_for(page: Page, server: Server) -> None:
    open_page(page, server, f"train?{SOME_SECONDS}&lang=fr")
    page.locator(".st-key-start button").click()
    line = page.locator(".st-key-detector-line")
    expect(line).to_contain_text("entraînement")
    page.locator(".st-key-button-stop button").click()
    expect(line).to_contain_text("essai 1")
    settled(page)
    title = line.get_by_test_id("stPopover").first.inner_text()
    expect(page.locator(".st-key-hideable-runs canvas").first).to_be_visible()
    reload(page)
    assert line.get_by_test_id("stPopover").first.inner_text() == title
    expect(page.locator(".st-key-hideable-runs canvas").first).to_be_visible()
    # A link without a language, after a tab was closed.
    page.goto("about:blank")
    open_page(page, server, "browse")
    assert line.get_by_test_id("stPopover").first.inner_text() == title
    expect(page.locator("html")).to_have_attribute("lang", "fr")


@pytest.mark.slow
def test_the_threshold_in_use_stays_whatever_the_link_asked_for(page: Page, server: Server) -> None:
    line = page.locator(".st-key-detector-line")
    open_page(page, server, "evaluate?normal=3&threshold=0.0321")
    page.locator("summary").filter(has_text="Four outcomes").click()
    expect(line).to_contain_text("own threshold 0.0321")
    page.get_by_role("button", name="Back to the calibrated threshold").click()
    expect(line).not_to_contain_text("own threshold")
    expect(page).to_have_url(f"{server.url}/evaluate")
    reload(page)
    expect(line).to_contain_text("Detector: 3")
    expect(line).not_to_contain_text("own threshold")

    open_page(page, server, "evaluate?normal=4")
    page.locator("summary").filter(has_text="Four outcomes").click()
    page.get_by_role("button", name="Best F1, with the answers").click()
    page.get_by_role("button", name="Use this threshold").click()
    expect(line).to_contain_text("own threshold")
    expect(page).to_have_url(f"{server.url}/evaluate")
    reload(page)
    expect(line).to_contain_text("Detector: 4")
    expect(line).to_contain_text("own threshold")


def test_the_lesson_stays_where_it_was_and_back_goes_a_step_back(page: Page, server: Server) -> None:
    open_page(page, server)
    page.get_by_test_id("stTopNav").get_by_role("link", name="Learn").click()
    title = page.get_by_role("heading", level=2)
    for number in (2, 3, 4):
        page.get_by_role("button", name="Next", exact=True).click()
        expect(title).to_contain_text(f"{number}. ")
        expect(page).to_have_url(f"{server.url}/learn?step={number}")
    reload(page)
    expect(title).to_contain_text("4. ")
    page.go_back()
    expect(title).to_contain_text("3. ")
    page.go_back()
    expect(title).to_contain_text("2. ")
    page.go_forward()
    expect(title).to_contain_text("3. ")
    page.get_by_role("button", name="Next", exact=True).click()
    expect(title).to_contain_text("4. ")
    expect(page).to_have_url(f"{server.url}/learn?step=4")
    page.go_back()
    page.go_back()
    expect(title).to_contain_text("2. ")
    page.go_back()
    expect(title).to_contain_text("1. ")
    page.go_back()
    expect(page).to_have_url(f"{server.url}/")

    open_page(page, server, "learn?step=4")
    page.get_by_role("button", name="Next", exact=True).click()
    expect(title).to_contain_text("5. ")
    page.get_by_test_id("stTopNav").get_by_role("link", name="Home").click()
    expect(page).to_have_url(f"{server.url}/")
    page.get_by_test_id("stTopNav").get_by_role("link", name="Learn").click()
    expect(title).to_contain_text("5. ")
    page.goto("about:blank")
    open_page(page, server, "learn")
    expect(title).to_contain_text("5. ")


def test_quick_clicks_go_as_many_steps(page: Page, server: Server) -> None:
    open_page(page, server, "learn?step=1")
    onward = page.get_by_role("button", name="Next", exact=True)
    onward.click()
    page.get_by_test_id("stPagination").get_by_text("5", exact=True).click()
    expect(page.get_by_role("heading", level=2)).to_contain_text("5. ")
    settled(page)
    expect(page.get_by_role("heading", level=2)).to_contain_text("5. ")
    expect(page).to_have_url(f"{server.url}/learn?step=5")


def ink(page: Page) -> int:
    """How many pixels of the canvas are not black."""
    layer = canvas_of(page)
    layer.wait_for()
    return int(
        layer.evaluate(
            """upper => [...upper.getRootNode().querySelectorAll("canvas")].reduce((sum, canvas) => {
                const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
                for (let place = 0; place < pixels.length; place += 4) sum += pixels[place] > 100;
                return sum;
            }, 0)"""
        )
    )


def cards(page: Page) -> int:
    """How many drawings are on the strip; the cards before it are the ten detectors'."""
    return page.locator(".cards .opinion", has_text="drawing").count()


def test_a_drawing_comes_back_and_goes_on(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    draw(page, SEVEN)
    score = final_score(page)
    eventually(page, lambda: cards(page) == 1)
    drawn = ink(page)
    assert drawn > 1000
    reload(page)
    assert final_score(page) == score
    eventually(page, lambda: abs(ink(page) - drawn) < 0.05 * drawn)
    assert cards(page) == 1

    # Another stroke belongs to the same drawing.
    draw(page, [[(40.0, 40.0), (60.0, 60.0), (80.0, 40.0)]])
    eventually(page, lambda: page.locator(".st-key-score").inner_text() != score)
    final_score(page)
    assert cards(page) == 1
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".st-key-score")).to_have_count(0)
    reload(page)
    eventually(page, lambda: ink(page) == 0)
    assert cards(page) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_trains_afterwards")
def test_two_tabs_share_one_training(page: Page, server: Server, context: BrowserContext) -> None:
    start_training(page, server)
    second = context.new_page()
    open_page(second, server, "train")
    expect(second.locator(".st-key-job-status")).to_contain_text("Training: epoch")
    second.locator(".st-key-button-pause button").click()
    expect(second.locator(".st-key-job-status")).to_contain_text("Paused")
    expect(page.locator(".st-key-job-status")).to_contain_text("Paused")
    page.bring_to_front()
    page.locator(".st-key-start button").click()
    expect(page.locator(".st-key-job-status")).to_contain_text("Training: epoch")
    second.bring_to_front()
    reload(second)
    second.locator(".st-key-button-stop button").click()
    expect(second.locator(".st-key-detector-line")).to_contain_text("run 1")
    expect(page.locator(".st-key-detector-line")).to_contain_text("run 1")
    reload(page)
    expect(page.locator(".st-key-detector-line")).to_contain_text("run 1")
    expect(page.get_by_text("run 2")).to_have_count(0)


def test_two_tabs_draw_without_taking_each_others_strokes(page: Page, server: Server, context: BrowserContext) -> None:
    second = context.new_page()
    open_page(page, server, "draw")
    open_page(second, server, "draw")
    draw(page, SEVEN)
    first_score = final_score(page)
    draw(second, FIVE)
    second_score = final_score(second)
    assert first_score != second_score
    # A tab in which nobody draws keeps what it shows, and takes up the other's drawing when it is opened again.
    assert page.locator(".st-key-score").inner_text() == first_score
    drawn = ink(second)
    reload(page)
    assert final_score(page) == second_score
    eventually(page, lambda: abs(ink(page) - drawn) < 0.05 * drawn)


@pytest.mark.slow
def test_to_start_afresh_forgets_everything_in_every_tab(page: Page, server: Server, context: BrowserContext) -> None:
    open_page(page, server, "draw")
    draw(page, SEVEN)
    final_score(page)
    second = context.new_page()
    start_training(second, server)
    start_afresh(page)
    expect(page).to_have_url(f"{server.url}/")
    expect(page.locator(".st-key-detector-line")).to_contain_text("Best detector")
    expect(second).to_have_url(f"{server.url}/")  # its page looks twice a second
    expect(second.locator(".st-key-detector-line")).to_contain_text("Best detector")
    open_page(page, server, "draw")
    expect(page.locator(".st-key-score")).to_have_count(0)
    assert ink(page) == 0
    assert cards(page) == 0


def test_the_cookie_says_nothing_and_no_script_reads_it(page: Page, server: Server) -> None:
    open_page(page, server)
    port = server.url.rpartition(":")[2]
    [cookie] = [cookie for cookie in page.context.cookies() if cookie["name"] == f"visitor-{port}"]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
    assert re.fullmatch(r"[\w-]{32}\.[0-9a-f]{64}", cookie["value"])
    assert "visitor" not in page.evaluate("document.cookie")


@pytest.mark.parametrize("change", slow_but("forged", ["forged", "empty", "foreign"]))
def test_a_cookie_that_was_not_handed_out_is_nobodys(change: str, page: Page, server: Server, chromium: Browser) -> None:
    open_page(page, server, "draw")
    draw(page, SEVEN)
    final_score(page)
    port = server.url.rpartition(":")[2]
    [cookie] = [cookie for cookie in page.context.cookies() if cookie["name"] == f"visitor-{port}"]
    token, _, signature = cookie["value"].partition(".")
    value = {"forged": f"{token}.{signature[::-1]}", "empty": "", "foreign": f"{token[::-1]}.{signature}"}[change]
    stranger = chromium.new_context()
    try:
        stranger.add_cookies([{"name": cookie["name"], "value": value, "url": server.url}])
        theirs = stranger.new_page()
        open_page(theirs, server, "draw")
        expect(theirs.locator(".st-key-verdict")).to_be_visible()
        assert cards(theirs) == 0
        expect(theirs.locator(".st-key-score")).to_have_count(0)
        [given] = [cookie for cookie in stranger.cookies() if cookie["name"] == f"visitor-{port}"]
        assert given["value"] not in (value, cookie["value"])
    finally:
        stranger.close()


@pytest.mark.slow
def test_the_password_is_asked_for_once_a_browser(chromium: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLASS_PASSWORD", "anomaly")
    server = start_server(tmp_path, tmp_path / "log.txt")
    first, second = chromium.new_context(), chromium.new_context()
    try:
        page = first.new_page()
        open_page(page, server)
        page.locator("input[type=password]").fill("anomaly")
        page.get_by_role("button", name="Come in").click()
        expect(page.locator(".st-key-detector-line")).to_be_visible()
        reload(page)
        expect(page.locator(".st-key-detector-line")).to_be_visible()
        beside = first.new_page()
        open_page(beside, server, "draw")
        expect(beside.locator(".st-key-canvas")).to_be_visible()

        stranger = second.new_page()
        open_page(stranger, server, "draw")
        expect(stranger.locator("input[type=password]")).to_be_visible()
        expect(stranger.locator(".st-key-canvas")).to_have_count(0)

        start_afresh(page)
        expect(page.locator("input[type=password]")).to_be_visible()
        expect(beside.locator("input[type=password]")).to_be_visible()
        expect(beside.locator(".st-key-canvas")).to_have_count(0)
        assert not any("anomaly" in cookie["value"] for cookie in first.cookies())
    finally:
        first.close()
        second.close()
        server.end()
