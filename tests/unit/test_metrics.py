"""Evaluation, by hand, by counting pairs, and against scikit-learn."""

import math
from itertools import chain, product

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)
from torch import Tensor

from core.metrics import EvaluationError, ScoredSet, evaluate, histogram, scored_set


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
def scored_300(request: pytest.FixtureRequest) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(4)
    labels = torch.randint(0, 10, (300,), generator=random)
    scores = torch.rand(300, generator=random) + 0.03 * labels
    return ((scores * 8).round() / 8 if request.param else scores), labels


def test_figures_equal_scikit_learns(scored_300: tuple[Tensor, Tensor]) -> None:
    scores, labels = scored_300
    is_anomaly = np.array([label not in (2, 5) for label in labels.tolist()])
    figures = evaluate(scores, labels, (2, 5), threshold=0.5)
    assert figures.auroc == pytest.approx(roc_auc_score(is_anomaly, scores.numpy()))
    assert figures.average_precision == pytest.approx(average_precision_score(is_anomaly, scores.numpy()))


def test_figures_equal_a_count_of_pairs(scored_300: tuple[Tensor, Tensor]) -> None:
    scores, labels = scored_300
    by_label = {label: scores[labels == label].tolist() for label in range(10)}
    strange = {label: values for label, values in by_label.items() if label != 5}
    figures = evaluate(scores, labels, [5], threshold=0.5)
    assert figures.auroc == pytest.approx(auroc_by_pairs(by_label[5], list(chain(*strange.values()))))
    assert figures.auroc_by_class == pytest.approx(
        {label: auroc_by_pairs(by_label[5], values) for label, values in strange.items()}
    )
    assert figures.false_alarm_rate == pytest.approx(sum(score > 0.5 for score in by_label[5]) / len(by_label[5]))


# ---------------------------------------------------------------- thresholds and curves


def test_a_working_point_by_hand() -> None:
    point = scored_set(torch.tensor([1.0, 3.0, 2.0, 4.0, 9.0]), torch.tensor([5, 5, 0, 1, 1]), [5]).at(2.0)
    assert (point.true_negatives, point.false_alarms, point.false_negatives, point.true_positives) == (
        1,
        1,
        1,
        2,
    )  # 2.0 is not above 2.0
    assert (point.false_alarm_rate, point.miss_rate) == (0.5, pytest.approx(1 / 3))
    assert (point.precision, point.recall, point.f1) == (2 / 3, 2 / 3, pytest.approx(2 / 3))


@pytest.mark.parametrize(("threshold", "counts"), [(-1.0, (0, 2, 0, 2)), (9.0, (2, 0, 2, 0))])
def test_everything_and_nothing_called_an_anomaly(threshold: float, counts: tuple[int, ...]) -> None:
    point = scored_set(torch.tensor([1.0, 3.0, 2.0, 9.0]), torch.tensor([5, 5, 0, 1]), [5]).at(threshold)
    assert (point.true_negatives, point.false_alarms, point.false_negatives, point.true_positives) == counts
    assert point.recall == (1.0 if threshold < 0 else 0.0)
    assert math.isnan(point.precision) == (threshold > 0), "the share of nothing is no number"
    assert point.f1 == pytest.approx(2 / 3 if threshold < 0 else 0.0)


@pytest.mark.parametrize("anomalies", [None, [7], [1, 3]])
@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.75, 1.0])
def test_a_working_point_equals_scikit_learns(
    scored_300: tuple[Tensor, Tensor], threshold: float, anomalies: list[int] | None
) -> None:
    scores, labels = scored_300
    kept = [label in (5, *(anomalies if anomalies is not None else range(10))) for label in labels.tolist()]
    truth, alarm = (labels != 5).numpy()[kept], (scores.double() > threshold).numpy()[kept]
    point = scored_set(scores, labels, [5], anomalies).at(threshold)
    assert point.precision == precision_score(truth, alarm)
    assert point.recall == recall_score(truth, alarm)
    assert point.f1 == f1_score(truth, alarm)
    assert [[point.true_negatives, point.false_alarms], [point.false_negatives, point.true_positives]] == confusion_matrix(
        truth, alarm
    ).tolist()


def test_areas_equal_scikit_learns_to_the_last_digit(scored_300: tuple[Tensor, Tensor]) -> None:
    scores, labels = scored_300
    compared = scored_set(scores, labels, [2, 5])
    truth = ~np.isin(labels.numpy(), [2, 5])
    assert compared.auroc == roc_auc_score(truth, scores.numpy())
    assert compared.average_precision == average_precision_score(truth, scores.numpy())
    for label in (0, 7):
        kept = np.isin(labels.numpy(), [2, 5, label])
        assert scored_set(scores, labels, [2, 5], [label]).auroc == roc_auc_score(truth[kept], scores.numpy()[kept])


