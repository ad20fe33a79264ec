"""The comparison with simpler methods, for all visitors."""

import threading
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from core.data.datasets import DataSet
from core.data.own import is_own
from core.data.split import plan_split
from core.detector import DetectorConfig
from core.errors import SettingError
from core.experiments.baselines import Comparison
from core.jobs.memory_budget import Claim, Owner
from pages.shared.state import job_pool
from pages.shared.state.once import once
from pages.shared.state.visitor import visitor

MAX_KEPT = 50
"""Comparisons whose figures are remembered."""


SEED = DetectorConfig().training.seed
"""Of the split, where it decides nothing but which normal images of the training file are held out."""

Key = tuple[str, tuple[int, ...], int]
"""Data set, normal classes, seed of the split."""


class MemoryReservation:
    """Counts in the budget of memory for as long as a comparison holds it."""


@dataclass(frozen=True)
class Comparisons:
    """Those of the server. asked: the last one of each visitor.

    turn: of the one that is fitted. lock: held while one begins.
    """

    begun: dict[Key, Comparison] = field(default_factory=dict)
    asked: WeakKeyDictionary[Owner, Comparison] = field(default_factory=WeakKeyDictionary)
    turn: threading.Lock = field(default_factory=threading.Lock)
    lock: threading.Lock = field(default_factory=threading.Lock)


@once
def _comparisons() -> Comparisons:
    return Comparisons()


def comparison(data: DataSet, normal_classes: tuple[int, ...], seed: int = SEED) -> Comparison | None:
    """The baselines on a data set, for all visitors; None until somebody starts them.

    seed: of the split; where the data set is one pile, that of the detector with which they are compared: by it the test images
    are chosen.
    """
    return _comparisons().begun.get(_key(data, normal_classes, seed))


def _key(data: DataSet, normal_classes: tuple[int, ...], seed: int) -> Key:
    return data.name, normal_classes, seed if data.has_no_test_file else SEED


def start(data: DataSet, normal_classes: tuple[int, ...], seed: int = SEED, names: tuple[str, ...] = ()) -> None:
    """Fit the baselines in the background, unless that was done before and not in vain. Raises EmptySplitError, SettingError.

    names: of the classes of somebody's own data set. One of each visitor at a time: those that wait are fitted one by one.
    """
    all_of_them, owner, budget = _comparisons(), visitor().owner, job_pool.pool().budget
    key = _key(data, normal_classes, seed)
    with all_of_them.lock:
        before = all_of_them.begun.get(key)
        if before and not before.has_failed:
            return
        own = all_of_them.asked.get(owner)
        if own and own.running:
            raise SettingError("What you have asked for before is still being measured. Begin this when it has ended.")
        config = DetectorConfig(
            data_set=data.name, class_names=names if is_own(data.name) else (), normal_classes=normal_classes
        )
        split = plan_split(data, normal_classes, key[-1], vary=is_own(data.name))
        claim = Claim(4 * 784 * sum(split.counts))
        budget.require(owner, claim)

        def reserve_memory() -> MemoryReservation:
            budget.claim(room := MemoryReservation(), None, claim)
            return room

        made = Comparison(config, split, all_of_them.turn, reserve_memory)
        all_of_them.begun[key] = all_of_them.asked[owner] = made
        ended = [key for key, each in all_of_them.begun.items() if not each.running]
        for key in ended[: max(0, len(all_of_them.begun) - MAX_KEPT)]:
            del all_of_them.begun[key]
