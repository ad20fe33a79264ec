"""Training in the background: states, fairness, and no bit of difference from the bare Trainer."""

import gc
import itertools
import math
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from torch import Tensor

from core import detector as detector_module
from core.checkpoint import Checkpoint
from core.data.split import OneClassSplit
from core.detector import AutoencoderDetector, DetectorConfig
from core.errors import SettingError, UserError
from core.jobs import backend as backend_module
from core.jobs import job as jobs_module
from core.jobs import limits
from core.jobs import pool as pool_module
from core.jobs.backend import HaltedError, LocalBackend
from core.jobs.environment import require_usable_environment
from core.jobs.images import TrainingImages
from core.jobs.job import JobState, Snapshot, TrainingJob
from core.jobs.memory_budget import Owner
from core.jobs.pool import JobPool
from core.metrics import evaluate
from core.model import Autoencoder, ModelConfig
from core.settings import SETTINGS, Number
from core.training import DivergedError, Step, Trainer
from tests.conftest import PATIENCE, ready

if TYPE_CHECKING:
    from tests.conftest import WaitUntil

NewJob = Callable[[DetectorConfig], TrainingJob]
Bare = tuple[list[float], AutoencoderDetector]
READY, QUEUED, RUNNING, PAUSED, DONE, FAILED = JobState


@pytest.fixture(scope="module", params=[0, 1], ids=["here", "process"])
def pool(request: pytest.FixtureRequest) -> Iterator[JobPool]:
    """One worker for all tests of this file: that trains in the server's own process, and that has one of its own."""
    if request.param and sys.platform != "linux":
        pytest.skip("Only Linux has processes that train.")
    pool = JobPool(workers=1, processes=request.param)
    if request.param:
        ready(pool.processes)
    yield pool
    pool.close()


@pytest.fixture
def new_job(pool: JobPool, split: OneClassSplit) -> Iterator[NewJob]:
    """Makes jobs on `split`; drops them after the test, so that the worker is free again."""
    jobs: weakref.WeakSet[TrainingJob] = weakref.WeakSet()

    def make(config: DetectorConfig) -> TrainingJob:
        job = TrainingJob(config, split, pool)
        jobs.add(job)
        return job

    yield make
    for job in jobs:
        job.drop()


@pytest.fixture
def long(small: DetectorConfig) -> DetectorConfig:
    """Settings for a job that does not end by itself while a test runs."""
    return replace(small, training=replace(small.training, epochs=200, batch_size=1))


@pytest.fixture
def bare(small: DetectorConfig, split: OneClassSplit) -> Bare:
    """Losses and detector of the same training without a job."""
    detector = AutoencoderDetector(small)
    losses = [step.loss for step in detector.trainer(split.train, split.calibration)]
    return losses, detector.calibrate(split.calibration)


def state(job: TrainingJob) -> JobState:
    return job.snapshot().state


def finish(job: TrainingJob, wait_until: "WaitUntil") -> Snapshot:
    job.resume()
    wait_until(lambda: state(job).is_over)
    return job.snapshot()


def reach(wanted: JobState, job: TrainingJob, wait_until: "WaitUntil") -> None:
    wait_until(lambda: state(job) is wanted)


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


# The course of a job


def test_new_job_is_ready_and_has_done_nothing(new_job: NewJob, small: DetectorConfig, split: OneClassSplit) -> None:
    snapshot = new_job(small).snapshot()
    assert (snapshot.state, snapshot.epoch, snapshot.batch, snapshot.progress) == (READY, 0, 0, 0.0)
    assert (snapshot.epochs, snapshot.batches) == (2, math.ceil(len(split.train) / 16))
    assert (snapshot.losses, len(snapshot.batch_losses), snapshot.result) == ((), 0, None)
    assert not snapshot.has_begun, "what waits holds settings only"


def test_finished_job_equals_the_bare_trainer(
    new_job: NewJob, small: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil", bare: Bare
) -> None:
    losses, detector = bare
    snapshot = finish(new_job(small), wait_until)
    assert (snapshot.state, snapshot.stopped_early, snapshot.error, snapshot.progress) == (DONE, False, None, 1.0)
    assert np.array_equal(snapshot.batch_losses, np.array(losses, dtype=np.float32))
    assert len(snapshot.losses) == 2
    assert same(snapshot.weights, detector.model.state_dict())
    assert snapshot.result is not None
    assert snapshot.result.detector.threshold_ == detector.threshold_
    assert snapshot.result.losses == snapshot.losses
    scores = detector.decision_function(split.test.images)
    assert snapshot.result.evaluation == evaluate(scores, split.test.labels, [5], detector.threshold_)


def test_pauses_and_steps_change_no_bit(new_job: NewJob, small: DetectorConfig, wait_until: "WaitUntil", bare: Bare) -> None:
    job = new_job(small)
    for command in (job.step, job.resume, job.step, job.resume, job.step):
        command()
        if command == job.resume:
            job.pause()
        wait_until(lambda: not state(job).is_active)
    snapshot = finish(job, wait_until)
    assert np.array_equal(snapshot.batch_losses, np.array(bare[0], dtype=np.float32))
    assert same(snapshot.weights, bare[1].model.state_dict())


def test_impatient_clicks_change_no_bit(
    small: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil", bare: Bare
) -> None:
    pool = JobPool(workers=2)
    job = TrainingJob(small, split, pool)
    for _ in range(20):
        job.resume()
    assert sum(pool.counts) <= 1, "the job waits or runs once, however often Start is pressed"
    snapshot = finish(job, wait_until)
    assert np.array_equal(snapshot.batch_losses, np.array(bare[0], dtype=np.float32))
    assert same(snapshot.weights, bare[1].model.state_dict())


def test_states_come_in_order(new_job: NewJob, long: DetectorConfig, wait_until: "WaitUntil") -> None:
    first, second = new_job(long), new_job(long)
    first.resume()
    reach(RUNNING, first, wait_until)
    states = [state(second)]
    second.resume()
    states.append(state(second))
    first.pause()
    reach(RUNNING, second, wait_until)
    states += [state(first), state(second)]
    second.pause()
    reach(PAUSED, second, wait_until)
    second.stop()
    reach(DONE, second, wait_until)
    assert states == [READY, QUEUED, PAUSED, RUNNING]


