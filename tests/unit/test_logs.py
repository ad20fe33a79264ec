"""The log as JSON lines, and the last errors."""

import json
import logging
from collections.abc import Iterator

import pytest

from core.server.logs import JsonLines, LastErrors, log_as_json


@pytest.fixture
def loggers() -> Iterator[tuple[logging.Logger, logging.Logger]]:
    """One logger that is like a library's, with lines of its own, and one of ours; the rest is as before afterwards."""
    root = logging.getLogger()
    handlers = list(root.handlers)
    theirs, ours = logging.getLogger("test-library"), logging.getLogger("core.test")
    theirs.propagate = False
    theirs.addHandler(logging.StreamHandler())
    yield theirs, ours
    root.handlers = handlers


def test_every_line_is_one_json_object(
    loggers: tuple[logging.Logger, logging.Logger], capsys: pytest.CaptureFixture[str]
) -> None:
    log_as_json()
    for logger in loggers:
        logger.warning("A line\nand “another” %s", 7)
    try:
        raise ValueError("no such digit")
    except ValueError:
        loggers[1].exception("It failed")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["message"] for line in lines] == ["A line\nand “another” 7"] * 2 + ["It failed"]
    assert [line["logger"] for line in lines] == ["test-library", "core.test", "core.test"]
    assert "ValueError: no such digit" in lines[2]["traceback"]
    assert lines[0]["time"].endswith("+00:00")


def test_the_last_errors_are_kept_the_newest_first() -> None:
    errors, logger = LastErrors(most=2), logging.Logger("somewhere")
    logger.addHandler(errors)
    logger.info("all is well")
    for number in range(3):
        logger.error("error %d", number, exc_info=KeyError("five"))
    assert [(where, text) for _, where, text in errors.kept] == [
        ("somewhere", "error 2: KeyError: 'five'"),
        ("somewhere", "error 1: KeyError: 'five'"),
    ]


def test_a_long_message_is_cut() -> None:
    errors, logger = LastErrors(), logging.Logger("somewhere")
    logger.addHandler(errors)
    logger.error("x" * 10_000)
    assert len(errors.kept[0][2]) == 300


def test_formatter_keeps_other_alphabets() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "KMNIST お", (), None)
    assert "お" in JsonLines().format(record)


def test_addresses_that_were_asked_for_are_not_written_down(
    loggers: tuple[logging.Logger, logging.Logger], capsys: pytest.CaptureFixture[str]
) -> None:
    requests = logging.getLogger("uvicorn.access")
    requests.propagate = False
    log_as_json()
    requests.info("GET /status?token=secret")
    loggers[1].warning("heard")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["message"] for line in lines] == ["heard"]
