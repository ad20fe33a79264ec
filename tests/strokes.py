"""Digits as pointer strokes: written by hand as control points, smoothed, and shaken at will.

Each digit has several ways of writing it; each way is a list of strokes; each stroke is a list of
points (x, y) with 0 to 100 for the box of the digit.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Stroke = list[tuple[float, float]]

WAYS: dict[int, list[list[Stroke]]] = {
    0: [
        [[(55, 2), (25, 12), (10, 45), (18, 82), (45, 98), (75, 85), (88, 50), (78, 15), (52, 2)]],
        [[(50, 0), (20, 20), (20, 80), (50, 100), (80, 80), (80, 20), (50, 0)]],
    ],
    1: [[[(50, 0), (50, 100)]], [[(30, 25), (52, 2), (52, 100)]], [[(60, 0), (42, 100)]]],
    2: [
        [[(15, 25), (30, 4), (62, 2), (80, 24), (66, 52), (35, 78), (12, 97), (50, 96), (90, 97)]],
        [[(12, 22), (40, 0), (76, 14), (72, 44), (40, 74), (14, 92), (30, 84), (55, 96), (92, 90)]],
    ],
    3: [
        [[(15, 14), (45, 0), (76, 14), (70, 36), (42, 47), (74, 56), (84, 78), (58, 98), (14, 90)]],
        [[(14, 4), (50, 2), (82, 6), (62, 26), (46, 42), (76, 50), (84, 74), (62, 96), (14, 92)]],
    ],
    4: [
        [[(30, 2), (18, 52), (86, 52)], [(70, 0), (68, 100)]],
        [[(62, 0), (35, 32), (10, 62), (50, 62), (92, 60)], [(66, 20), (64, 100)]],
    ],
    5: [
        [[(82, 3), (50, 3), (28, 4), (24, 26), (22, 44), (45, 38), (72, 46), (82, 68), (66, 92), (38, 99), (14, 88)]],
        [[(28, 4), (24, 44), (52, 37), (80, 52), (80, 80), (52, 99), (16, 90)], [(28, 4), (56, 3), (86, 2)]],
        [[(78, 6), (34, 6), (30, 42), (62, 44), (76, 66), (62, 92), (20, 94)]],
    ],
    6: [
        [[(72, 3), (42, 22), (22, 56), (28, 88), (52, 99), (76, 84), (72, 60), (48, 54), (26, 70)]],
        [[(60, 0), (30, 40), (20, 76), (46, 100), (76, 82), (60, 58), (26, 72)]],
    ],
    7: [
        [[(12, 6), (50, 5), (88, 4), (66, 42), (44, 98)]],
        [[(14, 8), (86, 4), (60, 50), (48, 100)], [(34, 50), (80, 48)]],
    ],
    8: [
        [[(74, 18), (48, 1), (24, 18), (46, 44), (76, 68), (56, 98), (24, 82), (34, 58), (66, 36), (74, 16)]],
        [[(50, 0), (22, 14), (28, 40), (70, 56), (80, 82), (50, 100), (20, 82), (30, 58), (70, 40), (76, 14), (50, 0)]],
    ],
    9: [
        [[(76, 22), (52, 2), (24, 18), (28, 44), (56, 46), (76, 22), (72, 60), (60, 99)]],
        [[(74, 20), (44, 2), (20, 26), (42, 50), (74, 34), (76, 14), (74, 98)]],
    ],
}


def smooth(stroke: Stroke, steps: int = 10) -> Stroke:
    """A Catmull-Rom curve through the points (Catmull and Rom 1974)."""
    if len(stroke) < 3:
        return stroke
    points = np.array([stroke[0], *stroke, stroke[-1]], dtype=float)
    curve: Stroke = []
    for a, b, c, d in zip(points, points[1:], points[2:], points[3:], strict=False):
        for t in np.linspace(0, 1, steps, endpoint=False):
            point = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
            curve.append((float(point[0]), float(point[1])))
    return [*curve, stroke[-1]]


def shaken(strokes: Sequence[Stroke], random: np.random.Generator) -> list[Stroke]:
    """The digit as another hand would draw it: other width, slant, turn, and unsteady points."""
    angle, shear, stretch = random.normal(0, 0.08), random.normal(0, 0.15), random.uniform(0.7, 1.1)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[stretch, -shear], [0, 1]])
    return [
        [tuple((np.array(point) - 50 + random.normal(0, 2.2, 2)) @ matrix.T + 50) for point in stroke]  # type: ignore[misc]
        for stroke in strokes
    ]


def on_canvas(strokes: Sequence[Stroke], side: int = 320, size: float = 0.62) -> list[Stroke]:
    """Strokes in canvas pixels, the digit in the middle at the given share of the canvas' height."""
    scale, offset = side * size / 100, side * (1 - size) / 2
    return [[(x * scale + offset, y * scale + offset) for x, y in smooth(list(stroke))] for stroke in strokes]


def rgba(strokes: Sequence[Stroke], side: int = 320, width: int = 24) -> NDArray[np.uint8]:
    """What the canvas would return for strokes in canvas pixels: white round brush on black."""
    picture = Image.new("L", (side * 2, side * 2), 0)
    pen = ImageDraw.Draw(picture)
    for stroke in strokes:
        doubled = [(x * 2, y * 2) for x, y in stroke]
        pen.line(doubled, fill=255, width=width * 2, joint="curve")
        for x, y in doubled:
            pen.ellipse((x - width, y - width, x + width, y + width), fill=255)
    grey = np.asarray(picture.resize((side, side), Image.Resampling.BOX))
    return np.dstack([grey, grey, grey, np.full_like(grey, 255)])
