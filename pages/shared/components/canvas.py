"""The drawing canvas."""

import logging
from typing import Any

from pages.shared.streamlit_internals import drawing_canvas

LOG = logging.getLogger(__name__)


def draw_on_canvas(
    key: str, side: int, brush: int, initial: dict[str, Any] | None
) -> tuple[dict[str, Any] | None, bytes | None]:
    """The canvas, side pixels wide and high, on which a brush so many pixels wide draws white on black.

    Returns its strokes and its PNG, both None before the first stroke of this visit. initial: strokes to begin with.

    A browser that was tampered with can send anything; what no canvas sends counts as no stroke.
    """
    try:
        result = drawing_canvas()(
            stroke_width=brush,
            stroke_color="#ffffff",
            background_color="#000000",
            height=side,
            width=side,
            initial_drawing=initial,
            return_image_data=True,
            key=key,
        )
        strokes, png = result.json_data, result.image_bytes
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        LOG.warning("A canvas sent what no canvas sends (%s).", type(error).__name__)
        return None, None
    return (strokes, png) if isinstance(strokes, dict) else (None, None)
