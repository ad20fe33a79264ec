"""The detector for scikit-learn's users: AutoencoderDetector in scikit-learn's conventions, and nothing else.

Directions differ: a score of AutoencoderDetector, as of PyOD, is higher for what is stranger and its predict is 1 for an
anomaly and 0 for a normal image; here, as in IsolationForest or OneClassSVM, higher is more normal, decision_function is
negative for an anomaly and predict is -1 for an anomaly and +1 for a normal image.
"""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from core.detector import AutoencoderDetector
from core.errors import require_choice
from core.framing import SIDE
from core.model import PIXELS
from core.presets import PRESETS
from core.settings import SETTINGS, changed

Floats = NDArray[np.float64]

ARGUMENTS = {"alarms": "false_alarm_rate", "threshold": "false_alarm_rate", "seed": "random_state"}
"""Settings that arguments say, and which."""


class OneClassAutoencoder(OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """Learns normal images alone and says how strange others are, by how badly an autoencoder reconstructs them.

    X: images (n, 784) or (n, 28, 28), light ink on black, in [0, 1] or in [0, 255]; other values are scaled so that the
    least of the training data is 0 and the largest 1. Fewer features than 784 fill an image row by row and leave the rest
    black, so that any small table can be judged too, by presets without preprocessing ("course" is one).

    preset: a name in core.presets.PRESETS. settings: what differs from it, by the names in core.settings.SETTINGS, as in
    {"epochs": 30, "latent": 64}; not what the other arguments say (ARGUMENTS). false_alarm_rate: the share of new normal images
    that is called an anomaly at most; the threshold for it comes from a fifth of X that fit does not train on. random_state:
    None draws a seed.

    Fitted: detector_, offset_ (minus the threshold), range_ (what is 0 and what is 1 in an image), n_features_in_.
    """

    def __init__(
        self,
        preset: str = "course",
        settings: Mapping[str, Any] | None = None,
        false_alarm_rate: float = 0.05,
        random_state: int | np.random.RandomState | None = 1337,
    ) -> None:
        self.preset = preset
        self.settings = settings
        self.false_alarm_rate = false_alarm_rate
        self.random_state = random_state

    detector_: AutoencoderDetector
    offset_: float
    range_: tuple[float, float]

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Train on normal images and calibrate on a fifth of them; y is ignored.

        Raises SettingError, which is a ValueError, for a setting that is not allowed, and ValueError for X.
        """
        values = self._validated(X, reset=True)
        if len(values) < 2:
            raise ValueError("One image is to train with and another to calibrate with; X has 1 sample (n_samples=1).")
        if values.shape[1] > PIXELS:
            raise ValueError(f"An image has {PIXELS} pixels (28x28); X has {values.shape[1]} features.")
        require_choice("preset", self.preset, tuple(PRESETS))
        for name in self.settings or {}:
            require_choice("setting", name, tuple(SETTINGS))
            if name in ARGUMENTS:
                raise ValueError(
                    f"The argument {ARGUMENTS[name]} says what {name!r} in settings would; take it out of settings."
                )
        self.range_ = _range(values)
        seed = self.random_state
        if not isinstance(seed, (int, np.integer)):
            seed = check_random_state(seed).randint(2**31)
        asked = {**(self.settings or {}), "seed": seed, "alarms": self.false_alarm_rate}
        config = changed(PRESETS[self.preset], {name: _of_python(value) for name, value in asked.items()})
        self.detector_ = AutoencoderDetector(config).fit(self._images(values))
        self.offset_ = -self.detector_.threshold_
        return self

    def score_samples(self, X: ArrayLike) -> Floats:
        """Minus the anomaly score, float64 (n,): higher is more normal."""
        check_is_fitted(self)
        scores: Floats = self.detector_.decision_function(self._images(self._validated(X))).double().numpy()
        return -scores

    def decision_function(self, X: ArrayLike) -> Floats:
        """score_samples less offset_, float64 (n,): negative for an anomaly."""
        decision: Floats = self.score_samples(X) - self.offset_
        return decision

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """int64 (n,): -1 for an anomaly, +1 for a normal image."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def p_values(self, X: ArrayLike) -> Floats:
        """Conformal p-values, float64 (n,): see core/conformal.py."""
        check_is_fitted(self)
        p_values: Floats = self.detector_.p_value(self._images(self._validated(X))).numpy()
        return p_values

    def _validated(self, X: Any, reset: bool = False) -> Floats:
        """X as float64 (n, features). Raises ValueError, TypeError."""
        if getattr(X, "ndim", 2) == 3:
            X = np.asarray(X).reshape(len(X), -1)
        values: Floats = validate_data(self, X, reset=reset, dtype=np.float64)
        return values

    def _images(self, values: Floats) -> Tensor:
        """Images (n, 1, 28, 28) of rows (n, features)."""
        low, high = self.range_
        images = np.zeros((len(values), PIXELS), dtype=np.float32)
        images[:, : values.shape[1]] = (values - low) / (high - low)
        return torch.from_numpy(images).view(-1, 1, SIDE, SIDE)


def _range(values: Floats) -> tuple[float, float]:
    """What is black and what is full ink: of shares 0 and 1, of bytes 0 and 255, of anything else least and largest."""
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    if low >= 0 and high <= 255 and bool((values == values.round()).all()):
        return 0.0, 255.0
    return low, high if high > low else low + 1.0


def _of_python(value: Any) -> Any:
    """A number of numpy as Python's own, also inside of a list: settings are written into files as they are."""
    if isinstance(value, np.ndarray | list | tuple):
        return tuple(_of_python(each) for each in value)
    return value.item() if isinstance(value, np.generic) else value
