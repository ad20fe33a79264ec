"""Small pictures as HTML: images, reconstructions, error maps.

They are plain HTML with the pixels inside (st.html removes SVG), so they appear with the text in one message;
a drawing's verdict does not wait for a chart library. Everything variable is a number, a name
from core, or escaped.
"""

import base64
import io
from collections.abc import Sequence
from functools import cache
from html import escape

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from core.detector import DetectorConfig, Result
from core.preprocessing import Preprocessing, preprocess_steps
from pages.shared.i18n.text import _

# Blue and orange stay apart for every kind of colour vision.
TOO_MUCH = np.array([255, 150, 40], dtype=np.float32)
MISSING = np.array([70, 160, 255], dtype=np.float32)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Grey (H, W), RGB (H, W, 3) or RGBA (H, W, 4) bytes as a file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def grey_pixels(image: Tensor) -> NDArray[np.uint8]:
    """(1, 28, 28) or (28, 28) in [0, 1] as bytes (28, 28)."""
    pixels: NDArray[np.float32] = image.reshape(28, 28).numpy()
    grey: NDArray[np.uint8] = (pixels * 255).round().astype(np.uint8)
    return grey


def error_pixels(error_map: Tensor) -> NDArray[np.uint8]:
    """(28, 28) in [-1, 1] as RGB bytes: orange where ink is too much, blue where it is missing, black where it fits."""
    errors = error_map.numpy()
    # The same scale for every image; half a pixel's ink is already shown at full strength.
    strength = (2 * np.abs(errors)).clip(0, 1)[..., None]
    colours: NDArray[np.uint8] = (strength * np.where(errors[..., None] > 0, TOO_MUCH, MISSING)).round().astype(np.uint8)
    return colours


def picture(image: Tensor, alt: str) -> str:
    """An image (1, 28, 28) in [0, 1]."""
    return png_picture(png(grey_pixels(image)), alt)


def png_picture(file: bytes, alt: str) -> str:
    """A picture that is a file already."""
    return f'<img class="pic" alt="{escape(alt)}" src="{png_data_url(file)}">'


def png_data_url(file: bytes) -> str:
    """The address of a picture that is a file already."""
    return f"data:image/png;base64,{base64.b64encode(file).decode()}"


def error_picture(error_map: Tensor, alt: str) -> str:
    """An error map (28, 28)."""
    return png_picture(png(error_pixels(error_map)), alt)


def figure(content: str, caption: str) -> str:
    return f"<figure>{content}<figcaption>{escape(caption)}</figcaption></figure>"


def row(cells: Sequence[tuple[str, str]]) -> str:
    """Pictures side by side, each with its caption."""
    return f'<div class="pic-row">{"".join(figure(content, caption) for content, caption in cells)}</div>'


def triple(image: Tensor, reconstruction: Tensor, error_map: Tensor, captions: bool = True) -> str:
    """Image, reconstruction and error map side by side."""
    names = (_("What the model sees"), _("Its reconstruction"), _("Error map"))
    contents = (picture(image, names[0]), picture(reconstruction, names[1]), error_picture(error_map, names[2]))
    return row([(content, name if captions else "") for content, name in zip(contents, names, strict=True)])


def steps(
    config: DetectorConfig,
    title: str,
    preprocessed: Sequence[tuple[str, Tensor]] | None = None,
    image: Tensor | None = None,
    result: Result | None = None,
) -> str:
    """All that happens to an image (1, 1, 28, 28) before the detector: preprocessed step by step, turned, redrawn, compared.

    Every image has the same pictures with the same captions, so that nothing moves from one to the next; black ones
    where there is no image. preprocessed: preprocess_steps of the image, given together with it and the result.
    """
    nothing = torch.zeros(1, 1, 28, 28)
    names = {"deskewed": _("Deskewed"), "one stroke width": _("Strokes of one width")}
    cells = [(nothing if image is None else image, title)]
    if preprocessed is None:
        preprocessed = _steps_of_nothing(config.preprocessing)
    cells += [(step, names[name]) for name, step in preprocessed]
    if config.turns:
        cells.append((result.images if result else nothing, _("Turned to fit")))
    cells[-1] = cells[-1][0], _("{step}: what the model sees", step=cells[-1][1])
    cells.append((result.reconstructions if result else nothing, _("Its reconstruction")))
    made = [(picture(shown[0], name), name) for shown, name in cells]
    name = _("Error map")
    return row([*made, (error_picture(result.error_maps[0] if result else nothing[0, 0], name), name)])


@cache
def _steps_of_nothing(preprocessing: Preprocessing) -> list[tuple[str, Tensor]]:
    """preprocess_steps of an image without ink, which stands on Draw before there is a drawing."""
    return preprocess_steps(torch.zeros(1, 1, 28, 28), preprocessing)


def error_legend() -> str:
    """What the error map's two colours say."""
    return (
        '<div class="loss-note"><span style="color:#c96a00">■</span> '
        + escape(_("ink the model did not expect"))
        + ' &nbsp; <span style="color:#3f8fe8">■</span> '
        + escape(_("ink the model expected, but missing"))
        + "</div>"
    )


def before_and_after(images: Tensor, reconstructions: Tensor) -> str:
    """Images (N, 1, 28, 28) in a row and their reconstructions below."""
    columns = (
        picture(image, _("Image")) + picture(reconstruction, _("Its reconstruction"))
        for image, reconstruction in zip(images, reconstructions, strict=True)
    )
    return f'<div class="grid">{"".join(columns)}</div>'


def tiles(images: Tensor, columns: int) -> str:
    """Address of one picture with images (N, 1, 28, 28) row by row; WebP, since there may be a thousand."""
    rows = -(-len(images) // columns)
    pixels = np.zeros((rows * columns, 28, 28), dtype=np.uint8)
    pixels[: len(images)] = (images.squeeze(1).numpy() * 255).round()
    sheet = pixels.reshape(rows, columns, 28, 28).swapaxes(1, 2).reshape(rows * 28, columns * 28)
    file = io.BytesIO()
    Image.fromarray(sheet).save(file, "WEBP", quality=80)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()


def strip(cells: Sequence[tuple[Tensor, str, str]]) -> str:
    """Images (1, 28, 28) in a row, each with its name and a caption; on a phone they wrap."""
    return f'<div class="strip">{"".join(figure(picture(image, name), caption) for image, name, caption in cells)}</div>'