def test_the_best_f1_is_the_best_of_all_thresholds(scored_300: tuple[Tensor, Tensor]) -> None:
    compared = scored_set(*scored_300, [5])
    every = [compared.at(threshold).f1 for threshold in (-1.0, *np.unique(compared.scores))]
    assert compared.at(compared.best_f1_threshold).f1 == max(every)


def test_thinned_curves_keep_their_ends_and_their_area() -> None:
    random = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 10, (10_000,), generator=random)
    compared = scored_set(torch.rand(10_000, generator=random) + 0.5 * (labels != 5), labels, [5])
    roc, precision_recall = compared.roc, compared.precision_recall
    for curve in (roc, precision_recall):
        assert 50 < len(curve.x) <= 400
        assert len(curve.x) == len(curve.y)
    assert (roc.x[0], roc.y[0], roc.x[-1], roc.y[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert np.trapezoid(roc.y, roc.x) == pytest.approx(compared.auroc, abs=1e-3)
    assert -np.trapezoid(precision_recall.y, precision_recall.x) == pytest.approx(compared.average_precision, abs=1e-3)


def test_a_curve_of_equal_scores_is_the_diagonal() -> None:
    roc = scored_set(torch.ones(20), torch.arange(20) % 10, [5]).roc
    assert (roc.x.tolist(), roc.y.tolist()) == ([0.0, 1.0], [0.0, 1.0])


@pytest.mark.parametrize(
    ("scores", "labels", "anomalies", "says"),
    [
        ([1.0, 2.0], [0, 1], None, "no image of the normal kind"),
        ([1.0, 2.0], [5, 5], None, "no such anomaly"),
        ([1.0, 2.0], [5, 1], [7], "no such anomaly"),
        ([1.0, math.nan], [5, 1], None, "not numbers"),
        ([1.0, math.inf], [5, 1], None, "not numbers"),
        ([], [], None, "no image of the normal kind"),
    ],
)
def test_what_cannot_be_compared_is_said_in_words(
    scores: list[float], labels: list[int], anomalies: list[int] | None, says: str
) -> None:
    with pytest.raises(EvaluationError, match=says):
        scored_set(torch.tensor(scores), torch.tensor(labels, dtype=torch.int64), [5], anomalies)


# ---------------------------------------------------------------- histogram


def test_a_histogram_counts_every_score_once() -> None:
    scores, labels = torch.tensor([0.0, 1.0, 10.0, 100.0, 100.0]), torch.tensor([5, 5, 5, 7, 1])
    counted = histogram(scores, labels, bins=8)
    assert {label: int(counts.sum()) for label, counts in counted.counts.items()} == {1: 1, 5: 3, 7: 1}
    assert np.allclose(np.diff(np.log(counted.edges)), np.log(counted.edges[1] / counted.edges[0]))
    assert counted.counts[7][-1] == 1, "the highest score is in the last bin"
    assert counted.shares([1, 7])[-1] == 1.0
    assert counted.shares([5]).sum() == pytest.approx(1.0)
    assert counted.shares([9]).tolist() == [0.0] * 8, "a class that is not there has no bars"


@pytest.mark.parametrize("score", [0.0, 3.0])
def test_a_histogram_of_equal_scores(score: float) -> None:
    counted = histogram(torch.full((4,), score), torch.tensor([5, 5, 5, 5]))
    assert int(counted.counts[5].sum()) == 4
    assert np.isfinite(counted.edges).all()
    assert (np.diff(counted.edges) > 0).all()


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9])
def test_a_share_of_anomalies_is_what_so_many_images_would_give(share: float) -> None:
    """Against a set in which every image stands as often as its weight says."""
    random = np.random.default_rng(3)
    values = np.concatenate([random.normal(0, 1, 40), random.normal(1.5, 1, 60)])
    is_anomaly = np.arange(100) >= 40
    copies = np.where(is_anomaly, round(40 * 100 * share), round(60 * 100 * (1 - share)))
    many, truth = np.repeat(values, copies), np.repeat(is_anomaly, copies)
    weighed, plain = ScoredSet(values, is_anomaly, share), ScoredSet(many, truth)
    assert truth.mean() == pytest.approx(share)
    assert weighed.base_rate == share
    point, expected = weighed.at(0.7), plain.at(0.7)
    assert (point.precision, point.recall, point.f1) == pytest.approx((expected.precision, expected.recall, expected.f1))
    assert weighed.average_precision == pytest.approx(plain.average_precision)
    assert weighed.auroc == pytest.approx(plain.auroc)
    assert weighed.best_f1_threshold == pytest.approx(plain.best_f1_threshold)
    assert weighed.f1_of_calling_all_anomalies == pytest.approx(plain.at(-99).f1)
