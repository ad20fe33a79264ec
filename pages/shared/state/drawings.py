"""What a visitor has drawn or picked: the canvas, the image before the detector, and the strip of what was judged."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import streamlit as st
from numpy.typing import NDArray
from torch import Tensor

from core.detector import AutoencoderDetector, Result
from core.drawing import PictureError, ReadPicture
from core.ensemble import Ensemble
from pages.shared.html import pictures
from pages.shared.state import session

MOST_ON_STRIP = 24

Origin = Literal["canvas", "test image", "picture"]


@dataclass
class Canvas:
    """The canvas across visits to other pages.

    generation, visit: part of the canvas' key, so that a new one is a clean canvas. initial: the
    strokes it starts with on this visit; it must not change during a visit, or the canvas loads it
    anew and a stroke in progress is lost. strokes: the latest strokes. image: the drawing as
    (1, 1, 28, 28), or None. is_stroke_whole: whether the pen is lifted.
    """

    generation: int = 0
    visit: int = -1
    initial: dict[str, Any] | None = None
    strokes: dict[str, Any] | None = None
    image: Tensor | None = None
    is_stroke_whole: bool = True


@dataclass(frozen=True)
class Picked:
    """An image that did not come from the canvas.

    title: what it is. picture: the file that it was found in, number: which of its digits it is, from 0.
    """

    image: Tensor
    origin: Origin
    title: str
    picture: ReadPicture | None = None
    number: int = 0

    def of_digit(self, number: int) -> "Picked":
        """Another digit of the same picture."""
        assert self.picture
        return replace(self, image=self.picture.digits[number].image, number=number)


@dataclass(frozen=True)
class Drawing:
    """One scored image on the strip. picture: (28, 28) bytes; normal: the classes that its detector calls normal, as text."""

    picture: NDArray[Any]
    origin: Origin
    title: str
    normal: str
    score: float
    threshold: float
    is_anomaly: bool
    generation: int = 0

    @cached_property
    def png(self) -> bytes:
        """The picture as a file, made once: a page shows two dozen drawings with every stroke."""
        return pictures.png(self.picture)


@dataclass(frozen=True)
class Opinion:
    """What one of the ten shipped detectors says of an image."""

    name: str
    reconstruction: Tensor
    score: float
    threshold: float

    @property
    def is_anomaly(self) -> bool:
        return self.score > self.threshold

    @property
    def ratio(self) -> float:
        """The score in thresholds."""
        return self.score / self.threshold


@dataclass
class Drawings:
    """The canvas, what was picked instead of it (None: the canvas is judged), and the strip."""

    canvas: Canvas = field(default_factory=Canvas)
    picked: Picked | None = None
    problem: PictureError | None = None
    """Why the last file could not be read; told until something else is judged."""
    strip: list[Drawing] = field(default_factory=list)
    _judged: tuple[Tensor, AutoencoderDetector, Result] | None = None
    _opinions: tuple[Tensor, Ensemble, list[Opinion]] | None = None

    @property
    def image(self) -> Tensor | None:
        """What is before the detector, (1, 1, 28, 28); None while nothing is drawn."""
        return self.picked.image if self.picked else self.canvas.image

    def judge(self, image: Tensor) -> tuple[AutoencoderDetector, Result]:
        """The detector in use and what it says of an image; of one image it is asked once."""
        detector = session.detector()
        if self._judged is None or self._judged[0] is not image or self._judged[1] is not detector:
            self._judged = image, detector, detector.infer(image)
        return detector, self._judged[2]

    def ask_all(self, image: Tensor) -> Sequence[Opinion]:
        """What every shipped detector of the data set says of an image; of one image they are asked once."""
        names, ensemble = session.ensemble(session.detector_config().data_set)
        if self._opinions is None or self._opinions[0] is not image or self._opinions[1] is not ensemble:
            opinions = [
                Opinion(name, result.reconstructions[0], float(result.scores[0]), result.threshold)
                for name, result in zip(names, ensemble.infer(image), strict=True)
            ]
            self._opinions = image, ensemble, opinions
        return self._opinions[2]

    def pick(self, picked: Picked) -> None:
        """Judge this image instead of the canvas."""
        self.picked, self.problem = picked, None
        self.add_to_strip(picked.image, picked.origin, picked.title)

    def add_to_strip(self, image: Tensor, origin: Origin, title: str) -> None:
        """Score an image and put it on the strip; strokes added to one drawing replace its entry."""
        detector, result = self.judge(image)
        entry = Drawing(
            pictures.grey_pixels(image),
            origin,
            title,
            session.class_names(detector.config.data_set, detector.config.normal_classes),
            float(result.scores[0]),
            result.threshold,
            bool(result.verdicts[0]),
            self.canvas.generation,
        )
        last = self.strip[-1] if self.strip else None
        if last and last.origin == origin == "canvas" and last.generation == entry.generation:
            self.strip = [*self.strip[:-1], entry]
        else:
            self.strip = [*self.strip, entry][-MOST_ON_STRIP:]


def drawings() -> Drawings:
    return st.session_state.setdefault("drawings", Drawings())  # type: ignore[no-any-return]
