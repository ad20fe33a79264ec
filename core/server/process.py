"""What a teacher wants to know of a running server: memory, threads, the last errors; and its log as JSON.

A line of the log says what happened and never holds a drawing, an upload or a password.
"""

import ctypes
import gc
import json
import logging
import sys
import threading
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
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


def keep_no_large_blocks() -> None:
    """Have glibc return large blocks to the system when they are freed.

    Left alone it learns from the first images that are freed to keep 32 MB and more, in each of a dozen heaps.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):  # not every C library has it
            for limit in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
                ctypes.CDLL(None).mallopt(limit, LARGE_BLOCK)


def give_back_memory() -> None:
    """Forget what nobody can reach any more, and return what it held to the system.

    A session that is gone hangs together in circles, networks included, which only a search of the whole heap
    finds; and glibc keeps what is freed for itself.
    """
    gc.collect()
    if sys.platform == "linux":
        with suppress(AttributeError):  # not every C library has it
            ctypes.CDLL(None).malloc_trim(0)


def keep_giving_back_memory(every: float = 60.0) -> threading.Event:
    """Do so again and again until the event is set. every: seconds.

    Each time nobody is answered for a quarter of a second. Left alone Python searches the whole heap about three
    times a minute while a class trains; meanwhile it searches only what is young.
    """
    over = threading.Event()
    usual = gc.get_threshold()
    gc.set_threshold(*usual[:2], NEVER)

    def keep() -> None:
        while not over.wait(every):
            give_back_memory()
        gc.set_threshold(*usual)

    threading.Thread(target=keep, name="memory", daemon=True).start()
    return over


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and the traceback of an error."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class LastErrors(logging.Handler):
    """Keeps the last errors and warnings as (time, logger, text), the newest first."""

    def __init__(self, most: int = 20) -> None:
        super().__init__(logging.WARNING)
        self._kept: deque[tuple[datetime, str, str]] = deque(maxlen=most)

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        text = record.getMessage() + (f": {type(error).__name__}: {error}" if error else "")
        self._kept.appendleft((datetime.fromtimestamp(record.created, UTC), record.name, text[:300]))

    @property
    def kept(self) -> list[tuple[datetime, str, str]]:
        return list(self._kept)


def log_as_json() -> LastErrors:
    """Send every log of this process to standard error as JSON lines; returns what keeps the last errors."""
    lines, errors = logging.StreamHandler(sys.stderr), LastErrors()
    lines.setFormatter(JsonLines())
    root = logging.getLogger()
    root.addHandler(lines)
    root.addHandler(errors)
    logging.getLogger("core").setLevel(logging.INFO)
    # The web server's list of requests: a token may stand in an address.
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
    for logger in logging.root.manager.loggerDict.values():
        # A library that writes its own lines would write them in its own format.
        if isinstance(logger, logging.Logger) and not logger.propagate:
            logger.handlers.clear()
            logger.propagate = True
    return errors
