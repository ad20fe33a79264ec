"""The ONNX graph against the detector that it was made from; ONNX Runtime computes it."""

import json
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from core import presets
from core.checkpoint import Checkpoint
from core.data.datasets import DataSet
from core.data.split import OneClassSplit
from core.detector import AutoencoderDetector, DetectorConfig, config_from
from core.metrics import measure
from core.model import ModelConfig
from core.onnx_export import INPUT, OUTPUTS, to_onnx
from core.scoring import ScoreConfig

EVERYTHING = ScoreConfig(smoothing=0.7, power=4.0, ink_exponent=2.0, loop_weight=0.12)
KINDS = {
    "course": {},
    "convolutional": {"model": ModelConfig("convolutional", (), 8)},
    "deskewed": {"preprocessing": "deskew", "score": ScoreConfig(power=3.0)},
    "one stroke width": {"preprocessing": "standard-stroke", "score": ScoreConfig(ink_exponent=1.0)},
    "turned": {"turns": 2},
    "recalled": {"neighbours": 3, "score": ScoreConfig(smoothing=1.0)},
    "everything": {"preprocessing": "standard-stroke", "score": EVERYTHING, "neighbours": 10, "turns": 2},
    "by hand": {"threshold": 0.0123456789},
}


def session_of(made: Checkpoint) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(to_onnx(made), providers=["CPUExecutionProvider"])


def run(session: onnxruntime.InferenceSession, pixels: NDArray[np.uint8], size: int = 200) -> dict[str, NDArray]:
    """Every result on images (N, 28, 28), so many at a time."""
    parts = [session.run(OUTPUTS, {INPUT: pixels[start : start + size]}) for start in range(0, len(pixels), size)]
    return {
        name: part[0] if name == "threshold" else np.concatenate(part)
        for name, part in zip(OUTPUTS, zip(*parts, strict=True), strict=True)
    }


def pixels_of(images: torch.Tensor) -> NDArray[np.uint8]:
    return (images.squeeze(1) * 255).round().to(torch.uint8).numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_the_graph_says_what_the_detector_says(kind: str, small: DetectorConfig, split: OneClassSplit) -> None:
    detector = AutoencoderDetector(replace(small, **KINDS[kind])).fit_split(split)
    pixels = pixels_of(split.test.images)
    found = run(session_of(Checkpoint(detector)), pixels, size=77)
    expected = detector.infer(torch.from_numpy(pixels).unsqueeze(1) / 255)
    # Of two neighbours or poses that are equally good to six digits either may be taken.
    close = np.isclose(found["score"], expected.scores, rtol=1e-4, atol=1e-6)
    assert close.mean() > 0.99
    assert (found["is_anomaly"] == (expected.verdicts == 1).numpy())[close].all()
    assert float(found["threshold"]) == detector.threshold_
    assert np.abs(found["p_value"] - expected.p_values.numpy())[close].max() < 1.5 / (len(split.calibration) + 1)
    for name, images in (
        ("image", expected.images.squeeze(1)),
        ("reconstruction", expected.reconstructions.squeeze(1)),
        ("error_map", expected.error_maps),
    ):
        np.testing.assert_allclose(found[name][close], images.numpy()[close], atol=2e-4, err_msg=name)


def test_odd_images_get_the_same_scores(small: DetectorConfig, split: OneClassSplit) -> None:
    detector = AutoencoderDetector(replace(small, **KINDS["everything"])).fit_split(split)
    spiral = np.zeros((28, 28), dtype=np.uint8)  # a flood that has far to go
    spiral[2:26:4] = 255
    spiral[2:26, 1] = spiral[2:26, 26] = 255
    spiral[4:25:8, 26] = spiral[8:25:8, 1] = 0
    noise = np.random.default_rng(0).integers(0, 256, (3, 28, 28), dtype=np.uint8)
    hairline = np.zeros_like(spiral)
    hairline[4:13, 14] = hairline[14:24, 14] = 255
    hairline[13, 14] = 20
    odd = np.stack([np.zeros_like(spiral), np.full_like(spiral, 255), spiral, hairline, *noise])
    found = run(session_of(Checkpoint(detector)), odd)["score"]
    assert np.allclose(found, detector.decision_function(torch.from_numpy(odd).unsqueeze(1) / 255), rtol=1e-3)


def test_the_file_says_what_it_is(fitted: AutoencoderDetector, split: OneClassSplit) -> None:
    made = Checkpoint(fitted, evaluation=measure(fitted, split.test))
    session = session_of(made)
    assert [(each.name, each.type, each.shape) for each in session.get_inputs()] == [
        (INPUT, "tensor(uint8)", ["images", 28, 28])
    ]
    about = session.get_modelmeta().custom_metadata_map
    assert config_from(json.loads(about["detector"])) == fitted.config
    assert float(about["threshold"]) == fitted.threshold_
    assert json.loads(about["evaluation"])["auroc"] == made.evaluation.auroc


@pytest.mark.parametrize("preset", ["course", "best"])
def test_ten_thousand_images_get_the_scores_of_the_shipped_detector(preset: str, mnist: DataSet) -> None:
    made = presets.read(presets.Shipped(preset, "mnist", 5))
    found = run(session_of(made), pixels_of(mnist.test.images))
    expected = made.detector.infer(mnist.test.images)
    far = np.abs(found["score"] - expected.scores.numpy()) > 1e-4
    # The best detector recalls ten neighbours; where the tenth and the eleventh are equally far, either may be taken.
    assert far.sum() <= {"course": 0, "best": 10}[preset]
    assert np.array_equal(found["is_anomaly"], expected.verdicts == 1)
