"""A small canvas inside of a step; the drawing stays with the visitor."""

import streamlit as st
from torch import Tensor

from core.drawing import PictureError, from_canvas_png
from pages.shared.components.canvas import draw_on_canvas
from pages.shared.i18n.text import _, translated
from pages.shared.state.drawings import CanvasOnScreen
from pages.shared.state.visitor import current_lesson, tab
from pages.shared.streamlit_internals import sent_keys

SIDE = 220
"""Pixels; the style sheet shows it at this size."""
BRUSH = 17


def show_canvas(step: str) -> Tensor | None:
    """The canvas of a step; returns the drawing (1, 1, 28, 28), None while nothing is drawn."""
    canvas, place = current_lesson().canvas(step), f"{tab().lesson_about}-{step}"
    on_screen, key = tab().lesson_canvases.setdefault(place, CanvasOnScreen()), f"lesson-{place}-"
    on_screen.resume(canvas, sent_keys(key))
    if on_screen.visit != tab().visit or on_screen.generation != canvas.generation:
        on_screen.show(canvas, tab().visit)
    with st.container(key="lesson-canvas"):
        strokes, png = draw_on_canvas(key + on_screen.key, SIDE, BRUSH, on_screen.initial)
        st.button(_("Clear"), icon=":material/delete:", on_click=current_lesson().clear, args=(step,), key=f"clear-{step}")
    if png is not None and strokes is not None and strokes != on_screen.seen:
        canvas.strokes = on_screen.seen = strokes
        try:
            canvas.image = from_canvas_png(png)
        except PictureError as error:
            st.error(translated(error), icon=":material/error:")
    return canvas.image
