"""The drawing canvas."""

import logging
from typing import Any

from pages.shared.streamlit_internals import drawing_canvas

LOG = logging.getLogger(__name__)


def draw_on_canvas(**settings: Any) -> tuple[dict[str, Any] | None, bytes | None]:
    """The canvas; returns its strokes and its PNG, both None before the first stroke of this visit.

    A browser that was tampered with can send anything; what no canvas sends counts as no stroke.
    """
    try:
        result = drawing_canvas()(return_image_data=True, **settings)
        strokes, png = result.json_data, result.image_bytes
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        LOG.warning("A canvas sent what no canvas sends (%s).", type(error).__name__)
        return None, None
    return (strokes, png) if isinstance(strokes, dict) else (None, None)
