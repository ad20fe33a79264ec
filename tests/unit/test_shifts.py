"""Changed images: each change does what its name says, and the table says what the rows say."""

import sys

import numpy as np
import pytest
import torch
from scipy import ndimage

from core.data.datasets import DataSet
from core.experiments.benchmark import ShiftRow, main, shift_table
from core.experiments.shifts import SHIFTS, moved_and_turned


@pytest.mark.parametrize("name", SHIFTS)
def test_shifts_keep_shape_and_range_and_never_vary(uci: DataSet, name: str) -> None:
    images = uci.test.images[:6]
    changed = SHIFTS[name](images)
    assert changed.shape == images.shape
    assert 0.0 <= changed.min() <= changed.max() <= 1.0
    assert torch.equal(changed, SHIFTS[name](images))
    assert torch.equal(changed, images) == (name == "unchanged")


def test_thin_and_thick_are_scipy_s_erosion_and_dilation(uci: DataSet) -> None:
    image = uci.test.images[0, 0].numpy()
    thin = ndimage.grey_erosion(image, size=(2, 2), origin=(-1, -1), mode="constant")
    thick = ndimage.grey_dilation(image, size=(2, 2), origin=(-1, -1), mode="constant")
    assert np.array_equal(SHIFTS["thin"](uci.test.images[:1])[0, 0].numpy(), thin)
    assert SHIFTS["thick"](uci.test.images[:1]).sum().item() == pytest.approx(float(thick.sum()))


def test_a_quarter_turn_is_numpy_s(uci: DataSet) -> None:
    image = uci.test.images[:1]
    turned = moved_and_turned(90)(image)[0, 0].numpy()
    assert np.allclose(turned, np.rot90(image[0, 0].numpy(), -1), atol=1e-4)


def test_moved_by_whole_pixels_is_a_roll() -> None:
    image = torch.zeros(1, 1, 28, 28)
    image[0, 0, 10:15, 8:20] = 0.5
    assert torch.allclose(moved_and_turned(right=3, down=-2)(image), image.roll((-2, 3), (2, 3)), atol=1e-5)


def test_scaled_to_a_half_covers_a_quarter() -> None:
    image = torch.zeros(1, 1, 28, 28)
    image[0, 0, 6:22, 6:22] = 1.0
    assert moved_and_turned(scale=0.5)(image).sum().item() == pytest.approx(64, rel=0.05)


def test_table_gives_means_over_classes() -> None:
    rows = [ShiftRow("best", normal, "thin", auroc, 0.1, 0.5) for normal, auroc in (("5", 0.8), ("6", 0.9))]
    assert shift_table(rows).splitlines()[2] == "| thin | 0.8500 | 10.0% | 50.0% |"


def test_command_prints_every_shift_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmark", "--dataset", "uci-digits", "--shifts", "--methods", "pca"])
    main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| images | pca: AUROC | pca: false alarms | pca: caught |"
    assert [line.split(" | ")[0] for line in lines[2:]] == [f"| {name}" for name in SHIFTS]
