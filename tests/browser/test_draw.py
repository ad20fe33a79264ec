"""Drawing with a real pointer."""

import base64
import csv
import io
import json
import math
import re
import threading
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import (
    Browser,
    BrowserContext,
    CDPSession,
    FilePayload,
    FloatRect,
    Page,
    Route,
    ViewportSize,
    WebSocketRoute,
    expect,
)
from torch import Tensor

from core import checkpoint
from core.drawing import from_canvas_png
from core.presets import Shipped
from tests.browser.conftest import (
    Server,
    as_streamlit_run,
    canvas_of,
    clear,
    draw,
    eventually,
    final_score,
    number_in,
    open_page,
    settled,
    slow_but,
    start_server,
    until,
)
from tests.strokes import WAYS, on_canvas, rgba

BEST = checkpoint.read(Shipped("best", "mnist", 5).path).detector


def drawing(digit: int, way: int = 0) -> list[list[tuple[float, float]]]:
    return on_canvas(WAYS[digit][way])


FEW, OTHERS = ((5, 0), (3, 0), (7, 0)), ((5, 1), (0, 0), (5, 2), (1, 0), (2, 0), (4, 0))


@pytest.mark.parametrize("drawings", slow_but(FEW, [FEW, OTHERS]), ids=["few", "others"])
def test_fives_are_normal_and_other_digits_anomalies(page: Page, server: Server, drawings: tuple[tuple[int, int], ...]) -> None:
    open_page(page, server, "draw")
    for digit, way in drawings:
        draw(page, drawing(digit, way))
        final_score(page)
        expect(page.locator(".st-key-verdict")).to_have_text(re.compile("^Normal" if digit == 5 else "^Anomaly"))
        assert (number_in(page, "score") <= number_in(page, "threshold")) is (digit == 5)
        clear(page)
        expect(page.locator(".st-key-verdict")).to_contain_text("Draw something")


def test_blank_canvas_asks_for_a_drawing_and_a_dot_does_not_crash(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    expect(page.locator(".st-key-verdict")).to_contain_text("Draw something")
    expect(page.locator(".st-key-score")).to_have_count(0)
    canvas_of(page).click()
    expect(page.locator(".st-key-verdict")).to_have_text(re.compile("^(Normal|Anomaly)"))


@pytest.mark.slow
def test_no_stroke_is_lost_when_drawn_as_soon_as_the_canvas_is_there(page: Page, server: Server) -> None:
    strokes = drawing(5, 1)
    open_page(page, server, "draw")
    draw(page, strokes)
    expected = final_score(page)
    for _ in range(5):
        page.context.clear_cookies()  # somebody else, whose canvas is clean
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
    expect(page.locator(".st-key-ensemble .bar i")).to_have_count(10)
    assert page.locator(".st-key-strip").count() == 0, "the strip waits for the whole stroke"
    page.mouse.up()
    draw(page, rest)
    # Drawn again without a pause, it ends at the same score.
    final = final_score(page)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".st-key-verdict")).to_contain_text("Draw something")
    settled(page)
    draw(page, [bow, *rest])
    expect(score).to_have_text(final)


