"""The whole lesson in a browser: by keyboard alone, by pointer in every language, and one screen a step."""

import pytest
from playwright.sync_api import Locator, Page, expect

from pages.shared.i18n.text import LANGUAGES
from pages.shared.state.lesson import STEPS
from tests.browser.conftest import Server, open_page, settled

pytestmark = pytest.mark.slow

TALLER = {12, 13}
"""Steps whose answer is as long as the screen of a laptop; their questions fit."""


def height(page: Page) -> int:
    """By how much the page is longer than the screen."""
    main = "document.querySelector('[data-testid=stMain]')"
    return int(page.evaluate(f"{main}.scrollHeight - {main}.clientHeight"))


def answer(page: Page, by_keyboard: bool = False) -> None:
    """Say something to the question that is shown."""
    lesson = page.locator(".st-key-lesson")
    # What to press may come a moment after the script has ended: its code is loaded when it is first needed.
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    options = lesson.get_by_test_id("stButtonGroup").locator("button:not([disabled])")
    if options.count():
        press(page, options.nth(1), by_keyboard)
        settled(page)
    go = lesson.locator("[data-testid=stBaseButton-primary]:not([disabled])")
    if go.count() and not lesson.locator(".st-key-lesson-answer").count():
        press(page, go.first, by_keyboard)
        settled(page)


def press(page: Page, what: Locator, by_keyboard: bool) -> None:
    if by_keyboard:
        what.focus()
        page.keyboard.press("Enter")
    else:
        what.click()


@pytest.mark.parametrize(
    ("language", "by_keyboard"), [("en", True), *((code, False) for code in LANGUAGES)], ids=["keyboard", *LANGUAGES]
)
def test_every_step_is_answered_in_place_on_one_screen(language: str, by_keyboard: bool, page: Page, server: Server) -> None:
    open_page(page, server, f"learn?step=1&lang={language}")
    for step in range(1, STEPS + 1):
        expect(page.get_by_role("heading", level=2)).to_contain_text(f"{step}. ")
        settled(page)
        expect(page.locator(".st-key-lesson-question")).to_be_visible()
        assert page.locator(".st-key-lesson-answer").count() == 0
        assert height(page) <= 0, f"step {step} asks beyond the screen"
        answer(page, by_keyboard)
        if step != 11:  # its answer comes with the training's end
            expect(page.locator(".st-key-lesson-answer")).to_be_visible()
        if step not in TALLER:
            assert height(page) <= 0, f"step {step} answers beyond the screen"
        if step < STEPS:
            press(page, page.locator(".st-key-lesson-steps").get_by_test_id("stBaseButton-primary"), by_keyboard)


def test_there_is_a_canvas_to_draw_on(page: Page, server: Server) -> None:
    open_page(page, server, "learn?step=7")
    expect(page.locator(".st-key-lesson-canvas canvas.upper-canvas")).to_have_css("width", "220px")
