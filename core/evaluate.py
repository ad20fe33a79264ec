"""How well scores tell normal from anomaly; scikit-learn does the arithmetic."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor


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
