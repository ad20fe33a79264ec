"""Where trainings are computed: the pool of this server with its one budget of memory, or a cluster; and turns beside them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from core.data.split import PlannedSplit
from core.detector import DetectorConfig
from core.errors import SettingError
from core.jobs.backend import TrainingBackend
from core.jobs.environment import training_processes
from core.jobs.pool import JobPool
from pages.shared.state import access
from pages.shared.state.once import once
from pages.shared.state.turns import PLACES, Priority, PrioritySemaphore
from pages.shared.state.visitor import visitor
from pages.shared.streamlit_internals import uploaded_bytes

if TYPE_CHECKING:
    from core.jobs.dask.backend import Cluster


@once
def pool() -> JobPool:
    """One for the server."""
    # Threads that train on a cluster only wait for it; there will be more as soon as its workers are counted.
    made = JobPool(
        1 if scheduler() and not os.environ.get("TRAINING_WORKERS") else None,
        processes=0 if scheduler() else training_processes(),
    )
    made.budget.count(lambda: SESSION_BYTES * access.admitted_sessions() + uploaded_bytes())
    return made


SESSION_BYTES = 8 * 2**20
"""What a tab is taken to need for its drawings and what its pages remember: a generous guess, not a measurement."""


@once
def _turns(is_shipped: bool) -> PrioritySemaphore:
    return PrioritySemaphore(PLACES)


def _turns_of_visitor() -> PrioritySemaphore:
    """A detector of a visitor's own may take seconds, and keeps none but its like waiting."""
    return _turns(visitor().choice.shipped is not None)


_has_turn = ContextVar("has_turn", default=False)


@contextmanager
def turn_to_judge(priority: Priority) -> Iterator[None]:
    """Inside, a drawing is judged, or a page shows one, before any training: PLACES at a time, the most urgent first.

    Who has a turn already goes on.
    """
    if _has_turn.get():
        yield
        return
    with pool().inference_priority(), _turns_of_visitor().turn(priority):
        before = _has_turn.set(True)
        try:
            yield
        finally:
            _has_turn.reset(before)


def is_crowded() -> bool:
    """Whether drawings wait to be judged."""
    return _turns_of_visitor().is_crowded


def scheduler() -> str:
    """The address of the Dask scheduler whose workers do all training; empty where this process does it."""
    return os.environ.get("DASK_SCHEDULER_ADDRESS", "")


def require_usable_scheduler() -> None:
    """Raises SettingError where there is an address to which trainings cannot go: without Dask, or where it is none."""
    if not scheduler():
        return
    try:
        from core.jobs.dask.backend import is_address
    except ModuleNotFoundError as error:
        raise SettingError(
            "Trainings run on the cluster at {address}, but {package} is not installed here. "
            "Install it with: python deploy/set_up.py server. Or start without DASK_SCHEDULER_ADDRESS.",
            address=scheduler(),
            package=error.name,
        ) from error
    if not is_address(scheduler()):
        raise SettingError(
            "DASK_SCHEDULER_ADDRESS in the environment is an address such as tcp://127.0.0.1:8786, not “{text}”.",
            text=scheduler()[:30],
        )


@once
def _cluster() -> "Cluster":
    """The one connection of this server. Raises SettingError."""
    require_usable_scheduler()
    from core.jobs.dask.backend import Cluster

    return Cluster(scheduler(), pool(), may_grow=not os.environ.get("TRAINING_WORKERS"))


def backend_of(config: DetectorConfig, data: PlannedSplit) -> TrainingBackend | None:
    """Where a job trains, if not here."""
    if not scheduler():
        return None
    cluster = _cluster()
    from core.jobs.dask.backend import DaskBackend

    return DaskBackend(config, data.data, data, cluster)
