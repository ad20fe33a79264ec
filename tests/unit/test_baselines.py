"""Baselines in the background: one comparison at a time, all methods, and what a failure leaves."""

import os
import sys
import threading
from unittest.mock import Mock
from weakref import WeakSet

import pytest
import torch
from torch import Tensor

from core.conformal import conformal_threshold
from core.data.split import OneClassSplit
from core.detector import DetectorConfig
from core.experiments import baselines
from core.experiments.baselines import BASELINES, Comparison, Scorer, measure
from core.jobs.memory_budget import MemoryFullError
from core.jobs.pool import TRAINING_NICE
from core.metrics import evaluate
from tests.conftest import PATIENCE, WaitUntil

UCI = DetectorConfig(data_set="uci-digits", normal_classes=(5,))


def test_a_comparison_says_what_each_method_scores(split: OneClassSplit, wait_until: WaitUntil) -> None:
    comparison = Comparison(UCI, split, threading.Lock())
    wait_until(lambda: not comparison.running)
    assert list(comparison.trials) == list(BASELINES)
    for name, method in BASELINES.items():
        trial = comparison.trials[name]
        assert trial
        assert trial.evaluation == measure(method, UCI, split).evaluation
        scorer = method(UCI, split.train)
        threshold = conformal_threshold(scorer(split.calibration), 0.05)
        assert trial.evaluation == evaluate(scorer(split.test.images), split.test.labels, (5,), threshold)


def test_comparisons_take_turns(split: OneClassSplit, monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil) -> None:
    go_on, inside, at_work = threading.Event(), list[int](), list[int]()

    def slow(_asked: DetectorConfig, train: Tensor) -> Scorer:
        inside.append(len(train))
        at_work.append(len(inside))
        go_on.wait(PATIENCE)
        inside.pop()
        return lambda images: images.mean(dim=(1, 2, 3))

    monkeypatch.setattr(baselines, "BASELINES", {"slow": slow})
    turn = threading.Lock()
    first, second = Comparison(UCI, split, turn), Comparison(UCI, split, turn)
    wait_until(lambda: at_work)
    assert first.running
    assert second.running
    go_on.set()
    wait_until(lambda: not first.running and not second.running)
    assert at_work == [1, 1], "whoever came in was alone"


def test_a_method_that_fails_leaves_the_others(
    split: OneClassSplit, monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil
) -> None:
    def broken(_asked: DetectorConfig, _train: Tensor) -> Scorer:
        raise ValueError("no")

    monkeypatch.setattr(baselines, "BASELINES", {"broken": broken, "pca": BASELINES["pca"]})
    comparison = Comparison(UCI, split, threading.Lock())
    wait_until(lambda: not comparison.running)
    assert comparison.trials["broken"] is None
    assert comparison.trials["pca"]


def test_images_that_cannot_be_made_are_a_failure_that_is_told(wait_until: WaitUntil) -> None:
    split = Mock(counts=(100, 20), images=Mock(side_effect=MemoryError))
    comparison = Comparison(UCI, split, threading.Lock())
    wait_until(lambda: not comparison.running)
    assert comparison.trials == dict.fromkeys(BASELINES)
    assert comparison.has_failed


def test_a_comparison_counts_in_the_budget_while_it_is_fitted_and_leaves_the_pages_first(
    split: OneClassSplit, monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil
) -> None:
    class MemoryReservation:
        pass

    rooms, priorities, counted = WeakSet[MemoryReservation](), list[int](), list[int]()

    def reserve_memory() -> MemoryReservation:
        rooms.add(room := MemoryReservation())
        return room

    def method(_asked: DetectorConfig, _train: Tensor) -> Scorer:
        counted.append(len(rooms))
        priorities.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return lambda images: images.mean(dim=(1, 2, 3))

    monkeypatch.setattr(baselines, "BASELINES", {"method": method})
    turn = threading.Lock()
    with turn:
        comparison = Comparison(UCI, split, turn, reserve_memory)
        assert not rooms, "it waits for its turn"
    wait_until(lambda: not comparison.running)
    assert counted == [1]
    assert not rooms
    if sys.platform == "linux":
        own = os.getpriority(os.PRIO_PROCESS, os.getpid())
        assert priorities == [min(19, own + TRAINING_NICE)]


def test_without_memory_nothing_is_measured(split: OneClassSplit, wait_until: WaitUntil) -> None:
    source = Mock(counts=(100, 20))
    comparison = Comparison(UCI, source, threading.Lock(), Mock(side_effect=MemoryFullError("full")))
    wait_until(lambda: not comparison.running)
    assert comparison.has_failed
    source.images.assert_not_called()


def test_few_images_are_enough_and_many_are_cut(split: OneClassSplit, monkeypatch: pytest.MonkeyPatch) -> None:
    for method in BASELINES.values():
        assert torch.isfinite(method(UCI, split.train[:8])(split.test.images)).all()
    monkeypatch.setattr(baselines, "MAX_IMAGES", 20)
    monkeypatch.setattr(baselines, "BASELINES", {})
    assert Comparison(UCI, split, threading.Lock()).images == 20
