"""From the pixels of a picture to the digits on it: the sheet, the ink, the pieces of ink, the digits."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from core.photos.ruling import EIGHT_NEIGHBOURS, has_lines, tilt_of_lines, without_lines
from core.photos.sheet import Bytes, Mask, find_sheet, is_ink_light, otsu, upright, warped

Floats = NDArray[np.float32]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""

FAINTEST_INK = 0.1
"""Ink below this, as a share of the paper's brightness, is taken for paper or for the soft edge of a stroke."""

FAINTEST_CONTRAST = 0.04
"""Share of the paper's brightness by which the faintest pencil stands out where there is no grain."""

MIN_DIGIT = 0.4
"""Longer side by that of most of the ink's digits; a page number or a tick is smaller."""

MAX_PIECES = 1500
"""More is a texture or noise, not writing; the largest are looked at. Each pair of them takes some 60 bytes (`_join`)."""


@dataclass(frozen=True)
class Digit:
    """One digit's ink (height, width) in [0, 1], cut out upright, and the box around it in pixels of the picture."""

    ink: Floats
    box: Box


@dataclass(frozen=True)
class Segmentation:
    """The digits of a picture in reading order, and what was taken away to find them."""

    digits: tuple[Digit, ...]
    is_sheet_found: bool
    """A sheet, window or plot was found inside the picture, and only that was read."""
    are_lines_removed: bool
    """Ruling, squared paper or a box was there."""
    ignored: int
    """Marks less than MIN_DIGIT times as large as the other digits, or wider than any digit; dust is not counted."""


@dataclass(frozen=True)
class _Boxes:
    """Bounding boxes in pixels; right and bottom are the first beyond."""

    left: NDArray[np.int32]
    top: NDArray[np.int32]
    right: NDArray[np.int32]
    bottom: NDArray[np.int32]

    @property
    def width(self) -> NDArray[np.int32]:
        return self.right - self.left

    @property
    def height(self) -> NDArray[np.int32]:
        return self.bottom - self.top

    @property
    def side(self) -> NDArray[np.int32]:
        """The longer side."""
        return np.maximum(self.width, self.height)

    def of(self, chosen: NDArray[np.int64]) -> "_Boxes":
        return _Boxes(self.left[chosen], self.top[chosen], self.right[chosen], self.bottom[chosen])

    def joined(self, groups: NDArray[np.int32]) -> "_Boxes":
        """The box around each group."""
        index = np.arange(groups.max() + 1)
        return _Boxes(
            ndimage.minimum(self.left, groups, index),
            ndimage.minimum(self.top, groups, index),
            ndimage.maximum(self.right, groups, index),
            ndimage.maximum(self.bottom, groups, index),
        )


def segment(colour: Bytes) -> Segmentation:
    """Find the digits in a picture: dark ink on light paper or the reverse, in any light.

    colour: (height, width, 3) bytes. A sheet on a desk is turned upright before it is read, and so is paper whose lines lean.
    """
    to_picture = np.eye(3)
    is_light = is_ink_light(colour)
    is_sheet_found = False
    for _ in range(3):  # a plot in a window on a desk
        sheet = find_sheet(colour)
        if sheet is None:
            break
        is_sheet_found = True
        colour, to_outer = upright(colour, sheet)
        to_picture = to_picture @ to_outer
        if not sheet.is_whole:
            is_light = False
            break
        is_light = is_ink_light(colour)
    grey = _channel(Image.fromarray(colour), is_light)
    size = max(grey.shape) // 3
    found = _read(_difference(grey, is_light, size))
    if found.usual < size / 2:
        # Small digits: paper that is estimated at their size follows the edges of shadows more closely.
        found = _read(_difference(grey, is_light, round(found.usual)))
    digits = tuple(Digit(digit.ink, _mapped(digit.box, to_picture @ found.to_picture)) for digit in found.digits)
    return Segmentation(digits, is_sheet_found, found.are_lines_removed, found.ignored)


