"""The canvas of Draw in a browser: strokes for it, what is on it, and the verdict that belongs to it."""

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, ViewportSize, expect
from torch import Tensor

from core import checkpoint
from core.drawing import from_canvas_png
from core.presets import Shipped
from tests.browser.conftest import canvas_of, eventually, number_in
from tests.strokes import WAYS, on_canvas

BEST = checkpoint.read(Shipped("best", "mnist", 5).path).detector


def drawing(digit: int, way: int = 0) -> list[list[tuple[float, float]]]:
    return on_canvas(WAYS[digit][way])


def inked(page: Page) -> Tensor | None:
    """What is on the canvas, as an image for a detector."""
    address = canvas_of(page).evaluate("upper => upper.parentElement.querySelector('.lower-canvas').toDataURL()")
    return from_canvas_png(base64.b64decode(address.partition(",")[2]))


def assert_verdict_is_of_canvas(page: Page) -> None:
    """What stands on the page is what core says of the canvas' own pixels."""
    found = page.locator(".st-key-score")

    def is_right() -> bool:
        image = inked(page)
        if image is None:
            return found.count() == 0
        return found.count() == 1 and abs(number_in(page, "score") - float(BEST.decision_function(image))) < 6e-5

    eventually(page, is_right)
    if (image := inked(page)) is None:
        expect(page.locator(".st-key-verdict")).to_contain_text("Draw something")
    else:
        word = "Anomaly" if BEST.predict(image).item() else "Normal"
        expect(page.locator(".st-key-verdict")).to_have_text(re.compile(f"^{word}"))


SCREENS = {"laptop": (1366, 768), "phone": (390, 664), "narrow": (280, 653)}


@contextmanager
def visitor_at(chromium: Browser, screen: str, **more: Any) -> Iterator[Page]:
    """A tab on a screen of this size, which is touched where it is none of a laptop."""
    width, height = SCREENS[screen]
    is_phone = screen != "laptop"
    size: ViewportSize = {"width": width, "height": height}
    visitor = chromium.new_context(viewport=size, has_touch=is_phone, is_mobile=is_phone, **more)
    try:
        yield visitor.new_page()
    finally:
        visitor.close()
