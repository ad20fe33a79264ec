"""How many photographed digits the best of the ten shipped detectors names rightly, on sheets with every kind of flaw.

python -m tests.readme_photos            digits drawn by unsteady hands
python -m tests.readme_photos FOLDER     people's digits: pictures, dark on light, whose names begin with their label

Each digit is put on a sheet of its own, or on one with others, and the sheet is spoilt in one way.
"""

import argparse
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from core.drawing import PictureError, read_picture
from core.ensemble import Ensemble
from core.experiments.hands import pictures
from core.presets import read, shipped
from core.scoring import score_ratio
from tests.strokes import WAYS, on_canvas, rgba, shaken

SEED, TIMES, MIN_SIDE = 0, 8, 40
PAPER_SHARE = 0.85
"""What is lighter than this share of the paper around it is paper."""
PAPER, DESK = (226, 225, 220), (88, 56, 40)
Labelled = tuple[int, Image.Image]


def unsteady() -> list[Labelled]:
    """Every way of writing each digit, TIMES times, black on white, with a pen of 4 to 12 % of its height."""
    random = np.random.default_rng(SEED)
    drawn = []
    for label, ways in WAYS.items():
        for turn in range(TIMES):
            strokes = on_canvas(shaken(ways[turn % len(ways)], random))
            ink = Image.fromarray(rgba(strokes, width=int(random.integers(8, 25)))).convert("L")
            drawn.append((label, ImageOps.invert(ink)))
    return drawn


def of_people(folder: Path) -> list[Labelled]:
    """Pictures of one digit, dark on light, at least MIN_SIDE high; their paper, shaded or not, becomes white."""
    found = []
    for path in pictures(folder):
        grey = ImageOps.exif_transpose(Image.open(path)).convert("L")
        pixels = np.asarray(grey, np.float32)
        paper = np.asarray(grey.filter(ImageFilter.GaussianBlur(grey.height / 8)), np.float32)
        if grey.height >= MIN_SIDE and np.median(pixels) > 0.7 * np.quantile(pixels, 0.9):
            flat = (pixels / np.minimum(np.median(pixels), paper) / PAPER_SHARE).clip(0, 1)
            found.append((int(path.name[0]), Image.fromarray((255 * flat).astype(np.uint8))))
    return found


