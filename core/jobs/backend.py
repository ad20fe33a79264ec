"""Where the batches of a training are computed: in this process, or elsewhere by another TrainingBackend."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from core.checkpoint import Checkpoint
from core.data.split import OneClassSplit
from core.detector import AutoencoderDetector, DetectorConfig
from core.device import one_thread_at_a_time
from core.errors import UserError
from core.jobs.images import TrainingImages
from core.metrics import can_measure, measure
from core.training import Step, Trainer


class HaltedError(UserError):
    """The backend cannot go on for now: the job pauses with this sentence, and Resume tries again."""


class TrainingBackend(Protocol):
    """Where a job's batches are computed. One thread at a time calls; interrupt and weights may be called by any.

    It may be left after any batch, and others have their turn before the next. trained: batches that are
    trained; it goes back where work was lost. is_at_rest: nothing of the job is under way or held elsewhere.
    """

    @property
    def trained(self) -> int: ...

    @property
    def is_at_rest(self) -> bool: ...

    def begin(self) -> None:
        """Take what training needs, before anything else is asked; it may take seconds."""

    def step_many(self, single_step: bool) -> Sequence[Step]:
        """Train for a moment, on one batch if single_step; the batches that followed, none while they are waited for.

        Returns within a second or so, or when interrupted. Raises HaltedError, DivergedError.
        """

    def close(self) -> None:
        """Let go of what only training needs; the job is over."""

    def set_learning_rate(self, rate: float) -> None:
        """For all batches that follow; only at rest."""

    def interrupt(self) -> None:
        """Somebody gave the job a command: wait no longer."""

    def suspend(self) -> None:
        """Come to rest."""

    def weights(self) -> dict[str, Tensor]:
        """The network's weights as they stand; nothing changes them afterwards."""

    def finish(self) -> Checkpoint:
        """End the training: the detector, calibrated and measured, without its losses."""


class LocalBackend:
    """This process, one batch at a time, in the thread that asks."""

    is_at_rest = True

    def __init__(self, config: DetectorConfig, images: TrainingImages, device: torch.device | None = None) -> None:
        self._config, self._device = config, device or torch.device("cpu")
        self._images: TrainingImages | None = images
        self._detector: AutoencoderDetector | None = None
        self._trainer: Trainer | None = None
        self.trained = 0

    def begin(self) -> None:
        assert self._images
        images = self._images.prepared
        with one_thread_at_a_time(self._device):
            self._detector = AutoencoderDetector(self._config, device=self._device)
            self._trainer = Trainer(self._detector.model, images.train, images.calibration, self._config.training)

    def step_many(self, single_step: bool) -> Sequence[Step]:
        assert self._trainer
        with one_thread_at_a_time(self._device):
            step = self._trainer.step()
        self.trained = self._trainer.trained
        return (step,)

    def close(self) -> None:
        with one_thread_at_a_time(self._device):
            self._trainer = self._images = None  # the optimiser weighs twice the network

    def set_learning_rate(self, rate: float) -> None:
        assert self._trainer
        self._trainer.learning_rate = rate

    def interrupt(self) -> None:
        pass

    def suspend(self) -> None:
        pass

    def weights(self) -> dict[str, Tensor]:
        assert self._detector
        with one_thread_at_a_time(self._device):
            return {name: value.detach().cpu().clone() for name, value in self._detector.model.state_dict().items()}

    def finish(self) -> Checkpoint:
        assert self._detector
        assert self._images
        with one_thread_at_a_time(self._device):
            # Pages look at a detector from many threads, which only the CPU bears.
            self._detector.model.cpu()
        self._detector.device = torch.device("cpu")
        return calibrate_and_measure(self._detector, self._images.prepared.split)


def calibrate_and_measure(detector: AutoencoderDetector, split: OneClassSplit) -> Checkpoint:
    """A trained detector, calibrated and, where the test set has normal images and anomalies, measured on it."""
    calibrate(detector, split)
    return Checkpoint(detector, evaluation=measure(detector, split.test) if can_measure(detector, split.test) else None)


def calibrate(detector: AutoencoderDetector, split: OneClassSplit) -> AutoencoderDetector:
    """The detector, calibrated with its weights as they stand."""
    return detector.fit_memory(split.train).calibrate(split.calibration, split.copies)