def _mapped(box: Box, to_picture: NDArray[np.float64]) -> Box:
    """The level box around a box that a homography turns."""
    left, top, right, bottom = box
    x, y, scale = to_picture @ np.array([(left, top, 1), (right, top, 1), (right, bottom, 1), (left, bottom, 1)]).T
    x, y = x / scale, y / scale
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


# The ink


def _channel(colour: Image.Image, is_light: bool) -> Floats:
    """Luminance in [0, 1], or red, green or blue where the ink shows much better there: a yellow marker only dims the blue."""
    channels = [colour.convert("L"), *colour.split()]
    factor = max(1, max(colour.size) // 300)
    contrasts = []
    for channel in channels:
        small = np.asarray(channel.reduce(factor), dtype=np.float32) / np.float32(255.0)
        contrasts.append(float(np.quantile(_difference(small, is_light, max(small.shape) // 3), 0.995)))
    best = int(np.argmax(contrasts))
    chosen = channels[best] if contrasts[best] > 1.5 * contrasts[0] else channels[0]
    # A little blur takes the worst of a sensor's noise.
    return np.asarray(ndimage.gaussian_filter(np.asarray(chosen, dtype=np.float32) / np.float32(255.0), 0.6))


def _difference(grey: Floats, is_light: bool, size: int) -> Floats:
    """How much each pixel differs from the paper around it, in [0, 1]: for dark ink as a share of the paper's brightness.

    The share is the same in light and in shadow. The paper is what remains where strokes thinner than `size` pixels are
    wiped out (black-hat transform), at half the resolution.
    """
    height, width = grey.shape
    small = Image.fromarray(grey).reduce(2) if min(height, width) > 1 else Image.fromarray(grey)
    wipe, shrink = (
        (ndimage.grey_opening, ndimage.maximum_filter) if is_light else (ndimage.grey_closing, ndimage.minimum_filter)
    )
    # Shrunk by a pixel: where a shadow or a desk begins, half the resolution would draw a line along its edge.
    wiped = shrink(wipe(np.asarray(small), size=max(3, size // 2)), size=3)
    paper = np.asarray(Image.fromarray(wiped).resize((width, height), Image.Resampling.BILINEAR))
    if is_light:
        return np.asarray(grey - paper).clip(0.0, 1.0)
    # Where it is darker than any shadow on the paper, a share of it would be grain.
    darkest = max(0.02, 0.4 * float(np.quantile(wiped, 0.95)))
    return np.asarray((paper - grey) / np.maximum(paper, np.float32(darkest)), dtype=np.float32).clip(0.0, 1.0)


def _noise(contrast: Floats) -> float:
    """Standard deviation of the paper's grain, from pixels near each other, most of which are both paper."""
    # Four pixels apart: direct neighbours share the blur of the lens and of JPEG.
    steps = abs(contrast[::4, 4:] - contrast[::4, :-4])
    return float(np.median(steps)) / (0.6745 * 2**0.5) if steps.size else 0.0


def _least_ink(contrast: Floats, noise: float) -> float:
    """The contrast above which there is ink."""
    some = contrast[::2, ::2]
    # Otsu's cut lies in the middle between paper and ink; below it strokes of uneven strength hold together.
    return max(0.5 * otsu(some), float(np.quantile(some, 0.25)) + max(FAINTEST_CONTRAST, 8 * noise))


# Pieces and digits


@dataclass(frozen=True)
class _Found:
    digits: list[Digit]
    are_lines_removed: bool
    ignored: int
    usual: float
    """Pixels: the longer side of most of the ink's digits; infinite where there is none."""
    to_picture: NDArray[np.float64]
    """The homography (3, 3) from the upright paper, on which the digits' boxes are, to the contrast's pixels."""


def _read(contrast: Floats) -> _Found:
    """The digits after the paper has been turned so that its lines are level."""
    noise = _noise(contrast)
    level = _least_ink(contrast, noise)
    to_picture = np.eye(3)
    strokes = contrast > level
    if not has_lines(strokes):
        found = _group(contrast, strokes, noise, False)
        # A digit whose foot stands in the shadow along the picture's edge is one piece with it, but darker.
        return found if found.digits else _group(contrast, contrast > max(level, otsu(contrast[::2, ::2])), noise, False)
    if tilt := tilt_of_lines(strokes):
        height, width = contrast.shape
        cosine, sine = np.cos(tilt), np.sin(tilt)
        centre = np.array([width / 2, height / 2])
        to_picture[:2, :2] = [(cosine, -sine), (sine, cosine)]
        to_picture[:2, 2] = centre - to_picture[:2, :2] @ centre
        contrast = np.asarray(warped(Image.fromarray(contrast), to_picture, (width, height), 0.0)).clip(0.0, 1.0)
        strokes = contrast > level
    strokes, are_lines_removed = without_lines(strokes, contrast)
    return replace(_group(contrast, strokes, noise, are_lines_removed), to_picture=to_picture)


def _group(contrast: Floats, strokes: Mask, noise: float, are_lines_removed: bool) -> _Found:
    """Pieces of ink put together to digits, in reading order."""
    pieces, count = ndimage.label(strokes, structure=EIGHT_NEIGHBOURS)
    nothing = _Found([], are_lines_removed, 0, np.inf, np.eye(3))
    if count == 0:
        return nothing
    areas = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    corners = [(s[1].start, s[0].start, s[1].stop, s[0].stop) for s in ndimage.find_objects(pieces)]
    boxes = _Boxes(*np.array(corners, dtype=np.int32).T)
    # Grain and dust go first.
    alive = boxes.side >= max(4, 0.03 * boxes.side.max(), 0.01 * max(contrast.shape))
    alive &= _has_sharp_edge(contrast, strokes, pieces, count, noise)
    is_box = _is_box(boxes, areas, alive)
    alive &= ~is_box & (boxes.width <= 5 * boxes.height)
    alive &= ~_is_edge(pieces, boxes, alive)
    are_lines_removed |= bool(is_box.any())
    kept = np.nonzero(alive)[0]
    if kept.size == 0:
        return replace(nothing, are_lines_removed=are_lines_removed)
    kept = kept[np.argsort(-areas[kept], kind="stable")[:MAX_PIECES]]
    groups = _join(boxes.of(kept), areas[kept])
    around, area = boxes.of(kept).joined(groups), np.bincount(groups, weights=areas[kept])
    usual = _weighted_median(around.side, area)
    is_digit = (around.side >= MIN_DIGIT * usual) & (around.width <= 5 * around.height)
    group_of = np.full(count + 1, -1)
    group_of[kept + 1] = groups
    order = _reading_order(around, np.nonzero(is_digit)[0])
    digits = [_digit(contrast, group_of, pieces, around, group) for group in order[: MAX_PIECES // 10]]
    return _Found(digits, are_lines_removed, int((~is_digit).sum()), usual, np.eye(3))


def _has_sharp_edge(contrast: Floats, strokes: Mask, pieces: NDArray[np.int32], count: int, noise: float) -> Mask:
    """Which pieces rise out of their surroundings as a pen's stroke does, and not as a dark corner of the room."""
    detail = contrast - ndimage.uniform_filter(contrast, max(40, max(contrast.shape) // 25))
    strength = float(np.median(contrast[strokes])) if count else 0.0
    sharp = np.zeros(count + 1, dtype=bool)
    sharp[pieces[strokes & (detail > max(0.2 * strength, 8 * noise))]] = True
    return sharp[1:]


def _is_box(boxes: _Boxes, areas: NDArray[np.int64], alive: Mask) -> Mask:
    """Pieces that are thin and have another piece of some size within: printed boxes and tables."""
    found = np.zeros(len(areas), dtype=bool)
    candidates = np.nonzero(alive & (areas < 0.3 * boxes.width * boxes.height) & (boxes.side >= 0.15 * boxes.side.max()))[0]
    for each in candidates:
        within = (
            alive
            & (boxes.left > boxes.left[each])
            & (boxes.right < boxes.right[each])
            & (boxes.top > boxes.top[each])
            & (boxes.bottom < boxes.bottom[each])
        )
        found[each] = bool((boxes.height[within] > 0.25 * boxes.height[each]).any())
    return found


def _is_edge(pieces: NDArray[np.int32], boxes: _Boxes, alive: Mask) -> Mask:
    """Pieces along the picture's edge: the desk beside the sheet; without other pieces, only what covers a whole side."""
    height, width = pieces.shape
    contact, covers = np.zeros(len(alive)), np.zeros(len(alive), dtype=bool)
    for edge, lengths in (
        (pieces[0], boxes.width),
        (pieces[-1], boxes.width),
        (pieces[:, 0], boxes.height),
        (pieces[:, -1], boxes.height),
    ):
        for piece in np.unique(edge[edge > 0]) - 1:
            places = np.nonzero(edge == piece + 1)[0]
            contact[piece] = max(contact[piece], np.ptp(places) / lengths[piece])
            covers[piece] |= len(places) > 0.9 * len(edge)
    along = contact > 0.5
    inside = alive & ~along
    tall = inside & (boxes.side > 0.05 * max(height, width))
    return along if tall.any() else covers


def _join(boxes: _Boxes, areas: NDArray[np.int64]) -> NDArray[np.int32]:
    """A group for each piece: pieces of one digit are near each other and together no larger than a digit."""
    groups = np.arange(len(areas), dtype=np.int32)
    for _ in range(2):
        around = boxes.joined(groups)
        usual = _weighted_median(around.side, np.bincount(groups, weights=areas))
        gap_x = np.maximum(around.left[:, None], around.left) - np.minimum(around.right[:, None], around.right)
        gap_y = np.maximum(around.top[:, None], around.top) - np.minimum(around.bottom[:, None], around.bottom)
        is_above = -gap_x > 0.5 * np.minimum(around.width[:, None], around.width)
        is_near = (gap_x < 0.1 * usual) & (gap_y < 0.1 * usual)
        tall = around.height > 0.6 * usual
        are_two = tall[:, None] & tall & ~is_above
        union_height = np.maximum(around.bottom[:, None], around.bottom) - np.minimum(around.top[:, None], around.top)
        union_width = np.maximum(around.right[:, None], around.right) - np.minimum(around.left[:, None], around.left)
        fits = (union_height < 1.6 * usual) & (union_width < 1.6 * usual)
        belongs = (is_near | (is_above & (gap_y < 0.25 * usual) & fits)) & ~are_two
        _, merged = connected_components(coo_array(belongs), directed=False)
        groups = merged[groups].astype(np.int32)
    return groups


def _weighted_median(values: NDArray[np.int32], weights: NDArray[np.floating | np.integer]) -> float:
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    return float(values[order][int(np.searchsorted(total, total[-1] / 2))])


def _reading_order(boxes: _Boxes, chosen: NDArray[np.int64]) -> list[int]:
    """Row by row from the top, each from the left; a row is what overlaps its first digit's middle."""
    left = sorted(chosen.tolist(), key=lambda each: int(boxes.top[each]))
    order: list[int] = []
    while left:
        first = left[0]
        row = [each for each in left if boxes.top[each] < (boxes.top[first] + boxes.bottom[first]) / 2]
        order += sorted(row, key=lambda each: int(boxes.left[each]))
        left = [each for each in left if each not in row]
    return order


def _digit(contrast: Floats, group_of: NDArray[np.int64], pieces: NDArray[np.int32], boxes: _Boxes, group: int) -> Digit:
    """The ink of one group with its soft edge; the full strength of this pen is 1."""
    margin = 2
    top, left = max(0, boxes.top[group] - margin), max(0, boxes.left[group] - margin)
    window = slice(top, boxes.bottom[group] + margin), slice(left, boxes.right[group] + margin)
    own = group_of[pieces[window]] == group
    ink = contrast[window]
    strength = float(np.quantile(ink[own], 0.9))
    soft = np.where(ndimage.binary_dilation(own, iterations=margin), ink / strength, 0.0)
    box = float(left), float(top), float(left + ink.shape[1]), float(top + ink.shape[0])
    return Digit(np.where(soft > FAINTEST_INK, soft, 0.0).clip(0.0, 1.0).astype(np.float32), box)
