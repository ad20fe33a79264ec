"""The projector's layout: one screen without scrolling, and text that is read from the last row."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from core.ideas import IDEAS
from pages.shared.i18n.text import LANGUAGES
from pages.shared.state.lesson import STEPS
from tests.browser.conftest import Server, draw, final_score, open_page, settled, until
from tests.browser.test_lesson import answer
from tests.strokes import WAYS, on_canvas

pytestmark = pytest.mark.journey

SIZES = ((1366, 768), (1920, 1080))
LINK = "view=projector&data=uci-digits&preset=course&epochs=200&hidden=1024,1024"

SMALL_TEXT = """() => {
    const found = [];
    const walker = document.createTreeWalker(document.querySelector("[data-testid=stMain]"), NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const parent = node.parentElement, box = parent.getBoundingClientRect(), style = getComputedStyle(parent);
        if (!node.textContent.trim() || !box.width || !box.height || style.visibility === "hidden") continue;
        if (parent.closest(".st-key-detector-line, style, script, h1")) continue;
        if (parseFloat(style.fontSize) < innerHeight / 30) found.push(`${style.fontSize}: ${node.textContent.trim()}`);
    }
    return found;
}"""


def on_one_screen(page: Page) -> None:
    until(page, "document.querySelector('[data-testid=stMain]').scrollHeight <= innerHeight")
    widest = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth - innerWidth")
    assert widest <= 0


@pytest.fixture(params=SIZES, ids=["1366x768", "1920x1080"])
def page(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[Page]:
    width, height = request.param
    opened = chromium.new_page(viewport={"width": width, "height": height}, reduced_motion="reduce")
    yield opened
    opened.close()


def test_train_shows_the_curve_and_large_reconstructions(page: Page, server: Server) -> None:
    open_page(page, server, f"train?{LINK}")
    on_one_screen(page)
    page.get_by_role("button", name="Start").click()
    until(page, "document.querySelector('.js-plotly-plot')?.data?.length >= 3")
    expect(page.locator(".st-key-learning .grid .pic")).to_have_count(16)
    on_one_screen(page)
    assert page.evaluate(SMALL_TEXT) == []
    least = page.evaluate(
        "Math.min(...[...document.querySelectorAll('.grid .pic')].map(each => each.clientHeight / innerHeight))"
    )
    assert least > 0.13, "a reconstruction is seen from the last row"
    before = page.locator(".st-key-learning .grid .pic").nth(1).get_attribute("src")
    expect(page.locator(".st-key-learning .grid .pic").nth(1)).not_to_have_attribute("src", before or "")
    page.get_by_role("button", name="Reset").click()
    settled(page)


def test_draw_shows_canvas_verdict_and_pictures(page: Page, server: Server) -> None:
    open_page(page, server, "draw?view=projector")
    draw(page, on_canvas(WAYS[7][0]))
    final_score(page)
    on_one_screen(page)
    assert page.evaluate(SMALL_TEXT) == []
    side = page.evaluate("document.querySelector('.st-key-canvas').getBoundingClientRect().height / innerHeight")
    assert side > 0.7


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_step_of_the_lesson_is_one_screen_before_and_after_its_answer(language: str, page: Page, server: Server) -> None:
    open_page(page, server, f"learn?view=projector&step=1&lang={language}")
    for step in range(1, STEPS + 1):
        expect(page.get_by_role("heading", level=2)).to_contain_text(f"{step}. ")
        settled(page)
        on_one_screen(page)
        answer(page)
        expect(page.locator(".st-key-lesson-answer")).to_be_visible()
        for number in range(2, len(IDEAS) + 1) if step == 8 else ():  # with all that its button adds
            page.locator(".st-key-lesson").get_by_test_id("stBaseButton-secondary").click()
            expect(page.locator(".figures tbody tr")).to_have_count(number)
        on_one_screen(page)
        assert page.evaluate(SMALL_TEXT) == [], f"step {step}"
        if step < STEPS:
            page.locator(".st-key-lesson-steps").get_by_test_id("stBaseButton-primary").click()


def test_the_chrome_is_away_until_the_pointer_moves_or_the_keyboard_is_there(page: Page, server: Server) -> None:
    open_page(page, server, "draw?view=projector")
    header, line = page.get_by_test_id("stHeader"), page.locator(".st-key-detector-line")
    for part in (header, line):
        expect(part).to_have_css("opacity", "0")
    page.mouse.move(300, 300)
    page.mouse.move(310, 320)
    for part in (header, line):
        expect(part).to_have_css("opacity", "1")
    page.mouse.move(500, 500)
    for part in (header, line):
        expect(part).to_have_css("opacity", "0")
    page.get_by_role("link", name="Train").focus()
    expect(header).to_have_css("opacity", "1")
