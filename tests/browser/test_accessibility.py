"""Every page by axe-core, in light and dark; and on a phone, in every language, nothing wider than the screen."""

import os
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from pages.shared.i18n.text import LANGUAGES
from pages.shared.navigation import PAGES
from pages.shared.state.lesson import STEPS
from tests.browser.canvas import SCREENS
from tests.browser.conftest import Server, draw, final_score, open_page, settled, until
from tests.browser.test_lesson import answer
from tests.strokes import WAYS, on_canvas

PATHS = (
    *(entry.path for entry in PAGES if not entry.for_teacher),
    *(f"learn?step={number}" for number in (3, 5, 8, 10, 12, 13)),
)
AXE = Path(sys.prefix, "node_modules/axe-core/axe.min.js")
"""Put there by `make browser`."""


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.exists() and not os.environ.get("CI"):
        pytest.skip("axe-core is not there: install npm, then run make browser")
    return AXE.read_text(encoding="utf-8")


def violations(page: Page, axe: str) -> list[str]:
    """What axe-core calls serious or critical: rule, element, and what to do."""
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    return [
        f"{violation['id']}: {node['html'][:200]} {node['failureSummary']}"
        for violation in found
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def painted(page: Page) -> None:
    """Wait until charts and pictures are there, and nothing is a grey placeholder any more."""
    settled(page)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    until(page, "[...document.images].every(image => image.complete)")


QUICK = ("draw", "train")
LESSON = tuple(f"learn?step={number}{view}" for number in range(1, STEPS + 1) for view in ("", "&view=projector"))
PROJECTED = tuple(f"{path}?view=projector" for path in ("draw", "train"))
OTHERS = [path for path in dict.fromkeys((*PATHS, *LESSON, *PROJECTED)) if path not in QUICK]


SLOW = [*((path, "laptop") for path in OTHERS), ("draw", "phone"), ("draw", "narrow")]


@pytest.mark.parametrize(
    ("path", "screen"),
    [*((path, "laptop") for path in QUICK), *(pytest.param(*each, marks=pytest.mark.slow) for each in SLOW)],
)
def test_axe_finds_nothing_serious(path: str, screen: str, axe: str, server: Server, chromium: Browser) -> None:
    width, height = SCREENS[screen]
    size: ViewportSize = {"width": width, "height": height}
    is_phone = screen != "laptop"
    page = chromium.new_page(viewport=size, has_touch=is_phone, color_scheme="light", reduced_motion="reduce")
    try:
        open_page(page, server, path)
        if path.startswith("draw"):
            draw(page, on_canvas(WAYS[7][0]))
            final_score(page)
        painted(page)
        assert violations(page, axe) == []
        if path in LESSON:
            answer(page)
            expect(page.locator(".st-key-lesson-answer")).to_be_visible()
            painted(page)
            assert violations(page, axe) == [], "once it is answered"
        page.emulate_media(color_scheme="dark")
        expect(page.get_by_test_id("stApp")).to_have_css("background-color", "rgb(22, 21, 29)")
        painted(page)
        assert violations(page, axe) == []
    finally:
        page.close()


def test_axe_sees_a_fault(axe: str, server: Server, chromium: Browser) -> None:
    page = chromium.new_page()
    try:
        open_page(page, server)
        page.evaluate("document.body.insertAdjacentHTML('beforeend', '<button></button>')")
        assert any("button-name" in violation for violation in violations(page, axe))
    finally:
        page.close()


CUT = """() => [...document.querySelectorAll('[data-testid=stMain] *')].filter(each => {
    const style = getComputedStyle(each);
    return each.innerText?.trim() && each.clientWidth > 1 && ['hidden', 'clip'].includes(style.overflowX)
        && style.position !== 'absolute' && each.scrollWidth > each.clientWidth + 2;
}).map(each => each.innerText.slice(0, 60))"""
"""Texts of which a part is beyond the edge of what holds them."""


def require_all_fits(page: Page, server: Server, language: str, width: int) -> None:
    """Nothing is wider than the screen, and no text is cut, on all pages."""
    for path in PATHS:
        open_page(page, server, f"{path}{'&' if '?' in path else '?'}lang={language}")
        painted(page)
        assert page.evaluate("document.documentElement.lang") == language
        widest = page.evaluate(
            "Math.max(document.documentElement.scrollWidth, document.querySelector('[data-testid=stMain]').scrollWidth)"
        )
        assert widest <= width, f"/{path} in {language} is {widest} pixels wide"
        assert page.evaluate(CUT) == [], f"/{path} in {language}"


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_wider_than_a_phone(language: str, server: Server, chromium: Browser) -> None:
    page = chromium.new_page(viewport={"width": 390, "height": 844}, has_touch=True)
    try:
        require_all_fits(page, server, language, 390)
    finally:
        page.close()


@pytest.mark.slow
def test_nothing_is_cut_at_twice_the_size(server: Server, chromium: Browser) -> None:
    """A laptop's screen at a zoom of 200 % has half its pixels, each twice as large."""
    page = chromium.new_page(viewport={"width": 683, "height": 384}, device_scale_factor=2)
    try:
        require_all_fits(page, server, "de", 683)
    finally:
        page.close()
