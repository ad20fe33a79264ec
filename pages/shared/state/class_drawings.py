"""What the class has drawn, as a data set beside the others, for whoever may see its wall."""

import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import ParamSpec, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

from core.data.datasets import Source
from core.data.own import MAX_IMAGES, TITLE_OF_CLASS, OwnImages
from core.server.class_records import ClassSnapshot, ClassUnavailableError, Drawing
from core.server.tasks import kind_of
from pages.shared.html import pictures
from pages.shared.state import classroom, own_data
from pages.shared.state.once import once


def images_by_kind(drawn: Sequence[Drawing], digit: int) -> tuple[Tensor, list[str]]:
    """The drawings as bytes (N, 28, 28), and the kind of each, such as “5”, “not 5” or “free”."""
    grey = np.frombuffer(b"".join(each.image for each in drawn), dtype=np.uint8).reshape(-1, 28, 28)
    return torch.from_numpy(grey.copy()), [kind_of(each.task, digit) for each in drawn]


class ClassDataSet:
    """The class's data set, made once for each change for everybody who asks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at: object = None
        self._made: Source | None = None

    def of(self, now: ClassSnapshot) -> Source | None:
        """The newest that are not hidden, of the digit first, as that is what is usually normal; None before the first."""
        with self._lock:
            at = now.about.begun, now.about.code, now.change
            if at != self._at:
                digit, drawn = now.about.digit, now.judged_by_the_class()[-MAX_IMAGES:]
                drawn.sort(key=lambda each: kind_of(each.task, digit) != str(digit))
                images = OwnImages.of(*images_by_kind(drawn, digit))
                own_data.note(images)
                self._at, self._made = at, images.source(TITLE_OF_CLASS) if drawn else None
            return self._made


@once
def _data_set() -> ClassDataSet:
    return ClassDataSet()


_remembered: list[Callable[[], None]] = []
_pictured: list[Callable[[], None]] = []

P = ParamSpec("P")
T = TypeVar("T")


def remembered(most: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Remembers so many of what a function made of the class's drawings, for as long as they are there."""

    def decorate(make: Callable[P, T]) -> Callable[P, T]:
        kept = lru_cache(maxsize=most)(make)
        _remembered.append(kept.cache_clear)
        return cast(Callable[P, T], kept)

    return decorate


def cleared_with_drawings(clear: Callable[[], None]) -> None:
    """Have a cache of pictures of data sets cleared once the class's drawings, which may be among them, are gone."""
    _pictured.append(clear)


def forget() -> None:
    """The class is over, or the wall was cleared: its drawings are deleted here too."""
    _data_set.forget()
    # Pages without a class come here all the time: other data sets' pictures are made anew only after there was one.
    had_drawings = own_data.forget_class()
    for clear in (*_remembered, *(_pictured if had_drawings else ())):
        clear()


def sources() -> list[Source]:
    """The class's data set for the visitor at hand; none without a class, and where only the teacher may see the wall."""
    try:
        now = classroom.snapshot()
    except ClassUnavailableError:
        return []
    made = _data_set().of(now) if now else None
    if now is None or not now.drawings:
        forget()
    if now is None or made is None:
        return []
    if now.about.seen_by != "everybody" and not classroom.teachers_code():
        return []
    return [made]


def as_pixels(image: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A drawing's bytes (28, 28)."""
    return np.frombuffer(image, dtype=np.uint8).reshape(28, 28)


def as_tensor(image: bytes) -> Tensor:
    """A drawing's bytes as an image (1, 1, 28, 28)."""
    return torch.from_numpy(as_pixels(image).astype(np.float32) / 255)[None, None]


@remembered(4096)
def data_url(image: bytes) -> str:
    """A drawing's bytes as the address of a picture."""
    return pictures.png_data_url(pictures.png(as_pixels(image)))
