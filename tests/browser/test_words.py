"""Streamlit's own English words: none is left on a page in another language, and all follow a change of language."""

import pytest
from playwright.sync_api import Page, expect

from pages.shared.i18n.of_widgets import WORDS, translations
from pages.shared.i18n.text import LANGUAGES
from pages.shared.navigation import PAGES
from tests.browser.conftest import Server, eventually, open_page, settled, slow_but

OTHERS = [code for code in LANGUAGES if code != "en"]
PATHS = (*(entry.path for entry in PAGES if not entry.for_teacher), "learn?step=13", "nowhere")

SAID = """() => {
    const said = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        if (node.nodeType === Node.TEXT_NODE) said.push(node.data.trim());
        else for (const name of ["aria-label", "title", "placeholder", "data-title"])
            if (node.hasAttribute(name)) said.push(node.getAttribute(name));
    }
    return said;
}"""
"""Every text and every description on a page."""

PUT = """words => {
    document.body.insertAdjacentHTML("beforeend", "<p id=place role=dialog></p>");
    for (const word of words) {
        const part = document.createElement("i");
        [part.textContent, part.title] = [word, word];
        document.getElementById("place").append(part);
    }
}"""
SEEN = "[...document.querySelectorAll('#place i')].map(part => [part.textContent, part.title])"


def english(said: list[str], code: str) -> list[str]:
    """Those of Streamlit's words that are still English, but for those that are the same in both languages."""
    own = translations(code)
    pieces = [word.split("{}") for word in WORDS if own[word] != word]
    return [
        text
        for text in said
        for piece in pieces
        if (text == piece[0] if len(piece) == 1 else text.startswith(piece[0]) and text.endswith(piece[1]))
    ]


@pytest.mark.journey
@pytest.mark.parametrize("code", OTHERS)
def test_no_page_has_english_words_of_widgets(code: str, page: Page, server: Server) -> None:
    for path in PATHS:
        open_page(page, server, f"{path}{'&' if '?' in path else '?'}lang={code}")
        for summary in page.locator("summary").all():
            summary.click()
            settled(page)
        for field in page.locator("[data-testid=stNumberInputField], [data-testid=stTextInputRootElement] input").all()[:2]:
            field.press("7")
        expect(page.locator("html")).to_have_attribute("lang", code)
        # A word that has just come is translated a moment later.
        eventually(page, lambda: len(page.evaluate(SAID)) > 20 and not english(page.evaluate(SAID), code))


@pytest.mark.parametrize("code", slow_but("de", OTHERS))
def test_a_page_that_is_not_there_is_said_in_each_language(code: str, page: Page, server: Server) -> None:
    open_page(page, server, f"nowhere?lang={code}")
    dialog, own = page.get_by_role("dialog"), translations(code)
    expect(dialog).to_contain_text(own["Page not found"])
    expect(dialog).to_contain_text(own["The page that you have requested does not seem to exist. Running the app's main page."])
    expect(dialog.get_by_role("button", name=own["Close"], exact=True)).to_be_visible()


@pytest.mark.parametrize("code", slow_but("de", OTHERS))
def test_every_word_is_translated_where_it_appears_and_again_when_the_language_changes(
    code: str, page: Page, server: Server
) -> None:
    open_page(page, server, f"browse?lang={code}")
    page.evaluate(PUT, [word.replace("{}", "4b") for word in WORDS])
    own = [translations(code)[word].replace("{}", "4b") for word in WORDS]
    eventually(page, lambda: page.evaluate(SEEN) == [[word, word] for word in own])
    next_code = OTHERS[OTHERS.index(code) - 1]
    page.get_by_role("button", name=LANGUAGES[code]).click()
    page.get_by_text(LANGUAGES[next_code], exact=True).last.click()
    expect(page.locator("html")).to_have_attribute("lang", next_code)
    other = {translations(next_code)[word].replace("{}", "4b") for word in WORDS}
    eventually(page, lambda: {word for pair in page.evaluate(SEEN) for word in pair} <= other)


def test_a_persons_own_word_stays(page: Page, server: Server) -> None:
    open_page(page, server, "browse?lang=de")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p id=place>Open</p><p id=label title=Open></p>')")
    expect(page.locator("#label")).to_have_attribute("title", translations("de")["Open"])
    expect(page.locator("#place")).to_have_text("Open")
