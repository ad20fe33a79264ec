"""Drawings and files as nobody should send them: an image, nothing, or a sentence, in bounded memory."""

import sys
from collections.abc import Callable

import numpy as np
import pytest
from torch import Tensor

from core.drawing import from_canvas_png, from_picture
from tests.hostile import CANVASES, FILES, MAX_MEMORY, READERS, STRONG, Random, outcome, peak_memory

Reader = Callable[[bytes], Tensor | None]
Make = Callable[[Random], bytes]
ORDINARY = [(from_canvas_png, name, make) for name, make in CANVASES.items()]
ORDINARY += [(from_picture, name, make) for name, make in FILES.items()]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("read", "name", "make"), ORDINARY, ids=[f"{read.__name__} {name}" for read, name, _ in ORDINARY])
def test_anything_is_an_image_or_nothing_or_a_sentence(read: Reader, name: str, make: Make) -> None:
    random = np.random.default_rng(len(name))
    for _ in range(8):
        outcome(read, make(random))


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux tells how much memory one step took.")
@pytest.mark.parametrize("name", STRONG)
def test_no_drawing_and_no_file_takes_much_memory(name: str) -> None:
    data = STRONG[name](np.random.default_rng(0))
    for read in READERS:
        before = peak_memory(forget=True)
        outcome(read, data)
        assert peak_memory() - before <= MAX_MEMORY, read.__name__


@pytest.mark.parametrize("kind", ["SVG", "PostScript"])
def test_files_that_are_programs_are_not_run(kind: str) -> None:
    assert "not a picture" in str(outcome(from_picture, FILES[kind](np.random.default_rng(0))))