def sheet(digits: Sequence[Image.Image], columns: int, cell: int, share: float) -> Image.Image:
    """A sheet of square cells with a digit in the middle of each, in reading order; share of the cell that it takes."""
    rows = -(-len(digits) // columns)
    page = Image.new("RGB", (columns * cell, rows * cell), PAPER)
    for place, digit in enumerate(digits):
        ink = np.asarray(ImageOps.contain(digit, (int(cell * share),) * 2), np.float32)[..., None] / 255
        left = place % columns * cell + (cell - ink.shape[1]) // 2
        top = place // columns * cell + (cell - ink.shape[0]) // 2
        below = np.asarray(page.crop((left, top, left + ink.shape[1], top + ink.shape[0])), np.float32)
        page.paste(Image.fromarray((below * ink).astype(np.uint8)), (left, top))
    return page


def exposed(share: float) -> Callable[[Image.Image], Image.Image]:
    return lambda page: page.point(lambda value: int(value * share))


def on_desk(page: Image.Image) -> Image.Image:
    return ImageOps.expand(page, border=page.width // 6, fill=DESK)


def boxed(page: Image.Image) -> Image.Image:
    inset = page.width // 12
    ImageDraw.Draw(page).rectangle((inset, inset, page.width - inset, page.height - inset), outline="#282828", width=5)
    return page


def ruled(is_squared: bool) -> Callable[[Image.Image], Image.Image]:
    def rule(page: Image.Image) -> Image.Image:
        draw = ImageDraw.Draw(page)
        for place in range(24, page.width, 48):
            draw.line((0, place, page.width, place), "#7080a0", 3)
            if is_squared:
                draw.line((place, 0, place, page.height), "#7080a0", 3)
        return page

    return rule


def shadowed(page: Image.Image) -> Image.Image:
    pixels = np.array(page, np.float32)
    y, x = np.mgrid[: page.height, : page.width]
    pixels[x + 0.4 * y > 0.7 * page.width] *= 0.55
    return Image.fromarray(pixels.astype(np.uint8))


def of_a_phone(page: Image.Image) -> Image.Image:
    """Dark corners, grain, a slight blur of the colours, and a turn by three degrees."""
    turned = page.rotate(3, Image.Resampling.BICUBIC, fillcolor=PAPER)
    y, x = np.mgrid[-1 : 1 : page.height * 1j, -1 : 1 : page.width * 1j]
    grain = np.random.default_rng(SEED).normal(0, 5, (page.height, page.width, 1))
    pixels = np.asarray(turned, np.float32) * (1 - 0.25 * (x**2 + y**2))[..., None] + grain
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


SPOILT: dict[str, Callable[[Image.Image], Image.Image]] = {
    **{f"exposed to {share:.0%}": exposed(share) for share in (1.0, 0.8, 0.6, 0.45, 0.35)},
    "desk on four sides": on_desk,
    "printed box": boxed,
    "ruled": ruled(False),
    "squared": ruled(True),
    "hard shadow": shadowed,
    "dark corners, grain, turned by 3 degrees": of_a_phone,
}
SHEETS = {
    "two on a sheet": (2, 2, 400),
    "thirty on a sheet, cells of 160 pixels": (30, 5, 160),
    "thirty, cells of 80": (30, 5, 80),
}
"""Digits on a sheet, columns, pixels of a cell."""


def right_on(page: Image.Image, labels: Sequence[int], columns: int, ensemble: Ensemble) -> int:
    """How many digits of the sheet are found in their cells and named rightly by the least strange of the ten."""
    packed = io.BytesIO()
    page.save(packed, "JPEG", quality=85)
    try:
        found = read_picture(packed.getvalue()).digits
    except PictureError:
        return 0
    if len(labels) == 1:
        cells = [0 if len(found) == 1 else -1 for _ in found]
    else:
        rows = -(-len(labels) // columns)
        middles = [((left + right) / 2, (top + bottom) / 2) for left, top, right, bottom in (each.box for each in found)]
        cells = [int(y * rows) * columns + int(x * columns) for x, y in middles]
    right = set()
    for cell, each in zip(cells, found, strict=True):
        ratios = [score_ratio(float(result.scores[0]), result.threshold) for result in ensemble.infer(each.image)]
        if 0 <= cell < len(labels) and int(np.argmin(ratios)) == labels[cell]:
            right.add(cell)
    return len(right)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--most", type=int, default=90, help="digits that are looked at, drawn by chance (90)")
    arguments = parser.parse_args()
    every = of_people(arguments.folder) if arguments.folder else unsteady()
    order = np.random.default_rng(SEED).permutation(len(every))[: arguments.most]
    digits = [every[place] for place in order]
    ensemble = Ensemble([read(each).detector for each in shipped("mnist", "best")])
    print("| sheet | digits | named rightly |\n|---|---|---|")

    def line(name: str, count: int, right: int) -> None:
        print(f"| {name} | {count} | {right / count:.1%} |", flush=True)

    for name, spoil in SPOILT.items():
        rights = [right_on(spoil(sheet([digit], 1, 640, 0.6)), [label], 1, ensemble) for label, digit in digits]
        line(name, len(digits), sum(rights))
    for name, (count, columns, cell) in SHEETS.items():
        groups = [digits[start : start + count] for start in range(0, len(digits) - count + 1, count)]
        right = sum(
            right_on(sheet([digit for _, digit in group], columns, cell, 0.8), [label for label, _ in group], columns, ensemble)
            for group in groups
        )
        line(name, count * len(groups), right)


if __name__ == "__main__":
    main()
