"""From the pixels of a picture to the digits on it: the sheet, the ink, the pieces of ink, the digits."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import ConvexHull, QhullError

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

FAINTEST_INK = 0.1
"""Ink below this, as a share of the paper's brightness, is taken for paper or for the soft edge of a stroke."""

FAINTEST_CONTRAST = 0.04
"""Share of the paper's brightness by which the faintest pencil stands out where there is no grain."""

SHEET_SIDE = 400
"""The sheet on its desk is looked for at this size; strokes need more."""
SMALLEST_SHEET = 0.1
"""Share of the picture; a smaller block is a blot on the paper."""
SMALLEST_STEP = 40
"""Of 255: least difference in brightness between a sheet and what it lies on."""

MAX_PIECES = 5000
"""More is a texture or noise, not writing; the largest are looked at."""

EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True)
class Digit:
    """One digit's ink (height, width) in [0, 1], cut out, and its top left corner in pixels of the picture."""

    ink: Floats
    left: int
    top: int


@dataclass(frozen=True)
class Segmentation:
    """The digits of a picture in reading order, and what was taken away to find them."""

    digits: tuple[Digit, ...]
    is_sheet_found: bool
    """A sheet, window or plot was found inside the picture, and only that was read."""
    are_lines_removed: bool
    """Ruling, squared paper or a box was there."""
    ignored: int
    """Pieces of ink too small beside the digits, or cut by the picture's edge."""


@dataclass(frozen=True)
class _Boxes:
    """Bounding boxes in pixels; right and bottom are the first beyond."""

    left: NDArray[np.int64]
    top: NDArray[np.int64]
    right: NDArray[np.int64]
    bottom: NDArray[np.int64]

    @property
    def width(self) -> NDArray[np.int64]:
        return self.right - self.left

    @property
    def height(self) -> NDArray[np.int64]:
        return self.bottom - self.top

    @property
    def side(self) -> NDArray[np.int64]:
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

    colour: (height, width, 3) bytes.
    """
    left = top = 0
    is_light = is_light_on_dark(_grey(colour))
    is_sheet_found = False
    for _ in range(3):  # a plot in a window on a desk
        sheet = _find_sheet(colour)
        if sheet is None:
            break
        is_sheet_found = True
        if not sheet.is_inside:
            is_light = False
            break
        colour, (x, y) = _cut_out(colour, sheet.corners)
        left, top = left + x, top + y
        is_light = is_light_on_dark(_grey(colour))
    grey = _channel(Image.fromarray(colour), is_light)
    size = max(grey.shape) // 3
    found = _group(_difference(grey, is_light, size))
    if found.usual < size / 2:
        # Small digits: paper that is estimated at their size follows the edges of shadows more closely.
        found = _group(_difference(grey, is_light, round(found.usual)))
    moved = tuple(Digit(digit.ink, digit.left + left, digit.top + top) for digit in found.digits)
    return Segmentation(moved, is_sheet_found, found.are_lines_removed, found.ignored)


def is_light_on_dark(grey: Bytes) -> bool:
    """Whether the ink is light: the border is paper, and is darker than the middle between the extremes."""
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    low, high = np.quantile(grey, [0.002, 0.998])
    return bool(np.median(border) < (low + high) / 2)


def _grey(colour: Bytes) -> Bytes:
    return np.asarray(Image.fromarray(colour).convert("L"))


# The sheet


@dataclass(frozen=True)
class _Sheet:
    """corners (N, 2), x and y in pixels; is_inside: the desk shows on all four sides."""

    corners: NDArray[np.float64]
    is_inside: bool


def _find_sheet(colour: Bytes) -> _Sheet | None:
    """A sheet on a desk, a window or a plot's square; None where the picture's border is paper.

    A sheet is a solid block. A digit is none: a 1 is too slender, the others are hollow or have bays.
    """
    factor = -(-max(colour.shape) // SHEET_SIDE)
    small = np.asarray(Image.fromarray(colour).convert("L").reduce(factor))
    if min(small.shape) < 16:
        return None
    light = small > _otsu(small)
    if not light.any() or light.all() or small[light].mean() - small[~light].mean() < SMALLEST_STEP:
        return None
    is_light = is_light_on_dark(small)
    pieces, _ = ndimage.label(light if is_light else ~light)
    areas = np.bincount(pieces.ravel(), minlength=2)[1:]
    largest = int(areas.argmax())
    rows, columns = ndimage.find_objects(pieces)[largest]
    height, width = rows.stop - rows.start, columns.stop - columns.start
    if areas[largest] < SMALLEST_SHEET * small.size or max(height, width) > 2.5 * min(height, width):
        return None
    is_inside = rows.start > 0 and columns.start > 0 and rows.stop < small.shape[0] and columns.stop < small.shape[1]
    if not is_inside and not is_light:
        return None  # a shadow on the paper, or the desk beside it
    # A sheet in the middle has four sides; of one that the picture cuts, or on which a shadow falls, less is seen.
    corners = _block(pieces[rows, columns] == largest + 1, least_rectangular=0.88 if is_inside else 0.0)
    if corners is None:
        return None
    corners += (columns.start, rows.start)
    centre = (corners.min(axis=0) + corners.max(axis=0)) / 2
    # A pixel and a half less on all sides: the sheet's edge is half desk.
    shrunk = centre + (corners - centre) * np.maximum(0.5, 1 - 3 / np.ptp(corners, axis=0))
    return _Sheet((shrunk + 0.5) * factor, is_inside)


def _block(piece: Mask, least_rectangular: float) -> NDArray[np.float64] | None:
    """Corners (N, 2) of the convex hull of a solid piece, else None."""
    y, x = np.nonzero(piece ^ ndimage.binary_erosion(piece))
    try:
        hull = ConvexHull(np.stack([x, y], axis=1).astype(np.float64))
    except QhullError:
        return None
    corners = np.asarray(hull.points[hull.vertices])
    # `volume` of a flat hull is its area, through the middles of the outermost pixels.
    filled = ndimage.binary_fill_holes(piece)
    is_solid = piece.sum() > 0.6 * filled.sum() and filled.sum() > 0.9 * hull.volume
    is_rectangular = hull.volume > least_rectangular * _smallest_rectangle(corners)
    return corners if is_solid and is_rectangular and not _has_round_hole(filled & ~piece, int(filled.sum())) else None


def _has_round_hole(holes: Mask, area: int) -> bool:
    """Whether the largest hole is a blob, as in a bold 0 or 8, and no stroke on a sheet."""
    pieces, count = ndimage.label(holes)
    areas = np.bincount(pieces.ravel(), minlength=2)[1:]
    if count == 0 or areas.max() < 0.01 * area:
        return False
    largest = int(areas.argmax())
    hole = np.pad(pieces[ndimage.find_objects(pieces)[largest]] == largest + 1, 1)
    return bool(2 * ndimage.distance_transform_edt(hole).max() > 0.5 * (max(hole.shape) - 2))


def _smallest_rectangle(corners: NDArray[np.float64]) -> float:
    """Area of the smallest rectangle around a convex polygon; one side of it lies on one of the polygon's (Freeman 1975)."""
    edges = np.roll(corners, -1, axis=0) - corners
    along = edges / np.linalg.norm(edges, axis=1, keepdims=True)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    return float((np.ptp(corners @ along.T, axis=0) * np.ptp(corners @ across.T, axis=0)).min())


