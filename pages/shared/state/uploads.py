"""What files of visitors may take: how large they are, how many are read at a time, and whether there is memory for them."""

import os
import threading

import streamlit as st

from core.jobs.memory_budget import Claim, MemoryFullError
from core.server.environment import MEGABYTE, memory_limit
from pages.shared.state import job_pool
from pages.shared.state.once import once
from pages.shared.state.visitor import visitor

READING = 200 * MEGABYTE
"""What an uploaded file may take while it is read (core/photos/files.py)."""

SHARE_OF_READING = 0.1
"""Of MEMORY_LIMIT, for files that are being read, beside what visitors have."""


def require_room(size: int) -> None:
    """Raises SettingError where there is no memory for what a checkpoint of so many bytes may become."""
    job_pool.pool().budget.require(visitor().owner, Claim(3 * size))


def most_megabytes(of_kind: int) -> int:
    """The largest file that can be uploaded where files of so many bytes are read; larger ones the server itself refuses."""
    return min(of_kind // MEGABYTE, int(st.get_option("server.maxUploadSize")))


def has_room_to_receive(size: int) -> bool:
    """Whether there is memory for files of so many bytes that browsers send now."""
    try:
        job_pool.pool().budget.require(None, Claim(size))
    except MemoryFullError:
        return False
    return True


@once
def reading_files() -> threading.Semaphore:
    """Inside, an uploaded file is read: as many at a time as cores and as SHARE_OF_READING has room for."""
    fit = int(SHARE_OF_READING * memory_limit() / READING)
    return threading.Semaphore(max(1, min(fit, os.cpu_count() or 1)))
