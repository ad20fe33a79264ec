"""A pen on the canvas, be it a mouse, a finger or a stylus: while it moves, when it is lifted, when something breaks."""

import base64
import json
import math
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import cycle
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, CDPSession, FloatRect, Page, Route, WebSocketRoute, expect
from scipy import ndimage

from tests.browser.canvas import assert_verdict_is_of_canvas, drawing, inked
from tests.browser.conftest import (
    Server,
    as_streamlit_run,
    canvas_of,
    clear,
    draw,
    eventually,
    final_score,
    open_page,
    settled,
    slow_but,
    start_server,
    until,
)


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
    clear(page)
    expect(page.locator(".st-key-verdict")).to_contain_text("Draw something")
    draw(page, [bow, *rest])
    expect(score).to_have_text(final)


def test_no_page_runs_for_a_pen_from_its_first_answer_until_the_canvas_sends_the_stroke(page: Page, server: Server) -> None:
    asked, ran = list[str](), list[bool]()
    page.on("request", lambda request: asked.append(request.url) if "/pen/" in request.url else None)
    page.on("websocket", lambda socket: socket.on("framesent", lambda _: ran.append(True)))
    open_page(page, server, "draw")
    settled(page)
    page.wait_for_load_state("networkidle")
    score = page.locator(".st-key-score")
    box = canvas_of(page).bounding_box()
    assert box
    for (bow, *_), before in ((drawing(5, 1), ""), (drawing(7), "first")):
        runs, count = len(ran), len(asked)
        page.mouse.move(box["x"] + bow[0][0], box["y"] + bow[0][1])
        page.mouse.down()
        if not before:
            expect(score).to_have_count(0)
        for number, (x, y) in enumerate(bow[1:]):
            page.mouse.move(box["x"] + x, box["y"] + y)
            if number % (len(bow) // 4) == 0:
                expect(score).not_to_have_text(before)
                before = score.inner_text()
        assert len(asked) - count >= 4
        assert len(ran) == runs, "no page has run"
        page.mouse.up()
        assert_verdict_is_of_canvas(page)
        eventually(page, lambda runs=runs: len(ran) > runs)  # type: ignore[misc]
        page.wait_for_load_state("networkidle")
        settled(page)


def test_the_page_is_told_of_a_lifted_pen_only_where_no_quick_answer_has_come_before_the_next_click(
    page: Page, server: Server
) -> None:
    told, held = list[bool](), list[Route]()

    def note(payload: str | bytes) -> None:
        if isinstance(payload, bytes) and b'"is_whole":true' in payload:
            told.append(True)

    open_page(page, server, "draw")
    body, bar = drawing(5, 1)
    draw(page, [body])
    final_score(page)
    page.wait_for_load_state("networkidle")
    page.on("websocket", lambda socket: socket.on("framesent", note))
    page.reload()
    settled(page)
    draw(page, [bar])
    assert_verdict_is_of_canvas(page)
    page.wait_for_load_state("networkidle")
    assert not told
    page.route("**/pen/*", lambda route: held.append(route))
    box = canvas_of(page).bounding_box()
    assert box
    page.mouse.move(box["x"] + 40, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 90, box["y"] + 40, steps=5)
    page.mouse.up()
    eventually(page, lambda: any(route.request.post_data_json["is_whole"] for route in held))
    page.get_by_role("heading", name="Draw a digit").click()
    eventually(page, lambda: bool(told))
    assert_verdict_is_of_canvas(page)
    for route in held:
        route.abort()


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
        late.fulfill(json={"number": 2**40, "html": {"score": "<span>0.0000</span>"}, "curve": {"heights": [0.5]}})
    assert final_score(page) == final
    assert_verdict_is_of_canvas(page)


# Answers to lifted pens come as the page writes its next verdict, which it does before it tells the watching component.
ANSWER_LATE = """
() => {
    const ask = window.fetch, held = [];
    window.answers_held = held;
    window.fetch = async (address, ...more) => {
        const told = await ask(address, ...more);
        if (!String(address).includes("/pen/") || !JSON.parse(more[0].body).is_whole) return told;
        const answer = await told.json();
        await new Promise(release => held.push(release));
        return { ok: true, json: () => answer };
    };
    const verdict = () => document.querySelector(".st-key-verdict").innerText;
    const release = () => verdict().includes("Draw something") && held.forEach(each => each());
    new MutationObserver(release).observe(document.body, { childList: true, subtree: true, characterData: true });
}
"""


def test_an_answer_that_comes_as_the_canvas_is_cleared_is_not_shown(page: Page, server: Server) -> None:
    open_page(page, server, "draw")
    settled(page)
    page.evaluate(ANSWER_LATE)
    draw(page, [drawing(5, 1)[0]])
    until(page, "answers_held.length === 1")
    page.get_by_role("button", name="Clear").click()
    verdict = page.locator(".st-key-verdict")
    expect(verdict).to_contain_text("Draw something")
    settled(page)
    expect(verdict).to_contain_text("Draw something")


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


Underway = list[tuple[str | bytes, Callable[[], None]]]
"""Messages that have not arrived, and what lets them arrive."""


def slow_connection(page: Page, to_server: bool) -> tuple[threading.Event, Underway]:
    """A connection that is slow one way while the event is set; no message overtakes another."""
    slow, underway = threading.Event(), Underway()

    def connect(route: WebSocketRoute) -> None:
        far = route.connect_to_server()

        def send_slowly(to: WebSocketRoute, message: str | bytes) -> None:
            if slow.is_set():
                underway.append((message, partial(to.send, message)))
            else:
                to.send(message)

        route.on_message(partial(send_slowly, far) if to_server else far.send)
        far.on_message(route.send if to_server else partial(send_slowly, route))

    page.route_web_socket(re.compile("/_stcore/stream"), connect)
    return slow, underway


def test_a_page_that_began_before_a_quick_answer_does_not_bring_back_the_curves_mark(page: Page, server: Server) -> None:
    slow, underway = slow_connection(page, to_server=False)
    open_page(page, server, "draw")
    draw(page, drawing(5, 1))
    final_score(page)
    settled(page)
    curve = page.get_by_role("slider", name="Moments of your drawing")
    slow.set()
    curve.press("Home")
    eventually(page, lambda: any(isinstance(message, bytes) and b'"moment": 0' in message for message, _ in underway))
    box = canvas_of(page).bounding_box()
    assert box
    page.mouse.move(box["x"] + 40, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 90, box["y"] + 60)
    expect(curve.locator(".here")).to_be_hidden()
    latest = str(curve.get_attribute("aria-valuemax"))
    slow.clear()
    for _, arrive in underway:
        arrive()
    expect(page.locator(".st-key-verdict")).to_contain_text("Moment 1 of")  # until the pen moves on
    expect(curve).to_have_attribute("aria-valuemax", latest)
    expect(curve.locator(".here")).to_be_hidden()
    page.mouse.up()
    assert_verdict_is_of_canvas(page)


@pytest.mark.slow
def test_a_message_of_the_page_that_is_left_does_not_empty_the_next_one(page: Page, server: Server) -> None:
    slow, underway = slow_connection(page, to_server=True)
    open_page(page, server, "draw")
    link = page.get_by_role("link", name="Home")
    link.evaluate("link => document.addEventListener('pointerup', () => link.click(), { once: true })")
    slow.set()
    draw(page, [drawing(5)[0]])
    # The link, and the canvas, which sends its drawing a fifth of a second after the pen is lifted.
    eventually(page, lambda: len(underway) >= 2)
    slow.clear()
    for _, arrive in underway:
        arrive()
    expect(page).to_have_title(re.compile("^Home"))
    settled(page)
    expect(page.get_by_role("heading", name="See an autoencoder")).to_be_visible()


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


def test_what_is_pressed_before_the_pen_is_answered_is_done_and_seen(page: Page, server: Server) -> None:
    """The pen's last frame goes to the page with the press, in one message."""
    held: list[Route] = []
    page.route("**/pen/*", lambda route: held.append(route))
    open_page(page, server, "draw")
    draw(page, drawing(5))
    old = canvas_of(page).element_handle()
    assert old
    press = "button => { button.dispatchEvent(new PointerEvent('pointerdown', { bubbles: true })); button.click(); }"
    page.get_by_role("button", name="Clear").evaluate(press)
    eventually(page, lambda: not old.evaluate("canvas => canvas.isConnected"))
    expect(page.locator(".st-key-verdict")).to_contain_text("Draw something")
    assert held, "no quick answer came"


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


TOUCH_BESIDE_A_THUMB = """(upper, [x, isTakenAway]) => {
    const { left, top } = upper.getBoundingClientRect();
    const touch = (identifier, x, y) => new Touch({ identifier, target: upper, clientX: left + x, clientY: top + y });
    const thumb = touch(7, 10, 500);
    const send = (pointer, kind, y, isDown) => {
        const pen = touch(0, x, y), touches = isDown ? [thumb, pen] : [thumb];
        const how = { bubbles: true, cancelable: true, composed: true };
        const place = { clientX: left + x, clientY: top + y, pointerId: 3, pointerType: "touch", isPrimary: true };
        upper.dispatchEvent(new PointerEvent(pointer, { ...how, ...place, buttons: Number(isDown) }));
        const targetTouches = isDown ? [pen] : [];
        upper.dispatchEvent(new TouchEvent(kind, { ...how, touches, targetTouches, changedTouches: [pen] }));
    };
    send("pointerdown", "touchstart", 60, true);
    for (let y = 80; y < 260; y += 20) send("pointermove", "touchmove", y, true);
    if (isTakenAway) send("pointercancel", "touchcancel", 260, false);
    else send("pointerup", "touchend", 260, false);
}"""
"""A stroke from top to bottom, by a finger of a hand whose thumb rests on the screen all the time."""


@pytest.mark.parametrize("is_taken_away", [False, True], ids=["lifted", "taken away"])
def test_a_stroke_is_whole_though_a_thumb_rests_or_the_system_takes_it_away(
    is_taken_away: bool, server: Server, chromium: Browser
) -> None:
    """A hand holds the tablet, or is laid down."""
    with touched_canvas(server, chromium, height=844) as (page, _box, _fingers):
        for x in (100, 200):
            canvas_of(page).evaluate(TOUCH_BESIDE_A_THUMB, [x, is_taken_away])
            settled(page)
        expect(page.locator(".st-key-score")).to_be_visible()
        assert_verdict_is_of_canvas(page)
        image = inked(page)
        assert image is not None
        assert ndimage.label(image[0, 0].numpy() > 0.2)[1] == 2, "no line from one to the other, and neither is lost"


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
        settled(page)
        replay = page.get_by_role("slider", name="Moments of your drawing")
        curve = replay.bounding_box()
        assert curve
        swipe(curve["x"] + 30, curve["y"] - 150, curve["y"] + 10)
        eventually(page, lambda: scrolled() > 50)
        eventually(page, lambda: replay.get_attribute("aria-valuenow") == replay.get_attribute("aria-valuemax"))
        for bottom in (box["y"] - 20, box["y"] + box["height"] + 150):
            page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop = 0")
            swipe(box["x"] + 160, bottom - 140, bottom)
            eventually(page, lambda: scrolled() > 50)
