"""What is on the drawing canvas while the pen is down, and at once when it is lifted.

The canvas component itself sends a drawing a fifth of a second after the pen was lifted. A browser in which this
component fails still has that.

A frame goes one of two ways: by a request of its own (pages/shared/state/pens.py) for a quick answer, HTML that the component
puts into the page itself; and to the page where there is no place for an answer, or none comes in time.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from pages.shared.components.messages import finite, latest, turn, with_messages

_component = st.components.v2.component(
    "live-canvas",
    html="<span></span>",
    js=with_messages(Path(__file__).with_suffix(".js").read_text(encoding="utf-8")),
)


@dataclass(frozen=True)
class CanvasFrame:
    """What was on the canvas.

    png: a file; generation: how often the canvas had been cleared; is_whole: the pen was lifted; seconds: of a clock that
    began with the page.
    """

    png: bytes
    generation: int
    is_whole: bool
    seconds: float

    @classmethod
    def of_json(cls, text: bytes | bytearray) -> "CanvasFrame | None":
        """The same as `of`, of the text of a request."""
        try:
            told = json.loads(text)
        except (ValueError, RecursionError):
            return None
        return cls.of(told) if isinstance(told, dict) else None

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "CanvasFrame | None":
        """What a browser told; None where it is no frame."""
        png, generation, seconds = told.get("png"), told.get("generation"), finite(told.get("seconds"))
        if not isinstance(png, str) or not isinstance(generation, int) or seconds is None:
            return None
        try:
            file = base64.b64decode(png.partition(",")[2], validate=True)
        except (binascii.Error, ValueError):
            return None
        return cls(file, generation, bool(told.get("is_whole")), seconds)


def show(key: str, generation: int, side: int, address: str, on_frame: Callable[[], None]) -> None:
    """Watch the canvas of this generation, `side` pixels wide and high; `frame_of` is what it shows, in on_frame.

    address: where quick answers are asked for.
    """
    data = {"generation": generation, "side": side, "turn": turn(key, "frame"), "address": address}
    _component(key=key, data=data, height=1, on_frame_change=on_frame)


def frame_of(key: str) -> CanvasFrame | None:
    """What the browser sent last; None where it is no frame."""
    return CanvasFrame.of(latest(key, "frame"))
