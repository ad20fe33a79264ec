"""The same images, changed as pens, cameras and hands change them, to see what a detector then still tells apart."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from core.preprocessing import blur

Shift = Callable[[Tensor], Tensor]
"""Images (N, 1, 28, 28) in [0, 1] to changed ones of the same shape and range."""


def thinner(images: Tensor) -> Tensor:
    """Strokes one pixel thinner: the least of each 2x2 pixels."""
    return -F.max_pool2d(F.pad(-images, (0, 1, 0, 1)), 2, 1)


def thicker(images: Tensor) -> Tensor:
    """Strokes one pixel thicker: the most of each 2x2 pixels."""
    return F.max_pool2d(F.pad(images, (1, 0, 1, 0)), 2, 1)


def noisy(deviation: float) -> Shift:
    """Gaussian noise of this standard deviation, the same at every call."""

    def shift(images: Tensor) -> Tensor:
        noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
        return (images + deviation * noise).clamp(0.0, 1.0)

    return shift


def moved_and_turned(degrees: float = 0.0, scale: float = 1.0, right: float = 0.0, down: float = 0.0) -> Shift:
    """Turned clockwise about the middle, enlarged, then moved by pixels."""

    def shift(images: Tensor) -> Tensor:
        angle = torch.deg2rad(torch.tensor(degrees, dtype=torch.float32))
        cosine, sine = angle.cos() / scale, angle.sin() / scale
        turn = torch.stack([torch.stack([cosine, sine]), torch.stack([-sine, cosine])])  # output to input
        offset = turn @ torch.tensor([right, down], dtype=torch.float32) / (images.shape[-1] / 2)
        matrix = torch.cat([turn, -offset[:, None]], dim=1).expand(len(images), 2, 3)
        grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
        return F.grid_sample(images, grid, mode="bilinear", align_corners=False).clamp(0.0, 1.0)

    return shift


SHIFTS: dict[str, Shift] = {
    "unchanged": lambda images: images,
    "thin": thinner,
    "thick": thicker,
    "half ink": lambda images: images * 0.5,
    "background +0.2": lambda images: (images + 0.2).clamp(0.0, 1.0),
    "noise 0.1": noisy(0.1),
    "noise 0.25": noisy(0.25),
    "turned 15": moved_and_turned(15),
    "turned -15": moved_and_turned(-15),
    "turned 30": moved_and_turned(30),
    "turned -30": moved_and_turned(-30),
    "moved": moved_and_turned(right=3, down=-2),
    "scaled 0.8": moved_and_turned(scale=0.8),
    "scaled 1.15": moved_and_turned(scale=1.15),
    "blurred": lambda images: blur(images, 1.0),
}
