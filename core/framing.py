"""A picture of one digit, of any size, in MNIST's frame: what drawings, photos and images of other sizes go through."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

SIDE = 28
"""Height and width of an image in pixels."""

BOX = 20
"""MNIST scales a digit's longer side to this many pixels before centring it (LeCun et al. 1998)."""

STROKE_WIDTH = 2.4
"""Pixels: the median width of MNIST's strokes."""


def frame(ink: NDArray[np.floating]) -> NDArray[np.float32]:
    """Put a picture of one digit into MNIST's frame, drawn with strokes of MNIST's width.

    ink: (height, width) in [0, 1], 0 where there is none. Returns (28, 28) in [0, 1], all zeros when
    there is no ink.
    """
    return centre_in_frame(with_standard_strokes(ink))


TRACING_SIDE = 80
"""Strokes are widened with the digit's longer side at this many pixels: fine enough for the thinnest pen, fast."""

FAINT = 0.3
"""A stroke is where there is at least this share of the darkest ink."""


def with_standard_strokes(ink: NDArray[np.floating]) -> NDArray[np.float32]:
    """The digit with strokes that will be STROKE_WIDTH wide once its longer side has BOX pixels.

    The width of the strokes is their area by half their outline's length, which Crofton's formula
    says is the integral of a blurred mask's gradient. On either side what is missing is added, or
    what is too much is taken away, but no more than a third of the width: no stroke may break.

    ink: (height, width) in [0, 1]. Returns another size, in [0, 1], cropped to the digit and a margin.
    """
    cropped = _crop(ink)
    if cropped.size == 0:
        return np.zeros((1, 1), dtype=np.float32)
    # Blurred, so that grain of a photo and dots of a black and white print are no outlines.
    traced = ndimage.gaussian_filter(_resized(cropped, TRACING_SIDE / max(cropped.shape)), 0.6)
    darkest = float(np.quantile(traced[traced > 0.05], 0.98)) if (traced > 0.05).any() else float(traced.max())
    margin = TRACING_SIDE // 6
    is_ink = np.pad(traced > FAINT * darkest, margin)
    if not is_ink.any():
        return np.zeros((1, 1), dtype=np.float32)
    side = max(_crop(is_ink.astype(np.float32)).shape)
    slope_y, slope_x = np.gradient(ndimage.gaussian_filter(is_ink.astype(np.float32), 1.0))
    outline = float(np.hypot(slope_y, slope_x).sum())
    width = float(is_ink.sum()) / max(outline / 2, 1.0)
    # (width + 2 * more) / (side + 2 * more) = STROKE_WIDTH / BOX
    more = max((STROKE_WIDTH * side - BOX * width) / (2 * BOX - 2 * STROKE_WIDTH), -width / 3)
    distance = ndimage.distance_transform_edt(~is_ink) - 0.5 if more > 0 else 0.5 - ndimage.distance_transform_edt(is_ink)
    strokes = (more - distance + 0.5).clip(0.0, 1.0).astype(np.float32)
    # A trace too faint to see would still count for the box.
    return np.where(strokes < 0.02, np.float32(0.0), strokes)


def centre_in_frame(ink: NDArray[np.floating]) -> NDArray[np.float32]:
    """Put a picture of one digit into MNIST's frame, with its strokes as they are.

    Crops to the ink, scales the longer side to 20 pixels with antialiasing, and centres
    by mass in 28x28, as MNIST was made (LeCun et al. 1998).

    ink: (height, width) in [0, 1], 0 where there is none. Returns (28, 28) in [0, 1],
    all zeros when there is no ink.
    """
    framed = np.zeros((SIDE, SIDE), dtype=np.float32)
    cropped = _crop(ink)
    if cropped.size == 0:
        return framed
    resized = _resized(cropped, BOX / max(cropped.shape))
    height, width = resized.shape
    mass = resized.sum()
    centre_y = (resized.sum(axis=1) * np.arange(height)).sum() / mass
    centre_x = (resized.sum(axis=0) * np.arange(width)).sum() / mass
    # The centre of mass goes to the middle pixel; the box is kept inside the frame.
    top = int(np.clip(round(SIDE / 2 - centre_y), 0, SIDE - height))
    left = int(np.clip(round(SIDE / 2 - centre_x), 0, SIDE - width))
    framed[top : top + height, left : left + width] = resized
    return framed


def _crop(ink: NDArray[np.floating]) -> NDArray[np.float32]:
    """The smallest part (height, width) that holds all ink; (0, 0) where there is none."""
    rows, columns = np.nonzero(ink.max(axis=1))[0], np.nonzero(ink.max(axis=0))[0]
    if rows.size == 0:
        return np.zeros((0, 0), dtype=np.float32)
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)


def _resized(ink: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """The picture at another scale, antialiased, in [0, 1]."""
    height, width = (max(1, round(length * scale)) for length in ink.shape)
    resampling = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(ink).resize((width, height), resampling)).clip(0.0, 1.0)
