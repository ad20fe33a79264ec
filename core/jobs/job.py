"""Training in the background: jobs that have fair turns and never outlive their page.

A job is driven by whichever worker of its JobPool takes it up, for a turn of about a second; pages only ever read
immutable snapshots. A job that has not started holds its settings only. The pool keeps strong references to queued and
running jobs and weak ones to all others, so a paused job is freed together with its visitor. The batches are computed
by the job's TrainingBackend: on this machine, unless another is given.
"""

import itertools
import logging
import math
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.checkpoint import Checkpoint
from core.data.split import OneClassSplit, SplitSource
from core.detector import AutoencoderDetector, DetectorConfig
from core.errors import UserError
from core.jobs.backend import FindProcess, HaltedError, LocalBackend, TrainingBackend, calibrate
from core.jobs.images import TrainingImages
from core.jobs.limits import require_allowed, work
from core.jobs.memory_budget import Claim, Owner, claim_of, claim_of_detector
from core.model import Autoencoder, build, meta_model
from core.training import DivergedError, EpochLosses

if TYPE_CHECKING:
    from core.jobs.pool import JobPool

LOG = logging.getLogger(__name__)
PUBLISH_EVERY = 0.2
"""Seconds between snapshots: often enough to look alive, seldom enough to cost nothing."""

LIVE_EVERY = 0.5
"""Seconds between two live detectors of a running job. To calibrate one takes as long as a dozen batches."""

LIVE_AT_MOST = 1.5
"""Seconds that a live detector may be old; pages look at least once a second."""

LIVE_WANTED = 5.0
"""Where the live detector was asked for within so many seconds, it is renewed when a time slice ends, for the next request."""

WATCHED = 5.0
"""Seconds after somebody looked at the weights in which each moment of a training brings them: in its first turn, and where
nobody waits for the worker."""

IDLE_TIMEOUT = 60.0
"""Seconds for which nobody looks before a job pauses; a browser wakes a hidden tab once a minute."""

DISCONNECT_TIMEOUT = 20.0
"""The same for a visitor without a connection: a bad Wi-Fi comes back sooner, a closed tab never."""

TIME_SLICE_SECONDS = 1.0
"""Seconds that a job trains before another has its turn."""

FIRST_TURN = 3.0
"""Seconds after which a short training's first turn ends though it has not trained an epoch."""

SIBLING_SECONDS = 0.25
"""A shorter turn, where nobody else waits: two trainings of one visitor go side by side, the one that is behind first."""

SHORT = 3.0
"""A training with at most so much left, in trainings of the course's network, is short; its turns come more often."""

LIVE_TRAIN, LIVE_CALIBRATION = 6000, 500
"""Images that a live detector remembers and is calibrated with at most: all of one class, and half of what is held out."""


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
    state, empty before the first turn; where nobody looks at them, or others wait, they may be seconds older than batch.
    images_per_second: in its turns; seconds_left: with those of others in between; both are 0 until they are
    known. turn: it has one turn in so many. ahead: how many jobs have their turn before this QUEUED one; wait:
    seconds until its own is likely to come.
    is_held: nobody's training has a turn for now. paused_unattended: it PAUSED because nobody looked;
    stopped_early: it was stopped before its last epoch. error: why a job FAILED, or why it PAUSED by
    itself. rate_changes: the learning rates that were set during a pause, each with the number of batches that
    were trained before it.
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
    paused_unattended: bool = False
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


_numbers = itertools.count(1)


