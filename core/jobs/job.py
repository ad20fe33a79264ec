"""Training in the background: bounded workers, fair turns, and jobs that never outlive their page.

A job is driven by whichever worker takes it up, for a turn of about a second; pages only ever read immutable
snapshots. What waits for its first turn holds settings only. The pool holds a job while it waits or runs and
otherwise only knows of it, so a paused job whose session is gone is freed with the session. The batches are computed
by the job's TrainingBackend: this process, unless another is given.
"""

import itertools
import logging
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import Enum
from queue import SimpleQueue
from typing import Protocol
from weakref import WeakSet

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.checkpoint import Checkpoint
from core.data.datasets import OneClassSplit, SplitSource
from core.detector import AutoencoderDetector, DetectorConfig
from core.device import one_thread_at_a_time
from core.errors import UserError
from core.jobs.images import SharedImages, TrainingImages
from core.jobs.limits import Budget, Claim, Owner, claim_of, claim_of_detector, require_allowed, work
from core.metrics import measure
from core.model import build, outline
from core.server.environment import whole_number_from_environment
from core.training import DivergedError, EpochLosses, Step, Trainer

LOG = logging.getLogger(__name__)
PUBLISH_EVERY = 0.2
"""Seconds between snapshots: often enough to look alive, seldom enough to cost nothing."""

LIVE_EVERY = 0.5
"""Seconds between two live detectors of a running job. To calibrate one takes as long as a dozen batches."""

LIVE_AT_MOST = 1.5
"""Seconds that a live detector may be old; pages look at least once a second."""

LIVE_WANTED = 5.0
"""Seconds after a look in which a job that ends its turn still has its live detector made for the next look."""

IDLE_TIMEOUT = 60.0
"""Seconds for which nobody looks before a job pauses; a browser wakes a hidden tab once a minute."""

DISCONNECT_TIMEOUT = 20.0
"""The same for a session without a connection: a bad Wi-Fi comes back sooner, a closed tab never."""

MAX_YIELD_SECONDS = 0.1
"""Seconds that a batch waits for drawings to be judged; then it is trained all the same."""

TRAINING_NICE = 10
"""How far the threads that train stand back behind those that answer (Linux; elsewhere all are equal)."""

POLL_SECONDS = 1.0
"""Seconds that a job trains before another has its turn."""

FIRST_TURN = 3.0
"""Seconds after which a short training's first turn ends though it has not trained an epoch."""

SHORT = 3.0
"""A training with at most so much left, in trainings of the course's network, is short; its turns come more often."""

LONG_TURNS = 6
"""Where both wait, one turn in so many is for a long training; ten would else take a third from twenty short ones."""

LIVE_TRAIN, LIVE_CALIBRATION = 6000, 1500
"""Images that a live detector remembers and is calibrated with: all of one class, not all of nine."""


class JobState(Enum):
    """Where a job stands. DONE has a result; FAILED has an error."""

    READY = "ready"
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"

    @property
    def is_active(self) -> bool:
        """Something will change without the user doing anything."""
        return self in (JobState.QUEUED, JobState.RUNNING)

    @property
    def is_over(self) -> bool:
        return self in (JobState.DONE, JobState.FAILED)


@dataclass(frozen=True)
class Snapshot:
    """What a page needs to know of a job at one moment; nothing in it changes afterwards.

    epoch and batch count from 1 and are 0 before the first step. weights: a copy of the network's
    state, empty before the first turn. images_per_second: in its turns; seconds_left: with those of
    others in between; both are 0 until they are known. turn: it has one turn in so many. ahead: how
    many jobs have their turn before this QUEUED one; wait: seconds until its own is likely to come.
    is_held: nobody's training has a turn for now. error: why a job FAILED, or why it PAUSED by itself. rate_changes: the
    learning rates that were set during a pause, each with the number of batches that were trained before it.
    """

    state: JobState
    version: int
    epoch: int
    epochs: int
    batch: int
    batches: int
    batch_losses: NDArray[np.float32]
    losses: tuple[EpochLosses, ...]
    images_per_second: float
    seconds_left: float
    weights: dict[str, Tensor]
    turn: float = 1.0
    ahead: int = 0
    wait: float = 0.0
    is_held: bool = False
    away: bool = False
    stopped_early: bool = False
    error: UserError | None = None
    result: Checkpoint | None = None
    rate_changes: tuple[tuple[int, float], ...] = ()

    @property
    def progress(self) -> float:
        """Share of all batches that is trained, 0 to 1."""
        return len(self.batch_losses) / (self.epochs * self.batches)

    @property
    def has_begun(self) -> bool:
        """Whether its first turn has come, so that there is a network to look at."""
        return bool(self.weights)


