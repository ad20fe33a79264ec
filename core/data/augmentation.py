"""Copies of images as the same hand might have drawn them: for training images only, when there are few of them."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

ENOUGH = 1000
"""Images to train on: a set with fewer is filled up with copies."""

MAX_TURN = 12.0
"""Degrees."""

MAX_SLANT = 0.15
"""Pixels to the side for each pixel up."""

MAX_STRETCH = 0.15
"""Share of the size."""

MAX_MOVE = 1.5
"""Pixels, of the whole."""

MAX_BEND = 2.0
"""Pixels, of single parts."""

MAX_WIDENING = 0.7
"""Of the way from a stroke to one that is two pixels wider, or to its erosion."""

PER_BLOCK = 512
"""Copies that are made at a time: intermediate tensors take ten times the memory."""


def copies_per_image(count: int) -> int:
    """How many copies are made of each of so many images: one at least, and as many as make them ENOUGH."""
    return max(1, math.ceil(ENOUGH / max(count, 1)) - 1)


def augment(images: Tensor, copies: int, seed: int) -> Tensor:
    """Images (N, 1, 28, 28) in [0, 1], and after them so many copies of all: (N * (1 + copies), 1, 28, 28).

    Each copy is turned, slanted, stretched, moved and bent a little, and its strokes are thinner or thicker; the same seed
    gives the same copies (Simard et al. 2003).
    """
    random = torch.Generator().manual_seed(seed)
    wanted = images.repeat(copies, 1, 1, 1)
    return torch.cat([images, *(_augment_once(block, random) for block in torch.split(wanted, PER_BLOCK))])


def _augment_once(images: Tensor, random: torch.Generator) -> Tensor:
    count, side = len(images), images.shape[-1]

    def between(largest: float, *shape: int) -> Tensor:
        return largest * (2 * torch.rand(count, *shape, generator=random) - 1)

    turn, slant = torch.deg2rad(between(MAX_TURN)), between(MAX_SLANT)
    across, along = 1 + between(MAX_STRETCH), 1 + between(MAX_STRETCH)
    cosine, sine = turn.cos(), turn.sin()
    move = between(MAX_MOVE, 2) / (side / 2)
    matrix = torch.stack(
        [
            torch.stack([across * cosine, across * (cosine * slant - sine), move[:, 0]], dim=1),
            torch.stack([along * sine, along * (sine * slant + cosine), move[:, 1]], dim=1),
        ],
        dim=1,
    )  # (N, 2, 3)
    grid = F.affine_grid(matrix, [count, 1, side, side], align_corners=False)
    bend = between(MAX_BEND, 2, 4, 4) / (side / 2)
    grid = grid + F.interpolate(bend, side, mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    moved = F.grid_sample(images, grid, mode="bilinear", align_corners=False)
    thicker, thinner = F.max_pool2d(moved, 3, 1, 1), -F.max_pool2d(-moved, 3, 1, 1)
    widening = between(MAX_WIDENING).view(-1, 1, 1, 1)
    # Erosion, but never below half the ink: thin strokes would tear.
    towards = torch.where(widening > 0, thicker, torch.maximum(thinner, 0.5 * moved))
    return torch.lerp(moved, towards, widening.abs()).clamp(0.0, 1.0)
