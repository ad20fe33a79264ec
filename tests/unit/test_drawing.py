"""From canvas and picture to the image that a detector sees."""

import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from sklearn.metrics import roc_auc_score
from torch import Tensor

from core.checkpoint import read
from core.drawing import PictureError, from_canvas, from_picture
from core.presets import Shipped
from tests.strokes import WAYS, on_canvas, rgba, shaken

SENTENCE = r"\A[A-Z][^\n]+ [^\n]+\.\Z"
# A "4" with an open top: no symmetry, so a turn or a mirror image shows.
STROKES = [[(0.35, 0.25), (0.3, 0.55), (0.68, 0.55)], [(0.6, 0.35), (0.55, 0.8)]]


def pen(image: Image.Image, colour: Any, width: float, size: float = 1.0) -> Image.Image:
    """Draw the digit; width and size as shares of the picture's smaller side."""
    draw, side = ImageDraw.Draw(image), min(image.size)
    thick = round(width * side)
    for stroke in STROKES:
        points = [(image.width / 2 + (x - 0.5) * size * side, image.height / 2 + (y - 0.5) * size * side) for x, y in stroke]
        draw.line(points, colour, thick, joint="curve")
        for x, y in points:
            draw.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), colour)
    return image


def canvas(background: str = "black") -> NDArray[np.uint8]:
    return np.array(Image.new("RGBA", (280, 280), background))


def drawn(background: str = "black") -> NDArray[np.uint8]:
    """The digit in white on a canvas."""
    return np.array(pen(Image.fromarray(canvas(background)), "white", 0.08))


def on_paper(paper: int = 225, ink: int = 40, size: tuple[int, int] = (400, 300)) -> Image.Image:
    return pen(Image.new("L", size, paper), ink, 0.08)


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def seen(rgba: NDArray[np.uint8]) -> Tensor:
    image = from_canvas(rgba)
    assert image is not None
    return image


def likeness(first: Tensor, second: Tensor) -> float:
    return float(np.corrcoef(first.flatten(), second.flatten())[0, 1])


def looks_like_the_drawing(data: bytes) -> bool:
    image = from_picture(data)
    return image.shape == (1, 1, 28, 28) and likeness(image, seen(drawn())) > 0.9


def is_image(image: Tensor) -> bool:
    shape_fits = image.shape == (1, 1, 28, 28) and image.dtype == torch.float32
    return shape_fits and bool(image.isfinite().all()) and 0 <= float(image.min()) < float(image.max()) <= 1


def box(image: Tensor) -> tuple[int, int]:
    rows, columns = (image[0, 0].amax(dim=dim).nonzero() for dim in (1, 0))
    return int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1


# The canvas


@pytest.mark.parametrize(
    "blank",
    [None, canvas(), canvas("#00000000"), canvas("#ffffff00"), canvas("#0a0a0a"), np.zeros((1, 1, 4), np.uint8)],
    ids=["none", "black", "clear", "clear white", "nearly black", "one pixel"],
)
def test_canvas_without_ink_is_no_image(blank: NDArray[np.uint8] | None) -> None:
    assert from_canvas(blank) is None


@pytest.mark.parametrize("background", ["black", "#00000000"])
def test_stroke_is_centred_with_its_longer_side_at_twenty(background: str) -> None:
    image = seen(drawn(background))
    assert is_image(image)
    assert max(box(image)) == 20
    mass = image[0, 0].double()
    middle = torch.arange(28).double()
    assert float(mass.sum(1) @ middle / mass.sum()) == pytest.approx(14, abs=1)
    assert float(mass.sum(0) @ middle / mass.sum()) == pytest.approx(14, abs=1)


def test_a_dot_becomes_an_image() -> None:
    dotted = canvas()
    dotted[200:204, 40:44] = 255
    image = seen(dotted)
    assert is_image(image)
    assert box(image) == (20, 20)


def test_place_and_size_on_the_canvas_do_not_matter() -> None:
    small = canvas()
    reduced = np.array(Image.fromarray(drawn()).resize((140, 140), Image.Resampling.BOX))
    small[130:270, 5:145] = reduced
    assert likeness(seen(small), seen(drawn())) > 0.98


def test_canvas_is_only_read() -> None:
    rgba = drawn()
    rgba.flags.writeable = False
    before = rgba.copy()
    from_canvas(rgba)
    assert np.array_equal(rgba, before)


def test_faint_edges_do_not_widen_the_digit() -> None:
    haze = drawn()
    haze[:10, :, :3] = 12
    assert torch.equal(seen(haze), seen(drawn()))


@given(arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(4))))
def test_any_canvas_is_an_image_or_nothing(rgba: NDArray[np.uint8]) -> None:
    image = from_canvas(rgba)
    assert image is None or is_image(image)


# Photos


def test_dark_on_light_looks_like_the_drawing() -> None:
    assert looks_like_the_drawing(encode(on_paper()))


def test_light_on_dark_looks_like_the_drawing() -> None:
    assert looks_like_the_drawing(encode(on_paper(paper=20, ink=230)))


