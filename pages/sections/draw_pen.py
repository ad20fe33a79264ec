"""Draw, while the pen moves: what it has drawn is put on the canvas, and answered with what changes on screen."""

from math import inf
from typing import Any

from core.drawing import PictureError, from_canvas_png
from pages.sections.draw_verdict import Judged, is_hidden, moment_scores, priority_of
from pages.shared.components import live_canvas, replay
from pages.shared.components.live_canvas import CanvasFrame
from pages.shared.state import job_pool, judging, keys, pens
from pages.shared.state.drawings import CANVAS_SIDE
from pages.shared.state.visitor import tab, visitor


def watch_pen() -> None:
    """Have the browser send what is on the canvas, for a quick answer or to the page."""
    on_screen = tab().canvas
    live_canvas.show(keys.PEN, on_screen.generation, CANVAS_SIDE, pens.address(answer_to_pen), follow_pen)
    if on_screen.frame_seconds == -inf and (frame := live_canvas.frame_of(keys.PEN)):
        on_screen.frame_seconds = frame.seconds  # of a page that outlived its session; the strokes of its canvas are newer


def follow_pen() -> None:
    """Judge what the browser sent to the page, and keep it on the strip when the stroke is whole.

    Buttons that use the drawing call it too: where both come in one message, Streamlit calls what a button calls first.
    """
    frame = live_canvas.frame_of(keys.PEN)
    if frame is None:
        return
    with job_pool.turn_to_judge(priority_of(frame.is_whole)), visitor().lock:
        take_frame(frame)


def answer_to_pen(frame: CanvasFrame) -> dict[str, Any]:
    """What changes on screen with what the pen has drawn; nothing where nothing does."""
    shown, on_screen = visitor().drawings, tab().canvas
    # The page may have been told of it as well, and have been quicker; it is on screen later.
    is_taken = frame.is_whole and frame.png == on_screen.png and on_screen.image is not None and shown.image is on_screen.image
    if (not take_frame(frame) and not is_taken) or is_hidden(shown):
        return {}
    judged = Judged.of(shown)
    is_new = judged.opinions is not on_screen.opinions
    changed = {key: html for key, html in judged.parts(shown).items() if is_new or key != "cards"}
    on_screen.opinions = judged.opinions
    on_screen.answers += 1
    curve = replay.curve(moment_scores(shown, judged), judged.result.threshold, judged.normal)
    return {"number": on_screen.answers, "html": changed, "curve": curve}


def take_frame(frame: CanvasFrame) -> bool:
    """Put this frame on the canvas, to be judged from now on; whether there is something new to judge.

    There is not, with the canvas as it was, where the frame says nothing new or is no PNG that a canvas sends.
    """
    shown, on_screen = visitor().drawings, tab().canvas
    canvas = shown.canvas
    is_known = frame.png == on_screen.png
    # Of the same second it is the same frame, which a canvas that began anew has forgotten.
    is_late = frame.seconds < on_screen.frame_seconds or (frame.seconds == on_screen.frame_seconds and not is_known)
    if frame.generation != on_screen.generation or is_late or (is_known and (canvas.is_stroke_whole or not frame.is_whole)):
        return False
    try:
        image = on_screen.image if is_known else from_canvas_png(frame.png)
    except PictureError:  # the canvas's own drawing follows
        return False
    on_screen.frame_seconds, on_screen.png, on_screen.image = frame.seconds, frame.png, image
    # A stroke that is whole already was counted, or it is a dot, which the canvas will count.
    is_end, canvas.image, canvas.is_stroke_whole = frame.is_whole and not canvas.is_stroke_whole, image, frame.is_whole
    shown.return_to_canvas()
    if image is None:
        return False
    canvas.history.add(image, is_end)
    if frame.is_whole:
        if not is_hidden(shown):
            judging.ask_all(image)  # first, since the detector in use is usually one of them
        judging.add_drawing_to_strip(image)
    return True
