"""A detector of one's own sign: fifteen stars are drawn and kept, and it tells a star from a moon."""

import re
import time

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Server, clear, draw, final_score, open_page, settled
from tests.signs import SIGNS, on_canvas
from tests.strokes import shaken


def draw_sign(page: Page, sign: str, random: np.random.Generator) -> None:
    page.get_by_role("heading", name="Draw a digit").scroll_into_view_if_needed()
    draw(page, on_canvas(shaken(SIGNS[sign], random)))
    final_score(page)


@pytest.mark.slow
def test_from_the_first_star_to_a_detector_that_knows_stars(page: Page, server: Server) -> None:
    random = np.random.default_rng(0)
    open_page(page, server, "draw")
    page.get_by_text("Your own signs").click()
    page.get_by_label("Kind", exact=True).fill("star")
    page.get_by_label("Kind", exact=True).press("Enter")
    keep = page.locator(".st-key-quick-keep button")
    for number in range(1, 16):
        expect(keep).to_contain_text(f"Keep star ({number})")
        draw_sign(page, "star", random)
        keep.click()
        expect(page.locator(".st-key-verdict")).to_contain_text("Draw something")
        settled(page)
    page.get_by_role("link", name="Train", exact=True).click()
    expect(page.get_by_role("heading", name="Train a detector")).to_be_visible()
    settled(page)
    page.get_by_role("combobox", name="Data set").click()
    page.get_by_role("option", name="My drawings").click()
    expect(page.locator(".st-key-normal-classes")).to_contain_text("star")
    settled(page)
    page.locator(".st-key-start button").click()
    started = time.monotonic()
    expect(page.locator(".st-key-job-status")).to_contain_text("in use on the other pages")
    print(f"Ready after {time.monotonic() - started:.1f} s")
    expect(page.get_by_text("there is no AUROC")).to_be_visible()
    page.get_by_role("link", name="Draw", exact=True).click()
    for sign, verdict in (("star", "Normal"), ("moon", "Anomaly")):
        settled(page)
        draw_sign(page, sign, random)
        expect(page.locator(".st-key-verdict")).to_have_text(re.compile(f"^{verdict}"))
        clear(page)
        expect(page.locator(".st-key-verdict")).to_contain_text("Draw something: “star”")
