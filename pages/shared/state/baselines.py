"""The comparison with simpler methods, for all visitors."""

import threading
from dataclasses import dataclass, field

from core.data.datasets import data_directory
from core.data.own import is_own
from core.detector import DetectorConfig
from core.experiments.baselines import Comparison
from core.jobs.memory_budget import Claim
from pages.shared.state import data_sets, job_pool
from pages.shared.state.once import once
from pages.shared.state.visitor import visitor


@dataclass(frozen=True)
class Comparisons:
    """Those of the server, by data set and normal classes. turn: of the one that is fitted. lock: held while one begins."""

    begun: dict[tuple[str, tuple[int, ...]], Comparison] = field(default_factory=dict)
    turn: threading.Lock = field(default_factory=threading.Lock)
    lock: threading.Lock = field(default_factory=threading.Lock)


@once
def _comparisons() -> Comparisons:
    return Comparisons()


def comparison(name: str, normal_classes: tuple[int, ...]) -> Comparison | None:
    """The baselines on a data set, for all visitors; None until somebody starts them."""
    return _comparisons().begun.get((name, normal_classes))


def start(name: str, normal_classes: tuple[int, ...]) -> None:
    """Fit the baselines in the background, unless that was done before and not in vain. Raises EmptySplitError."""
    all_of_them = _comparisons()
    with all_of_them.lock:
        before = comparison(name, normal_classes)
        if before and not before.has_failed:
            return
        names = data_sets.names_of(name) if is_own(name) else ()
        config = DetectorConfig(data_set=name, class_names=names, normal_classes=normal_classes)
        data = data_sets.split(name, data_directory(), normal_classes, config.training.seed, vary=is_own(name))
        job_pool.pool().budget.require(visitor().owner, Claim(4 * 784 * sum(data.counts)))
        all_of_them.begun[name, normal_classes] = Comparison(config, data, all_of_them.turn)
