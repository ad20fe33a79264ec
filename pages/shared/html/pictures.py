"""Small pictures as HTML: images, error maps, verdicts, gauge, bars, hourglass.

They are plain HTML with the pixels inside (st.html removes SVG), so they appear with the text in one message;
a drawing's verdict does not wait for a chart library. Everything variable is a number, a name
from core, or escaped.
"""

import base64
import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from core.detector import DetectorConfig, Result
from core.metrics import OperatingPoint
from core.model import Layer
from core.preprocessing import preprocess_steps
from core.scoring import in_thresholds
from pages.shared.html import signs
from pages.shared.i18n.text import _, formatted

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
    return f'<img class="pic" alt="{escape(alt)}" src="{png_address(file)}">'


def png_address(file: bytes) -> str:
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
    where there is no image. preprocessed: preprocess_steps of the image.
    """
    nothing = torch.zeros(1, 1, 28, 28)
    image = nothing if image is None else image
    names = {"deskewed": _("Deskewed"), "one stroke width": _("Strokes of one width")}
    cells = [(image, title)]
    if preprocessed is None:
        preprocessed = preprocess_steps(image, config.preprocessing)
    cells += [(step, names[name]) for name, step in preprocessed]
    if config.turns:
        cells.append((result.images if result else nothing, _("Turned to fit")))
    cells[-1] = cells[-1][0], _("{step}: what the model sees", step=cells[-1][1])
    cells.append((result.reconstructions if result else nothing, _("Its reconstruction")))
    made = [(picture(shown[0], name), name) for shown, name in cells]
    name = _("Error map")
    return row([*made, (error_picture(result.error_maps[0] if result else nothing[0, 0], name), name)])


def error_legend() -> str:
    """What the error map's two colours say."""
    return (
        '<div class="loss-note"><span style="color:#c96a00">■</span> '
        + escape(_("ink the model did not expect"))
        + ' &nbsp; <span style="color:#3f8fe8">■</span> '
        + escape(_("ink the model expected, but missing"))
        + "</div>"
    )


def verdict_word(is_anomaly: bool) -> str:
    return _("Anomaly") if is_anomaly else _("Normal")


def badge(is_anomaly: bool) -> str:
    sign = signs.of_verdict(is_anomaly)
    return f'<span class="badge {sign.name}">{escape(verdict_word(is_anomaly))} {sign.mark}</span>'


def outcome_word(is_normal: bool, is_alarm: bool) -> str:
    """What became of a test image: its truth and its verdict in one word."""
    if is_normal:
        return _("false alarm") if is_alarm else _("passed")
    return _("caught") if is_alarm else _("missed")


def outcome(is_normal: bool, is_alarm: bool) -> str:
    """The same with the sign of right or wrong before it."""
    sign = signs.of_truth(is_normal is not is_alarm)
    return f'<span class="outcome {sign.name}">{sign.mark} {escape(outcome_word(is_normal, is_alarm))}</span>'


def verdict(is_anomaly: bool, sentence: str, of: str = "") -> str:
    """The verdict's word, then a sentence that a child understands; of: what was judged, where that must be said."""
    kind = signs.of_verdict(is_anomaly).name
    word = escape(verdict_word(is_anomaly))
    about = f"<small>{escape(of)}</small>" if of else ""
    return f'<div class="verdict {kind}" role="status"><b>{word}</b><span>{about}{escape(sentence)}</span></div>'


def waiting(sentence: str) -> str:
    """Where a verdict will be."""
    return f'<div class="verdict waiting" role="status"><span>{escape(sentence)}</span></div>'


def note(sentence: str) -> str:
    """A short text below something else; **bold** as in Markdown, nothing else of it."""
    html = BOLD.sub(r"<b>\1</b>", escape(sentence))
    return f'<div class="note">{html}</div>'


BOLD = re.compile(r"\*\*(.+?)\*\*")


