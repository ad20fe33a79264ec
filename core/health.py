"""What a teacher wants to know of a running server: memory, threads, the last errors; and its log as JSON.

A line of the log says what happened and never holds a drawing, an upload or a password.
"""

import json
import logging
import sys
import threading
from collections import deque
from datetime import UTC, datetime
from pathlib import Path


def memory_in_use() -> float | None:
    """Resident memory of this process in MB; None where the system does not tell (only Linux does)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return None
    import resource

    return pages * resource.getpagesize() / 2**20


def thread_count() -> int:
    return threading.active_count()


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
    for logger in logging.root.manager.loggerDict.values():
        # A library that writes its own lines would write them in its own format.
        if isinstance(logger, logging.Logger) and not logger.propagate:
            logger.handlers.clear()
            logger.propagate = True
    return errors
