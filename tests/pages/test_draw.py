"""Draw: a blank canvas, strokes, test images and files before the detector."""

import io
import json
import math
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from streamlit.testing.v1 import AppTest
from torch import Tensor

from core import checkpoint
from core.data.datasets import FALLBACK, load
from core.detector import AutoencoderDetector, DetectorConfig, Result
from core.drawing import from_canvas
from core.ensemble import Ensemble
from core.presets import Shipped
from pages.sections import draw_pen, draw_verdict
from pages.sections.draw_pen import take_frame
from pages.shared.components.live_canvas import CanvasFrame
from pages.shared.state import job_pool, keys, pens
from pages.shared.state.drawings import MAX_FRAMES, DrawingHistory
from pages.shared.state.pens import Pen as PenOfTab
from pages.shared.state.turns import Priority, PrioritySemaphore
from pages.shared.state.visitor import Choice, Tab, Visitor, acting_for
from tests.pages.conftest import checked, go_to, has, html_of, inside, number_in, open_page, plain, verdicts, visitor_of
from tests.strokes import WAYS, on_canvas, rgba

pytestmark = pytest.mark.usefixtures("without_data")


def verdict(app: AppTest) -> str:
    """What the verdict's box says, word and sentence."""
    (html,) = html_of(inside(app, "verdict"))
    return plain(html)


def assert_words_agree(app: AppTest, score: float, threshold: float) -> None:
    """Score and threshold as given, and a verdict that follows from them."""
    assert number_in(app, "score") == pytest.approx(score, abs=5.1e-5)
    assert number_in(app, "threshold") == pytest.approx(threshold, abs=5.1e-5)
    assert verdict(app).startswith("Anomaly" if score > threshold else "Normal")
    assert verdicts(app)[0] == ("Anomaly" if score > threshold else "Normal"), "the strip's newest entry"


def button(app: AppTest, label: str) -> Any:
    return next(found for found in app.button if found.label == label)


