"""From the bytes of a picture file to its pixels: formats, limits, orientation, transparency, frames and pages."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps, UnidentifiedImageError

from core.errors import UserError, is_raised_in, megabytes
from core.framing import SIDE

LOG = logging.getLogger(__name__)

MAX_FILE_BYTES = 5 * 2**20
MAX_PICTURE_PIXELS = 16_000_000
"""Of what is unpacked; a JPEG is unpacked at a part of its sides, so that photos of any phone pass."""
MAX_LAYERED_PIXELS = 25_000_000
"""Of HEIC and of progressive JPEG, which phones and messengers save at 24 million pixels: 165 MB while it is unpacked."""

ANIMATED = ("GIF", "PNG", "WEBP", "AVIF")
MAX_FRAMES = 200
MAX_FRAME_PIXELS = 100_000_000
"""Of all frames of an animation that are looked at."""
MAX_PAGES = 10

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "HEIF", "AVIF")
"""No others: Pillow reads dozens, some by starting other programs."""
READERS = ("PIL", "pillow_heif")
"""What they raise is said of the file, whatever it is."""
Image.init()  # Pillow knows only some of these by itself
# `_require_few_pixels` has a limit of its own. Not around each picture, as warnings are set for all threads together.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
pillow_heif.register_heif_opener(thumbnails=False)

WORKING_SIDE = 1600
"""Larger pictures are read at this size: thirty digits on a sheet have 100 pixels each."""
MIN_SIDE = 256
"""Smaller pictures are enlarged, so that a stroke is some pixels wide."""


class PictureError(UserError, ValueError):
    """A file is not a picture in which a digit can be found; the message is a sentence for the user."""


@dataclass(frozen=True)
class Frame:
    """One frame or page of a picture file, upright.

    pixels: (height, width, 3) bytes, the longer side between MIN_SIDE and WORKING_SIDE, except that a
    picture of 28x28 stays as it is; number: from 1, of count.
    """

    pixels: NDArray[np.uint8]
    number: int
    count: int


def frames(data: bytes) -> Iterator[Frame]:
    """The frames of a picture file in which to look for a digit, one after the other.

    Pages of a scan come in their order. Of an animation comes the frame with most ink only, as it may begin blank
    and draw the digit stroke by stroke. Takes at most 200 MB on the way. Raises PictureError.
    """
    if len(data) > MAX_FILE_BYTES:
        raise PictureError(
            "The file has {size:.0f} MB; a picture may have {most} MB.", size=megabytes(len(data)), most=MAX_FILE_BYTES // 2**20
        )
    with _told():
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
        _require_few_pixels(picture)
        count = int(getattr(picture, "n_frames", 1)) if picture.format in ANIMATED or picture.format == "TIFF" else 1
        numbers = range(min(count, MAX_PAGES))
        if count > 1 and picture.format in ANIMATED:
            fullest = _frame_with_most_ink(picture, count)
            numbers = range(fullest, fullest + 1)
    for number in numbers:
        with _told():
            if count > 1:
                picture.seek(number)
                _require_few_pixels(picture)
            pixels = np.asarray(_upright_rgb(picture))
        yield Frame(pixels, number + 1, count)


@contextmanager
def _told() -> Iterator[None]:
    """Whatever a damaged file makes a reader raise becomes a PictureError."""
    try:
        yield
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        raise PictureError("This file is not a picture. Use a PNG or JPEG file.") from error
    except Exception as error:
        if is_raised_in(error, *READERS):
            LOG.info("A picture could not be read: %s: %s", type(error).__name__, error)
        else:  # a fault of ours
            LOG.exception("A picture could not be read")
        raise PictureError("The picture is damaged or of a kind that cannot be read. Use a PNG or JPEG file.") from error


def _require_few_pixels(picture: Image.Image) -> None:
    """Asks a JPEG to unpack at reduced size, and raises PictureError where even so it would take too much memory."""
    size = picture.size
    picture.draft("RGB", (WORKING_SIDE, WORKING_SIDE))
    most = MAX_PICTURE_PIXELS
    if picture.info.get("progressive"):
        # All of its coefficients are held at full size until the last scan has been read.
        most = MAX_LAYERED_PIXELS
    elif picture.format == "HEIF" and picture.info.get("bit_depth") == 8 and picture.info.get("chroma") in (400, 420):
        most = MAX_LAYERED_PIXELS
    else:
        size = picture.size
    if size[0] * size[1] > most:
        raise PictureError(
            "The picture has {width} × {height} pixels; {most} million is the limit. Make it smaller.",
            width=size[0],
            height=size[1],
            most=most // 1_000_000,
        )


def _frame_with_most_ink(picture: Image.Image, count: int) -> int:
    """The first of the frames that have nearly as much ink as the fullest, from 0."""
    looked_at = max(1, min(count, MAX_FRAMES, MAX_FRAME_PIXELS // (picture.width * picture.height)))
    inks = []
    for number in range(looked_at):
        picture.seek(number)
        grey = np.asarray(_on_paper(picture.convert("RGBA").resize((128, 128))).convert("L"), dtype=np.int16)
        inks.append(int((abs(grey - np.median(grey)) > 40).sum()))
    return int(np.argmax(np.array(inks) >= 0.9 * max(inks)))


def _upright_rgb(picture: Image.Image) -> Image.Image:
    """At working size, turned as the camera was held, transparency on paper."""
    is_bilevel = picture.mode == "1"
    if is_bilevel or picture.mode.startswith("I;"):
        picture = picture.convert("L" if is_bilevel else "I")
    # Made small before anything else happens to it: each step after this would copy it.
    smaller = max(picture.size) // WORKING_SIDE
    if smaller > 1 and picture.mode not in ("P", "PA"):
        picture = picture.reduce(smaller)  # keeps what `info` says: orientation, transparent colour
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith(("I", "F")):  # 16 and 32 bits: stretch to what is there
        values = np.asarray(picture, dtype=np.float32)
        low, high = values.min(), values.max()
        if not (np.isfinite(low) and np.isfinite(high)):
            raise PictureError("The picture holds values that are not numbers.")
        picture = Image.fromarray(((values - low) / max(high - low, 1e-6) * 255).astype(np.uint8))
    is_transparent = picture.mode in ("PA", "LA", "RGBA", "La", "RGBa") or "transparency" in picture.info
    picture = picture.convert("RGBA" if is_transparent else "RGB")
    if picture.size != (SIDE, SIDE):
        picture = at_working_size(picture)
        if is_bilevel:  # greys are dots there
            picture = picture.filter(ImageFilter.GaussianBlur(2))
    return _on_paper(picture) if is_transparent else picture


def at_working_size(picture: Image.Image) -> Image.Image:
    """The longer side between MIN_SIDE and WORKING_SIDE."""
    longest = max(picture.size)
    scale = min(max(longest, MIN_SIDE), WORKING_SIDE) / longest
    if scale == 1:
        return picture
    width, height = (max(1, round(length * scale)) for length in picture.size)
    return picture.resize((width, height), Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC)


def _on_paper(picture: Image.Image) -> Image.Image:
    """A transparent picture (RGBA) on paper.

    A window with a transparent margin is continued in its own colour; what is drawn on nothing is laid on white,
    or on black where it is light.
    """
    pixels = np.asarray(picture)
    opaque = pixels[..., 3] > 127
    if opaque.all():
        return picture.convert("RGB")
    paper = (255, 255, 255)
    if opaque.any():
        shown = pixels[opaque][:, :3]
        grey = shown.mean(axis=1)
        rows, columns = np.nonzero(opaque.any(axis=1))[0], np.nonzero(opaque.any(axis=0))[0]
        share = len(shown) / ((rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1))
        if share > 0.5 and np.ptp(np.quantile(grey, [0.002, 0.998])) > 40:
            colour = np.where(opaque[..., None], pixels[..., :3], np.median(shown, axis=0).astype(np.uint8))
            return Image.fromarray(colour)
        if grey.mean() > 127:
            paper = (0, 0, 0)
    return Image.alpha_composite(Image.new("RGBA", picture.size, (*paper, 255)), picture).convert("RGB")
