"""Made-up signs as pointer strokes, as tests/strokes.py has digits: corners stay corners."""

import itertools
from functools import partial

import numpy as np
import torch
from torch import Tensor

from core.drawing import from_canvas, from_canvas_png
from pages.shared.html import pictures
from tests.strokes import Stroke, rgba, shaken


def _arc(x: float, y: float, radius: float, start: float, end: float, points: int = 16) -> Stroke:
    angles = np.radians(np.linspace(start, end, points))
    return [(float(x + radius * np.cos(angle)), float(y + radius * np.sin(angle))) for angle in angles]


def _spiral() -> Stroke:
    turns = np.linspace(0.5, 10, 30)
    return [(float(50 + 5 * turn * np.cos(turn)), float(50 + 5 * turn * np.sin(turn))) for turn in turns]


SIGNS: dict[str, list[Stroke]] = {
    "star": [[(50, 0), (79, 95), (3, 36), (97, 36), (21, 95), (50, 0)]],
    "moon": [_arc(50, 50, 48, 60, 300, 12) + _arc(72, 50, 38, 285, 75, 10)],
    "house": [[(10, 100), (10, 45), (50, 0), (90, 45), (90, 100), (10, 100)]],
    "heart": [[(50, 30), (35, 5), (10, 12), (5, 40), (50, 100), (95, 40), (90, 12), (65, 5), (50, 30)]],
    "arrow": [[(0, 50), (100, 50)], [(65, 15), (100, 50), (65, 85)]],
    "spiral": [_spiral()],
    "loop": [[(0, 80), (40, 75), (70, 40), (50, 10), (30, 40), (60, 75), (100, 80)]],
    "smile": [_arc(50, 50, 48, 0, 360, 20), [(32, 35), (32, 42)], [(68, 35), (68, 42)], _arc(50, 50, 25, 30, 150, 8)],
    "lightning": [[(60, 0), (25, 55), (70, 50), (35, 100)]],
    "tree": [[(50, 100), (50, 60)], [(50, 0), (15, 60), (85, 60), (50, 0)]],
}
FIVE = ("star", "moon", "house", "heart", "arrow")


def on_canvas(strokes: list[Stroke], side: int = 320, size: float = 0.62) -> list[Stroke]:
    """Strokes in canvas pixels, the sign in the middle at the given share of the canvas' height."""
    scale, offset = side * size / 100, side * (1 - size) / 2
    return [[(x * scale + offset, y * scale + offset) for x, y in along(stroke)] for stroke in strokes]


def along(stroke: Stroke, steps: int = 6) -> Stroke:
    """A stroke with points on its straight parts too: a canvas rounds off what lies between two points."""
    shares = np.linspace(0, 1, steps, endpoint=False)
    parts = itertools.pairwise(stroke)
    return [*((a + (c - a) * s, b + (d - b) * s) for (a, b), (c, d) in parts for s in map(float, shares)), stroke[-1]]


def drawn(sign: str, random: np.random.Generator, as_sent: bool = False) -> Tensor:
    """The sign as an unsteady hand draws it once, with some brush: an image (1, 1, 28, 28).

    as_sent: as the PNG that the canvas on Draw sends, read as that page reads it.
    """
    pixels = rgba(on_canvas(shaken(SIGNS[sign], random)), width=int(random.integers(18, 31)))
    image = from_canvas_png(pictures.png(pixels)) if as_sent else from_canvas(pixels)
    assert image is not None
    return image


def many(sign: str, count: int, seed: int, as_sent: bool = False) -> Tensor:
    """So many of them (count, 1, 28, 28); the same seed draws the same."""
    draw = partial(drawn, sign, np.random.default_rng(seed), as_sent)
    return torch.cat([draw() for _ in range(count)])
