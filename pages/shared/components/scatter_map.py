"""The plane component: images as points of a plane, each shown under the pointer, or a map of decoded images to move in."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import streamlit as st

from pages.shared.charts.figures import ANOMALY_COLOUR, NORMAL_COLOUR
from pages.shared.components.messages import finite, latest, turn, with_messages
from pages.shared.i18n.text import _

_HERE = Path(__file__).parent
_HTML = """
<div class="frame">
  <canvas class="plane" role="img" tabindex="0"></canvas>
  <span class="legend"></span><span class="x"></span><span class="y"></span>
  <div class="tip"><canvas width="28" height="28"></canvas><span></span></div>
</div>
"""

_component = st.components.v2.component(
    "plane",
    html=_HTML,
    css=(_HERE / "scatter_map.css").read_text(encoding="utf-8"),
    js=with_messages((_HERE / "scatter_map.js").read_text(encoding="utf-8")),
)

Kind = Literal["normal", "anomaly", "drawing"]
COLOURS: dict[Kind, str] = {"normal": NORMAL_COLOUR, "anomaly": ANOMALY_COLOUR, "drawing": "#6d6af2"}


@dataclass(frozen=True)
class Points:
    """Images on the plane. tiles: which tile of the sprite each one is; numbers: what is written on a marker, or nothing."""

    x: list[float]
    y: list[float]
    kinds: list[Kind]
    tiles: list[int]
    texts: list[str]
    numbers: list[str]


@dataclass(frozen=True)
class Extent:
    """The rectangle of the plane that is shown."""

    left: float
    right: float
    bottom: float
    top: float


def choose_point(
    key: str,
    label: str,
    axes: tuple[str, str],
    extent: Extent,
    points: Points,
    sprite: str,
    chosen: int,
    as_images: bool,
    on_change: Callable[[], None],
) -> None:
    """Points to look at and click; the tile of the one clicked is the state's `chosen`.

    sprite: address of a picture with all tiles, 28 pixels each, row by row.
    """
    _component(
        key=key,
        data={
            "label": label,
            "axes": axes,
            "extent": (extent.left, extent.right, extent.bottom, extent.top),
            "aspect": 1.6,
            "colours": COLOURS,
            "legend": {"normal": _("normal"), "anomaly": _("anomaly"), "drawing": _("your drawing")},
            "points": asdict(points),
            "sprite": sprite,
            "chosen": chosen,
            "as_images": as_images,
            "turn": turn(key, "chosen"),
        },
        on_chosen_change=on_change,
    )


def choose_place(
    key: str,
    label: str,
    axes: tuple[str, str],
    extent: Extent,
    aspect: float,
    backdrop: str,
    cursor: tuple[float, float],
    on_change: Callable[[], None],
) -> None:
    """A picture of the whole extent to click and drag in; `place_of` tells where."""
    _component(
        key=key,
        data={
            "label": label,
            "axes": axes,
            "extent": (extent.left, extent.right, extent.bottom, extent.top),
            "aspect": aspect,
            "points": None,
            "backdrop": backdrop,
            "cursor": cursor,
            "turn": turn(key, "place"),
        },
        on_place_change=on_change,
    )


def place_of(key: str) -> list[float]:
    """Where a map was clicked or dragged to, in its on_change; empty where that is no place."""
    place = latest(key, "place").get("at")
    numbers = [number for value in place if (number := finite(value)) is not None] if isinstance(place, list) else []
    return numbers if len(numbers) == 2 else []


def chosen_of(key: str) -> int:
    """The tile of the image that was clicked, in the on_change of choose_point; 0 where that is none."""
    tile = finite(latest(key, "chosen").get("tile"))
    return max(0, int(tile or 0))
