"""The latent space: where images lie in it, what the decoder draws there, and flat pictures of it."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from torch import Tensor

from core.detector import BATCH, AutoencoderDetector
from core.preprocessing import preprocess


@torch.inference_mode()
def encode(detector: AutoencoderDetector, images: Tensor) -> Tensor:
    """Latents (N, D) of raw images (N, 1, 28, 28)."""
    seen = preprocess(images.to(detector.device), detector.config.preprocessing)
    return torch.cat([detector.model.encoder(batch) for batch in torch.split(seen, BATCH)]).cpu()


@torch.inference_mode()
def decode(detector: AutoencoderDetector, latents: Tensor) -> Tensor:
    """What the decoder draws at latents (N, D): images (N, 1, 28, 28) in (0, 1).

    A bottleneck with ReLU never gives a negative number; there, one is taken for 0.
    """
    if detector.config.model.latent_activation == "relu":
        latents = latents.clamp_min(0.0)
    drawn = [detector.model.decoder(batch) for batch in torch.split(latents.to(detector.device), BATCH)]
    return torch.cat(drawn).cpu()


@dataclass(frozen=True)
class LatentProjection:
    """A point of the latent space and directions from it, by which places in the space get coordinates.

    origin: (D,); directions: (K, D), orthonormal; scale: (K,), the length of 1 along each direction;
    explained_variance_ratio: (K,), how much of the normal latents' variance lies along each.
    """

    origin: Tensor
    directions: Tensor
    scale: Tensor
    explained_variance_ratio: Tensor

    def transform(self, latents: Tensor) -> Tensor:
        """Latents (N, D) as coordinates (N, K)."""
        return (latents - self.origin) @ self.directions.T / self.scale

    def inverse_transform(self, coordinates: Tensor) -> Tensor:
        """The latents (N, D) at coordinates (N, K)."""
        return self.origin + coordinates * self.scale @ self.directions


def fit_projection(normal: Tensor, count: int = 6) -> LatentProjection:
    """The projection in which normal latents (N, D) spread widest, with at most so many directions.

    One or two units are directions themselves. Else these are the principal directions, from the
    mean, in standard deviations of the normal latents.
    """
    dimensions = normal.shape[1]
    if len(normal) == 1:  # which spreads nowhere; two of them have directions all the same
        normal = normal.repeat(2, 1)
    if dimensions <= 2:
        variances = normal.var(dim=0)
        shares = variances / variances.sum().clamp_min(1e-12)
        return LatentProjection(torch.zeros(dimensions), torch.eye(dimensions), torch.ones(dimensions), shares)
    with np.errstate(invalid="ignore"):  # where all are equal there is no variance to share
        pca = PCA(min(count, *normal.shape), random_state=0).fit(normal.numpy())
    mean, directions, variances, shares = (
        torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
        for values in (pca.mean_, pca.components_, pca.explained_variance_, pca.explained_variance_ratio_)
    )
    # A direction in which nothing ever changes gets a step all the same.
    return LatentProjection(mean, directions, variances.sqrt().clamp_min(1e-3), shares.nan_to_num())


def interpolate(start: Tensor, end: Tensor, count: int) -> Tensor:
    """Evenly spaced latents (count, D) from start (D,) to end (D,), both included."""
    return torch.lerp(start, end, torch.linspace(0.0, 1.0, count).unsqueeze(1))


def grid(low: tuple[float, float], high: tuple[float, float], columns: int, rows: int) -> Tensor:
    """Centres (rows * columns, 2) of the cells of a rectangle, row by row from the top, where y is highest."""
    x = low[0] + (torch.arange(columns) + 0.5) * (high[0] - low[0]) / columns
    y = high[1] - (torch.arange(rows) + 0.5) * (high[1] - low[1]) / rows
    return torch.stack([x.repeat(rows), y.repeat_interleave(columns)], dim=1)


NO_SPREAD = 1e-6
"""Latents that differ by less, of numbers up to 1 or of their size, are equal as far as single precision tells."""


def neighbour_map(latents: Tensor) -> Tensor:
    """A plane (N, 2) on which latents (N, D) keep their neighbours: t-SNE (van der Maaten and Hinton 2008), seeded.

    One or two have no neighbours to keep, and lie in one place; so do those that hardly differ, with which scikit-learn's code
    ends the process (it divides by their spread).
    """
    centred = latents - latents.mean(dim=0)
    spread = float(centred.abs().max()) if len(latents) else 0.0
    if len(latents) < 3 or not spread > NO_SPREAD * max(1.0, float(latents.abs().max())):
        return torch.zeros(len(latents), 2)
    # Neighbours are the same at any scale, and the squares of tiny numbers are 0.
    places = TSNE(perplexity=min(30.0, (len(latents) - 1) / 3), max_iter=500, random_state=0, n_jobs=1).fit_transform(
        (centred / spread).numpy()
    )
    return torch.from_numpy(places)


def sample(labels: Tensor, count: int) -> Tensor:
    """Indices of so many images, or of all where there are fewer, seeded, as many of each class where there are enough.

    The classes take turns, so that any first part of the sample is balanced too.
    """
    random = torch.Generator().manual_seed(0)
    order = torch.randperm(len(labels), generator=random)
    turn = torch.empty_like(order)  # how many images of its class came before
    for label in set(labels.tolist()):
        own = order[labels[order] == label]
        turn[own] = torch.arange(len(own))
    return order[turn[order].argsort(stable=True)][:count]
