"""MNIST's frame and straightening, against slow loops over pixels."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from core.data.datasets import DataSet, as_images
from core.experiments.shifts import moved_and_turned
from core.framing import STROKE_WIDTH, centre_in_frame, frame
from core.preprocessing import (
    INK_LEVELS,
    deskew,
    enclosed_side,
    level_for_area,
    pose_angles,
    poses,
    preprocess,
    preprocess_steps,
)

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
    assert box(centre_in_frame(ink)) == expected


def test_frame_of_a_square_by_hand() -> None:
    ink = np.zeros((64, 90), dtype=np.float32)
    ink[3:43, 11:51] = 1.0
    expected = np.zeros((28, 28), dtype=np.float32)
    expected[4:24, 4:24] = 1.0
    assert np.array_equal(centre_in_frame(ink), expected)


def test_frame_keeps_what_already_fits() -> None:
    ink = np.zeros((28, 28), dtype=np.float32)
    ink[4:24, 8:20] = np.random.default_rng(0).uniform(0.5, 1.0, (20, 12))
    framed = centre_in_frame(ink)
    assert box(framed) == (20, 12)
    assert np.array_equal(framed[framed > 0], ink[ink > 0])


def test_frame_does_not_depend_on_where_the_digit_stands(uci: DataSet) -> None:
    digit = uci.test.images[3, 0].numpy()
    wide = np.zeros((100, 100), dtype=np.float32)
    wide[60:88, 9:37] = digit
    assert np.array_equal(centre_in_frame(wide), centre_in_frame(digit))


def test_frame_averages_when_it_shrinks() -> None:
    chessboard = (np.indices((200, 200)).sum(axis=0) % 2).astype(np.float32)
    chessboard[0], chessboard[-1] = 1.0, 1.0
    assert centre_in_frame(chessboard)[14, 14] == pytest.approx(0.5)


@pytest.mark.parametrize("shape", [(1, 1), (28, 28), (3, 200)], ids=str)
def test_frame_of_nothing_is_blank(shape: tuple[int, int]) -> None:
    assert np.array_equal(centre_in_frame(np.zeros(shape, dtype=np.float32)), np.zeros((28, 28)))


@given(PICTURES)
def test_frame_stays_in_range(ink: NDArray[np.float32]) -> None:
    framed = centre_in_frame(ink)
    assert (framed.shape, framed.dtype) == ((28, 28), np.float32)
    assert np.isfinite(framed).all()
    assert 0.0 <= framed.min() <= framed.max() <= 1.0


@given(PICTURES)
@settings(max_examples=60)
def test_frame_centres_the_mass_unless_the_edge_is_in_the_way(ink: NDArray[np.float32]) -> None:
    framed = centre_in_frame(ink)
    assume(framed.sum() > 1)
    rows, columns = framed.max(axis=1), framed.max(axis=0)
    row, column, _ = moments(framed)
    # Half a pixel by rounding to whole ones, and what resampling two pixels to twenty cuts off above full ink.
    assert abs(row - 14) <= 1.5 or rows[0] > 0 or rows[-1] > 0
    assert abs(column - 14) <= 1.5 or columns[0] > 0 or columns[-1] > 0


def test_frame_centres_every_digit_as_mnist_does(uci: DataSet) -> None:
    for image in uci.test.images[:40, 0].numpy():
        row, column, _ = moments(centre_in_frame(image))
        assert abs(row - 14) <= 1.0
        assert abs(column - 14) <= 1.0


def test_frame_leaves_real_mnist_where_it_is(mnist: DataSet) -> None:
    # Most of MNIST's images come back as they are: this frame is MNIST's frame.
    images = mnist.test.images[:500, 0].numpy()
    assert np.mean([np.abs(centre_in_frame(image) - image).mean() < 0.01 for image in images]) > 0.8


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


# one stroke width


def pen(width: float, length: float = 16, side: int = 28, slant: float = 0.0, ink: float = 1.0) -> NDArray[np.float32]:
    """A cross of two strokes, drawn at ten times the size and averaged; width and length in pixels of the result."""
    fine = 10 * side
    y, x = np.mgrid[:fine, :fine] / 10.0 - side / 2
    x = x - slant * y
    strokes = (np.abs(x) <= width / 2) & (np.abs(y) <= length / 2) | (np.abs(y) <= width / 2) & (np.abs(x) <= length / 3)
    small: NDArray[np.float32] = strokes.reshape(side, 10, side, 10).mean(axis=(1, 3), dtype=np.float32) * np.float32(ink)
    return small


def stroke_width(image: NDArray[np.floating], row: int) -> float:
    """Ink along one row: the width of an upright stroke that crosses it."""
    return float(image[row].sum())


def standard(image: NDArray[np.floating]) -> NDArray[np.float32]:
    result: NDArray[np.float32] = preprocess(torch.from_numpy(image)[None, None].float(), "standard-stroke")[0, 0].numpy()
    return result


@pytest.mark.parametrize("width", [1.2, 1.8, 2.4, 3.2, 4.4])
def test_strokes_of_any_width_come_out_equal(width: float) -> None:
    image = standard(pen(width))
    for row in (9, 19):
        assert stroke_width(image, row) == pytest.approx(STROKE_WIDTH, abs=0.45)


@pytest.mark.parametrize("ink", [0.3, 0.6])
def test_faint_ink_is_as_good_as_dark_ink(ink: float) -> None:
    assert np.abs(standard(pen(2.4, ink=ink)) - standard(pen(2.4))).max() < 0.02


def test_a_grey_background_makes_no_difference() -> None:
    grey = 0.2 + 0.8 * pen(2.4)
    assert np.abs(standard(grey) - standard(pen(2.4)))[1:-1, 1:-1].max() < 0.05


def test_little_noise_leaves_the_background_black() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (28, 28)).astype(np.float32)
    image = standard((pen(2.4) + noise).clip(0, 1))
    assert image[:3].max() == image[-3:].max() == 0.0
    assert image.sum() == pytest.approx(standard(pen(2.4)).sum(), rel=0.1)


def test_the_faintest_part_of_a_hairline_on_clean_paper_is_kept_and_noise_is_not() -> None:
    line = np.zeros((28, 28), dtype=np.float32)
    line[4:24, 14] = 1.0
    gap = line.copy()
    gap[13:15, 14] = 0.08
    noise = np.abs(np.random.default_rng(0).normal(0, 0.1, (28, 28))).astype(np.float32)
    assert standard(gap)[12:16].sum(axis=1).min() > 0.5 * STROKE_WIDTH
    assert standard((line + noise).clip(0, 1))[:, :6].max() < 0.1


def test_no_image_that_a_shipped_detector_was_trained_on_has_hairlines(mnist: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    images = as_images(mnist.train_images)
    as_shipped = preprocess(images, "standard-stroke")
    monkeypatch.setattr("core.preprocessing.HAIRLINE", 0.0)
    assert torch.equal(preprocess(images, "standard-stroke"), as_shipped)


def test_a_loop_between_thick_strokes_stays_open() -> None:
    y, x = np.mgrid[:28, :28] - 13.5
    distance = np.hypot(y, x)
    ring = ((distance > 2.5) & (distance < 7)).astype(np.float32)
    image = standard(ring)
    assert image[13:15, 13:15].max() < 0.1
    assert image.max() > 0.9


def test_standard_strokes_are_straightened_too() -> None:
    _, _, skew = moments(standard(pen(2.4, slant=0.4)))
    assert abs(skew) < 0.06


def test_blank_and_full_images_have_no_strokes() -> None:
    for image in (np.zeros((28, 28)), np.full((28, 28), 0.7)):
        assert standard(image).max() == 0.0


def test_strokes_are_cut_at_the_level_that_halving_an_interval_finds(uci: DataSet) -> None:
    """With ties, with nothing but paper or ink, and with areas that no level has."""
    random = torch.Generator().manual_seed(0)
    coarse = (torch.rand(20, 1, 28, 28, generator=random) * 16).round() / 8
    images = torch.cat([2 * uci.test.images[:20], coarse, torch.zeros(1, 1, 28, 28), torch.full((1, 1, 28, 28), 2.0)])
    areas = torch.rand(len(images), generator=random) * 300
    areas[:3] = torch.tensor([0.0, 784.0, 5000.0])
    for image, area, level in zip(images, areas, level_for_area(images, areas), strict=True):
        low, high = 0.0, 2.0
        for _ in range(9):
            middle = (low + high) / 2
            low, high = (middle, high) if int((image > middle).sum()) > area else (low, middle)
        assert float(level) == (low + high) / 2


def test_an_image_that_is_no_number_spoils_no_other(uci: DataSet) -> None:
    whole, kept = uci.test.images[:3], [0, 2]
    spoilt = whole.clone()
    spoilt[1, 0, 3, 3] = torch.nan
    assert torch.equal(preprocess(spoilt, "standard-stroke")[kept], preprocess(whole, "standard-stroke")[kept])


@given(IMAGES)
@settings(max_examples=40)
def test_standard_strokes_stay_in_range(image: NDArray[np.float32]) -> None:
    result = standard(image)
    assert np.isfinite(result).all()
    assert 0.0 <= result.min() <= result.max() <= 1.0


def test_an_image_does_not_depend_on_its_batch(uci: DataSet) -> None:
    images = uci.test.images[:300]
    together = preprocess(images, "standard-stroke")
    for number in (0, 255, 256, 299):
        assert torch.allclose(preprocess(images[[number]], "standard-stroke")[0], together[number], atol=1e-5)


def test_steps_end_with_what_the_network_sees(uci: DataSet) -> None:
    images = uci.test.images[:5]
    assert preprocess_steps(images, "none") == []
    assert preprocess(images, "none") is images
    for preprocessing, names in (("deskew", ["deskewed"]), ("standard-stroke", ["deskewed", "one stroke width"])):
        steps = preprocess_steps(images, preprocessing)
        assert [name for name, _ in steps] == names
        assert all(made.shape == images.shape for _, made in steps)
        assert torch.equal(steps[-1][1], preprocess(images, preprocessing))


# poses


def test_poses_are_the_images_and_then_turns_either_way(uci: DataSet) -> None:
    images = deskew(uci.test.images[:5])
    assert pose_angles(0) == [0]
    assert pose_angles(2) == [0, -8, 8, -16, 16]
    assert torch.equal(poses(images, 0), images)
    assert torch.equal(poses(images, 2)[:5], images)


def test_a_pose_is_turned_clockwise_and_deskewed(uci: DataSet) -> None:
    images = deskew(uci.test.images[:20])
    for angle, pose in zip(pose_angles(2), poses(images, 2).view(5, *images.shape), strict=True):
        # Sampled once instead of twice, so a little sharper.
        apart = (pose - deskew(moved_and_turned(angle)(images))).abs().mean()
        other_way = (pose - deskew(moved_and_turned(-angle)(images))).abs().mean()
        assert apart < 0.015
        assert angle == 0 or apart < other_way / 2


def test_blank_images_stay_blank_in_every_pose() -> None:
    assert poses(torch.zeros(2, 1, 28, 28), 3).equal(torch.zeros(14, 1, 28, 28))


@pytest.mark.parametrize("pen_width", [0.02, 0.04, 0.08, 0.12])
@pytest.mark.parametrize("side", [60, 320, 1280])
def test_frame_brings_every_pen_to_one_width(pen_width: float, side: int) -> None:
    length = 0.7 * side
    ink = np.zeros((side, side), dtype=np.float32)
    half = max(1, round(pen_width * length / 2))
    middle, top, bottom = side // 2, round(0.15 * side), round(0.85 * side)
    ink[top:bottom, middle - half : middle + half] = 1.0
    ink[bottom - 2 * half : bottom, middle : middle + round(length / 2)] = 1.0
    framed = frame(ink)
    assert box(np.where(framed > 0.1, framed, 0))[0] in (20, 21)
    assert stroke_width(framed, 10) == pytest.approx(STROKE_WIDTH, abs=0.4)


def test_frame_of_no_ink_is_blank() -> None:
    assert not frame(np.zeros((40, 30), dtype=np.float32)).any()


@given(PICTURES)
@settings(max_examples=40)
def test_framed_strokes_stay_in_range(ink: NDArray[np.float32]) -> None:
    framed = frame(ink)
    assert (framed.shape, framed.dtype) == ((28, 28), np.float32)
    assert 0.0 <= framed.min() <= framed.max() <= 1.0


# What the ink encloses


def ring(inside: int, ink: float = 1.0) -> Tensor:
    """An image (1, 1, 28, 28) of a square ring, two pixels wide, around a square of paper."""
    image = torch.zeros(1, 1, 28, 28)
    image[..., 2 : inside + 6, 2 : inside + 6] = ink
    image[..., 4 : inside + 4, 4 : inside + 4] = 0.0
    return image


def test_enclosed_side_by_hand() -> None:
    two = torch.maximum(ring(3), ring(4).flip(2, 3))
    assert enclosed_side(torch.cat([ring(6), two, torch.zeros(1, 1, 28, 28)])).tolist() == pytest.approx([6.0, 5.0, 0.0])
    gap = ring(6)
    gap[..., 6, 2:4] = 0.0
    assert enclosed_side(gap).tolist() == [0.0]
    # Two of the four levels are below this ink: half of the 36 pixels.
    assert enclosed_side(ring(6, ink=0.5)).tolist() == pytest.approx([18**0.5])
    # The image's border is no wall.
    assert enclosed_side(ring(6)[..., 4:, :]).tolist() == [0.0]


@given(arrays(np.float32, (3, 12, 12), elements=st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0])))
def test_enclosed_side_by_filling_holes(images: NDArray[np.float32]) -> None:
    areas = [
        np.mean([(ndimage.binary_fill_holes(image > level) & (image <= level)).sum() for level in INK_LEVELS])
        for image in images
    ]
    found = enclosed_side(torch.from_numpy(images)[:, None])
    assert found.tolist() == pytest.approx(np.sqrt(areas).tolist(), abs=1e-6)
    assert enclosed_side(torch.from_numpy(images)[:, None].rot90(1, (2, 3))).tolist() == pytest.approx(found.tolist())


def test_no_image_encloses_nothing() -> None:
    assert enclosed_side(torch.zeros(0, 1, 28, 28)).shape == (0,)