def marked(html: str, number: int) -> str:
    """The same HTML, which differs from what it was with another number."""
    return html.replace(" ", f' data-answer="{number}" ', 1)


def number(value: float) -> str:
    """A score or threshold, four digits after the point."""
    return f'<span class="number">{formatted(value, ".4f")}</span>'


def position(score: float, threshold: float) -> float:
    """Where a score stands between 0 and 1, with the threshold in the middle and no end to the right."""
    ratio = in_thresholds(score, threshold)
    return ratio / (1.0 + ratio) if math.isfinite(ratio) else 1.0


def gauge(score: float | None, threshold: float) -> str:
    """The score against the threshold: left of the middle is normal, right of it is an anomaly."""
    place = "visibility:hidden" if score is None else f"left:{position(score, threshold):.1%}"
    return (
        f'<div class="gauge" role="img" aria-label="{escape(_("Anomaly score against the threshold"))}">'
        f'<div class="needle" style="{place}">▼</div>'
        '<div class="zones"><i class="fits"></i><i class="strange"></i></div>'
        f'<div class="ends"><span>{escape(_("normal"))}</span><span>{escape(_("threshold"))}</span>'
        f"<span>{escape(_('anomaly'))}</span></div></div>"
    )


@dataclass(frozen=True)
class Opinion:
    """What a detector, named after what it calls normal, says of an image: reconstruction (1, 28, 28), score, its threshold."""

    name: str
    reconstruction: Tensor
    score: float
    threshold: float

    @property
    def is_anomaly(self) -> bool:
        return self.score > self.threshold

    @property
    def ratio(self) -> float:
        """The score in thresholds."""
        return in_thresholds(self.score, self.threshold)

    @property
    def fit(self) -> float:
        """How well the image fits, from 0 to 1; above the middle the score is below the threshold."""
        return 1.0 - position(self.score, self.threshold)


def ensemble(opinions: Sequence[Opinion]) -> str:
    """Cards of several detectors before one image.

    A longer bar is a better fit; a bar past the mark in the middle is below that detector's threshold. The best is framed
    where its detector calls the image normal.
    """
    best = max((each.fit for each in opinions if not each.is_anomaly), default=None)
    return _cards(
        (
            each.name,
            picture(each.reconstruction, _("Reconstruction by the detector of {name}", name=each.name)),
            f'<i class="{"strange" if each.is_anomaly else "fits"}" style="width:{each.fit:.1%}"></i>',
            _("strange") if each.is_anomaly else _("fits"),
            not each.is_anomaly and each.fit == best,
        )
        for each in opinions
    )


def waiting_ensemble(names: Sequence[str]) -> str:
    """The same cards before there is an image."""
    return _cards((name, '<div class="pic"></div>', "", "\N{NO-BREAK SPACE}", False) for name in names)


def _cards(cells: Iterable[tuple[str, str, str, str, bool]]) -> str:
    """Name, picture, bar, word, and whether it is framed."""
    cards = (
        f'<div class="expert{" best" if is_best else ""}"><div class="name">{escape(name)}</div>{image}'
        f'<div class="bar">{bar}<u></u></div><div class="label">{escape(word)}</div></div>'
        for name, image, bar, word, is_best in cells
    )
    return f'<div class="cards">{"".join(cards)}</div>'


def confusion(point: OperatingPoint) -> str:
    """The four outcomes at a threshold: truth in rows, verdict in columns, mistakes hatched and framed."""
    normals, anomalies = point.true_negatives + point.false_alarms, point.false_negatives + point.true_positives
    rows = (
        (_("Truth: normal"), True, normals, (point.true_negatives, point.false_alarms)),
        (_("Truth: anomaly"), False, anomalies, (point.false_negatives, point.true_positives)),
    )
    parts = ["<span></span>", *(f"<b>{escape(_('Verdict: {word}', word=verdict_word(word)))}</b>" for word in (False, True))]
    for truth, is_normal, total, counts in rows:
        parts.append(f"<b>{escape(truth)}</b>")
        for is_alarm, count in zip((False, True), counts, strict=True):
            share = count / total
            parts.append(
                f'<div class="cell {signs.of_truth(is_normal is not is_alarm).name}" style="--share:{share:.2%}">'
                f'<span class="number">{formatted(count, ",")}</span> {formatted(share, ".1%")}'
                f"<span>{outcome(is_normal, is_alarm)}</span></div>"
            )
    return f'<div class="confusion">{"".join(parts)}</div>'