def test_step_trains_exactly_one_batch(new_job: NewJob, small: DetectorConfig, wait_until: "WaitUntil", bare: Bare) -> None:
    job = new_job(small)
    for number in (1, 2, 3):
        job.step()
        wait_until(lambda: not state(job).is_active)
        snapshot = job.snapshot()
        assert (snapshot.state, snapshot.epoch, snapshot.batch) == (PAUSED, 1, number)
        assert snapshot.batch_losses.tolist() == np.array(bare[0][:number], dtype=np.float32).tolist()


def test_job_stepped_to_its_end_is_done(new_job: NewJob, small: DetectorConfig, wait_until: "WaitUntil", bare: Bare) -> None:
    job = new_job(small)
    for _ in bare[0]:
        job.step()
        wait_until(lambda: not state(job).is_active)
    assert (job.snapshot().state, job.snapshot().progress) == (DONE, 1.0)


def test_stop_keeps_what_was_learnt(
    new_job: NewJob, long: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil"
) -> None:
    job = new_job(long)
    job.resume()
    wait_until(lambda: len(job.snapshot().batch_losses) > 0)
    job.stop()
    wait_until(lambda: state(job).is_over)
    snapshot = job.snapshot()
    trained = AutoencoderDetector(long)
    trainer = trained.trainer(split.train, split.calibration)
    expected = [trainer.step().loss for _ in snapshot.batch_losses]
    assert (snapshot.state, snapshot.stopped_early) == (DONE, True)
    assert snapshot.batch_losses.tolist() == expected
    assert snapshot.result is not None
    assert same(snapshot.result.detector.model.state_dict(), trained.model.state_dict())
    assert snapshot.result.detector.threshold_ == trained.calibrate(split.calibration).threshold_


def test_a_job_that_is_over_does_not_go_on(new_job: NewJob, small: DetectorConfig, wait_until: "WaitUntil") -> None:
    job = new_job(small)
    before = finish(job, wait_until)
    for command in (job.resume, job.step, job.stop, job.pause):
        command()
        assert state(job) is DONE
    assert job.snapshot().result is before.result


def test_diverging_job_fails_with_the_learning_rate(
    pool: JobPool, small: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil"
) -> None:
    broken = replace(split, train=torch.full_like(split.train, math.nan))
    config = replace(small, training=replace(small.training, learning_rate=0.025))
    job = TrainingJob(config, broken, pool)
    snapshot = finish(job, wait_until)
    assert (snapshot.state, snapshot.result) == (FAILED, None)
    assert isinstance(snapshot.error, DivergedError)
    assert "learning rate 0.025" in str(snapshot.error)
    assert str(snapshot.error).endswith(".")


def test_a_worker_survives_a_job_that_breaks(
    new_job: NewJob, small: DetectorConfig, wait_until: "WaitUntil", monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: LocalBackend, *__: object) -> None:
        raise KeyError("surprise")

    def breaks(backend: LocalBackend, _: bool) -> None:
        patched.setattr(LocalBackend, "weights", broken)  # as where a graphics card has failed
        broken(backend)

    with monkeypatch.context() as patched:
        patched.setattr(LocalBackend, "step_many", breaks)
        snapshot = finish(new_job(small), wait_until)
    assert (snapshot.state, snapshot.error is not None, snapshot.has_begun) == (FAILED, True, True)
    assert finish(new_job(small), wait_until).state is DONE


