"""What visitors may ask for: bounded work, one budget of memory, and what is large judged in small blocks."""

import gc
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import torch

from core.data.datasets import LabelledImages
from core.data.split import OneClassSplit
from core.detector import AutoencoderDetector, DetectorConfig
from core.errors import SettingError
from core.jobs import memory_budget
from core.jobs.environment import require_usable_environment
from core.jobs.job import JobState, TrainingJob
from core.jobs.limits import require_allowed, work
from core.jobs.memory_budget import Budget, Claim, MemoryFullError, Owner, claim_of
from core.jobs.pool import JobPool
from core.model import ModelConfig, meta_model, multiplications, parameter_count
from core.presets import PRESETS, preset
from core.server import environment
from core.server.environment import memory_limit
from core.training import TrainConfig
from tests.hostile import peak_memory

if TYPE_CHECKING:
    from tests.conftest import WaitUntil

MB = 2**20
ONE_CLASS, NINE_CLASSES = 4337, 48_000
LARGE = ModelConfig(hidden_sizes=(2048, 350), latent_dim=350)

# Work


def test_multiplications_of_dense_layers_are_their_weights_and_filters_count_for_every_place() -> None:
    course = DetectorConfig().model
    biases = 512 + 256 + 128 + 256 + 512 + 784
    assert multiplications(course) == parameter_count(meta_model(course)) - biases
    linear = 2 * 32 * 49 * 8
    filters = 16 * 9 * 14 * 14 + 16 * 32 * 9 * 7 * 7 + 32 * 16 * 16 * 7 * 7 + 16 * 16 * 14 * 14
    assert multiplications(ModelConfig("convolutional", (), 8)) == linear + filters


def test_the_course_is_the_measure() -> None:
    assert work(DetectorConfig(), ONE_CLASS) == 1
    assert work(replace(DetectorConfig(), training=TrainConfig(epochs=200)), ONE_CLASS) == pytest.approx(20)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("data_set", ["mnist", "fashion-mnist"])
def test_every_preset_may_be_trained_on_nine_classes(name: str, data_set: str) -> None:
    require_allowed(preset(name, data_set), NINE_CLASSES)


@pytest.mark.parametrize(
    "config",
    [
        replace(DetectorConfig(), training=TrainConfig(epochs=200)),
        replace(DetectorConfig(), training=TrainConfig(batch_size=1)),
        replace(DetectorConfig(), model=LARGE),
        replace(DetectorConfig(), model=LARGE, training=TrainConfig(epochs=50)),
    ],
    ids=["200 epochs", "one image a batch", "largest network", "largest network for long"],
)
def test_what_a_lesson_may_want_is_allowed(config: DetectorConfig) -> None:
    require_allowed(config, ONE_CLASS)


@pytest.mark.parametrize(
    ("config", "images"),
    [
        (replace(DetectorConfig(), model=LARGE, training=TrainConfig(epochs=200, batch_size=1)), ONE_CLASS),
        (replace(DetectorConfig(), training=TrainConfig(epochs=200, batch_size=1)), ONE_CLASS),
        (replace(DetectorConfig(), model=LARGE, training=TrainConfig(epochs=200)), NINE_CLASSES),
        (
            DetectorConfig(model=ModelConfig(hidden_sizes=(), latent_dim=1), training=TrainConfig(epochs=200, batch_size=1)),
            48_000,
        ),
        (replace(PRESETS["convolutional"], training=TrainConfig(epochs=200)), NINE_CLASSES),
    ],
    ids=["a hog", "many steps", "many images", "many small steps", "many filters"],
)
def test_a_training_of_hours_is_refused_with_what_to_make_smaller(config: DetectorConfig, images: int) -> None:
    with pytest.raises(SettingError, match=r"times as much work .* fewer epochs, larger batches, smaller layers or fewer"):
        require_allowed(config, images)


def test_the_environment_sets_the_most_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_WORK", "1")
    require_allowed(DetectorConfig(), ONE_CLASS)
    with pytest.raises(SettingError, match="is 2 times"):
        require_allowed(DetectorConfig(), 2 * ONE_CLASS)


