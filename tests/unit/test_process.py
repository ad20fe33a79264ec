"""Figures of the server, and its log as JSON lines."""

import ctypes
import gc
import json
import logging
import sys
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import torch

from core.server.process import (
    JsonLines,
    LastErrors,
    give_back_memory,
    keep_giving_back_memory,
    keep_no_large_blocks,
    log_as_json,
    memory_in_use,
)

if TYPE_CHECKING:
    from tests.conftest import WaitUntil


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


def test_memory_is_that_of_this_process() -> None:
    memory = memory_in_use()
    assert memory is None or 50 < memory < 20_000


def test_formatter_keeps_other_alphabets() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "KMNIST お", (), None)
    assert "お" in JsonLines().format(record)


class Session:
    """Hangs together in a circle, as Streamlit's do."""

    def __init__(self) -> None:
        self.itself = self


def test_sessions_that_are_gone_are_forgotten_though_nobody_trains_or_visits(wait_until: "WaitUntil") -> None:
    gc.disable()
    over = keep_giving_back_memory(every=0.01)
    try:
        gone = weakref.ref(Session())
        wait_until(lambda: gone() is None)
    finally:
        over.set()
        gc.enable()


def has_malloc_trim() -> bool:
    return sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim")


@pytest.mark.skipif(not has_malloc_trim(), reason="Only glibc keeps so much, and can be told not to.")
def test_large_blocks_go_back_when_they_are_freed() -> None:
    keep_no_large_blocks()
    torch.ones(8_000_000)  # 32 MB, from which glibc would learn
    held = [torch.ones(1_500_000) for _ in range(40)]  # 6 MB each
    last = held[-1]
    before = memory_in_use()
    del held
    after = memory_in_use()
    assert before
    assert after
    assert before - after > 100, f"{before:.0f} MB, then {after:.0f} MB"
    assert last.sum() == 1_500_000


@pytest.mark.skipif(not has_malloc_trim(), reason="Only glibc keeps so much, and can be asked for it.")
def test_what_is_freed_goes_back_to_the_system() -> None:
    give_back_memory()
    held = [torch.ones(16_000) for _ in range(2000)]  # 64 kB each, too small for a place of their own
    last = held[-1]
    before = memory_in_use()
    del held
    give_back_memory()
    after = memory_in_use()
    assert before
    assert after
    assert before - after > 90, f"{before:.0f} MB, then {after:.0f} MB"
    assert last.sum() == 16_000


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
