"""What most pages are about: the detector in use, and the test images before it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from core.data.datasets import DataSet, LabelledImages
from core.detector import AutoencoderDetector, DetectorConfig
from pages.shared.state import data_sets, detectors, test_set
from pages.shared.state.data_sets import DataAtHand
from pages.shared.state.visitor import Choice


@dataclass(frozen=True)
class PageContext:
    """Made once in a run of a page and handed to its parts; nothing in it changes."""

    choice: Choice
    detector: AutoencoderDetector
    at_hand: DataAtHand

    @classmethod
    def of_detector_in_use(cls, may_download: bool = True) -> Self:
        """may_download: whether a data set that is missing starts to download."""
        choice = detectors.choice()
        detector = detectors.detector_of(choice)
        return cls(choice, detector, data_sets.at_hand(test_set.source(detector.config), may_download))

    @property
    def config(self) -> DetectorConfig:
        return self.detector.config

    @property
    def data(self) -> DataSet:
        return self.at_hand.data

    @cached_property
    def test(self) -> LabelledImages:
        """The test images: none on which the detector was trained."""
        return test_set.images(self.config, self.data)

    @property
    def labels(self) -> Tensor:
        """Labels (N,) of the test images."""
        return self.test.labels

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The name of every class."""
        return data_sets.names_of(self.data.name)

    @cached_property
    def normal(self) -> str:
        """The normal classes as text: “5”, or “3, 5”."""
        return data_sets.joined_normal_names(self.config)

    @cached_property
    def normal_classes(self) -> tuple[int, ...]:
        """Which classes of the test images are normal; none where they have none of that name."""
        return data_sets.normal_classes_in(self.data, self.config)

    @cached_property
    def is_normal(self) -> Tensor:
        """Which of the test images are normal, bool (N,)."""
        return torch.isin(self.labels, torch.tensor(self.normal_classes, dtype=torch.int64))

    @cached_property
    def scores(self) -> Tensor:
        """Anomaly scores (N,) of the test images."""
        return test_set.scores(self.detector, self.test)

    @cached_property
    def is_alarm(self) -> Tensor:
        """Which of the test images the detector calls anomalies, bool (N,)."""
        return self.scores.double() > self.detector.threshold_
