"""The networks: an hourglass of dense layers, and a small convolutional one."""

import math
import threading
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from core.framing import SIDE
from core.settings import require_valid

PIXELS = SIDE * SIDE

# torch's layers initialise themselves from one global generator; two trainings must not share a draw.
_INITIALISATION = threading.Lock()


@dataclass(frozen=True)
class ModelConfig:
    """Everything that rebuilds a network. The defaults are the course's 784-512-256-128-256-512-784.

    initialisation: torch's own, or He (Kaiming), which keeps the size of signals from layer to layer (He et
        al. 2015) and learns much more in the same few epochs.
    """

    architecture: Literal["dense", "convolutional"] = "dense"
    hidden_sizes: tuple[int, ...] = (512, 256)
    latent_dim: int = 128
    latent_activation: Literal["relu", "none"] = "relu"
    initialisation: Literal["torch", "he"] = "torch"

    def __post_init__(self) -> None:
        """Raises SettingError for a network that is malformed or larger than this program builds."""
        # The convolutional network has no such layers, so that all its hidden sizes are one setting.
        object.__setattr__(self, "hidden_sizes", tuple(self.hidden_sizes) if self.architecture == "dense" else ())
        require_valid(self, "model")


class Autoencoder(nn.Module):
    """Encoder to latent_dim numbers, decoder back to pixels in (0, 1).

    Images (N, 1, 28, 28) go in and come out in the same shape: what the loss compares always matches.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        if config.architecture == "dense":
            self.encoder, self.decoder = _dense(config)
        else:
            self.encoder, self.decoder = _convolutional(config)
        if config.initialisation == "he":
            self.apply(_initialise_he)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, 28, 28) in, (N, 1, 28, 28) out."""
        reconstructions: Tensor = self.decoder(self.encoder(images))
        return reconstructions


def _initialise_he(module: nn.Module) -> None:
    if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
        assert module.bias is not None
        nn.init.zeros_(module.bias)


def _latent_activation(config: ModelConfig) -> list[nn.Module]:
    return [nn.ReLU()] if config.latent_activation == "relu" else []


def _dense(config: ModelConfig) -> tuple[nn.Sequential, nn.Sequential]:
    sizes = (PIXELS, *config.hidden_sizes, config.latent_dim)
    encoder: list[nn.Module] = [nn.Flatten()]  # (N, 784)
    for wide, narrow in pairwise(sizes):
        encoder += [nn.Linear(wide, narrow), nn.ReLU()]
    encoder = encoder[:-1] + _latent_activation(config)  # (N, latent_dim)
    decoder: list[nn.Module] = []
    for narrow, wide in pairwise(sizes[::-1]):
        decoder += [nn.Linear(narrow, wide), nn.ReLU()]
    decoder[-1] = nn.Sigmoid()
    decoder.append(nn.Unflatten(1, (1, SIDE, SIDE)))  # (N, 1, 28, 28)
    return nn.Sequential(*encoder), nn.Sequential(*decoder)


def _convolutional(config: ModelConfig) -> tuple[nn.Sequential, nn.Sequential]:
    channels, side = 32, SIDE // 4
    encoder = nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1),  # (N, 16, 14, 14)
        nn.ReLU(),
        nn.Conv2d(16, channels, 3, stride=2, padding=1),  # (N, 32, 7, 7)
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(channels * side * side, config.latent_dim),  # (N, latent_dim)
        *_latent_activation(config),
    )
    decoder = nn.Sequential(
        nn.Linear(config.latent_dim, channels * side * side),
        nn.ReLU(),
        nn.Unflatten(1, (channels, side, side)),  # (N, 32, 7, 7)
        nn.ConvTranspose2d(channels, 16, 4, stride=2, padding=1),  # (N, 16, 14, 14)
        nn.ReLU(),
        nn.ConvTranspose2d(16, 1, 4, stride=2, padding=1),  # (N, 1, 28, 28)
        nn.Sigmoid(),
    )
    return encoder, decoder


def build(config: ModelConfig, seed: int) -> Autoencoder:
    """A network with fresh weights; the same seed gives the same weights in every thread."""
    with _INITIALISATION, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Autoencoder(config)


def meta_model(config: ModelConfig) -> Autoencoder:
    """The network without its numbers (torch's meta device): shapes and names, whatever its size, at no cost."""
    with torch.device("meta"):
        return Autoencoder(config)


def parameter_count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def multiplications(config: ModelConfig) -> int:
    """How many numbers a network multiplies to redraw one image; a filter's weights count once for each place."""
    values, count = torch.empty(1, 1, SIDE, SIDE, device="meta"), 0
    model = meta_model(config)
    for module in (*model.encoder, *model.decoder):
        before, values = values, module(values)
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            slid_over = before if isinstance(module, nn.ConvTranspose2d) else values
            count += module.weight.numel() * math.prod(slid_over.shape[2:])
    return count


@torch.inference_mode()
def activation_bounds(model: Autoencoder, *latents: Tensor) -> tuple[float, float]:
    """Upper bounds on the size of any latent and of any activation before the sigmoid, for every image in [0, 1].

    latents: (1, latent_dim), none negative: further latents that the decoder may be given. By the triangle inequality the
    network with the absolute values of its weights, on an image of ones, bounds every unit.
    """
    positive = {name: value.detach().abs() for name, value in model.state_dict().items()}
    furthest = [0.0]

    def onwards(half: nn.Module, prefix: str, values: Tensor) -> Tensor:
        for name, module in half.named_children():
            if not isinstance(module, nn.Sigmoid):
                own = {key: positive[f"{prefix}.{name}.{key}"] for key, _ in module.named_parameters()}
                values = torch.func.functional_call(module, own, (values,))
                furthest.append(float(values.max().nan_to_num(nan=math.inf)))
        return values

    coded = [onwards(model.encoder, "encoder", torch.ones(1, 1, SIDE, SIDE)), *latents]
    for start in coded:
        onwards(model.decoder, "decoder", start)
    return max(float(start.max().nan_to_num(nan=math.inf)) for start in coded), max(furthest)


@dataclass(frozen=True)
class Layer:
    """One stage of the hourglass: the shape of what flows there, without the batch."""

    shape: tuple[int, ...]
    is_latent: bool

    @property
    def units(self) -> int:
        return math.prod(self.shape)


def layers(config: ModelConfig) -> list[Layer]:
    """The stages of the real network from image to reconstruction, seen by sending shapes through it."""
    model = meta_model(config)
    values = torch.empty(1, 1, SIDE, SIDE, device="meta")
    stages = [Layer((1, SIDE, SIDE), is_latent=False)]
    for half in (model.encoder, model.decoder):
        for module in half:
            values = module(values)
            if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
                stages.append(Layer(tuple(values.shape[1:]), is_latent=False))
        if half is model.encoder:
            stages[-1] = Layer(stages[-1].shape, is_latent=True)
    return stages
