"""Screenshots of every page in every language: light, dark, and on a phone; `make screenshots` puts them into screenshots/.

`python -m tests.screenshots lesson` puts those of all steps of the lesson there, on a projector, before and after the answer.

The ones that the README shows are copied to docs/, and `make film` makes its moving picture.
"""

import io
import shutil
import sys
import tempfile
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from core.drawing import from_canvas
from core.ensemble import Ensemble
from core.presets import read, shipped
from core.scoring import score_ratio
from core.server.classroom import Classroom
from core.server.tasks import Judgement
from pages.shared.i18n.text import LANGUAGES
from pages.shared.navigation import PAGES
from pages.shared.state.lesson import STEPS
from tests.browser.conftest import (
    REAL_DATA,
    Server,
    canvas_of,
    draw,
    final_score,
    launch,
    open_page,
    settled,
    start_server,
    until,
)
from tests.browser.test_lesson import answer
from tests.browser.test_projector import SIZES
from tests.strokes import WAYS, on_canvas, rgba, shaken

OUTPUT = Path("screenshots")
SHOTS = (*(entry.name for entry in PAGES if not entry.for_teacher), "scores")
IN_README = {name: f"{name}-light-en" for name in SHOTS} | {"browse": "browse-dark-en"}
LONGEST = 4000
FILM = Path("docs/draw.webp")
FRAME_SECONDS, HOLD_SECONDS = 0.15, 2.5
VIEWS = {
    "light": {"viewport": {"width": 1366, "height": 768}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1366, "height": 768}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "has_touch": True},
}


def begin_class(database: str) -> None:
    """A class with two dozen drawings on its wall, by six students with unsteady hands."""
    random, room = np.random.default_rng(0), Classroom(database)
    room.begin("4b")
    detectors = [read(each).detector for each in shipped("mnist", "best")]
    ensemble = Ensemble(detectors)
    for turn in range(24):
        digit = 5 if turn % 3 else int(random.integers(10))
        ways = WAYS[digit]
        image = from_canvas(rgba(on_canvas(shaken(ways[turn % len(ways)], random))))
        assert image is not None
        opinions = ensemble.infer(image)
        ratios = [score_ratio(float(each.scores[0]), each.threshold) for each in opinions]
        best = int(np.argmin(ratios))
        five = opinions[5]
        judgement = Judgement(
            float(five.scores[0]), five.threshold, float(five.p_values[0]), bool(five.verdicts[0]), best, ratios[best]
        )
        pixels = (255 * image).round().to(torch.uint8).numpy().tobytes()
        room.send(room.join(f"student {turn % 6}").number, pixels, judgement, generation=turn)


def show(page: Page, server: Server, name: str, language: str) -> None:
    """Bring a page into a state worth looking at; nothing is found by its text, which differs by language."""
    path = {"home": "", "scores": "browse"}.get(name, name)
    open_page(page, server, f"{path}?lang={language}" + ("&step=12" if name == "learn" else ""))
    if name == "draw":
        draw(page, on_canvas(WAYS[7][0]))
        expect(page.locator(".st-key-score")).to_be_visible()
        expect(page.locator(".opinion").first).to_be_visible()
    if name == "train":
        page.locator(".st-key-start button").click()
        until(page, "document.querySelector('.st-key-job-status [role=progressbar]')?.ariaValueNow >= 40")
        page.locator(".st-key-button-pause button").click()
        expect(page.locator(".st-key-start button")).to_be_enabled()
    if name == "class":
        expect(page.locator(".drawings img").first).to_be_visible()
    if name == "evaluate":
        expect(page.locator(".st-key-histogram .main-svg").first).to_be_visible()
    if name == "latent":
        page.get_by_role("tab").nth(1).click()
        expect(page.locator(".st-key-decoded img").first).to_be_visible()
    if name == "learn":
        page.locator(".st-key-lesson").get_by_test_id("stButtonGroup").locator("button").nth(1).click()
        expect(page.locator(".st-key-trap-losses .main-svg").first).to_be_visible()
    if name == "scores":
        page.get_by_test_id("stExpander").first.locator("summary").click()
        expect(page.locator(".st-key-all-scores .main-svg").first).to_be_visible()
        until(page, "document.getAnimations().every(moving => moving.playState !== 'running')")
    settled(page)
    page.mouse.move(0, 0)
    # Charts and pictures are painted after the script has ended.
    until(page, "[...document.images].every(image => image.complete)")
    page.evaluate("new Promise(done => requestIdleCallback(done, { timeout: 2000 }))")


