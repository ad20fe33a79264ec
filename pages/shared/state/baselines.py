"""The comparison with simpler methods, for all visitors."""

import threading

from core.data.datasets import data_directory
from core.data.own import is_own
from core.detector import DetectorConfig
from core.experiments.baselines import Comparison
from core.jobs.memory_budget import Claim
from pages.shared.state import data_sets, job_pool
from pages.shared.state.once import once
from pages.shared.state.visitor import visitor


@once
def _comparisons() -> tuple[threading.Lock, dict[tuple[str, tuple[int, ...]], Comparison]]:
    return threading.Lock(), {}


def comparison(name: str, normal_classes: tuple[int, ...]) -> Comparison | None:
    """The baselines on a data set, for all visitors; None until somebody starts them."""
    return _comparisons()[1].get((name, normal_classes))


def start(name: str, normal_classes: tuple[int, ...]) -> None:
    """Fit the baselines in the background, unless that was done before. Raises EmptySplitError."""
    turn, started = _comparisons()
    if (name, normal_classes) not in started:
        names = data_sets.names_of(name) if is_own(name) else ()
        config = DetectorConfig(data_set=name, class_names=names, normal_classes=normal_classes)
        data = data_sets.split(name, data_directory(), normal_classes, config.training.seed, vary=is_own(name))
        job_pool.pool().budget.require(visitor().owner, Claim(4 * 784 * sum(data.counts)))
        started[name, normal_classes] = Comparison(config, data, turn)
