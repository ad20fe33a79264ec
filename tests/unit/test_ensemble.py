"""The batched pass says what each detector says alone."""

from dataclasses import replace

import pytest
import torch

from core.data.datasets import DataSet
from core.data.split import split_one_class
from core.detector import AutoencoderDetector, DetectorConfig
from core.ensemble import Ensemble
from core.model import ModelConfig
from core.scoring import ScoreConfig
from core.training import TrainConfig

SMALL = DetectorConfig(
    preprocessing="deskew",
    model=ModelConfig(hidden_sizes=(32,), latent_dim=4, latent_activation="none"),
    training=TrainConfig(epochs=2),
    score=ScoreConfig(smoothing=1.0, power=3.0, ink_exponent=1.5),
)
CONVOLUTIONAL = replace(SMALL, model=ModelConfig("convolutional", (), 4))


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        replace(SMALL, neighbours=3),
        CONVOLUTIONAL,
        replace(SMALL, neighbours=3, turns=2),
        replace(SMALL, turns=1, score=replace(SMALL.score, loop_weight=0.2)),
    ],
    ids=["plain", "memory", "convolutional", "turns", "loops"],
)
def test_batched_pass_agrees_with_each_detector(config: DetectorConfig, uci: DataSet) -> None:
    detectors = []
    for digit in (0, 1, 8):  # their memories differ in length
        own = replace(config, normal_classes=(digit,), training=replace(config.training, seed=digit))
        detectors.append(AutoencoderDetector(own).fit_split(split_one_class(uci, (digit,), 0)))
    images = uci.test.images[:7]
    for detector, together in zip(detectors, Ensemble(detectors).infer(images), strict=True):
        alone = detector.infer(images)
        assert together.threshold == alone.threshold
        for name in ("images", "reconstructions", "error_maps", "scores", "loop_factors", "p_values", "verdicts"):
            torch.testing.assert_close(getattr(together, name), getattr(alone, name), rtol=1e-4, atol=1e-5)


def test_detectors_of_different_kinds_are_refused(uci: DataSet) -> None:
    split = split_one_class(uci, (0,), 0)
    detectors = [AutoencoderDetector(each).fit_split(split) for each in (SMALL, CONVOLUTIONAL)]
    with pytest.raises(ValueError, match="share network"):
        Ensemble(detectors)
