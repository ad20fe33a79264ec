"""Settings of the environment that say what trainings get of this machine."""

import os
import sys

from core.device import choose_device
from core.errors import SettingError
from core.jobs.limits import LIMITS, limit
from core.server.environment import MEGABYTE, memory_limit, whole_number_from_environment

MAX_WORKERS = 256
"""Threads that train at a time: more than any machine has cores."""

NEEDED_BY_PROCESSES = 4_000 * MEGABYTE
"""MEMORY_LIMIT from which on trainings have processes of their own."""

SHARE_OF_PROCESSES = 0.25
"""The most that they may take of it, unless TRAINING_PROCESSES says how many there are."""

SHARED_BY_PROCESSES, OF_EACH_PROCESS = 370 * MEGABYTE, 115 * MEGABYTE
"""What they take while somebody trains: Python and torch once, and what each trains."""


def training_workers() -> int:
    """How many trainings go on at the same time: TRAINING_WORKERS, else as many as cores. Raises SettingError."""
    return whole_number_from_environment("TRAINING_WORKERS", min(os.cpu_count() or 1, MAX_WORKERS), most=MAX_WORKERS)


def training_processes() -> int:
    """How many of them have a process of their own: TRAINING_PROCESSES, else as many as help and there is memory for.

    Only on Linux, and where trainings use the CPU; no more than training_workers(). Raises SettingError, DeviceError.
    """
    can = sys.platform == "linux" and choose_device().type == "cpu"
    helps = (os.cpu_count() or 1) > 1 and memory_limit() >= NEEDED_BY_PROCESSES
    fit = int((SHARE_OF_PROCESSES * memory_limit() - SHARED_BY_PROCESSES) / OF_EACH_PROCESS)
    usual = min(training_workers(), fit) if helps else 0
    wanted = whole_number_from_environment("TRAINING_PROCESSES", usual, least=0, most=MAX_WORKERS)
    count = min(wanted, training_workers()) if can else 0
    if memory_of_processes(count) > memory_limit() / 2:
        raise SettingError(
            "TRAINING_PROCESSES in the environment asks for {count} processes, which take {needed:,.0f} MB: more than half of "
            "MEMORY_LIMIT. Ask for fewer, or for 0.",
            count=count,
            needed=memory_of_processes(count) / MEGABYTE,
        )
    return count


def memory_of_processes(count: int) -> int:
    """Bytes that so many of them take while somebody trains."""
    return SHARED_BY_PROCESSES + count * OF_EACH_PROCESS if count else 0


def require_usable_environment() -> None:
    """Raises SettingError or DeviceError for a setting of the environment that cannot be used."""
    for name in LIMITS:
        limit(name)
    training_workers()
    training_processes()
    whole_number_from_environment("DRAIN_SECONDS", 0, least=0)
    memory_limit()
    choose_device()
