"""The projector's layout: one screen without scrolling, and text that is read from the last row."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from core.ablation import ABLATION_STEPS
from core.data.datasets import load
from core.server.classroom import Classroom
from core.server.tasks import Judgement
from pages.shared.i18n.text import LANGUAGES
from pages.shared.state.lesson import QUESTIONS_OF_QUIZ, STEPS
from tests.browser.conftest import Server, draw, eventually, final_score, open_page, served, settled, until
from tests.browser.test_lesson import answer
from tests.strokes import WAYS, on_canvas

pytestmark = pytest.mark.journey

SIZES = ((1366, 768), (1920, 1080))
LINK = "view=projector&data=uci-digits&preset=course&epochs=200&hidden=1024,1024"

SMALL_TEXT = """root => {
    const found = [];
    const walker = document.createTreeWalker(root ?? document.querySelector("[data-testid=stMain]"), NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const parent = node.parentElement, box = parent.getBoundingClientRect(), style = getComputedStyle(parent);
        if (!node.textContent.trim() || !box.width || !box.height || style.visibility === "hidden") continue;
        if (parent.closest(".st-key-detector-line, .st-key-class-teacher, style, script, h1")) continue;
        if (parseFloat(style.fontSize) < innerHeight / 30) found.push(`${style.fontSize}: ${node.textContent.trim()}`);
    }
    return found;
}"""
"""On the page, or below an element: a search from without does not see into a component."""

BROKEN_WORDS = r"""() => {
    const found = [];
    const walker = document.createTreeWalker(document.querySelector("[data-testid=stMain]"), NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const parent = node.parentElement;
        if (!parent.checkVisibility() || parent.closest(".st-key-detector-line, style, script, svg, h1")) continue;
        for (const word of node.textContent.matchAll(/[\p{L}\p{N}]+/gu)) {
            const range = document.createRange();
            range.setStart(node, word.index);
            range.setEnd(node, word.index + word[0].length);
            const lines = new Set([...range.getClientRects()].filter(each => each.width).map(each => Math.round(each.bottom)));
            if (lines.size > 1) found.push(word[0]);
        }
    }
    return found;
}"""

CROWDED_FIGURES = """() => {
    const found = [];
    for (const plot of document.querySelectorAll(".js-plotly-plot")) {
        if (!plot.checkVisibility()) continue;
        const whole = plot.getBoundingClientRect();
        const kinds = ".xtick text, .ytick text, .g-xtitle text, .g-ytitle text, .legendtext, .annotation-text";
        const texts = [...plot.querySelectorAll(kinds)]
            .map(text => [text.textContent, text.getBoundingClientRect()]).filter(([text, box]) => text.trim() && box.width);
        for (const [text, box] of texts)
            if (Math.max(whole.left - box.left, box.right - whole.right, box.bottom - whole.bottom) > 2)
                found.push(`cut: ${text}`);
        texts.forEach(([one, box], place) => texts.slice(place + 1).forEach(([other, its]) => {
            const wide = Math.min(box.right, its.right) - Math.max(box.left, its.left);
            const high = Math.min(box.bottom, its.bottom) - Math.max(box.top, its.top);
            // A text's box is higher than its letters.
            if (wide > 2 && high > box.height / 4) found.push(`“${one}” lies over “${other}”`);
        }));
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
        for number in range(2, len(ABLATION_STEPS) + 1) if step == 8 else ():  # with all that its button adds
            page.locator(".st-key-lesson").get_by_test_id("stBaseButton-secondary").click()
            expect(page.locator(".figures tbody tr")).to_have_count(number)
        on_one_screen(page)
        assert page.evaluate(SMALL_TEXT) == [], f"step {step}"
        if step < STEPS:
            page.locator(".st-key-lesson-steps").get_by_test_id("stBaseButton-primary").click()


@pytest.mark.parametrize("language", ["en", "de"])
def test_figures_of_evaluate_have_room_for_their_text(language: str, page: Page, server: Server) -> None:
    open_page(page, server, f"evaluate?view=projector&lang={language}")
    for title in page.locator("[data-testid=stExpander] summary").all():
        title.click()
    settled(page)
    until(page, "document.querySelectorAll('.nsewdrag').length >= 3")
    assert page.evaluate(CROWDED_FIGURES) == []
    assert page.evaluate(BROKEN_WORDS) == []
    area, rail = page.locator(".st-key-histogram .nsewdrag").bounding_box(), page.locator(".rail").bounding_box()
    assert area
    assert rail
    for start, size in (("x", "width"), ("y", "height")):
        assert rail[start] + rail[size] == pytest.approx(area[start] + area[size], abs=2)  # type: ignore[literal-required]
    assert rail["x"] == pytest.approx(area["x"], abs=2)


@pytest.mark.parametrize("language", ["en", "de"])
def test_no_word_of_look_inside_is_broken(language: str, page: Page, server: Server) -> None:
    open_page(page, server, f"latent?view=projector&lang={language}")
    for tab in page.get_by_role("tab").all():
        tab.click()
        settled(page)
        assert page.evaluate(BROKEN_WORDS) == []
        assert page.evaluate(CROWDED_FIGURES) == []


def require_a_readable_screen(page: Page) -> None:
    settled(page)
    on_one_screen(page)
    assert page.evaluate(SMALL_TEXT) == []


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_last_steps_are_one_screen_to_their_end(language: str, page: Page, server: Server) -> None:
    lesson = page.locator(".st-key-lesson")
    go_on = lesson.get_by_test_id("stBaseButton-primary")
    open_page(page, server, f"learn?view=projector&step=11&lang={language}")
    answer(page)
    go_on.click()
    expect(page.locator(".st-key-lesson-overfitting .main-svg").first).to_be_visible()
    require_a_readable_screen(page)
    open_page(page, server, f"learn?view=projector&step=13&lang={language}")
    page.locator(".st-key-experiment").get_by_role("combobox").click()
    page.get_by_role("option").nth(2).click()
    require_a_readable_screen(page)
    answer(page)
    require_a_readable_screen(page)
    open_page(page, server, f"learn?view=projector&step=14&lang={language}")
    for number in range(1, QUESTIONS_OF_QUIZ + 1):
        expect(lesson.get_by_test_id("stCaptionContainer").first).to_contain_text(f" {number} ")
        require_a_readable_screen(page)
        answer(page)
        expect(page.locator(".st-key-lesson-answer")).to_be_visible()
        require_a_readable_screen(page)
        go_on.click()
        expect(lesson.locator("button[disabled]")).to_have_count(0)
    expect(lesson.get_by_test_id("stCaptionContainer").first).not_to_contain_text(f" {QUESTIONS_OF_QUIZ} ")
    require_a_readable_screen(page)


@pytest.fixture
def wall(tmp_path: Path) -> Iterator[tuple[Server, Classroom]]:
    """A server, and the class on it."""
    folder, database = tmp_path, f"sqlite:///{tmp_path}/class.sqlite"
    with served(
        folder, folder / "log.txt", {"CLASS_DATABASE_URL": database, "PUBLIC_URL": "https://anomaly.example.org"}
    ) as server:
        yield server, Classroom(database)


def put_on(wall: Classroom, drawings: range) -> None:
    """Drawings with these numbers, by students who send five each."""
    images = load("uci-digits").test.images
    for number in drawings:
        pixels = (255 * images[number]).round().to(torch.uint8).numpy().tobytes()
        score = 0.002 * (1 + number % 30)
        judgement = Judgement(score, 0.0374, 0.3, score > 0.0374, 5, 0.5)
        wall.send(wall.join(f"student {number // 5}").number, pixels, judgement, generation=number)


def require_a_readable_wall(page: Page) -> None:
    """All of it on one screen, large enough, with the number of those for which there is no room."""
    cards, told = page.locator(".drawings li"), page.locator(".wall .more")
    eventually(page, lambda: told.inner_text() in ("", f"and {cards.count() - shown(page)} more"))
    assert bool(told.inner_text()) == (shown(page) < cards.count())
    on_one_screen(page)
    lowest = "wall => Math.max(...[...wall.querySelectorAll('li, div')].map(each => each.getBoundingClientRect().bottom))"
    assert page.locator(".wall").evaluate(lowest) <= page.evaluate("innerHeight")
    assert page.evaluate(SMALL_TEXT) == []
    assert page.locator(".wall").evaluate(SMALL_TEXT) == []


def shown(page: Page) -> int:
    return page.locator(".drawings li:not([hidden])").count()


def test_the_wall_is_one_screen_with_however_many_drawings(page: Page, wall: tuple[Server, Classroom]) -> None:
    server, room = wall
    code = room.begin("4b")
    open_page(page, server, "class?view=projector")
    there = 0
    for count, least in ((0, 0), (3, 3), (24, 24), (200, 70)):
        put_on(room, range(there, there := count))
        expect(page.locator(".drawings li")).to_have_count(count)
        require_a_readable_wall(page)
        assert shown(page) >= least
        expect(page.locator(".st-key-class-address .qr")).to_be_in_viewport(ratio=1)
    page.locator(".drawings button").first.click()
    expect(page.locator(".st-key-class-opened img")).to_have_count(3)
    settled(page)
    require_a_readable_wall(page)
    for language in LANGUAGES:
        for task in ("free", "blind"):
            room.choose(code, task)
            open_page(page, server, f"class?view=projector&lang={language}")
            expect(page.locator(".drawings li")).to_have_count(200)
            on_one_screen(page)


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
