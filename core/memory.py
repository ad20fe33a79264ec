"""Reconstruction from the nearest remembered images: only what was seen can then be redrawn (MemAE, Gong et al. 2019)."""

from collections.abc import Callable

import torch
from torch import Tensor


def squared_norms(memory: Tensor) -> Tensor:
    """Of remembered latents (..., M, L): (..., M)."""
    return memory.square().sum(dim=-1)


def reconstruct_from_memory(
    latents: Tensor,
    memory: Tensor,
    norms: Tensor,
    neighbours: int,
    decode: Callable[[Tensor], Tensor],
    skip_nearest: int = 0,
) -> Tensor:
    """Means (..., N, 1, 28, 28) of the reconstructions of those remembered images whose latents are nearest.

    latents: (..., N, L); memory: (..., M, L), M > 0; norms: (..., M), infinite where there is no image.
    decode: indices (..., N, K) of remembered images to their reconstructions (..., N, K, 1, 28, 28).
    skip_nearest: how many of the nearest do not count; one image always remains.
    """
    # Squared distance less the query's own square, which does not change the order.
    distances = norms.unsqueeze(-2) - 2 * latents @ memory.mT  # (..., N, M)
    remembered = memory.shape[-2]
    skip_nearest = min(skip_nearest, remembered - 1)
    count = min(neighbours + skip_nearest, remembered)
    nearest = distances.topk(count, largest=False).indices[..., skip_nearest:]  # (..., N, K)
    return decode(nearest).mean(dim=-4)


def decode_each_once(memory: Tensor, decoder: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """For one memory (M, L): indices (N, K) to reconstructions (N, K, 1, 28, 28); an image asked for twice is decoded once."""

    def decode(nearest: Tensor) -> Tensor:
        used, places = torch.unique(nearest, return_inverse=True)  # (U,), (N, K)
        return decoder(memory[used])[places]

    return decode
