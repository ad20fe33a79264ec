"""What every image goes through before a network sees it: MNIST's frame, and straightening.

Training images, test images and drawings share these functions, so a drawing is judged
as the digit it shows and not by where on the canvas it stands.
"""

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

SIDE = 28
"""Height and width of an image in pixels."""

BOX = 20
"""MNIST scales a digit's longer side to this many pixels before centring it (LeCun et al. 1998)."""

Preprocessing = Literal["none", "deskew"]


def frame(ink: NDArray[np.floating]) -> NDArray[np.float32]:
    """Put a picture of one digit into MNIST's frame.

    Crops to the ink, scales the longer side to 20 pixels with antialiasing, and centres
    by mass in 28x28, as MNIST was made (LeCun et al. 1998).

    ink: (height, width) in [0, 1], 0 where there is none. Returns (28, 28) in [0, 1],
    all zeros when there is no ink.
    """
    rows, columns = np.nonzero(ink.max(axis=1))[0], np.nonzero(ink.max(axis=0))[0]
    framed = np.zeros((SIDE, SIDE), dtype=np.float32)
    if rows.size == 0:
        return framed
    cropped = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)
    scale = BOX / max(cropped.shape)
    height, width = (max(1, round(length * scale)) for length in cropped.shape)
    resized = np.asarray(
        Image.fromarray(cropped).resize((width, height), Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC)
    ).clip(0.0, 1.0)
    mass = resized.sum()
    centre_y = (resized.sum(axis=1) * np.arange(height)).sum() / mass
    centre_x = (resized.sum(axis=0) * np.arange(width)).sum() / mass
    # The centre of mass goes to the middle pixel; the box is kept inside the frame.
    top = int(np.clip(round(SIDE / 2 - centre_y), 0, SIDE - height))
    left = int(np.clip(round(SIDE / 2 - centre_x), 0, SIDE - width))
    framed[top : top + height, left : left + width] = resized
    return framed


def deskew(images: Tensor) -> Tensor:
    """Straighten digits: shear each until its second-moment skew vanishes, its mass in the middle.

    A network that never sees slant need not spend units on it. The shear is the regression of
    x on y over the ink, mu_11 / mu_02 of the image moments (Hu 1962).

    images: (N, 1, 28, 28) in [0, 1]. Returns the same shape and range; blank images stay blank.
    """
    position = torch.arange(SIDE, dtype=images.dtype, device=images.device)
    mass = images.sum(dim=(1, 2, 3)).clamp_min(1e-6)  # (N,)
    by_row, by_column = images.sum(dim=3).squeeze(1), images.sum(dim=2).squeeze(1)  # (N, 28)
    centre_y = (by_row @ position) / mass
    centre_x = (by_column @ position) / mass
    away_y = position[None, :] - centre_y[:, None]  # (N, 28)
    away_x = position[None, :] - centre_x[:, None]
    covariance = torch.einsum("nyx,ny,nx->n", images.squeeze(1), away_y, away_x) / mass
    variance_y = (by_row * away_y.square()).sum(dim=1) / mass
    # A flat stroke has no height to lean along.
    shear = torch.where(variance_y > 0.5, covariance / variance_y.clamp_min(0.5), torch.zeros_like(covariance))
    shear = shear.clamp(-1.0, 1.0)
    middle = (SIDE - 1) / 2
    # grid_sample asks where each output pixel comes from, in [-1, 1].
    matrix = torch.zeros(len(images), 2, 3, dtype=images.dtype, device=images.device)
    matrix[:, 0, 0] = 1.0
    matrix[:, 0, 1] = shear
    matrix[:, 0, 2] = (centre_x - middle) / (SIDE / 2)
    matrix[:, 1, 1] = 1.0
    matrix[:, 1, 2] = (centre_y - middle) / (SIDE / 2)
    grid = F.affine_grid(matrix, [len(images), 1, SIDE, SIDE], align_corners=False)
    straightened = F.grid_sample(images, grid, mode="bilinear", align_corners=False)
    blank = images.amax(dim=(1, 2, 3), keepdim=True) == 0
    return torch.where(blank, images, straightened).clamp(0.0, 1.0)


def preprocess(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Images (N, 1, 28, 28) as the network sees them, same shape and range."""
    return deskew(images) if preprocessing == "deskew" and len(images) else images
