"""CONTRIBUTING's recipe for a data set, followed."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core.checkpoint import Checkpoint, from_bytes, to_bytes
from core.data import datasets as data_module
from core.data import download as download_module
from core.data.datasets import DataSet, LabelledImages, MissingDataError, Source, load
from core.data.download import load_or_download
from core.data.split import split_one_class
from core.detector import AutoencoderDetector
from core.experiments.sweep import grid, measure
from core.experiments.sweep_table import Row
from core.link import decode, encode
from core.presets import preset


def stripes(_directory: Path) -> DataSet:
    """Images of three classes: a stripe at the left, in the middle, at the right."""
    labels = torch.arange(90) % 3
    images = torch.zeros(90, 28, 28, dtype=torch.uint8)
    for number, label in enumerate(labels.tolist()):
        images[number, 4:24, 5 + 7 * label + number % 2 : 8 + 7 * label] = 200
    return DataSet("stripes", images, labels, LabelledImages(images.unsqueeze(1) / 255, labels, "stripes"))


@pytest.fixture
def striped(monkeypatch: pytest.MonkeyPatch) -> Source:
    source = Source("stripes", "Stripes", ("left", "middle", "right"), read=stripes)
    monkeypatch.setitem(data_module.SOURCES, "stripes", source)
    return source


def test_a_source_that_nothing_reads_is_not_the_uci_digits() -> None:
    with pytest.raises(ValueError, match="“mine” needs a torchvision class or a function that reads it"):
        Source("mine", "Mine", ("a", "b"))


@pytest.mark.usefixtures("striped")
def test_a_data_set_is_added_by_its_row() -> None:
    found = load("stripes")
    assert found.name == "stripes"
    assert found.train_images.equal(stripes(Path()).train_images)
    name, config = decode({"data": "stripes", "normal": "1", "preset": "course", "epochs": "1"})
    assert encode(config, name)["data"] == "stripes"
    assert decode({"data": "stripes"})[1].normal_classes == (0,), "it has no 5"
    (settings,) = grid({"data": ["stripes"], "normal": ["1"], "preset": ["course"], "epochs": ["1"]})
    row = measure(settings, found)
    assert isinstance(row, Row)
    assert row.cells["data_set"] == "stripes"
    detector = AutoencoderDetector(config).fit_split(split_one_class(found, (1,), 1))
    assert from_bytes(to_bytes(Checkpoint(detector))).config == config
    assert replace(preset("best", "mnist"), data_set="stripes") == preset("best", "stripes")


def test_files_that_nobody_can_download_are_told_and_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(directory: Path) -> DataSet:
        raise MissingDataError("Put mine.npz into {folder}.", folder=directory)

    monkeypatch.setitem(data_module.SOURCES, "mine", Source("mine", "Mine", ("a", "b"), read=missing))
    monkeypatch.setattr(download_module, "Download", None)
    with pytest.raises(MissingDataError, match=r"Put mine\.npz"):
        load_or_download("mine")
