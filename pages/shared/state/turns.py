"""Who comes first where more want to be served at a time than a server has places."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from heapq import heappop, heappush
from itertools import count

PLACES = max(1, (os.cpu_count() or 1) // 2)
"""How many have their turn at a time.

A judgement is hundreds of operations, each of which waits for Python's one lock where other threads compute: with a place for
each of two cores, sixty who draw have their verdicts later, and fewer of them.
"""


class Priority(IntEnum):
    """What a turn is for, the most urgent first."""

    PEN_LIFTED = 0
    PAGE = 1
    PEN_MOVING = 2


class PrioritySemaphore:
    """So many at a time; of those who wait the most urgent is next, of equals who came first.

    Threads share Python's global interpreter lock: requests that are served at the same time would all be late. It is not
    reentrant: whoever asks for a turn while having one can cause a deadlock.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: list[tuple[Priority, int, threading.Event]] = []
        self._numbers = count()
        self._lock = threading.Lock()

    @property
    def is_crowded(self) -> bool:
        """Whether anybody waits."""
        return bool(self._waiting)

    @contextmanager
    def turn(self, priority: Priority) -> Iterator[None]:
        """Wait for a place, and have it as long as the block lasts."""
        self._enter(priority)
        try:
            yield
        finally:
            self._leave()

    def _enter(self, priority: Priority) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            called = threading.Event()
            heappush(self._waiting, (priority, next(self._numbers), called))
        called.wait()

    def _leave(self) -> None:
        with self._lock:
            if self._waiting:
                heappop(self._waiting)[2].set()
            else:
                self._free += 1
