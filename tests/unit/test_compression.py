"""Compression: measured figures against the same done by hand, and the file that ships."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core.data.datasets import DataError, DataSet, as_bytes
from core.data.split import split_one_class
from core.detector import AutoencoderDetector, DetectorConfig
from core.experiments import compression
from core.experiments.compression import Compression, Measured
from core.metrics import evaluate
from core.model import ModelConfig

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def course() -> DetectorConfig:
    return DetectorConfig(model=ModelConfig(hidden_sizes=(8,)), training=replace(DetectorConfig().training, epochs=2))


@pytest.fixture(scope="module")
def made(course: DetectorConfig, uci: DataSet) -> Compression:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEVICE", "cpu")
        return compression.measure(uci, course, sizes=(1, 3))


def test_figures_are_those_of_a_detector_fitted_by_hand(made: Compression, course: DetectorConfig, uci: DataSet) -> None:
    assert [each.latent_dim for each in made.measured] == [1, 3]
    network = replace(course.model, latent_dim=3, latent_activation="none")
    config = replace(course, data_set="uci-digits", model=network)
    detector = AutoencoderDetector(config).fit_split(split_one_class(uci, [5], config.training.seed))
    fives = uci.test.images[uci.test.labels == 5]
    errors = [
        float((image - redrawn).square().mean()) for image, redrawn in zip(fives, detector.reconstruct(fives), strict=True)
    ]
    figures = evaluate(detector.decision_function(uci.test.images), uci.test.labels, [5], detector.threshold_)
    found = made.measured[1]
    assert found.error == pytest.approx(sum(errors) / len(errors), rel=1e-5)
    assert found.validation == detector.losses_[-1].validation
    assert found.auroc == figures.auroc
    assert found.bytes == 12
    assert torch.equal(made.labels, torch.tensor(compression.SHOWN_CLASSES))
    expected = detector.reconstruct(made.images.unsqueeze(1) / 255)
    assert float((made.reconstructions[1] / 255 - expected.squeeze(1)).abs().max()) < 0.01


def test_ten_different_images_of_the_wanted_classes(uci: DataSet) -> None:
    chosen = compression.shown_images(uci.test.labels)
    assert tuple(uci.test.labels[chosen].tolist()) == compression.SHOWN_CLASSES
    assert len(chosen.unique()) == len(chosen)


def test_file_gives_back_what_was_measured(made: Compression, tmp_path: Path) -> None:
    path = tmp_path / "compression.safetensors"
    compression.write(made, path)
    found = compression.read(path)
    assert found.measured == made.measured
    for name in compression.TENSORS:
        assert torch.equal(getattr(found, name), getattr(made, name))


def test_shipped_file_is_small_and_is_what_the_readme_says() -> None:
    shipped = compression.read()
    assert compression.PATH.stat().st_size < 150_000
    assert tuple(each.latent_dim for each in shipped.measured) == compression.SIZES
    assert shipped.reconstructions.shape == (len(compression.SIZES), 10, 28, 28)
    assert compression.table(shipped) in (ROOT / "docs/method.md").read_text(encoding="utf-8")


def test_shipped_images_are_mnists(mnist: DataSet) -> None:
    shipped = compression.read()
    chosen = compression.shown_images(mnist.test.labels)
    assert torch.equal(shipped.images, as_bytes(mnist.test.images[chosen]))
    assert torch.equal(shipped.labels, mnist.test.labels[chosen])


def test_command_writes_and_prints(
    made: Compression, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written: list[Compression] = []
    monkeypatch.setattr(compression, "load_or_download", lambda name: name)
    monkeypatch.setattr(compression, "measure", lambda data, course: made)
    monkeypatch.setattr(compression, "write", lambda made, path: written.append(made))
    compression.main([])
    assert written == [made]
    assert f"| 3 | 12 | 2% | {made.measured[1].error:.4f} |" in capsys.readouterr().out


def test_command_without_data_ends_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> DataSet:
        raise DataError("No {name}.", name=name)

    monkeypatch.setattr(compression, "load_or_download", fail)
    with pytest.raises(SystemExit, match="No mnist"):
        compression.main([])


def test_bytes_of_a_latent() -> None:
    assert Measured(2, 0.0, 0.0, 0.5).bytes == 8