def test_a_moving_pen_has_the_page_run_for_its_first_answer_and_its_last(page: Page, server: Server) -> None:
    asked, ran = list[str](), list[bool]()
    page.on("request", lambda request: asked.append(request.url) if "/pen/" in request.url else None)
    page.on("websocket", lambda socket: socket.on("framesent", lambda _: ran.append(True)))
    open_page(page, server, "draw")
    score = page.locator(".st-key-score")
    draw(page, drawing(5, 1)[1:])
    final_score(page)
    page.wait_for_load_state("networkidle")
    before, runs, count = score.inner_text(), len(ran), len(asked)
    box = canvas_of(page).bounding_box()
    assert box
    (bow, *_) = drawing(5, 1)
    page.mouse.move(box["x"] + bow[0][0], box["y"] + bow[0][1])
    page.mouse.down()
    for number, (x, y) in enumerate(bow[1:]):
        page.mouse.move(box["x"] + x, box["y"] + y)
        if number % (len(bow) // 4) == 0:
            expect(score).not_to_have_text(before)
            before = score.inner_text()
    assert len(asked) - count >= 4
    assert len(ran) == runs, "no page has run"
    page.mouse.up()
    assert_verdict_is_of_canvas(page)
    eventually(page, lambda: len(ran) > runs)


def test_where_no_quick_answer_comes_the_page_answers_when_the_pen_is_lifted(page: Page, server: Server) -> None:
    page.route("**/pen/*", lambda route: route.abort())
    open_page(page, server, "draw")
    for stroke in drawing(5, 1):
        draw(page, [stroke])
        expect(page.locator(".st-key-score")).to_be_visible()
        assert_verdict_is_of_canvas(page)
        settled(page)


# When the pen was lifted, and when each frame was sent; of the page's own clock.
WATCH_FRAMES = """
() => {
    window.frames_sent = [];
    const ask = window.fetch;
    window.fetch = (address, ...more) => {
        if (String(address).includes("/pen/")) window.frames_sent.push([JSON.parse(more[0].body).is_whole, performance.now()]);
        return ask(address, ...more);
    };
    addEventListener("pointerup", () => (window.lifted = performance.now()), true);
}
"""


def test_a_lifted_pen_does_not_wait_for_the_answer_to_a_moving_one(page: Page, server: Server) -> None:
    held: list[Route] = []

    def hold_moving(route: Route) -> None:
        if route.request.post_data_json["is_whole"]:
            route.continue_()
        else:
            held.append(route)

    open_page(page, server, "draw")
    body, bar = drawing(5, 1)
    draw(page, [body])
    final_score(page)
    page.evaluate(WATCH_FRAMES)
    page.route("**/pen/*", hold_moving)
    draw(page, [bar])
    assert_verdict_is_of_canvas(page)
    until(page, "frames_sent.some(([isWhole]) => isWhole)")
    assert len(held) == 1, "one at a time while it moves"
    wait = page.evaluate("frames_sent.find(([isWhole]) => isWhole)[1] - lifted")
    assert wait < 2000, "an answer is taken for lost after 5 seconds"
    final = final_score(page)
    (late,) = held  # what a server said of the moving pen comes last
    with page.expect_event("requestfinished", lambda request: request == late.request):
        late.fulfill(json={"html": {"score": "<span>0.0000</span>"}, "curve": {"heights": [0.5]}})
    assert final_score(page) == final
    assert_verdict_is_of_canvas(page)


@pytest.mark.slow
def test_quick_answers_come_where_the_app_is_served_below_a_path(context: BrowserContext, tmp_path: Path) -> None:
    path = {"STREAMLIT_SERVER_BASE_URL_PATH": "lessons/anomaly"}
    below = start_server(tmp_path, tmp_path / "log.txt", path, as_streamlit_run)
    try:
        page = context.new_page()
        open_page(page, below, "draw")
        for stroke in drawing(5, 1):
            draw(page, [stroke])
            final_score(page)
        with page.expect_response("**/lessons/anomaly/pen/*") as answer:
            draw(page, [[(30, 30), (60, 60)]])
        assert answer.value.json()["html"]
        assert_verdict_is_of_canvas(page)
        page.close()
    finally:
        below.end()


FAULTY_ANSWERS: dict[str, Callable[[Route], None]] = {
    "lost": lambda route: route.abort(),
    "refused": lambda route: route.fulfill(status=503),
    "no JSON": lambda route: route.fulfill(body="<html>"),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTY_ANSWERS)
def test_after_an_answer_that_is_none_the_next_frame_is_sent_soon(page: Page, server: Server, fault: str) -> None:
    errors = list[str]()
    page.on("pageerror", lambda error: errors.append(str(error)))
    open_page(page, server, "draw")
    body, bar = drawing(5, 1)
    draw(page, [body])
    final_score(page)
    page.evaluate(WATCH_FRAMES)
    page.route("**/pen/*", FAULTY_ANSWERS[fault])
    box = canvas_of(page).bounding_box()
    assert box
    page.mouse.move(box["x"] + bar[0][0], box["y"] + bar[0][1])
    page.mouse.down()

    points = cycle(bar)

    def is_sent_twice() -> bool:
        x, y = next(points)
        page.mouse.move(box["x"] + x, box["y"] + y)
        return bool(page.evaluate("frames_sent.length >= 2"))

    eventually(page, is_sent_twice)
    assert page.evaluate("frames_sent[1][1] - frames_sent[0][1]") < 4000, "an answer is taken for lost after 5 seconds"
    page.mouse.up()
    assert_verdict_is_of_canvas(page)
    assert errors == []


def listeners(page: Page) -> Counter[str]:
    """How many the document has of each event that a pen makes."""
    devtools = page.context.new_cdp_session(page)
    document = devtools.send("Runtime.evaluate", {"expression": "document"})["result"]["objectId"]
    found = devtools.send("DOMDebugger.getEventListeners", {"objectId": document})["listeners"]
    return Counter(each["type"] for each in found if each["type"].startswith("pointer") or each["type"] == "drawn")


@pytest.mark.slow
def test_one_watches_the_pen_however_often_one_draws_and_comes_back(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    seen = []
    for _ in range(2):
        for stroke in drawing(5, 1):
            draw(page, [stroke])
            assert_verdict_is_of_canvas(page)
        seen.append(listeners(page))
        page.get_by_role("link", name="Browse").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("^Browse"))
        settled(page)
        assert not listeners(page)["drawn"]
        page.get_by_role("link", name="Draw").click()
        expect(canvas_of(page)).to_be_visible()
        settled(page)
    assert seen[0] == seen[1]


@pytest.mark.slow
def test_what_is_no_frame_of_a_pen_is_refused(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    with page.expect_request("**/pen/*") as first:
        draw(page, drawing(5, 1))
        final_score(page)
        draw(page, [[(30, 30), (60, 60)]])
    address, sent = first.value.url, first.value.post_data_json

    def status(url: str, body: str) -> int:
        return page.request.post(url, data=body, headers={"Content-Type": "text/plain"}).status

    assert status(address, json.dumps(sent)) == 200
    assert sent
    strange = [{"png": "é,é"}, {"generation": "0"}, *({"seconds": value} for value in (10**400, math.nan, True, None))]
    for junk in ("", "[]", "[" * 100_000, "{}", *(json.dumps({**sent, **each}) for each in strange)):
        assert status(address, junk) == 400, junk[:40]
    assert status(address, json.dumps({**sent, "seconds": 1e9, "png": "x," + base64.b64encode(b"no picture").decode()})) == 200
    assert status(address, "x" * (2**20 + 1)) == 413
    assert status(address[:-1], json.dumps(sent)) == 404
    assert_verdict_is_of_canvas(page)


@pytest.mark.slow
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
    eventually(page, lambda: len(underway) >= 3)
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


def test_undo_redo_clear_and_a_reload_each_show_the_verdict_of_the_canvas(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    body, bar = drawing(5, 1)
    draw(page, [body])
    one = final_score(page)
    draw(page, [bar])
    both = final_score(page)
    assert one != both
    for name, score in (("Undo", one), ("Redo", both)):
        page.get_by_role("button", name=name, exact=True).click()
        expect(page.locator(".st-key-score")).to_have_text(score)
        assert_verdict_is_of_canvas(page)
    page.reload()
    settled(page)
    assert_verdict_is_of_canvas(page)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".st-key-verdict")).to_contain_text("Draw something")
    settled(page)
    assert_verdict_is_of_canvas(page)


@pytest.mark.parametrize("finished", slow_but(1, [0, 1]))
@pytest.mark.parametrize("way", slow_but("reload", ["reload", "link"]))
def test_a_page_left_in_mid_stroke_comes_back_with_the_verdict_of_its_canvas(
    page: Page, server: Server, way: str, finished: int
) -> None:
    open_page(page, server, "draw")
    body, bar = drawing(5, 1)
    score = page.locator(".st-key-score")
    if finished:
        draw(page, [bar])
        final_score(page)
    box = canvas_of(page).bounding_box()
    assert box
    page.mouse.move(box["x"] + body[0][0], box["y"] + body[0][1])
    page.mouse.down()
    before = score.inner_text() if finished else ""
    for x, y in body[1:]:
        page.mouse.move(box["x"] + x, box["y"] + y)
    expect(score).not_to_have_text(before)
    page.wait_for_load_state("networkidle")
    if way == "reload":
        page.reload()
    else:
        page.get_by_role("link", name="Browse").press("Enter")
        expect(page.get_by_role("heading", name="Browse test images")).to_be_visible()
        page.mouse.up()
        page.get_by_role("link", name="Draw").click()
    canvas_of(page)
    settled(page)
    assert_verdict_is_of_canvas(page)
    assert score.count() == finished


def test_a_connection_that_is_lost_in_mid_stroke_leaves_the_right_verdict(page: Page, server: Server) -> None:
    routes: list[WebSocketRoute] = []

    def connect(route: WebSocketRoute) -> None:
        route.connect_to_server()
        routes.append(route)

    page.route_web_socket(re.compile("/_stcore/stream"), connect)
    open_page(page, server, "draw")
    (stroke,) = drawing(7)
    box = canvas_of(page).bounding_box()
    assert box
    page.mouse.move(box["x"] + stroke[0][0], box["y"] + stroke[0][1])
    page.mouse.down()
    for number, (x, y) in enumerate(stroke[1:]):
        page.mouse.move(box["x"] + x, box["y"] + y)
        if number == len(stroke) // 2:
            expect(page.locator(".st-key-score")).to_be_visible()
            routes[0].close()
    page.mouse.up()
    eventually(page, lambda: len(routes) > 1)
    assert_verdict_is_of_canvas(page)
    assert inked(page) is not None, "the stroke was not lost"


def test_a_stroke_that_ends_outside_of_the_canvas(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    box = canvas_of(page).bounding_box()
    assert box
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 250, box["y"] + 200, steps=10)
    page.mouse.move(box["x"] + 340, box["y"] + 200, steps=5)
    page.mouse.up()
    expect(page.locator(".st-key-score")).to_be_visible()
    assert_verdict_is_of_canvas(page)
    assert inked(page) is not None


def test_a_pen_with_pressure(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    box = canvas_of(page).bounding_box()
    assert box
    pen = page.context.new_cdp_session(page)
    (stroke,) = drawing(7)
    kinds = ["mousePressed", *["mouseMoved"] * (len(stroke) - 2), "mouseReleased"]
    for number, (kind, (x, y)) in enumerate(zip(kinds, stroke, strict=True)):
        place = {"x": box["x"] + x, "y": box["y"] + y, "button": "left", "buttons": int(kind != "mouseReleased")}
        force = 0.2 + 0.6 * number / len(stroke)
        pen.send("Input.dispatchMouseEvent", {"type": kind, "pointerType": "pen", "force": force, "clickCount": 1, **place})
    expect(page.locator(".st-key-score")).to_be_visible()
    assert_verdict_is_of_canvas(page)
    assert inked(page) is not None


@contextmanager
def touched_canvas(server: Server, chromium: Browser, height: int) -> Iterator[tuple[Page, FloatRect, CDPSession]]:
    """Draw on a phone, where its canvas is, and what sends its fingers."""
    phone = chromium.new_context(viewport={"width": 390, "height": height}, has_touch=True, is_mobile=True)
    page = phone.new_page()
    try:
        open_page(page, server, "draw")
        box = canvas_of(page).bounding_box()
        assert box
        yield page, box, phone.new_cdp_session(page)
    finally:
        phone.close()


def test_a_second_finger_changes_nothing_that_is_not_on_the_canvas(server: Server, chromium: Browser) -> None:
    with touched_canvas(server, chromium, height=664) as (page, box, fingers):
        (stroke,) = drawing(7)
        points = [{"x": box["x"] + x, "y": box["y"] + y, "id": 1} for x, y in stroke]
        second = {"x": box["x"] + 20, "y": box["y"] + 300, "id": 2}
        middle = len(points) // 2
        fingers.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points[:1]})
        for number, point in enumerate(points[1:], start=1):
            kind = {middle: "touchStart"}.get(number, "touchMove")
            both = [point, second] if middle <= number < middle + 5 else [point]
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": both})
        fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        expect(page.locator(".st-key-score")).to_be_visible()
        assert_verdict_is_of_canvas(page)
        assert inked(page) is not None


