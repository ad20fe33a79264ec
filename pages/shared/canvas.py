"""The drawing canvas, with its style sheet inside."""

import logging
from pathlib import Path
from typing import Any

import streamlit as st
import streamlit_drawable_canvas
from streamlit_drawable_canvas import st_canvas

LOG = logging.getLogger(__name__)

# The component links its style sheet, which arrives after the canvas is there. Until then the canvas
# stands 320 pixels too low, below its own background, and a stroke drawn at once lands beside it.
# Registered again with the style sheet's text inside, it stands in its place from the first moment.
# Streamlit warns of a second registration; this one is meant.
logging.getLogger("streamlit.components.v2.component_registry").setLevel(logging.ERROR)
# Undo and redo stay in sight, on a phone too, where nothing hovers. The other tools are for drawing
# programs; the one that resets would bring back the drawing of the last visit.
_TOOLS = """
.dc-toolbar { opacity: 1; top: -2.65rem; }
.dc-toolbar-card > :not([aria-label="Undo"], [aria-label="Redo"]) { display: none !important; }
"""
_STYLE_SHEET = next(Path(streamlit_drawable_canvas.__file__).parent.rglob("index-*.css"))

streamlit_drawable_canvas.out = st.components.v2.component(
    "streamlit-drawable-canvas.streamlit_drawable_canvas",
    js="index-*.js",
    css=_STYLE_SHEET.read_text(encoding="utf-8") + _TOOLS,
    html='<div class="canvas-root"></div>',
    isolate_styles=True,
)


def draw_on_canvas(**settings: Any) -> tuple[dict[str, Any] | None, bytes | None]:
    """The canvas; returns its strokes and its PNG, both None before the first stroke of this visit.

    A browser that was tampered with can send anything; what no canvas sends counts as no stroke.
    """
    try:
        result = st_canvas(return_image_data=True, **settings)
        strokes, png = result.json_data, result.image_bytes
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        LOG.warning("A canvas sent what no canvas sends (%s).", type(error).__name__)
        return None, None
    return (strokes, png) if isinstance(strokes, dict) else (None, None)
