"""Looking inside with a pointer, which only a browser has."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Server, draw, eventually, final_score, open_page, settled
from tests.strokes import WAYS, on_canvas


def plane(page: Page, name: str) -> Locator:
    canvas = page.get_by_role("img", name=name)
    expect(canvas).to_be_visible()
    settled(page)
    return canvas


def point(canvas: Locator, x: float, y: float) -> dict[str, float]:
    """A place on the canvas, in shares of its width and height."""
    box = canvas.bounding_box()
    assert box
    return {"x": x * box["width"], "y": y * box["height"]}


def has_ink(tip: Locator) -> bool:
    """Whether the small picture under the pointer shows an image."""
    pixels = "canvas => canvas.getContext('2d').getImageData(0, 0, 28, 28).data.some((value, at) => at % 4 < 3 && value > 99)"
    return bool(tip.locator("canvas").evaluate(pixels))


def test_pointing_shows_an_image_and_clicking_its_verdict(page: Page, server: Server) -> None:
    open_page(page, server, "latent")
    canvas = plane(page, "Images in the latent space")
    tip = page.locator(".st-key-plane-images .tip")
    canvas.hover(position=point(canvas, 0.02, 0.02))
    expect(tip).to_be_hidden()

    canvas.hover(position=point(canvas, 0.4, 0.6))
    expect(tip).to_be_visible()
    expect(tip).to_have_text(re.compile(r"\d\s*score \d\.\d{4}"))
    eventually(page, lambda: has_ink(tip))
    name, score = re.findall(r"^\s*(\d)\s*score (\S+)", tip.inner_text())[0]

    canvas.click(position=point(canvas, 0.4, 0.6))
    chosen = page.locator(".st-key-latent-image")
    expect(chosen).to_contain_text(f"Anomaly score {score}")
    expect(chosen.locator(".number")).to_have_text(name)
    expect(tip).to_be_visible()

    canvas.press("ArrowRight")
    expect(chosen).not_to_contain_text(f"Anomaly score {score}")
    expect(page.get_by_role("tab", name="Where images lie")).to_have_attribute("aria-selected", "true")


def test_no_step_of_a_quick_hand_is_lost(page: Page, server: Server) -> None:
    open_page(page, server, "latent")
    canvas = plane(page, "Images in the latent space")
    canvas.hover(position=point(canvas, 0.4, 0.6))
    tip, chosen = page.locator(".st-key-plane-images .tip"), page.locator(".st-key-latent-image")
    expect(tip).to_be_visible()
    canvas.click(position=point(canvas, 0.4, 0.6))
    score = re.findall(r"score (\S+)", tip.inner_text())[0]
    expect(chosen).to_contain_text(f"Anomaly score {score}")
    for _ in range(9):
        canvas.press("ArrowRight")
    expect(chosen).not_to_contain_text(f"Anomaly score {score}")
    settled(page)
    for _ in range(9):
        canvas.press("ArrowLeft")
    expect(chosen).to_contain_text(f"Anomaly score {score}")


def test_drawing_lands_on_the_plane_and_the_map_moves_the_decoder(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    draw(page, on_canvas(WAYS[7][0]))
    final_score(page)
    page.get_by_role("link", name="Look inside").click()
    canvas = plane(page, "Images in the latent space")
    # One step back from the first point is the last one: the drawing.
    canvas.press("ArrowLeft")
    expect(page.locator(".st-key-latent-image .number")).to_have_text("Drawing 1")

    page.get_by_role("tab", name="Move").click()
    canvas = plane(page, "Map of decoded images")
    picture = page.locator(".st-key-decoded img")
    slider = page.locator(".st-key-direction-0")
    before = picture.get_attribute("src")
    canvas.click(position=point(canvas, 0.75, 0.5))
    expect(picture).not_to_have_attribute("src", before or "")
    expect(slider).to_contain_text(re.compile(r"variance1\.[45]\d"))

    box = canvas.bounding_box()
    assert box
    # Back and forth, faster than the page can follow: where it is let go counts.
    for start, end, value in ((0.75, 0.25, r"-1\.[45]\d"), (0.25, 0.75, r"1\.[45]\d")) * 3:
        page.mouse.move(box["x"] + start * box["width"], box["y"] + 0.5 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + end * box["width"], box["y"] + 0.5 * box["height"], steps=5)
        page.mouse.up()
        expect(slider).to_contain_text(re.compile("variance" + value))

    page.get_by_role("tab", name="Walk").click()
    expect(page.locator(".st-key-walk-steps img")).to_have_count(9)
    expect(page.get_by_role("combobox", name="To")).to_have_value("Drawing 1")


def test_two_units_are_in_use_at_once(page: Page, server: Server) -> None:
    open_page(page, server, "latent")
    plane(page, "Images in the latent space")
    page.get_by_role("button", name="Use two units").click()
    expect(page.locator(".st-key-detector-line")).to_contain_text("Two-unit bottleneck")
    expect(page.get_by_role("button", name="Use two units")).to_have_count(0)


def test_an_experiments_detector_is_in_use_at_once(page: Page, server: Server) -> None:
    open_page(page, server, "learn?step=13")
    page.locator(".st-key-lesson").get_by_test_id("stButtonGroup").locator("button").first.click()
    page.get_by_role("button", name="Use it on every page").click()
    expect(page.locator(".st-key-detector-line")).to_contain_text("Bottleneck too wide")
