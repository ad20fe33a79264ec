"""The one-class split: normal images to train and to calibrate, all classes to test."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from core.data.augmentation import augment, copies_per_image
from core.data.datasets import DataError, DataSet, LabelledImages, as_images

CALIBRATION_SHARE = 0.2
TEST_SHARE = 0.1
"""Of the normal images of a set that is one pile."""


class EmptySplitError(DataError):
    """A choice of normal classes leaves nothing to train on, or nothing to call an anomaly."""


@dataclass(frozen=True)
class OneClassSplit:
    """Normal images for training (80 %), some of them copies, and for calibration (20 %), and the whole test set.

    The calibration images also give the validation loss, by which nothing is chosen; on screen they are the held-out images.
    """

    train: Tensor
    calibration: Tensor
    test: LabelledImages
    copies: int = 0
    """Augmented copies of each training image, which are trained on too."""

    @property
    def key(self) -> Hashable:
        return id(self)

    @property
    def counts(self) -> tuple[int, int]:
        return len(self.train), len(self.calibration)

    def materialize(self) -> "OneClassSplit":
        """The split itself: its images are in memory already."""
        return self


@dataclass(frozen=True)
class PlannedSplit:
    """Which images a one-class split will hold, before anybody needs them; a few kilobytes instead of a hundred megabytes.

    train, calibration: indices (N,) into the images of the training file. test: what is for testing. copies:
    augmented copies of each training image, made by the seed.
    """

    data: DataSet
    train: Tensor
    calibration: Tensor
    key: Hashable
    """Equal for equal splits."""
    test: LabelledImages
    copies: int = 0
    seed: int = 0

    @property
    def counts(self) -> tuple[int, int]:
        """How many images train, copies included, and how many calibrate."""
        return len(self.train) * (1 + self.copies), len(self.calibration)

    def first(self, train: int, calibration: int) -> "PlannedSplit":
        """Only the first of the images, so many as these `counts` say."""
        return replace(
            self,
            train=self.train[: train // (1 + self.copies)],
            calibration=self.calibration[:calibration],
            key=(self.key, train, calibration),
        )

    def materialize(self) -> OneClassSplit:
        """The split with its images in memory, augmented copies included."""
        train = self._images(self.train)
        if self.copies:
            train = augment(train, self.copies, self.seed)
        return OneClassSplit(train, self._images(self.calibration), self.test, self.copies)

    def _images(self, chosen: Tensor) -> Tensor:
        return as_images(self.data.train_images[chosen])


class SplitSource(Protocol):
    """A one-class split, or what one can be made of. key: equal for equal splits; counts: images to train and to calibrate."""

    @property
    def key(self) -> Hashable: ...

    @property
    def counts(self) -> tuple[int, int]: ...

    def materialize(self) -> OneClassSplit: ...


FEWEST = 10
"""Images of what is normal, to learn from."""


def shuffled_split(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Places of so many images in the order of this seed: those that train, and the fifth, one at least, that calibrates."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    held_out = max(1, round(count * CALIBRATION_SHARE))
    return order[held_out:], order[:held_out]


def plan_split(data: DataSet, normal_classes: Iterable[int], seed: int, vary: bool = False) -> PlannedSplit:
    """Keep only normal images of the training file, 80 % to train and 20 % to calibrate, shuffled by seed.

    vary: add augmented copies of the images that train. Of a set that is one pile, a tenth of the normal images and all others
    are for testing, and nothing need be an anomaly. Raises EmptySplitError when no class or, where the test set is a file of
    its own, every class is normal, or fewer than ten images remain.
    """
    normal = sorted(set(normal_classes))
    if not normal:
        raise EmptySplitError("Choose at least one normal class: the network has to learn something.")
    if not data.has_no_test_file and set(data.test.labels.tolist()) <= set(normal):
        raise EmptySplitError("Every class is normal, so nothing is left to be an anomaly. Take one class away.")
    is_normal = torch.isin(data.train_labels, torch.tensor(normal))
    chosen = is_normal.nonzero().squeeze(1)
    if len(chosen) < FEWEST:
        raise EmptySplitError("Only {count} images of this choice exist; at least 10 are needed.", count=len(chosen))
    train, calibration = (chosen[places] for places in shuffled_split(len(chosen), seed))
    test = data.test
    if data.has_no_test_file:
        tested = max(1, round(len(chosen) * TEST_SHARE))
        seen = torch.cat([train[:tested], (~is_normal).nonzero().squeeze(1)]).sort().values
        train, test = train[tested:], LabelledImages(test.images[seen], test.labels[seen], test.name)
    copies = copies_per_image(len(train)) if vary else 0
    key = data.name if data.has_no_test_file else id(data), tuple(normal), seed, copies
    return PlannedSplit(data, train, calibration, key, test, copies, seed)


def split_one_class(data: DataSet, normal_classes: Iterable[int], seed: int, vary: bool = False) -> OneClassSplit:
    """The split of plan_split with its images. Raises EmptySplitError."""
    return plan_split(data, normal_classes, seed, vary).materialize()
