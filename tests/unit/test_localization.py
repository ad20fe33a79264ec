"""Pixel AUROC and PRO by hand, and masks that move as the images do."""

import numpy as np
import pytest
import torch

from core.data.datasets import DataSet
from core.experiments.localization import KINDS, changed, localization
from core.preprocessing import follow, poses, preprocess


def test_a_perfect_map_and_a_map_of_nothing() -> None:
    masks = torch.zeros(2, 28, 28)
    masks[:, 5:9, 5:9] = 1
    assert localization(-masks, masks).pixel_auroc == 1
    assert localization(masks, masks).pro == pytest.approx(1)
    chance = localization(torch.zeros(2, 28, 28), masks)
    assert chance.pixel_auroc == 0.5
    assert chance.pro == pytest.approx(0.15)


def test_every_region_counts_as_much_as_any_other() -> None:
    masks = torch.zeros(2, 28, 28)
    masks[0, :10, :10] = masks[1, 20, 20] = 1
    maps = torch.zeros(2, 28, 28)
    maps[0, :10, :10] = 1  # the large one is found, the small one is lost among the rest
    # From 0.5 at once, and in a straight line to 1 where all pixels are alarms: at 0.3 that is 0.65, on average 0.575.
    assert localization(maps, masks).pro == pytest.approx(0.575)
    assert localization(maps, masks).pixel_auroc > 0.99


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_stands_in_its_mask(kind: str, uci: DataSet) -> None:
    images = uci.test.images[:40]
    other, masks = changed(images, kind)
    again, _ = changed(images, kind)
    assert torch.equal(other, again)
    assert len(other) > 30
    ink = other.sum(dim=(1, 2, 3)).mean() - images.sum(dim=(1, 2, 3)).mean()
    assert (ink < 0) == (kind == "taken away")
    assert 0.005 < float(masks.mean()) < 0.06
    assert set(masks.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("preprocessing", ["none", "deskew", "standard-stroke"])
def test_masks_follow_their_images(preprocessing: str, uci: DataSet) -> None:
    images = uci.test.images[:20]
    seen = poses(preprocess(images, preprocessing), 2)
    moved = follow((images > 0.5).float(), images, preprocessing, 2)
    assert moved.shape == seen.shape
    # Ink stays ink wherever it goes; strokes get thinner and thicker, so that not every pixel agrees.
    agreement = np.corrcoef(moved.flatten(), (seen > 0.5).flatten())[0, 1]
    assert agreement > 0.75
