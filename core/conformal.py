"""Split conformal prediction: threshold, false-alarm rate and p-value from the scores of calibration images.

Calibration images are normal and were never trained on. If a new normal image is as likely to rank anywhere among
them, its p-value is at most r with probability at most r, for every rate r (Papadopoulos et al. 2002; Vovk et al.
2005). p-value and threshold agree: p is at most the rate exactly where the score is above the threshold, for rates
of at least 1 / (n + 1).
"""

import math

import torch
from torch import Tensor

from core.errors import UserError


class CalibrationError(UserError, ValueError):
    """Calibration images or false-alarm rate do not give a threshold."""


def conformal_threshold(calibration_scores: Tensor, false_alarm_rate: float) -> float:
    """The smallest calibration score that at most the given share of new normal images exceeds.

    It is the ceil((n + 1)(1 - rate))-th smallest of n scores (N,), the largest one where n is too small for that rank.
    Raises CalibrationError.
    """
    count = len(calibration_scores)
    if count == 0:
        raise CalibrationError("There is no calibration image to set the threshold with.")
    if not 0 < false_alarm_rate < 1:
        raise CalibrationError("The false-alarm rate is between 0 and 1, not {rate!r}.", rate=false_alarm_rate)
    # Rounding guards the rank against 0.95 * 20 = 18.999999999999996 and the like.
    rank = min(count, math.ceil(round((count + 1) * (1 - false_alarm_rate), 9)))
    return float(calibration_scores.sort().values[max(rank, 1) - 1])


def conformal_rate(calibration_scores: Tensor, threshold: float) -> float:
    """The false-alarm rate that a threshold keeps on new normal images: conformal_threshold the other way round."""
    return (int((calibration_scores.double() > threshold).sum()) + 1) / (len(calibration_scores) + 1)


def smallest_rate(count: int) -> float:
    """The smallest false-alarm rate, and p-value, that n = count calibration scores can keep: the new image is counted in."""
    return 1 / (count + 1)


def at_least_as_high(calibration_scores: Tensor, scores: Tensor) -> Tensor:
    """How many of the sorted calibration scores (n,) are at least as high as each of the scores (N,); int64 (N,)."""
    return len(calibration_scores) - torch.searchsorted(calibration_scores, scores.contiguous(), right=False)


def p_value(at_least_as_high: Tensor, count: int) -> Tensor:
    """(1 + k) / (n + 1), float64 (N,), where k (N,) of n = count calibration scores are at least as high."""
    return (1 + at_least_as_high).double() / (count + 1)


def benjamini_hochberg(p_values: Tensor, share: float) -> Tensor:
    """Which of several images are alarms, bool (N,), so that at most this share of all alarms is false, on average.

    The k smallest p-values (N,) for the largest k of which the k-th is at most share * k / N (Benjamini and Hochberg 1995).
    Conformal p-values with one calibration set depend on each other in a way that keeps this true (Bates et al. 2023).
    """
    ordered, count = p_values.double().sort().values, len(p_values)
    # The factor guards equality against rounding.
    bounds = share * (1 + 1e-12) * torch.arange(1, count + 1, dtype=torch.float64) / max(count, 1)
    passing = (ordered <= bounds).nonzero().flatten()
    if len(passing) == 0:
        return torch.zeros(count, dtype=torch.bool)
    return p_values <= ordered[passing[-1]]
