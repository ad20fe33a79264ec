"""Settings of the environment that say what trainings get of this machine."""

import os

from core.device import choose_device
from core.jobs.limits import LIMITS, limit
from core.server.environment import memory_limit, whole_number_from_environment

MAX_WORKERS = 256
"""Threads that train at a time: more than any machine has cores."""


def training_workers() -> int:
    """How many trainings go on at the same time: TRAINING_WORKERS, else as many as cores. Raises SettingError."""
    return whole_number_from_environment("TRAINING_WORKERS", min(os.cpu_count() or 1, MAX_WORKERS), most=MAX_WORKERS)


def require_usable_environment() -> None:
    """Raises SettingError or DeviceError for a setting of the environment that cannot be used."""
    for name in LIMITS:
        limit(name)
    training_workers()
    whole_number_from_environment("DRAIN_SECONDS", 0, least=0)
    memory_limit()
    choose_device()
