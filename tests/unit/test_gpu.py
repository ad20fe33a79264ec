"""Training on a GPU, where there is one: the same detector as the CPU's up to rounding, usable by every page.

It needs nothing of the tests' own set-up, so that it runs wherever there is a GPU and what core needs:
`pytest --noconftest -c /dev/null tests/unit/test_gpu.py`.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch

from core.checkpoint import Checkpoint, from_bytes, to_bytes
from core.data.datasets import load
from core.data.split import plan_split
from core.detector import AutoencoderDetector, DetectorConfig
from core.device import available_devices
from core.jobs.job import JobState, TrainingJob
from core.jobs.memory_budget import Owner
from core.jobs.pool import JobPool
from core.metrics import measure
from core.presets import preset

GPUS = available_devices()[1:]
pytestmark = pytest.mark.skipif(not GPUS, reason="no GPU")

DATA = load("uci-digits")
SPLIT = plan_split(DATA, (5,), seed=0)


@pytest.fixture
def pool() -> Iterator[JobPool]:
    made = JobPool(workers=4)
    yield made
    assert made.close(), "every worker ends"


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, "never came true"
        time.sleep(0.005)


def trained(job: TrainingJob) -> Checkpoint:
    job.resume()
    until(lambda: job.snapshot().state.is_over)
    snapshot = job.snapshot()
    assert snapshot.state is JobState.DONE, snapshot.error
    assert snapshot.result
    return snapshot.result


def course(epochs: int = 10, seed: int = 0) -> DetectorConfig:
    config = replace(preset("course", "mnist"), data_set="uci-digits")
    return replace(config, training=replace(config.training, epochs=epochs, seed=seed))


@pytest.mark.parametrize("gpu", GPUS)
@pytest.mark.parametrize("name", ["course", "best"])
def test_a_gpu_trains_the_detector_that_the_cpu_trains(name: str, gpu: str, pool: JobPool) -> None:
    config = replace(preset(name, "mnist"), data_set="uci-digits")
    made, there = (trained(TrainingJob(config, SPLIT, pool, torch.device(device))) for device in ("cpu", gpu))
    for own, other in zip(made.losses, there.losses, strict=True):
        assert (other.train, other.validation) == pytest.approx((own.train, own.validation), rel=0.02)
    test = SPLIT.materialize().test
    assert measure(there.detector, test).auroc == pytest.approx(measure(made.detector, test).auroc, abs=0.005)
    assert there.detector.device == torch.device("cpu"), "pages judge on the CPU"
    again = from_bytes(to_bytes(there)).detector
    assert torch.equal(again.decision_function(test.images[:100]), there.detector.decision_function(test.images[:100]))


@pytest.mark.parametrize("gpu", GPUS)
def test_images_are_judged_on_a_gpu_as_on_the_cpu(gpu: str) -> None:
    config = replace(preset("best", "mnist"), data_set="uci-digits")
    detector = AutoencoderDetector(config).fit_split(SPLIT.materialize())
    test = SPLIT.materialize().test
    own = detector.infer(test.images[:200])
    detector.model.to(gpu)
    detector.device = torch.device(gpu)
    other = detector.infer(test.images[:200])
    assert torch.allclose(other.scores.cpu(), own.scores, rtol=1e-3)
    assert torch.allclose(other.reconstructions.cpu(), own.reconstructions, atol=1e-3)


@pytest.mark.parametrize("gpu", GPUS)
def test_a_training_on_a_gpu_is_watched_paused_and_stopped(gpu: str, pool: JobPool) -> None:
    job = TrainingJob(course(epochs=200), SPLIT, pool, torch.device(gpu))
    job.resume()
    until(lambda: len(job.snapshot().losses) >= 1)
    live = job.detector()
    assert live.device == torch.device("cpu")
    assert live.infer(SPLIT.materialize().test.images[:4]).scores.isfinite().all()
    job.pause()
    until(lambda: job.snapshot().state is JobState.PAUSED)
    before = job.snapshot().batch
    job.step()
    until(lambda: job.snapshot().state is JobState.PAUSED and job.snapshot().batch != before)
    job.stop()
    until(lambda: job.snapshot().state.is_over)
    assert job.snapshot().result


@pytest.mark.parametrize("gpu", GPUS)
def test_a_class_trains_on_one_gpu_and_leaves_nothing_there(gpu: str, pool: JobPool) -> None:
    if gpu != "cuda":
        pytest.skip("its memory is counted for CUDA only")

    def held_after_a_class() -> int:
        jobs = [TrainingJob(course(epochs=3, seed=seed), SPLIT, pool, torch.device(gpu), Owner()) for seed in range(24)]
        for job in jobs:
            job.resume()
        until(lambda: all(job.snapshot().state.is_over for job in jobs))
        assert [job.snapshot().state for job in jobs] == [JobState.DONE] * len(jobs)
        for job in jobs:
            job.drop()
        return int(torch.cuda.memory_allocated())

    first = held_after_a_class()  # cuBLAS keeps a workspace for every worker
    assert held_after_a_class() <= first + 2**20