def _cut_out(colour: Bytes, corners: NDArray[np.float64]) -> tuple[Bytes, tuple[int, int]]:
    """The sheet with its own colour around it where it does not fill its bounding box, and the box's top left corner."""
    left, top = np.floor(corners.min(axis=0)).astype(int)
    right, bottom = np.ceil(corners.max(axis=0)).astype(int)
    inside = Image.new("1", (right - left, bottom - top))
    ImageDraw.Draw(inside).polygon([(float(x - left), float(y - top)) for x, y in corners], fill=1)
    cut = colour[top:bottom, left:right].copy()
    outside = ~np.asarray(inside)[: cut.shape[0], : cut.shape[1]]
    cut[outside] = np.median(cut[~outside], axis=0)
    return cut, (int(left), int(top))


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


def _strokes(contrast: Floats, noise: float) -> Mask:
    """Where ink is."""
    some = contrast[::2, ::2]
    # Otsu's cut lies in the middle between paper and ink; below it strokes of uneven strength hold together.
    return contrast > max(0.6 * _otsu(some), float(np.quantile(some, 0.25)) + max(FAINTEST_CONTRAST, 8 * noise))


def _otsu(values: Floats | Bytes) -> float:
    """The cut that best separates two groups of values (Otsu 1979)."""
    counts, edges = np.histogram(values, bins=256)
    middles = (edges[:-1] + edges[1:]) / 2
    weight_low = np.cumsum(counts)
    weight_high = weight_low[-1] - weight_low
    sum_low = np.cumsum(counts * middles)
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = sum_low / weight_low - (sum_low[-1] - sum_low) / weight_high
        between = np.nan_to_num(weight_low * weight_high * gap**2)
    return float(edges[int(between.argmax()) + 1])


# Lines


