"""Training in the background: bounded workers, a fair queue, and jobs that never outlive their page.

A job is driven by whichever worker takes it up; pages only ever read immutable snapshots. The pool
holds a job while it waits or runs and forgets it otherwise, so a paused job whose session is gone
is freed with the session. The batches are computed by the job's TrainingBackend: this process, unless
another is given.
"""

import heapq
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

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.checkpoint import Checkpoint
from core.data.datasets import OneClassSplit
from core.detector import AutoencoderDetector, DetectorConfig
from core.device import choose_device, one_thread_at_a_time
from core.errors import SettingError, UserError
from core.metrics import measure
from core.model import outline, parameter_count
from core.training import DivergedError, EpochLosses, Step, Trainer

LOG = logging.getLogger(__name__)
PUBLISH_EVERY = 0.2
"""Seconds between snapshots: often enough to look alive, seldom enough to cost nothing."""

LIVE_EVERY = 0.5
"""Seconds between two live detectors of a running job. To calibrate one takes as long as a dozen batches."""

LIVE_AT_MOST = 1.5
"""Seconds that a live detector may be old; pages look at least once a second."""

IDLE_TIMEOUT = 60.0
"""Seconds for which nobody looks before a job pauses; a browser wakes a hidden tab once a minute."""

DISCONNECT_TIMEOUT = 20.0
"""The same for a session without a connection: a bad Wi-Fi comes back sooner, a closed tab never."""

MAX_YIELD_SECONDS = 0.1
"""Seconds that a batch waits for drawings to be judged; then it is trained all the same."""

TRAINING_NICE = 10
"""How far the threads that train stand back behind those that answer (Linux; elsewhere all are equal)."""


def whole_number_from_environment(name: str, default: int, least: int = 1) -> int:
    """A setting of at least `least`; raises SettingError for anything else."""
    text = os.environ.get(name) or str(default)
    if not text.isdecimal() or int(text) < least:
        raise SettingError(
            "{name} in the environment is a whole number of at least {least}, not “{text}”.",
            name=name,
            least=least,
            text=text[:30],
        )
    return int(text)


LIMITS = {"MAX_EPOCHS": 200, "MAX_PARAMETERS": 5_000_000, "MAX_KEPT_PARAMETERS": 2_500_000}
"""What the environment can set, and what is allowed where it does not."""


def limit(name: str) -> int:
    """One of LIMITS as it is set here. Raises SettingError."""
    return whole_number_from_environment(name, LIMITS[name])


def require_usable_environment() -> None:
    """Raises SettingError or DeviceError for a setting of the environment that cannot be used."""
    for name in LIMITS:
        limit(name)
    whole_number_from_environment("TRAINING_WORKERS", 1)
    whole_number_from_environment("DRAIN_SECONDS", 0, least=0)
    choose_device()


def require_allowed(config: DetectorConfig) -> None:
    """Raises SettingError for a training longer or larger than MAX_EPOCHS and MAX_PARAMETERS in the environment allow."""
    most_epochs, most_parameters = limit("MAX_EPOCHS"), limit("MAX_PARAMETERS")
    if config.training.epochs > most_epochs:
        raise SettingError(
            "Here a training has at most {most} epochs, not {count}: others wait for their turn.",
            most=most_epochs,
            count=config.training.epochs,
        )
    count = parameter_count(outline(config.model))
    if count > most_parameters:
        raise SettingError(
            "Here a network has at most {most:,} parameters, not {count:,}: all share one memory. Take smaller layers.",
            most=most_parameters,
            count=count,
        )


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
    state. images_per_second and seconds_left are 0 until they are known. ahead: how many jobs wait
    before this one; wait: seconds until it is likely to start, 0 while nothing is known. error: why
    a job FAILED, or why it PAUSED by itself.
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
    ahead: int = 0
    wait: float = 0.0
    away: bool = False
    stopped_early: bool = False
    error: UserError | None = None
    result: Checkpoint | None = None

    @property
    def progress(self) -> float:
        """Share of all batches that is trained, 0 to 1."""
        return len(self.batch_losses) / (self.epochs * self.batches)


class HaltedError(UserError):
    """The backend cannot go on for now: the job pauses with this sentence, and Resume tries again."""


