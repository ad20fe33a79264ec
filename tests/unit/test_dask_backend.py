"""A training on Dask's workers: the same to the last bit as here, and never lost or stuck when something dies."""

import asyncio
import gc
import logging
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from core.data.datasets import DataSet
from core.data.own import OwnImages
from core.data.split import OneClassSplit, plan_split, split_one_class
from core.detector import AutoencoderDetector, DetectorConfig
from core.jobs.job import JobState, TrainingJob
from core.jobs.pool import JobPool
from core.metrics import evaluate

pytest.importorskip("distributed", reason="Dask is not installed: python deploy/set_up.py server")

from distributed import Client

from core.jobs.dask import backend as cluster_training
from core.jobs.dask import workers
from core.jobs.dask.backend import DaskBackend, splits_made
from core.jobs.dask.workers import by_reference
from tests.cluster import Cluster

if TYPE_CHECKING:
    from tests.conftest import WaitUntil

NewJob = Callable[[DetectorConfig], TrainingJob]
PAUSED, DONE, FAILED = JobState.PAUSED, JobState.DONE, JobState.FAILED


@pytest.fixture(scope="module")
def pool() -> JobPool:
    return JobPool(workers=1)


@pytest.fixture(scope="module")
def split(uci: DataSet, small: DetectorConfig) -> OneClassSplit:
    """The split that the settings ask for, as workers make it."""
    return split_one_class(uci, small.normal_classes, small.training.seed)


@pytest.fixture(scope="module")
def joined(cluster: Cluster, pool: JobPool) -> cluster_training.Cluster:
    """The app's side of it."""
    return cluster_training.Cluster(cluster.address, pool)


@pytest.fixture
def new_job(joined: cluster_training.Cluster, pool: JobPool, uci: DataSet, split: OneClassSplit) -> Iterator[NewJob]:
    """Makes jobs on the cluster; drops them after the test."""
    jobs = []

    def make(config: DetectorConfig) -> TrainingJob:
        jobs.append(TrainingJob(config, split, pool, backend=DaskBackend(config, uci, split, joined)))
        return jobs[-1]

    yield make
    for job in jobs:
        job.drop()


@pytest.fixture
def long(small: DetectorConfig) -> DetectorConfig:
    """Settings for a job that does not end by itself while a test runs, with everything that a state has to hold."""
    training = replace(small.training, epochs=200, batch_size=1, noise=0.1, schedule="one-cycle")
    return replace(small, preprocessing="deskew", training=training)


def count(job: TrainingJob) -> int:
    return len(job.snapshot().batch_losses)


def state(job: TrainingJob) -> JobState:
    return job.snapshot().state


def losses_here(config: DetectorConfig, split: OneClassSplit, batches: int) -> list[float]:
    """Losses of the bare Trainer in this process, as a snapshot has them."""
    trainer = AutoencoderDetector(config).trainer(split.train, split.calibration)
    return np.array([trainer.step().loss for _ in range(batches)], dtype=np.float32).tolist()  # type: ignore[no-any-return]


def test_a_job_on_the_cluster_equals_the_bare_trainer(
    new_job: NewJob, small: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil"
) -> None:
    config = replace(small, neighbours=3)
    here = AutoencoderDetector(config).fit_split(split)
    job = new_job(config)
    assert not job.snapshot().has_begun
    job.resume()
    wait_until(lambda: state(job).is_over)
    snapshot = job.snapshot()
    assert (snapshot.state, snapshot.stopped_early, snapshot.error) == (DONE, False, None)
    assert snapshot.batch_losses.tolist() == losses_here(config, split, len(snapshot.batch_losses))
    assert snapshot.result is not None
    assert snapshot.result.losses == snapshot.losses == tuple(here.losses_)
    made = snapshot.result.detector
    assert torch.equal(flat(made), flat(here))
    assert torch.equal(made.memory_, here.memory_)
    assert made.threshold_ == here.threshold_
    scores = here.decision_function(split.test.images)
    assert snapshot.result.evaluation == evaluate(scores, split.test.labels, [5], here.threshold_)


def flat(detector: AutoencoderDetector) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in detector.model.parameters()])