def show_whole_length(page: Page) -> None:
    """Make the phone as long as the page, which scrolls inside itself."""
    length = page.get_by_test_id("stMain").evaluate("main => main.scrollHeight")
    page.set_viewport_size({"width": 390, "height": min(length, LONGEST)})
    page.evaluate("new Promise(done => requestIdleCallback(done, { timeout: 2000 }))")


def film(page: Page, server: Server) -> None:
    """A 5 and then a 7, drawn before the detector for 5: the verdict moves with the pen."""
    frames: list[Image.Image] = []
    durations: list[int] = []

    def take(seconds: float) -> None:
        frames.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
        durations.append(round(1000 * seconds))

    open_page(page, server, "draw")
    take(1.0)
    for digit in (5, 7):
        box = canvas_of(page).bounding_box()
        assert box
        for stroke in on_canvas(WAYS[digit][0]):
            page.mouse.move(box["x"] + stroke[0][0], box["y"] + stroke[0][1])
            page.mouse.down()
            for (x, y), (next_x, next_y) in pairwise(stroke):
                for share in (0.5, 1.0):
                    page.mouse.move(box["x"] + x + share * (next_x - x), box["y"] + y + share * (next_y - y))
                    page.wait_for_timeout(100)  # as a hand would
                take(FRAME_SECONDS)
            page.mouse.up()
        final_score(page)
        take(HOLD_SECONDS)
        page.get_by_role("button", name="Clear").click()
        settled(page)
    frames[0].save(FILM, save_all=True, append_images=frames[1:], duration=durations, loop=0, quality=70, method=6)


def screenshots(browser: Browser, server: Server) -> None:
    OUTPUT.mkdir(exist_ok=True)
    for language, (view, options), name in product(LANGUAGES, VIEWS.items(), SHOTS):
        page = browser.new_page(**options)
        show(page, server, name, language)
        path = OUTPUT / f"{name}-{view}-{language}.png"
        if view == "phone":
            show_whole_length(page)
        page.screenshot(path=path)
        print(path)
        page.close()
    for name, shot in IN_README.items():
        shutil.copy(OUTPUT / f"{shot}.png", Path("docs", f"{name}.png"))


def lesson(browser: Browser, server: Server) -> None:
    """Each step at both sizes of a projector, asked and answered."""
    OUTPUT.mkdir(exist_ok=True)
    for (width, height), step in product(SIZES, range(1, STEPS + 1)):
        page = browser.new_page(viewport={"width": width, "height": height}, reduced_motion="reduce")
        open_page(page, server, f"learn?view=projector&step={step}")
        for state in ("asked", "answered"):
            if state == "answered":
                answer(page)
                expect(page.locator(".st-key-lesson-answer")).to_be_visible()
            settled(page)
            until(page, "!document.querySelector('[data-testid=stSkeleton]')")
            path = OUTPUT / f"step-{step:02d}-{height}-{state}.png"
            page.screenshot(path=path)
            print(path)
        page.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        database = f"sqlite:///{folder}/class.sqlite"
        begin_class(database)
        server = start_server(REAL_DATA, Path(folder, "log.txt"), {"CLASS_DATABASE_URL": database})
        browser = launch(playwright)
        try:
            if sys.argv[1:] == ["film"]:
                film(browser.new_page(viewport={"width": 1100, "height": 640}), server)
            elif sys.argv[1:] == ["lesson"]:
                lesson(browser, server)
            else:
                screenshots(browser, server)
        finally:
            browser.close()
            server.end()


if __name__ == "__main__":
    main()