class HaltedError(UserError):
    """The backend cannot go on for now: the job pauses with this sentence, and Resume tries again."""


class TrainingBackend(Protocol):
    """Where a job's batches are computed. One thread at a time calls; wake and weights may be called by any.

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

        Returns within a second or so, or when woken. Raises HaltedError, DivergedError.
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
        self._config, self._device = config, device
        self._images: TrainingImages | None = images
        self._detector: AutoencoderDetector | None = None
        self._trainer: Trainer | None = None
        self.trained = 0

    def begin(self) -> None:
        assert self._images
        images = self._images.prepared
        self._detector = AutoencoderDetector(self._config, device=self._device)
        self._trainer = Trainer(self._detector.model, images.train, images.calibration, self._config.training)

    def step_many(self, single_step: bool) -> Sequence[Step]:
        assert self._trainer
        assert self._detector
        with one_thread_at_a_time(self._detector.device):
            step = self._trainer.step()
        self.trained = self._trainer.trained
        return (step,)

    def close(self) -> None:
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
        with one_thread_at_a_time(self._detector.device):
            return {name: value.detach().cpu().clone() for name, value in self._detector.model.state_dict().items()}

    def finish(self) -> Checkpoint:
        assert self._detector
        assert self._images
        with one_thread_at_a_time(self._detector.device):
            # Pages look at a detector from many threads, which only the CPU bears.
            self._detector.model.cpu()
        self._detector.device = torch.device("cpu")
        return finished(self._detector, self._images.prepared.split)


def finished(detector: AutoencoderDetector, split: OneClassSplit) -> Checkpoint:
    """A trained detector, calibrated and measured on the test set."""
    ready(detector, split)
    return Checkpoint(detector, evaluation=measure(detector, split.test))


def ready(detector: AutoencoderDetector, split: OneClassSplit) -> AutoencoderDetector:
    """The detector, calibrated with its weights as they stand."""
    return detector.fit_memory(split.train).calibrate(split.calibration)


_numbers = itertools.count(1)


class TrainingJob:
    """One training run of one session. Commands return at once; snapshot() tells what came of them.

    split: what it trains on, made when its first turn comes. owner: whose job it is; of one owner's
    jobs one runs at a time. idle_timeout: seconds without a call of snapshot() after which a running or
    waiting job pauses; DISCONNECT_TIMEOUT at most while is_connected says no. backend: where it
    trains, this process unless given. Raises SettingError where the settings are beyond what is
    allowed or there is no memory for it.
    """

    def __init__(
        self,
        config: DetectorConfig,
        split: SplitSource,
        pool: "JobPool",
        device: torch.device | None = None,
        owner: Owner | None = None,
        is_connected: Callable[[], bool] = lambda: True,
        idle_timeout: float = IDLE_TIMEOUT,
        backend: TrainingBackend | None = None,
    ) -> None:
        self._count = split.counts[0]
        require_allowed(config, self._count)
        self.number = next(_numbers)
        self.config = config
        self.owner = owner or Owner()
        self.idle_timeout = idle_timeout
        self.work = work(config, self._count)
        self._is_connected = is_connected
        self._pool = pool
        self._claim = claim_of(config, split.counts, split.key)
        pool.budget.claim(self, self.owner, self._claim)
        self._images: TrainingImages | None = pool.images.of(split, config.preprocessing)
        self._backend = backend or LocalBackend(config, self._images, device)
        self._has_begun = False
        self._batches = math.ceil(self._count / config.training.batch_size)
        self._lock = threading.Lock()
        self._wanted: str = "pause"
        self._reason: UserError | None = None
        self._asked = time.monotonic()
        # One place for each batch: snapshots are views of those that are trained, and copy nothing.
        self._batch_losses = np.empty(config.training.epochs * self._batches, dtype=np.float32)
        self._trained = 0
        self._turns = 0
        self._losses: list[EpochLosses] = []
        self._rate_changes: list[tuple[int, float]] = []
        self._images_trained = 0
        self._seconds_trained = 0.0
        self._published = 0.0
        self._current: tuple[int, AutoencoderDetector] | None = None
        self._current_made = self._current_asked = self._current_wanted = -math.inf
        self._is_renewal_asked = False
        self._snapshot = self._make_snapshot(JobState.READY, version=0)
        pool.know(self)

    # Commands, called by pages.

    def resume(self) -> None:
        """Start, or go on after a pause."""
        self._enqueue("run")

    def step(self) -> None:
        """Train on one batch, then pause."""
        self._enqueue("step")

    def stop(self) -> None:
        """End early and keep what was learnt: the job becomes DONE with a result."""
        self._enqueue("stop")

    def pause(self, reason: UserError | None = None) -> None:
        """Leave weights and optimiser as they are until resume. reason: where somebody else wanted it."""
        self._leave("pause", reason)

    def drop(self) -> None:
        """End without a result."""
        self._leave("drop", None)

    def end(self, reason: UserError) -> None:
        """End without a result for a reason that the owner reads: the job FAILED."""
        self._leave("drop", reason)

    def _leave(self, wanted: str, reason: UserError | None) -> None:
        with self._lock:
            if self._snapshot.state.is_over or self._wanted == "drop":
                return
            self._wanted, self._reason = wanted, reason
            # A worker is not needed where nothing is under way.
            is_active = self._snapshot.state.is_active
            if self._backend.is_at_rest and (self._pool.withdraw(self) if is_active else wanted == "drop"):
                self._publish_rest()
        self._backend.interrupt()

    def leave_if_asked(self) -> None:
        """Called by a worker that has put the job back into the queue: it may have been asked just before."""
        with self._lock:
            if self.is_leaving and self._backend.is_at_rest and self._pool.withdraw(self):
                self._publish_rest()

    @property
    def learning_rate(self) -> float:
        """That of the batches that follow."""
        return self._rate_changes[-1][1] if self._rate_changes else self.config.training.learning_rate

    @property
    def may_change_rate(self) -> bool:
        """Whether it rests between two batches, and no schedule changes the learning rate by itself."""
        is_at_rest = self._snapshot.state is JobState.PAUSED and self._backend.is_at_rest
        return is_at_rest and self._has_begun and self.config.training.schedule == "constant"

    def set_learning_rate(self, rate: float) -> None:
        """Go on with another learning rate after the pause; nothing where it may not change. Raises SettingError."""
        replace(self.config.training, learning_rate=rate)
        with self._lock:
            if not self.may_change_rate or rate == self.learning_rate:
                return
            self._backend.set_learning_rate(rate)
            kept = [change for change in self._rate_changes if change[0] < self._trained]
            self._rate_changes = [*kept, (self._trained, rate)]
            self._publish(JobState.PAUSED, error=self._snapshot.error)

    @property
    def is_leaving(self) -> bool:
        """It shall neither train nor wait any more."""
        return self._wanted in ("pause", "drop")

    @property
    def is_gone(self) -> bool:
        """It is over, or will be: it takes no more commands."""
        return self._wanted == "drop" or self._snapshot.state.is_over

    def _publish_rest(self, away: bool = False) -> None:
        is_ended = self._wanted == "drop" and self._reason
        self._publish(JobState.FAILED if is_ended else JobState.PAUSED, away=away, error=self._reason)
        self._current = None  # older than the snapshot's weights, and as heavy
        if self._wanted == "drop":
            self._let_go()

    def _let_go(self) -> None:
        """Hold no more than a result, or what a page may still want to see of a failure."""
        result = self._snapshot.result
        self._backend.close()
        if result:
            self._images = None
            self._pool.budget.note(result.detector, self.owner, claim_of_detector(result.detector.size))
        self._pool.budget.note(self, self.owner, Claim(0) if result else replace(self._claim, own=0))

    def snapshot(self) -> Snapshot:
        """The job as it stands; also the sign that somebody still looks."""
        self._asked = time.monotonic()
        return self.snapshot_of()

    def snapshot_of(self) -> Snapshot:
        """The job as it stands, for who is not its owner."""
        snapshot = self._snapshot
        if not snapshot.state.is_active:
            return snapshot
        place = self._pool.place_of(self)
        seconds_left = snapshot.seconds_left * place.turn
        return replace(
            snapshot, turn=place.turn, ahead=place.ahead, wait=place.wait, is_held=self._pool.is_held, seconds_left=seconds_left
        )

    @property
    def is_short(self) -> bool:
        """Whether little is left to do: it will soon be over, or one batch is all that is wanted."""
        left = 1 - self._trained / len(self._batch_losses)
        return self._wanted in ("step", "stop") or left * self.work <= SHORT

    def detector(self) -> AutoencoderDetector:
        """The detector as it stands, calibrated: the result once there is one, else a copy of the live weights.

        While the job runs the copy is at most LIVE_AT_MOST seconds old. Whoever looks again and again
        does not wait for it: it is made anew in the background.
        """
        snapshot = self._snapshot
        if snapshot.result:
            return snapshot.result.detector
        self._current_wanted = time.monotonic()
        is_running = snapshot.state is JobState.RUNNING
        is_fresh = is_running and self._current_wanted - self._current_made < LIVE_AT_MOST
        current = self._current  # once: the worker lets go of it when the job pauses
        if current is None or not (is_fresh or current[0] == snapshot.version):
            return self._renew(snapshot)
        return current[1]

    def _renew(self, snapshot: Snapshot) -> AutoencoderDetector:
        images = self._images  # once: the worker lets go of it when the job is done
        if images is None:
            assert self._snapshot.result
            return self._snapshot.result.detector
        model = outline(self.config.model) if snapshot.has_begun else build(self.config.model, self.config.training.seed)
        model.load_state_dict(snapshot.weights or model.state_dict(), assign=True)
        split = images.prepared.split
        few = OneClassSplit(split.train[:LIVE_TRAIN], split.calibration[:LIVE_CALIBRATION], split.test)
        detector = ready(AutoencoderDetector(self.config, model), few)
        self._current, self._current_made = (snapshot.version, detector), time.monotonic()
        return detector

    def _renew_as_asked(self) -> None:
        self._is_renewal_asked = False  # before it is made: what is trained meanwhile may ask again
        if self._images:
            self._renew(self._snapshot)

    def _enqueue(self, wanted: str) -> None:
        with self._lock:
            state = self._snapshot.state
            if state.is_over or self._wanted == "drop":
                return
            self._asked = time.monotonic()
            self._wanted, self._reason = wanted, None
            if not state.is_active:
                self._publish(JobState.QUEUED)
                self._pool.submit(self)
        self._backend.interrupt()

    # A turn, called by a worker.

    def run(self) -> bool:
        """Train for a turn, or until done, paused, stopped, dropped or left alone; whether it wants another. Never raises."""
        try:
            if self._run():
                return True
        except HaltedError as error:
            with self._lock:
                self._cut_back(self._backend.trained)
                self._wanted = "drop" if self._wanted == "drop" else "pause"
                self._publish(JobState.PAUSED, error=error)
        except DivergedError as error:
            self._publish(JobState.FAILED, error=error)
        except Exception as error:  # a worker must survive whatever a job does
            LOG.exception("A training job failed")
            self._publish(JobState.FAILED, error=UserError("Training failed: {reason}", reason=str(error)))
        if self.is_gone:
            self._let_go()
        state, batches = self._snapshot.state.value, self._trained
        LOG.info("A training of %s is %s after %d batches.", self.config.data_set, state, batches)
        return False

    def _run(self) -> bool:
        began = time.monotonic()
        while True:
            with self._lock:
                idle_timeout = self.idle_timeout if self._is_connected() else min(self.idle_timeout, DISCONNECT_TIMEOUT)
                away = time.monotonic() - self._asked > idle_timeout
                halts = ((self._wanted == "pause" or away) and not self._is_trained) or self._wanted == "drop"
                if halts and self._backend.is_at_rest:
                    self._wanted = "drop" if self._wanted == "drop" else "pause"
                    self._publish_rest(away)
                    return False
                if not halts and self._has_begun and (self._wanted == "stop" or self._is_trained):
                    break
            if halts:
                self._backend.suspend()
                self._cut_back(self._backend.trained)
            elif not self._has_begun or self._snapshot.state is not JobState.RUNNING:
                self._begin()
            elif self._pool.is_held or (self._is_turn_over(time.monotonic() - began) and self._pool.has_others(self)):
                self._turns += 1
                with self._lock:
                    self._publish(JobState.RUNNING)
                self._ask_for_renewal(within=LIVE_WANTED)
                return True
            else:
                self._train_chunk()
        if self._snapshot.state is not JobState.RUNNING:
            self._begin()
        result = self._backend.finish()
        self._cut_back(self._backend.trained)
        with self._lock:
            result = replace(result, losses=tuple(self._losses))
            self._publish(JobState.DONE, result=result, stopped_early=not self._is_trained)
        return False

    def _begin(self) -> None:
        if not self._has_begun:
            assert self._images
            _ = self._images.prepared  # here and not in the thread of a page
            self._backend.begin()
            self._has_begun = True
        with self._lock:
            self._publish(JobState.RUNNING)

    def _is_turn_over(self, seconds: float) -> bool:
        # The first turn of a short training shows its first epoch.
        longest = FIRST_TURN if self._turns == 0 and not self._losses and self.is_short else POLL_SECONDS
        return seconds > longest

    def _train_chunk(self) -> None:
        self._pool.yield_to_inference()
        started = time.perf_counter()
        steps = self._backend.step_many(self._wanted == "step")
        self._seconds_trained += time.perf_counter() - started
        self._cut_back(self._backend.trained - len(steps))
        for step in steps:
            self._images_trained += step.images
            self._batch_losses[self._trained] = step.loss
            self._trained += 1
            if step.epoch_losses:
                self._losses.append(step.epoch_losses)
        with self._lock:
            if steps and self._wanted == "step":
                self._wanted = "pause"
        now = time.monotonic()
        if any(step.epoch_losses for step in steps) or now - self._published > PUBLISH_EVERY:
            self._publish(JobState.RUNNING)
            if now - self._current_asked > LIVE_EVERY:
                self._ask_for_renewal(within=LIVE_AT_MOST)

    def _ask_for_renewal(self, within: float) -> None:
        """Have the live detector made anew in the background, if somebody wanted it within so many seconds.

        Asked for is not made: where that fails, or is late, whoever looks makes it.
        """
        now = time.monotonic()
        if now - self._current_wanted < within and not self._is_renewal_asked:
            self._current_asked, self._is_renewal_asked = now, True
            self._pool.in_background(self._renew_as_asked)

    def _cut_back(self, trained: int) -> None:
        """Forget the losses of batches that the backend has lost; trained again, they are the same."""
        self._trained = min(self._trained, trained)
        del self._losses[trained // self._batches :]

    @property
    def _is_trained(self) -> bool:
        return self._trained == self.config.training.epochs * self._batches

    @property
    def _images_left(self) -> int:
        epochs, batches = divmod(self._trained, self._batches)
        return (self.config.training.epochs - epochs) * self._count - batches * self.config.training.batch_size

    def _publish(
        self,
        state: JobState,
        away: bool = False,
        stopped_early: bool = False,
        error: UserError | None = None,
        result: Checkpoint | None = None,
    ) -> None:
        version = self._snapshot.version + 1
        self._snapshot = self._make_snapshot(state, version, away, stopped_early, error, result)
        self._published = time.monotonic()

    def _make_snapshot(
        self,
        state: JobState,
        version: int,
        away: bool = False,
        stopped_early: bool = False,
        error: UserError | None = None,
        result: Checkpoint | None = None,
    ) -> Snapshot:
        speed = self._images_trained / self._seconds_trained if self._seconds_trained else 0.0
        epoch, batch = divmod(self._trained - 1, self._batches) if self._trained else (-1, -1)
        # Weights that are never trained again need no copy.
        last = {name: value.cpu() for name, value in result.detector.model.state_dict().items()} if result else None
        return Snapshot(
            state=state,
            version=version,
            epoch=epoch + 1,
            epochs=self.config.training.epochs,
            batch=batch + 1,
            batches=self._batches,
            batch_losses=_read_only(self._batch_losses[: self._trained]),
            losses=tuple(self._losses),
            images_per_second=speed,
            seconds_left=self._images_left / speed if speed else 0.0,
            weights=last or (self._backend.weights() if self._has_begun else {}),
            away=away,
            stopped_early=stopped_early,
            error=error,
            result=result,
            rate_changes=tuple(self._rate_changes),
        )


def _read_only(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """A view of values that nothing changes."""
    view = values.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True)
class Place:
    """Where a job stands among the others: one turn in so many is its own, so many come before, in so many seconds."""

    turn: float = 1.0
    ahead: int = 0
    wait: float = 0.0


class JobPool:
    """Workers that give jobs their turns; one pool serves all sessions.

    The next turn is for the owner whose last one is longest ago, one job of each owner at a time; of their jobs,
    for the one that has waited longest. Where long and short trainings wait, one turn in LONG_TURNS is for a long
    one. budget: the memory of all that visitors cause.
    """

    def __init__(self, workers: int | None = None, budget: Budget | None = None) -> None:
        self.workers = 0
        self.budget = budget or Budget()
        self.images = SharedImages()
        self._known: WeakSet[TrainingJob] = WeakSet()
        self._waiting: list[TrainingJob] = []
        self._running: list[TrainingJob] = []
        self._turn = 0
        self._last_long_turn = 0
        self._is_held = False
        self._changed = threading.Condition()
        self._urgent = 0
        self._is_calm = threading.Event()
        self._is_calm.set()
        self._is_closed = False
        self._background: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work_in_background, name="background", daemon=True)]
        self._threads[0].start()
        self.grow(workers or whole_number_from_environment("TRAINING_WORKERS", os.cpu_count() or 1))

    def grow(self, workers: int) -> None:
        """Have at least so many workers."""
        with self._changed:
            while self.workers < workers:
                thread = threading.Thread(target=self._work, name=f"training-{self.workers}", daemon=True)
                self._threads.append(thread)
                thread.start()
                self.workers += 1

    def close(self, seconds: float = 3.0) -> bool:
        """End all training and wait for the workers, for so many seconds at most; whether all have ended.

        Jobs that run or wait end without a result. The pool takes no more work.
        """
        with self._changed:
            self._is_closed = True
            jobs = [*self._running, *self._waiting]
            self._changed.notify_all()
        for job in jobs:
            job.drop()
        self.in_background(lambda: None)  # wakes the thread, which then ends
        latest = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, latest - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def submit(self, job: TrainingJob) -> None:
        with self._changed:
            self._waiting.append(job)
            self._changed.notify()

    def withdraw(self, job: TrainingJob) -> bool:
        """Take a waiting job out of the queue; False when it was not there."""
        with self._changed:
            if job not in self._waiting:
                return False
            self._waiting.remove(job)
            return True

    @property
    def counts(self) -> tuple[int, int]:
        """How many jobs have their turn, and how many wait for theirs."""
        with self._changed:
            return len(self._running), len(self._waiting)

    def know(self, job: TrainingJob) -> None:
        """Have it among jobs() for as long as somebody holds it."""
        with self._changed:
            self._known.add(job)

    def jobs(self) -> list[TrainingJob]:
        """All jobs that are not over, also those that rest, by their owners' numbers."""
        with self._changed:
            known = [job for job in self._known if not job.is_gone]
        return sorted(known, key=lambda job: job.owner.number)

    @property
    def is_held(self) -> bool:
        """Whether nobody's training has a turn."""
        return self._is_held

    def hold(self, is_held: bool) -> None:
        """Give no more turns, or give them again; every job stays where it is."""
        with self._changed:
            self._is_held = is_held
            self._changed.notify_all()

    def has_others(self, job: TrainingJob) -> bool:
        """Whether somebody waits for the worker that this job has."""
        with self._changed:
            busy = {other.owner for other in self._running if other is not job}
            return any(other.owner not in busy for other in self._waiting)

    def place_of(self, job: TrainingJob) -> Place:
        """How often and how soon it has its turn, if others neither come nor go."""
        with self._changed:
            active = [*self._running, *self._waiting]
            if job not in active:
                return Place()
            is_short = job.is_short
            owners: dict[bool, set[Owner]] = {True: set(), False: set()}
            for other in active:
                owners[other.is_short].add(other.owner)
            short, long = len(owners[True]), len(owners[False])
            # Workers that are there for the long ones, at least and as it comes out, and for the short ones.
            for_short = min(short, self.workers - min(long, self.workers / LONG_TURNS if short else self.workers))
            workers = for_short if is_short else min(long, self.workers - for_short)
            own = sum(other.owner is job.owner for other in active)
            turn = max(1.0, (short if is_short else long) * own / workers)
            if job not in self._waiting:
                return Place(turn)
            before = [other for other in self._waiting if other.is_short is is_short and self._order(other) < self._order(job)]
            is_free = len(self._running) < self.workers
            return Place(turn, len(before), 0.0 if is_free else (len(before) + 1) * POLL_SECONDS / workers)

    def _order(self, job: TrainingJob) -> tuple[int, int]:
        return job.owner.last_turn, self._waiting.index(job)

    @contextmanager
    def inference_priority(self) -> Iterator[None]:
        """What happens inside comes before training: no batch is begun meanwhile, for MAX_YIELD_SECONDS at most."""
        with self._changed:
            self._urgent += 1
            self._is_calm.clear()
        try:
            yield
        finally:
            with self._changed:
                self._urgent -= 1
                if not self._urgent:
                    self._is_calm.set()

    def in_background(self, work: Callable[[], object]) -> None:
        """Do some work soon, one piece after the other, with as low a priority as training."""
        self._background.put(work)

    def yield_to_inference(self) -> None:
        """Called by a worker between batches."""
        self._is_calm.wait(MAX_YIELD_SECONDS)

    def _next(self) -> TrainingJob | None:
        """Whose turn is next, of the waiting jobs whose owner has none running."""
        busy = {job.owner for job in self._running}
        ready = [job for job in self._waiting if job.owner not in busy]
        leaving = next((job for job in ready if job.is_leaving), None)
        if leaving or self._is_held or not ready:
            return leaving
        is_for_long = self._turn - self._last_long_turn >= LONG_TURNS - 1
        wanted = [job for job in ready if job.is_short is not is_for_long] or ready
        return min(wanted, key=self._order)

    def _work(self) -> None:
        _lower_priority()
        while True:
            with self._changed:
                while (job := self._next()) is None and not self._is_closed:
                    self._changed.wait()
                if job is None:
                    return
                self._waiting.remove(job)
                self._running.append(job)
                self._turn += 1
                job.owner.last_turn = self._turn
                if not job.is_short:
                    self._last_long_turn = self._turn
            wants_more = job.run()
            with self._changed:
                self._running.remove(job)
                if wants_more:
                    self._waiting.append(job)
                self._changed.notify_all()
            if wants_more:
                job.leave_if_asked()
            del job

    def _work_in_background(self) -> None:
        _lower_priority()
        while not self._is_closed:
            try:
                # No name holds the work until the next comes: it knows a job, and the job a network.
                self._background.get()()
            except Exception:  # other work follows, of other jobs
                LOG.exception("Work in the background failed")


def _lower_priority() -> None:
    """Lower this thread's share of the processor, so that a drawing is scored before the next batch is trained."""
    if sys.platform == "linux":
        with suppress(OSError):
            own = os.getpriority(os.PRIO_PROCESS, os.getpid())  # not of the thread that began this one
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), min(19, own + TRAINING_NICE))
