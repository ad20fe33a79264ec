"""Draw: a canvas whose digits are scored at once."""

from typing import Any

import streamlit as st
import torch

from core.drawing import PictureError, from_canvas_png
from core.jobs.job import JobState
from pages.sections.draw_class import show_class_task
from pages.sections.draw_examples import show_examples, show_quick_keep
from pages.sections.draw_other_ways import show_other_ways, show_picture
from pages.sections.draw_pen import follow_pen, watch_pen
from pages.sections.draw_strip import show_strip
from pages.sections.draw_verdict import show_verdict
from pages.shared.components.canvas import draw_on_canvas
from pages.shared.i18n.text import _, translated
from pages.shared.state import detectors, job_pool, judging, keys
from pages.shared.state.drawings import CANVAS_SIDE, DrawingHistory
from pages.shared.state.turns import Priority
from pages.shared.state.visitor import TRAINING, tab, visitor
from pages.shared.streamlit_internals import begin_again_with_app, sent_keys

NARROWEST_BRUSH, BRUSH, WIDEST_BRUSH = 8, 24, 40
"""Widths in canvas pixels; at the middle one a digit of usual size has about as much ink as one of MNIST."""

KEY = "strokes-"
"""What the key of the canvas's component begins with."""


def show() -> None:
    """The page."""
    st.title(_("Draw a digit"))
    # Not in the fragment: a canvas on which somebody draws must not begin anew.
    canvas, on_screen = visitor().drawings.canvas, tab().canvas
    with visitor().lock:  # between two quick answers to the pen
        on_screen.resume(canvas, sent_keys(KEY))
        if on_screen.show(canvas, tab().visit):
            visitor().drawings.lose_stroke()
    show_class_task()
    draw_area()


@st.fragment
def draw_area() -> None:
    """Canvas, verdict, ensemble and strip; a stroke reruns this and nothing else of the page."""
    left, right = st.columns([1, 1.6], gap="large")
    with job_pool.turn_to_judge(Priority.PAGE):  # sixty pages at once would all be late; the pens come before them
        with left:
            with st.container(key="canvas-tools", horizontal=True):
                st.button(_("Clear"), on_click=clear, icon=":material/delete:", shortcut="X")
                show_quick_keep(clear)
            with st.container(key="canvas"):
                show_canvas()
        with right:
            training = visitor().job
            is_live = detectors.choice() == TRAINING and training and training.snapshot().state is JobState.RUNNING
            st.fragment(show_answer, run_every=1.0 if is_live else None)()
    with right, st.container(key="picture-found"):
        show_picture()
    with left, st.container(key="draw-controls"):
        st.slider(_("Brush width"), NARROWEST_BRUSH, WIDEST_BRUSH, BRUSH, key=keys.BRUSH, persist_state="session", width=320)
        show_other_ways()
        show_examples(clear)
    show_strip()


def show_answer() -> None:
    """What follows the pen."""
    watch_pen()
    show_verdict()
    judging.judge_again_once_trained()


def show_canvas() -> None:
    """The canvas, drawn first so that a stroke never waits for the rest of the page."""
    on_screen = tab().canvas
    strokes, png = draw_on_canvas(KEY + on_screen.key, CANVAS_SIDE, st.session_state.get(keys.BRUSH, BRUSH), on_screen.initial)
    # Until the first stroke of this visit the component has no image; what was drawn before stays.
    if png is not None and strokes is not None and strokes != on_screen.seen:
        with visitor().lock:  # between two quick answers to the pen
            take_strokes(strokes, png)


def take_strokes(strokes: dict[str, Any], png: bytes) -> None:
    """What the canvas itself sends: a whole stroke, or what undo and redo make of the drawing."""
    shown, on_screen = visitor().drawings, tab().canvas
    canvas = shown.canvas
    canvas.strokes = on_screen.seen = strokes
    canvas.of_strokes = None
    try:
        canvas.of_strokes = from_canvas_png(png)
    except PictureError as error:
        st.error(translated(error), icon=":material/error:")
        return
    if not canvas.is_stroke_whole and canvas.stroke_count <= len(canvas.history.ends):
        return  # the pen is down again, and what is seen of its stroke is newer
    if canvas.of_strokes is not None and canvas.image is not None and torch.equal(canvas.of_strokes, canvas.image):
        canvas.of_strokes = canvas.image  # what the pen sent, which is judged already
    else:
        canvas.replacements += 1  # frames of the pen that still wait for their answer are older
    canvas.image, canvas.is_stroke_whole = canvas.of_strokes, True
    shown.return_to_canvas()
    canvas.history.back_to(canvas.stroke_count, canvas.image)
    if canvas.image is not None:
        judging.add_drawing_to_strip(canvas.image)


def clear() -> None:
    """A new key is a clean canvas."""
    follow_pen()
    with visitor().lock:  # between two quick answers to the pen
        shown = visitor().drawings
        if shown.canvas.image is not None and not shown.canvas.is_stroke_whole:
            # Cleared before the whole stroke arrived: the strip keeps what was seen of it.
            judging.add_drawing_to_strip(shown.canvas.image)
        shown.canvas.generation += 1
        shown.canvas.strokes = shown.canvas.of_strokes = shown.canvas.image = None
        shown.canvas.is_stroke_whole, shown.canvas.history = True, DrawingHistory()
        shown.canvas.judged_on_screen.clear()
        shown.return_to_canvas()
        shown.opinions = None
        tab().canvas.show(shown.canvas, tab().visit)


if __name__ == "__main__":
    begin_again_with_app()
