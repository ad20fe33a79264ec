"""Training in slow motion: the network before the first batch, and after the first few."""

from dataclasses import dataclass

import torch
from torch import Tensor

from core.detector import DetectorConfig
from core.model import Autoencoder, build
from core.training import Trainer

BATCHES_SEEN = (0, 1, 10, 100)
"""Batches after which the network is looked at."""


@dataclass(frozen=True)
class NetworkState:
    """The network after so many batches.

    images, reconstructions (N, 1, 28, 28); loss: on these images; weights (K, 28, 28): of some units of the first layer;
    moved: mean size of what all weights have changed by since the start.
    """

    batches: int
    images: Tensor
    reconstructions: Tensor
    loss: float
    weights: Tensor
    moved: float


def slow_motion(config: DetectorConfig, train: Tensor, images: Tensor, units: int = 4) -> tuple[NetworkState, ...]:
    """States of a training on images (M, 1, 28, 28), each before the same images (N, 1, 28, 28).

    Where an epoch has fewer batches than the last state needs, further epochs follow, until all of config are trained.
    """
    model = build(config.model, config.training.seed)
    start = [parameter.detach().clone() for parameter in model.parameters()]
    trainer = Trainer(model, train, train[:1], config.training)
    found = [_state_of(0, model, images, start, units)]
    for number in range(1, BATCHES_SEEN[-1] + 1):
        if trainer.done:
            break
        trainer.step()
        if number in BATCHES_SEEN:
            found.append(_state_of(number, model, images, start, units))
            model.train()
    return tuple(found)


@torch.inference_mode()
def _state_of(batches: int, model: Autoencoder, images: Tensor, start: list[Tensor], units: int) -> NetworkState:
    model.eval()
    reconstructions = model(images)
    parameters = [parameter.detach() for parameter in model.parameters()]
    moved = sum(float((now - before).abs().sum()) for now, before in zip(parameters, start, strict=True))
    weights = parameters[0].flatten(1)[:units].reshape(units, 28, 28).clone()
    return NetworkState(
        batches,
        images,
        reconstructions.clone(),
        float((images - reconstructions).square().mean()),
        weights,
        moved / sum(parameter.numel() for parameter in parameters),
    )
