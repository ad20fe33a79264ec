"""Error map and anomaly score, by hand and against scipy."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from core.preprocessing import enclosed_side
from core.scoring import (
    MIN_DEVIATION,
    ScoreConfig,
    ShapeMismatchError,
    anomaly_score,
    error_map,
    least_strange,
    loop_factor,
    map_score,
    require_same_shape,
    score_ratio,
    usual_loops,
)
from core.training import mean_squared_error

BLANK = torch.zeros(1, 1, 28, 28)


def inked(pixels: int, value: float) -> Tensor:
    """An image whose first pixels have one value."""
    image = torch.zeros(784)
    image[:pixels] = value
    return image.view(1, 1, 28, 28)


def score(images: Tensor, reconstructions: Tensor, config: ScoreConfig) -> Tensor:
    return map_score(error_map(images, reconstructions, config), images, config)


def test_plain_score_is_the_mean_squared_error_by_hand() -> None:
    images = torch.cat([inked(1, 1.0), inked(4, 0.5), BLANK])
    reconstructions = torch.cat([BLANK, inked(2, 0.5), inked(784, 0.1)])
    assert score(images, reconstructions, ScoreConfig()).tolist() == pytest.approx([1 / 784, 2 * 0.25 / 784, 0.01])


def test_map_is_positive_where_ink_is_missing_and_negative_where_there_is_too_much() -> None:
    assert error_map(inked(1, 0.75), BLANK, ScoreConfig())[0, 0, 0] == 0.75
    assert error_map(BLANK, inked(1, 0.75), ScoreConfig())[0, 0, 0] == -0.75


@pytest.mark.parametrize("compare", [lambda a, b: error_map(a, b, ScoreConfig()), mean_squared_error, require_same_shape])
@pytest.mark.parametrize(("first", "second"), [((64, 28, 28), (64, 1, 28, 28)), ((64, 1, 28, 28), (1, 1, 28, 28))], ids=str)
def test_shapes_that_would_broadcast_are_refused(
    compare: Callable[[Tensor, Tensor], object], first: tuple[int, ...], second: tuple[int, ...]
) -> None:
    for one, other in ((first, second), (second, first)):
        with pytest.raises(ShapeMismatchError, match="must have the same shape"):
            compare(torch.zeros(one), torch.zeros(other))


@pytest.mark.parametrize("smoothing", [0.1, 0.5, 1.0, 1.7, 5.0, 1e-30])
def test_smoothing_equals_scipys_gaussian(smoothing: float) -> None:
    random = torch.Generator().manual_seed(0)
    images, reconstructions = torch.rand(3, 1, 28, 28, generator=random), torch.rand(3, 1, 28, 28, generator=random)
    radius = max(1, math.ceil(3 * smoothing))
    residual = (images - reconstructions)[:, 0].double().numpy()
    expected = [gaussian_filter(each, smoothing, mode="constant", radius=radius) for each in residual]
    found = error_map(images, reconstructions, ScoreConfig(smoothing))
    assert found.shape == (3, 28, 28)
    np.testing.assert_allclose(found.numpy(), np.stack(expected), atol=1e-6)


def test_smoothing_forgives_a_stroke_that_is_off_by_a_hair_more_than_one_that_is_missing() -> None:
    stroke, shifted = BLANK.clone(), BLANK.clone()
    stroke[..., 4:24, 14], shifted[..., 4:24, 15] = 1.0, 1.0
    plain, smooth = (
        score(stroke, shifted, config) / score(stroke, BLANK, config) for config in (ScoreConfig(), ScoreConfig(1.0))
    )
    assert float(plain) == pytest.approx(2.0)
    assert float(smooth) < 1.0


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 2.0])
def test_ink_exponent_by_hand(exponent: float) -> None:
    images = torch.cat([inked(196, 1.0), inked(392, 0.5)])
    energy = [196 / 784, 392 * 0.25 / 784]
    ink = [0.25, 0.25]  # the mean of the pixels: 196 full ones, 392 half ones
    expected = [each / amount**exponent for each, amount in zip(energy, ink, strict=True)]
    assert score(images, torch.zeros_like(images), ScoreConfig(ink_exponent=exponent)).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("power", [1.0, 2.0, 3.0])
def test_power_by_hand(power: float) -> None:
    images = torch.cat([inked(196, 1.0), inked(392, 0.5)])
    expected = [196 / 784, 392 / 784 * 0.5**power]
    assert score(images, torch.zeros_like(images), ScoreConfig(power=power)).tolist() == pytest.approx(expected)


def test_blank_images_have_a_finite_score() -> None:
    assert score(BLANK, inked(784, 0.1), ScoreConfig(ink_exponent=1.0)).item() == pytest.approx(0.01 / 0.01)


@pytest.mark.parametrize("value", [-0.1, 9.0, math.nan, math.inf, 5.1, "1"], ids=str)
@pytest.mark.parametrize(
    ("setting", "label"),
    [
        ("smoothing", "Smoothing in pixels"),
        ("power", "Power of an error"),
        ("ink_exponent", "Ink exponent"),
        ("loop_weight", "Loop weight"),
    ],
)
def test_settings_out_of_range_are_refused(setting: str, label: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"\A{label} is between [01] and"):
        ScoreConfig(**{setting: value})


def test_of_an_image_s_poses_the_least_strange_counts() -> None:
    # Two images in three poses (0, -8 and 8 degrees); a turn of 8 degrees counts 1.25 times.
    images = torch.cat([inked(1, value) for value in (1.0, 0.4, 0.9, 0.8, 0.5, 0.36)])
    reconstructions = torch.zeros_like(images)
    maps = error_map(images, reconstructions, ScoreConfig())
    found, redrawn, own, scores = least_strange(images, reconstructions, maps, 1, ScoreConfig())
    assert scores.tolist() == pytest.approx([1.25 * 0.25 / 784, 0.16 / 784])
    assert found.equal(images[[4, 1]])
    assert own.equal(maps[[4, 1]])
    assert redrawn.shape == found.shape


def test_without_turns_the_score_is_the_map_score() -> None:
    images = torch.cat([inked(1, 1.0), inked(4, 0.5)])
    maps = error_map(images, torch.zeros_like(images), ScoreConfig())
    scores = least_strange(images, torch.zeros_like(images), maps, 0, ScoreConfig())[3]
    assert scores.equal(map_score(maps, images, ScoreConfig()))


def test_loop_factor_by_hand() -> None:
    factors = loop_factor(torch.tensor([1.0, 3.0, 7.0]), torch.tensor([3.0, 2.0]), ScoreConfig(loop_weight=0.5))
    assert factors.tolist() == [1 + 0.5 * 1, 1.0, 1 + 0.5 * 4]


def test_the_anomaly_score_is_the_least_pose_s_times_the_factor_for_loops() -> None:
    # The images of test_of_an_image_s_poses_the_least_strange_counts.
    images = torch.cat([inked(1, value) for value in (1.0, 0.4, 0.9, 0.8, 0.5, 0.36)])
    maps = error_map(images, torch.zeros_like(images), ScoreConfig())
    found, _, own, scores = anomaly_score(images, torch.zeros_like(images), maps, torch.tensor([3.0, 1.0]), 1, ScoreConfig())
    assert scores.tolist() == pytest.approx([3 * 1.25 * 0.25 / 784, 0.16 / 784])
    assert found.equal(images[[4, 1]])
    assert own.equal(maps[[4, 1]])


def test_usual_loops_by_hand() -> None:
    images = torch.ones(4, 1, 28, 28)
    for image, side in zip(images, (2, 2, 4, 8), strict=True):
        image[0, 10 : 10 + side, 10 : 10 + side] = 0.0
    assert usual_loops(enclosed_side(images)).tolist() == pytest.approx([4.0, (6.0 + MIN_DEVIATION**2) ** 0.5])
    # One image, or all alike: the deviation is no less than the size of a speck.
    assert usual_loops(enclosed_side(images[:1])).tolist() == pytest.approx([2.0, MIN_DEVIATION])


@pytest.mark.parametrize(
    ("score", "threshold", "wanted"),
    [(3.0, 2.0, 1.5), (2.0, 2.0, 1.0), (0.0, 0.0, 1.0), (1e-9, 0.0, math.inf), (0.0, 2.0, 0.0)],
)
def test_a_score_in_thresholds_is_above_1_exactly_where_it_is_an_anomaly(score: float, threshold: float, wanted: float) -> None:
    assert score_ratio(score, threshold) == wanted
    assert (wanted > 1) == (score > threshold)
