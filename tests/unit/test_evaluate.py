"""Evaluation, by hand, by counting pairs, and against scikit-learn."""

from itertools import chain, product

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor

from core.evaluate import evaluate


def auroc_by_pairs(normal: list[float], strange: list[float]) -> float:
    """Share of pairs in which the anomaly scores higher; a tie is half a pair."""
    pairs = list(product(normal, strange))
    return sum(1.0 if high > low else 0.5 if high == low else 0.0 for low, high in pairs) / len(pairs)


def test_a_case_by_hand() -> None:
    figures = evaluate(torch.tensor([1.0, 3.0, 2.0, 4.0]), torch.tensor([5, 5, 0, 1]), [5], threshold=2.0)
    assert figures.auroc == 0.75
    assert figures.average_precision == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert figures.auroc_by_class == {0: 0.5, 1: 1.0}
    assert figures.false_alarm_rate == 0.5
    assert figures.catch_rate == 0.5  # 2.0 is not above 2.0


def test_several_normal_classes_by_hand() -> None:
    figures = evaluate(torch.tensor([1.0, 2.0, 5.0, 9.0]), torch.tensor([3, 5, 5, 0]), {3, 5}, threshold=4.0)
    assert (figures.auroc, figures.false_alarm_rate, figures.catch_rate) == (1.0, pytest.approx(1 / 3), 1.0)
    assert set(figures.auroc_by_class) == {0}


def test_equal_scores_tell_nothing() -> None:
    figures = evaluate(torch.ones(20), torch.arange(20) % 10, [5], threshold=1.0)
    assert figures.auroc == 0.5
    assert set(figures.auroc_by_class.values()) == {0.5}
    assert (figures.false_alarm_rate, figures.catch_rate) == (0.0, 0.0)


@pytest.fixture(params=[False, True], ids=["distinct", "ties"])
def scored(request: pytest.FixtureRequest) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(4)
    labels = torch.randint(0, 10, (300,), generator=random)
    scores = torch.rand(300, generator=random) + 0.03 * labels
    return ((scores * 8).round() / 8 if request.param else scores), labels


def test_figures_equal_scikit_learns(scored: tuple[Tensor, Tensor]) -> None:
    scores, labels = scored
    is_anomaly = np.array([label not in (2, 5) for label in labels.tolist()])
    figures = evaluate(scores, labels, (2, 5), threshold=0.5)
    assert figures.auroc == pytest.approx(roc_auc_score(is_anomaly, scores.numpy()))
    assert figures.average_precision == pytest.approx(average_precision_score(is_anomaly, scores.numpy()))


def test_figures_equal_a_count_of_pairs(scored: tuple[Tensor, Tensor]) -> None:
    scores, labels = scored
    by_label = {label: scores[labels == label].tolist() for label in range(10)}
    strange = {label: values for label, values in by_label.items() if label != 5}
    figures = evaluate(scores, labels, [5], threshold=0.5)
    assert figures.auroc == pytest.approx(auroc_by_pairs(by_label[5], list(chain(*strange.values()))))
    assert figures.auroc_by_class == pytest.approx(
        {label: auroc_by_pairs(by_label[5], values) for label, values in strange.items()}
    )
    assert figures.false_alarm_rate == pytest.approx(sum(score > 0.5 for score in by_label[5]) / len(by_label[5]))
