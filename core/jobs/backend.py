"""Where the batches of a training are computed: on this machine, or elsewhere by another TrainingBackend."""

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from typing import Protocol

import torch
from torch import Tensor

from core.checkpoint import Checkpoint
from core.data.own import is_own
from core.data.split import OneClassSplit
from core.detector import AutoencoderDetector, DetectorConfig, skipped_neighbours
from core.device import one_thread_at_a_time
from core.errors import UserError
from core.jobs.images import TrainingImages
from core.jobs.training_process import MAX_IMAGE_BYTES, Images, ProcessLostError, SavedTraining, TrainingProcess, tensors
from core.metrics import can_measure, measure
from core.model import Autoencoder
from core.training import Step, Trainer

LOG = logging.getLogger(__name__)


class HaltedError(UserError):
    """The backend cannot go on for now: the job pauses with this sentence, and Resume tries again."""


FindProcess = Callable[[], TrainingProcess | None]
"""Tells where a turn may train, None where it has no process: another than before where that was lost."""


class TrainingBackend(Protocol):
    """Where a job's batches are computed. One thread at a time calls; interrupt and weights may be called by any.

    It may be left after any batch, and others have their turn before the next. trained: batches that are
    trained; it goes back where work was lost. is_at_rest: nothing of the job is under way or held elsewhere.
    is_watched: set by the job, whether the weights of a moment ago are wanted while it trains, else they may be seconds old.
    """

    is_watched: bool

    @property
    def trained(self) -> int: ...

    @property
    def is_at_rest(self) -> bool: ...

    def begin(self) -> None:
        """Take what training needs, before anything else is asked; it may take seconds."""

    def begin_turn(self, find_process: FindProcess) -> None:
        """A worker takes the job up. find_process: where it may train in this turn, once that is ready."""

    def end_turn(self) -> None:
        """The worker and its process are for others now."""

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
        """The network's weights, at rest as they stand; nothing changes them afterwards, and the same are the same object."""

    def finish(self) -> Generator[None, None, Checkpoint]:
        """End the training in small steps, between which others may have a turn; it is not trained any more.

        At last the detector, calibrated and measured, without its losses. Raises DivergedError.
        """