def photo(gradient: float = 0.0, specks: int = 0, grain: float = 0.0) -> bytes:
    """Pen on paper, with light that falls off to one side, with specks of dirt and a grainy sensor."""
    random = np.random.default_rng(0)
    image = on_paper().filter(ImageFilter.GaussianBlur(1.5))
    draw = ImageDraw.Draw(image)
    for x, y in random.uniform(0.03, 0.97, (specks, 2)):
        centre = x * image.width, y * image.height
        draw.ellipse((centre[0] - 1, centre[1] - 1, centre[0] + 1, centre[1] + 1), 60)
    pixels = np.asarray(image, dtype=np.float32)
    pixels = pixels * np.linspace(1.0, 1.0 - gradient, image.width) + random.normal(0, grain, pixels.shape)
    return encode(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)), "JPEG", quality=85)


@pytest.mark.parametrize(
    "flaws",
    [{"gradient": 0.3}, {"gradient": 0.55}, {"specks": 25}, {"grain": 6.0}, {"gradient": 0.4, "specks": 15, "grain": 4.0}],
    ids=str,
)
def test_uneven_light_specks_and_grain_are_taken_out(flaws: dict[str, Any]) -> None:
    assert looks_like_the_drawing(photo(**flaws))


def test_the_dark_edge_of_the_table_is_left_out() -> None:
    picture = on_paper()
    ImageDraw.Draw(picture).rectangle((0, 0, 14, 300), fill=30)
    assert looks_like_the_drawing(encode(picture))


@pytest.mark.parametrize(("width", "size"), [(0.03, 0.6), (0.012, 0.5), (0.006, 0.5), (0.01, 0.3)])
def test_a_thin_pen_is_found_on_a_large_sheet(width: float, size: float) -> None:
    image = from_picture(encode(pen(Image.new("L", (1200, 1000), 230), 30, width, size)))
    assert is_image(image)
    assert max(box(image)) == 20


def transparent(ink: str) -> bytes:
    # What cannot be seen has the ink's own colour: without its transparency the picture is of one colour.
    return encode(pen(Image.new("RGBA", (300, 300), f"{ink}00"), ink, 0.08))


def sixteen_bit() -> bytes:
    return encode(Image.fromarray(np.asarray(on_paper()).astype(np.uint16) * 150))


def turned_by_exif(orientation: int, turn: Image.Transpose, kind: str = "JPEG", size: tuple[int, int] = (400, 300)) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(on_paper(size=size).transpose(turn), kind, exif=exif)


def animated() -> bytes:
    frames = [on_paper(), Image.new("L", (400, 300), 225), on_paper().transpose(Image.Transpose.ROTATE_180)]
    return encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100, loop=0)


PICTURES: dict[str, Callable[[], bytes]] = {
    "grey PNG": lambda: encode(on_paper()),
    "palette PNG": lambda: encode(on_paper().convert("RGB").quantize(8)),
    "palette PNG with a transparent colour": lambda: encode(on_paper().convert("RGB").quantize(8), transparency=7),
    "black and white PNG": lambda: encode(on_paper().convert("1")),
    "16-bit PNG": sixteen_bit,
    "grey and alpha": lambda: encode(on_paper().convert("LA")),
    "transparent, dark ink": lambda: transparent("#202020"),
    "transparent, light ink": lambda: transparent("#f0f0f0"),
    "blue ink": lambda: encode(pen(Image.new("RGB", (300, 300), "#f5f0e0"), "#1030a0", 0.08)),
    "CMYK JPEG": lambda: encode(on_paper().convert("CMYK"), "JPEG"),
    "progressive JPEG": lambda: encode(on_paper(), "JPEG", progressive=True),
    "large PNG": lambda: encode(on_paper(size=(4000, 3000))),
    "large PNG, turned left by EXIF": lambda: turned_by_exif(6, Image.Transpose.ROTATE_90, "PNG", size=(2000, 1500)),
    "large PNG with a transparent colour": lambda: encode(
        pen(Image.new("RGB", (2000, 1500), "#202020"), "#202021", 0.08), transparency=(0x20, 0x20, 0x20)
    ),
    "JPEG of more pixels than are unpacked": lambda: encode(on_paper(size=(6000, 4500)), "JPEG"),
    "turned left by EXIF": lambda: turned_by_exif(6, Image.Transpose.ROTATE_90),
    "upside down by EXIF": lambda: turned_by_exif(3, Image.Transpose.ROTATE_180),
    "animated GIF": animated,
    "WebP": lambda: encode(on_paper(), "WEBP"),
    "BMP": lambda: encode(on_paper(), "BMP"),
    "TIFF": lambda: encode(on_paper(), "TIFF"),
    "28 pixels": lambda: encode(Image.fromarray((255 * seen(drawn())[0, 0].numpy()).astype(np.uint8))),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_every_kind_of_picture_looks_like_the_drawing(kind: str) -> None:
    assert looks_like_the_drawing(PICTURES[kind]())


def test_a_turned_picture_does_not_look_like_the_drawing() -> None:
    # What the likeness above is worth: it is lost when the picture is turned.
    assert not looks_like_the_drawing(encode(on_paper().transpose(Image.Transpose.ROTATE_90)))


# Pictures without a digit


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (300, 200)], ids=str)
@pytest.mark.parametrize("colour", ["black", "grey", "white", "red"])
def test_one_colour_holds_no_digit(size: tuple[int, int], colour: str) -> None:
    with pytest.raises(PictureError, match=SENTENCE):
        from_picture(encode(Image.new("RGB", size, colour)))


