"""Drawing with a real pointer."""

import csv
import io
import re
import threading
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from tests.browser.conftest import Server, canvas_of, draw, eventually, final_score, number_in, open_page, settled
from tests.strokes import WAYS, on_canvas, rgba


def drawing(digit: int, way: int = 0) -> list[list[tuple[float, float]]]:
    return on_canvas(WAYS[digit][way])


def test_first_visitor_who_opens_draw_gets_the_whole_app(page: Page, server: Server) -> None:
    # First in this module, so that the server has never run app.py before.
    open_page(page, server, "draw")
    expect(page.get_by_role("link", name="Browse")).to_be_visible()
    expect(page).to_have_title(re.compile("^Draw"))


@pytest.mark.parametrize(("digit", "way"), [(5, 0), (5, 1), (5, 2)])
def test_a_five_is_normal(page: Page, server: Server, digit: int, way: int) -> None:
    open_page(page, server, "draw")
    draw(page, drawing(digit, way))
    expect(page.locator(".st-key-verdict")).to_have_text(re.compile("^Normal"))
    assert number_in(page, "score") <= number_in(page, "threshold")


@pytest.mark.parametrize("digit", [0, 1, 2, 3, 4, 7])
def test_another_digit_is_an_anomaly(page: Page, server: Server, digit: int) -> None:
    open_page(page, server, "draw")
    draw(page, drawing(digit))
    expect(page.locator(".st-key-verdict")).to_have_text(re.compile("^Anomaly"))
    assert number_in(page, "score") > number_in(page, "threshold")


def test_blank_canvas_asks_for_a_drawing_and_a_dot_does_not_crash(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    expect(page.locator(".st-key-verdict")).to_contain_text("Draw something")
    expect(page.locator(".st-key-score")).to_have_count(0)
    canvas_of(page).click()
    expect(page.locator(".st-key-verdict")).to_have_text(re.compile("^(Normal|Anomaly)"))


def test_no_stroke_is_lost_when_drawn_as_soon_as_the_canvas_is_there(page: Page, server: Server) -> None:
    strokes = drawing(5, 1)
    open_page(page, server, "draw")
    draw(page, strokes)
    expected = final_score(page)
    for _ in range(5):
        page.goto(f"{server.url}/draw")  # and no waiting for the script
        draw(page, strokes)
        expect(page.locator(".st-key-score")).to_have_text(expected)


def test_the_drawing_survives_a_visit_to_another_page_and_can_be_continued(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    bar, body = drawing(5, 1)[1], drawing(5, 1)[0]
    draw(page, [body])
    before = final_score(page)
    page.get_by_role("link", name="Browse").click()
    expect(page.get_by_role("heading", name="Browse test images")).to_be_visible()
    page.get_by_role("link", name="Draw").click()
    expect(page.locator(".st-key-score")).to_have_text(before)
    draw(page, [bar])
    expect(page.locator(".st-key-score")).not_to_have_text(before)
    both = final_score(page)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".st-key-verdict")).to_contain_text("Draw something")
    settled(page)
    draw(page, [body, bar])
    expect(page.locator(".st-key-score")).to_have_text(both)


def test_the_verdict_moves_with_the_pen(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    score = page.locator(".st-key-score")
    bow, *rest = drawing(5, 1)
    box = canvas_of(page).bounding_box()
    assert box
    page.mouse.move(box["x"] + bow[0][0], box["y"] + bow[0][1])
    page.mouse.down()
    before = ""
    for number, (x, y) in enumerate(bow[1:]):
        page.mouse.move(box["x"] + x, box["y"] + y)
        if number % (len(bow) // 4) == 0:  # while the pen is down
            expect(score).not_to_have_text(before)
            before = score.inner_text()
    assert page.locator(".expert").count() == 0, "the strip and the ten detectors wait for the whole stroke"
    page.mouse.up()
    draw(page, rest)
    # Drawn again without a pause, it ends at the same score.
    final = final_score(page)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".st-key-verdict")).to_contain_text("Draw something")
    settled(page)
    draw(page, [bow, *rest])
    expect(score).to_have_text(final)


def test_a_message_of_the_page_that_is_left_does_not_empty_the_next_one(page: Page, server: Server) -> None:
    slow = threading.Event()
    underway: list[Callable[[], None]] = []

    def connect(route: WebSocketRoute) -> None:
        """A connection that can be slow from the page to the server."""
        far = route.connect_to_server()
        route.on_message(lambda message: underway.append(lambda: far.send(message)) if slow.is_set() else far.send(message))
        far.on_message(route.send)

    page.route_web_socket(re.compile("/_stcore/stream"), connect)
    open_page(page, server, "draw")
    link = page.get_by_role("link", name="Home")
    link.evaluate("link => document.addEventListener('pointerup', () => link.click(), { once: true })")
    slow.set()
    draw(page, [drawing(5)[0]])
    # The moving pen, the link, and the canvas, which sends its drawing a fifth of a second after the pen is lifted.
    eventually(page, lambda: len(underway) == 3)
    slow.clear()
    for arrive in underway:
        arrive()
    expect(page).to_have_title(re.compile("^Home"))
    settled(page)
    expect(page.get_by_role("heading", name="See an autoencoder")).to_be_visible()


