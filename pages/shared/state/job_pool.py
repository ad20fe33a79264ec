"""Where trainings are computed: the pool of this server, or a cluster; and what shares the server with them.

That is its one budget of memory, room for uploads, files that are read at a time, and turns of pens.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import streamlit as st

from core.data.split import PlannedSplit
from core.detector import DetectorConfig
from core.errors import SettingError
from core.jobs.backend import TrainingBackend
from core.jobs.memory_budget import Claim, MemoryFullError
from core.jobs.pool import JobPool
from core.server.environment import MEGABYTE
from pages.shared.state.once import once
from pages.shared.state.turns import Priority, PrioritySemaphore
from pages.shared.state.visitor import visitor
from pages.shared.streamlit_internals import connected_sessions, uploaded_bytes

if TYPE_CHECKING:
    from core.jobs.dask.backend import Cluster


@once
def pool() -> JobPool:
    """One for the server."""
    # Threads that train on a cluster only wait for it; there will be more as soon as its workers are counted.
    made = JobPool(1 if scheduler() and not os.environ.get("TRAINING_WORKERS") else None)
    made.budget.count(lambda: SESSION_BYTES * connected_sessions() + uploaded_bytes())
    return made


SESSION_BYTES = 8 * 2**20
"""What a tab is taken to need for its drawings and what its pages remember: a generous guess, not a measurement."""


def require_room_for_upload(size: int) -> None:
    """Raises SettingError where there is no memory for what a checkpoint of so many bytes may become."""
    pool().budget.require(visitor().owner, Claim(3 * size))


def most_megabytes(of_kind: int) -> int:
    """The largest file that can be uploaded where files of so many bytes are read; larger ones the server itself refuses."""
    return min(of_kind // MEGABYTE, int(st.get_option("server.maxUploadSize")))


def has_room_to_receive(size: int) -> bool:
    """Whether there is memory for files of so many bytes that browsers send now."""
    try:
        pool().budget.require(None, Claim(size))
    except MemoryFullError:
        return False
    return True


@once
def reading_files() -> threading.Semaphore:
    """Inside, an uploaded file is read: as many at a time as cores, since each may take 200 MB while that lasts."""
    return threading.Semaphore(os.cpu_count() or 1)


@once
def _turns() -> PrioritySemaphore:
    return PrioritySemaphore(os.cpu_count() or 1)


@contextmanager
def turn_to_judge(priority: Priority) -> Iterator[None]:
    """Inside, a drawing is judged, before any training: as many at a time as cores, the most urgent first."""
    with pool().inference_priority(), _turns().turn(priority):
        yield


def is_crowded() -> bool:
    """Whether drawings wait to be judged."""
    return _turns().is_crowded


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