def _without_lines(strokes: Mask) -> tuple[Mask, bool]:
    """Strokes without ruling, squares or table, and whether there was any.

    A line is thin, straight, level or upright, and long; one or two may be strokes of a digit.
    """
    side = max(strokes.shape)
    # Most pictures have none, which shows at a quarter of the resolution.
    small = np.asarray(Image.fromarray(strokes.astype(np.uint8) * 255).reduce(4)) > 60
    if len(_lengths(_level_lines(small, side // 4))) + len(_lengths(_level_lines(small.T, side // 4))) < 2:
        return strokes, False
    upright = _level_lines(strokes.T, side).T
    level = _level_lines(strokes & ~upright, side)  # upright lines no longer make it thick where they cross
    upright = _level_lines((strokes & ~level).T, side).T
    lengths = [*_lengths(level), *_lengths(upright.T)]
    long = sum(length > 0.6 * side for length in lengths)
    if long < 2 and sum(length > side / 3 for length in lengths) < 3:
        return strokes, False
    return strokes & ~level & ~upright, True


def _level_lines(strokes: Mask, side: int) -> Mask:
    """Parts of strokes that belong to thin level lines, of a quarter of the picture's longer side or up to its edge."""
    marks = strokes.astype(np.uint8)
    # Two pixels more above and below, so that a line that leans by three degrees is still one run.
    thickened = ndimage.maximum_filter1d(marks, 5, axis=0)
    # Gaps where another line was taken away do not end a run.
    runs = _opening(_closing(thickened, max(4, side // 100), axis=1), max(3, side // 12), axis=1)
    if not runs.any():
        return np.zeros_like(strokes)
    thick = _opening(marks, max(4, side // 100), axis=0)
    lines = (runs & marks & ~thick).astype(bool)
    whole, places = _whole_lines(lines, side)
    is_line = [False]  # what is no line has the number 0
    for rows, columns in places:
        length, across = columns.stop - columns.start, rows.stop - rows.start
        # Where a stroke runs along a line, what is left of the line on both sides still reaches the picture's edge.
        reaches_edge = columns.start < 3 or columns.stop > lines.shape[1] - 3
        is_line.append((length > side / 4 or reaches_edge) and across < side / 100 + length / 16)
    return np.asarray(lines & np.array(is_line)[whole])


def _lengths(lines: Mask) -> list[int]:
    """Lengths in pixels of level lines."""
    _, places = _whole_lines(lines, max(lines.shape))
    return [columns.stop - columns.start for _, columns in places]


def _whole_lines(lines: Mask, side: int) -> tuple[NDArray[np.int32], list[tuple[slice, slice]]]:
    """A number from 1 for each level line, across the gaps where strokes cross it, and where it stands."""
    closed = _closing(lines.astype(np.uint8), max(3, side // 16), axis=1)
    whole, _ = ndimage.label(closed, structure=EIGHT_NEIGHBOURS)
    return whole, ndimage.find_objects(whole)


def _opening(marks: NDArray[np.uint8], size: int, axis: int) -> NDArray[np.uint8]:
    """Runs of at least about this many pixels along an axis."""
    odd = size | 1  # an even window would shift the runs by a pixel
    narrowed = ndimage.minimum_filter1d(marks, odd, axis=axis, mode="constant")
    return np.asarray(ndimage.maximum_filter1d(narrowed, odd, axis=axis, mode="constant"))


def _closing(marks: NDArray[np.uint8], size: int, axis: int) -> NDArray[np.uint8]:
    """Gaps of less than this many pixels along an axis are closed."""
    return 1 - _opening(1 - marks, size, axis)


# Pieces and digits


@dataclass(frozen=True)
class _Found:
    digits: list[Digit]
    are_lines_removed: bool
    ignored: int
    usual: float
    """Pixels: the longer side of most of the ink's digits; infinite where there is none."""


def _group(contrast: Floats) -> _Found:
    """Pieces of ink put together to digits, in reading order."""
    noise = _noise(contrast)
    strokes, are_lines_removed = _without_lines(_strokes(contrast, noise))
    pieces, count = ndimage.label(strokes, structure=EIGHT_NEIGHBOURS)
    nothing = _Found([], are_lines_removed, 0, np.inf)
    if count == 0:
        return nothing
    areas = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    boxes = _Boxes(*np.array([(s[1].start, s[0].start, s[1].stop, s[0].stop) for s in ndimage.find_objects(pieces)]).T)
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
    is_digit = (around.side >= 0.4 * usual) & (around.width <= 5 * around.height)
    group_of = np.full(count + 1, -1)
    group_of[kept + 1] = groups
    order = _reading_order(around, np.nonzero(is_digit)[0])
    digits = [_digit(contrast, group_of, pieces, around, group) for group in order[: MAX_PIECES // 10]]
    return _Found(digits, are_lines_removed, int((~is_digit).sum()), usual)


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


def _weighted_median(values: NDArray[np.int64], weights: NDArray[np.floating | np.integer]) -> float:
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
    return Digit(np.where(soft > FAINTEST_INK, soft, 0.0).clip(0.0, 1.0).astype(np.float32), int(left), int(top))