def judged(result: Result, threshold: float, is_normal: bool) -> str:
    """N images of one truth with reconstruction, error map, score, and the verdict at a threshold, which is right or wrong."""
    cards = [
        f'<div class="judged">{triple(image, reconstruction, error, captions=False)}'
        f'<div>{badge(score > threshold)} <span class="label">{formatted(score, ".4f")}</span> '
        f"{outcome(is_normal, score > threshold)}</div></div>"
        for image, reconstruction, error, score in zip(
            result.images, result.reconstructions, result.error_maps, result.scores.tolist(), strict=True
        )
    ]
    return f'<div class="judged-cards">{"".join(cards)}</div>'


def before_and_after(images: Tensor, reconstructions: Tensor) -> str:
    """Images (N, 1, 28, 28) in a row and their reconstructions below."""
    columns = (
        picture(image, _("Image")) + picture(reconstruction, _("Its reconstruction"))
        for image, reconstruction in zip(images, reconstructions, strict=True)
    )
    return f'<div class="grid">{"".join(columns)}</div>'


def hourglass(stages: Sequence[Layer]) -> str:
    """The network's real layers as bars as tall as they have units, a few of them at least to be seen, funnels between them."""
    largest = max(stage.units for stage in stages)
    heights = [max(1.5, 100 * stage.units / largest) for stage in stages]  # per cent
    parts = []
    for number, (stage, tall) in enumerate(zip(stages, heights, strict=True)):
        if number:
            left, right = (100 - heights[number - 1]) / 2, (100 - tall) / 2
            corners = f"0 {left:.1f}%, 100% {right:.1f}%, 100% {100 - right:.1f}%, 0 {100 - left:.1f}%"
            parts.append(f'<div class="funnel" style="clip-path:polygon({corners})"></div>')
        shape = "×".join(str(size) for size in stage.shape if size > 1) or "1"
        kind = "latent" if stage.is_latent else ""
        parts.append(f'<div class="layer"><i class="{kind}" style="height:{tall:.1f}%"></i><span>{shape}</span></div>')
    sizes = "-".join(str(stage.units) for stage in stages)
    label = escape(_("Layers of the network: {sizes}", sizes=sizes))
    return f'<div class="hourglass" role="img" aria-label="{label}">{"".join(parts)}</div>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Texts in rows below their headings; the first of each row is a name, the others are numbers."""
    top = "".join(f'<th scope="col">{escape(text)}</th>' for text in head)
    lines = (
        f'<tr><th scope="row">{escape(name)}</th>{"".join(f"<td>{escape(text)}</td>" for text in rest)}</tr>'
        for name, *rest in rows
    )
    return f'<table class="figures"><thead><tr>{top}</tr></thead><tbody>{"".join(lines)}</tbody></table>'


def counts(title: str, numbers: Sequence[tuple[str, int]]) -> str:
    """How often each was said: its name, a bar, the number; the longest bar is the most."""
    most = max(1, *(count for _name, count in numbers))
    lines = (
        f'<li><span>{escape(name)}</span><i><b style="width:{count / most:.1%}"></b></i>'
        f"<span>{formatted(count, ',')}</span></li>"
        for name, count in numbers
    )
    return f'<div class="counts"><b>{escape(title)}</b><ul>{"".join(lines)}</ul></div>'


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
