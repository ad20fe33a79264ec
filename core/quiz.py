"""Ten questions about a detector and test images, new ones for each seed; every right answer follows from the scores."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from core.detector import AutoencoderDetector

Kind = Literal["alarm", "pass", "highest", "redrawn", "map", "verdict", "rate"]
KINDS: tuple[Kind, ...] = ("alarm", "redrawn", "highest", "verdict", "pass", "map", "rate", "highest", "redrawn", "alarm")
CLEARLY = 1.2
"""The highest score is at least so many times the second, and another image's error so many times that of the right one:
else the question would be a matter of luck."""

MAX_TRIES = 200
"""Choices of images for one question, of which the last is asked: a detector may give everything nearly the same score."""

RATES, COUNTS = (0.01, 0.02, 0.05, 0.1), (100, 200, 1000)
OPTIONS = 4


@dataclass(frozen=True)
class Question:
    """images: indices of test images, by option (alarm, pass, highest, redrawn, map) or the one that is asked about (verdict).

    right: number of the right option. rate, count: of “rate”; numbers: its options.
    """

    kind: Kind
    images: tuple[int, ...]
    right: int
    rate: float = 0.0
    count: int = 0
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True)
class Pool:
    """Indices of test images, and how likely each is to be chosen; None: all alike."""

    indices: np.ndarray
    weights: np.ndarray | None = None

    def choose(self, count: int, rng: np.random.Generator) -> list[int]:
        return [int(index) for index in rng.choice(self.indices, count, replace=False, p=self.weights)]


def questions(detector: AutoencoderDetector, images: Tensor, labels: Tensor, scores: Tensor, seed: int) -> list[Question]:
    """One of each entry of KINDS; labels and scores (N,) are those of the test images (N, 1, 28, 28)."""
    rng, threshold = np.random.default_rng(seed), detector.threshold_
    values = scores.double().numpy()

    def error_is_clear(chosen: list[int]) -> bool:
        result = detector.infer(images[chosen])
        own, *others = (result.images - result.reconstructions[0]).square().mean(dim=(1, 2, 3)).tolist()
        return bool(CLEARLY * own <= min(others))

    def score_is_clear(chosen: list[int]) -> bool:
        *_, second, first = np.sort(values[chosen])
        return bool(first >= CLEARLY * second)

    clear = {"redrawn": error_is_clear, "highest": score_is_clear}
    alarms, passing = np.flatnonzero(values > threshold), np.flatnonzero(values <= threshold)
    weights = _of_both_alike(np.isin(labels.numpy()[passing], detector.config.normal_classes))
    pools = Pool(alarms), Pool(passing, weights)
    return [_question(kind, values, labels, *pools, clear.get(kind), threshold, rng) for kind in KINDS]


def _of_both_alike(is_normal: np.ndarray) -> np.ndarray | None:
    """Weights of images that pass, by whether they are normal (N,): together the normal ones weigh as much as the others.

    Unweighted, nearly all that passes the detector for 1 is a 1, and what an image is of would tell the answer; of what
    passes the detector for 8, one in five is an 8, and a normal image would hardly be seen to pass.
    """
    count = int(is_normal.sum())
    if count in (0, len(is_normal)):
        return None
    return np.where(is_normal, 0.5 / count, 0.5 / (len(is_normal) - count))


def _question(
    kind: Kind,
    scores: np.ndarray,
    labels: Tensor,
    alarms: Pool,
    passing: Pool,
    is_clear: Callable[[list[int]], bool] | None,
    threshold: float,
    rng: np.random.Generator,
) -> Question:
    if kind == "rate":
        rate, count = float(rng.choice(RATES)), int(rng.choice(COUNTS))
        expected = round(rate * count)
        numbers = sorted({expected, 2 * expected, 5 * expected, count - expected})
        return Question(kind, (), numbers.index(expected), rate, count, tuple(numbers))
    if kind == "verdict":
        (index,) = (alarms if rng.random() < 0.5 and len(alarms.indices) else passing).choose(1, rng)
        return Question(kind, (index,), int(scores[index] > threshold))
    if kind in ("alarm", "pass"):
        odd, others = (alarms, passing) if kind == "alarm" else (passing, alarms)
        chosen = [*odd.choose(1, rng), *others.choose(OPTIONS - 1, rng)]
    else:
        for _try in range(MAX_TRIES):
            chosen = _of_different_classes(labels, rng)
            if is_clear is None or is_clear(chosen):
                break
    target = chosen[int(np.argmax(scores[chosen]))] if kind == "highest" else chosen[0]
    order = [chosen[place] for place in rng.permutation(OPTIONS)]
    return Question(kind, tuple(order), order.index(target))


def _of_different_classes(labels: Tensor, rng: np.random.Generator) -> list[int]:
    classes = rng.permutation(torch.unique(labels).numpy())[:OPTIONS]
    return [int(rng.choice(np.flatnonzero(labels.numpy() == label))) for label in classes]
