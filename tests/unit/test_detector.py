"""The detector, with a network that sees nothing (so that scores are known by hand) and with a trained one."""

import copy
import math
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from core import detector as detector_module
from core.conformal import CalibrationError, conformal_rate, conformal_threshold
from core.data.split import OneClassSplit
from core.detector import SAME_WRITER_NEIGHBOURS, AutoencoderDetector, DetectorConfig, NotFittedError
from core.errors import SettingError
from core.experiments.shifts import moved_and_turned
from core.model import ModelConfig
from core.preprocessing import deskew, poses
from core.scoring import ScoreConfig, error_map
from core.training import TrainConfig


class Blind(nn.Module):
    """Reconstructs every image as black, so the plain score is the mean of the squared pixels."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.zeros_like(images)


def blind(config: DetectorConfig | None = None) -> AutoencoderDetector:
    return AutoencoderDetector(config or DetectorConfig(), Blind())  # type: ignore[arg-type]


def grey(*values: float) -> Tensor:
    """Images (N, 1, 28, 28) of one brightness each."""
    return torch.tensor(values).view(-1, 1, 1, 1).expand(-1, 1, 28, 28)


# The threshold


@pytest.mark.parametrize(
    ("count", "rate", "rank"),
    [
        (19, 0.05, 19),
        (20, 0.05, 20),
        (99, 0.05, 95),
        (100, 0.05, 96),
        (199, 0.05, 190),
        (10, 0.05, 10),  # too few for this rate: the largest
        (1, 0.05, 1),
        (9, 0.5, 5),
        (99, 0.01, 99),
        (99, 0.1, 90),
        (5, 0.99, 1),
    ],
)
def test_conformal_threshold_by_hand(count: int, rate: float, rank: int) -> None:
    scores = torch.arange(1, count + 1).float()
    shuffled = scores[torch.randperm(count, generator=torch.Generator().manual_seed(count))]
    assert conformal_threshold(shuffled, rate) == rank


def test_threshold_of_equal_scores_is_that_score() -> None:
    assert conformal_threshold(torch.full((50,), 0.25), 0.05) == 0.25


@pytest.mark.parametrize(("scores", "rate"), [([], 0.05), ([1.0], 0.0), ([1.0], 1.0), ([1.0], -0.1), ([1.0], math.nan)])
def test_no_threshold_from_nothing_or_for_an_impossible_rate(scores: list[float], rate: float) -> None:
    with pytest.raises(CalibrationError, match=r"\A[A-Z].*\.\Z"):
        conformal_threshold(torch.tensor(scores), rate)


@pytest.mark.parametrize(("count", "rate"), [(19, 0.05), (99, 0.05), (50, 0.1), (30, 0.2)])
def test_new_normals_raise_alarms_at_most_at_the_rate(count: int, rate: float) -> None:
    # Exchangeable scores: the share is 1 - rank / (n + 1) exactly; 20,000 draws know it to half a percent.
    random = torch.Generator().manual_seed(0)
    scores = torch.rand(20_000, count + 1, generator=random)
    alarms = np.mean([float(row[0]) > conformal_threshold(row[1:], rate) for row in scores])
    assert rate - 1 / (count + 1) - 0.005 < alarms < rate + 0.005


@pytest.mark.parametrize("count", [1, 9, 27, 100])
def test_the_rate_of_a_threshold_is_the_threshold_of_a_rate_turned_round(count: int) -> None:
    scores = torch.rand(count, generator=torch.Generator().manual_seed(count)).sort().values
    for rank, score in enumerate(scores.tolist(), start=1):
        rate = conformal_rate(scores, score)
        assert rate == pytest.approx(1 - rank / (count + 1))
        assert conformal_threshold(scores, rate) == score
    assert conformal_rate(scores, 2.0) == 1 / (count + 1)
    assert conformal_rate(scores, -1.0) == 1.0


# Verdicts


def test_verdict_is_a_score_strictly_above_the_threshold() -> None:
    detector = blind().calibrate(grey(0.1, 0.2, 0.5))
    images = grey(0.0, 0.2, 0.5, 0.501, 1.0)
    scores = detector.decision_function(images)
    assert scores.tolist() == pytest.approx([0.0, 0.04, 0.25, 0.251001, 1.0], rel=1e-5)
    assert detector.threshold_ == scores[2].item()
    assert detector.predict(images).tolist() == [0, 0, 0, 1, 1]


def test_predict_agrees_with_score_and_threshold(fitted: AutoencoderDetector, split: OneClassSplit) -> None:
    scores = fitted.decision_function(split.test.images).tolist()
    expected = [1 if score > fitted.threshold_ else 0 for score in scores]
    assert fitted.predict(split.test.images).tolist() == expected
    assert 0 < sum(expected) < len(expected)


def test_a_calibration_image_at_the_threshold_is_normal(fitted: AutoencoderDetector, split: OneClassSplit) -> None:
    scores = fitted.decision_function(split.calibration)
    at_threshold = scores == fitted.threshold_
    assert int(at_threshold.sum()) == 1
    assert fitted.predict(split.calibration)[at_threshold].tolist() == [0]


def test_p_values_by_a_slow_loop() -> None:
    random = torch.Generator().manual_seed(1)
    brightness = (torch.rand(40, generator=random) * 8).round() / 8  # many ties
    detector = blind().calibrate(grey(*brightness.tolist()))
    images = grey(*[step / 16 for step in range(17)])
    known = detector.decision_function(grey(*brightness.tolist())).tolist()
    as_high = [sum(other >= score for other in known) for score in detector.decision_function(images).tolist()]
    assert detector.infer(images).at_least_as_high.tolist() == as_high
    # Vovk et al. 2005: the new image counts as one of those that score so high.
    assert detector.p_value(images).tolist() == [(1 + count) / 41 for count in as_high]
    assert (max(as_high), min(as_high)) == (40, known.count(1.0))


@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=60),
    st.lists(st.integers(0, 13), min_size=1, max_size=20),
    st.integers(1, 99),
)
def test_a_p_value_is_at_most_the_rate_exactly_where_predict_is_1(known: list[int], new: list[int], percent: int) -> None:
    rate = max(percent / 100, 1 / (len(known) + 1))
    detector = blind(replace(DetectorConfig(), false_alarm_rate=rate)).calibrate(grey(*[value / 13 for value in known]))
    result = detector.infer(grey(*[value / 13 for value in new]))
    assert ((result.p_values <= rate + 1e-12).long() == result.verdicts).all()


def test_anomalies_score_higher(fitted: AutoencoderDetector, split: OneClassSplit) -> None:
    scores = fitted.decision_function(split.test.images)
    is_normal = split.test.labels == 5
    assert scores.shape == (len(is_normal),)
    assert float(scores[~is_normal].median()) > float(scores[is_normal].median())


def test_infer_agrees_with_the_single_methods(fitted: AutoencoderDetector, split: OneClassSplit) -> None:
    images = split.test.images[:50]
    result = fitted.infer(images)
    assert torch.equal(result.images, images)
    assert torch.equal(result.reconstructions, fitted.reconstruct(images))
    assert torch.equal(result.error_maps, fitted.error_map(images))
    assert torch.equal(result.scores, fitted.decision_function(images))
    assert torch.equal(result.p_values, fitted.p_value(images))
    assert torch.equal(result.verdicts, fitted.predict(images))
    assert result.threshold == fitted.threshold_


def test_reconstructions_are_the_networks(fitted: AutoencoderDetector, split: OneClassSplit) -> None:
    images = split.test.images[:5]
    expected = fitted.model(images).detach()
    assert torch.allclose(fitted.reconstruct(images), expected, atol=1e-6)
    assert torch.allclose(fitted.error_map(images), (images - expected)[:, 0], atol=1e-6)


def test_deskewing_detector_compares_the_straight_image(split: OneClassSplit) -> None:
    result = blind(DetectorConfig(preprocessing="deskew")).calibrate(split.calibration).infer(split.test.images[:9])
    straight = deskew(split.test.images[:9])
    assert torch.equal(result.images, straight)
    assert torch.equal(result.error_maps, straight[:, 0])


def test_size_of_the_batches_does_not_matter(
    fitted: AutoencoderDetector, split: OneClassSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fitted.decision_function(split.test.images)
    monkeypatch.setattr(detector_module, "BATCH", 7)
    assert torch.allclose(fitted.decision_function(split.test.images), whole, rtol=1e-5)


@pytest.mark.parametrize("asked", ["decision_function", "calibration_scores"])
def test_scoring_many_images_keeps_nothing_else_of_them(
    fitted: AutoencoderDetector, split: OneClassSplit, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    made, kept = list[weakref.ref[Tensor]](), list[int]()

    def watched(seen: Tensor, reconstructions: Tensor, config: ScoreConfig) -> Tensor:
        maps = error_map(seen, reconstructions, config)
        made.append(weakref.ref(maps))
        kept.append(sum(each() is not None for each in made))
        return maps

    monkeypatch.setattr(detector_module, "BATCH", 7)
    monkeypatch.setattr(detector_module, "error_map", watched)
    scores = getattr(fitted, asked)(split.test.images)
    assert len(scores) == len(split.test.images) > 7 * 5
    assert max(kept) <= 2, "those of one block, while the next is made"


def test_no_images_give_no_scores(fitted: AutoencoderDetector) -> None:
    none = torch.empty(0, 1, 28, 28)
    assert fitted.infer(none).scores.shape == fitted.decision_function(none).shape == (0,)


@pytest.mark.parametrize("method", ["predict", "p_value", "infer"])
def test_no_verdict_before_calibration(method: str) -> None:
    with pytest.raises(NotFittedError, match=r"\A[A-Z].*\.\Z"):
        getattr(blind(), method)(grey(0.5))


# Fitting


def test_fit_holds_out_a_fifth_and_returns_itself(small: DetectorConfig, split: OneClassSplit) -> None:
    detector = AutoencoderDetector(small)
    assert detector.fit(split.train[:13]) is detector
    assert len(detector.calibration_scores_) == 3, "as many as the split of 13 normal images holds out"
    assert len(detector.losses_) == small.training.epochs


def test_fit_split_calibrates_on_the_calibration_images(fitted: AutoencoderDetector, split: OneClassSplit) -> None:
    scores = sorted(fitted.decision_function(split.calibration).tolist())
    assert fitted.calibration_scores_.tolist() == scores
    assert fitted.threshold_ == scores[math.ceil((len(scores) + 1) * 0.95) - 1]


def test_same_settings_fit_the_same_detector(fitted: AutoencoderDetector, small: DetectorConfig, split: OneClassSplit) -> None:
    again = AutoencoderDetector(small).fit_split(split)
    assert again.threshold_ == fitted.threshold_
    assert again.key == fitted.key


def test_another_false_alarm_rate_is_a_copy(fitted: AutoencoderDetector) -> None:
    before = (fitted.config, fitted.threshold_, fitted.key, fitted.calibration_scores_.tolist())
    other = fitted.at_false_alarm_rate(0.3)
    assert (fitted.config, fitted.threshold_, fitted.key, fitted.calibration_scores_.tolist()) == before
    assert other.model is fitted.model
    assert other.config == replace(fitted.config, false_alarm_rate=0.3)
    count = len(before[3])
    assert other.threshold_ == before[3][math.ceil((count + 1) * 0.7) - 1] < fitted.threshold_


def test_a_threshold_set_by_hand_is_a_copy_with_the_same_scores(fitted: AutoencoderDetector, split: OneClassSplit) -> None:
    before = fitted.threshold_
    images = split.test.images
    scores = fitted.decision_function(images)
    middle = float(scores.median())
    other = fitted.at_threshold(middle)
    assert (fitted.threshold_, fitted.config.threshold) == (before, None)
    assert (other.threshold_, other.calibrated_threshold) == (middle, before)
    assert other.predict(images).tolist() == [int(score > middle) for score in scores.tolist()]
    assert other.key == fitted.key, "equal keys give equal scores"
    for back in (other.at_threshold(None), other.at_false_alarm_rate(fitted.config.false_alarm_rate)):
        assert (back.threshold_, back.config) == (before, fitted.config)
    with pytest.raises(SettingError):
        fitted.at_threshold(-1.0)


# The key


def test_key_is_the_same_for_a_copy(fitted: AutoencoderDetector) -> None:
    assert AutoencoderDetector(fitted.config, copy.deepcopy(fitted.model)).key == fitted.key


def test_key_changes_with_a_single_weight(fitted: AutoencoderDetector) -> None:
    model = copy.deepcopy(fitted.model)
    with torch.no_grad():
        next(model.parameters())[0, 0] += 1e-3
    assert AutoencoderDetector(fitted.config, model).key != fitted.key


@pytest.mark.parametrize(
    "change",
    [
        {"score": ScoreConfig(smoothing=0.5)},
        {"score": ScoreConfig(loop_weight=0.1)},
        {"preprocessing": "deskew"},
        {"normal_classes": (6,)},
        {"false_alarm_rate": 0.1},
        {"turns": 1},
        {"training": TrainConfig(seed=5)},
    ],
    ids=str,
)
def test_key_changes_with_a_setting(fitted: AutoencoderDetector, change: dict[str, object]) -> None:
    assert AutoencoderDetector(replace(fitted.config, **change), fitted.model).key != fitted.key
    assert fitted.at_false_alarm_rate(0.2).key != fitted.key


def test_key_follows_the_weights_when_the_detector_is_fitted(small: DetectorConfig, split: OneClassSplit) -> None:
    detector = AutoencoderDetector(small)
    untrained = detector.key
    assert detector.fit_split(split).key != untrained


def test_unknown_preprocessing_is_refused() -> None:
    with pytest.raises(ValueError, match="one of: none, deskew, standard-stroke"):
        DetectorConfig(preprocessing="rotate")  # type: ignore[arg-type]


def test_memory_redraws_the_mean_of_the_nearest_training_images(split: OneClassSplit) -> None:
    config = DetectorConfig(model=ModelConfig(hidden_sizes=(16,), latent_dim=4, latent_activation="none"), neighbours=3)
    detector = AutoencoderDetector(config).fit_memory(split.train)
    queries = split.calibration[:5]
    redrawn = []
    with torch.no_grad():
        latents = [detector.model.encoder(image[None])[0] for image in split.train]
        for query in queries:
            latent = detector.model.encoder(query[None])[0]
            nearest = sorted(latents, key=lambda other: float((other - latent).square().sum()))[:3]
            redrawn.append(sum(detector.model.decoder(other[None])[0] for other in nearest) / 3)
    torch.testing.assert_close(detector.reconstruct(queries), torch.stack(redrawn), rtol=1e-4, atol=1e-6)


def test_memory_has_to_be_filled_before_use(split: OneClassSplit) -> None:
    with pytest.raises(NotFittedError, match="remembers no training images"):
        AutoencoderDetector(DetectorConfig(neighbours=3)).decision_function(split.test.images[:1])


def test_unusual_loops_raise_the_score(split: OneClassSplit) -> None:
    model = ModelConfig(hidden_sizes=(16,), latent_dim=4, latent_activation="none")
    config = DetectorConfig(model=model, score=ScoreConfig(loop_weight=0.25))
    without = AutoencoderDetector(DetectorConfig(model=model))
    detector = AutoencoderDetector(config, without.model)
    with pytest.raises(NotFittedError, match="remembers no training images"):
        detector.decision_function(split.test.images[:1])
    loop = torch.ones(2, 1, 28, 28)
    loop[0, 0, 10:14, 10:14] = 0.0  # encloses a square of 4 pixels, the other image nothing
    detector.fit_memory(loop)
    mean, deviation = 2.0, (4.0 + 0.25) ** 0.5
    factors = [1 + 0.25 * ((side - mean) / deviation) ** 2 for side in (4.0, 0.0, 20.0)]
    ring = torch.ones(1, 1, 28, 28)
    ring[0, 0, 4:24, 4:24] = 0.0
    images = torch.cat([loop, ring])
    detector.calibrate(images)
    expected = without.decision_function(images) * torch.tensor(factors)
    torch.testing.assert_close(detector.decision_function(images), expected)
    assert detector.infer(images).loop_factors.tolist() == pytest.approx(factors)
    untouched = without.calibrate(images).infer(images)
    assert untouched.loop_factors.tolist() == [1.0, 1.0, 1.0]
    assert untouched.scores.equal(without.decision_function(images))
    assert AutoencoderDetector(config, without.model).key != detector.key


def test_calibration_leaves_the_nearest_remembered_images_out(split: OneClassSplit) -> None:
    config = DetectorConfig(model=ModelConfig(hidden_sizes=(16,), latent_dim=4, latent_activation="none"), neighbours=3)
    detector = AutoencoderDetector(config).fit_memory(split.train).calibrate(split.calibration)
    expected = []
    with torch.no_grad():
        latents = [detector.model.encoder(image[None])[0] for image in split.train]
        for image in split.calibration:
            latent = detector.model.encoder(image[None])[0]
            by_distance = sorted(latents, key=lambda other: float((other - latent).square().sum()))
            others = by_distance[SAME_WRITER_NEIGHBOURS : SAME_WRITER_NEIGHBOURS + 3]
            redrawn = sum(detector.model.decoder(other[None])[0] for other in others) / 3
            expected.append(float((image - redrawn).square().mean()))
    assert detector.calibration_scores(split.calibration).tolist() == pytest.approx(expected, rel=1e-4)
    assert detector.calibration_scores_.tolist() == pytest.approx(sorted(expected), rel=1e-4)
    assert detector.calibration_scores(split.calibration, skip_nearest=0).equal(detector.decision_function(split.calibration))


def test_an_image_s_double_in_memory_lowers_its_score_but_not_the_threshold() -> None:
    # A network that only copies: latents are pixels, and memory holds black, grey and white.
    copying = nn.Module()
    copying.encoder, copying.decoder = nn.Flatten(), nn.Unflatten(1, (1, 28, 28))
    config = DetectorConfig(model=ModelConfig(hidden_sizes=(), latent_dim=784), neighbours=1)
    detector = AutoencoderDetector(config, copying).fit_memory(grey(0.0, 0.5, 1.0))  # type: ignore[arg-type]
    assert detector.decision_function(grey(0.0, 0.6)).tolist() == pytest.approx([0.0, 0.01], abs=1e-6)
    # Black's two nearest are black and grey, so white is left; for 0.6 grey and white, so black is.
    assert detector.calibration_scores(grey(0.0, 0.6)).tolist() == pytest.approx([1.0, 0.36], abs=1e-6)
    assert detector.calibrate(grey(0.0, 0.6)).threshold_ == pytest.approx(1.0)


def test_one_remembered_image_always_remains(split: OneClassSplit) -> None:
    config = DetectorConfig(model=ModelConfig(hidden_sizes=(16,), latent_dim=4), neighbours=3)
    detector = AutoencoderDetector(config).fit_memory(split.train[:1])
    assert detector.calibration_scores(split.calibration).equal(detector.decision_function(split.calibration))


def test_without_memory_nothing_is_left_out(fitted: AutoencoderDetector, split: OneClassSplit) -> None:
    assert fitted.calibration_scores(split.calibration).equal(fitted.decision_function(split.calibration))


class OneImage(nn.Module):
    """A network that redraws one image, whatever it sees."""

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self.image = image

    def forward(self, images: Tensor) -> Tensor:
        return self.image.expand_as(images)


def test_a_detector_with_turns_judges_in_the_least_strange_pose(split: OneClassSplit) -> None:
    digit = deskew(split.train[:1])
    config = DetectorConfig(preprocessing="deskew", turns=2)
    detector = AutoencoderDetector(config, OneImage(digit)).calibrate(split.calibration)  # type: ignore[arg-type]
    images = torch.cat([*(moved_and_turned(angle)(digit) for angle in (-9, 0, 9)), split.test.images[:20]])
    seen = poses(deskew(images), 2).view(5, *images.shape)
    factors = torch.tensor([1.0, 1.25, 1.25, 2.0, 2.0])[:, None]  # 0, 8 and 16 degrees
    least, pose = (factors * (seen - digit).square().mean(dim=(2, 3, 4))).min(dim=0)
    result = detector.infer(images)
    torch.testing.assert_close(result.scores, least, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(result.images, seen[pose, torch.arange(len(images))])
    assert result.scores.equal(detector.decision_function(images))
    assert pose[:3].tolist() == [2, 0, 1]
    assert detector.infer(images[:0]).images.shape == (0, 1, 28, 28)


def test_the_order_of_normal_classes_is_no_setting() -> None:
    assert DetectorConfig(normal_classes=(5, 3)) == DetectorConfig(normal_classes=(3, 5))