def test_a_training_on_the_first_images_only_has_the_same_images_on_the_cluster(
    joined: cluster_training.Cluster, pool: JobPool, uci: DataSet, small: DetectorConfig, wait_until: "WaitUntil"
) -> None:
    config = replace(small, training=replace(small.training, vary=True))
    whole = plan_split(uci, config.normal_classes, config.training.seed, vary=True)
    few = whole.first(40 * (1 + whole.copies), 10)
    images = few.materialize()
    assert len(images.train) == few.counts[0] == 40 * (1 + whole.copies) < whole.counts[0]
    assert images.copies == whole.copies > 0
    assert torch.equal(images.calibration, whole.materialize().calibration[:10])
    here = AutoencoderDetector(config).fit_split(images)
    job = TrainingJob(config, few, pool, backend=DaskBackend(config, uci, few, joined))
    job.resume()
    wait_until(lambda: state(job).is_over)
    snapshot = job.snapshot()
    assert (snapshot.state, snapshot.error) == (DONE, None)
    assert snapshot.batch_losses.tolist() == losses_here(config, images, len(snapshot.batch_losses))
    assert snapshot.losses == tuple(here.losses_)
    assert snapshot.result is not None
    assert torch.equal(flat(snapshot.result.detector), flat(here))
    assert snapshot.result.detector.threshold_ == here.threshold_


def test_pauses_steps_and_a_stop_change_no_bit(
    new_job: NewJob, long: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil"
) -> None:
    job = new_job(long)
    job.step()
    wait_until(lambda: state(job) is PAUSED)
    assert count(job) == 1
    job.resume()
    wait_until(lambda: count(job) > 1)
    job.pause()
    wait_until(lambda: state(job) is PAUSED)
    paused = count(job)
    job.step()
    wait_until(lambda: state(job) is PAUSED)
    assert count(job) == paused + 1
    job.resume()
    wait_until(lambda: len(job.snapshot().losses) > 1)
    job.stop()
    wait_until(lambda: state(job).is_over)
    snapshot = job.snapshot()
    assert (snapshot.state, snapshot.stopped_early) == (DONE, True)
    assert snapshot.batch_losses.tolist() == losses_here(long, split, len(snapshot.batch_losses))
    assert snapshot.result is not None
    assert len(snapshot.result.losses) == len(snapshot.batch_losses) // snapshot.batches


def test_the_pool_has_as_many_places_as_the_cluster_and_the_images_travel_once(
    joined: cluster_training.Cluster,
    new_job: NewJob,
    long: DetectorConfig,
    wait_until: "WaitUntil",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent = []
    monkeypatch.setattr(workers.Images, "__getstate__", lambda images: sent.append(images) or vars(images), raising=False)
    jobs = [new_job(long), new_job(long)]
    for job in jobs:
        job.resume()
    wait_until(lambda: all(count(job) > 1 for job in jobs))
    assert (joined._pool.workers, joined._pool.counts) == (2, (2, 0))
    assert len(sent) <= 1, "at most with the first job of this file"


def kept(client: Client) -> tuple[list[str], set[str]]:
    """The names of somebody's own data sets that scheduler and workers have, and of all that workers have splits of."""
    names = client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.worker_plugins))
    for each in client.run(lambda dask_worker: list(dask_worker.plugins)).values():
        names += each
    return [name for name in names if "own-" in name], set().union(*client.run(by_reference(splits_made)).values())


@pytest.fixture
def own(uci: DataSet) -> DataSet:
    """Somebody's own drawings."""
    return OwnImages.of(uci.train_images[:200], [str(label) for label in uci.train_labels[:200].tolist()]).data_set


@pytest.fixture
def new_own_job(joined: cluster_training.Cluster, pool: JobPool, own: DataSet) -> Callable[[DetectorConfig], TrainingJob]:
    """Makes jobs on own drawings on the cluster."""

    def make(config: DetectorConfig) -> TrainingJob:
        config = replace(config, data_set=own.name)
        plan = plan_split(own, config.normal_classes, config.training.seed)
        return TrainingJob(config, plan, pool, backend=DaskBackend(config, own, plan, joined))

    return make


def test_drawings_and_no_others_images_leave_the_cluster_with_the_last_training_that_uses_them(
    new_job: NewJob,
    new_own_job: NewJob,
    cluster: Cluster,
    own: DataSet,
    uci: DataSet,
    small: DetectorConfig,
    long: DetectorConfig,
    wait_until: "WaitUntil",
) -> None:
    other = new_job(small)
    other.resume()
    wait_until(lambda: state(other).is_over)
    endless, short = jobs = [new_own_job(long), new_own_job(small)]
    for job in jobs:
        job.resume()
    with Client(cluster.address, set_as_default=False) as client:
        try:
            wait_until(lambda: state(short).is_over and count(endless) > 1)
            assert state(short) is DONE
            names, made = kept(client)
            assert len(names) == 3, "one on the scheduler, one on each worker"
            assert made == {own.name, uci.name}
            endless.pause()
            wait_until(lambda: kept(client) == ([], {uci.name}))
            endless.resume()
            before = count(endless)
            wait_until(lambda: count(endless) > before)
        finally:
            for job in jobs:
                job.drop()
        wait_until(lambda: kept(client) == ([], {uci.name}))


