"""Other methods for the same task, by scikit-learn, and how they are measured."""

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import NearestNeighbors
from sklearn.svm import OneClassSVM
from threadpoolctl import threadpool_limits
from torch import Tensor

from core.conformal import conformal_threshold
from core.data.split import OneClassSplit, SplitSource
from core.detector import AutoencoderDetector, DetectorConfig
from core.jobs.memory_budget import MemoryFullError
from core.jobs.pool import lower_priority
from core.metrics import Evaluation, evaluate

LOG = logging.getLogger(__name__)

Scorer = Callable[[Tensor], Tensor]
"""Images (N, 1, 28, 28) to anomaly scores (N,)."""

Method = Callable[[DetectorConfig, Tensor], Scorer | AutoencoderDetector]
"""Fits on normal training images (N, 1, 28, 28); the settings give data set, classes and seed."""

MAX_IMAGES = 6000
"""Training images of a comparison in the background: a one-class SVM's time grows with their square."""


def _flat(images: Tensor) -> np.ndarray:
    return images.flatten(1).numpy()


def pca(_asked: DetectorConfig, train: Tensor) -> Scorer:
    """Squared error of a reconstruction from 32 principal components, fewer where there are fewer images."""
    model = PCA(min(32, len(train)), random_state=0).fit(_flat(train))

    def score(images: Tensor) -> Tensor:
        flat = _flat(images)
        return torch.from_numpy(np.square(flat - model.inverse_transform(model.transform(flat))).mean(axis=1))

    return score


def nearest_neighbours(_asked: DetectorConfig, train: Tensor) -> Scorer:
    """Mean distance to the five nearest training images."""
    model = NearestNeighbors(n_neighbors=5, algorithm="brute").fit(_flat(train))
    return lambda images: torch.from_numpy(model.kneighbors(_flat(images))[0].mean(axis=1))


def isolation_forest(asked: DetectorConfig, train: Tensor) -> Scorer:
    """Isolation forest (Liu et al. 2008), scikit-learn's defaults."""
    model = IsolationForest(random_state=asked.training.seed).fit(_flat(train))
    return lambda images: torch.from_numpy(-model.score_samples(_flat(images)))


def one_class_svm(_asked: DetectorConfig, train: Tensor) -> Scorer:
    """One-class SVM (Schölkopf et al. 2001), RBF kernel, nu 0.1."""
    model = OneClassSVM(nu=0.1, gamma="scale").fit(_flat(train))
    return lambda images: torch.from_numpy(-model.score_samples(_flat(images)))


BASELINES: dict[str, Method] = {
    "pca": pca,
    "nearest-neighbours": nearest_neighbours,
    "isolation-forest": isolation_forest,
    "one-class-svm": one_class_svm,
}


@dataclass
class Baseline:
    """A scorer with a threshold, to be measured as detectors are."""

    config: DetectorConfig
    scorer: Scorer
    threshold_: float = math.nan

    def decision_function(self, images: Tensor) -> Tensor:
        return self.scorer(images)

    def calibrate(self, images: Tensor, _copies: int = 0) -> None:
        """Set threshold_ from held-out normal images (N, 1, 28, 28), as detectors do."""
        self.threshold_ = conformal_threshold(self.scorer(images), self.config.false_alarm_rate)


def fitted(method: Method, config: DetectorConfig, train: Tensor) -> Baseline | AutoencoderDetector:
    """One method, fitted on normal training images (N, 1, 28, 28) and not yet calibrated."""
    made = method(config, train)
    return made if isinstance(made, AutoencoderDetector) else Baseline(config, made)


@dataclass(frozen=True)
class Trial:
    """One method fitted, calibrated on the held-out images and evaluated on the test set.

    score_seconds: for 10,000 images.
    """

    evaluation: Evaluation
    fit_seconds: float
    score_seconds: float


def measure(method: Method, config: DetectorConfig, split: OneClassSplit) -> Trial:
    """Fit one method, calibrate it on the held-out images, and score the split's test set."""
    started = time.perf_counter()
    detector = fitted(method, config, split.train)
    fit_seconds = time.perf_counter() - started
    detector.calibrate(split.calibration, split.copies)
    started = time.perf_counter()
    scores = detector.decision_function(split.test.images)
    score_seconds = (time.perf_counter() - started) * 10_000 / len(split.test.images)
    figures = evaluate(scores, split.test.labels, config.normal_classes, detector.threshold_)
    return Trial(figures, fit_seconds, score_seconds)


class Comparison:
    """All baselines on one split, one after another, in the background, with as low a priority as training.

    Comparisons with the same turn run one at a time. reserve_memory: called when the turn has come; what it returns is held
    until the end, and where it raises MemoryFullError nothing is measured. trials, by method, is replaced and never
    changed, so it can be read at any moment; a method that failed is None there.
    """

    def __init__(
        self,
        config: DetectorConfig,
        split: SplitSource,
        turn: threading.Lock,
        reserve_memory: Callable[[], object] = lambda: None,
    ) -> None:
        self.config = config
        self.images = min(split.counts[0], MAX_IMAGES)
        self.trials: dict[str, Trial | None] = {}
        # The thread alone holds the images, so that they go with it.
        self._thread = threading.Thread(target=self._run, args=(split, turn, reserve_memory), name="baselines", daemon=True)
        self._thread.start()

    def _run(self, source: SplitSource, turn: threading.Lock, reserve_memory: Callable[[], object]) -> None:
        lower_priority()
        # One thread, so that a core stays free for the pages.
        with turn, threadpool_limits(1):
            try:
                _room = reserve_memory()
                whole = source.materialize()  # when its turn has come: many that wait would fill the memory
                split = replace(whole, train=whole.train[:MAX_IMAGES])
            except MemoryFullError:  # as a training is refused: no fault
                LOG.info("There is no room for the images of the baselines now")
                self.trials = dict.fromkeys(BASELINES)
                return
            except Exception:
                LOG.exception("The images of the baselines could not be made")
                self.trials = dict.fromkeys(BASELINES)
                return
            for name, method in BASELINES.items():
                trial = None
                try:
                    trial = measure(method, self.config, split)
                except Exception:  # the other methods can still be compared
                    LOG.exception("The baseline %s failed", name)
                self.trials = {**self.trials, name: trial}

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    @property
    def has_failed(self) -> bool:
        """Whether nothing came of it, and it can only be begun anew."""
        return not self.running and not any(self.trials.values())