def test_a_moment_of_the_drawing_is_looked_at_again(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    draw(page, drawing(5, 1))
    final = final_score(page)
    curve = page.get_by_role("slider", name="Moments of your drawing")
    box = curve.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 1, box["y"] + 20, steps=5)
    page.mouse.up()
    expect(page.locator(".st-key-verdict")).to_contain_text(re.compile(r"Moment 1 of \d+ of your drawing"))
    expect(page.locator(".st-key-score")).not_to_have_text(final)
    curve.press("End")
    expect(page.locator(".st-key-score")).to_have_text(final)
    assert_verdict_is_of_canvas(page)
    curve.press("Home")
    expect(page.locator(".st-key-verdict")).to_contain_text("Moment 1 of")
    canvas = canvas_of(page).bounding_box()
    assert canvas
    page.mouse.move(canvas["x"] + 40, canvas["y"] + 40)
    page.mouse.down()
    page.mouse.move(canvas["x"] + 60, canvas["y"] + 60, steps=5)
    expect(page.locator(".st-key-verdict")).not_to_contain_text("Moment")
    assert curve.get_attribute("aria-valuenow") == curve.get_attribute("aria-valuemax"), "while the pen is down"
    expect(curve.locator(".here")).to_be_hidden()
    page.mouse.up()
    assert_verdict_is_of_canvas(page)
    curve.press("Home")
    expect(page.locator(".st-key-verdict")).to_contain_text("Moment 1 of")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".st-key-verdict")).not_to_contain_text("Moment")
    assert_verdict_is_of_canvas(page)


