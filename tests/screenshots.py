"""Screenshots of every page in every language: light, dark, and on a phone; `make screenshots` puts them into screenshots/.

The ones that the README shows are copied to docs/.
"""

import shutil
import tempfile
from itertools import product
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from pages.shared.i18n.text import LANGUAGES
from pages.shared.navigation import PAGES
from tests.browser.conftest import REAL_DATA, Server, draw, open_page, settled, start_server
from tests.strokes import WAYS, on_canvas

OUTPUT = Path("screenshots")
SHOTS = (*(entry.name for entry in PAGES if not entry.for_teacher), "scores")
IN_README = {name: f"{name}-light-en" for name in SHOTS} | {"browse": "browse-dark-en"}
LONGEST = 4000
VIEWS = {
    "light": {"viewport": {"width": 1366, "height": 768}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1366, "height": 768}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "has_touch": True},
}


def show(page: Page, server: Server, name: str, language: str) -> None:
    """Bring a page into a state worth looking at; nothing is found by its text, which differs by language."""
    path = {"home": "", "scores": "browse"}.get(name, name)
    open_page(page, server, f"{path}?lang={language}" + ("&step=6" if name == "learn" else ""))
    if name == "draw":
        draw(page, on_canvas(WAYS[7][0]))
        expect(page.locator(".st-key-score")).to_be_visible()
        expect(page.locator(".expert").first).to_be_visible()
    if name == "train":
        page.locator(".st-key-start button").click()
        page.wait_for_function("document.querySelector('.st-key-job-status [role=progressbar]')?.ariaValueNow >= 40")
        page.locator(".st-key-button-pause button").click()
        expect(page.locator(".st-key-start button")).to_be_enabled()
    if name == "evaluate":
        expect(page.locator(".st-key-roc .main-svg").first).to_be_visible()
    if name == "latent":
        page.get_by_role("tab").nth(1).click()
        expect(page.locator(".st-key-decoded img").first).to_be_visible()
    if name == "learn":
        expect(page.locator(".st-key-trap-losses .main-svg").first).to_be_visible()
    if name == "scores":
        page.get_by_test_id("stExpander").first.locator("summary").click()
        expect(page.locator(".st-key-all-scores .main-svg").first).to_be_visible()
        page.wait_for_function("document.getAnimations().every(moving => moving.playState !== 'running')")
    settled(page)
    page.mouse.move(0, 0)
    # Charts and pictures are painted after the script has ended.
    page.wait_for_function("[...document.images].every(image => image.complete)")
    page.evaluate("new Promise(done => requestIdleCallback(done, { timeout: 2000 }))")


def show_whole_length(page: Page) -> None:
    """Make the phone as long as the page, which scrolls inside itself."""
    length = page.get_by_test_id("stMain").evaluate("main => main.scrollHeight")
    page.set_viewport_size({"width": 390, "height": min(length, LONGEST)})
    page.evaluate("new Promise(done => requestIdleCallback(done, { timeout: 2000 }))")


def main() -> None:
    OUTPUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = start_server(REAL_DATA, Path(folder, "log.txt"))
        found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        try:
            for language, (view, options), name in product(LANGUAGES, VIEWS.items(), SHOTS):
                page = browser.new_page(**options)
                show(page, server, name, language)
                path = OUTPUT / f"{name}-{view}-{language}.png"
                if view == "phone":
                    show_whole_length(page)
                page.screenshot(path=path)
                print(path)
                page.close()
        finally:
            browser.close()
            server.end()
    for name, shot in IN_README.items():
        shutil.copy(OUTPUT / f"{shot}.png", Path("docs", f"{name}.png"))


if __name__ == "__main__":
    main()