def test_all_that_touches_the_device_is_done_by_one_thread_at_a_time(
    monkeypatch: pytest.MonkeyPatch, small: DetectorConfig, split: OneClassSplit
) -> None:
    held: list[torch.device] = []
    done: list[tuple[str, bool]] = []

    @contextmanager
    def lock(device: torch.device) -> Iterator[None]:
        held.append(device)
        yield
        held.pop()

    def told(what: str, do: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            done.append((what, bool(held)))
            return do(*arguments, **named)

        return wrapped

    monkeypatch.setattr(backend_module, "one_thread_at_a_time", lock)
    monkeypatch.setattr(AutoencoderDetector, "__init__", told("network", AutoencoderDetector.__init__))
    monkeypatch.setattr(Trainer, "__init__", told("images", Trainer.__init__))
    monkeypatch.setattr(Trainer, "step", told("batch", Trainer.step))
    monkeypatch.setattr(Autoencoder, "state_dict", told("weights", Autoencoder.state_dict))
    backend = LocalBackend(small, TrainingImages(split, small.preprocessing))
    backend.begin()
    backend.step_many(single_step=True)
    backend.weights()
    assert backend._trainer is not None
    weakref.finalize(backend._trainer, lambda: done.append(("let go", bool(held))))
    backend.close()
    assert done == [(what, True) for what in ("network", "images", "batch", "weights", "let go")]


# Snapshots


def test_a_snapshot_never_changes(new_job: NewJob, long: DetectorConfig, wait_until: "WaitUntil") -> None:
    job = new_job(long)
    job.resume()
    wait_until(lambda: len(job.snapshot().batch_losses) > 0)
    early = job.snapshot()
    copies = ({name: value.clone() for name, value in early.weights.items()}, early.batch_losses.copy(), early.losses)
    wait_until(lambda: len(job.snapshot().batch_losses) > len(early.batch_losses) + 50)
    # Weights come from a process while somebody looks at them.
    wait_until(lambda: job.detector() and not same(early.weights, job.snapshot().weights))
    later = job.snapshot()
    job.drop()
    assert same(early.weights, copies[0])
    assert np.array_equal(early.batch_losses, copies[1])
    assert early.losses == copies[2]
    assert not same(early.weights, later.weights)
    assert later.version > early.version
    with pytest.raises(AttributeError):
        early.epoch = 7  # type: ignore[misc]


def test_detector_of_a_running_job_is_a_copy(
    new_job: NewJob, long: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil"
) -> None:
    job = new_job(long)
    job.resume()
    wait_until(lambda: len(job.snapshot().batch_losses) > 0)
    early = job.detector()
    scores = early.decision_function(split.test.images)
    trained = len(job.snapshot().batch_losses)
    wait_until(lambda: len(job.snapshot().batch_losses) > trained + 50)
    assert torch.equal(early.decision_function(split.test.images), scores)
    wait_until(lambda: not torch.equal(job.detector().decision_function(split.test.images), scores))
    job.drop()
    assert early.predict(split.test.images).shape == (len(split.test.images),)


def test_who_looks_again_and_again_does_not_wait_for_the_detector(
    new_job: NewJob, long: DetectorConfig, monkeypatch: pytest.MonkeyPatch, wait_until: "WaitUntil"
) -> None:
    calibrated = []

    def calibrate(detector: AutoencoderDetector, split: OneClassSplit) -> AutoencoderDetector:
        calibrated.append(threading.current_thread().name)
        return detector.fit_memory(split.train).calibrate(split.calibration)

    monkeypatch.setattr(jobs_module, "calibrate", calibrate)
    monkeypatch.setattr(jobs_module, "LIVE_EVERY", 0.05)
    job = new_job(long)
    job.resume()
    seen = {job.detector()}
    wait_until(lambda: seen.add(job.detector()) or len(seen) > 3)
    assert state(job) is RUNNING
    here = threading.current_thread().name
    # The first is made for whoever asks first, perhaps once before the job runs and once as it does.
    assert calibrated.count(here) <= 2
    assert len(calibrated) - calibrated.count(here) >= 2


def test_detector_of_a_running_job_is_never_old(
    new_job: NewJob, long: DetectorConfig, monkeypatch: pytest.MonkeyPatch, wait_until: "WaitUntil"
) -> None:
    job = new_job(long)
    job.resume()
    wait_until(lambda: len(job.snapshot().batch_losses) > 0)
    early, weights = job.detector(), job.snapshot().weights
    monkeypatch.setattr(jobs_module, "LIVE_AT_MOST", 0.0)  # as if nobody had looked for so long
    wait_until(lambda: job.snapshot().weights is not weights)
    assert job.detector() is not early


def test_a_detector_that_could_not_be_made_in_the_background_stops_nothing(
    new_job: NewJob, long: DetectorConfig, monkeypatch: pytest.MonkeyPatch, wait_until: "WaitUntil"
) -> None:
    failed = []

    def calibrate(detector: AutoencoderDetector, split: OneClassSplit) -> AutoencoderDetector:
        if threading.current_thread().name == "background" and not failed:
            failed.append(True)
            raise MemoryError
        return detector.fit_memory(split.train).calibrate(split.calibration)

    monkeypatch.setattr(jobs_module, "calibrate", calibrate)
    monkeypatch.setattr(jobs_module, "LIVE_EVERY", 0.05)
    job = new_job(long)
    job.resume()
    wait_until(lambda: job.detector() and failed)
    seen = {job.detector()}
    wait_until(lambda: seen.add(job.detector()) or len(seen) > 2)


def test_detector_of_a_paused_job_has_the_weights_of_the_pause(
    new_job: NewJob, long: DetectorConfig, wait_until: "WaitUntil"
) -> None:
    job = new_job(long)
    job.resume()
    wait_until(lambda: len(job.snapshot().batch_losses) > 0)
    job.detector()
    job.pause()
    wait_until(lambda: state(job) is PAUSED)
    weights = job.detector().model.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in job.snapshot().weights.items())


def test_a_detector_is_another_once_its_job_has_trained_on(
    new_job: NewJob, small: DetectorConfig, wait_until: "WaitUntil"
) -> None:
    job = new_job(small)
    job.step()
    wait_until(lambda: state(job) is PAUSED)
    live = job.detector()
    assert job.has_changed_since(None)
    assert not job.has_changed_since(live)
    job.step()
    wait_until(lambda: state(job) is PAUSED and len(job.snapshot().batch_losses) == 2)
    assert job.has_changed_since(live)
    live = job.detector()
    finish(job, wait_until)
    assert job.has_changed_since(live)
    assert not job.has_changed_since(job.detector())


@pytest.mark.parametrize("neighbours", [0, 5])
def test_images_are_redrawn_as_the_detector_does_and_without_calibration_where_nothing_is_remembered(
    neighbours: int,
    new_job: NewJob,
    small: DetectorConfig,
    split: OneClassSplit,
    monkeypatch: pytest.MonkeyPatch,
    wait_until: "WaitUntil",
) -> None:
    calibrated = Mock(wraps=jobs_module.calibrate)
    monkeypatch.setattr(jobs_module, "calibrate", calibrated)
    job = new_job(replace(small, neighbours=neighbours))
    job.step()
    wait_until(lambda: state(job) is PAUSED)
    images = split.test.images[:9]
    seen, redrawn = job.redraw(images)
    assert calibrated.call_count == (neighbours > 0)
    result = job.detector().infer(images)
    assert torch.equal(seen, result.images)
    assert torch.equal(redrawn, result.reconstructions)
    job.step()
    wait_until(lambda: state(job) is PAUSED and len(job.snapshot().batch_losses) == 2)
    assert not torch.equal(job.redraw(images)[1], redrawn)


def test_detector_of_a_finished_job_is_its_result(new_job: NewJob, small: DetectorConfig, wait_until: "WaitUntil") -> None:
    job = new_job(small)
    snapshot = finish(job, wait_until)
    assert snapshot.result is not None
    assert job.detector() is snapshot.result.detector


def test_progress_and_speed_are_told(
    new_job: NewJob, long: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil"
) -> None:
    job = new_job(long)
    job.resume()
    wait_until(lambda: job.snapshot().images_per_second > 0)
    snapshot = job.snapshot()
    job.drop()
    trained = len(snapshot.batch_losses)
    assert snapshot.progress == trained / (200 * len(split.train))
    left = (200 * len(split.train) - trained) / snapshot.images_per_second
    assert snapshot.seconds_left == pytest.approx(left)


# The queue


def test_waiting_jobs_know_how_many_are_ahead_and_go_in_order(
    new_job: NewJob, small: DetectorConfig, wait_until: "WaitUntil", pool: JobPool
) -> None:
    waiting = [new_job(small) for _ in range(3)]
    order: list[int] = []
    pool.hold(True)
    for job in waiting:
        job.resume()
    snapshots = [job.snapshot() for job in waiting]
    assert [(each.state, each.ahead, each.is_held) for each in snapshots] == [(QUEUED, n, True) for n in range(3)]

    def all_done() -> bool:
        order.extend(number for number, job in enumerate(waiting) if number not in order and state(job) is DONE)
        return len(order) == 3

    pool.hold(False)
    wait_until(all_done)
    assert order == [0, 1, 2]


