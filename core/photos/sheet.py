"""The sheet of paper in a picture: found on the desk it lies on, and turned upright as if seen from straight above."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

Bytes = NDArray[np.uint8]
Points = NDArray[np.float64]
"""(N, 2): x and y in pixels, from the picture's top left corner."""
Mask = NDArray[np.bool_]

SEARCH_SIDE = 400
"""Pixels: the sheet is looked for with the picture's longer side at this size; only strokes need more."""

MIN_AREA = 0.1
"""Share of the picture; a smaller block is a blot on the paper."""

MIN_STEP = 40
"""Of 255: difference in brightness between a sheet and what it lies on."""

DARKEST_SHADOW = 3.5
"""Paper in the light by paper in the shadow, per channel; a dark desk is five times darker than paper."""
OTHER_HUE = 1.3
"""Largest by smallest of these ratios: in the sky's light a shadow is a little blue, wood is brown."""

MIN_LIT_BORDER = 0.1
"""Share of the picture's border; light strokes that reach it cover less."""

MAX_SHAPE = 2.5
"""Longer side by shorter side; a till receipt is longer, and so is a bold 1."""

MIN_OF_QUADRILATERAL = 0.9
"""Share of the smallest quadrilateral around it that a sheet's convex hull covers; a disc or a bold 0 covers 0.79."""


@dataclass(frozen=True)
class Sheet:
    """A sheet on a desk, a window on a screen or the square of a plot."""

    outline: Points
    """Convex polygon around what is seen of it."""
    corners: Points
    """(4, 2), clockwise from the top left: the quadrilateral that becomes an upright rectangle."""
    is_whole: bool
    """The desk shows on all four sides."""


def find_sheet(colour: Bytes) -> Sheet | None:
    """The sheet in a picture (height, width, 3), or None where the picture's border is paper.

    A sheet is a solid block. A digit is none: a 1 is too slender, the others are hollow or have bays.
    """
    factor = -(-max(colour.shape) // SEARCH_SIDE)
    small_colour = _small(colour)
    small = _grey(small_colour)
    if min(small.shape) < 16:
        return None
    light = small > otsu(small)
    if not light.any() or light.all() or small[light].mean() - small[~light].mean() < MIN_STEP:
        return None
    is_light = is_light_on_dark(small)
    block = light if is_light else ~light
    pieces, _ = ndimage.label(block)
    areas = np.bincount(pieces.ravel(), minlength=2)[1:]
    largest = int(areas.argmax())
    rows, columns = ndimage.find_objects(pieces)[largest]
    height, width = rows.stop - rows.start, columns.stop - columns.start
    if areas[largest] < MIN_AREA * small.size or max(height, width) > MAX_SHAPE * min(height, width):
        return None
    is_whole = rows.start > 0 and columns.start > 0 and rows.stop < small.shape[0] and columns.stop < small.shape[1]
    if not is_whole and (not is_light or _is_shadow(small_colour, light)):
        return None
    outline = _hull_of_block(pieces[rows, columns] == largest + 1, block[rows, columns])
    if outline is None:
        return None
    outline += (columns.start, rows.start)
    if is_whole:
        corners = _quadrilateral_around(outline)
        if _area(outline) < MIN_OF_QUADRILATERAL * _area(corners):
            return None
    else:
        corners = _rectangle_around(outline, _tilt_of_longest_side(outline, small.shape))
    outline, corners = (_shrunk(polygon, 1.5) for polygon in (outline, corners))  # the sheet's edge is half desk
    return Sheet((outline + 0.5) * factor, (corners + 0.5) * factor, is_whole)


def is_ink_light(colour: Bytes) -> bool:
    """Whether a picture (height, width, 3) shows light ink on dark paper, and not a shadow over most of light paper."""
    small = _small(colour)
    light = _grey(small) > otsu(_grey(small))
    is_lit_paper = _border(light).mean() > MIN_LIT_BORDER and _is_shadow(small, light)
    return is_light_on_dark(_grey(small)) and not is_lit_paper


def is_light_on_dark(grey: Bytes) -> bool:
    """Whether the ink is light: the border is paper, and is darker than the middle between the extremes."""
    low, high = np.quantile(grey, [0.002, 0.998])
    return bool(np.median(_border(grey)) < (low + high) / 2)


def _border(picture: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])