class TrainingJob:
    """One training run of one visitor. Commands return at once; snapshot() tells what came of them.

    split: what it trains on, made when its first turn comes. owner: whose job it is; of one owner's
    jobs one runs at a time. idle_timeout: seconds without a call of snapshot() after which a running or
    waiting job pauses; DISCONNECT_TIMEOUT at most while is_connected says no. backend: where it
    trains, this machine unless given. Raises SettingError where the settings are beyond what is
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
        self._ending: Generator[None, None, Checkpoint] | None = None
        self._batches = math.ceil(self._count / config.training.batch_size)
        self._lock = threading.Lock()
        self._command: str = "pause"
        self._reason: UserError | None = None
        self._last_polled = time.monotonic()
        # One place for each batch: snapshots are views of those that are trained, and copy nothing.
        self._batch_losses = np.empty(config.training.epochs * self._batches, dtype=np.float32)
        self._trained = 0
        self._turns = 0
        self._losses: list[EpochLosses] = []
        self._rate_changes: list[tuple[int, float]] = []
        self._images_trained = 0
        self._seconds_trained = 0.0
        self._published = 0.0
        self._current: tuple[dict[str, Tensor], AutoencoderDetector] | None = None  # with the snapshot's weights it is made of
        self._current_made = self._current_asked = self._current_wanted = -math.inf
        self._weights_wanted = -math.inf
        self._is_renewal_asked = False
        self._snapshot = self._make_snapshot(JobState.READY, version=0)
        pool.register(self)

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
            if self._snapshot.state.is_over or self._command == "drop" or (wanted == "pause" and self.is_ending):
                return
            self._command, self._reason = wanted, reason
            # A worker is not needed where nothing is under way.
            is_active = self._snapshot.state.is_active
            if self._backend.is_at_rest and (self._pool.withdraw(self) if is_active else wanted == "drop"):
                self._publish_rest()
        self._backend.interrupt()
        self._pool.wake()

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
        return self._command == "drop" or (self._command == "pause" and not self.is_ending)

    @property
    def is_ending(self) -> bool:
        """Whether no batch follows: it is being calibrated and measured, or waits for that, and cannot pause any more."""
        return self._is_trained or self._ending is not None

    @property
    def is_gone(self) -> bool:
        """It is over, or will be: it takes no more commands."""
        return self._command == "drop" or self._snapshot.state.is_over

    def _publish_rest(self, paused_unattended: bool = False) -> None:
        is_ended = self._command == "drop" and self._reason
        self._publish(JobState.FAILED if is_ended else JobState.PAUSED, paused_unattended=paused_unattended, error=self._reason)
        self._current = None  # older than the snapshot's weights, and as heavy
        if self._command == "drop":
            self._release()

    def _release(self) -> None:
        """Hold no more than a result, or what a page may still want to see of a failure."""
        result = self._snapshot.result
        self._ending = None
        self._backend.close()
        if result:
            self._images = self._current = None
            self._pool.budget.note(result.detector, self.owner, claim_of_detector(result.detector.size))
        self._pool.budget.note(self, self.owner, Claim(0) if result else replace(self._claim, own=0))

    def snapshot(self) -> Snapshot:
        """The job as it stands, for its owner: a sign that somebody still looks, so that it does not pause (IDLE_TIMEOUT)."""
        self._last_polled = time.monotonic()
        return self.peek()

    def peek(self) -> Snapshot:
        """The job as it stands, for who is not its owner: no sign that somebody looks."""
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
        return self._command in ("step", "stop") or (1 - self.share) * self.work <= SHORT

    @property
    def share(self) -> float:
        """How much of it is trained, 0 to 1."""
        return self._trained / len(self._batch_losses)

    def detector(self) -> AutoencoderDetector:
        """The detector as it stands, calibrated: the result once there is one, else a copy of the live weights.

        While the job runs the copy has the snapshot's weights or is at most LIVE_AT_MOST seconds old. Whoever looks
        again and again does not wait for it: it is made anew in the background.
        """
        snapshot = self._snapshot
        if snapshot.result:
            return snapshot.result.detector
        self._current_wanted = self._weights_wanted = time.monotonic()
        is_running = snapshot.state is JobState.RUNNING
        is_fresh = is_running and self._current_wanted - self._current_made < LIVE_AT_MOST
        current = self._current  # once: the worker lets go of it when the job pauses
        if current is None or not (is_fresh or current[0] is snapshot.weights):
            return self._renew(snapshot)
        return current[1]

    def redraw(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """AutoencoderDetector.redraw with the weights as they stand, which costs far less than detector() where it can."""
        snapshot = self._snapshot
        if snapshot.result or self.config.remembers:
            return self.detector().redraw(images)
        self._weights_wanted = time.monotonic()
        return AutoencoderDetector(self.config, self._network(snapshot)).redraw(images)

    def has_changed_since(self, detector: AutoencoderDetector | None) -> bool:
        """Whether the live detector has other weights now than this one, which this job gave earlier; takes no lock.

        A job that waits for its turn does not change. Who asks will want the new one: it is made when the turn ends.
        """
        self._current_wanted = self._weights_wanted = time.monotonic()
        snapshot, current = self._snapshot, self._current
        if snapshot.result:
            return detector is not snapshot.result.detector
        return current is None or current[0] is not snapshot.weights or current[1] is not detector

    def _renew(self, snapshot: Snapshot) -> AutoencoderDetector:
        images = self._images  # once: the worker lets go of it when the job is done
        if images is None:
            assert self._snapshot.result
            return self._snapshot.result.detector
        split = images.prepared.split
        few = OneClassSplit(split.train[:LIVE_TRAIN], split.calibration[:LIVE_CALIBRATION], split.test, split.copies)
        detector = calibrate(AutoencoderDetector(self.config, self._network(snapshot)), few)
        self._current, self._current_made = (snapshot.weights, detector), time.monotonic()
        return detector

    def _network(self, snapshot: Snapshot) -> Autoencoder:
        if not snapshot.has_begun:
            return build(self.config.model, self.config.training.seed)
        model = meta_model(self.config.model)
        model.load_state_dict(snapshot.weights, assign=True)
        return model

    def _renew_as_asked(self) -> None:
        self._is_renewal_asked = False  # before it is made: what is trained meanwhile may ask again
        snapshot, current = self._snapshot, self._current
        if self._images and (current is None or current[0] is not snapshot.weights):
            self._renew(snapshot)

    def _enqueue(self, wanted: str) -> None:
        with self._lock:
            state = self._snapshot.state
            if state.is_over or self._command == "drop":
                return
            self._last_polled = time.monotonic()
            self._command, self._reason = wanted, None
            if not state.is_active:
                self._publish(JobState.QUEUED)
                self._pool.submit(self)
        self._backend.interrupt()

    # A turn, called by a worker.

    def run(self, find_process: FindProcess) -> bool:
        """Train for a turn, or until done, paused, stopped, dropped or left alone; whether it wants another. Never raises.

        find_process: as for the backend's begin_turn.
        """
        self._backend.begin_turn(find_process)
        try:
            if self._run():
                return True
        except HaltedError as error:
            with self._lock:
                self._discard_lost_batches(self._backend.trained)
                if self._command == "drop":
                    self._publish_rest()
                else:
                    self._command = "pause"
                    self._publish(JobState.PAUSED, error=error)
        except DivergedError as error:
            self._publish(JobState.FAILED, error=error)
        except Exception as error:  # a worker must survive whatever a job does
            LOG.exception("A training job failed")
            self._publish(JobState.FAILED, error=UserError("Training failed: {reason}", reason=str(error)))
        try:
            self._backend.end_turn()
        except Exception:
            LOG.exception("A training job could not be taken back")
        if self.is_gone:
            self._release()
        state, batches = self._snapshot.state.value, self._trained
        LOG.info("A training of %s is %s after %d batches.", self.config.data_set, state, batches)
        return False

    def _run(self) -> bool:
        began = time.monotonic()
        while True:
            with self._lock:
                idle_timeout = self.idle_timeout if self._is_connected() else min(self.idle_timeout, DISCONNECT_TIMEOUT)
                paused_unattended = time.monotonic() - self._last_polled > idle_timeout
                halts = ((self._command == "pause" or paused_unattended) and not self.is_ending) or self._command == "drop"
                ends = self._command == "stop" or self.is_ending
                if halts and self._backend.is_at_rest:
                    self._command = "drop" if self._command == "drop" else "pause"
                    self._publish_rest(paused_unattended)
                    return False
            if halts:
                self._backend.suspend()
                self._discard_lost_batches(self._backend.trained)
            elif not self._has_begun or self._snapshot.state is not JobState.RUNNING:
                self._begin()
                began = time.monotonic()  # to make the images is no part of the turn
            elif self._pool.is_held or (self._is_turn_over(time.monotonic() - began) and self._pool.has_others(self)):
                self._turns += 1
                self._backend.end_turn()
                self._discard_lost_batches(self._backend.trained)
                with self._lock:
                    self._publish(JobState.RUNNING)
                self._ask_for_renewal(within=LIVE_WANTED)
                return True
            elif not ends:
                self._train_chunk()
            elif result := self._finish_a_little():
                self._discard_lost_batches(self._backend.trained)
                with self._lock:
                    result = replace(result, losses=tuple(self._losses))
                    self._publish(JobState.DONE, result=result, stopped_early=not self._is_trained)
                return False

    def _finish_a_little(self) -> Checkpoint | None:
        """What came of it, once it is calibrated and measured."""
        if self._ending is None:
            self._ending = self._backend.finish()
        if self._backend.is_at_rest:
            self._pool.yield_to_inference()
        try:
            next(self._ending)
        except StopIteration as ended:
            made: Checkpoint = ended.value
            return made
        return None

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
        longest = FIRST_TURN if self._turns == 0 and not self._losses and self.is_short else TIME_SLICE_SECONDS
        if self._losses and not self.is_ending and self._pool.is_sibling_behind(self):
            longest = SIBLING_SECONDS
        return seconds > longest

    def _train_chunk(self) -> None:
        if self._backend.is_at_rest:  # a process of its own stands back by itself
            self._pool.yield_to_inference()
        is_wanted = time.monotonic() - self._weights_wanted < WATCHED
        # Where others wait the turn ends soon, and brings the weights; in the first one everybody looks.
        self._backend.is_watched = is_wanted and (self._turns == 0 or not self._pool.has_others(self))
        started = time.perf_counter()
        single_step = self._command == "step"
        steps = self._backend.step_many(single_step)
        self._seconds_trained += time.perf_counter() - started
        self._discard_lost_batches(self._backend.trained - len(steps))
        for step in steps:
            self._images_trained += step.images
            self._batch_losses[self._trained] = step.loss
            self._trained += 1
            if step.epoch_losses:
                self._losses.append(step.epoch_losses)
        with self._lock:
            if steps and single_step and self._command == "step":
                self._command = "pause"
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

    def _discard_lost_batches(self, trained: int) -> None:
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
        paused_unattended: bool = False,
        stopped_early: bool = False,
        error: UserError | None = None,
        result: Checkpoint | None = None,
    ) -> None:
        version = self._snapshot.version + 1
        self._snapshot = self._make_snapshot(state, version, paused_unattended, stopped_early, error, result)
        self._published = time.monotonic()

    def _make_snapshot(
        self,
        state: JobState,
        version: int,
        paused_unattended: bool = False,
        stopped_early: bool = False,
        error: UserError | None = None,
        result: Checkpoint | None = None,
    ) -> Snapshot:
        speed = self._images_trained / self._seconds_trained if self._seconds_trained else 0.0
        epoch, batch = divmod(self._trained - 1, self._batches) if self._trained else (-1, -1)
        # Weights that are never trained again need no copy.
        if result:
            weights = {name: value.cpu() for name, value in result.detector.model.state_dict().items()}
        elif state is JobState.FAILED:  # what was shown last: perhaps those of the backend are no numbers, or it is broken
            weights = self._snapshot.weights
        else:
            weights = self._backend.weights() if self._has_begun else {}
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
            weights=weights,
            paused_unattended=paused_unattended,
            stopped_early=stopped_early,
            error=error and error.detached(),  # in which are the network and the optimiser
            result=result,
            rate_changes=tuple(self._rate_changes),
        )


def _read_only(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """A view of values that nothing changes."""
    view = values.view()
    view.flags.writeable = False
    return view
