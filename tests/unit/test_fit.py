"""Fitting from the command line, on the UCI digits and on a mirror on this machine."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from core import presets
from core.checkpoint import Checkpoint, from_bytes, read, to_bytes
from core.data.datasets import DataSet
from core.data.download import load_or_download
from core.data.split import OneClassSplit, split_one_class
from core.detector import AutoencoderDetector, DetectorConfig
from core.experiments.fit import fit, main
from core.metrics import evaluate

if TYPE_CHECKING:
    from tests.conftest import Mirror, TinyMnist


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVICE", "cpu")


def test_missing_data_set_is_downloaded_once(
    tiny_mnist: "TinyMnist", mirror: "Mirror", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    assert np.array_equal(load_or_download("mnist").train_images.numpy(), tiny_mnist.train_images)
    mirror.asked.clear()
    assert len(load_or_download("mnist").train_images) == len(tiny_mnist.train_images)
    assert mirror.asked == []


def test_fit_equals_the_detector_fitted_by_hand(
    small: DetectorConfig, uci: DataSet, capsys: pytest.CaptureFixture[str]
) -> None:
    made = fit(small, uci)
    split = split_one_class(uci, [5], small.training.seed)
    detector = AutoencoderDetector(small).fit_split(split)
    assert made.detector.key == detector.key
    assert made.losses == tuple(detector.losses_)
    scores = detector.decision_function(split.test.images)
    assert made.evaluation == evaluate(scores, split.test.labels, [5], detector.threshold_)
    printed = capsys.readouterr().out
    assert all(f"{losses.validation:.6f}" in printed for losses in made.losses)


def test_half_precision_loses_nothing_in_the_file(small: DetectorConfig, uci: DataSet, split: OneClassSplit) -> None:
    made = fit(small, uci, half_precision=True)
    found: Checkpoint = from_bytes(to_bytes(made, torch.float16))
    images = split.test.images
    assert torch.equal(found.detector.decision_function(images), made.detector.decision_function(images))
    assert found.evaluation == made.evaluation
    assert found.detector.threshold_ == made.detector.threshold_


def test_half_precision_of_varied_images_leaves_an_image_out_with_its_copies(small: DetectorConfig, uci: DataSet) -> None:
    config = replace(small, neighbours=2, training=replace(small.training, vary=True))
    split = split_one_class(uci, config.normal_classes, config.training.seed, vary=True)
    assert split.copies > 0
    made = fit(config, uci, half_precision=True).detector
    threshold = made.threshold_
    assert threshold == made.calibrate(split.calibration, split.copies).threshold_
    assert threshold != made.calibrate(split.calibration).threshold_, "or this test would say nothing"


def test_command_line_writes_one_checkpoint_a_class(
    small: DetectorConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(presets, "CHECKPOINTS", tmp_path)
    monkeypatch.setitem(presets.PRESETS, "course", small)
    main(["--preset", "course", "--data", "uci-digits", "--normal", "3-4", "--seed", "8", "--write"])
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"uci-digits-{n}-course.safetensors" for n in (3, 4)]
    made = read(tmp_path / "uci-digits-4-course.safetensors")
    assert made.config == replace(small, normal_classes=(4,), training=replace(small.training, seed=8))
    assert made.evaluation is not None
    assert f"AUROC {made.evaluation.auroc:.4f}" in capsys.readouterr().out


def test_command_line_without_data_or_network_ends_in_a_sentence(
    tiny_mnist: "TinyMnist", mirror: "Mirror", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    mirror.broken = dict.fromkeys(mirror.files, "page")
    with pytest.raises(SystemExit, match="MNIST could not be downloaded"):
        main(["--data", "mnist"])
