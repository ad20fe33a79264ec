"""The log of a server as JSON lines, and its last errors, which a teacher wants to see.

A line of the log says what happened and never holds a drawing, an upload or a password.
"""

import json
import logging
import sys
from collections import deque
from datetime import UTC, datetime


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
    # The web server's lists of requests and of connections: a token may stand in an address, and each has a visitor's.
    for name in ("uvicorn.access", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for logger in logging.root.manager.loggerDict.values():
        # A library that writes its own lines would write them in its own format.
        if isinstance(logger, logging.Logger) and not logger.propagate:
            logger.handlers.clear()
            logger.propagate = True
    return errors
