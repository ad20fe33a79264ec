"""From a canvas or a picture of digits to the 28x28 images that a detector sees."""

import io
import logging
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from core.errors import N_, is_raised_in
from core.framing import SIDE, frame
from core.photos.files import MAX_FILE_BYTES, READERS, Frame, PictureError, at_working_size, frames
from core.photos.segmentation import FAINTEST_INK, Digit, Segmentation, segment
from core.photos.sheet import is_light_on_dark

__all__ = [
    "MAX_DIGITS",
    "MAX_FILE_BYTES",
    "FoundDigit",
    "PictureError",
    "ReadPicture",
    "from_canvas",
    "from_canvas_png",
    "from_picture",
    "read_picture",
]

LOG = logging.getLogger(__name__)
MAX_CANVAS_SIDE = 1280
"""Pixels: the canvas at four times its size, as the sharpest screens send it."""

NO_DRAWING = N_("What arrived from the canvas is not a drawing. Clear it and draw again.")

MAX_DIGITS = 100
"""Of one picture; more is a page of print or a pattern."""

PREVIEW_SIDE = 800
"""Pixels: the longer side of the picture that a page shows."""

MNIST_SIDES = (19, 20)
"""Pixels: the longer side of every digit of MNIST; what is drawn in 28x28 pixels at another size was never framed."""
FRAMED_SIDES = (*MNIST_SIDES, 26, 27, 28)
"""Those of Fashion-MNIST too, but for one piece in two hundred."""

MIN_SHADES = 8
"""Of 256; a picture with less between its darkest and its lightest pixel has one colour."""

SMALL_SIDE = 64
"""Pixels: in a smaller picture strokes are a pixel wide, and faint ones fall to pieces."""


@dataclass(frozen=True)
class FoundDigit:
    """A digit of a picture: its image (1, 1, 28, 28) in [0, 1], and where it stands.

    box: left, top, right, bottom as shares of the upright picture's width and height.
    """

    image: Tensor
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class ReadPicture:
    """What was found in a picture file.

    digits: at least one, in reading order; preview: the picture as the camera was held, (height, width, 3) bytes. Where a
    leaning sheet was turned upright to be read, the digits' boxes are those around it in this picture.
    """

    digits: tuple[FoundDigit, ...]
    preview: NDArray[np.uint8]
    is_exact: bool = False
    """It had 28x28 pixels and was taken as it is."""
    is_sheet_found: bool = False
    """Only the sheet, window or plot in the picture was read, not what lies around it."""
    are_lines_removed: bool = False
    """Ruling, squares or a box were taken away."""
    ignored: int = 0
    """Marks that were left out: less than 0.4 times as large as the other digits, or wider than any digit."""
    frame_number: int = 1
    """The frame of an animation or the page of a scan that was read, of frame_count."""
    frame_count: int = 1

    @property
    def largest(self) -> FoundDigit:
        """The digit whose box is highest or widest in the picture."""
        height, width = self.preview.shape[:2]
        return max(self.digits, key=lambda digit: max(_extent(digit.box, 0) * width, _extent(digit.box, 1) * height))


def _extent(box: tuple[float, float, float, float], axis: int) -> float:
    return box[axis + 2] - box[axis]


def from_canvas(rgba: NDArray[np.uint8] | None) -> Tensor | None:
    """White strokes on a black or clear canvas as an image (1, 1, 28, 28) in [0, 1].

    rgba: (height, width, 4) bytes, or None before the first stroke. Returns None where there is no
    ink: a canvas after undo or reset is an array of background only.
    """
    if rgba is None:
        return None
    pixels = rgba.astype(np.float32) / np.float32(255.0)
    luminance = pixels[..., :3] @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    ink = luminance * pixels[..., 3]
    if not (ink > FAINTEST_INK).any():
        return None
    return _framed(np.where(ink > FAINTEST_INK, ink, 0.0).astype(np.float32))


def from_canvas_png(data: bytes) -> Tensor | None:
    """from_canvas of what a browser sends; raises PictureError for anything that no canvas sends."""
    try:
        picture = Image.open(io.BytesIO(data), formats=["PNG"])
        pixels = np.asarray(picture.convert("RGBA")) if max(picture.size) <= MAX_CANVAS_SIDE else None
    except Exception as error:
        if not is_raised_in(error, *READERS):  # a fault of ours
            LOG.exception("A drawing could not be read")
        raise PictureError(NO_DRAWING) from error
    if pixels is None:
        raise PictureError(NO_DRAWING)
    return from_canvas(pixels)


