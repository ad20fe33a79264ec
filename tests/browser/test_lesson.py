"""The whole lesson in a browser: by keyboard alone, by pointer in every language, and one screen a step."""

import pytest
from playwright.sync_api import Locator, Page, expect

from pages.shared.i18n.text import LANGUAGES
from pages.shared.state.lesson import QUESTIONS_OF_QUIZ, STEPS
from tests.browser.conftest import Server, eventually, open_page, settled

pytestmark = pytest.mark.journey

TALLER = {12, 13}
"""Steps whose answer is as long as the screen of a laptop; their questions fit."""

MAX_TABS = 80
"""More than twice as many as a step has places for the keyboard."""


def height(page: Page) -> int:
    """By how much the page is longer than the screen."""
    main = "document.querySelector('[data-testid=stMain]')"
    return int(page.evaluate(f"{main}.scrollHeight - {main}.clientHeight"))


def one_screen(page: Page, step: int) -> None:
    """What a step asked leaves the page a moment after its answer has come."""

    def fits() -> bool:
        assert height(page) <= 0, f"step {step} is longer than the screen"
        return True

    eventually(page, fits)


def answer(page: Page, by_keyboard: bool = False) -> None:
    """Say something to the question that is shown."""
    lesson = page.locator(".st-key-lesson")
    # What to press may come a moment after the script has ended: its code is loaded when it is first needed.
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    options = lesson.get_by_test_id("stButtonGroup").locator("button:not([disabled])")
    slider, said = lesson.get_by_role("slider"), lesson.locator(".st-key-lesson-answer")
    expect(options.or_(slider).first).to_be_visible()
    if options.count():
        press(page, options.nth(1), by_keyboard)
        settled(page)
    if by_keyboard and slider.count():
        reach(page, slider)
        page.keyboard.press("ArrowRight")
        settled(page)
    go = lesson.locator("[data-testid=stBaseButton-primary]:not([disabled])")
    expect(go.or_(said).first).to_be_visible()
    if not said.count():
        press(page, go.first, by_keyboard)
        settled(page)


def reach(page: Page, what: Locator) -> None:
    """Press Tab, and arrows inside of a group, until it has the keyboard, which can be seen."""
    expect(what).to_be_visible()
    for _press in range(MAX_TABS):
        if what.evaluate("each => each === document.activeElement"):
            assert what.evaluate("each => each.matches(':focus-visible')")
            return
        is_beside = what.evaluate("each => !!each.closest('[data-testid=stButtonGroup]')?.contains(document.activeElement)")
        page.keyboard.press("ArrowRight" if is_beside else "Tab")
    pytest.fail(f"{what} cannot be reached by the keyboard.")


def press(page: Page, what: Locator, by_keyboard: bool) -> None:
    if by_keyboard:
        reach(page, what)
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
        one_screen(page, step)
        answer(page, by_keyboard)
        expect(page.locator(".st-key-lesson-answer")).to_be_visible()
        if step not in TALLER:
            one_screen(page, step)
        if step < STEPS:
            press(page, page.locator(".st-key-lesson-steps").get_by_test_id("stBaseButton-primary"), by_keyboard)
    if by_keyboard:
        to_the_end_of_the_quiz(page)


def to_the_end_of_the_quiz(page: Page) -> None:
    """Answer what is left, by the keyboard; the first question is answered."""
    go_on = page.locator(".st-key-lesson").get_by_test_id("stBaseButton-primary")
    for number in range(2, QUESTIONS_OF_QUIZ + 1):
        press(page, go_on, by_keyboard=True)
        expect(page.get_by_text(f"Question {number} of {QUESTIONS_OF_QUIZ}")).to_be_visible()
        settled(page)
        answer(page, by_keyboard=True)
        expect(page.locator(".st-key-lesson-answer")).to_be_visible()
    press(page, go_on, by_keyboard=True)
    expect(page.get_by_text(f" of {QUESTIONS_OF_QUIZ} right.")).to_be_visible()


def test_there_is_a_canvas_to_draw_on(page: Page, server: Server) -> None:
    open_page(page, server, "learn?step=7")
    expect(page.locator(".st-key-lesson-canvas canvas.upper-canvas")).to_have_css("width", "220px")
