"""What every image of 28x28 goes through before a network sees it, in batches: deskewing, one stroke width, poses.

Training images, test images and drawings share these functions, so a drawing is judged as the digit
it shows, and not by how it leans, how thick the pen was or how faint the ink.
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from core.framing import FAINT, SIDE, STROKE_WIDTH

Preprocessing = Literal["none", "deskew", "standard-stroke"]
"""How much of it: nothing, deskewing, or that and one stroke width. Poses are a detector's own setting."""


def preprocess_steps(images: Tensor, preprocessing: Preprocessing) -> list[tuple[str, Tensor]]:
    """What preprocessing makes of images (N, 1, 28, 28), step by step, the last being what the network sees.

    Each step is one of the names "deskewed" and "one stroke width" and images of the same shape, in
    [0, 1]; "none" has no steps. Blank images stay blank.
    """
    if preprocessing == "none" or len(images) == 0:
        return []
    if preprocessing == "deskew":
        return [("deskewed", deskew(images))]
    # Enlarged images are large: as many at a time as a processor's cache holds.
    parts = [_standard_stroke(part) for part in torch.split(images, 256)]
    upright, standard = (torch.cat(part) for part in zip(*parts, strict=True))
    return [("deskewed", upright), ("one stroke width", standard)]


def preprocess(images: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Images (N, 1, 28, 28) as the network sees them, same shape and range."""
    steps = preprocess_steps(images, preprocessing)
    return steps[-1][1] if steps else images


def deskew(images: Tensor) -> Tensor:
    """Straighten digits: shear each until its second-moment skew vanishes, its mass in the middle.

    A network that never sees slant need not spend units on it. The shear is the regression of
    x on y over the ink, mu_11 / mu_02 of the image moments (Hu 1962).

    images: (N, 1, 28, 28) in [0, 1]. Returns the same shape and range; blank images stay blank.
    """
    deskewed = _deskewed(images, images, SIDE)
    blank = images.amax(dim=(1, 2, 3), keepdim=True) == 0
    return torch.where(blank, images, deskewed).clamp(0.0, 1.0)


POSE_DEGREES = 8
"""Degrees between one pose of an image and the next."""


def pose_angles(turns: int) -> list[int]:
    """Degrees of each pose: 0, then POSE_DEGREES either way, twice that, and so on, turns times."""
    return [0, *(sign * POSE_DEGREES * number for number in range(1, turns + 1) for sign in (-1, 1))]


def poses(images: Tensor, turns: int) -> Tensor:
    """Images (N, 1, 28, 28) in each pose, one after the other, (P * N, 1, 28, 28): turned clockwise, then deskewed again.

    The first pose is the images as they are. Deskewing leaves a turned digit's level strokes tilted;
    in one of its poses they are level.
    """
    if len(images) == 0 or turns == 0:
        return images
    return torch.cat([images, _deskewed(images, images, SIDE, angles=pose_angles(turns)[1:]).clamp(0.0, 1.0)])


def follow(masks: Tensor, images: Tensor, preprocessing: Preprocessing, turns: int) -> Tensor:
    """Masks (N, 1, 28, 28) of raw images (N, 1, 28, 28) in the poses that these get, (P * N, 1, 28, 28), 0 or 1."""
    if preprocessing == "deskew":
        masks = _deskewed(masks, images, SIDE)
    elif preprocessing == "standard-stroke":
        is_ink = _soft_step(_even_contrast(images), FAINT)
        masks = F.avg_pool2d(_deskewed(masks, is_ink, ENLARGEMENT * SIDE, to_usual_size=True), ENLARGEMENT)
    upright = preprocess(images, preprocessing)
    if turns:
        masks = torch.cat([masks, _deskewed(masks, upright, SIDE, angles=pose_angles(turns)[1:])])
    return (masks > 0.5).float()


USUAL_SPREAD = 5.5
"""Pixels: root mean square distance of the ink from its middle, about that of MNIST's digits."""


def _deskewed(images: Tensor, ink: Tensor, side: int, to_usual_size: bool = False, angles: Sequence[float] = (0.0,)) -> Tensor:
    """Images (N, C, 28, 28) sheared and centred as deskew says, by the moments of ink (N, 1, 28, 28), in side x side pixels.

    angles: turned clockwise by so many degrees first, in the same sampling; returns all images at the first angle, at the
    next, (A * N, C, side, side).
    to_usual_size: also go half of the way (of a ratio) to USUAL_SPREAD. All of it would hide that a
    1 is narrow and a 0 is wide; none of it makes another person's smaller digit an anomaly.
    """
    position = torch.arange(SIDE, dtype=ink.dtype, device=ink.device)
    mass = ink.sum(dim=(1, 2, 3)).clamp_min(1e-6)  # (N,)
    by_row, by_column = ink.sum(dim=3).squeeze(1), ink.sum(dim=2).squeeze(1)  # (N, 28)
    centre_y = (by_row @ position) / mass
    centre_x = (by_column @ position) / mass
    away_y = position[None, :] - centre_y[:, None]  # (N, 28)
    away_x = position[None, :] - centre_x[:, None]
    covariance = torch.einsum("nyx,ny,nx->n", ink.squeeze(1), away_y, away_x) / mass
    variance_x = (by_column * away_x.square()).sum(dim=1) / mass
    variance_y = (by_row * away_y.square()).sum(dim=1) / mass
    turn = torch.tensor(angles, dtype=ink.dtype, device=ink.device).deg2rad()[:, None]  # (A, 1)
    cosine, sine = turn.cos(), turn.sin()
    if any(angles):  # the moments of the turned ink, (A, N)
        covariance, variance_x, variance_y = (
            (cosine**2 - sine**2) * covariance + cosine * sine * (variance_x - variance_y),
            cosine**2 * variance_x - 2 * cosine * sine * covariance + sine**2 * variance_y,
            sine**2 * variance_x + 2 * cosine * sine * covariance + cosine**2 * variance_y,
        )
    # A flat stroke has no height to lean along.
    shear = torch.where(variance_y > 0.5, covariance / variance_y.clamp_min(0.5), torch.zeros_like(covariance))
    shear = shear.clamp(-1.0, 1.0)
    scale = torch.ones_like(shear)  # pixels of the image in one pixel of the result
    if to_usual_size:
        # What is left of the width when the slant is gone.
        variance_x = variance_x - covariance.square() / variance_y.clamp_min(0.5)
        spread = (variance_y + variance_x.clamp_min(0.0)).sqrt()
        scale = (spread / USUAL_SPREAD).sqrt().clamp(0.6, 1.6)
    middle = (SIDE - 1) / 2
    # grid_sample asks where each output pixel comes from, in [-1, 1].
    matrix = torch.zeros(len(angles), len(images), 2, 3, dtype=images.dtype, device=images.device)
    matrix[..., 0, 0] = scale * cosine
    matrix[..., 0, 1] = scale * (cosine * shear + sine)
    matrix[..., 1, 0] = scale * -sine
    matrix[..., 0, 2] = (centre_x - middle) / (SIDE / 2)
    matrix[..., 1, 1] = scale * (cosine - sine * shear)
    matrix[..., 1, 2] = (centre_y - middle) / (SIDE / 2)
    grid = F.affine_grid(matrix.flatten(0, 1), [matrix[..., 0, 0].numel(), images.shape[1], side, side], align_corners=False)
    return F.grid_sample(images.repeat(len(angles), 1, 1, 1), grid, mode="bilinear", align_corners=False)


ENLARGEMENT = 2
"""Times the resolution at which strokes are measured and cut."""


def _standard_stroke(images: Tensor) -> tuple[Tensor, Tensor]:
    """Images (N, 1, 28, 28) deskewed, and then also with strokes STROKE_WIDTH wide: two of the same shape.

    At ENLARGEMENT times the resolution an image is cut at the level whose area is STROKE_WIDTH times the length of
    its strokes, half their outline. For thin strokes that level is in their blurred flanks; for thick
    ones it is in what erosion adds: the deeper inside a stroke, the higher, whatever its neighbours.
    """
    even = _even_contrast(images)
    is_ink = _soft_step(even, FAINT)
    once = _eroded(even, corners=False)
    depth = even + 0.5 * (once + _eroded(once, corners=True))  # in [0, 2]
    stacked = torch.cat([depth, is_ink, even], dim=1)
    enlarged = _deskewed(stacked, is_ink, ENLARGEMENT * SIDE, to_usual_size=True)  # (N, 3, 56, 56)
    depth, is_ink, upright = enlarged[:, :1], enlarged[:, 1:2], enlarged[:, 2:]
    length = _outline(is_ink) / 2
    wanted_area = STROKE_WIDTH * ENLARGEMENT * length  # (N,)
    level = level_for_area(depth, wanted_area).clamp_min(EDGE / 2)  # the background is 0 and stays 0
    standard = ((depth - level.view(-1, 1, 1, 1)) / EDGE + 0.5).clamp(0.0, 1.0)
    return F.avg_pool2d(upright, ENLARGEMENT).clamp(0.0, 1.0), F.avg_pool2d(standard, ENLARGEMENT)


EDGE = 0.3
"""Levels from no ink to full ink: strokes keep soft edges."""

HIGHEST_LEVEL, LEVELS = 2, 512
"""Of the depth at which strokes are cut, and among how many it is chosen: a power of two, as core/onnx_export.py halves it."""


def level_for_area(images: Tensor, area: Tensor) -> Tensor:
    """The level (N,) above which each of the images (N, 1, H, W), in [0, HIGHEST_LEVEL], has about `area` (N,) pixels.

    It is the middle of two of LEVELS: above the lower one there are more, above the upper one there are not (p-tile
    thresholding, Doyle 1962).
    """
    places = (images.flatten(1) * (LEVELS / HIGHEST_LEVEL)).ceil().nan_to_num(0.0).clamp(0, LEVELS).long()
    counts = images.new_zeros(len(images), LEVELS + 1).scatter_add_(1, places, images.new_ones(()).expand(places.shape))
    above = places.shape[1] - counts.cumsum(dim=1)  # pixels above each level
    upper = (above > area[:, None]).sum(dim=1).clamp_min(1)
    return (upper - 0.5) * (HIGHEST_LEVEL / LEVELS)


NOISE = 0.12
"""Share of the strongest ink below which an image holds noise only."""


def _even_contrast(images: Tensor) -> Tensor:
    """Images (N, 1, 28, 28) with the background at 0 and every stroke near 1, however faint a part of it is."""
    blurred = blur(images, 0.6)
    above = blurred - _median(blurred)
    peak = _peak(above)
    darkness = above.clamp_min(0.0) / peak
    ink = ((darkness - NOISE) / (1 - NOISE)).clamp_min(0.0)
    is_ink = _soft_step(ink, FAINT)
    width = (is_ink.sum(dim=(1, 2, 3)) / (_outline(is_ink) / 2).clamp_min(1.0)).view(-1, 1, 1, 1)
    # The faintest parts of a hairline are no stronger than noise, and are kept where the paper is clean.
    noise = (4 * _median(above.abs() / peak)).clamp_max(NOISE)
    faint = torch.lerp(ink, ((darkness - noise) / (1 - noise)).clamp_min(0.0), ((HAIRLINE - width) / 0.05).clamp(0.0, 1.0))
    # Strokes of one pixel have gaps; blurred more, they close. Wider ones would lose their loops.
    ink = torch.lerp(ink, _to_peak(blur(faint, 0.7)), ((THIN - width) / 0.4).clamp(0.0, 1.0))
    # The strongest ink around each pixel, in windows of 8 x 8 pixels.
    around = F.interpolate(F.max_pool2d(ink, 8, 4, 2), size=SIDE, mode="bilinear", align_corners=False)
    return (ink / around.clamp_min(FAINT)).clamp(0.0, 1.0)


THIN = 1.9
"""Pixels: nine of ten strokes of MNIST are wider."""

HAIRLINE = 1.32
"""Pixels: no image of MNIST's training file has strokes as thin."""


INK_LEVELS = (0.2, 0.4, 0.6, 0.8)
"""Ink from which on a pixel is a wall: a loop that is closed by faint ink alone counts in part."""


def enclosed_side(images: Tensor) -> Tensor:
    """Side in pixels (N,) of a square as large as what the ink of preprocessed images (N, 1, H, W) encloses.

    Background is enclosed where no path over the four neighbours leads out of the image; its area is the mean over
    INK_LEVELS. It stays the same however a digit is turned: a 5 encloses nothing, a 6 does.
    """
    # A margin of paper: what reaches the border is connected to the first pixel.
    ink = np.pad(images.squeeze(1).cpu().numpy(), ((0, 0), (1, 1), (1, 1)))
    area = np.zeros(len(ink), dtype=np.float32)
    for level in INK_LEVELS:
        # All images at once: regions do not reach from one image to the next.
        regions, _ = ndimage.label(ink <= level, structure=WITHIN_IMAGES)
        area += ((regions > 0) & (regions != regions[:, :1, :1])).sum(axis=(1, 2))
    return torch.from_numpy(np.sqrt(area / len(INK_LEVELS))).to(images.device)


WITHIN_IMAGES = np.zeros((3, 3, 3), dtype=bool)
WITHIN_IMAGES[1] = ndimage.generate_binary_structure(2, 1)


def _to_peak(images: Tensor) -> Tensor:
    """Images (N, 1, 28, 28) with the highest value at 1 and nothing below 0; blank ones stay blank."""
    return images.clamp_min(0.0) / _peak(images)


def _peak(images: Tensor) -> Tensor:
    """The highest value (N, 1, 1, 1) of images (N, 1, H, W)."""
    # A blurred 1/255 is less than a faint pixel and more than rounding.
    return images.amax(dim=(1, 2, 3), keepdim=True).clamp_min(1e-4)


def _median(images: Tensor) -> Tensor:
    """The lower median (N, 1, 1, 1) of images (N, 1, H, W)."""
    return images.flatten(1).median(dim=1).values.view(-1, 1, 1, 1)


def _soft_step(images: Tensor, level: float) -> Tensor:
    """0 well below the level, 1 well above, with an edge that has a slope to measure."""
    return ((images - level) / 0.25 + 0.5).clamp(0.0, 1.0)


def _outline(is_ink: Tensor) -> Tensor:
    """Length (N,) in pixels of the outlines in images (N, 1, H, W): their total variation (coarea formula)."""
    down = is_ink[:, :, 1:, :-1] - is_ink[:, :, :-1, :-1]
    right = is_ink[:, :, :-1, 1:] - is_ink[:, :, :-1, :-1]
    return (down.square() + right.square()).sqrt().sum(dim=(1, 2, 3))


def _eroded(images: Tensor, corners: bool) -> Tensor:
    """The lowest value of each pixel and its four neighbours, or all eight."""
    if corners:
        return -F.max_pool2d(-images, 3, 1, 1)
    return -torch.maximum(F.max_pool2d(-images, (3, 1), 1, (1, 0)), F.max_pool2d(-images, (1, 3), 1, (0, 1)))


def blur(images: Tensor, sigma: float) -> Tensor:
    """Images (N, 1, H, W) blurred by a Gaussian of sigma pixels, with nothing beyond the border."""
    reach = max(1, math.ceil(3 * sigma))
    offsets = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    kernel = torch.exp(-offsets.square() / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    images = F.conv2d(images, kernel.view(1, 1, -1, 1), padding=(reach, 0))
    return F.conv2d(images, kernel.view(1, 1, 1, -1), padding=(0, reach))
