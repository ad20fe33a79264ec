"""A sheet of paper with boxes for digits, to print, fill in, photograph and have judged.

    python -m core.photos.worksheet FILE.pdf

The boxes are so pale that a photo's reader takes them for paper, and the text stands well away from them.
"""

import io
import sys
from contextlib import suppress
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT, DPI = 1240, 1754, 150
"""A4 in pixels."""
COLUMNS, ROWS, BOX, GAP, TOP = 5, 4, 190, 22, 500
PALE = (226, 232, 240)
BLACK, WHITE = (20, 20, 20), (255, 255, 255)


def boxes() -> list[tuple[int, int, int, int]]:
    """Left, top, right, bottom of each box, row by row."""
    left = (WIDTH - COLUMNS * BOX - (COLUMNS - 1) * GAP) // 2
    places = [(left + column * (BOX + GAP), TOP + row * (BOX + GAP)) for row in range(ROWS) for column in range(COLUMNS)]
    return [(x, y, x + BOX, y + BOX) for x, y in places]


def area() -> tuple[int, int, int, int]:
    """What is to be photographed: all boxes with a margin."""
    every = boxes()
    return every[0][0] - GAP, every[0][1] - GAP, every[-1][2] + GAP, every[-1][3] + GAP


def page(title: str, name: str, instruction: str, expected: str, font: Path | None = None) -> Image.Image:
    """The sheet as a picture. font: a file, for texts that are not English: Pillow's own font has no letter with an accent."""
    sheet = Image.new("RGB", (WIDTH, HEIGHT), WHITE)
    draw = ImageDraw.Draw(sheet)
    large, small = sized(font, 54), sized(font, 32)
    draw.text((110, 110), title, BLACK, large)
    draw.text((110, 220), f"{name}: ______________________________", BLACK, small)
    for number, line in enumerate(_lines(instruction, 62)):
        draw.text((110, 310 + 48 * number), line, BLACK, small)
    draw.text((110, HEIGHT - 190), f"{expected}: ______________________________", BLACK, small)
    for box in boxes():
        draw.rounded_rectangle(box, 18, outline=PALE, width=4)
    return sheet


def sized(font: Path | None, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A font of so many pixels; of a variable one the regular weight, as it may begin with the thinnest."""
    if font is None:
        return ImageFont.load_default(size)
    made = ImageFont.truetype(font, size)
    with suppress(OSError):  # it is not variable
        made.set_variation_by_axes([400])
    return made


def worksheet(title: str, name: str, instruction: str, expected: str, font: Path | None = None) -> bytes:
    """The sheet as a PDF file of one page, A4. font: as for page."""
    file = io.BytesIO()
    page(title, name, instruction, expected, font).save(file, "PDF", resolution=DPI)
    return file.getvalue()


def _lines(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(
        worksheet("Is it normal?", "Name", "Write one digit in each box, with a dark pen.", "Alarms that I expect")
    )
