"""Memory of the server, and how it goes back to the system."""

import ctypes
import gc
import sys
import weakref
from typing import TYPE_CHECKING

import pytest
import torch

from core.server.process import give_back_memory, keep_giving_back_memory, keep_no_large_blocks, memory_in_use

if TYPE_CHECKING:
    from tests.conftest import WaitUntil


def test_memory_is_that_of_this_process() -> None:
    memory = memory_in_use()
    assert memory is None or 50 < memory < 20_000


class Session:
    """Refers to itself, a reference cycle, as Streamlit's sessions do."""

    def __init__(self) -> None:
        self.itself = self


def test_sessions_that_are_gone_are_forgotten_though_nobody_trains_or_visits(wait_until: "WaitUntil") -> None:
    gc.disable()
    over = keep_giving_back_memory(every=0.01)
    try:
        gone = weakref.ref(Session())
        wait_until(lambda: gone() is None)
        assert gc.get_freeze_count() > 100_000, "what stays is not searched again and again"
    finally:
        over.set()
        gc.enable()
    wait_until(lambda: gc.get_freeze_count() == 0)


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