class TrainingBackend(Protocol):
    """Where a job's batches are computed. One thread calls; wake and weights may be called by any.

    trained: batches that are trained; it goes back where work was lost. is_at_rest: nothing of the
    job is under way or held elsewhere.
    """

    @property
    def trained(self) -> int: ...

    @property
    def is_at_rest(self) -> bool: ...

    def step_many(self, single_step: bool) -> Sequence[Step]:
        """Train for a moment, on one batch if single_step; the batches that followed, none while they are waited for.

        Returns within a second or so, or when woken. Raises HaltedError, DivergedError.
        """

    def close(self) -> None:
        """Let go of what only training needs; the job is over."""

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

    def __init__(self, config: DetectorConfig, split: OneClassSplit, device: torch.device | None = None) -> None:
        self._split = split
        self._detector = AutoencoderDetector(config, device=device)
        self._trainer: Trainer | None = self._detector.trainer(split.train, split.calibration)
        self.trained = 0

    def step_many(self, single_step: bool) -> Sequence[Step]:
        assert self._trainer
        with one_thread_at_a_time(self._detector.device):
            step = self._trainer.step()
        self.trained = self._trainer.trained
        return (step,)

    def close(self) -> None:
        self._trainer = None  # its optimiser weighs twice the network

    def interrupt(self) -> None:
        pass

    def suspend(self) -> None:
        pass

    def weights(self) -> dict[str, Tensor]:
        with one_thread_at_a_time(self._detector.device):
            return {name: value.detach().cpu().clone() for name, value in self._detector.model.state_dict().items()}

    def finish(self) -> Checkpoint:
        with one_thread_at_a_time(self._detector.device):
            # Pages look at a detector from many threads, which only the CPU bears.
            self._detector.model.cpu()
        self._detector.device = torch.device("cpu")
        return finished(self._detector, self._split)


def finished(detector: AutoencoderDetector, split: OneClassSplit) -> Checkpoint:
    """A trained detector, calibrated and measured on the test set."""
    ready(detector, split)
    return Checkpoint(detector, evaluation=measure(detector, split.test))


def ready(detector: AutoencoderDetector, split: OneClassSplit) -> AutoencoderDetector:
    """The detector, calibrated with its weights as they stand."""
    return detector.fit_memory(split.train).calibrate(split.calibration)


class TrainingJob:
    """One training run of one session. Commands return at once; snapshot() tells what came of them.

    owner: whose job it is; of one owner's jobs one runs at a time. idle_timeout: seconds without a call
    of snapshot() after which a running or waiting job pauses; DISCONNECT_TIMEOUT at most while
    is_connected says no. backend: where it trains, this process unless given. Raises SettingError
    where the settings are beyond what is allowed.
    """

    def __init__(
        self,
        config: DetectorConfig,
        split: OneClassSplit,
        pool: "JobPool",
        device: torch.device | None = None,
        owner: object = None,
        is_connected: Callable[[], bool] = lambda: True,
        idle_timeout: float = IDLE_TIMEOUT,
        backend: TrainingBackend | None = None,
    ) -> None:
        require_allowed(config)
        self.config = config
        self.split = split
        self.owner = owner or object()
        self.idle_timeout = idle_timeout
        self._is_connected = is_connected
        self._pool = pool
        self._backend = backend or LocalBackend(config, split, device)
        self._batches = math.ceil(len(split.train) / config.training.batch_size)
        self._parameters = parameter_count(outline(config.model))
        self._lock = threading.Lock()
        self._wanted: str = "pause"
        self._asked = time.monotonic()
        # One place for each batch: snapshots are views of those that are trained, and copy nothing.
        self._batch_losses = np.empty(config.training.epochs * self._batches, dtype=np.float32)
        self._trained = 0
        self._losses: list[EpochLosses] = []
        self._images_trained = 0
        self._seconds_trained = 0.0
        self._published = 0.0
        self._current: tuple[int, AutoencoderDetector] | None = None
        self._current_made = self._current_asked = self._current_wanted = -math.inf
        self._is_renewal_asked = False
        self._snapshot = self._make_snapshot(JobState.READY, version=0)

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

    def pause(self) -> None:
        """Leave weights and optimiser as they are until resume."""
        with self._lock:
            self._wanted = "pause"
            if self._snapshot.state is JobState.QUEUED and self._pool.withdraw(self):
                self._publish(JobState.PAUSED)
        self._backend.interrupt()

    def drop(self) -> None:
        """End without a result."""
        with self._lock:
            self._wanted = "drop"
            if self._pool.withdraw(self):
                self._publish(JobState.PAUSED)
        self._backend.interrupt()

    def snapshot(self) -> Snapshot:
        """The job as it stands; also the sign that somebody still looks."""
        self._asked = time.monotonic()
        snapshot = self._snapshot
        if snapshot.state is JobState.QUEUED:
            ahead, wait = self._pool.place_of(self)
            return replace(snapshot, ahead=ahead, wait=wait)
        return snapshot

    @property
    def work_left(self) -> float:
        """What remains to be done, in images times parameters: what a batch costs grows with both."""
        return float(self._images_left * self._parameters)

    @property
    def pace(self) -> float:
        """Work done in a second of training; 0 before the first batch."""
        return self._images_trained * self._parameters / self._seconds_trained if self._seconds_trained else 0.0

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
        model = outline(self.config.model)
        model.load_state_dict(snapshot.weights, assign=True)
        detector = ready(AutoencoderDetector(self.config, model), self.split)
        self._current, self._current_made = (snapshot.version, detector), time.monotonic()
        return detector

    def _renew_as_asked(self) -> None:
        self._is_renewal_asked = False  # before it is made: what is trained meanwhile may ask again
        self._renew(self._snapshot)

    def _enqueue(self, wanted: str) -> None:
        with self._lock:
            state = self._snapshot.state
            if state.is_over or self._wanted == "drop":
                return
            self._asked = time.monotonic()
            self._wanted = wanted
            if not state.is_active:
                self._publish(JobState.QUEUED)
                self._pool.submit(self)
        self._backend.interrupt()

    # The run, called by a worker.

    def run(self) -> None:
        """Train until done, paused, stopped, dropped or left alone. Never raises."""
        try:
            self._run()
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
        if self._snapshot.state.is_over:
            self._backend.close()
        state, batches = self._snapshot.state.value, self._trained
        LOG.info("A training of %s is %s after %d batches.", self.config.data_set, state, batches)

    def _run(self) -> None:
        with self._lock:
            self._publish(JobState.RUNNING)
        while True:
            with self._lock:
                idle_timeout = self.idle_timeout if self._is_connected() else min(self.idle_timeout, DISCONNECT_TIMEOUT)
                away = time.monotonic() - self._asked > idle_timeout
                halts = ((self._wanted == "pause" or away) and not self._is_trained) or self._wanted == "drop"
                if halts and self._backend.is_at_rest:
                    self._wanted = "drop" if self._wanted == "drop" else "pause"
                    self._publish(JobState.PAUSED, away=away)
                    self._current = None  # older than the snapshot's weights, and as heavy
                    return
                if not halts and (self._wanted == "stop" or self._is_trained):
                    break
            if halts:
                self._backend.suspend()
                self._cut_back(self._backend.trained)
            else:
                self._train_chunk()
        result = self._backend.finish()
        self._cut_back(self._backend.trained)
        with self._lock:
            result = replace(result, losses=tuple(self._losses))
            self._publish(JobState.DONE, result=result, stopped_early=not self._is_trained)

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
            # Asked for is not made: where that fails, or is late, whoever looks makes it.
            is_due = now - self._current_wanted < LIVE_AT_MOST and now - self._current_asked > LIVE_EVERY
            if is_due and not self._is_renewal_asked:
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
        return (self.config.training.epochs - epochs) * len(self.split.train) - batches * self.config.training.batch_size

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
            weights=last or self._backend.weights(),
            away=away,
            stopped_early=stopped_early,
            error=error,
            result=result,
        )