@pytest.mark.parametrize("colour", ["#00000000", "#ffffff00"])
def test_fully_transparent_picture_holds_no_digit(colour: str) -> None:
    with pytest.raises(PictureError, match=SENTENCE):
        from_picture(encode(Image.new("RGBA", (50, 50), colour)))


def floats(value: float) -> bytes:
    values = np.asarray(on_paper(), dtype=np.float32).copy()
    values[0, 0] = value
    return encode(Image.fromarray(values), "TIFF")


NO_PICTURES: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "text": lambda: b"This is a picture of a five.",
    "zeros": lambda: bytes(1000),
    "SVG": lambda: b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>',
    "NaN pixel": lambda: floats(float("nan")),
    "infinite pixel": lambda: floats(float("inf")),
    "file too large": lambda: encode(on_paper()) + bytes(5 * 2**20),
    "too many pixels": lambda: encode(Image.new("1", (10_000, 10_000))),
    "decompression bomb": lambda: encode(Image.new("1", (14_000, 14_000))),
}


@pytest.mark.parametrize("kind", NO_PICTURES)
def test_other_files_are_refused(kind: str) -> None:
    with pytest.raises(PictureError, match=SENTENCE):
        from_picture(NO_PICTURES[kind]())


@pytest.mark.parametrize("kind", ["NaN pixel", "infinite pixel"])
def test_pixels_that_are_no_numbers_are_called_so(kind: str) -> None:
    with pytest.raises(PictureError, match="not numbers"):
        from_picture(NO_PICTURES[kind]())


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.6])
def test_truncated_picture_is_refused(kind: str, share: float) -> None:
    data = photo(grain=5.0)
    data = encode(Image.open(io.BytesIO(data)), kind)
    with pytest.raises(PictureError, match=SENTENCE):
        from_picture(data[: int(share * len(data))])


def told_or_image(data: bytes) -> bool:
    """Whether bytes become an image or are refused as they should be."""
    try:
        return is_image(from_picture(data))
    except PictureError as error:
        return str(error).endswith(".")


@given(st.binary(max_size=400))
def test_random_bytes_never_escape(data: bytes) -> None:
    assert told_or_image(data)


SMALL = on_paper(size=(40, 30))


@pytest.mark.parametrize("kind", [2, 5, 7, 11, 12], ids=["text", "fraction", "bytes", "float", "double"])
def test_tiff_with_an_odd_kind_of_number_is_refused(kind: int) -> None:
    data = bytearray(encode(SMALL, "TIFF"))
    strip_offsets = data.index(struct.pack("<HHI", 273, 4, 1))
    data[strip_offsets + 2 : strip_offsets + 4] = struct.pack("<H", kind)
    with pytest.raises(PictureError, match=SENTENCE):
        from_picture(bytes(data))


EXIF = Image.Exif()
EXIF[0x0112] = 6
SEEDS = [
    *[encode(SMALL, kind) for kind in ("PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA", "ICO", "PCX", "JPEG2000")],
    encode(SMALL, "JPEG", exif=EXIF),
    encode(SMALL, "PNG", exif=EXIF),
    encode(SMALL.convert("RGB").quantize(4), "PNG", transparency=2),
    encode(SMALL, "TIFF", compression="tiff_lzw"),
]


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=6))
@settings(max_examples=600)
def test_damaged_pictures_never_escape(data: bytes, changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(data)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    assert told_or_image(bytes(damaged))


@given(
    arrays(np.uint8, st.tuples(st.integers(1, 30), st.integers(1, 30), st.just(3))), st.sampled_from(["L", "RGB", "CMYK", "1"])
)
@settings(max_examples=60)
def test_random_pictures_never_escape(pixels: NDArray[np.uint8], mode: str) -> None:
    assert told_or_image(encode(Image.fromarray(pixels).convert(mode), "TIFF"))


def test_the_shipped_detector_tells_drawn_fives_from_other_drawn_digits() -> None:
    random = np.random.default_rng(0)
    drawn = [
        (from_canvas(rgba(on_canvas(shaken(ways[number % len(ways)], random)))), digit)
        for digit, ways in WAYS.items()
        for number in range(12)
    ]
    images = torch.cat([image for image, _ in drawn if image is not None])
    is_five = torch.tensor([digit == 5 for _, digit in drawn])
    assert len(images) == len(drawn)
    detector = read(Shipped("best", "mnist", 5).path).detector
    scores, alarms = detector.decision_function(images), detector.predict(images).bool()
    assert roc_auc_score(~is_five, scores) > 0.99
    assert alarms[is_five].float().mean() <= 0.1
    assert alarms[~is_five].float().mean() >= 0.95
