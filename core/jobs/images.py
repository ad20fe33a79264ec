"""The images of trainings: made when a training's first turn comes, once for all that train on the same."""

import itertools
import threading
from collections.abc import Hashable
from dataclasses import dataclass
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from core.data.split import OneClassSplit, SplitSource
from core.preprocessing import Preprocessing, preprocess

BLOCK = 1024
"""Images that are preprocessed at a time."""


@dataclass(frozen=True)
class Prepared:
    """A split, and its training and calibration images (N, 1, 28, 28) as the network sees them."""

    split: OneClassSplit
    train: Tensor
    calibration: Tensor


_numbers = itertools.count(1)


class TrainingImages:
    """The images of all trainings with the same split and preprocessing; none until somebody asks for them.

    number: no others have it.
    """

    def __init__(self, source: SplitSource, preprocessing: Preprocessing) -> None:
        self._source, self._preprocessing = source, preprocessing
        self.number = next(_numbers)
        self._lock = threading.Lock()
        self._prepared: Prepared | None = None

    @property
    def prepared(self) -> Prepared:
        """The images; whoever asks first makes them, which takes seconds where there are many."""
        with self._lock:
            if self._prepared is None:
                split = self._source.materialize()
                seen = (_seen(images, self._preprocessing) for images in (split.train, split.calibration))
                self._prepared = Prepared(split, *seen)
            return self._prepared


def _seen(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Images (N, 1, 28, 28) preprocessed, in blocks: what lies between weighs many times as much."""
    if preprocessing == "none":
        return images
    seen = torch.empty_like(images)
    for before, after in zip(torch.split(images, BLOCK), torch.split(seen, BLOCK), strict=True):
        after.copy_(preprocess(before, preprocessing))
    return seen


class SharedImages:
    """Gives all who want the same images the same; they go with the last who holds them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: WeakValueDictionary[Hashable, TrainingImages] = WeakValueDictionary()

    def of(self, source: SplitSource, preprocessing: Preprocessing) -> TrainingImages:
        """At no cost: the images come when they are asked for."""
        key = (source.key, preprocessing)
        with self._lock:
            images = self._kept.get(key)
            if images is None:
                images = self._kept[key] = TrainingImages(source, preprocessing)
            return images
