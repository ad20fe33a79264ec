"""What files of visitors may take: how large they are, how many are read at a time, and whether there is memory for them."""

import os
import threading

import streamlit as st

from core.jobs.memory_budget import Claim, MemoryFullError
from core.server.environment import MEGABYTE
from pages.shared.state import job_pool
from pages.shared.state.once import once
from pages.shared.state.visitor import visitor


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
    """Inside, an uploaded file is read: as many at a time as cores, since each may take 200 MB while that lasts."""
    return threading.Semaphore(os.cpu_count() or 1)
