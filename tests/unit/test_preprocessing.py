"""MNIST's frame and straightening, against slow loops over pixels."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from torch import Tensor

from core.data import DataSet
from core.preprocessing import centre_in_frame as frame
from core.preprocessing import deskew, preprocess

PICTURES = arrays(np.float32, st.tuples(st.integers(1, 60), st.integers(1, 60)), elements=st.floats(0, 1, width=32))
IMAGES = arrays(np.float32, (28, 28), elements=st.floats(0, 1, width=32))


def moments(image: NDArray[np.floating]) -> tuple[float, float, float]:
    """Centre of mass (row, column) and skew mu_11 / mu_02, summed pixel by pixel."""
    pixels = [(y, x, float(image[y, x])) for y in range(image.shape[0]) for x in range(image.shape[1])]
    mass = sum(ink for _, _, ink in pixels)
    row = sum(y * ink for y, _, ink in pixels) / mass
    column = sum(x * ink for _, x, ink in pixels) / mass
    along = sum((y - row) ** 2 * ink for y, _, ink in pixels)
    across = sum((y - row) * (x - column) * ink for y, x, ink in pixels)
    return row, column, across / along if along else 0.0


def box(image: NDArray[np.floating]) -> tuple[int, int]:
    """Height and width of what is inked."""
    rows, columns = np.nonzero(image.max(axis=1))[0], np.nonzero(image.max(axis=0))[0]
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def bar(slant: float, row: float = 14, column: float = 14) -> Tensor:
    """A soft-edged upright stroke, sheared by `slant` pixels to the right per pixel down."""
    y, x = np.mgrid[:28, :28].astype(np.float32)
    across = np.abs(x - column - slant * (y - row))
    ink = np.clip(2.0 - across, 0, 1) * (np.abs(y - row) <= 8)
    return torch.from_numpy(ink.astype(np.float32))[None, None]


# frame


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1, 1), (20, 20)),
        ((5, 10), (10, 20)),
        ((100, 50), (20, 10)),
        ((300, 3), (20, 1)),
        ((20, 7), (20, 7)),
        ((9, 400), (1, 20)),
    ],
    ids=str,
)
def test_frame_scales_the_longer_side_to_twenty(shape: tuple[int, int], expected: tuple[int, int]) -> None:
    ink = np.zeros((500, 500), dtype=np.float32)
    ink[30 : 30 + shape[0], 70 : 70 + shape[1]] = 1.0
    assert box(frame(ink)) == expected


def test_frame_of_a_square_by_hand() -> None:
    ink = np.zeros((64, 90), dtype=np.float32)
    ink[3:43, 11:51] = 1.0
    expected = np.zeros((28, 28), dtype=np.float32)
    expected[4:24, 4:24] = 1.0
    assert np.array_equal(frame(ink), expected)


def test_frame_keeps_what_already_fits() -> None:
    ink = np.zeros((28, 28), dtype=np.float32)
    ink[4:24, 8:20] = np.random.default_rng(0).uniform(0.5, 1.0, (20, 12))
    framed = frame(ink)
    assert box(framed) == (20, 12)
    assert np.array_equal(framed[framed > 0], ink[ink > 0])


def test_frame_does_not_depend_on_where_the_digit_stands(uci: DataSet) -> None:
    digit = uci.test.images[3, 0].numpy()
    wide = np.zeros((100, 100), dtype=np.float32)
    wide[60:88, 9:37] = digit
    assert np.array_equal(frame(wide), frame(digit))


def test_frame_averages_when_it_shrinks() -> None:
    chessboard = (np.indices((200, 200)).sum(axis=0) % 2).astype(np.float32)
    chessboard[0], chessboard[-1] = 1.0, 1.0
    assert frame(chessboard)[14, 14] == pytest.approx(0.5)


@pytest.mark.parametrize("shape", [(1, 1), (28, 28), (3, 200)], ids=str)
def test_frame_of_nothing_is_blank(shape: tuple[int, int]) -> None:
    assert np.array_equal(frame(np.zeros(shape, dtype=np.float32)), np.zeros((28, 28)))


@given(PICTURES)
def test_frame_stays_in_range(ink: NDArray[np.float32]) -> None:
    framed = frame(ink)
    assert (framed.shape, framed.dtype) == ((28, 28), np.float32)
    assert np.isfinite(framed).all()
    assert 0.0 <= framed.min() <= framed.max() <= 1.0


@given(PICTURES)
@settings(max_examples=60)
def test_frame_centres_the_mass_unless_the_edge_is_in_the_way(ink: NDArray[np.float32]) -> None:
    framed = frame(ink)
    assume(framed.sum() > 1)
    rows, columns = framed.max(axis=1), framed.max(axis=0)
    row, column, _ = moments(framed)
    assert abs(row - 14) <= 1.0 or rows[0] > 0 or rows[-1] > 0
    assert abs(column - 14) <= 1.0 or columns[0] > 0 or columns[-1] > 0


def test_frame_centres_every_digit_as_mnist_does(uci: DataSet) -> None:
    for image in uci.test.images[:40, 0].numpy():
        row, column, _ = moments(frame(image))
        assert abs(row - 14) <= 1.0
        assert abs(column - 14) <= 1.0


def test_frame_leaves_real_mnist_where_it_is(mnist: DataSet) -> None:
    # Most of MNIST's images come back as they are: this frame is MNIST's frame.
    images = mnist.test.images[:500, 0].numpy()
    assert np.mean([np.abs(frame(image) - image).mean() < 0.01 for image in images]) > 0.8


# deskew


@pytest.mark.parametrize("slant", [-0.8, -0.3, 0.0, 0.3, 0.8])
def test_deskew_makes_a_sheared_bar_upright(slant: float) -> None:
    slanted = bar(slant)
    assert moments(slanted[0, 0].numpy())[2] == pytest.approx(slant, abs=0.02)
    straight = deskew(slanted)[0, 0].numpy()
    assert moments(straight)[2] == pytest.approx(0, abs=0.02)
    assert box(straight)[1] <= 7


@pytest.mark.parametrize(("row", "column"), [(14, 14), (10, 12), (17, 20)])
def test_deskew_puts_the_mass_in_the_middle(row: float, column: float) -> None:
    centre = moments(deskew(bar(0.3, row, column))[0, 0].numpy())[:2]
    assert centre == pytest.approx((13.5, 13.5), abs=0.15)


def test_deskew_straightens_real_digits(uci: DataSet) -> None:
    before = [abs(moments(image)[2]) for image in uci.test.images[:40, 0].numpy()]
    after = [abs(moments(image)[2]) for image in deskew(uci.test.images[:40])[:, 0].numpy()]
    assert max(after) < 0.1 < np.mean(before)


def test_deskew_leaves_a_flat_stroke_flat() -> None:
    flat = torch.zeros(1, 1, 28, 28)
    flat[0, 0, 14, 5:23] = 1.0
    assert box(deskew(flat)[0, 0].numpy())[0] <= 2


def test_deskew_leaves_blank_images_blank() -> None:
    blank = torch.zeros(3, 1, 28, 28)
    assert torch.equal(deskew(blank), blank)


def test_deskew_of_a_batch_equals_one_by_one(uci: DataSet) -> None:
    images = torch.cat([uci.test.images[:20], torch.zeros(1, 1, 28, 28)])
    singly = torch.cat([deskew(image[None]) for image in images])
    assert torch.allclose(deskew(images), singly, atol=1e-5)


@given(IMAGES)
def test_deskew_stays_finite_and_in_range(image: NDArray[np.float32]) -> None:
    straight = deskew(torch.from_numpy(image)[None, None])
    assert straight.shape == (1, 1, 28, 28)
    assert bool(straight.isfinite().all())
    assert 0.0 <= float(straight.min()) <= float(straight.max()) <= 1.0


# preprocess


def test_preprocess_does_what_it_is_told(uci: DataSet) -> None:
    images = uci.test.images[:5]
    assert torch.equal(preprocess(images, "none"), images)
    assert torch.equal(preprocess(images, "deskew"), deskew(images))
    assert not torch.equal(deskew(images), images)


def test_preprocess_takes_an_empty_batch() -> None:
    assert preprocess(torch.empty(0, 1, 28, 28), "deskew").shape == (0, 1, 28, 28)
