"""How well scores tell normal from anomaly; scikit-learn does the arithmetic."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    precision_recall_curve,
    precision_recall_fscore_support,
    roc_auc_score,
    roc_curve,
)
from torch import Tensor

from core.data.datasets import LabelledImages
from core.detector import DetectorConfig
from core.errors import UserError

Floats = NDArray[np.float64]
MAX_POINTS = 400
"""Points of a drawn curve; the figures beside it come from all scores."""


class EvaluationError(UserError, ValueError):
    """A test set on which normal and anomaly cannot be compared."""


@dataclass(frozen=True)
class Evaluation:
    """Figures of one detector on one test set.

    auroc, average_precision: anomalies (every class that is not normal) against normals, 0 to 1.
    auroc_by_class: normals against each anomalous class alone.
    false_alarm_rate: share of normals above the threshold; catch_rate: share of anomalies above it.
    """

    auroc: float
    average_precision: float
    auroc_by_class: dict[int, float]
    false_alarm_rate: float
    catch_rate: float


def evaluate(scores: Tensor, labels: Tensor, normal_classes: Collection[int], threshold: float) -> Evaluation:
    """Compare scores (N,) with labels (N,); both kinds, normal and anomalous, must be there."""
    values, classes = scores.double().numpy(), labels.numpy()
    is_anomaly = ~np.isin(classes, list(normal_classes))
    alarm = values > threshold
    by_class = {
        int(label): float(roc_auc_score(is_anomaly[chosen], values[chosen]))
        for label in np.unique(classes[is_anomaly])
        for chosen in [~is_anomaly | (classes == label)]
    }
    return Evaluation(
        auroc=float(roc_auc_score(is_anomaly, values)),
        average_precision=float(average_precision_score(is_anomaly, values)),
        auroc_by_class=by_class,
        false_alarm_rate=float(alarm[~is_anomaly].mean()),
        catch_rate=float(alarm[is_anomaly].mean()),
    )


class Detector(Protocol):
    """Anything that scores images and is calibrated."""

    config: DetectorConfig
    threshold_: float

    def decision_function(self, images: Tensor, /) -> Tensor: ...


def measure(detector: Detector, test: LabelledImages, scores: Tensor | None = None) -> Evaluation:
    """The figures of a calibrated detector on a test set: the one way, whoever asks. scores: (N,), where they are known."""
    scores = detector.decision_function(test.images) if scores is None else scores
    return evaluate(scores, test.labels, detector.config.normal_classes, detector.threshold_)


def can_measure(detector: Detector, test: LabelledImages) -> bool:
    """Whether a test set has both normal images and anomalies: drawings of one kind alone have none."""
    is_normal = np.isin(test.labels.numpy(), list(detector.config.normal_classes))
    return bool(is_normal.any() and not is_normal.all())


@dataclass(frozen=True)
class OperatingPoint:
    """What one threshold does: an image is called an anomaly where its score is above it.

    true_negatives, false_alarms: of the normals; false_negatives, true_positives: of the anomalies. precision is NaN where
    nothing is called an anomaly.
    """

    threshold: float
    true_negatives: int
    false_alarms: int
    false_negatives: int
    true_positives: int
    precision: float
    recall: float
    f1: float

    @property
    def false_alarm_rate(self) -> float:
        return self.false_alarms / (self.true_negatives + self.false_alarms)

    @property
    def miss_rate(self) -> float:
        return self.false_negatives / (self.false_negatives + self.true_positives)


@dataclass(frozen=True)
class Curve:
    """Points (P,) of a curve between 0 and 1."""

    x: Floats
    y: Floats


@dataclass(frozen=True)
class ScoredSet:
    """Scores (N,) of normals and of the anomalies that they are compared with.

    share: of anomalies among what the detector would meet, between 0 and 1; None is the share among these. It weighs the two
    kinds in precision, F1 and average precision; AUROC and the two rates do not depend on it.
    """

    scores: Floats
    is_anomaly: NDArray[np.bool_]
    share: float | None = None

    @property
    def base_rate(self) -> float:
        """The share of anomalies: the precision of a guess."""
        return float(self.is_anomaly.mean()) if self.share is None else self.share

    @property
    def f1_of_calling_all_anomalies(self) -> float:
        """With recall 1 and the base rate as precision."""
        return 2 * self.base_rate / (1 + self.base_rate)

    @cached_property
    def _weights(self) -> Floats | None:
        if self.share is None:
            return None
        weights: Floats = np.where(
            self.is_anomaly, self.share / self.is_anomaly.sum(), (1 - self.share) / (~self.is_anomaly).sum()
        )
        return weights

    @cached_property
    def auroc(self) -> float:
        return float(roc_auc_score(self.is_anomaly, self.scores))

    @cached_property
    def average_precision(self) -> float:
        return float(average_precision_score(self.is_anomaly, self.scores, sample_weight=self._weights))

    @cached_property
    def roc(self) -> Curve:
        """False-alarm rate and recall, for drawing."""
        false_alarm_rates, recalls, _ = roc_curve(self.is_anomaly, self.scores)
        return thin(Curve(false_alarm_rates, recalls))

    @cached_property
    def _precision_recall(self) -> tuple[Floats, Floats, Floats]:
        return precision_recall_curve(  # type: ignore[no-any-return]
            self.is_anomaly, self.scores, sample_weight=self._weights, drop_intermediate=True
        )

    @cached_property
    def precision_recall(self) -> Curve:
        """Recall and precision, for drawing."""
        precisions, recalls, _ = self._precision_recall
        return thin(Curve(recalls, precisions))

    @cached_property
    def best_f1_threshold(self) -> float:
        """The threshold with the highest F1 on these very labels: it uses the answers."""
        precisions, recalls, thresholds = self._precision_recall
        f1 = 2 * precisions * recalls / np.maximum(precisions + recalls, 1e-12)
        # scikit-learn's thresholds count a score that equals them; ours do not.
        return float(np.nextafter(thresholds[f1[:-1].argmax()], -np.inf))

    def at_false_alarms(self, rate: float) -> OperatingPoint:
        """At the threshold that at most this share of these normals is above."""
        return self.at(float(np.quantile(self.scores[~self.is_anomaly], 1 - rate, method="higher")))

    def at(self, threshold: float) -> OperatingPoint:
        """Counts and rates at a threshold."""
        is_alarm = self.scores > threshold
        (true_negatives, false_alarms), (false_negatives, true_positives) = confusion_matrix(
            self.is_anomaly, is_alarm, labels=[False, True]
        ).tolist()
        precision, recall, f1, _ = precision_recall_fscore_support(
            self.is_anomaly, is_alarm, average="binary", zero_division=np.nan, sample_weight=self._weights
        )
        return OperatingPoint(
            threshold, true_negatives, false_alarms, false_negatives, true_positives, float(precision), float(recall), float(f1)
        )


def scored_set(
    scores: Tensor,
    labels: Tensor,
    normal_classes: Collection[int],
    anomalies: Collection[int] | None = None,
    share: float | None = None,
) -> ScoredSet:
    """Normals against the anomalies of some classes, all others unless given. Raises EvaluationError.

    share: of anomalies, as ScoredSet has it.
    """
    values, classes = scores.double().numpy(), labels.numpy()
    if not np.isfinite(values).all():
        raise EvaluationError("This detector's scores are not numbers: its training went wrong. Choose another detector.")
    is_normal = np.isin(classes, list(normal_classes))
    is_anomaly = ~is_normal if anomalies is None else np.isin(classes, list(anomalies)) & ~is_normal
    if not is_normal.any():
        raise EvaluationError("The test set has no image of the normal kind, so there is nothing to compare with.")
    if not is_anomaly.any():
        raise EvaluationError("These test images hold no such anomaly. Choose another class or another detector.")
    chosen = is_normal | is_anomaly
    return ScoredSet(values[chosen], is_anomaly[chosen], share)


def thin(curve: Curve, most: int = MAX_POINTS) -> Curve:
    """At most so many of a curve's own points, evenly along its length, both ends among them."""
    if len(curve.x) <= most:
        return curve
    steps = np.hypot(np.diff(curve.x), np.diff(curve.y))
    length = np.concatenate([[0.0], steps.cumsum()])
    chosen = np.unique(np.searchsorted(length, np.linspace(0, length[-1], most)))
    return Curve(curve.x[chosen], curve.y[chosen])


@dataclass(frozen=True)
class Histogram:
    """How many scores of each class fall between two edges; the edges grow by equal factors.

    edges: (B + 1,); counts: (B,) of each class.
    """

    edges: Floats
    counts: dict[int, NDArray[np.int64]]

    def shares(self, classes: Collection[int]) -> Floats:
        """Share (B,) of the images of these classes, zero where there are none."""
        total = np.sum([self.counts[label] for label in classes if label in self.counts], axis=0, initial=0)
        shares: Floats = np.broadcast_to(total, len(self.edges) - 1) / max(int(np.sum(total)), 1)
        return shares


def histogram(scores: Tensor, labels: Tensor, bins: int = 60) -> Histogram:
    """Count scores (N,), N > 0, at least 0, by class."""
    values, classes = scores.double().numpy(), labels.numpy()
    low = max(float(values.min()), 1e-6)
    high = max(float(values.max()), low) * 1.001
    edges = np.geomspace(low, high, bins + 1)
    values = values.clip(edges[0], edges[-1])
    counts = {int(label): np.histogram(values[classes == label], edges)[0] for label in np.unique(classes)}
    return Histogram(edges, counts)
