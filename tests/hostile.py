"""Drawings and files as nobody should send them, and the promise that holds for each: an image, nothing, or a sentence."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from core.drawing import PictureError, from_canvas_png, from_picture

Random = np.random.Generator
MAX_MEMORY = 200.0
"""MB that one drawing or file may take."""


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def side(random: Random) -> int:
    return int(random.choice([1, 2, 28, 100, 320, 640]))


def scribble(random: Random, mode: str = "RGBA", strokes: int = 5) -> Image.Image:
    picture = Image.new(mode, (side(random), side(random)), "black")
    pen = ImageDraw.Draw(picture)
    points = random.uniform(-20, 660, (strokes, 4))
    for stroke in points.tolist():
        pen.line(stroke, "white", int(random.integers(1, 40)))
    return picture


def noise(random: Random, channels: int = 4) -> Image.Image:
    pixels = random.integers(0, 256, (side(random), side(random), channels), dtype=np.uint8)
    return Image.fromarray(pixels)


def marks(random: Random, side: int = 1600) -> Image.Image:
    """Thousands of hooks, each as large as a small digit."""
    image = Image.new("L", (side, side), 255)
    pen = ImageDraw.Draw(image)
    for y in range(14, side - 14, 24):
        for x in range(14, side - 14, 20):
            across, down = 8 * np.cos(angle := random.uniform(0, np.pi)), 8 * np.sin(angle)
            pen.line([x - across, y - down, x + across, y + down], 0, 3)
            pen.line([x - down, y - across, x, y], 0, 3)
    return image


def one_pixel(random: Random) -> Image.Image:
    picture = Image.new("RGBA", (320, 320), "black")
    picture.putpixel(tuple(random.integers(0, 320, 2).tolist()), (255, 255, 255, 255))
    return picture


def bomb(width: int, height: int, depth: int = 8, colour: int = 0) -> bytes:
    """A PNG of a few kilobytes that unpacks to width x height pixels of one colour."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    pixel_bytes = {0: 1, 2: 3, 6: 4}[colour] * depth / 8
    row, packer = bytes(1 + int(np.ceil(width * pixel_bytes))), zlib.compressobj(9)
    rows = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


CANVASES: dict[str, Callable[[Random], bytes]] = {
    "blank": lambda random: encoded(Image.new("RGBA", (320, 320), "black")),
    "clear": lambda random: encoded(Image.new("RGBA", (320, 320))),
    "full": lambda random: encoded(Image.new("RGBA", (320, 320), "white")),
    "one pixel": lambda random: encoded(one_pixel(random)),
    "noise": lambda random: encoded(noise(random)),
    "scribble": lambda random: encoded(scribble(random)),
    "palette": lambda random: encoded(scribble(random, "RGB").quantize(4)),
    "16 bits": lambda random: encoded(Image.fromarray(random.integers(0, 65536, (99, 99), dtype=np.uint16))),
    "too large": lambda random: encoded(Image.new("RGBA", (1281, 1280), "white")),
    "JPEG": lambda random: encoded(scribble(random, "RGB"), "JPEG"),
    "cut off": lambda random: (data := encoded(scribble(random)))[: int(random.integers(0, len(data)))],
    "random bytes": lambda random: random.bytes(int(random.integers(0, 3000))),
}

EXIF = Image.Exif()
EXIF[0x0112] = 6
FILES: dict[str, Callable[[Random], bytes]] = {
    **CANVASES,
    "CMYK": lambda random: encoded(scribble(random, "RGB").convert("CMYK"), "JPEG"),
    "grey": lambda random: encoded(scribble(random, "L"), "TIFF"),
    "black and white": lambda random: encoded(scribble(random, "1")),
    "grey and alpha": lambda random: encoded(scribble(random, "RGBA").convert("LA")),
    "WebP": lambda random: encoded(scribble(random), "WEBP"),
    "rotated": lambda random: encoded(scribble(random, "RGB"), "JPEG", exif=EXIF),
    "animated": lambda random: encoded(
        Image.new("L", (60, 60)), "GIF", save_all=True, append_images=[Image.new("L", (60, 60), 99 + n) for n in range(5)]
    ),
    "HEIC": lambda random: encoded(scribble(random, "RGB").resize((90, 60)), "HEIF"),
    "AVIF": lambda random: encoded(scribble(random, "RGB").resize((90, 60)), "AVIF"),
    "floats": lambda random: encoded(
        Image.fromarray(random.choice([0, 1, 1e30, -5, np.nan, np.inf], (50, 40)).astype(np.float32)), "TIFF"
    ),
    "flipped bytes": lambda random: flipped(
        encoded(scribble(random), random.choice(["PNG", "GIF", "BMP", "TIFF", "HEIF", "AVIF"])), random
    ),
    "SVG": lambda random: b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "PostScript": lambda random: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n%%EOF\n",
}