def test_undo_takes_the_last_stroke_back(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    draw(page, drawing(7))
    expect(page.locator(".st-key-score")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".st-key-verdict")).to_contain_text("Draw something")


def test_without_a_pointer_a_random_test_image_is_judged(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    page.get_by_text("No pointer?").click()
    page.get_by_role("button", name="Random test image").click()
    expect(page.locator(".st-key-verdict")).to_have_text(re.compile("^(Normal|Anomaly)"))


def test_phone_has_no_horizontal_scroll(page: Page, server: Server) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for path in ("", "draw", "train", "browse"):
        open_page(page, server, path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path


def photo() -> bytes:
    """A 7 in dark pen on a sheet that is lit unevenly, as a JPEG."""
    ink = rgba(on_canvas(WAYS[7][0], side=640), side=640, width=26)[..., 0] / 255.0
    light = np.linspace(0.75, 0.95, 640)[None, :] * np.ones((640, 1))
    file = io.BytesIO()
    Image.fromarray(((light - 0.6 * ink) * 255).astype(np.uint8)).save(file, "JPEG")
    return file.getvalue()


def test_a_photo_of_a_digit_is_judged_and_junk_is_refused_in_words(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    page.get_by_text("No pointer?").click()
    upload = page.locator(".st-key-picture input[type=file]")
    upload.set_input_files({"name": "junk.png", "mimeType": "image/png", "buffer": b"no picture"})
    expect(page.get_by_role("alert").get_by_text("This file is not a picture")).to_be_visible()
    upload.set_input_files({"name": "seven.jpg", "mimeType": "image/jpeg", "buffer": photo()})
    expect(page.locator(".st-key-verdict")).to_have_text(re.compile("^Anomaly"))


def test_a_click_chooses_one_of_several_digits(page: Page, server: Server) -> None:
    inks = [rgba(drawing(digit), width=24)[..., 0] for digit in (5, 7)]
    file = io.BytesIO()
    Image.fromarray(255 - np.concatenate(inks, axis=1)).save(file, "PNG")
    open_page(page, server, "draw")
    page.get_by_text("No pointer?").click()
    upload = page.locator(".st-key-picture input[type=file]")
    upload.set_input_files({"name": "two.png", "mimeType": "image/png", "buffer": file.getvalue()})
    expect(page.get_by_text("2 digits found.")).to_be_visible()
    for name, word in (("Digit 2: Anomaly", "Anomaly"), ("Digit 1: Normal", "Normal")):
        page.get_by_role("button", name=name).click()
        expect(page.locator(".st-key-verdict")).to_have_text(re.compile(f"^{word}"))
        expect(page.get_by_role("button", name=name)).to_have_attribute("aria-pressed", "true")


def test_the_strip_of_drawings_can_be_taken_away(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    for digit, verdict in ((5, "Normal"), (7, "Anomaly")):
        draw(page, drawing(digit))
        expect(page.locator(".st-key-verdict")).to_have_text(re.compile(f"^{verdict}"))
        settled(page)
        page.get_by_role("button", name="Clear").click()
        expect(page.locator(".st-key-verdict")).to_contain_text("Draw something")
        settled(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Scores as CSV").click()
    rows = list(csv.DictReader(download.value.path().open()))
    assert [row["verdict"] for row in rows] == ["normal", "anomaly"]
    assert [float(row["score"]) > float(row["threshold"]) for row in rows] == [False, True]
    with page.expect_download() as download:
        page.get_by_role("button", name="Images as PNG").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        sizes = [Image.open(archive.open(name)).size for name in archive.namelist()]
    assert sizes == [(28, 28), (28, 28)]


def test_a_finger_draws_on_the_canvas_and_scrolls_beside_it(server: Server, chromium: Browser) -> None:
    phone = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = phone.new_page()
    try:
        open_page(page, server, "draw")
        box = canvas_of(page).bounding_box()
        assert box
        fingers = phone.new_cdp_session(page)

        def swipe(x: float, top: float, bottom: float) -> None:
            """A finger that moves upwards."""
            fingers.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": bottom}]})
            for step in range(1, 11):
                y = bottom + (top - bottom) * step / 10
                fingers.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": y}]})
            fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

        def scrolled() -> float:
            return float(page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop"))

        swipe(box["x"] + 160, box["y"] + 40, box["y"] + 280)
        expect(page.locator(".st-key-score")).to_be_visible()
        assert scrolled() == 0, "a stroke does not move the page"
        swipe(380, box["y"] + 40, box["y"] + 280)
        eventually(page, lambda: scrolled() > 50)
    finally:
        phone.close()