def test_a_test_image_is_not_taken_for_the_drawing_on_the_canvas(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    draw(page, drawing(7))
    final_score(page)
    page.get_by_role("button", name="Random test image").click()
    expect(page.locator(".st-key-verdict")).to_contain_text(re.compile(r"test image [\d,]+: \d, not what is on the canvas"))
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".st-key-verdict")).to_contain_text("Draw something")


# Where everything stands: verdict, pictures and canvas, in each frame that the browser paints.
WATCH_PLACES = """
() => {
    window.places = new Set();
    const look = () => {
        const found = ["verdict", "gauge", "steps", "canvas", "canvas-tools", "ensemble"].map(key => {
            const { x, y, width } = document.querySelector(`.st-key-${key}`)?.getBoundingClientRect() ?? {};
            return `${key} ${Math.round(x)} ${Math.round(y)} ${Math.round(width)}`;
        });
        const pictures = [...document.querySelectorAll(".st-key-steps .pic")].map(picture => {
            const { x, y } = picture.getBoundingClientRect();
            return `${Math.round(x)} ${Math.round(y)}`;
        });
        window.places.add([...found, ...pictures].join(", "));
        requestAnimationFrame(look);
    };
    look();
}
"""
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


@pytest.mark.parametrize("screen", slow_but("phone", SCREENS))
@pytest.mark.parametrize("language", slow_but("de", ["en", "de"]))
def test_nothing_moves_while_one_draws(server: Server, chromium: Browser, screen: str, language: str) -> None:
    with visitor_at(chromium, screen) as page:
        open_page(page, server, f"draw?lang={language}")
        canvas_of(page)
        page.wait_for_load_state("networkidle")
        page.evaluate(WATCH_PLACES)
        for digit in (5, 6):  # a 6 is told by its loops, in a longer sentence
            draw(page, drawing(digit, 1))
            final_score(page)
            if screen != "laptop":
                said = page.locator(".st-key-verdict .verdict span")
                said.evaluate("span => { span.innerHTML = `<small>Bild 1</small>${'Schwelle '.repeat(30)}`; }")
                page.evaluate("new Promise(requestAnimationFrame)")
            page.locator(".st-key-canvas-tools button").first.click()
            expect(page.locator(".st-key-verdict .waiting")).to_be_visible()
            settled(page)
        places = page.evaluate("[...window.places]")
        assert len(places) == 1, places