class LocalBackend:
    """This machine: a process that is lent to the turn where that is ready, else the server's own, one batch at a time.

    At rest all that was learnt is in the server's process.
    """

    def __init__(self, config: DetectorConfig, images: TrainingImages, device: torch.device | None = None) -> None:
        self._config, self._device = config, device or torch.device("cpu")
        self._images: TrainingImages | None = images
        self._detector: AutoencoderDetector | None = None
        self._trainer: Trainer | None = None
        self._to_send: Images | None = None  # to a process; None where the training stays here
        self._find_process: FindProcess = lambda: None
        self._process: TrainingProcess | None = None
        self._weights: dict[str, Tensor] | None = None  # the last that the process told; None while the training is here
        self._copy: tuple[int, dict[str, Tensor]] | None = None  # last asked for or told, and after how many batches
        self._error: Exception | None = None  # that ended the training in the process; raised after the batches before it
        self.trained = 0
        self.is_watched = False

    @property
    def is_at_rest(self) -> bool:
        return self._weights is None

    def begin(self) -> None:
        assert self._images
        images = self._images.prepared
        to_send = Images(self._images.number, images.train, images.calibration)
        # Somebody's own drawings stay where they are forgotten when their owner wants it.
        may_leave = self._device.type == "cpu" and not is_own(self._config.data_set)
        self._to_send = to_send if may_leave and to_send.size <= MAX_IMAGE_BYTES else None
        with one_thread_at_a_time(self._device):
            self._detector = AutoencoderDetector(self._config, device=self._device)
            self._trainer = Trainer(self._detector.model, images.train, images.calibration, self._config.training)

    def begin_turn(self, find_process: FindProcess) -> None:
        self._find_process = find_process

    def end_turn(self) -> None:
        self._find_process = lambda: None  # which knows the job, and the job this
        self.suspend()
        self._process = None

    def step_many(self, single_step: bool) -> Sequence[Step]:
        if self._error:
            raise self._error
        if self._to_send and not single_step:
            if self.is_at_rest:
                self._process = self._find_process()
            if self._process and self._process.is_ready:
                with suppress(ProcessLostError):
                    return self._step_in_process(self._process, self._to_send)
        self.suspend()
        assert self._trainer
        with one_thread_at_a_time(self._device):
            step = self._trainer.step()
        self.trained = self._trainer.trained
        return (step,)

    def _step_in_process(self, process: TrainingProcess, images: Images) -> Sequence[Step]:
        assert self._trainer
        if self._weights is None:
            process.begin(self._config.model, self._trainer.config, images, SavedTraining.of(self._trainer))
            self._weights = self.weights()
        moment = process.train(with_weights=self.is_watched)
        self.trained += len(moment.steps)
        if moment.is_last:
            if moment.error:  # what was shown last is shown
                self._copy = self.trained, self.weights()
            self._weights, self._error = None, moment.error
        if moment.saved:
            moment.saved.restore(self._trainer)  # where it goes on if the process ends
        if not moment.is_last and (moment.saved or moment.weights):
            self._weights = tensors(moment.weights) if moment.weights else copied(self._trainer.model)
            self._copy = self.trained, self._weights
        return moment.steps

    def suspend(self) -> None:
        if self._weights is None:
            return
        assert self._process
        assert self._trainer
        try:
            self._process.end().restore(self._trainer)
        except ProcessLostError:
            LOG.warning("A process that trains has ended; a training goes on from batch %d.", self._trainer.trained)
        finally:
            self._weights = None
            self.trained = self._trainer.trained

    def close(self) -> None:
        with one_thread_at_a_time(self._device):
            # The optimiser weighs twice the network.
            self._trainer = self._images = self._to_send = self._copy = self._error = None

    def set_learning_rate(self, rate: float) -> None:
        assert self._trainer
        self._trainer.learning_rate = rate

    def interrupt(self) -> None:
        pass

    def weights(self) -> dict[str, Tensor]:
        if (told := self._weights) is not None:
            return told
        assert self._detector
        copy, trained = self._copy, self.trained
        if copy is None or copy[0] != trained:
            with one_thread_at_a_time(self._device):
                copy = self._copy = trained, copied(self._detector.model)
        return copy[1]

    def finish(self) -> Generator[None, None, Checkpoint]:
        self.suspend()
        if self._error:
            raise self._error
        assert self._detector
        assert self._images
        with one_thread_at_a_time(self._device):
            # Pages look at a detector from many threads, which only the CPU bears.
            self._detector.model.cpu()
        self._detector.device = torch.device("cpu")
        return (yield from calibrating_and_measuring(self._detector, self._images.prepared.split))


def copied(model: Autoencoder) -> dict[str, Tensor]:
    """Its weights, which nothing changes afterwards."""
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


def calibrate_and_measure(detector: AutoencoderDetector, split: OneClassSplit) -> Checkpoint:
    """A trained detector, calibrated and, where the test set has normal images and anomalies, measured on it."""
    steps = calibrating_and_measuring(detector, split)
    while True:
        try:
            next(steps)
        except StopIteration as ended:
            made: Checkpoint = ended.value
            return made


def calibrating_and_measuring(detector: AutoencoderDetector, split: OneClassSplit) -> Generator[None, None, Checkpoint]:
    """The same in small steps: with a large memory all of it takes half a minute."""

    def scored(images: Tensor, skip_nearest: int = 0) -> Generator[None, None, Tensor]:
        blocks = []
        for block in detector.score_blocks(images, skip_nearest):
            blocks.append(block)
            yield
        return torch.cat(blocks)

    detector.fit_memory(split.train)
    yield
    detector.set_calibration((yield from scored(split.calibration, skipped_neighbours(split.copies))))
    if not can_measure(detector, split.test):
        return Checkpoint(detector)
    scores = yield from scored(split.test.images)
    return Checkpoint(detector, evaluation=measure(detector, split.test, scores))


def calibrate(detector: AutoencoderDetector, split: OneClassSplit) -> AutoencoderDetector:
    """The detector, calibrated with its weights as they stand."""
    return detector.fit_memory(split.train).calibrate(split.calibration, split.copies)
