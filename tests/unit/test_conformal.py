"""Benjamini and Hochberg's rule against scipy's, and the share of false alarms that it promises."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from core.conformal import (
    at_least_as_high,
    benjamini_hochberg,
    conformal_rate,
    conformal_threshold,
    p_value,
    smallest_rate,
)

P_VALUES = st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=60)


@given(P_VALUES, st.floats(0.001, 0.5))
def test_it_is_scipys(p_values: list[float], share: float) -> None:
    adjusted = false_discovery_control(np.array(p_values), method="bh")
    assume(not np.isclose(adjusted, share, rtol=1e-9).any())
    found = benjamini_hochberg(torch.tensor(p_values, dtype=torch.float64), share)
    assert np.array_equal(found.numpy(), adjusted <= share)


def test_equality_counts() -> None:
    p_values = torch.tensor([0.03, 0.06, 0.1, 0.9], dtype=torch.float64)
    assert benjamini_hochberg(p_values, 0.4 / 3).tolist() == [True, True, True, False]
    assert benjamini_hochberg(torch.tensor([0.02, 0.04, 0.06, 0.08, 0.1], dtype=torch.float64), 0.1).all()
    # Among smaller ones a value above its own bound is an alarm too.
    assert benjamini_hochberg(torch.tensor([0.04, 0.045]), 0.05).tolist() == [True, True]


@pytest.mark.parametrize("count", [1, 19, 1084])
def test_the_smallest_rate_is_that_of_a_threshold_at_the_highest_calibration_score(count: int) -> None:
    scores = torch.arange(count, dtype=torch.float64)
    rate = smallest_rate(count)
    assert rate == conformal_rate(scores, float(scores.max())) == float(p_value(torch.tensor(0), count))
    assert conformal_threshold(scores, rate) == scores.max()


def test_nothing_is_found_among_nothing() -> None:
    assert benjamini_hochberg(torch.empty(0), 0.05).tolist() == []
    assert not benjamini_hochberg(torch.full((9,), 0.5), 0.05).any()


@pytest.mark.parametrize("anomalies", [20, 200])
def test_the_promise_is_kept_with_conformal_p_values(anomalies: int) -> None:
    random, shares, found = np.random.default_rng(0), [], 0
    for _ in range(300):
        calibration = torch.from_numpy(random.normal(size=500)).sort().values
        scores = torch.from_numpy(np.concatenate([random.normal(size=200), random.normal(4.0, 1.0, size=anomalies)]))
        is_alarm = benjamini_hochberg(p_value(at_least_as_high(calibration, scores), 500), 0.1)
        shares.append(float(is_alarm[:200].sum()) / max(int(is_alarm.sum()), 1))
        found += int(is_alarm[200:].sum())
    error = np.std(shares) / len(shares) ** 0.5
    assert np.mean(shares) < 0.1 * 200 / (200 + anomalies) + 3 * error
    assert found > 0.5 * 300 * anomalies
