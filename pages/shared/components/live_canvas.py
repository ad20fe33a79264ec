"""What is on the drawing canvas while the pen is down, and at once when it is lifted.

The canvas component itself sends a drawing a fifth of a second after the pen was lifted. A browser in which this
component fails still has that.
"""

import base64
import binascii
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from pages.shared.components.messages import latest, turn, with_messages

_component = st.components.v2.component(
    "live-canvas",
    html="<span></span>",
    js=with_messages(Path(__file__).with_suffix(".js").read_text(encoding="utf-8")),
)


def show(key: str, generation: int, side: int, on_frame: Callable[[], None]) -> None:
    """Watch the canvas of this generation, `side` pixels wide and high; `frame_of` is what it shows, in on_frame."""
    data = {"generation": generation, "side": side, "turn": turn(key, "frame")}
    _component(key=key, data=data, height=1, on_frame_change=on_frame)


def frame_of(key: str, generation: int) -> bytes | None:
    """The PNG file that the browser sent; None where it is of another canvas, or is none."""
    frame = latest(key, "frame")
    png = frame.get("png")
    if frame.get("generation") != generation or not isinstance(png, str):
        return None
    try:
        return base64.b64decode(png.partition(",")[2], validate=True)
    except binascii.Error:
        return None


def is_whole(key: str) -> bool:
    """Whether the pen was lifted before the frame was taken."""
    return bool(latest(key, "frame").get("is_whole"))