def test_drawings_travel_once_for_a_training_that_runs_to_its_end(
    joined: cluster_training.Cluster,
    new_own_job: NewJob,
    own: DataSet,
    small: DetectorConfig,
    wait_until: "WaitUntil",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(joined, "prepare", Mock(wraps=joined.prepare))
    monkeypatch.setattr(joined, "release", Mock(wraps=joined.release))
    job = new_own_job(small)
    job.resume()
    wait_until(lambda: state(job).is_over)
    assert state(job) is DONE
    joined.prepare.assert_called_once_with(own)  # type: ignore[attr-defined]
    joined.release.assert_called_once_with(own.name)  # type: ignore[attr-defined]


def test_drawings_leave_the_cluster_with_a_training_that_dies_of_an_error(
    new_own_job: NewJob,
    cluster: Cluster,
    long: DetectorConfig,
    wait_until: "WaitUntil",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = new_own_job(long)
    job.resume()
    wait_until(lambda: count(job) > 1)
    monkeypatch.setattr(job, "_discard_lost_batches", Mock(side_effect=RuntimeError("by the test")))
    wait_until(lambda: state(job).is_over)
    assert str(job.snapshot().error) == "Training failed: by the test"
    with Client(cluster.address, set_as_default=False) as client:
        wait_until(lambda: kept(client)[0] == [])


def test_nobody_waits_for_a_scheduler_that_is_asked_to_give_drawings_back(
    joined: cluster_training.Cluster, own: DataSet, uci: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined.prepare(own).result(30)
    is_asked, answers, threads = Event(), Event(), joined.threads

    def silent(client: Client) -> int:
        if not is_asked.is_set():
            is_asked.set()
            answers.wait()
        return threads(client)

    monkeypatch.setattr(joined, "threads", silent)
    joined.release(own.name)
    assert is_asked.wait(30)
    try:
        assert joined.prepare(uci).result(10).status == "running"
    finally:
        answers.set()
        joined.release(uci.name)


def test_drawings_that_a_client_left_behind_go_with_the_next_that_are_taken_back(cluster: Cluster, uci: DataSet) -> None:
    data = OwnImages.of(uci.train_images[:20], ["5"] * 20).data_set
    with Client(cluster.address, set_as_default=False) as watching:
        with Client(cluster.address, set_as_default=False) as gone:
            workers.broadcast(gone, data)
        workers.broadcast(watching, data)
        with Client(cluster.address, set_as_default=False) as client:
            workers.broadcast(client, data)
            workers.take_back(client, data.name)
        assert [name.rpartition(" ")[2] for name in kept(watching)[0]] == [watching.id] * 3
        workers.take_back(watching, data.name)
        assert kept(watching)[0] == []


def test_divergence_is_told_as_it_is_here(new_job: NewJob, small: DetectorConfig, wait_until: "WaitUntil") -> None:
    job = new_job(replace(small, training=replace(small.training, epochs=200, learning_rate=10.0, batch_size=1)))
    job._backend._checkpoint, job._backend._checkpoint_batches = broken(job), 0  # type: ignore[attr-defined]
    job.resume()
    wait_until(lambda: state(job).is_over)
    assert job.snapshot().state is FAILED
    assert "learning rate 10" in str(job.snapshot().error)


def broken(job: TrainingJob) -> tuple[bytes, bytes]:
    """The beginning of a training whose weights are no numbers."""
    detector = AutoencoderDetector(job.config)
    assert job._images
    split = job._images.prepared.split
    trainer = detector.trainer(split.train, split.calibration)
    weights = {name: torch.full_like(value, torch.nan) for name, value in detector.model.state_dict().items()}
    return cluster_training.save_tensors(weights), cluster_training.save_tensors(trainer.state())


@pytest.mark.slow
def test_a_worker_that_dies_costs_an_epoch_at_most(
    cluster: Cluster, new_job: NewJob, long: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil"
) -> None:
    first = list(cluster.workers)
    job = new_job(long)
    job.resume()
    wait_until(lambda: len(job.snapshot().losses) > 1)
    cluster.start_workers(2)
    lost, kept = job.snapshot(), job._backend._checkpoint_batches  # type: ignore[attr-defined]
    for worker in first:  # both, as nobody knows which has it
        worker.kill()
    seen: list[int] = []
    wait_until(lambda: seen.append(count(job)) or len(job.snapshot().losses) > len(lost.losses) + 1)  # type: ignore[func-returns-value]
    assert min(seen) >= kept
    job.stop()
    wait_until(lambda: state(job).is_over)
    batches = job.snapshot().batch_losses
    assert batches.tolist() == losses_here(long, split, len(batches))


@pytest.mark.slow
def test_a_scheduler_that_dies_is_told_and_its_return_goes_on_from_the_last_epoch(
    cluster: Cluster, new_job: NewJob, long: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil"
) -> None:
    job, other = new_job(long), new_job(long)
    for each in (job, other):
        each.resume()
    wait_until(lambda: all(len(each.snapshot().losses) > 1 for each in (job, other)))
    cluster.scheduler.kill()
    cluster.scheduler.wait()
    wait_until(lambda: state(job) is PAUSED and state(other) is PAUSED)
    snapshot = job.snapshot()
    assert str(snapshot.error) == (
        f"The cluster at {cluster.address} does not answer. What was learnt up to epoch {snapshot.epoch}, "
        f"batch {snapshot.batch}, is kept. Press Resume to try again."
    )
    assert len(snapshot.losses) >= 1
    assert job.detector().predict(split.test.images[:5]).shape == (5,)

    # Whoever stops has what was learnt, without any cluster.
    other.stop()
    wait_until(lambda: state(other).is_over)
    assert other.snapshot().result is not None
    # Whoever resumes is told again.
    job.resume()
    wait_until(lambda: state(job) is PAUSED and job.snapshot().error)
    assert count(job) == len(snapshot.batch_losses)

    cluster.start_scheduler()
    cluster.start_workers(2)
    job.resume()
    assert job.snapshot().error is None
    wait_until(lambda: len(job.snapshot().losses) > len(snapshot.losses) + 1)
    job.stop()
    wait_until(lambda: state(job).is_over)
    batches = job.snapshot().batch_losses
    assert batches.tolist() == losses_here(long, split, len(batches))


def test_a_scheduler_that_says_nothing_holds_nobody_up(
    cluster: Cluster, new_job: NewJob, long: DetectorConfig, wait_until: "WaitUntil", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_training, "CONNECTING", 0.5)
    monkeypatch.setattr(cluster_training, "HEARTBEAT", 1.0)
    job = new_job(long)
    job.resume()
    wait_until(lambda: len(job.snapshot().losses) > 0)
    cluster.scheduler.send_signal(signal.SIGSTOP)
    try:
        job.pause()
        wait_until(lambda: state(job) is PAUSED)
        assert (job.snapshot().error, len(job.snapshot().losses) > 0) == (None, True)
        job.resume()
        wait_until(lambda: state(job) is PAUSED)
        assert "does not answer" in str(job.snapshot().error)
    finally:
        cluster.scheduler.send_signal(signal.SIGCONT)


def test_without_scheduler_or_workers_a_start_says_so(
    cluster: Cluster,
    uci: DataSet,
    small: DetectorConfig,
    split: OneClassSplit,
    wait_until: "WaitUntil",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster_training, "CONNECTING", 1.0)
    monkeypatch.setattr(cluster_training, "WORKERLESS", 0.5)
    pool = JobPool(workers=1)

    def told(address: str) -> str:
        joined = cluster_training.Cluster(address, pool)
        job = TrainingJob(small, split, pool, backend=DaskBackend(small, uci, split, joined))
        job.resume()
        wait_until(lambda: state(job) is PAUSED)
        assert pool.workers == 1
        return str(job.snapshot().error)

    for address in ("tcp://127.0.0.1:9", "nonsense://"):
        assert told(address) == f"The cluster at {address} does not answer. Press Resume to try again."
    for worker in cluster.workers:
        worker.kill()
        worker.wait()
    assert told(cluster.address) == f"The cluster at {cluster.address} has no workers. Press Resume to try again."


@pytest.mark.parametrize(("error", "is_told"), [(cluster_training.AllExit(), False), (OSError("full"), True)], ids=str)
def test_only_what_dask_drops_itself_stays_out_of_the_log(
    error: Exception, is_told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise error

    async def nobody_takes_it() -> None:
        dropped = asyncio.create_task(fail())
        await asyncio.wait([dropped])

    with caplog.at_level(logging.ERROR, logger="asyncio"):
        asyncio.run(nobody_takes_it())
        gc.collect()
    assert ("never retrieved" in caplog.text) == is_told