@pytest.mark.slow
def test_a_refused_file_leaves_the_canvas_of_a_phone_where_it_is(server: Server, chromium: Browser) -> None:
    with visitor_at(chromium, "phone") as page:
        open_page(page, server, "draw")
        page.get_by_text("No pointer?").click()
        junk: FilePayload = {"name": "junk.png", "mimeType": "image/png", "buffer": b"no picture"}
        page.locator(".st-key-picture input[type=file]").set_input_files(junk)
        problem = page.get_by_text("This file is not a picture").filter(visible=True)
        expect(problem).to_have_count(1)
        settled(page)
        page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop = 0")
        page.evaluate(WATCH_PLACES)
        draw(page, drawing(5, 1))
        final_score(page)
        expect(problem).to_have_count(0)
        above = {re.sub(", ensemble [^,]*", "", places) for places in page.evaluate("[...window.places]")}
        assert len(above) == 1, above


WHAT_IS_DRAWN = {"a 5": ("en", 5, 1), "a 6, in German": ("de", 6, 0)}


@pytest.mark.parametrize("screen", slow_but("phone", ["phone", "narrow"]))
@pytest.mark.parametrize("scheme", slow_but("dark", ["light", "dark"]))
@pytest.mark.parametrize("what", slow_but("a 6, in German", WHAT_IS_DRAWN))
def test_a_phone_shows_canvas_verdict_and_pictures_on_one_screen(
    server: Server, chromium: Browser, screen: str, scheme: Literal["light", "dark"], what: str
) -> None:
    width, height = SCREENS[screen]
    language, digit, way = WHAT_IS_DRAWN[what]
    with visitor_at(chromium, screen, color_scheme=scheme) as page:
        open_page(page, server, f"draw?lang={language}")
        draw(page, drawing(digit, way))
        final_score(page)
        canvas = canvas_of(page).bounding_box()
        assert canvas
        assert (canvas["width"], canvas["height"]) == (width - 32, width - 32)
        pictures = [
            box for each in page.locator(".st-key-steps .pic").all() if each.is_visible() and (box := each.bounding_box())
        ]
        assert len(pictures) == 3
        undo = page.get_by_role("button", name="Undo").bounding_box()
        clear = page.locator(".st-key-canvas-tools button").first.bounding_box()
        verdict = page.locator(".st-key-verdict .verdict").bounding_box()
        for box in (*pictures, canvas, undo, clear, verdict):
            assert box
            assert box["x"] >= 0
            assert box["y"] >= 54, "below the bar at the top"
            assert box["x"] + box["width"] <= width
            assert box["y"] + box["height"] <= height
        assert undo
        assert min(undo["width"], undo["height"]) >= 32
        assert page.locator("kbd:visible").count() == 0, "a phone has no keys"


def test_without_a_pointer_a_random_test_image_is_judged(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    page.get_by_text("No pointer?").click()
    page.get_by_role("button", name="Random test image").click()
    expect(page.locator(".st-key-verdict")).to_have_text(re.compile("^(Normal|Anomaly)"))


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


@pytest.mark.slow
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


def test_a_finger_draws_on_the_canvas_and_scrolls_above_and_below_it(server: Server, chromium: Browser) -> None:
    with touched_canvas(server, chromium, height=844) as (page, box, fingers):

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
        for bottom in (box["y"] - 20, box["y"] + box["height"] + 150):
            page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop = 0")
            swipe(box["x"] + 160, bottom - 140, bottom)
            eventually(page, lambda: scrolled() > 50)
