"""From a canvas or a picture of a digit to the 28x28 image that a detector sees."""

import io
import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy import ndimage
from torch import Tensor

from core.preprocessing import frame
from core.sentences import Sentence

FAINTEST_INK = 0.1
"""Ink below this is taken for paper or for the soft edge of the canvas."""

MAX_CANVAS_SIDE = 1280
"""Pixels: the canvas at four times its size, as the sharpest screens send it."""

MAX_FILE_BYTES = 5 * 2**20
MAX_PICTURE_PIXELS = 16_000_000
"""Of what is unpacked; a JPEG is unpacked at an eighth of its sides, so that photos of any phone pass."""

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF")
"""No others: Pillow reads dozens, some by starting other programs."""
Image.init()  # Pillow knows only some of these by itself

WORKING_SIDE = 256
"""Pictures are read at this size: enough for a digit, little enough for a background estimate at once."""


class PictureError(Sentence, ValueError):
    """A file is not a picture in which a digit can be found; the message is a sentence for the user."""


def from_canvas(rgba: NDArray[np.uint8] | None) -> Tensor | None:
    """White strokes on a black or clear canvas as an image (1, 1, 28, 28) in [0, 1].

    rgba: (height, width, 4) bytes, or None before the first stroke. Returns None where there is no
    ink: a canvas after undo or reset is an array of background only.
    """
    if rgba is None:
        return None
    pixels = rgba.astype(np.float32) / np.float32(255.0)
    luminance = pixels[..., :3] @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return _framed(luminance * pixels[..., 3])


def from_canvas_png(data: bytes) -> Tensor | None:
    """from_canvas of what a browser sends; raises PictureError for anything that no canvas sends."""
    try:
        picture = Image.open(io.BytesIO(data), formats=["PNG"])
        if max(picture.size) > MAX_CANVAS_SIDE:
            raise ValueError("larger than any canvas")
        pixels = np.asarray(picture.convert("RGBA"))
    except Exception as error:
        raise PictureError("What arrived from the canvas is not a drawing. Clear it and draw again.") from error
    return from_canvas(pixels)


def from_picture(data: bytes) -> Tensor:
    """A photo or scan of one digit as an image (1, 1, 28, 28) in [0, 1].

    Dark on light is turned over, uneven light and small specks are taken out, orientation is
    followed, the first frame of an animation is used. Raises PictureError.
    """
    grey = _grey(data)
    ink = _ink_of_paper(grey)
    image = _framed(ink)
    if image is None:
        raise PictureError("No digit was found in this picture: it has one colour only. Use a dark pen on light paper.")
    return image


def _framed(ink: NDArray[np.float32]) -> Tensor | None:
    if not (ink > FAINTEST_INK).any():
        return None
    framed = frame(np.where(ink > FAINTEST_INK, ink, 0.0).astype(np.float32))
    return torch.from_numpy(framed)[None, None]


def _grey(data: bytes) -> NDArray[np.float32]:
    """Luminance in [0, 1] with the longer side at WORKING_SIDE; takes at most 200 MB on the way."""
    if len(data) > MAX_FILE_BYTES:
        raise PictureError(
            "The file has {size:.0f} MB; a picture may have {most} MB.", size=len(data) / 2**20, most=MAX_FILE_BYTES // 2**20
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
            picture.draft("L", (2 * WORKING_SIDE, 2 * WORKING_SIDE))  # a large JPEG is read at reduced size
            if picture.width * picture.height > MAX_PICTURE_PIXELS:
                raise PictureError(
                    "The picture has {width} × {height} pixels; {most} million is the limit. Make it smaller.",
                    width=picture.width,
                    height=picture.height,
                    most=MAX_PICTURE_PIXELS // 1_000_000,
                )
            if picture.mode.startswith("I;"):
                picture = picture.convert("I")
            # Made small before anything else happens to it: each step after this would copy it.
            smaller = max(1, max(picture.size) // (2 * WORKING_SIDE))
            if smaller > 1 and picture.mode not in ("1", "P", "PA"):
                picture = picture.reduce(smaller)  # keeps what `info` says: orientation, transparent colour
            picture = ImageOps.exif_transpose(picture)
            if picture.mode.startswith(("I", "F")):  # 16 and 32 bits: stretch to what is there
                values = np.asarray(picture, dtype=np.float32)
                low, high = values.min(), values.max()
                if not (np.isfinite(low) and np.isfinite(high)):
                    raise PictureError("The picture holds values that are not numbers.")
                picture = Image.fromarray(((values - low) / max(high - low, 1e-6) * 255).astype(np.uint8))
            if picture.mode in ("P", "PA", "LA", "RGBA", "La", "RGBa") or "transparency" in picture.info:
                picture = _on_contrasting_paper(picture.convert("RGBA"))
            grey = picture.convert("L")
            scale = WORKING_SIDE / max(grey.size)
            width, height = (max(1, round(length * scale)) for length in grey.size)
            grey = grey.resize((width, height), Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC)
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        raise PictureError("This file is not a picture. Use a PNG or JPEG file.") from error
    except Exception as error:
        raise PictureError("The picture is damaged or of a kind that cannot be read. Use a PNG or JPEG file.") from error
    return np.asarray(grey, dtype=np.float32) / 255.0


def _on_contrasting_paper(picture: Image.Image) -> Image.Image:
    """A transparent picture on white, or on black where what is drawn is light."""
    picture.thumbnail((2 * WORKING_SIDE, 2 * WORKING_SIDE))
    pixels = np.asarray(picture, dtype=np.float32)
    opaque = pixels[..., 3] > 127
    is_light = bool(opaque.any()) and not opaque.all() and pixels[opaque][:, :3].mean() > 127
    paper = Image.new("RGBA", picture.size, "black" if is_light else "white")
    return Image.alpha_composite(paper, picture).convert("RGB")


def _ink_of_paper(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Ink in [0, 1] of a digit on paper of unknown colour and light."""
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    if np.median(border) > 0.5:
        grey = 1.0 - grey
    # What is left of the picture when strokes thinner than a third of it are wiped out is the paper.
    paper = ndimage.grey_opening(grey, size=max(3, WORKING_SIDE // 3))
    contrast = grey - ndimage.gaussian_filter(paper, WORKING_SIDE / 32)
    strongest = float(np.quantile(contrast, 0.9995))
    if strongest < FAINTEST_INK:
        return np.zeros_like(grey)
    is_ink = contrast > _otsu(contrast)
    pieces, count = ndimage.label(is_ink, structure=np.ones((3, 3)))
    areas = ndimage.sum_labels(is_ink, pieces, np.arange(1, count + 1))
    at_edge = np.unique(np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]]))
    large = [piece for piece in range(1, count + 1) if areas[piece - 1] >= 0.03 * areas.max()]
    inside = [piece for piece in large if piece not in at_edge]
    digit = ndimage.binary_dilation(np.isin(pieces, inside or large), iterations=2)
    return np.where(digit, contrast / strongest, 0.0).clip(0.0, 1.0).astype(np.float32)


def _otsu(values: NDArray[np.float32]) -> float:
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
