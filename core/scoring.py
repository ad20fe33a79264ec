"""THE definition of error map and anomaly score; core/onnx_export.py writes the same as a graph, nothing else computes one.

The stages: of each of an image's poses the residual (image minus reconstruction), smoothed a little (`error_map`), the mean
of its power, divided by the image's ink (`map_score`); the least of the poses' scores, each increased for its turn
(`least_strange`); times a factor for loops that are unusual for the normal class (`loop_factor`). `anomaly_score` is the
whole. With no smoothing, a power of 2, an ink exponent and a loop weight of 0 and no turns it is the course's mean squared
error.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from core.preprocessing import blur, pose_angles
from core.settings import require_valid


class ShapeMismatchError(ValueError):
    """Image and reconstruction differ in shape; broadcasting would compare every image with every other."""


@dataclass(frozen=True)
class ScoreConfig:
    """How a residual becomes a score. The defaults are the course's mean squared error.

    smoothing: standard deviation in pixels of the Gaussian that blurs the residual; strokes that
        are off by a hair then cancel, strokes that are missing stay. 0 is none.
    power: each pixel's error counts with this power; above 2, few large errors weigh more than
        many small ones.
    ink_exponent: the score is divided by the image's mean ink to this power, since more ink has
        more to get wrong. 0 is none.
    loop_weight: the score grows by this share for each squared standard deviation by which what the
        ink encloses differs from the normal images'. 0 is none.
    """

    smoothing: float = 0.0
    power: float = 2.0
    ink_exponent: float = 0.0
    loop_weight: float = 0.0

    def __post_init__(self) -> None:
        """Raises SettingError."""
        require_valid(self, "score")


def require_same_shape(images: Tensor, reconstructions: Tensor) -> None:
    """Raises ShapeMismatchError where torch would silently broadcast."""
    if images.shape != reconstructions.shape:
        raise ShapeMismatchError(
            f"Images {tuple(images.shape)} and reconstructions {tuple(reconstructions.shape)} must have the same shape."
        )


def score_ratio(score: float, threshold: float) -> float:
    """A score as a multiple of the threshold, above 1 exactly where it is an anomaly; without end where the threshold is 0."""
    if threshold > 0:
        return score / threshold
    return math.inf if score > threshold else 1.0


def error_map(images: Tensor, reconstructions: Tensor, config: ScoreConfig) -> Tensor:
    """Signed, smoothed residual, (N, 1, 28, 28) twice in, (N, 28, 28) out, in [-1, 1].

    Positive: ink that the reconstruction lacks. Negative: ink that the network expected and the
    image lacks. Raises ShapeMismatchError.
    """
    require_same_shape(images, reconstructions)
    residual = images - reconstructions
    if config.smoothing > 1e-3:
        residual = blur(residual, config.smoothing)
    return residual.squeeze(1)


def map_score(error_maps: Tensor, images: Tensor, config: ScoreConfig) -> Tensor:
    """Mean power of each error map, divided by the image's ink; higher is stranger.

    error_maps: (N, 28, 28); images: (N, 1, 28, 28). Returns (N,), at least 0.
    """
    powers = error_maps.square() if config.power == 2 else error_maps.abs() ** config.power
    energy = powers.mean(dim=(1, 2))
    if config.ink_exponent == 0:
        return energy
    # An image with next to no ink is judged as if it had a dot's.
    ink = images.mean(dim=(1, 2, 3)).clamp_min(0.01)
    return energy / ink**config.ink_exponent


TOLERATED_TURN = 16
"""Degrees out of true that double the score."""


def least_strange(
    images: Tensor, reconstructions: Tensor, error_maps: Tensor, turns: int, config: ScoreConfig
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of each image's poses the one with the least score: its image, reconstruction, error map and score (N, ...).

    A pose's score grows with the square of its turn, or far turns would excuse what is no such digit.

    images, reconstructions (P * N, 1, 28, 28), error_maps (P * N, 28, 28): of core.preprocessing.poses.
    """
    scores = map_score(error_maps, images, config)
    if turns == 0:
        return images, reconstructions, error_maps, scores
    angles = torch.tensor(pose_angles(turns), dtype=scores.dtype, device=scores.device)
    by_pose = scores.view(len(angles), len(scores) // len(angles)) * (1 + (angles / TOLERATED_TURN).square())[:, None]  # (P, N)
    least, pose = by_pose.min(dim=0)
    places = pose * len(least) + torch.arange(len(least), device=pose.device)
    return images[places], reconstructions[places], error_maps[places], least


MIN_DEVIATION = 0.5
"""Pixels: a speck of paper between two strokes is no loop, however rare it is among the normal images."""


def usual_loops(sides: Tensor) -> Tensor:
    """Mean and standard deviation (2,) in pixels of core.preprocessing.enclosed_side (N,) of normal images."""
    return torch.stack([sides.mean(), sides.var(correction=0).add(MIN_DEVIATION**2).sqrt()])


def loop_factor(sides: Tensor, usual: Tensor, config: ScoreConfig) -> Tensor:
    """What the scores of images are multiplied by, (N,), at least 1.

    sides (N,): core.preprocessing.enclosed_side of the images; usual (2,): usual_loops of the normal ones.
    """
    return 1 + config.loop_weight * ((sides - usual[0]) / usual[1]).square()


def anomaly_score(
    images: Tensor, reconstructions: Tensor, error_maps: Tensor, factors: Tensor, turns: int, config: ScoreConfig
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The image, reconstruction and error map of the pose in which each image is judged, and its anomaly score (N, ...).

    images, reconstructions, error_maps: of all poses, as for least_strange. factors (N,): loop_factor of the images.
    """
    images, reconstructions, error_maps, scores = least_strange(images, reconstructions, error_maps, turns, config)
    return images, reconstructions, error_maps, scores * factors