def _small(colour: Bytes) -> Bytes:
    return np.asarray(Image.fromarray(colour).reduce(-(-max(colour.shape) // SEARCH_SIDE)))


def _grey(colour: Bytes) -> Bytes:
    return np.asarray(Image.fromarray(colour).convert("L"))


def otsu(values: NDArray[np.float32] | Bytes) -> float:
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


def upright(colour: Bytes, sheet: Sheet) -> tuple[Bytes, NDArray[np.float64]]:
    """The sheet alone, its corners at the corners of a rectangle, and the homography (3, 3) from there to the picture.

    What lies outside the sheet's outline gets the paper's colour.
    """
    inside = Image.new("1", (colour.shape[1], colour.shape[0]))
    ImageDraw.Draw(inside).polygon([(float(x), float(y)) for x, y in sheet.outline], fill=1)
    is_paper = np.asarray(inside)
    paper = np.median(colour[is_paper][::16], axis=0).astype(np.uint8)
    lone = np.where(is_paper[..., None], colour, paper)
    lengths = np.linalg.norm(np.roll(sheet.corners, -1, axis=0) - sheet.corners, axis=1)
    width, height = (max(1, round((lengths[side] + lengths[side + 2]) / 2)) for side in (0, 1))
    to_picture = homography(np.array([(0, 0), (width, 0), (width, height), (0, height)]), sheet.corners)
    return np.asarray(
        warped(Image.fromarray(lone), to_picture, (width, height), tuple(int(part) for part in paper))
    ), to_picture


def warped(
    picture: Image.Image, to_picture: NDArray[np.float64], size: tuple[int, int], fill: tuple[int, ...] | float
) -> Image.Image:
    """A picture of another size (width, height) that shows at each place what the homography (3, 3) finds in this one."""
    numbers = (to_picture / to_picture[2, 2]).ravel()[:8].tolist()
    return picture.transform(size, Image.Transform.PERSPECTIVE, numbers, Image.Resampling.BILINEAR, fillcolor=fill)


def homography(source: Points, target: Points) -> NDArray[np.float64]:
    """The matrix (3, 3) that takes four points to four others (Hartley and Zisserman 2004, section 4.1)."""
    rows, values = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [(x, y, 1, 0, 0, 0, -u * x, -u * y), (0, 0, 0, x, y, 1, -v * x, -v * y)]
        values += [u, v]
    return np.append(np.linalg.solve(np.array(rows, dtype=np.float64), np.array(values)), 1.0).reshape(3, 3)


def _is_shadow(colour: Bytes, light: Mask) -> bool:
    """Whether what is dark has the hue of what is light and is not much darker: a shadow on the paper, and no desk."""
    ratios = np.median(colour[light], axis=0) / np.maximum(np.median(colour[~light], axis=0), 1.0)
    return bool(ratios.max() < DARKEST_SHADOW and ratios.max() < OTHER_HUE * ratios.min())


def _hull_of_block(piece: Mask, same: Mask) -> Points | None:
    """The convex hull (N, 2) of a solid piece, clockwise on the screen, else None.

    same: what is as light or as dark as the piece, such as the paper inside a 0 on a sheet.
    """
    y, x = np.nonzero(piece ^ ndimage.binary_erosion(piece))
    try:
        hull = ConvexHull(np.stack([x, y], axis=1).astype(np.float64))
    except QhullError:
        return None
    # `volume` of a flat hull is its area, through the middles of the outermost pixels.
    filled = ndimage.binary_fill_holes(piece)
    is_solid = (filled & same).sum() > 0.7 * filled.sum() and filled.sum() > 0.9 * hull.volume
    return (
        np.asarray(hull.points[hull.vertices]) if is_solid and not _has_round_hole(filled & ~same, int(filled.sum())) else None
    )


def _has_round_hole(holes: Mask, area: int) -> bool:
    """Whether the largest hole is a blob, as in a bold 0 or 8, and no stroke on a sheet."""
    pieces, count = ndimage.label(holes)
    areas = np.bincount(pieces.ravel(), minlength=2)[1:]
    if count == 0 or areas.max() < 0.01 * area:
        return False
    largest = int(areas.argmax())
    hole = np.pad(pieces[ndimage.find_objects(pieces)[largest]] == largest + 1, 1)
    return bool(2 * ndimage.distance_transform_edt(hole).max() > 0.5 * (max(hole.shape) - 2))


def _area(polygon: Points) -> float:
    """Of a simple polygon (N, 2), positive where it runs clockwise on the screen (shoelace formula)."""
    following = np.roll(polygon, -1, axis=0)
    return float((polygon[:, 0] * following[:, 1] - following[:, 0] * polygon[:, 1]).sum() / 2)


def _quadrilateral_around(hull: Points) -> Points:
    """Four corners (4, 2) around a convex polygon: the side that costs least is taken away until four are left.

    Taking a side away prolongs its two neighbours until they meet.
    """
    corners = hull
    while len(corners) > 4:
        best, least = corners, np.inf
        for side in range(len(corners)):
            before, start, end, after = (corners[(side + step) % len(corners)] for step in (-1, 0, 1, 2))
            directions = np.stack([start - before, after - end], axis=1)
            if abs(np.linalg.det(directions)) < 1e-9:
                continue  # parallel
            along, beyond = np.linalg.solve(directions, end - start)
            meeting = start + along * (start - before)
            added = abs(_area(np.stack([start, meeting, end])))
            if along >= 0 and beyond >= 0 and added < least:
                least = added
                rolled = np.roll(corners, -side, axis=0)
                best = np.concatenate([meeting[None], rolled[2:]])
        if best is corners:
            break
        corners = best
    if len(corners) != 4:
        return _rectangle_around(hull, 0.0)
    return np.roll(corners, -int(corners.sum(axis=1).argmin()), axis=0)


def _rectangle_around(polygon: Points, tilt: float) -> Points:
    """Corners (4, 2), clockwise from the top left, of the rectangle around a polygon whose top leans by an angle in radians."""
    axes = np.array([(np.cos(tilt), np.sin(tilt)), (-np.sin(tilt), np.cos(tilt))])
    along = polygon @ axes.T
    (left, top), (right, bottom) = along.min(axis=0), along.max(axis=0)
    return np.asarray(np.array([(left, top), (right, top), (right, bottom), (left, bottom)]) @ axes)


def _tilt_of_longest_side(outline: Points, shape: tuple[int, ...]) -> float:
    """Radians in [-pi/4, pi/4] by which the longest side leans that is not the picture's own edge."""
    last = np.array([shape[1] - 1, shape[0] - 1])
    following = np.roll(outline, -1, axis=0)
    is_edge = (((outline < 1) & (following < 1)) | ((outline > last - 1) & (following > last - 1))).any(axis=1)
    steps = (following - outline)[~is_edge]
    if len(steps) == 0:
        return 0.0
    x, y = steps[int(np.linalg.norm(steps, axis=1).argmax())]
    return float((np.arctan2(y, x) + np.pi / 4) % (np.pi / 2) - np.pi / 4)


def _shrunk(polygon: Points, margin: float) -> Points:
    """The polygon (N, 2) with its bounding box smaller by a margin in pixels on every side, at most by half."""
    centre = (polygon.min(axis=0) + polygon.max(axis=0)) / 2
    return np.asarray(centre + (polygon - centre) * np.maximum(0.5, 1 - 2 * margin / np.ptp(polygon, axis=0)))
