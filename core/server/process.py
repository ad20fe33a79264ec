"""The memory and threads of a running server, and how memory goes back to the system."""

import ctypes
import gc
import sys
import threading
from contextlib import suppress
from pathlib import Path


def memory_in_use() -> float | None:
    """Memory of this process in MB, without files that it only reads; None where the system does not tell (only Linux does).

    Libraries, of which torch's weigh 400 MB, lie on the disk: where memory is short the system drops them and reads them again.
    """
    try:
        resident, shared = map(int, Path("/proc/self/statm").read_text().split()[1:3])
    except OSError:
        return None
    import resource

    return (resident - shared) * resource.getpagesize() / 2**20


def thread_count() -> int:
    return threading.active_count()


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
NEVER = 2**31 - 1
"""Searches of the young after which Python searches the whole heap of itself: more than there will be."""

LARGE_BLOCK = 4 * 2**20
"""Bytes. No batch of a training needs a block so large; with 1 MB the course's training takes a sixth longer."""


def keep_no_large_blocks(spare: int = LARGE_BLOCK) -> None:
    """Have glibc return large blocks to the system when they are freed. spare: bytes that it keeps at the end of its heap.

    Left alone it learns from the first images that are freed to keep 32 MB and more, in each of a dozen heaps.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):  # not every C library has it
            for limit, size in ((M_MMAP_THRESHOLD, LARGE_BLOCK), (M_TRIM_THRESHOLD, spare)):
                ctypes.CDLL(None).mallopt(limit, size)


def give_back_memory() -> None:
    """Forget what nobody can reach any more, and return what it held to the system.

    The objects of a session that is gone, networks included, refer to each other (reference cycles), so that only a search of
    the whole heap finds them; and glibc keeps what is freed for itself.
    """
    gc.collect()
    if sys.platform == "linux":
        with suppress(AttributeError):  # not every C library has it
            ctypes.CDLL(None).malloc_trim(0)


def keep_giving_back_memory(every: float = 60.0) -> threading.Event:
    """Do so again and again until the event is set. every: seconds.

    Nobody is answered while the heap is searched, for tenths of a second: so what is there when this begins, half a million
    objects of the libraries, is not searched any more. Left alone Python searches the heap about three times a minute while a
    class trains; meanwhile it searches only what is young.
    """
    over = threading.Event()
    usual = gc.get_threshold()
    gc.set_threshold(*usual[:2], NEVER)
    gc.collect()
    gc.freeze()

    def keep() -> None:
        while not over.wait(every):
            give_back_memory()
        gc.set_threshold(*usual)
        gc.unfreeze()

    threading.Thread(target=keep, name="memory", daemon=True).start()
    return over
