"""Whether the error map shows where a digit is wrong: strokes taken away from and added to normal digits give a mask.

python -m core.experiments.localization             both shipped detectors of every digit
python -m core.experiments.localization --preset best --normal 5

Two figures over all pixels of the changed test images, on the size of the error map where it is shown, in the pose and frame
in which the image is judged: pixel AUROC, and PRO, the mean share of each changed region that is found, integrated over
false-alarm rates up to 0.3 (Bergmann et al. 2020). The yardstick beside them is the distance from the mean training image.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.metrics import roc_auc_score, roc_curve
from torch import Tensor

from core.data.datasets import DataSet, as_images
from core.data.download import load_or_download
from core.detector import AutoencoderDetector
from core.errors import UserError
from core.experiments import markdown, options
from core.framing import SIDE, STROKE_WIDTH
from core.preprocessing import follow, poses, preprocess
from core.presets import read
from core.scoring import error_map, least_strange

HOLE = 3.2
"""Pixels: radius of the disc in which a stroke is taken away, so that a gap is wider than the stroke."""

STROKE_LENGTH = 8.0
"""Pixels: length of an added stroke."""

CHANGED = 0.1
"""A pixel that has changed by more is part of the mask."""

MAX_FALSE = 0.3
"""PRO counts up to this share of unchanged pixels."""


def take_away(image: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """An image (28, 28) in which a stroke has a gap, around a pixel of ink that chance chose."""
    rows, columns = np.nonzero(image > 0.5)
    chosen = random.integers(len(rows))
    y, x = np.mgrid[:SIDE, :SIDE]
    keep = (np.hypot(y - rows[chosen], x - columns[chosen]) - HOLE + 0.5).clip(0, 1)
    other: NDArray[np.float32] = (image * keep).astype(np.float32)
    return other


def add(image: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """An image (28, 28) with a straight stroke more, at a place and angle that chance chose within the digit's box."""
    rows, columns = np.nonzero(image > 0.5)
    middle = random.uniform([rows.min(), columns.min()], [rows.max() + 1, columns.max() + 1])
    angle = random.uniform(0, math.pi)
    y, x = np.mgrid[:SIDE, :SIDE] - middle[:, None, None]
    along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    away = np.hypot((abs(along) - STROKE_LENGTH / 2).clip(0), across)
    other: NDArray[np.float32] = np.maximum(image, (STROKE_WIDTH / 2 + 0.5 - away).clip(0, 1)).astype(np.float32)
    return other


KINDS = {"taken away": take_away, "added": add}


def changed(images: Tensor, kind: str, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Images (N, 1, 28, 28) with one change each and its mask of the same shape, 0 or 1; without those that stay the same."""
    random = np.random.default_rng(seed)
    other = torch.from_numpy(np.stack([KINDS[kind](image, random) for image in images.squeeze(1).numpy()])).unsqueeze(1)
    masks = ((other - images).abs() > CHANGED).float()
    is_changed = masks.sum(dim=(1, 2, 3)) >= 4
    return other[is_changed], masks[is_changed]


@torch.inference_mode()
def maps_and_masks(detector: AutoencoderDetector, images: Tensor, masks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Error maps (N, 28, 28), masks (N, 28, 28) moved as the images are, and the images (N, 1, 28, 28) as they are judged."""
    config, parts = detector.config, []
    detector.model.eval()
    for some, own in zip(torch.split(images, 100), torch.split(masks, 100), strict=True):
        seen = poses(preprocess(some, config.preprocessing), config.turns)
        moved = follow(own, some, config.preprocessing, config.turns)
        maps = error_map(seen, detector.reconstruct_preprocessed(seen), config.score)
        judged, mask, chosen, _ = least_strange(seen, moved, maps, config.turns, config.score)
        parts.append((chosen, mask.squeeze(1), judged))
    maps, masks, judged = (torch.cat(part) for part in zip(*parts, strict=True))
    return maps, masks, judged


@dataclass(frozen=True)
class Localization:
    """Over all pixels of all images, each from 0 to 1; chance has a pixel_auroc of 0.5 and a pro of 0.15."""

    pixel_auroc: float
    pro: float


def localization(maps: Tensor, masks: Tensor) -> Localization:
    """How well the sizes of maps (N, 28, 28) tell the pixels of masks (N, 28, 28), 0 or 1, from the others."""
    is_changed = (masks > 0.5).numpy()
    sizes = maps.abs().double().numpy()
    # Regions do not reach from one image to the next; corners touch.
    structure = np.zeros((3, 3, 3), dtype=bool)
    structure[1] = True
    regions, _ = ndimage.label(is_changed, structure=structure)
    # A region counts as much as any other, however large: PRO is a weighted share of changed pixels that are found.
    weights = np.where(is_changed, 1 / np.maximum(np.bincount(regions.ravel()), 1)[regions], 1.0)
    false_shares, found, _ = roc_curve(is_changed.ravel(), sizes.ravel(), sample_weight=weights.ravel())
    ends = np.interp(MAX_FALSE, false_shares, found)
    before = false_shares < MAX_FALSE
    x, y = np.append(false_shares[before], MAX_FALSE), np.append(found[before], ends)
    return Localization(float(roc_auc_score(is_changed.ravel(), sizes.ravel())), float(np.trapezoid(y, x) / MAX_FALSE))


def measure(
    detector: AutoencoderDetector, data: DataSet, digit: int, images: int
) -> dict[str, tuple[Localization, Localization]]:
    """By kind of change to so many test images: of the error map, and of the distance from the mean training image."""
    normal = data.test.images[data.test.labels == digit][:images]
    some = as_images(data.train_images[data.train_labels == digit][:1000])
    mean = preprocess(some, detector.config.preprocessing).mean(dim=0)
    found = {}
    for kind in KINDS:
        maps, masks, judged = maps_and_masks(detector, *changed(normal, kind))
        found[kind] = localization(maps, masks), localization((judged - mean).squeeze(1), masks)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m core.experiments.localization",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_settings(parser, several=["normal", "preset"], normal=["0-9"], preset=["best", "course"])
    options.add_older_name(parser, "--digits", "normal")
    parser.add_argument("--images", type=options.at_least_one, default=200, help="test images of each digit, at most")
    asked = parser.parse_args(arguments)
    try:
        wanted = options.shipped_of(parser, options.axes(asked))
        data = load_or_download("mnist")
        head = ["detector", "stroke", "pixel AUROC", "PRO", "mean image: pixel AUROC", "PRO", "worst digit: pixel AUROC"]
        print(markdown.beginning(head))
        for preset, made in wanted.items():
            every = [
                (entry.normal_class, measure(read(entry).detector, data, entry.normal_class, asked.images)) for entry in made
            ]
            for kind in KINDS:
                own, plain = ([each[kind][number] for _, each in every] for number in range(2))
                worst, digit = min((each[kind][0].pixel_auroc, digit) for digit, each in every)
                names = ("pixel_auroc", "pro")
                figures = [np.mean([getattr(each, name) for each in side]) for side in (own, plain) for name in names]
                cells = [preset, kind, *(f"{each:.3f}" for each in figures), f"{worst:.3f} ({digit})"]
                print(markdown.row(cells), flush=True)
    except UserError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