def from_picture(data: bytes) -> Tensor:
    """The digit of a photo or scan as an image (1, 1, 28, 28) in [0, 1], the largest where there are several.

    Raises PictureError.
    """
    return read_picture(data).largest.image


def read_picture(data: bytes) -> ReadPicture:
    """Every digit of a photo, scan, screenshot or saved image.

    Ink may be dark on light or light on dark, of any colour, in uneven light. A picture of 28x28 in the frame of MNIST
    or Fashion-MNIST is taken exactly as it is; dark on light it is inverted. Of a file with several pages the first that
    shows a digit is read, of an animation the frame with most ink. Raises PictureError.
    """
    reason: PictureError | None = None
    for page in frames(data):
        try:
            return _exact(page) or _segmented(page)
        except PictureError as error:
            reason = reason or error
    assert reason is not None, "a picture has at least one frame"
    try:
        raise reason
    finally:
        del reason  # the error keeps this call, which must not keep the error


def _exact(page: Frame) -> ReadPicture | None:
    """A picture of 28x28 as it is, or None where it is of another size or was never framed."""
    if page.pixels.shape[:2] != (SIDE, SIDE):
        return None
    grey = np.asarray(Image.fromarray(page.pixels).convert("L"))
    if np.ptp(grey) < MIN_SHADES:
        return None
    is_light = is_light_on_dark(grey)
    if not is_light:
        grey = 255 - grey
    # By the picture's own contrast: strokes of a hard pencil are faint all along, and thin ones would be cut to pieces.
    paper = int(np.median(grey))
    ink = grey > paper + FAINTEST_INK * (int(grey.max()) - paper)
    rows, columns = np.nonzero(ink.any(axis=1))[0], np.nonzero(ink.any(axis=0))[0]
    if rows.size == 0 or max(np.ptp(rows), np.ptp(columns)) + 1 not in (FRAMED_SIDES if is_light else MNIST_SIDES):
        return None
    image = torch.from_numpy(grey.astype(np.float32) / np.float32(255.0))[None, None]
    whole = FoundDigit(image, (0.0, 0.0, 1.0, 1.0))
    return ReadPicture((whole,), page.pixels, is_exact=True, frame_number=page.number, frame_count=page.count)


def _segmented(page: Frame) -> ReadPicture:
    """The digits of one frame; raises PictureError where there is none, or too many."""
    picture = Image.fromarray(page.pixels)
    shades = np.ptp(np.array(picture.getextrema()), axis=1).max()
    if shades < MIN_SHADES:
        raise PictureError("No digit was found: the picture has one colour only. Write with a dark pen on light paper.")
    if max(picture.size) < SMALL_SIDE and shades < FAINTEST_INK * 255:
        raise PictureError("The picture is small and nearly blank: no digit can be read in it. Write with a dark pen.")
    preview = at_working_size(picture)
    found = segment(np.asarray(preview))
    _require_digits(found)
    width, height = preview.size
    digits = tuple(FoundDigit(_framed(digit.ink), _box(digit, width, height)) for digit in found.digits)
    preview.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE), Image.Resampling.BOX)
    return ReadPicture(
        digits,
        np.asarray(preview),
        is_sheet_found=found.is_sheet_found,
        are_lines_removed=found.are_lines_removed,
        ignored=found.ignored,
        frame_number=page.number,
        frame_count=page.count,
    )


def _require_digits(found: Segmentation) -> None:
    if len(found.digits) > MAX_DIGITS:
        raise PictureError(
            "{count} separate marks were found; a picture may show {most} digits. Photograph a smaller part of it.",
            count=len(found.digits),
            most=MAX_DIGITS,
        )
    if found.digits:
        return
    if found.is_sheet_found:
        raise PictureError("A sheet was found in the picture, but no digit on it. Write with a dark pen and come closer.")
    if found.are_lines_removed:
        raise PictureError("Lines were found in the picture, but no digit. Write with a dark pen and come closer.")
    raise PictureError(
        "No digit was found: the picture shows no pen strokes, or they are too faint. Write with a dark pen and come closer."
    )


def _box(digit: Digit, width: int, height: int) -> tuple[float, float, float, float]:
    left, top, right, bottom = np.clip(np.array(digit.box) / (width, height, width, height), 0.0, 1.0).tolist()
    return left, top, right, bottom


def _framed(ink: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(frame(ink))[None, None]
