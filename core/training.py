"""Training as steps that somebody else pulls: a page, a worker thread, a test or a plain for loop."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.lr_scheduler import OneCycleLR

from core.errors import N_, UserError, require_range
from core.model import Autoencoder
from core.scoring import require_same_shape
from core.settings import require_valid

VALIDATED_AT_ONCE = 2048
"""Validation images whose loss is computed at a time; all nine classes' together would take hundreds of megabytes."""


class DivergedError(UserError, ArithmeticError):
    """The loss became infinite or NaN; the message names the learning rate."""


@dataclass(frozen=True)
class TrainConfig:
    """How a network is trained. The defaults are the course's.

    schedule: the learning rate stays constant, or rises and falls once over the whole training
        (one-cycle, Smith 2018), which learns as much in fewer epochs.
    noise: standard deviation of Gaussian noise added to the input, but not to the target
        (denoising autoencoder, Vincent et al. 2008).
    broadcasting: make the course's mistake and compare every image with every reconstruction of the
        batch; the best that a network can then do is draw the mean image.
    vary: train on augmented copies of the images too (core/data/augmentation.py); who makes a Trainer hands them on.
    """

    epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 1e-3
    schedule: Literal["constant", "one-cycle"] = "constant"
    noise: float = 0.0
    seed: int = 1337
    broadcasting: bool = False
    vary: bool = False

    def __post_init__(self) -> None:
        """Raises SettingError."""
        require_valid(self, "training")
        if self.broadcasting:  # comparing every image with every other takes the square of the batch in memory
            require_range(UserError(N_("Batch size")), self.batch_size, int, 1, 128)


