"""The lines of ruled or squared paper, boxes and tables: how far they lean, and the strokes without them."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Mask = NDArray[np.bool_]

MAX_TILT = 6.0
"""Degrees: a hand-held camera leans by less."""
TILT_STEP = 0.1
"""Degrees: over a whole picture a line then stays within a pixel or two."""

MIN_LINES = 3
"""One or two may be strokes of a digit."""
MIN_LINE = 0.25
"""Share of the picture's side."""
THICKEST_LINE = 0.015
"""Share of the picture's side; a pen of a large digit is thicker."""

DARKER_PEN = 1.3
"""Contrast of the pen by that of the lines; with less the two cannot be told apart through grain."""

EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


def has_lines(strokes: Mask) -> bool:
    """Whether there may be lines, which shows at a quarter of the resolution."""
    small = np.asarray(Image.fromarray(strokes.astype(np.uint8) * 255).reduce(4)) > 60
    side = max(small.shape)
    return sum(len(_long_lines(_level_runs(each.astype(np.uint8), side), side)[1]) for each in (small, small.T)) >= 2


def tilt_of_lines(strokes: Mask) -> float:
    """Radians by which lines lean (positive: down to the right), 0.0 where there are none.

    The angle at which the projections of the ink onto the picture's sides change most from pixel to pixel (Postl 1986).
    """
    factor = max(1, max(strokes.shape) // 800)
    small = np.asarray(Image.fromarray(strokes.astype(np.uint8) * 255).reduce(factor)) > 100
    y, x = (places.astype(np.float32) for places in np.nonzero(small))
    if len(x) == 0:
        return 0.0
    step = max(1, len(x) // 20_000)
    y, x = y[::step], x[::step]
    steps = round(MAX_TILT / TILT_STEP)
    tilts = np.deg2rad(np.arange(-steps, steps + 1) * TILT_STEP)
    heights = [_projection(y - x * np.float32(np.tan(tilt))) for tilt in tilts]
    widths = [_projection(x + y * np.float32(np.tan(tilt))) for tilt in tilts]
    sharpness = [float((np.diff(h) ** 2).sum() + (np.diff(w) ** 2).sum()) for h, w in zip(heights, widths, strict=True)]
    best = int(np.argmax(sharpness))
    lines = _count_lines(heights[best] * step / small.shape[1]) + _count_lines(widths[best] * step / small.shape[0])
    return float(tilts[best]) if lines >= MIN_LINES else 0.0


def _count_lines(projection: NDArray[np.float64]) -> int:
    """Lines in the ink's projection, in shares of the picture's side: peaks no wider than a line is thick."""
    peaks, _ = ndimage.label(projection > MIN_LINE)
    return int((np.bincount(peaks)[1:] <= THICKEST_LINE * len(projection)).sum())


def _projection(places: NDArray[np.float32]) -> NDArray[np.float64]:
    """Pixels of ink at each whole place."""
    return np.bincount((places - places.min()).astype(np.int64)).astype(np.float64)


def without_lines(strokes: Mask, contrast: NDArray[np.float32]) -> tuple[Mask, bool]:
    """Strokes without ruling, squares or table, and whether there was any.

    A line is thin, straight, level or upright, and long; one or two may be strokes of a digit. Where the pen is clearly
    darker than the lines it stays where it crosses them or runs along them.
    """
    side = max(strokes.shape)
    marks = strokes.astype(np.uint8)
    level_runs, upright_runs = _level_runs(marks, side), _level_runs(np.ascontiguousarray(marks.T), side).T
    level = level_runs & ~_is_thick(marks, level_runs)
    upright = upright_runs & ~_is_thick(np.ascontiguousarray(marks.T), upright_runs.T).T
    level, level_lengths = _long_lines(level, side)
    upright, upright_lengths = _long_lines(upright.T, side)
    upright = upright.T
    lengths = level_lengths + upright_lengths
    if sum(length > 0.6 * side for length in lengths) < 2 and sum(length > side / 3 for length in lengths) < 3:
        return strokes, False
    crossings = level_runs & upright_runs & (ndimage.maximum_filter((level | upright).astype(np.uint8), 5) > 0)
    lines = level | upright | crossings
    pen = strokes & ~lines
    if not pen.any():
        return pen, True
    of_lines, of_pen = float(np.median(contrast[lines])), float(np.quantile(contrast[pen], 0.9))
    if of_pen > DARKER_PEN * of_lines:
        dark = lines & (contrast > (of_lines + of_pen) / 2)
        pieces, count = ndimage.label(pen | dark, structure=EIGHT_NEIGHBOURS)
        is_pen = np.zeros(count + 1, dtype=bool)
        is_pen[pieces[pen]] = True
        pen |= dark & is_pen[pieces]  # a thick box in the same ink has dark places of its own
    return pen, True


def _level_runs(marks: NDArray[np.uint8], side: int) -> Mask:
    """Marks that belong to level runs of a twelfth of the picture's longer side."""
    # Two pixels more above and below, so that a line that leans or bends a little is still one run.
    thickened = ndimage.maximum_filter1d(marks, 5, axis=0)
    # Gaps of noise, and where another line was taken away, do not end a run.
    runs = _opening(_closing(thickened, max(4, side // 200), axis=1), max(3, side // 12), axis=1)
    return np.asarray((runs & marks).astype(bool))


def _is_thick(marks: NDArray[np.uint8], runs: Mask) -> Mask:
    """Where a stroke crosses level runs: it goes on above or below by more than a line is wide."""
    columns = np.ascontiguousarray(marks[:, :: max(1, marks.shape[1] // 100)].T)
    on_run = runs[:, :: max(1, marks.shape[1] // 100)].T
    edges = np.diff(np.pad(columns, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    start, end = np.nonzero(edges == 1), np.nonzero(edges == -1)
    lengths = (end[1] - start[1])[on_run[start[0], (start[1] + end[1]) // 2]]
    width = float(np.median(lengths)) if len(lengths) else 0.0
    return _opening(marks, max(4, round(1.5 * width + 2)), axis=0).astype(bool)


def _long_lines(lines: Mask, side: int) -> tuple[Mask, list[int]]:
    """Lines longer than a quarter of the longer side, or up to the edge, across gaps where strokes cross; their lengths."""
    closed = _closing(lines.astype(np.uint8), max(3, side // 16), axis=1)
    whole, _ = ndimage.label(closed, structure=EIGHT_NEIGHBOURS)
    is_line, lengths = [False], []  # what is no line has the number 0
    for rows, columns in ndimage.find_objects(whole):
        length, across = columns.stop - columns.start, rows.stop - rows.start
        # Where a stroke runs along a line, what is left of the line on both sides still reaches the picture's edge.
        reaches_edge = columns.start < 3 or columns.stop > lines.shape[1] - 3
        is_line.append((length > side / 4 or reaches_edge) and across < side / 100 + length / 16)
        if is_line[-1]:
            lengths.append(length)
    return np.asarray(lines & np.array(is_line)[whole]), lengths


def _opening(marks: NDArray[np.uint8], size: int, axis: int) -> NDArray[np.uint8]:
    """Runs of at least about this many pixels along an axis."""
    odd = size | 1  # an even window would shift the runs by a pixel
    narrowed = ndimage.minimum_filter1d(marks, odd, axis=axis, mode="constant")
    return np.asarray(ndimage.maximum_filter1d(narrowed, odd, axis=axis, mode="constant"))


def _closing(marks: NDArray[np.uint8], size: int, axis: int) -> NDArray[np.uint8]:
    """Gaps of less than this many pixels along an axis are closed."""
    return 1 - _opening(1 - marks, size, axis)