# Memory


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2G", 2 * 1024**3),
        ("500M", 500 * MB),
        ("1.5 GB", 1536 * MB),
        ("700MiB", 700 * MB),
        ("1073741824", 2**30),
        ("1t", 2**40),
    ],
)
def test_memory_limit_as_people_write_it(text: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORY_LIMIT", text)
    assert memory_limit() == size


@pytest.mark.parametrize("text", ["much", "-2G", "0", "5", "2X", "G", "1e9", "½G", "9" * 40, "nan"])
def test_a_memory_limit_that_is_none_is_told(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORY_LIMIT", text)
    with pytest.raises(SettingError, match=r"MEMORY_LIMIT .* 2G or 500M"):
        require_usable_environment()


def test_without_a_memory_limit_it_is_three_quarters_of_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEMORY_LIMIT", raising=False)
    monkeypatch.setattr(environment, "_memory_there", lambda: 4 * 1024**3)
    assert memory_limit() == 3 * 1024**3


@pytest.mark.parametrize(
    ("own", "files", "limit"),
    [
        ("0::/", {"memory.max": "1073741824\n"}, 2**30),
        ("0::/", {"memory.max": "max\n"}, None),
        ("0::/system.slice/app.service", {"system.slice/app.service/memory.max": str(2**30)}, 2**30),
        ("0::/outer/inner", {"outer/memory.max": str(2**30), "outer/inner/memory.max": "max"}, 2**30),
        ("5:cpu:/\n4:memory:/docker/1", {"memory/memory.limit_in_bytes": str(2**30)}, 2**30),
        (
            "4:memory:/unit",
            {"memory/memory.limit_in_bytes": str(2**62), "memory/unit/memory.limit_in_bytes": str(2**30)},
            2**30,
        ),
    ],
    ids=["container", "without a limit", "service", "limit of the outer one", "version 1", "service in version 1"],
)
def test_the_limit_of_a_container_counts(
    tmp_path: Path, own: str, files: dict[str, str], limit: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment.os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**20}.__getitem__, raising=False)
    (tmp_path / "own").write_text(own)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    limits_below = environment._container_limits
    monkeypatch.setattr(environment, "_container_limits", lambda _mount, _own: limits_below(tmp_path, tmp_path / "own"))
    assert environment._memory_there() == (limit or 4 * 2**30)


class Thing:
    """Something that takes memory."""


def test_what_is_shared_counts_once_and_what_is_gone_no_more() -> None:
    budget, first, second = Budget(1000 * MB), Owner(), Owner()
    things = [Thing() for _ in range(3)]
    budget.claim(things[0], first, Claim(10, "nines", 100))
    budget.claim(things[1], second, Claim(20, "nines", 100))
    budget.claim(things[2], second, Claim(5))
    budget.count(lambda: 1000)
    assert (budget.used(), budget.used(first), budget.used(second)) == (1135, 110, 125)
    things.pop()
    things.pop(0)
    gc.collect()
    assert (budget.used(), budget.used(first), budget.used(second)) == (1120, 0, 120)


def test_nobody_may_have_more_than_a_share_and_the_last_part_is_for_small_ones() -> None:
    budget = Budget(1000 * MB)
    things, greedy = [Thing() for _ in range(9)], Owner()
    budget.claim(things[0], greedy, Claim(200 * MB))
    with pytest.raises(MemoryFullError, match=r"You may have 250 MB at a time and have 200 MB"):
        budget.claim(things[1], greedy, Claim(60 * MB))
    for thing in things[1:4]:
        budget.claim(thing, Owner(), Claim(200 * MB))
    with pytest.raises(MemoryFullError, match=r"needs 70 MB of memory, and 0 MB are left for all"):
        budget.claim(things[4], Owner(), Claim(70 * MB))
    for thing in things[4:8]:
        budget.claim(thing, Owner(), Claim(50 * MB))
    with pytest.raises(MemoryFullError, match="0 MB are left"):
        budget.claim(things[8], Owner(), Claim(1))
    assert budget.used() == 1000 * MB


def test_memory_that_nobody_can_reach_is_looked_for_once_however_often_one_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[float] = []
    clock = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(memory_budget, "give_back_memory", lambda: looked.append(clock.seconds))
    monkeypatch.setattr(memory_budget, "time", SimpleNamespace(monotonic=lambda: clock.seconds))
    budget = Budget(1000 * MB)
    for clock.seconds in (1000.0, 1000.1, 1000.2, 1000.3 + memory_budget.COLLECT_SECONDS):
        with pytest.raises(MemoryFullError):
            budget.require(Owner(), Claim(2000 * MB))
    assert looked == [1000.0, clock.seconds]


def test_a_server_above_its_limit_takes_nothing_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORY_LIMIT", "2G")
    monkeypatch.setattr(memory_budget, "memory_in_use", lambda: 500.0)
    budget = Budget()
    assert budget.size == 1548 * MB
    budget.require(Owner(), Claim(MB))
    monkeypatch.setattr(memory_budget, "memory_in_use", lambda: 2100.0)
    with pytest.raises(MemoryFullError):
        budget.require(Owner(), Claim(MB))


def test_a_refused_training_harms_none_that_exists(
    small: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil"
) -> None:
    claim = claim_of(small, split.counts, split.key)
    pool = JobPool(workers=1, budget=Budget(4 * (claim.own + claim.shared)))
    held = [TrainingJob(small, split, pool)]
    larger = replace(small, preprocessing="deskew")
    for _ in range(2):
        with suppress(MemoryFullError):
            held.append(TrainingJob(larger, replace(split), pool))
    with pytest.raises(MemoryFullError):
        TrainingJob(larger, replace(split), pool)
    for job in held:
        job.resume()
    wait_until(lambda: all(job.snapshot().state is JobState.DONE for job in held))
    # A training says that it is done before it lets go of its images.
    wait_until(lambda: pool.budget.used() < claim.own)
    assert pool.budget.used() < claim.own, "of a training that is done only the detector counts"


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux tells how much memory one step took.")
def test_many_remembered_images_are_compared_in_blocks() -> None:
    config = DetectorConfig(model=ModelConfig(hidden_sizes=(), latent_dim=1), neighbours=100, turns=4)
    detector = AutoencoderDetector(config).set_calibration(torch.rand(10))
    detector.memory_ = torch.rand(60_000, 1)
    images = torch.rand(300, 1, 28, 28)
    detector.decision_function(images[:1])  # what torch takes once for all is not these images'
    before = peak_memory(forget=True)
    detector.decision_function(images)
    # All poses at once before all that is remembered: 300 * 9 * 60,000 numbers, 620 MB.
    assert peak_memory() - before < 400


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux tells how much memory one step took.")
@pytest.mark.parametrize(
    ("config", "count"),
    [
        (DetectorConfig(preprocessing="deskew", training=TrainConfig(epochs=1)), 5_000),
        (DetectorConfig(model=LARGE, training=TrainConfig(epochs=1, batch_size=4096)), 5_000),
        # What the mistake takes is of a batch; more of them would show no more.
        (DetectorConfig(training=TrainConfig(epochs=1, batch_size=128, broadcasting=True)), 1_000),
    ],
    ids=["images", "network", "mistake"],
)
def test_a_training_takes_no_more_than_it_claims(config: DetectorConfig, count: int, wait_until: "WaitUntil") -> None:
    images = torch.rand(count, 1, 28, 28)
    few = torch.rand(100, 1, 28, 28)
    test = LabelledImages(few, torch.arange(100) % 10, "random")
    # What torch takes once for all is not this training's.
    AutoencoderDetector(DetectorConfig(training=TrainConfig(epochs=1))).fit_split(OneClassSplit(few, few, test))
    before = peak_memory(forget=True)
    split = OneClassSplit(images, images[:1000], test)
    pool = JobPool(workers=1)
    job = TrainingJob(config, split, pool)
    claim = claim_of(config, split.counts, split.key)
    job.resume()
    wait_until(lambda: job.snapshot().state.is_over)
    assert job.snapshot().error is None
    # What the system's allocator keeps beside.
    assert peak_memory() - before < (claim.own + claim.shared) / MB + 100