class Pen:
    """Stands in for the canvas in the browser: what is `drawn` is on it, from the next run on."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.drawn: NDArray[np.uint8] | None = None
        self.strokes = 0

    def __call__(self, key: str, initial_drawing: object = None, **_: object) -> SimpleNamespace:
        if self.keys and self.keys[-1] != key:
            self.drawn = None  # a new key is another canvas, and it has no image yet
        self.keys.append(key)
        strokes = None if self.drawn is None else {"objects": list(range(self.strokes))}
        return SimpleNamespace(image_bytes=self.png(), json_data=strokes)

    def png(self) -> bytes | None:
        if self.drawn is None:
            return None
        file = io.BytesIO()
        Image.fromarray(self.drawn).save(file, "PNG")
        return file.getvalue()

    def draw(self, picture: NDArray[np.uint8]) -> None:
        self.drawn, self.strokes = picture, self.strokes + 1


@pytest.fixture
def pen(monkeypatch: pytest.MonkeyPatch) -> Pen:
    held = Pen()
    monkeypatch.setattr("pages.shared.components.canvas.drawing_canvas", lambda: held)
    return held


Digit = Callable[[int], NDArray[np.uint8]]


@pytest.fixture
def digit() -> Digit:
    return lambda label: rgba(on_canvas(WAYS[label][0]))


def with_other_ways(app: AppTest) -> AppTest:
    """Opened, so that there is an uploader."""
    app.session_state["other-ways"] = True
    return checked(app.run())


BLANK = np.zeros((320, 320, 4), dtype=np.uint8)
CHECKERED = np.repeat(np.kron(np.indices((16, 16)).sum(axis=0) % 2 * 255, np.ones((20, 20)))[..., None], 4, axis=2).astype(
    np.uint8
)


def test_blank_canvas_asks_for_a_drawing() -> None:
    app = open_page("draw")
    assert verdict(app) == "Draw something: “5”, or anything else."
    assert not has(app, "score")
    assert not has(app, "threshold")
    assert verdicts(app) == []
    assert "Your drawings and pictures" not in [heading.value for heading in app.header]


def test_a_drawing_is_judged_as_the_detector_judges_it(pen: Pen, digit: Digit, best: AutoencoderDetector) -> None:
    app = open_page("draw")
    for label in range(10):
        pen.draw(digit(label))
        checked(app.run())
        image = from_canvas(digit(label))
        assert image is not None
        assert_words_agree(app, float(best.decision_function(image)), best.threshold_)


def test_both_verdicts_are_possible(pen: Pen, digit: Digit) -> None:
    app = open_page("draw")
    seen = []
    for label in (5, 7):
        pen.draw(digit(label))
        seen.append(verdict(checked(app.run())).split(",")[0])
    assert re.fullmatch(r"NormalRedrawn as “5”", seen[0])
    assert re.fullmatch(r"AnomalyRedrawn as “5”", seen[1])


def test_loops_that_alone_make_the_anomaly_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw_verdict, "_", lambda text, **values: text.format(**values))
    one = torch.ones(1)

    def told(score: float, factor: float) -> str:
        result = Result(one, one, one, torch.tensor([score]), torch.tensor([factor]), 2.0, one)
        return draw_verdict.verdict_sentence(result, "5")

    assert told(3.0, 2.0) == (
        "Redrawn as “5”, it would score 75% of the threshold, but its loops are not those of “5”: 1.5 times the threshold."
    )
    assert told(6.0, 2.0) == "Redrawn as “5”, it scores 3.0 times the threshold."
    assert told(1.0, 1.5) == "Redrawn as “5”, it scores 50% of the threshold."


def test_background_without_ink_is_a_blank_canvas(pen: Pen, digit: Digit) -> None:
    """After an undo the canvas sends an array of background; nothing may be scored then."""
    app = open_page("draw")
    pen.draw(digit(7))
    assert has(checked(app.run()), "score")
    pen.draw(BLANK)
    checked(app.run())
    assert not has(app, "score")
    assert verdict(app).startswith("Draw something")


def test_clear_is_a_new_canvas_and_keeps_the_strip(pen: Pen, digit: Digit) -> None:
    app = open_page("draw")
    pen.draw(digit(7))
    checked(app.run())
    before = pen.keys[-1]
    checked(button(app, "Clear").click().run())
    assert pen.keys[-1] != before
    assert verdict(app).startswith("Draw something")
    assert verdicts(app) == ["Anomaly"], "the drawing stays on the strip"


def test_strokes_of_one_drawing_are_one_entry_of_the_strip(pen: Pen, digit: Digit) -> None:
    app = open_page("draw")
    for label in (1, 7):
        pen.draw(digit(label))
        checked(app.run())
    assert len(verdicts(app)) == 1
    checked(button(app, "Clear").click().run())
    pen.draw(digit(5))
    checked(app.run())
    assert verdicts(app) == ["Normal", "Anomaly"], "newest first"


def test_a_drawing_survives_a_visit_to_another_page(pen: Pen, digit: Digit) -> None:
    app = open_page("draw")
    pen.draw(digit(7))
    score = number_in(checked(app.run()), "score")
    go_to(app, "home")
    go_to(app, "draw")
    assert number_in(app, "score") == score
    assert len(set(pen.keys)) == 2, "each visit has its own canvas"
    assert len(verdicts(app)) == 1, "coming back is not another drawing"


def test_a_stroke_that_the_canvas_did_not_send_is_lost_when_the_page_is_left(pen: Pen, digit: Digit) -> None:
    app = open_page("draw")
    way, drawings = way_of(app), visitor_of(app).drawings

    def move(label: int, seconds: float) -> None:
        """On top of what the canvas has sent, a stroke that it never will."""
        before, pen.drawn = pen.drawn, digit(label)
        assert in_a_thread(lambda: way.answer_to(frame(pen, seconds), way.canvas_state))
        pen.drawn = before

    move(5, 1.0)
    late = way.canvas_state
    go_to(app, "home")
    go_to(app, "draw")
    assert verdict(app).startswith("Draw something"), "nothing is on the canvas"
    pen.drawn = digit(5)
    assert in_a_thread(lambda: way.answer_to(frame(pen, 1.5), late)) == {}, "a frame that waited while the page was left"
    assert drawings.canvas.image is None
    pen.drawn = None
    assert drawings.canvas.history.images == []
    pen.draw(digit(7))
    score = number_in(checked(app.run()), "score")
    move(5, 2.0)
    drawings.moment = 0
    go_to(app, "home")
    go_to(app, "draw")
    assert number_in(app, "score") == score, "what is on the canvas"
    assert len(drawings.canvas.history.images) == 1
    assert drawings.canvas.is_stroke_whole
    assert verdicts(app) == ["Anomaly"]


def test_random_test_images_are_judged_as_the_detector_judges_them(
    monkeypatch: pytest.MonkeyPatch, best: AutoencoderDetector
) -> None:
    test = load(FALLBACK).test
    order = best.decision_function(test.images).argsort().tolist()
    app = open_page("draw")
    for index in (order[0], order[len(order) // 2], order[-1]):
        monkeypatch.setattr("random.randrange", lambda count, chosen=index: chosen % count)
        checked(button(app, "Random test image").click().run())
        assert_words_agree(app, float(best.decision_function(test.images[[index]])), best.threshold_)
    assert verdicts(app) == ["Anomaly", *verdicts(app)[1:-1], "Normal"], "the strip has the lowest and the highest score"
    assert len(verdicts(app)) == 3


def test_an_image_of_test_data_gives_way_to_the_next_stroke(pen: Pen, digit: Digit, best: AutoencoderDetector) -> None:
    app = open_page("draw")
    checked(button(app, "Random test image").click().run())
    pen.draw(digit(5))
    checked(app.run())
    image = from_canvas(digit(5))
    assert image is not None
    assert_words_agree(app, float(best.decision_function(image)), best.threshold_)


def png(picture: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def test_an_uploaded_picture_is_judged(digit: Digit) -> None:
    app = open_page("draw")
    with_other_ways(app).file_uploader(key="picture").upload("seven.png", png(digit(7)[..., 0]), "image/png")
    checked(app.run())
    assert verdict(app).startswith("Anomalyseven.png")
    assert number_in(app, "score") > number_in(app, "threshold")
    checked(app.run())
    assert len(verdicts(app)) == 1, "a rerun does not judge the same file again"


def sheet(digits: list[NDArray[np.uint8]]) -> bytes:
    """Digits in dark pen side by side on white paper."""
    gap = np.zeros((400, 60), dtype=np.uint8)
    inks = [np.pad(digit[..., 0], ((40, 40), (0, 0))) for digit in digits]
    return png(255 - np.concatenate([gap, *(part for ink in inks for part in (ink, gap))], axis=1))


def upload(app: AppTest, name: str, content: bytes) -> AppTest:
    app.file_uploader(key="picture").upload(name, content, "application/octet-stream")
    return checked(app.run())


def captions(app: AppTest) -> list[str]:
    return [caption.value for caption in app.caption]


def test_every_digit_of_a_picture_has_its_verdict(digit: Digit) -> None:
    app = upload(with_other_ways(open_page("draw")), "sheet.png", sheet([digit(5), digit(7), digit(5)]))
    assert "3 digits found." in captions(app)
    assert "Normal: **2**. Anomalies: **1**. Click one to see why." in [text.value for text in app.markdown]
    assert visitor_of(app).drawings.picked.title() == "sheet.png"
    assert len(verdicts(app)) == 1, "only what was chosen is on the strip"


def test_a_refused_file_leaves_no_verdict_standing(digit: Digit) -> None:
    app = upload(with_other_ways(open_page("draw")), "seven.png", png(digit(7)[..., 0]))
    assert has(app, "score")
    app = upload(app, "notes.txt", b"no picture")
    assert (len(app.error), has(app, "score")) == (2, False), "beside the verdict, and on a phone below the uploader"
    assert app.error[0].value.startswith("This file is not a picture.")
    assert verdict(app).startswith("Draw something")
    assert len(checked(app.run()).error) == 2, "told until something else is judged"
    app = checked(button(app, "Random test image").click().run())
    assert (len(app.error), has(app, "score")) == (0, True)


def test_a_removed_file_is_judged_no_more(digit: Digit, pen: Pen) -> None:
    app = open_page("draw")
    pen.draw(digit(5))
    drawn = number_in(checked(app.run()), "score")
    app = upload(with_other_ways(app), "seven.png", png(digit(7)[..., 0]))
    assert number_in(app, "score") != drawn
    assert verdict(app).startswith("Anomalyseven.png, not what is on the canvas")
    app.file_uploader(key="picture").clear()
    assert number_in(checked(app.run()), "score") == drawn, "the drawing on the canvas is judged again"


class OnlyOnce(PrioritySemaphore):
    """One place: who has it must not ask for it again, or would wait for ever."""

    def __init__(self) -> None:
        super().__init__(1)
        self.taken = list[Priority]()

    def _enter(self, priority: Priority) -> None:
        assert self._free
        super()._enter(priority)
        self.taken.append(priority)


def test_a_page_has_one_turn_for_all_that_a_drawing_needs(pen: Pen, digit: Digit, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = OnlyOnce()
    monkeypatch.setattr(job_pool, "_turns", lambda _: turns)
    app = open_page("draw")
    pen.draw(digit(5))
    checked(app.run())
    turns.taken.clear()
    visitor_of(app).drawings.canvas.is_stroke_whole = False
    checked(app.run())
    assert turns.taken == [Priority.PAGE], "a pen that is down again keeps no page waiting, which would keep others waiting"


@pytest.mark.parametrize(("is_whole", "priority"), [(False, Priority.PEN_MOVING), (True, Priority.PAGE)])
def test_an_answer_without_the_rest_of_the_page_comes_after_pages_while_the_drawing_moves(
    is_whole: bool, priority: Priority, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns, mine = OnlyOnce(), Visitor()
    monkeypatch.setattr(job_pool, "_turns", lambda _: turns)
    monkeypatch.setattr(draw_verdict, "show_judgement", lambda _: None)
    mine.drawings.canvas.is_stroke_whole = is_whole
    with acting_for(mine, Tab()):
        draw_verdict.show_verdict()
    assert turns.taken == [priority]


def frame(pen: Pen, seconds: float, generation: int = 0) -> CanvasFrame:
    """What is drawn, as a browser has it judged by a request of its own."""
    file = pen.png()
    assert file
    return CanvasFrame(file, generation, False, seconds)


def way_of(app: AppTest) -> PenOfTab:
    """The way of the quick answers of the tab."""
    found = app.session_state["tab"].pen
    assert pens.pen_of(found.token) is found
    return found  # type: ignore[no-any-return]


@pytest.mark.parametrize(("is_whole", "priority"), [(False, Priority.PEN_MOVING), (True, Priority.PEN_LIFTED)])
def test_a_quick_answer_to_a_lifted_pen_comes_first(
    is_whole: bool, priority: Priority, pen: Pen, digit: Digit, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = OnlyOnce()
    app = open_page("draw")
    pen.draw(digit(5))
    way, drawn = way_of(app), replace(frame(pen, 1.0), is_whole=is_whole)
    monkeypatch.setattr(job_pool, "_turns", lambda _: turns)
    assert in_a_thread(lambda: way.answer_to(drawn, way.canvas_state, way.priority_of(drawn)))
    assert turns.taken == [priority]


def test_who_says_again_and_again_that_the_pen_was_lifted_does_not_come_first(pen: Pen, digit: Digit) -> None:
    """Faster than a hand, in any of a visitor's tabs; it would keep everybody's page waiting."""
    app = open_page("draw")
    pen.draw(digit(5))
    way, lifted = way_of(app), replace(frame(pen, 1.0), is_whole=True)
    other_tab = replace(way, token="another")
    assert [each.priority_of(lifted) for each in (way, way, other_tab)] == [Priority.PEN_LIFTED, *[Priority.PEN_MOVING] * 2]
    way.visitor.drawings.lifted -= pens.MIN_BETWEEN_STROKES
    assert way.priority_of(replace(lifted, is_whole=False)) is Priority.PEN_MOVING
    assert way.priority_of(lifted) is Priority.PEN_LIFTED


def test_a_lifted_pen_has_its_answer_though_the_page_was_quicker(pen: Pen, digit: Digit) -> None:
    app = open_page("draw")
    way = way_of(app)
    pen.draw(digit(5))
    lifted = replace(frame(pen, 1.0), is_whole=True)
    with ThreadPoolExecutor(1) as page, acting_for(way.visitor, way.tab):
        page.submit(copy_context().run, take_frame, lifted).result()
    told = in_a_thread(lambda: way.answer_to(lifted, way.canvas_state))
    assert number_in(checked(app.run()), "score") == float(re.sub("<[^>]*>", "", told["html"]["score"]))
    moved = replace(lifted, is_whole=False)
    assert in_a_thread(lambda: way.answer_to(moved, way.canvas_state)) == {}, "a pen that moves says nothing new"


def test_the_ten_are_not_asked_for_a_moving_pen_while_others_wait(
    pen: Pen, digit: Digit, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("draw")
    pen.draw(digit(5))
    way = way_of(app)
    for number, is_crowded in enumerate((False, True, False)):
        monkeypatch.setattr(job_pool, "is_crowded", lambda is_crowded=is_crowded: is_crowded)
        visitor_of(app).drawings.ask_again = 0.0
        pen.draw(digit(number))
        told = in_a_thread(lambda number=number: way.answer_to(frame(pen, number), way.canvas_state))
        assert ("cards" in told["html"]) is not is_crowded


def test_a_quick_answer_is_what_the_page_says(pen: Pen, digit: Digit) -> None:
    app = open_page("draw")
    app.session_state["language"] = "de"
    checked(app.run())
    for label in range(10):
        pen.draw(digit(label))
        visitor_of(app).drawings.ask_again = 0.0  # the ten are asked each time
        way = way_of(app)
        told = in_a_thread(lambda way=way, label=label: way.answer_to(frame(pen, label), way.canvas_state))
        visitor_of(app).drawings.verdict_on_screen = None  # so that the page makes its own
        checked(app.run())
        for key in ("verdict", "second-opinion", "gauge", "score", "threshold", "as-high", "steps", "cards"):
            (html,) = html_of(inside(app, key))
            assert re.sub(' data-answer="[0-9]+"', "", html) == told["html"][key], key
    assert curve_of(app)["heights"] == told["curve"]["heights"]
    assert len(told["curve"]["heights"]) == 10
    assert "Anomalie" in told["html"]["verdict"]


def test_a_verdict_is_written_once_until_something_about_it_changes(
    pen: Pen, digit: Digit, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("draw")
    pen.draw(digit(5))
    written = list[str]()
    steps = draw_verdict.pictures.steps

    def counted(config: DetectorConfig, title: str, *more: Any) -> str:
        written.append(title)
        return steps(config, title, *more)

    monkeypatch.setattr(draw_verdict.pictures, "steps", counted)
    way = way_of(app)
    assert in_a_thread(lambda: way.answer_to(frame(pen, 1.0), way.canvas_state))
    checked(checked(app.run()).run())
    assert written == ["Your drawing"], "the page shows what the quick answer wrote"
    visitor_of(app).thresholds[visitor_of(app).choice] = 1e-6
    assert verdict(checked(app.run())).startswith("Anomaly")
    app.session_state["language"] = "de"
    assert "Anomalie" in verdict(checked(app.run()))
    assert written[1:] == ["Your drawing", "Deine Zeichnung"], "another threshold, another language"


def test_a_frame_that_comes_too_late_changes_nothing(pen: Pen, digit: Digit, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page("draw")
    way, canvas = way_of(app), visitor_of(app).drawings.canvas
    pen.draw(digit(5))
    assert in_a_thread(lambda: way.answer_to(frame(pen, 2.0), way.canvas_state))
    image = canvas.image
    pen.draw(digit(7))
    late = (
        (frame(pen, 1.0), way.canvas_state),
        (frame(pen, 3.0, generation=1), way.canvas_state),
        (frame(pen, 3.0), (way.canvas_state[0] - 1, way.canvas_state[1])),
        (frame(pen, 3.0), (way.canvas_state[0], way.canvas_state[1] - 1)),
    )
    for drawn, state in late:
        assert in_a_thread(lambda drawn=drawn, state=state: way.answer_to(drawn, state)) == {}
        assert canvas.image is image
    monkeypatch.setattr("pages.shared.state.classroom.hides_verdict", lambda: True)
    assert in_a_thread(lambda: way.answer_to(frame(pen, 3.0), way.canvas_state)) == {}, "a class is to guess"
    assert canvas.image is not image


def answered(way: PenOfTab, drawn: CanvasFrame, state: tuple[int, int] | None = None) -> bool:
    return bool(in_a_thread(lambda: way.answer_to(drawn, way.canvas_state if state is None else state)))


def test_a_lifted_pen_that_comes_after_the_canvas_ends_no_second_stroke(pen: Pen, digit: Digit) -> None:
    app = open_page("draw")
    way, canvas = way_of(app), visitor_of(app).drawings.canvas
    pen.drawn = digit(1)
    assert answered(way, frame(pen, 1.0)), "the pen moves"
    pen.drawn = digit(3)
    lifted = replace(frame(pen, 2.0), is_whole=True)
    pen.draw(digit(5))
    checked(app.run())
    assert answered(way, lifted)
    assert len(canvas.history.ends) == 1
    pen.draw(digit(7))
    checked(app.run())
    assert canvas.history.ends == [2, 4]
    assert canvas.history.images[-1] is canvas.image


def test_a_lifted_pen_is_not_forgotten_where_the_canvas_tells_of_the_stroke_before(pen: Pen, digit: Digit) -> None:
    app = open_page("draw")
    way, canvas = way_of(app), visitor_of(app).drawings.canvas
    pen.draw(digit(5))
    assert answered(way, replace(frame(pen, 1.0), is_whole=True))
    waiting = way.canvas_state
    checked(app.run())  # the canvas says the same
    pen.drawn = digit(7)
    assert answered(way, replace(frame(pen, 2.0), is_whole=True), waiting)
    waiting = way.canvas_state
    pen.draw(digit(3))
    checked(app.run())  # it says something else
    image = canvas.image
    pen.drawn = digit(1)
    assert not answered(way, replace(frame(pen, 3.0), is_whole=True), waiting)
    assert canvas.image is image


def test_a_frame_is_taken_once_also_where_the_canvas_began_anew(pen: Pen, digit: Digit) -> None:
    app = open_page("draw")
    way, canvas = way_of(app), visitor_of(app).drawings.canvas
    pen.drawn = digit(5)
    lifted, pen.drawn = replace(frame(pen, 1.0), is_whole=True), None
    assert answered(way, lifted)
    go_to(app, "home")
    go_to(app, "draw")
    assert not answered(way, lifted)
    assert canvas.image is None


def test_a_press_finds_the_stroke_that_comes_in_the_same_message(
    pen: Pen, digit: Digit, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("draw")
    drawings = visitor_of(app).drawings
    pen.drawn = digit(5)
    drawn, pen.drawn = replace(frame(pen, 1.0), is_whole=True), None
    monkeypatch.setattr("pages.shared.components.live_canvas.frame_of", lambda _: drawn)
    checked(button(app, "Clear").click().run())
    assert len(drawings.strip) == 1
    assert drawings.canvas.image is None
    drawn = replace(drawn, generation=drawings.canvas.generation, seconds=2.0)
    app.session_state["other-ways"] = True
    checked(app.run())
    checked(button(app, "Random test image").click().run())
    assert drawings.picked, "the stroke came first"
    assert len(drawings.strip) == 3


def test_a_frame_that_a_page_had_sent_to_a_server_before_is_not_taken(
    pen: Pen, digit: Digit, monkeypatch: pytest.MonkeyPatch
) -> None:
    pen.drawn = digit(5)
    drawn, pen.drawn = replace(frame(pen, 1.0), is_whole=True), None
    monkeypatch.setattr("pages.shared.components.live_canvas.frame_of", lambda _: drawn)
    app = open_page("draw")
    checked(button(app, "Clear").click().run())
    assert visitor_of(app).drawings.strip == []


def test_a_frame_has_the_seconds_of_a_clock() -> None:
    told = {"png": "data:image/png;base64,", "generation": 0}
    assert CanvasFrame.of_json(json.dumps({**told, "seconds": 1.5}).encode()) == CanvasFrame(b"", 0, False, 1.5)
    for seconds in ("1", None, True, math.nan, math.inf, 10**400, -(10**400), 1e300):
        assert CanvasFrame.of_json(json.dumps({**told, "seconds": seconds}).encode()) is None, seconds


def curve_of(app: AppTest) -> dict[str, Any]:
    """What the page sends to the component that shows the score along the drawing."""
    found = (element.proto for element in app.get("bidi_component"))
    return next(json.loads(proto.json) for proto in found if "replay" in proto.component_name)  # type: ignore[no-any-return]


def in_a_thread(action: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Where no page runs."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(action).result()


def test_what_the_pen_sent_is_not_judged_again_when_the_canvas_tells_of_it(pen: Pen, digit: Digit) -> None:
    app = open_page("draw")
    pen.draw(digit(5))
    checked(app.run())
    drawings = visitor_of(app).drawings
    judged = drawings.judged
    pen.draw(digit(5))
    checked(app.run())
    assert drawings.judged is judged
    pen.draw(digit(7))
    checked(app.run())
    assert drawings.judged is not judged
    assert verdict(app).startswith("Anomaly")


@pytest.mark.parametrize("is_hidden", [False, True])
def test_of_a_lifted_pen_the_detector_in_use_is_asked_with_the_ten_or_alone(
    is_hidden: bool, pen: Pen, digit: Digit, best: AutoencoderDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("draw")
    pen.draw(digit(5))
    monkeypatch.setattr(draw_pen, "is_hidden", lambda _: is_hidden)
    alone, together = Mock(wraps=AutoencoderDetector.infer), Mock(wraps=Ensemble.infer)
    monkeypatch.setattr(AutoencoderDetector, "infer", lambda *asked: alone(*asked))
    monkeypatch.setattr(Ensemble, "infer", lambda *asked: together(*asked))
    way, drawn = way_of(app), replace(frame(pen, 1.0), is_whole=True)
    in_a_thread(lambda: way.answer_to(drawn, way.canvas_state))
    assert (alone.call_count, together.call_count) == ((1, 0) if is_hidden else (0, 1))
    judged = visitor_of(app).drawings.judged
    assert judged is not None
    torch.testing.assert_close(judged[2].scores, best.decision_function(judged[0]))


def test_a_session_that_clears_all_day_has_a_limited_number_of_canvases(pen: Pen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pages.shared.state.drawings.CANVASES", 3)
    app = open_page("draw")
    for _ in range(5):
        before = pen.keys[-1]
        checked(button(app, "Clear").click().run())
        assert pen.keys[-1] != before
    assert len(set(pen.keys)) == 3


def test_the_detector_that_knows_it_better_is_named(pen: Pen, digit: Digit) -> None:
    app = open_page("draw")
    for drawn, told in (
        (digit(5), "None of the other detectors knows it better."),
        (digit(6), "The detector of 6 knows it better."),
        (CHECKERED, "None of the 10 detectors knows this."),
    ):
        pen.draw(drawn)
        assert plain(html_of(inside(checked(app.run()), "second-opinion"))[0]) == told


@pytest.mark.parametrize(("data_set", "are_digits"), [("mnist", True), ("fashion-mnist", False)])
def test_what_is_said_of_digits_is_not_said_of_clothes(data_set: str, are_digits: bool) -> None:
    app = open_page("draw")
    visitor_of(app).choice = Choice(shipped=Shipped("best", data_set, 1))
    checked(app.run())
    ensemble = inside(app, "ensemble")
    assert ensemble.header[0].value == "Which is it? Ask all 10 detectors"
    assert ("a 1 with a flag" in ensemble.caption[0].value) is are_digits
    assert "digit" not in ensemble.caption[0].value


def test_the_strip_says_what_was_drawn_and_what_was_picked(pen: Pen, digit: Digit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.randrange", lambda count: 11)
    app = open_page("draw")
    pen.draw(digit(5))
    checked(app.run())
    checked(button(app, "Random test image").click().run())
    upload(with_other_ways(app), "seven.png", png(digit(7)[..., 0]))
    strip = next(html for html in html_of(app) if "badge" in html)
    name = load(FALLBACK).test.labels[11]
    assert re.findall(r'<div class="label">([^<]+)</div><div', strip) == ["seven.png", f"test image 11: {name}", "drawing"]


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 40], ids=["empty", "text", "cut"])
def test_a_broken_picture_is_refused_with_a_sentence(content: bytes) -> None:
    app = open_page("draw")
    with_other_ways(app).file_uploader(key="picture").upload("broken.png", content, "image/png")
    checked(app.run())
    assert len(app.error) == 2, "beside the verdict, and on a phone below the uploader"
    assert app.error[0].value.endswith(".")
    assert not has(app, "score")


def test_ensemble_shows_one_card_for_each_shipped_detector(pen: Pen, digit: Digit, checkpoint_count: int) -> None:
    app = open_page("draw")

    def cards() -> str:
        return next(html for html in html_of(app) if 'class="bar"' in html)

    assert cards().count('<div class="bar"><u>') == checkpoint_count, "their places, empty before the first stroke"
    pen.draw(digit(5))
    checked(app.run())
    assert cards().count('<div class="bar"><i') == checkpoint_count
    assert cards().count('class="opinion best"') == 1
    pen.draw(CHECKERED)
    checked(app.run())
    assert cards().count('class="strange"') == checkpoint_count
    assert cards().count('class="opinion best"') == 0, "the best of ten to which it is strange is not framed"


@pytest.fixture
def checkpoint_count() -> int:
    return len(list((Path(__file__).parents[2] / "checkpoints").glob("mnist-*-best.safetensors")))


def test_brush_width_stays_when_the_page_is_left() -> None:
    app = open_page("draw")
    checked(app.slider(key="brush").set_value(30).run())
    go_to(app, "home")
    assert go_to(app, "draw").slider(key="brush").value == 30


def test_without_other_ways_no_browser_loads_an_uploader() -> None:
    app = open_page("draw")
    assert not has(app, "picture")
    assert has(with_other_ways(app), "picture")


def test_a_file_stays_judged_when_the_other_ways_are_closed(digit: Digit) -> None:
    app = upload(with_other_ways(open_page("draw")), "seven.png", png(digit(7)[..., 0]))
    app.session_state["other-ways"] = False
    assert verdict(checked(app.run())).startswith("Anomalyseven.png")


def frame_of(image: float) -> torch.Tensor:
    return torch.full((1, 1, 28, 28), image)


def values(history: DrawingHistory) -> list[float]:
    return [round(float(image.mean()), 3) for image in history.images]


def test_moments_of_a_drawing_follow_undo_and_redo() -> None:
    history = DrawingHistory()
    for number in range(1, 7):
        history.add(frame_of(number / 10), number in (3, 6))
    history.back_to(2, frame_of(0.6))
    assert (values(history), history.ends) == ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [3, 6]), "the canvas sends what is known"
    history.back_to(1, frame_of(0.3))
    assert (values(history), history.ends) == ([0.1, 0.2, 0.3], [3]), "undone"
    history.back_to(2, frame_of(0.6))
    assert (values(history), history.ends) == ([0.1, 0.2, 0.3, 0.6], [3, 4]), "redone"
    history.back_to(0, None)
    assert (values(history), history.ends) == ([], [])


def test_moments_of_a_drawing_are_bounded_and_keep_each_end() -> None:
    history = DrawingHistory()
    for number in range(1, 1001):
        history.add(frame_of(number / 1000), number % 100 == 0)
    assert len(history.images) <= MAX_FRAMES
    assert [values(history)[end - 1] for end in history.ends] == [number / 10 for number in range(1, 11)]
    for number in range(500):
        history.add(frame_of(number / 500), True)
    assert len(history.images) <= MAX_FRAMES
    assert len(history.ends) == 510


def test_the_score_of_each_moment_is_the_detectors(best: AutoencoderDetector) -> None:
    images = load(FALLBACK).test.images[:6]
    history = DrawingHistory()
    for number, image in enumerate(images[:, None], start=1):
        history.add(image, False)
        found = history.scores(best, float(best.decision_function(image)) if number % 2 else None)
        assert found == pytest.approx(best.decision_function(images[:number]).tolist(), abs=1e-6)
    other = checkpoint.read(Shipped("best", "mnist", 7).path).detector
    assert history.scores(other) == pytest.approx(other.decision_function(images).tolist(), abs=1e-6)


def test_the_score_of_each_moment_is_asked_for_once() -> None:
    asked = list[float]()

    def decision_function(images: Tensor) -> Tensor:
        asked.extend(images.mean(dim=(1, 2, 3)).tolist())
        return images.mean(dim=(1, 2, 3))

    detector = cast(AutoencoderDetector, SimpleNamespace(decision_function=decision_function))
    history = DrawingHistory()
    for number in range(3 * MAX_FRAMES):
        history.add(frame_of(number / 1000), number % 10 == 9)
        assert history.scores(detector) == pytest.approx([float(image.mean()) for image in history.images])
    history.back_to(len(history.ends) - 2, frame_of(0.5))
    assert history.scores(detector) == pytest.approx([float(image.mean()) for image in history.images])
    assert len(asked) == 3 * MAX_FRAMES


@pytest.mark.parametrize("looked_at", [0, 2])
def test_a_moment_looked_at_again_is_judged_and_said(pen: Pen, digit: Digit, best: AutoencoderDetector, looked_at: int) -> None:
    app = open_page("draw")
    pen.draw(digit(7))
    checked(app.run())
    images = load(FALLBACK).test.images[:4]
    shown = visitor_of(app).drawings
    shown.canvas.history.images[:0] = list(images[:, None])
    shown.moment = looked_at
    assert number_in(checked(app.run()), "score") == pytest.approx(float(best.decision_function(images)[looked_at]), abs=5.1e-5)
    assert f"Moment {looked_at + 1} of 5 of your drawing" in verdict(app)
    pen.draw(digit(5))
    assert verdict(checked(app.run())).startswith("NormalRedrawn"), "the next stroke is judged as it is"


def test_a_refused_picture_is_told_and_nothing_else_of_it_is_kept() -> None:
    """An error's traceback keeps the file and what was unpacked of it."""
    app = open_page("draw")
    cut = png(np.zeros((300, 300), dtype=np.uint8))[:-40]
    with_other_ways(app).file_uploader(key="picture").upload("cut.png", cut, "image/png")
    checked(app.run())
    problem = visitor_of(app).drawings.problem
    assert problem
    assert (problem.__traceback__, problem.__cause__, problem.__context__) == (None, None, None)


def test_what_stays_on_the_page_follows_the_language(pen: Pen, digit: Digit) -> None:
    app = open_page("draw")
    visitor_of(app).choice = Choice(shipped=Shipped("best", "fashion-mnist", 7))
    pen.draw(digit(7))
    checked(app.run())
    text = " ".join(html_of(app))
    assert ">Sneaker<" in text
    assert ">drawing<" in text
    app.session_state[keys.LANGUAGE] = visitor_of(app).language = "de"
    checked(app.run())
    text = " ".join(html_of(app))
    assert ">Sneaker<" not in text
    assert ">drawing<" not in text
