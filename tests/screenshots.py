"""Screenshots of every page: light, dark, and on a phone; `make screenshots` puts them into screenshots/.

The ones that the README shows are copied to docs/.
"""

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.conftest import REAL_DATA, Server, draw, open_page, settled, start_server
from tests.strokes import WAYS, on_canvas

OUTPUT = Path("screenshots")
IN_README = {
    "draw-light": "draw.png",
    "home-light": "home.png",
    "train-light": "train.png",
    "browse-dark": "browse.png",
    "evaluate-light": "evaluate.png",
    "scores-light": "scores.png",
    "latent-light": "latent.png",
}
VIEWS = {
    "light": {"viewport": {"width": 1366, "height": 768}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1366, "height": 768}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "has_touch": True},
}


def show(page: Page, server: Server, name: str) -> None:
    """Bring a page into a state worth looking at."""
    open_page(page, server, {"home": "", "scores": "browse"}.get(name, name))
    if name == "draw":
        draw(page, on_canvas(WAYS[7][0]))
        expect(page.locator(".st-key-score")).to_be_visible()
        expect(page.locator(".expert").first).to_be_visible()
    if name == "train":
        page.get_by_role("button", name="Start").click()
        expect(page.get_by_text("Epoch 4:")).to_be_visible()
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_role("button", name="Resume")).to_be_enabled()
    if name == "evaluate":
        expect(page.get_by_role("slider", name="Threshold")).to_be_visible()
        expect(page.locator(".st-key-roc .main-svg").first).to_be_visible()
    if name == "latent":
        page.get_by_role("tab", name="Move").click()
        expect(page.get_by_role("img", name="What the decoder draws here")).to_be_visible()
    if name == "scores":
        page.get_by_text("All scores").click()
        expect(page.locator(".st-key-all-scores .main-svg").first).to_be_visible()
    settled(page)
    page.mouse.move(0, 0)
    # Charts and pictures are painted after the script has ended.
    page.wait_for_function("[...document.images].every(image => image.complete)")
    page.evaluate("new Promise(done => requestIdleCallback(done))")


def main() -> None:
    OUTPUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = start_server(REAL_DATA, Path(folder, "log.txt"))
        found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        try:
            for view, options in VIEWS.items():
                for name in ("home", "draw", "train", "browse", "evaluate", "scores", "latent"):
                    page = browser.new_page(**options)
                    show(page, server, name)
                    path = OUTPUT / f"{name}-{view}.png"
                    page.screenshot(path=path, full_page=view == "phone")
                    print(path)
                    page.close()
        finally:
            browser.close()
            server.process.terminate()
    for shot, name in IN_README.items():
        Path("docs").mkdir(exist_ok=True)
        shutil.copy(OUTPUT / f"{shot}.png", Path("docs", name))


if __name__ == "__main__":
    main()