def mean_squared_error(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Scalar mean of squared differences; raises ShapeMismatchError instead of broadcasting."""
    require_same_shape(images, reconstructions)
    return F.mse_loss(reconstructions, images)


def broadcasting_error(images: Tensor, reconstructions: Tensor) -> Tensor:
    """What the course's code computes instead: (N, 28, 28) against (N, 1, 28, 28), which torch makes (N, N, 28, 28)."""
    return (reconstructions.squeeze(1) - images).square().mean()


@dataclass(frozen=True)
class EpochLosses:
    """Mean training loss over an epoch's batches, and the validation loss at its end."""

    train: float
    validation: float


@dataclass(frozen=True)
class Step:
    """What one batch did; epoch and batch count from 1, epoch_losses only at an epoch's end."""

    epoch: int
    batch: int
    batches: int
    images: int
    loss: float
    epoch_losses: EpochLosses | None = None


class Trainer:
    """Trains a network one batch at a time; can be left and taken up again at any step.

    train, validation: (N, 1, 28, 28), as the network shall see them. The validation images are
    only ever looked at. Same seed on a CPU, same losses to the last bit, whatever the pauses, and
    also where another process goes on with the network and the state().
    """

    def __init__(self, model: Autoencoder, train: Tensor, validation: Tensor, config: TrainConfig) -> None:
        self.config = config
        device = next(model.parameters()).device
        self.model = model.train()
        self._train = train.to(device)
        self._validation = validation.to(device)
        self._random = torch.Generator().manual_seed(config.seed)
        self._optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)
        self._loss = broadcasting_error if config.broadcasting else mean_squared_error
        self.batches = math.ceil(len(train) / config.batch_size)
        self._schedule = (
            OneCycleLR(self._optimizer, config.learning_rate, total_steps=config.epochs * self.batches, pct_start=0.15)
            if config.schedule == "one-cycle"
            else None
        )
        self.epoch = 1
        self.batch = 0
        self._order = torch.arange(len(train))
        self._loss_sum = 0.0

    @property
    def learning_rate(self) -> float:
        """That of the next batch, which may be changed between two; not beside a schedule, which changes it by itself."""
        return float(self._optimizer.param_groups[0]["lr"])

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        """Raises SettingError."""
        replace(self.config, learning_rate=rate)
        if self._schedule is None:
            self._optimizer.param_groups[0]["lr"] = rate

    @property
    def done(self) -> bool:
        return self.epoch > self.config.epochs

    @property
    def trained(self) -> int:
        """How many batches are trained."""
        return (self.epoch - 1) * self.batches + self.batch

    def state(self) -> dict[str, Tensor]:
        """Where the training stands: all that goes on from here, but for the network's weights; copies, on the CPU."""
        group = self._optimizer.param_groups[0]
        state = {
            "place": torch.tensor([self.epoch, self.batch]),
            "loss_sum": torch.tensor(self._loss_sum, dtype=torch.float64),
            "rates": torch.tensor([group["lr"], *group["betas"]], dtype=torch.float64),
            "order": self._order.clone(),
            "random": self._random.get_state(),
        }
        for number, moments in self._optimizer.state_dict()["state"].items():
            state |= {f"adam.{number}.{name}": value.detach().cpu().clone() for name, value in moments.items()}
        return state

    def restore(self, state: dict[str, Tensor]) -> "Trainer":
        """Go on where state() was taken, with a network that has the weights of that moment; returns self."""
        self.epoch, self.batch = state["place"].tolist()
        self._loss_sum = state["loss_sum"].item()
        self._order = state["order"].clone()
        self._random.set_state(state["random"])
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in state.items():
            if key.startswith("adam."):
                _, number, name = key.split(".")
                moments.setdefault(int(number), {})[name] = value.clone()
        self._optimizer.load_state_dict(self._optimizer.state_dict() | {"state": moments})
        group = self._optimizer.param_groups[0]
        group["lr"], *betas = state["rates"].tolist()
        group["betas"] = tuple(betas)
        if self._schedule:
            self._schedule.last_epoch = self.trained
        return self

    def __iter__(self) -> Iterator[Step]:
        while not self.done:
            yield self.step()

    def step(self) -> Step:
        """Train on the next batch. Raises DivergedError, and RuntimeError when all epochs are trained."""
        if self.done:
            raise RuntimeError("All epochs are trained.")
        if self.batch == 0:
            self._order = torch.randperm(len(self._train), generator=self._random)
            self._loss_sum = 0.0
        start = self.batch * self.config.batch_size
        images = self._train[self._order[start : start + self.config.batch_size].to(self._train.device)]
        loss = self._update(images)
        self._loss_sum += loss * len(images)
        self.batch += 1
        step = Step(self.epoch, self.batch, self.batches, len(images), loss)
        if self.batch < self.batches:
            return step
        losses = EpochLosses(self._loss_sum / len(self._train), self._finite(self.validation_loss()))
        self.epoch, self.batch = self.epoch + 1, 0
        return Step(step.epoch, step.batch, step.batches, step.images, step.loss, losses)

    def _update(self, images: Tensor) -> float:
        seen = images
        if self.config.noise > 0:
            noise = torch.randn(images.shape, generator=self._random).to(images.device)
            seen = (images + self.config.noise * noise).clamp(0.0, 1.0)
        loss = self._loss(images, self.model(seen))
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._optimizer.zero_grad()  # gradients weigh as much as the weights; a training at rest holds none
        if self._schedule:
            self._schedule.step()
        return self._finite(loss.item())

    def _finite(self, value: float) -> float:
        if not math.isfinite(value):
            raise DivergedError(
                "The loss became {value}: training diverged at learning rate {rate:g}. Try a smaller learning rate.",
                value=value,
                rate=self.learning_rate if self._schedule is None else self.config.learning_rate,
            )
        return value

    @torch.inference_mode()
    def validation_loss(self) -> float:
        """Loss on the validation images with the weights as they stand."""
        self.model.eval()
        # As many at once as one class has, but for the mistake, whose comparisons grow with the square of the batch.
        size = self.config.batch_size if self.config.broadcasting else VALIDATED_AT_ONCE
        losses = [self._loss(images, self.model(images)).item() * len(images) for images in torch.split(self._validation, size)]
        self.model.train()
        return sum(losses) / max(len(self._validation), 1)