def _read_only(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """A view of values that nothing changes."""
    view = values.view()
    view.flags.writeable = False
    return view


class JobPool:
    """Workers that take jobs in the order in which they came, one of each owner at a time; one pool serves all sessions."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = 0
        self._waiting: list[TrainingJob] = []
        self._running: list[TrainingJob] = []
        self._pace = 0.0
        self._changed = threading.Condition()
        self._urgent = 0
        self._is_calm = threading.Event()
        self._is_calm.set()
        self._is_closed = False
        self._background: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work_in_background, name="aside", daemon=True)]
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
        """How many jobs run, and how many wait."""
        with self._changed:
            return len(self._running), len(self._waiting)

    def place_of(self, job: TrainingJob) -> tuple[int, float]:
        """How many jobs wait before this one, and the seconds until it is likely to start (0 while no pace is known)."""
        with self._changed:
            if job not in self._waiting:
                return 0, 0.0
            before = self._waiting[: self._waiting.index(job)]
            running = list(self._running)
        if paces := [other.pace for other in running if other.pace]:
            self._pace = sum(paces) / len(paces)
        if not self._pace:
            return len(before), 0.0
        # Each worker is free when its work is done; whoever is next takes the first that is free.
        free = sorted([0.0] * (self.workers - len(running)) + [other.work_left for other in running])
        for other in before:
            heapq.heapreplace(free, free[0] + other.work_left)
        return len(before), free[0] / self._pace

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
        """The first waiting job whose owner has none running."""
        busy = {id(job.owner) for job in self._running}
        return next((job for job in self._waiting if id(job.owner) not in busy), None)

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
            job.run()
            with self._changed:
                self._running.remove(job)
                self._changed.notify_all()

    def _work_in_background(self) -> None:
        _lower_priority()
        while not self._is_closed:
            try:
                # No name holds the work until the next comes: it knows a job, and the job a network.
                self._background.get()()
            except Exception:  # the next piece is somebody else's
                LOG.exception("Work aside failed")


def _lower_priority() -> None:
    """Lower this thread's share of the processor, so that a drawing is scored before the next batch is trained."""
    if sys.platform == "linux":
        with suppress(OSError):
            own = os.getpriority(os.PRIO_PROCESS, os.getpid())  # not of the thread that began this one
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), min(19, own + TRAINING_NICE))