STRONG: dict[str, Callable[[Random], bytes]] = {
    "thousands of marks": lambda random: encoded(marks(random)),
    "20,000 strokes": lambda random: encoded(scribble(random, strokes=20_000)),
    "grey bomb": lambda random: bomb(30_000, 30_000, depth=1),
    "colour bomb": lambda random: bomb(9_000, 9_000, colour=6),
    "just allowed, colour": lambda random: bomb(4_000, 4_000, colour=6),
    "just allowed, colour, 16 bits": lambda random: bomb(4_000, 4_000, depth=16, colour=2),
    "just allowed, grey, 16 bits": lambda random: bomb(4_000, 4_000, depth=16),
    "just allowed, palette": lambda random: encoded(Image.new("P", (4_000, 4_000))),
    "a strip": lambda random: bomb(16_000_000, 1),
    "a large photo": lambda random: encoded(Image.new("RGB", (9_000, 6_000), "white"), "JPEG"),
    "a HEIC bomb": lambda random: larger(encoded(Image.new("RGB", (64, 64)), "HEIF"), 60_000),
    "an AVIF bomb": lambda random: larger(encoded(Image.new("RGB", (64, 64)), "AVIF"), 60_000),
    "just allowed, HEIC": lambda random: encoded(Image.new("RGB", (5_712, 4_284), "white"), "HEIF", quality=30),
    "HEIC in full colour": lambda random: encoded(Image.new("RGB", (4_800, 4_800), "white"), "HEIF", quality=30, chroma=444),
    "just allowed, AVIF": lambda random: encoded(Image.new("RGB", (4_000, 4_000), "white"), "AVIF", quality=30, speed=10),
    "a large AVIF": lambda random: encoded(Image.new("RGB", (5_712, 4_284), "white"), "AVIF", quality=30, speed=10),
    "a large progressive JPEG": lambda random: encoded(Image.new("RGB", (9_000, 6_000), "white"), "JPEG", progressive=True),
    "just allowed, progressive JPEG": lambda random: encoded(Image.new("RGB", (5_700, 4_300)), "JPEG", progressive=True),
    "an animation of large frames": lambda random: encoded(
        Image.new("L", (4_000, 3_900)), "GIF", save_all=True, append_images=[Image.new("L", (4_000, 3_900), 99)] * 9
    ),
    "noise": lambda random: encoded(Image.fromarray(random.integers(0, 256, (1_200, 1_200), dtype=np.uint8))),
    "a large WebP": lambda random: encoded(Image.new("RGB", (9_000, 6_000), "white"), "WEBP", quality=1, method=0),
}
"""Few, since they take long; each is sent both as a canvas and as a file."""


def larger(data: bytes, side: int) -> bytes:
    """A HEIC or AVIF file whose header says that the image is larger than it is (its `ispe` box: width and height)."""
    place = data.index(b"ispe") + 8
    return data[:place] + struct.pack(">II", side, side) + data[place + 8 :]


def flipped(data: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    for place in random.integers(0, len(data), 5):
        changed[place] ^= int(random.integers(1, 256))
    return bytes(changed)


def outcome(read: Callable[[bytes], Tensor | None], data: bytes) -> Tensor | str | None:
    """What becomes of it: an image as a detector wants it, nothing, or a sentence. Anything else fails."""
    try:
        image = read(data)
    except PictureError as error:
        return str(error)
    assert image is None or (image.shape == (1, 1, 28, 28) and 0 <= float(image.min()) <= float(image.max()) <= 1)
    return image


READERS = (from_canvas_png, from_picture)


def peak_memory(forget: bool = False) -> float:
    """The most memory in MB that this process had since the last call that made it forget (Linux)."""
    if forget:
        Path("/proc/self/clear_refs").write_text("5")
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
