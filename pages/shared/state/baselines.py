"""The comparison with simpler methods, for all visitors."""

import threading
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from core.data.datasets import data_directory
from core.data.own import is_own
from core.detector import DetectorConfig
from core.errors import SettingError
from core.experiments.baselines import Comparison
from core.jobs.memory_budget import Claim, Owner
from pages.shared.state import data_sets, job_pool
from pages.shared.state.once import once
from pages.shared.state.visitor import visitor

MAX_KEPT = 50
"""Comparisons whose figures are remembered."""


class MemoryReservation:
    """Counts in the budget of memory for as long as a comparison holds it."""


@dataclass(frozen=True)
class Comparisons:
    """Those of the server, by data set and normal classes. asked: the last one of each visitor.

    turn: of the one that is fitted. lock: held while one begins.
    """

    begun: dict[tuple[str, tuple[int, ...]], Comparison] = field(default_factory=dict)
    asked: WeakKeyDictionary[Owner, Comparison] = field(default_factory=WeakKeyDictionary)
    turn: threading.Lock = field(default_factory=threading.Lock)
    lock: threading.Lock = field(default_factory=threading.Lock)


@once
def _comparisons() -> Comparisons:
    return Comparisons()


def comparison(name: str, normal_classes: tuple[int, ...]) -> Comparison | None:
    """The baselines on a data set, for all visitors; None until somebody starts them."""
    return _comparisons().begun.get((name, normal_classes))


def start(name: str, normal_classes: tuple[int, ...]) -> None:
    """Fit the baselines in the background, unless that was done before and not in vain. Raises EmptySplitError, SettingError.

    One of each visitor at a time: all that wait are fitted one after the other.
    """
    all_of_them, owner, budget = _comparisons(), visitor().owner, job_pool.pool().budget
    with all_of_them.lock:
        before = comparison(name, normal_classes)
        if before and not before.has_failed:
            return
        own = all_of_them.asked.get(owner)
        if own and own.running:
            raise SettingError("What you have asked for before is still being measured. Begin this when it has ended.")
        names = data_sets.names_of(name) if is_own(name) else ()
        config = DetectorConfig(data_set=name, class_names=names, normal_classes=normal_classes)
        data = data_sets.split(name, data_directory(), normal_classes, config.training.seed, vary=is_own(name))
        claim = Claim(4 * 784 * sum(data.counts))
        budget.require(owner, claim)

        def reserve_memory() -> MemoryReservation:
            budget.claim(room := MemoryReservation(), None, claim)
            return room

        made = Comparison(config, data, all_of_them.turn, reserve_memory)
        all_of_them.begun[name, normal_classes] = all_of_them.asked[owner] = made
        ended = [key for key, each in all_of_them.begun.items() if not each.running]
        for key in ended[: max(0, len(all_of_them.begun) - MAX_KEPT)]:
            del all_of_them.begun[key]
