"""What is on the drawing canvas while the pen is down, and at once when it is lifted.

The canvas component itself sends a drawing a fifth of a second after the pen was lifted. A browser in which this
component fails still has that.

There are two on a page. The one that is shown with `changed` asks for quick answers: HTML that it puts into the page
itself. The other one asks for what only a whole run of the page can say.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from pages.shared.components.messages import latest, turn, with_messages

_component = st.components.v2.component(
    "live-canvas",
    html="<span></span>",
    js=with_messages(Path(__file__).with_suffix(".js").read_text(encoding="utf-8")),
)


@dataclass(frozen=True)
class Frame:
    """What was on the canvas. png: a file; is_whole: the pen was lifted; seconds: of a clock that began with the page."""

    png: bytes
    is_whole: bool
    seconds: float


def show(key: str, generation: int, side: int, on_frame: Callable[[], None], changed: Mapping[str, str] | None = None) -> None:
    """Watch the canvas of this generation, `side` pixels wide and high; `frame_of` is what it shows, in on_frame.

    changed: new HTML by the key of the container whose HTML it replaces; None where answers are not quick ones.
    """
    data = {"generation": generation, "side": side, "turn": turn(key, "frame"), "changed": changed}
    _component(key=key, data=data, height=1, on_frame_change=on_frame)


def frame_of(key: str, generation: int) -> Frame | None:
    """What the browser sent last; None where it is of another canvas, or is no frame."""
    frame = latest(key, "frame")
    png, seconds = frame.get("png"), frame.get("seconds")
    if frame.get("generation") != generation or not isinstance(png, str) or not isinstance(seconds, int | float):
        return None
    try:
        return Frame(base64.b64decode(png.partition(",")[2], validate=True), bool(frame.get("is_whole")), float(seconds))
    except binascii.Error:
        return None