def test_pause_withdraws_a_waiting_job(
    new_job: NewJob, small: DetectorConfig, long: DetectorConfig, wait_until: "WaitUntil"
) -> None:
    running, withdrawn, last = (new_job(config) for config in (long, small, small))
    running.resume()
    reach(RUNNING, running, wait_until)
    withdrawn.resume()
    last.resume()
    withdrawn.pause()
    assert (state(withdrawn), last.snapshot().ahead) == (PAUSED, 0)
    running.drop()
    reach(DONE, last, wait_until)
    assert (state(withdrawn), len(withdrawn.snapshot().batch_losses)) == (PAUSED, 0)
    assert finish(withdrawn, wait_until).state is DONE


def test_two_workers_train_two_jobs_at_once(long: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil") -> None:
    pool = JobPool(workers=2)
    jobs = [TrainingJob(long, split, pool) for _ in range(2)]
    for job in jobs:
        job.resume()
    wait_until(lambda: all(state(job) is RUNNING for job in jobs))
    for job in jobs:
        job.drop()
    wait_until(lambda: not any(state(job).is_active for job in jobs))


def test_one_owner_runs_one_job_at_a_time(
    small: DetectorConfig, long: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil"
) -> None:
    pool, greedy = JobPool(workers=2), Owner()
    first, second = (TrainingJob(long, split, pool, owner=greedy) for _ in range(2))
    other = TrainingJob(small, split, pool)
    for job in (first, second, other):
        job.resume()
    # The other's job overtakes the second one, although a worker was free for that all the time.
    reach(DONE, other, wait_until)
    wait_until(lambda: pool.counts == (1, 1))
    assert {state(first), state(second)} <= {RUNNING, QUEUED}
    reach(RUNNING, second, wait_until)
    assert state(first) is RUNNING, "both of one owner's jobs have their turns"
    first.drop()
    second.drop()
    wait_until(lambda: pool.counts == (0, 0))


@dataclass
class LongMeasuring:
    """begun: set when a detector is measured; go_on: once it is set, to the end."""

    begun: threading.Event
    go_on: threading.Event


@pytest.fixture
def measuring(monkeypatch: pytest.MonkeyPatch) -> LongMeasuring:
    """In place of calibrating_and_measuring: as with a memory that makes it long; turns are short meanwhile."""
    whole, told = backend_module.calibrating_and_measuring, LongMeasuring(threading.Event(), threading.Event())

    def in_many_steps(detector: AutoencoderDetector, split: OneClassSplit) -> Generator[None, None, Checkpoint]:
        told.begun.set()
        while not told.go_on.wait(0.01):
            yield
        return (yield from whole(detector, split))

    monkeypatch.setattr(backend_module, "calibrating_and_measuring", in_many_steps)
    monkeypatch.setattr(jobs_module, "TIME_SLICE_SECONDS", 0.05)
    return told


def test_others_have_their_turns_while_a_detector_is_measured(
    measuring: LongMeasuring, long: DetectorConfig, small: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil"
) -> None:
    pool = JobPool(workers=1)
    measured, other = TrainingJob(small, split, pool), TrainingJob(long, split, pool)
    measured.resume()
    assert measuring.begun.wait(PATIENCE)
    other.resume()
    wait_until(lambda: len(other.snapshot().batch_losses) > 3)
    assert (state(measured), measured.snapshot().progress) == (RUNNING, 1.0)
    measured.pause()
    trained = len(other.snapshot().batch_losses)
    wait_until(lambda: len(other.snapshot().batch_losses) > trained + 3)
    assert state(measured) is RUNNING, "it has nothing left to pause in"
    measuring.go_on.set()
    reach(DONE, measured, wait_until)
    assert pool.close()


def test_what_is_only_to_be_measured_does_not_wait_for_the_next_training_of_its_owner(
    measuring: LongMeasuring, long: DetectorConfig, small: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil"
) -> None:
    pool, owner = JobPool(workers=1), Owner()
    measured, following = TrainingJob(small, split, pool, owner=owner), TrainingJob(long, split, pool, owner=owner)
    other = TrainingJob(long, split, pool)
    measured.resume()
    assert measuring.begun.wait(PATIENCE)
    for job in (following, other):
        job.resume()
    wait_until(lambda: len(other.snapshot().batch_losses) > 3)
    assert following.share == 0
    measuring.go_on.set()
    reach(DONE, measured, wait_until)
    wait_until(lambda: following.share > 0)
    assert pool.close()


@pytest.mark.parametrize("is_ended", [False, True], ids=["reset", "ended by the teacher"])
def test_a_job_that_is_dropped_while_its_detector_is_measured_leaves_the_worker(
    is_ended: bool,
    measuring: LongMeasuring,
    small: DetectorConfig,
    split: OneClassSplit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("TIME_SLICE_SECONDS", "SIBLING_SECONDS"):
        monkeypatch.setattr(jobs_module, name, 1e6)
    pool = JobPool(workers=2)
    owner = Owner()
    job, following = (TrainingJob(small, split, pool, owner=owner) for _ in range(2))
    job.resume()
    assert measuring.begun.wait(PATIENCE)
    following.resume()
    snapshot = following.snapshot()
    assert (snapshot.state, snapshot.ahead) == (QUEUED, 1), "its turn has not come: of one owner's jobs one runs at a time"
    assert snapshot.wait > 0
    measuring.begun.clear()
    if is_ended:
        job.end(UserError("The teacher has ended it."))
    else:
        job.drop()
    assert measuring.begun.wait(PATIENCE), "the next one of the same owner"
    assert job.snapshot().result is None
    assert (state(job) is FAILED) == is_ended
    following.drop()
    assert pool.close()


def test_two_trainings_of_one_owner_go_side_by_side(
    long: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs.job.TIME_SLICE_SECONDS", 1e6)
    monkeypatch.setattr("core.jobs.job.SIBLING_SECONDS", 0.05)
    pool, owner = JobPool(workers=2), Owner()
    first, second = (TrainingJob(long, split, pool, owner=owner) for _ in range(2))
    for job in (first, second):
        job.resume()
    for share in (0.01, 0.02, 0.03):
        wait_until(lambda share=share: min(first.share, second.share) > share)
    assert second.snapshot().losses, "the one that came later has learnt too, long before the first is done"
    assert first.share < 1
    for job in (first, second):
        job.drop()
    wait_until(lambda: pool.counts == (0, 0))


def test_a_job_taken_up_again_at_once_never_runs_twice(
    long: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil"
) -> None:
    pool = JobPool(workers=2)
    job = TrainingJob(long, split, pool)
    for _ in range(20):
        job.resume()
        reach(RUNNING, job, wait_until)
        job.pause()
        reach(PAUSED, job, wait_until)
        assert pool.counts[0] <= 1
    job.drop()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns of two hundredths of a second, so that many fit into a test."""
    monkeypatch.setattr(jobs_module, "TIME_SLICE_SECONDS", 0.02)
    monkeypatch.setattr(jobs_module, "FIRST_TURN", 0.02)


@pytest.mark.usefixtures("quick")
def test_everybody_has_turns(long: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil") -> None:
    """The old pool ran the first to its end."""
    pool = JobPool(workers=1)
    jobs = [TrainingJob(long, split, pool) for _ in range(5)]
    for job in jobs:
        job.resume()
    wait_until(lambda: all(len(job.snapshot().batch_losses) > 200 for job in jobs))
    trained = [len(job.snapshot().batch_losses) for job in jobs]
    assert {state(job) for job in jobs} == {RUNNING}
    assert 4.5 <= jobs[0].snapshot().turn <= 5.5
    for job in jobs:
        job.drop()
    assert max(trained) < 5 * min(trained)


@pytest.mark.usefixtures("quick")
def test_turns_change_no_bit(small: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil") -> None:
    config = replace(small, training=replace(small.training, epochs=30, batch_size=4, noise=0.1, schedule="one-cycle"))
    alone = AutoencoderDetector(config)
    losses = [step.loss for step in alone.trainer(split.train, split.calibration)]
    pool = JobPool(workers=2)
    jobs = [TrainingJob(config, split, pool) for _ in range(6)]
    for job in jobs:
        job.resume()
    wait_until(lambda: all(state(job) is DONE for job in jobs))
    assert sum(job._turns for job in jobs) > 12
    for job in jobs:
        assert job.snapshot().batch_losses.tolist() == np.array(losses, dtype=np.float32).tolist()
        assert same(job.snapshot().weights, alone.model.state_dict())


@pytest.mark.usefixtures("quick")
def test_visitors_have_turns_and_not_jobs(long: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil") -> None:
    pool, greedy = JobPool(workers=1), Owner()
    many = [TrainingJob(long, split, pool, owner=greedy) for _ in range(6)]
    one = TrainingJob(long, split, pool)
    for job in (*many, one):
        job.resume()
    wait_until(lambda: all(job._turns > 2 for job in many))
    together = sum(job._turns for job in many)
    assert one._turns == pytest.approx(together, abs=3)
    assert one.snapshot().turn == 2
    assert many[0].snapshot().turn == 12
    for job in (*many, one):
        job.drop()


@pytest.mark.usefixtures("quick")
def test_where_short_and_long_ones_wait_one_turn_in_six_is_for_a_long_one(
    long: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil"
) -> None:
    pool = JobPool(workers=1)
    short, hogs = [TrainingJob(long, split, pool) for _ in range(3)], [TrainingJob(long, split, pool) for _ in range(6)]
    for hog in hogs:
        hog.work = 1e6
    for job in (*short, *hogs):
        job.resume()
    wait_until(lambda: sum(job._turns for job in hogs) > 20)
    turns = sum(job._turns for job in short), sum(job._turns for job in hogs)
    told = short[0].snapshot().turn, hogs[0].snapshot().turn
    for job in (*short, *hogs):
        job.drop()
    assert turns[0] == pytest.approx(5 * turns[1], rel=0.2)
    assert told == pytest.approx((3.6, 36))


def test_a_job_that_becomes_short_while_its_place_is_asked_for_has_one(
    long: DetectorConfig, split: OneClassSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = JobPool(1)
    pool.hold(True)
    job = TrainingJob(long, split, pool)
    job.resume()
    answers = itertools.cycle([True, False])
    with monkeypatch.context() as patch:
        patch.setattr(TrainingJob, "is_short", property(lambda _job: next(answers)))
        assert pool.place_of(job).turn == 1.0
    job.drop()
    assert pool.close()


def test_the_first_turn_shows_an_epoch(small: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil") -> None:
    """However short turns are: else the first point comes a whole round later."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs_module, "TIME_SLICE_SECONDS", 0.0)
        pool = JobPool(workers=1)
        jobs = [TrainingJob(replace(small, training=replace(small.training, batch_size=8)), split, pool) for _ in range(3)]
        for job in jobs:
            job.resume()
        wait_until(lambda: all(job._turns or state(job).is_over for job in jobs))
        assert all(job.snapshot().losses for job in jobs)
        for job in jobs:
            job.drop()


def test_to_make_the_images_is_no_part_of_the_first_turn(
    small: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil", monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, late = LocalBackend.begin, 0.0

    def slow(backend: LocalBackend) -> None:
        nonlocal late
        late += 10.0
        begin(backend)

    monkeypatch.setattr(LocalBackend, "begin", slow)
    monkeypatch.setattr(jobs_module, "time", Mock(wraps=time, monotonic=lambda: time.monotonic() + late))
    monkeypatch.setattr(jobs_module, "TIME_SLICE_SECONDS", 0.05)
    pool = JobPool(workers=1)
    monkeypatch.setattr(pool, "has_others", lambda job: True)
    job = TrainingJob(small, split, pool)
    job.resume()
    wait_until(lambda: job._turns or state(job).is_over)
    assert job.snapshot().losses
    job.drop()
    assert pool.close()


def test_a_waiting_job_is_told_a_wait_of_turns_and_not_of_days(
    long: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil", monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = JobPool(workers=1)
    hogs = [TrainingJob(long, split, pool) for _ in range(3)]
    for hog in hogs:
        hog.work = 1e6
        hog.resume()
    wait_until(lambda: pool.counts[0] == 1)
    newcomer = TrainingJob(long, split, pool)
    run, turns = newcomer.run, list[int]()
    monkeypatch.setattr(newcomer, "run", lambda process: turns.append(pool._turn) or run(process))
    newcomer.resume()
    asked = pool._turn
    told = newcomer.snapshot().wait
    reach(RUNNING, newcomer, wait_until)
    assert told <= 2 * jobs_module.TIME_SLICE_SECONDS
    assert turns[0] - asked <= 2
    for job in (*hogs, newcomer):
        job.drop()


def test_what_waits_holds_settings_only(long: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil") -> None:
    class Counted(OneClassSplit):
        made = 0

        def materialize(self) -> OneClassSplit:
            Counted.made += 1
            return self

    pool = JobPool(workers=1)
    counted = Counted(split.train, split.calibration, split.test)
    pool.hold(True)
    jobs = [TrainingJob(replace(long, preprocessing="deskew"), counted, pool) for _ in range(3)]
    for waiting in jobs:
        waiting.resume()
    del waiting
    assert (Counted.made, [job.snapshot().has_begun for job in jobs]) == (0, [False] * 3)
    assert not any(hasattr(job._backend, "model") or job._backend._detector for job in jobs)  # type: ignore[attr-defined]
    pool.hold(False)
    wait_until(lambda: all(job.snapshot().has_begun for job in jobs))
    assert Counted.made == 1, "jobs of the same split share its images"
    images = weakref.ref(jobs[0]._images.prepared)  # type: ignore[union-attr]
    while jobs:
        jobs.pop().drop()
    wait_until(lambda: pool.counts == (0, 0))
    wait_until(lambda: gc.collect() >= 0 and images() is None)


# What the teacher does


def test_the_teacher_ends_and_pauses_any_training(
    new_job: NewJob, long: DetectorConfig, pool: JobPool, wait_until: "WaitUntil"
) -> None:
    first, second, third = jobs = [new_job(long) for _ in range(3)]
    for job in jobs:
        job.resume()
    wait_until(lambda: all(state(job) is RUNNING for job in jobs))
    assert set(jobs) <= set(pool.jobs())
    first.end(UserError("Ended by the teacher."))
    second.pause(UserError("Paused by the teacher."))
    reach(FAILED, first, wait_until)
    reach(PAUSED, second, wait_until)
    assert (str(first.snapshot().error), str(second.snapshot().error)) == ("Ended by the teacher.", "Paused by the teacher.")
    assert first not in pool.jobs()
    trained = len(third.snapshot().batch_losses)
    wait_until(lambda: len(third.snapshot().batch_losses) > trained)
    second.resume()
    reach(RUNNING, second, wait_until)
    assert second.snapshot().error is None
    second.pause()
    reach(PAUSED, second, wait_until)
    second.end(UserError("Ended by the teacher."))
    assert state(second) is FAILED


def test_the_teacher_ends_a_training_whose_cluster_is_lost_meanwhile(
    small: DetectorConfig, split: OneClassSplit, pool: JobPool, wait_until: "WaitUntil"
) -> None:
    begun, ended = threading.Event(), threading.Event()

    class Lost(LocalBackend):
        def step_many(self, single_step: bool) -> list[Step]:
            begun.set()
            ended.wait(PATIENCE)
            raise HaltedError("The cluster does not answer.")

    job = TrainingJob(small, split, pool, backend=Lost(small, pool.images.of(split, small.preprocessing)))
    job.resume()
    wait_until(begun.is_set)
    job.end(UserError("Ended by the teacher."))
    ended.set()
    reach(FAILED, job, wait_until)
    assert str(job.snapshot().error) == "Ended by the teacher."


def test_a_training_elsewhere_pauses_also_while_all_are_held(
    long: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil"
) -> None:
    """All workers sleep, and one of them has to bring it back."""

    class Elsewhere(LocalBackend):
        is_away = False

        @property
        def is_at_rest(self) -> bool:
            return not self.is_away

        def step_many(self, single_step: bool) -> Sequence[Step]:
            steps = super().step_many(single_step)
            self.is_away = True
            return steps

        def end_turn(self) -> None:
            """It goes on there."""

        def suspend(self) -> None:
            self.is_away = False

    pool = JobPool(workers=1)
    job = TrainingJob(long, split, pool, backend=Elsewhere(long, pool.images.of(split, long.preprocessing)))
    job.resume()
    wait_until(lambda: len(job.snapshot().batch_losses) > 0)
    pool.hold(True)
    wait_until(lambda: pool.counts == (0, 1))
    assert state(job) is RUNNING
    job.pause()
    reach(PAUSED, job, wait_until)
    assert pool.close()


def test_nobody_has_a_turn_while_all_are_held(
    new_job: NewJob, long: DetectorConfig, pool: JobPool, wait_until: "WaitUntil"
) -> None:
    job, other = new_job(long), new_job(long)
    job.resume()
    reach(RUNNING, job, wait_until)
    pool.hold(True)
    try:
        wait_until(lambda: pool.counts == (0, 1))
        trained = len(job.snapshot().batch_losses)
        other.resume()
        time.sleep(0.1)
        assert (len(job.snapshot().batch_losses), state(job), state(other)) == (trained, RUNNING, QUEUED)
        other.pause()
        assert state(other) is PAUSED
    finally:
        pool.hold(False)
    wait_until(lambda: len(job.snapshot().batch_losses) > trained)


@pytest.mark.usefixtures("quick")
def test_a_pause_between_two_turns_comes_at_once(long: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil") -> None:
    pool = JobPool(workers=1)
    jobs = [TrainingJob(long, split, pool) for _ in range(8)]
    for job in jobs:
        job.resume()
    wait_until(lambda: all(job._turns for job in jobs))
    for job in jobs:
        job.pause()
        reach(PAUSED, job, wait_until)
    wait_until(lambda: pool.counts == (0, 0))
    assert {state(job) for job in jobs} == {PAUSED}


@pytest.mark.parametrize("name", ["TRAINING_WORKERS", "MAX_EPOCHS", "MAX_PARAMETERS"])
@pytest.mark.parametrize("value", ["many", "0", "-1", "1.5"])
def test_a_limit_that_is_no_number_is_told(
    small: DetectorConfig, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError, match=f"{name}.*“{value}”"):
        JobPool() if name == "TRAINING_WORKERS" else limits.require_allowed(small)


def test_no_training_is_longer_or_larger_than_the_teacher_allows(
    new_job: NewJob, small: DetectorConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = limits.parameter_count(new_job(small).detector().model)
    monkeypatch.setenv("MAX_EPOCHS", str(small.training.epochs))
    monkeypatch.setenv("MAX_PARAMETERS", str(parameters))
    new_job(small)
    with pytest.raises(SettingError, match="at most 2 epochs, not 3"):
        new_job(replace(small, training=replace(small.training, epochs=3)))
    monkeypatch.setenv("MAX_PARAMETERS", str(parameters - 1))
    with pytest.raises(SettingError, match=f"not {parameters:,}"):
        new_job(small)


def test_a_network_beyond_the_limit_is_never_built(
    new_job: NewJob, small: DetectorConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    huge = replace(small, model=ModelConfig(hidden_sizes=(4096,) * 6, latent_dim=4096))
    for module in (jobs_module, detector_module):
        monkeypatch.setattr(module, "build", Mock(side_effect=AssertionError("800 MB of random numbers")))
    with pytest.raises(SettingError, match="at most 5,000,000 parameters, not 207"):
        new_job(huge)


def test_no_batch_is_begun_while_something_comes_first_but_training_never_stops(
    long: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil", monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = JobPool(workers=1)
    job = TrainingJob(long, split, pool)
    job.resume()
    wait_until(lambda: len(job.snapshot().batch_losses) > 5)
    with pool.inference_priority(), pool.inference_priority():
        before, started = job._trained, time.monotonic()
        wait_until(lambda: job._trained >= before + 4)
        seconds = time.monotonic() - started
    assert seconds >= 3 * pool_module.MAX_STAND_BACK, "but for the batch that was under way, each has waited"
    wait_until(lambda: job._trained > before + 50)
    job.drop()


def test_training_stands_back_behind_the_pages(new_job: NewJob, long: DetectorConfig, wait_until: "WaitUntil") -> None:
    if sys.platform != "linux":
        pytest.skip("Only Linux gives each thread a share of its own.")
    job = new_job(long)
    job.resume()
    reach(RUNNING, job, wait_until)
    workers = [thread for thread in threading.enumerate() if thread.name.startswith("training-")]
    shares = {os.getpriority(os.PRIO_PROCESS, thread.native_id) for thread in workers if thread.native_id}
    assert shares == {min(19, os.getpriority(os.PRIO_PROCESS, 0) + pool_module.TRAINING_NICE)}


def test_environment_sets_the_number_of_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINING_WORKERS", "3")
    assert JobPool().workers == 3
    assert JobPool(workers=1).workers == 1


# Jobs whose page is gone


def test_abandoned_job_pauses_and_can_go_on(
    new_job: NewJob, long: DetectorConfig, small: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil"
) -> None:
    abandoned = new_job(long)
    abandoned.resume()
    wait_until(lambda: len(abandoned.snapshot().batch_losses) > 0)
    abandoned.idle_timeout = 0.05
    # Only one worker: that the next job is done shows that the abandoned one let go.
    finish(new_job(small), wait_until)
    snapshot = abandoned.snapshot()
    trained = len(snapshot.batch_losses)
    assert (snapshot.state, snapshot.paused_unattended) == (PAUSED, True)
    assert 0 < trained < 200 * len(split.train)
    abandoned.idle_timeout = 60.0
    abandoned.resume()
    wait_until(lambda: len(abandoned.snapshot().batch_losses) > trained)
    assert (state(abandoned), abandoned.snapshot().paused_unattended) == (RUNNING, False)


def test_a_job_that_pauses_lets_go_of_its_live_detector(
    new_job: NewJob, long: DetectorConfig, wait_until: "WaitUntil", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "LIVE_AT_MOST", 0.0)  # none is made in the background
    job = new_job(long)
    job.resume()
    reach(RUNNING, job, wait_until)
    live = weakref.ref(job.detector())
    job.pause()
    reach(PAUSED, job, wait_until)
    wait_until(lambda: gc.collect() >= 0 and live() is None)
    assert job.detector().threshold_ > 0


def test_a_live_detector_can_be_let_go_in_the_middle_of_a_look(
    new_job: NewJob, small: DetectorConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = new_job(small)
    live = job.detector()
    looks = iter([(job.snapshot().weights, live)])  # and from the second on there is none
    monkeypatch.setattr(jobs_module.TrainingJob, "_current", property(lambda _: next(looks, None)), raising=False)
    assert job.detector() is live


def test_a_job_whose_browser_is_gone_pauses_sooner(
    long: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "DISCONNECT_TIMEOUT", 0.3)
    connected = True
    job = TrainingJob(long, split, JobPool(workers=1), is_connected=lambda: connected)
    job.resume()
    wait_until(lambda: job._snapshot.batch_losses.size)
    begun = time.monotonic()
    wait_until(lambda: job._snapshot.state is not RUNNING or time.monotonic() - begun > 0.4)
    assert job._snapshot.state is RUNNING
    connected = False
    wait_until(lambda: job._snapshot.state is PAUSED)
    assert job._snapshot.paused_unattended


def test_looking_at_a_job_keeps_it_going(new_job: NewJob, long: DetectorConfig, wait_until: "WaitUntil") -> None:
    job = new_job(long)
    job.idle_timeout = 1.0
    job.resume()
    started = time.monotonic()
    wait_until(lambda: not state(job).is_active or time.monotonic() - started > 1.5)
    assert state(job) is RUNNING


def test_abandoned_job_is_freed_when_its_owner_drops_it(new_job: NewJob, long: DetectorConfig, wait_until: "WaitUntil") -> None:
    job = new_job(long)
    job.resume()
    reach(RUNNING, job, wait_until)
    job.idle_timeout = 0.05
    gone = weakref.ref(job)
    del job
    wait_until(lambda: gc.collect() >= 0 and gone() is None)


@pytest.mark.parametrize("over", [False, True], ids=["paused", "done"])
def test_a_job_at_rest_is_freed_with_its_owner(
    new_job: NewJob, small: DetectorConfig, wait_until: "WaitUntil", over: bool
) -> None:
    job = new_job(small)
    job.step()
    reach(PAUSED, job, wait_until)
    if over:
        finish(job, wait_until)
    gone = weakref.ref(job)
    gc.collect()
    gc.disable()  # as a server does, which searches once a minute
    try:
        del job
        wait_until(lambda: gone() is None)
    finally:
        gc.enable()


def test_dropped_job_leaves_the_queue_and_stays_out(
    new_job: NewJob, small: DetectorConfig, long: DetectorConfig, wait_until: "WaitUntil"
) -> None:
    running, dropped = new_job(long), new_job(small)
    running.resume()
    reach(RUNNING, running, wait_until)
    dropped.resume()
    dropped.drop()
    dropped.resume()
    running.drop()
    finish(new_job(small), wait_until)
    assert len(dropped.snapshot().batch_losses) == 0
    assert not state(dropped).is_active
    assert state(running) is PAUSED


def test_a_closed_pool_has_ended_all_its_threads(long: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil") -> None:
    pool = JobPool(workers=2)
    running, waiting = [TrainingJob(long, split, pool) for _ in range(2)], TrainingJob(long, split, pool)
    for job in (*running, waiting):
        job.resume()
    for job in running:
        reach(RUNNING, job, wait_until)
    assert pool.close(seconds=20.0)
    assert pool.counts == (0, 0)
    assert not any(state(job).is_active for job in (*running, waiting))
    assert not any(thread.is_alive() for thread in pool._threads)


def test_previews_do_not_pile_up(
    long: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "LIVE_EVERY", 0.0)
    monkeypatch.setattr(jobs_module, "PUBLISH_EVERY", 0.0)
    pool = JobPool(workers=1)
    held = threading.Event()
    pool.in_background(held.wait)  # whatever makes previews is busy
    job = TrainingJob(long, split, pool)
    job.resume()
    wait_until(lambda: job.detector() and len(job.snapshot().batch_losses) > 60)
    assert pool._background.qsize() <= 1
    job.drop()
    held.set()


def test_a_job_that_is_over_holds_no_optimiser(new_job: NewJob, small: DetectorConfig, wait_until: "WaitUntil") -> None:
    job = new_job(small)
    job.step()
    reach(PAUSED, job, wait_until)
    optimiser = weakref.ref(job._backend._trainer._optimizer)  # type: ignore[attr-defined]
    finish(job, wait_until)
    wait_until(lambda: gc.collect() >= 0 and optimiser() is None)
    assert job.snapshot().result


def test_a_job_that_has_failed_holds_no_optimiser(
    pool: JobPool, small: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil", monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page shows its error until another training begins."""
    begin, optimisers = LocalBackend.begin, list[weakref.ref[object]]()

    def noted(backend: LocalBackend) -> None:
        begin(backend)
        assert backend._trainer
        optimisers.append(weakref.ref(backend._trainer._optimizer))

    monkeypatch.setattr(LocalBackend, "begin", noted)
    snapshot = finish(TrainingJob(small, replace(split, train=torch.full_like(split.train, math.nan)), pool), wait_until)
    assert isinstance(snapshot.error, DivergedError)
    [optimiser] = optimisers
    wait_until(lambda: gc.collect() >= 0 and optimiser() is None)


def test_a_snapshot_copies_no_losses_and_none_can_change_them(
    new_job: NewJob, small: DetectorConfig, wait_until: "WaitUntil"
) -> None:
    job = new_job(small)
    job.step()
    reach(PAUSED, job, wait_until)
    first = job.snapshot().batch_losses
    before = first.copy()
    second = finish(job, wait_until).batch_losses
    assert np.shares_memory(first, second)
    assert (len(first), first[0]) == (1, before[0])
    with pytest.raises(ValueError, match="read-only"):
        second[0] = 1.0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("TRAINING_WORKERS", "0"),
        ("TRAINING_WORKERS", "abc"),
        ("TRAINING_WORKERS", "257"),
        ("TRAINING_PROCESSES", "-1"),
        ("TRAINING_PROCESSES", "257"),
        ("MAX_EPOCHS", "-1"),
        ("MAX_EPOCHS", "201"),
        ("MAX_PARAMETERS", "1e6"),
        ("MAX_KEPT_PARAMETERS", "many"),
        ("DRAIN_SECONDS", "soon"),
        ("DEVICE", "toaster"),
    ],
)
def test_a_setting_of_the_environment_that_cannot_be_used_is_told(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_usable_environment()
    monkeypatch.setenv(name, text)
    with pytest.raises(UserError, match=text):
        require_usable_environment()


def test_as_many_epochs_are_allowed_as_a_training_can_be_set_to(monkeypatch: pytest.MonkeyPatch) -> None:
    values = SETTINGS["epochs"].values
    assert isinstance(values, Number)
    monkeypatch.setenv("MAX_EPOCHS", f"{values.most:.0f}")
    monkeypatch.setenv("TRAINING_WORKERS", "256")
    require_usable_environment()


def test_the_learning_rate_changes_in_a_pause_and_is_told(
    new_job: NewJob, small: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil"
) -> None:
    job = new_job(small)
    job.step()
    reach(PAUSED, job, wait_until)
    job.set_learning_rate(0.05)
    job.set_learning_rate(0.02)
    assert job.snapshot().rate_changes == ((1, 0.02),), "one change a pause"
    snapshot = finish(job, wait_until)
    assert snapshot.rate_changes == ((1, 0.02),)
    assert job.learning_rate == 0.02

    trainer = AutoencoderDetector(small).trainer(split.train, split.calibration)
    expected = [trainer.step().loss]
    trainer.learning_rate = 0.02
    expected += [step.loss for step in trainer]
    assert np.array_equal(snapshot.batch_losses, np.array(expected, dtype=np.float32))


def test_the_learning_rate_stays_while_it_trains(new_job: NewJob, long: DetectorConfig, wait_until: "WaitUntil") -> None:
    job = new_job(long)
    job.set_learning_rate(0.1)
    job.resume()
    reach(RUNNING, job, wait_until)
    job.set_learning_rate(0.1)
    assert job.snapshot().rate_changes == ()
    assert job.learning_rate == long.training.learning_rate
    job.drop()
