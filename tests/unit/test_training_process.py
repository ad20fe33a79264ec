"""Trainings in processes of their own: not a bit of difference, whatever becomes of a process, and none is left behind."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from core.data.split import OneClassSplit
from core.detector import AutoencoderDetector, DetectorConfig
from core.errors import SettingError
from core.jobs import backend as backend_module
from core.jobs import environment, memory_budget, training_process
from core.jobs import job as job_module
from core.jobs.backend import LocalBackend
from core.jobs.environment import memory_of_processes
from core.jobs.images import TrainingImages
from core.jobs.job import JobState, TrainingJob
from core.jobs.memory_budget import Budget, Claim, MemoryFullError, Owner
from core.jobs.pool import JobPool
from core.jobs.training_process import MAX_PARTS, ROOT, Channel, Moment, ProcessLostError, TrainingProcess, TrainingProcesses
from core.training import DivergedError
from tests.conftest import PATIENCE, ready

if TYPE_CHECKING:
    from tests.conftest import WaitUntil

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Only Linux has processes that train.")


def is_there(process: int) -> bool:
    """Whether it runs; one that has ended and is not yet buried does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


@pytest.fixture
def pool() -> Iterator[JobPool]:
    """Two workers with a process each, which are ready."""
    pool = JobPool(workers=2, processes=2)
    for worker in range(2):
        ready(pool.processes, worker)
    yield pool
    assert pool.close()


