"""Somebody who never saw the app gets from Home to “I know why my 7 is an anomaly”."""

from playwright.sync_api import Page, expect

from tests.browser.conftest import Server, draw, open_page
from tests.strokes import WAYS, on_canvas

MAX_WORDS = 120


def words(texts: list[str]) -> int:
    return sum(len(text.split()) for text in texts)


def test_the_way_to_understanding_is_one_click_one_stroke_and_few_words(page: Page, server: Server) -> None:
    open_page(page, server)
    read = page.get_by_role("heading", level=1).all_inner_texts()
    read += page.locator("[data-testid=stMain] p").filter(has_text="This network has learnt").all_inner_texts()
    page.get_by_role("link", name="Draw").first.click()

    waiting = page.locator(".st-key-verdict")
    expect(waiting).to_contain_text("Draw something")
    read += waiting.all_inner_texts()
    draw(page, on_canvas(WAYS[7][0]))

    verdict = page.locator(".st-key-verdict .verdict.anomaly")
    expect(verdict).to_be_visible()
    expect(page.locator(".loss-note")).to_be_visible()
    # The verdict, the captions of what happened to the drawing, and what the colours say.
    for told in (verdict, page.locator(".pic-row figcaption"), page.locator(".loss-note")):
        assert told.count() > 0
        read += told.all_inner_texts()
    print(f"{words(read)} words: {read}")
    assert words(read) <= MAX_WORDS
