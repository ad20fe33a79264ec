"""THE definition of error map and anomaly score; nothing else computes one.

Three stages: the residual (image minus reconstruction), smoothed a little, and its mean square
divided by the image's ink. With no smoothing and an ink exponent of 0 the score is the course's
mean squared error.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


class ShapeMismatchError(ValueError):
    """Image and reconstruction differ in shape; broadcasting would compare every image with every other."""


@dataclass(frozen=True)
class ScoreConfig:
    """How a residual becomes a score. The defaults are the course's mean squared error.

    smoothing: standard deviation in pixels of the Gaussian that blurs the residual; strokes that
        are off by a hair then cancel, strokes that are missing stay. 0 is none.
    ink_exponent: the score is divided by the image's mean squared ink to this power, since more
        ink has more to get wrong. 0 is none.
    """

    smoothing: float = 0.0
    ink_exponent: float = 0.0

    def __post_init__(self) -> None:
        for name, value, limit in (("smoothing", self.smoothing, 5.0), ("ink_exponent", self.ink_exponent, 2.0)):
            if not (isinstance(value, (int, float)) and math.isfinite(value) and 0 <= value <= limit):
                raise ValueError(f"{name} is between 0 and {limit}, not {value!r}.")


def require_same_shape(images: Tensor, reconstructions: Tensor) -> None:
    """Raises ShapeMismatchError where torch would silently broadcast."""
    if images.shape != reconstructions.shape:
        raise ShapeMismatchError(
            f"Images {tuple(images.shape)} and reconstructions {tuple(reconstructions.shape)} must have the same shape."
        )


def error_map(images: Tensor, reconstructions: Tensor, config: ScoreConfig) -> Tensor:
    """Signed, smoothed residual, (N, 1, 28, 28) twice in, (N, 28, 28) out, in [-1, 1].

    Positive: ink that the reconstruction lacks. Negative: ink that the network expected and the
    image lacks. Raises ShapeMismatchError.
    """
    require_same_shape(images, reconstructions)
    residual = images - reconstructions
    if config.smoothing > 1e-3:
        reach = max(1, math.ceil(3 * config.smoothing))
        offsets = torch.arange(-reach, reach + 1, dtype=residual.dtype, device=residual.device)
        kernel = torch.exp(-offsets.square() / (2 * config.smoothing**2))
        kernel = kernel / kernel.sum()
        residual = F.conv2d(residual, kernel.view(1, 1, -1, 1), padding=(reach, 0))
        residual = F.conv2d(residual, kernel.view(1, 1, 1, -1), padding=(0, reach))
    return residual.squeeze(1)


def anomaly_score(error_maps: Tensor, images: Tensor, config: ScoreConfig) -> Tensor:
    """Mean square of each error map, divided by the image's ink; higher is stranger.

    error_maps: (N, 28, 28); images: (N, 1, 28, 28). Returns (N,), at least 0.
    """
    energy = error_maps.square().mean(dim=(1, 2))
    if config.ink_exponent == 0:
        return energy
    ink = images.square().mean(dim=(1, 2, 3)).clamp_min(1e-4)
    return energy / ink**config.ink_exponent