@pytest.fixture
def turns(small: DetectorConfig) -> DetectorConfig:
    """Settings of a training that takes some turns."""
    return replace(small, training=replace(small.training, epochs=40, batch_size=1))


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The system's number of a process each time that a training goes there."""
    numbers, begin = list[int](), TrainingProcess.begin

    def noted(process: TrainingProcess, *arguments: object) -> None:
        assert process.number
        numbers.append(process.number)
        begin(process, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(TrainingProcess, "begin", noted)
    return numbers


def losses(config: DetectorConfig, split: OneClassSplit) -> list[float]:
    """Of the same training, without a job or a process."""
    return [step.loss for step in AutoencoderDetector(config).trainer(split.train, split.calibration)]


def test_trainings_that_take_turns_in_two_processes_equal_the_bare_trainer(
    pool: JobPool, turns: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil", begun: list[int]
) -> None:
    configs = [replace(turns, training=replace(turns.training, seed=seed)) for seed in range(3)]
    jobs = [TrainingJob(config, split, pool, owner=Owner()) for config in configs]
    for job in jobs:
        job.resume()
    wait_until(lambda: all(job.snapshot().state.is_over for job in jobs))
    for config, job in zip(configs, jobs, strict=True):
        assert np.array_equal(job.snapshot().batch_losses, np.array(losses(config, split), dtype=np.float32))
        assert job.snapshot().state is JobState.DONE
    assert len(set(begun)) == 2, "both processes have trained"
    assert len(begun) > 3, "some training came back and went again"


@pytest.mark.parametrize("start_every", [0.0, 60.0], ids=["anew", "here"])
def test_a_training_whose_process_is_killed_goes_on_and_ends_as_if_it_had_not(
    start_every: float,
    turns: DetectorConfig,
    split: OneClassSplit,
    wait_until: "WaitUntil",
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    begun: list[int],
) -> None:
    """Also in the same turn, which has no end where nobody else waits."""
    monkeypatch.setattr(training_process, "START_EVERY", start_every)
    pool = JobPool(workers=1, processes=1)
    # Slower while it trains here, or it would be over before another process is ready.
    monkeypatch.setattr(pool, "yield_to_inference", lambda: time.sleep(0.005 if start_every == 0 else 0))
    process = ready(pool.processes)
    job = TrainingJob(turns, split, pool)
    job.resume()
    wait_until(lambda: len(job.snapshot().batch_losses) > 20)
    assert process.number
    os.kill(process.number, signal.SIGKILL)
    if start_every == 0:
        wait_until(lambda: len(set(begun)) == 2)
    wait_until(lambda: job.snapshot().state.is_over)
    assert len(set(begun)) == 1 + (start_every == 0)
    snapshot = job.snapshot()
    assert (snapshot.state, snapshot.error) == (JobState.DONE, None)
    assert np.array_equal(snapshot.batch_losses, np.array(losses(turns, split), dtype=np.float32))
    assert "a training goes on from batch" in caplog.text
    assert pool.close()


def test_whoever_trains_alone_has_a_process_of_those_that_are_fewer_than_workers(
    turns: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil", begun: list[int]
) -> None:
    pool = JobPool(workers=4, processes=1)
    ready(pool.processes)
    for number in range(1, 5):
        job = TrainingJob(turns, split, pool)
        job.resume()
        wait_until(lambda number=number: len(begun) == number)  # type: ignore[misc]
        job.stop()
    assert pool.close()


@pytest.mark.parametrize("are_others", [False, True])
def test_weights_that_are_looked_at_come_each_moment_or_where_others_wait_with_the_turns_end(
    are_others: bool, small: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil", monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = JobPool(workers=1, processes=1)
    monkeypatch.setattr(pool, "has_others", lambda job: are_others)
    ready(pool.processes)
    wanted, calibrated = list[bool](), list[object]()
    train, calibrate = TrainingProcess.train, job_module.calibrate

    def counted(process: TrainingProcess, with_weights: bool) -> Moment:
        wanted.append(with_weights)
        return train(process, with_weights)

    def seen(detector: AutoencoderDetector, split: OneClassSplit) -> AutoencoderDetector:
        calibrated.append(detector)
        return calibrate(detector, split)

    monkeypatch.setattr(TrainingProcess, "train", counted)
    monkeypatch.setattr(job_module, "calibrate", seen)
    monkeypatch.setattr(job_module, "LIVE_AT_MOST", 0.0)  # whoever looks wants the weights as they stand
    monkeypatch.setattr(job_module, "LIVE_WANTED", 0.5)  # and looks all the time
    job = TrainingJob(replace(small, training=replace(small.training, epochs=200, batch_size=1)), split, pool)
    assert job.detector()
    job.resume()
    wait_until(lambda: wanted)
    assert wanted[0], "who has pressed Start sees it move at once"
    if are_others:
        wait_until(lambda: job._turns > 0)
        wanted.clear()
        calibrated.clear()
    shown = dict[int, object]()

    def look() -> bool:
        weights = job.snapshot().weights
        shown[id(weights)] = weights
        assert job.has_changed_since(None)
        return (are_others or bool(job.detector())) and len(shown) > 3

    wait_until(look)
    job.drop()
    assert any(wanted) is not are_others
    if are_others:
        assert len(wanted) > 2 * len(shown), "a turn has some moments, of which only the last tells the weights"
        assert 0 < len(calibrated) <= len(shown), "for who only asks it is made in the background, once of the same weights"
    assert pool.close()


def test_weights_are_one_object_until_something_is_trained_and_always_those_of_the_training(
    small: DetectorConfig, split: OneClassSplit
) -> None:
    processes = TrainingProcesses(1)
    process = ready(processes)
    config = replace(small, training=replace(small.training, epochs=200, batch_size=1))
    backend = LocalBackend(config, TrainingImages(split, config.preprocessing))
    backend.begin()

    def are_the_trainings() -> bool:
        assert backend._trainer
        own = backend._trainer.model.state_dict()
        return all(torch.equal(value, own[name]) for name, value in backend.weights().items())

    first = backend.weights()
    assert backend.weights() is first
    backend.step_many(True)
    second = backend.weights()
    assert second is not first
    assert are_the_trainings()
    backend.begin_turn(lambda: process)
    backend.step_many(False)
    assert backend.weights() is second, "nobody looks"
    backend.is_watched = True
    backend.step_many(False)
    told = backend.weights()
    assert told is not second
    backend.suspend()
    assert backend.weights() is told
    assert are_the_trainings()
    backend.step_many(False)
    assert backend.weights() is not told
    assert process.number
    os.kill(process.number, signal.SIGKILL)
    backend.suspend()
    assert are_the_trainings(), "as it left"
    backend.end_turn()
    processes.end()


def test_what_was_told_whole_is_not_lost_with_the_process(small: DetectorConfig, split: OneClassSplit) -> None:
    config = replace(small, training=replace(small.training, epochs=200, batch_size=1))
    processes = TrainingProcesses(1)
    process = ready(processes)
    backend = LocalBackend(config, TrainingImages(split, config.preprocessing))
    backend.begin()
    backend.begin_turn(lambda: process)
    assert backend._trainer
    whole = 0
    while not whole:  # for WHOLE_EVERY seconds
        backend.step_many(False)
        whole = backend._trainer.trained  # where it would go on
    backend.step_many(False)
    assert backend.trained > whole
    assert process.number
    os.kill(process.number, signal.SIGKILL)
    backend.suspend()
    assert (backend.trained, backend.is_at_rest) == (whole, True)
    backend.end_turn()
    processes.end()


def test_a_training_that_diverges_tells_the_batches_before(small: DetectorConfig, split: OneClassSplit) -> None:
    config = replace(small, training=replace(small.training, learning_rate=1.0, epochs=200, batch_size=4))
    wild = split.train.clone()
    wild[::3] *= 1e18
    processes = TrainingProcesses(1)
    backend = LocalBackend(config, TrainingImages(replace(split, train=wild), config.preprocessing))
    here = AutoencoderDetector(config).trainer(wild, split.calibration)
    expected, error = list[float](), ""
    try:
        for step in here:
            expected.append(step.loss)
    except DivergedError as diverged:
        error = str(diverged)
    assert error, "an example that does not diverge shows nothing"
    backend.begin()
    backend.begin_turn(partial(ready, processes))
    told = list[float]()
    while len(told) < len(expected):
        told += [step.loss for step in backend.step_many(False)]
    with pytest.raises(DivergedError, match="smaller learning rate") as caught:
        backend.step_many(False)
    assert (told, str(caught.value), backend.is_at_rest) == (expected, error, True)
    backend.end_turn()
    processes.end()


def test_images_are_sent_once_and_forgotten_for_others(
    small: DetectorConfig, split: OneClassSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = TrainingProcesses(1)
    process = ready(processes)
    kinds = [TrainingImages(replace(split), small.preprocessing) for _ in range(3)]
    size = sum(images.nbytes for images in (split.train, split.calibration))
    for module in (training_process, backend_module):
        monkeypatch.setattr(module, "MAX_IMAGE_BYTES", 2 * size)

    def train(images: TrainingImages) -> None:
        backend = LocalBackend(small, images)
        backend.begin()
        backend.begin_turn(lambda: process)
        assert backend.step_many(False)
        assert not process.is_lost
        backend.end_turn()

    for number in (0, 1, 0, 0, 2, 1, 0):
        train(kinds[number])
    assert list(process._kept) == [kinds[1].number, kinds[0].number], "two fit, those that were used last"
    for module in (training_process, backend_module):
        monkeypatch.setattr(module, "MAX_IMAGE_BYTES", size - 1)
    train(kinds[2])
    assert kinds[2].number not in process._kept, "what is too large trains in the server's own process"
    processes.end()


@pytest.mark.parametrize("ended", ["server", "pool"])
def test_no_process_outlives_the_server(ended: str, wait_until: "WaitUntil") -> None:
    code = """
import sys, time
from core.jobs.training_process import TrainingProcesses
processes = TrainingProcesses(2)
while not all(processes.of(number).is_ready for number in range(2)):
    time.sleep(0.02)
print(processes._first.pid, *(processes.of(number).number for number in range(2)), flush=True)
sys.stdin.readline()
processes.end()
print("ended", flush=True)
time.sleep(600)
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin
        assert server.stdout
        numbers = [int(number) for number in server.stdout.readline().split()]
        assert len(numbers) == 3
        assert all(is_there(number) for number in numbers)
        if ended == "pool":
            server.stdin.write("\n")
            server.stdin.flush()
            assert server.stdout.readline() == "ended\n"
        else:
            server.kill()
        wait_until(lambda: not any(is_there(number) for number in numbers))
        server.kill()


def test_processes_end_when_nobody_has_trained_for_a_while_and_come_again(
    small: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs.pool.PROCESSES_STAY", 0.5)
    started = list[int]()
    start = TrainingProcesses._start

    def counted(processes: TrainingProcesses) -> None:
        start(processes)
        assert processes._first
        started.append(processes._first.pid)

    monkeypatch.setattr(TrainingProcesses, "_start", counted)
    pool = JobPool(workers=1, processes=1)
    for times in (1, 2):
        job = TrainingJob(small, split, pool)
        job.resume()
        wait_until(lambda job=job: job.snapshot().state is JobState.DONE)
        assert len(started) >= times
        wait_until(lambda: not any(is_there(number) for number in started))
    assert pool.close()


def test_where_no_process_can_be_started_trainings_go_on_here(
    small: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    pool = JobPool(workers=1, processes=1)
    job = TrainingJob(small, split, pool)
    job.resume()
    wait_until(lambda: job.snapshot().state.is_over)
    assert np.array_equal(job.snapshot().batch_losses, np.array(losses(small, split), dtype=np.float32))
    assert pool.processes.of(0) is None
    assert pool.close()


def test_one_process_stands_back_for_each_drawing_that_is_judged(
    pool: JobPool, small: DetectorConfig, split: OneClassSplit
) -> None:
    long = replace(small, training=replace(small.training, epochs=200, batch_size=1))
    backends = []
    for worker in range(2):
        backend = LocalBackend(long, TrainingImages(split, long.preprocessing))
        backend.begin()
        backend.begin_turn(partial(ready, pool.processes, worker))
        backend.step_many(False)  # the images are there
        backends.append(backend)

    def batches() -> list[int]:
        return [len(backend.step_many(False)) for backend in backends]

    # A process that stands back trains a batch in MAX_STAND_BACK, and a moment lasts twice as long.
    with pool.inference_priority():
        first, second = batches()
        assert first <= 3 < second
        with pool.inference_priority():
            assert max(batches()) <= 3
    assert min(batches()) > 3
    for backend in backends:
        backend.end_turn()


def test_the_memory_of_the_processes_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    processes = TrainingProcesses(2)
    assert processes.memory() == 0
    for worker in range(2):
        ready(processes, worker)
    size = processes.memory()
    assert 50e6 < size < 1e9, "torch without what is only read, once"
    budget = Budget(size + 1000)
    budget.count_process(processes.memory)
    budget.require(None, Claim(100))
    with pytest.raises(MemoryFullError):
        budget.require(None, Claim(10_000_000))
    monkeypatch.setenv("MEMORY_LIMIT", "2000M")
    monkeypatch.setattr(memory_budget, "memory_in_use", lambda: 500.0)
    real = Budget()
    real.count_process(lambda: 1_000 * 2**20)
    real.require(None, Claim(100))
    monkeypatch.setattr(memory_budget, "memory_in_use", lambda: 1001.0)
    with pytest.raises(MemoryFullError, match="0 MB are left"):
        real.require(None, Claim(100))
    processes.end()
    assert processes.memory() == 0


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, 3),
        ({"TRAINING_PROCESSES": "0"}, 0),
        ({"TRAINING_PROCESSES": "2"}, 2),
        ({"TRAINING_WORKERS": "16"}, 5),
        ({"TRAINING_WORKERS": "16", "TRAINING_PROCESSES": "14"}, 14),
        ({"TRAINING_PROCESSES": "16"}, 3),
        ({"MEMORY_LIMIT": "3999M"}, 0),
        ({"MEMORY_LIMIT": "3999M", "TRAINING_PROCESSES": "1"}, 1),
    ],
)
def test_the_environment_says_how_many_processes_there_are(
    more: dict[str, str], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRAINING_PROCESSES", raising=False)
    for name, text in {"TRAINING_WORKERS": "3", "MEMORY_LIMIT": "4000M", **more}.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert environment.training_processes() == expected
    monkeypatch.setenv("MEMORY_LIMIT", "900M")
    if expected and "TRAINING_PROCESSES" in more:
        with pytest.raises(SettingError, match="more than half of MEMORY_LIMIT"):
            environment.training_processes()
    monkeypatch.setattr(environment.sys, "platform", "darwin")
    assert environment.training_processes() == 0


def test_what_is_sent_arrives_as_it_was_however_many_arrays_it_has() -> None:
    here, there = socket.socketpair()
    sent: dict[str, Any] = {
        "many": [np.full(3, number, dtype=np.float32) for number in range(3 * MAX_PARTS)],
        "large": np.arange(3_000_000, dtype=np.float64).reshape(3, -1),
        "turned": np.arange(12, dtype=np.int64).reshape(3, 4).T,
        "one number": np.array(5.0, dtype=np.float32),
        "none": np.zeros((0, 7), dtype=np.uint8),
        "words": ("begin", None),
    }
    sender = threading.Thread(target=lambda: [Channel(here).send(each) for each in (sent, "next")], daemon=True)
    sender.start()  # more than lies between the two waits until it is read
    received, after = (Channel(there).receive() for _ in range(2))
    assert after == "next"
    assert received["words"] == sent["words"]
    for name in ("large", "turned", "one number", "none"):
        assert received[name].dtype == sent[name].dtype
        assert np.array_equal(received[name], sent[name])
        received[name] += 1  # whoever goes on with it changes it
    assert np.array_equal(received["many"], sent["many"])
    here.close()
    with pytest.raises(EOFError):
        Channel(there).receive()
    there.close()


def test_half_a_message_means_that_the_process_is_lost(small: DetectorConfig, split: OneClassSplit) -> None:
    here, there = socket.socketpair()
    process = TrainingProcess(here)
    Channel(there).send(4711)
    there.sendall(Channel.HEADER.pack(1_000, 0, 0) + bytes(500))
    there.shutdown(socket.SHUT_WR)
    reader = threading.Thread(target=lambda: all(iter(lambda: there.recv(2**16), b"")), daemon=True)
    reader.start()  # what it is asked is read
    assert process.is_ready
    backend = LocalBackend(small, TrainingImages(split, small.preprocessing))
    backend.begin()
    backend.begin_turn(lambda: process)
    assert len(backend.step_many(False)) == 1, "this batch was trained here"
    assert (process.is_lost, process.is_ready, backend.is_at_rest) == (True, False, True)
    process.close()
    reader.join(PATIENCE)
    assert not reader.is_alive(), "it reads to the end before its socket goes"
    there.close()


def test_a_process_that_cannot_be_understood_is_let_go() -> None:
    """Else it would wait for ever, with all that it was sent."""
    here, there = socket.socketpair()
    process = TrainingProcess(here)
    there.sendall(Channel.HEADER.pack(3, 0, 0) + b"abc")
    assert not process.is_ready
    there.settimeout(PATIENCE)
    assert there.recv(1) == b"", "it is closed"
    there.close()


def test_a_process_that_another_thread_lets_go_is_not_ready() -> None:
    here, there = socket.socketpair()
    process = TrainingProcess(here)
    process._channel.close()
    assert not process.is_ready
    there.close()


def test_processes_are_not_ended_where_somebody_has_begun_to_train_meanwhile(pool: JobPool) -> None:
    process, turn = pool.processes.of(0), Mock()
    pool._running.append(turn)
    pool._end_idle_processes()
    assert pool.processes.of(0) is process
    pool._running.remove(turn)
    pool._end_idle_processes()
    assert pool.processes.memory() == 0


def test_a_training_that_was_stopped_as_it_diverged_has_no_result(small: DetectorConfig, split: OneClassSplit) -> None:
    wild = split.train.clone()
    wild[::3] *= 1e30
    processes = TrainingProcesses(1)
    backend = LocalBackend(small, TrainingImages(replace(split, train=wild), small.preprocessing))
    backend.begin()
    backend.begin_turn(partial(ready, processes))
    backend.step_many(False)
    assert all(value.isfinite().all() for value in backend.weights().values()), "what is shown is numbers"
    with pytest.raises(DivergedError):
        next(backend.finish())
    backend.end_turn()
    processes.end()


def test_drawings_of_ones_own_never_leave_the_server(
    small: DetectorConfig, split: OneClassSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend_module, "is_own", lambda name: name == small.data_set)
    processes = TrainingProcesses(1)
    process = ready(processes)
    backend = LocalBackend(small, TrainingImages(split, small.preprocessing))
    backend.begin()
    backend.begin_turn(lambda: process)
    backend.step_many(False)
    assert (process._kept, backend.is_at_rest) == ({}, True)
    backend.end_turn()
    processes.end()


@pytest.mark.parametrize("count", [1, 2])
def test_processes_are_started_anew_some_time_after_one_was_lost(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    processes = TrainingProcesses(count)
    process, *others = [ready(processes, worker) for worker in range(count)]
    assert process.number
    os.kill(process.number, signal.SIGKILL)
    with pytest.raises(ProcessLostError):
        process.end()
    assert processes.of(0) is process, "not at once"
    monkeypatch.setattr(training_process, "START_EVERY", 0.0)
    assert processes.of(count - 1) not in (process, *others)
    assert not any(other.is_ready for other in others)
    monkeypatch.setattr(training_process, "START_EVERY", 60.0)
    ready(processes)
    processes.end()


def test_memory_for_the_processes_is_reserved_before_they_are_there() -> None:
    budget = Budget(memory_of_processes(1) + 1000)
    pool = JobPool(workers=1, processes=1, budget=budget)
    budget.require(None, Claim(1000))
    with pytest.raises(MemoryFullError):
        budget.require(None, Claim(1001))
    assert budget.used() == 0, "no visitor needs it"
    assert pool.close()
    without = Budget(1000)
    pool = JobPool(workers=1, budget=without)
    without.require(None, Claim(1000))
    assert pool.close()
