"""Evaluate: what its sections share, and the threshold that the visitor moves."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import streamlit as st
from torch import Tensor

from core.conformal import conformal_rate, conformal_threshold, smallest_rate
from core.data.datasets import DataSet
from core.metrics import Histogram, OperatingPoint, ScoredSet, histogram, scored_set
from pages.shared.i18n.text import _, formatted
from pages.shared.state import detectors, keys
from pages.shared.state.page_context import PageContext
from pages.shared.state.visitor import Choice, tab

RATES = tuple(per_mille / 1000 for per_mille in (*range(1, 100), *range(100, 200, 5), *range(200, 1000, 10)))
"""False-alarm rates that the slider offers: fine steps where they matter."""


@dataclass(frozen=True)
class EvaluateContext(PageContext):
    """What the sections have in common; anomaly_share follows what the visitor chooses within a run."""

    @cached_property
    def title(self) -> str:
        return detectors.choice_title(self.choice)

    @cached_property
    def others(self) -> list[int]:
        """The classes that are not normal."""
        return sorted(set(self.labels.tolist()) - set(self.normal_classes))

    @cached_property
    def all_scored(self) -> ScoredSet:
        """All test images at the test set's own share of anomalies. Raises EvaluationError."""
        return scored_set(self.scores, self.labels, self.normal_classes)

    def against(self, anomalies: list[int]) -> ScoredSet:
        """The normal test images and those of these classes. Raises EvaluationError."""
        return scored_set(self.scores, self.labels, self.normal_classes, anomalies, self.anomaly_share)

    @property
    def anomaly_share(self) -> float | None:
        """The share of anomalies that the visitor supposes; None is the test set's own."""
        chosen = st.session_state.get(keys.ANOMALY_SHARE)
        return chosen or None

    @property
    def compared_on(self) -> tuple[DataSet, tuple[int, ...], int]:
        """What the baselines are asked for: a data set, its normal classes, and the seed of its split."""
        return self.data, self.normal_classes, self.config.training.seed

    @property
    def is_all_of_a_pile(self) -> bool:
        """Whether the test images are drawings on which the detector was not trained: none is left to fit a baseline on."""
        return self.data.has_no_test_file and self.data.name != self.config.data_set

    @cached_property
    def histogram(self) -> Histogram:
        return histogram(self.scores, self.labels)

    @cached_property
    def auroc_by_class(self) -> dict[int, float]:
        return {label: self.against([label]).auroc for label in self.others}

    @cached_property
    def working(self) -> "WorkingThreshold":
        detector = self.detector
        return WorkingThreshold(
            detector.key, self.choice, detector.calibration_scores_, detector.calibrated_threshold, detector.threshold_
        )


@dataclass(frozen=True)
class WorkingThreshold:
    """The threshold that the visitor moves, of the detector with this key.

    Buttons and sliders hold this and not the detector: Streamlit keeps what they call until the session is gone.
    """

    key: str
    choice: Choice
    calibration_scores: Tensor
    calibrated: float
    in_use: float
    """By which every page judges."""

    @property
    def smallest_rate(self) -> float:
        """The smallest false-alarm rate that so many calibration scores can keep; below it every rate has one threshold."""
        return smallest_rate(len(self.calibration_scores))

    @property
    def rates(self) -> tuple[float, ...]:
        """False-alarm rates to choose from."""
        return tuple(rate for rate in RATES if rate >= self.smallest_rate)

    @property
    def value(self) -> float:
        """Where the visitor has put it for this detector, else the one in use."""
        key, value = tab().threshold
        return float(value) if key == self.key else self.in_use

    @property
    def is_new(self) -> bool:
        """Whether this detector's threshold was not moved yet."""
        return keys.KEPT_RATE not in st.session_state or tab().threshold[0] != self.key

    def move_to(self, value: float) -> None:
        """Put the threshold somewhere; the slider follows."""
        tab().threshold = self.key, value
        rate = conformal_rate(self.calibration_scores, value)
        st.session_state[keys.KEPT_RATE] = min(self.rates, key=lambda offered: abs(offered - rate))

    def put_back(self) -> None:
        """Have every page judge by the calibrated threshold again."""
        detectors.use_threshold(None, self.choice)
        self.move_to(self.calibrated)

    def follow_rate(self) -> None:
        """Put the threshold where the slider says."""
        value = conformal_threshold(self.calibration_scores, st.session_state[keys.KEPT_RATE])
        tab().threshold = self.key, value


def percent(value: float) -> str:
    """A share in per cent; a dash where there is none."""
    return "–" if math.isnan(value) else formatted(value, ".1%")


def numbers(point: OperatingPoint) -> dict[str, str]:
    """What is said of a threshold, by its name on screen."""
    return {
        _("Threshold"): formatted(point.threshold, ".4f"),
        _("False-alarm rate"): percent(point.false_alarm_rate),
        _("Missed anomalies"): percent(point.miss_rate),
        _("Precision"): percent(point.precision),
        _("Recall"): percent(point.recall),
        _("F1"): formatted(point.f1, ".4f"),
    }


def plotly_config(name: str) -> dict[str, Any]:
    """Plotly's buttons: the camera saves the figure in the format that the page says."""
    image = {"format": st.session_state.get(keys.FIGURE_FORMAT) or "png", "filename": name, "scale": 2}
    return {
        "displaylogo": False,
        "toImageButtonOptions": image,
        "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
    }
