"""What a visitor has drawn or picked: the drawing, the image before the detector, and the strip of what was judged."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from numpy.typing import NDArray
from torch import Tensor

from core.detector import AutoencoderDetector, Result
from core.drawing import PictureError, ReadPicture
from core.ensemble import Ensemble
from pages.shared.html import pictures

MOST_ON_STRIP = 24

Origin = Literal["canvas", "test image", "picture"]


@dataclass
class Canvas:
    """The drawing on the canvas.

    generation: how often it was cleared. strokes: the latest strokes. image: the drawing as (1, 1, 28, 28), or None.
    is_stroke_whole: whether the pen is lifted.
    """

    generation: int = 0
    strokes: dict[str, Any] | None = None
    image: Tensor | None = None
    is_stroke_whole: bool = True


@dataclass
class CanvasOnScreen:
    """The canvas of one tab.

    opened: part of its key; with a new number it begins anew with the strokes `initial`, which must not change otherwise, or
    the canvas loads them and a stroke in progress is lost. visit, generation: for which it was opened. seen: the strokes
    that it sent last, or was given.
    """

    opened: int = 0
    visit: int = -1
    generation: int = 0
    initial: dict[str, Any] | None = None
    seen: dict[str, Any] | None = None

    def show(self, canvas: Canvas, visit: int) -> None:
        """Begin anew on another visit of the page, and where another tab has cleared the drawing or drawn."""
        if self.visit != visit or self.generation != canvas.generation or self.seen is not canvas.strokes:
            self.opened += 1
            self.visit, self.generation = visit, canvas.generation
            self.initial = self.seen = canvas.strokes


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
    judged: tuple[Tensor, AutoencoderDetector, Result] | None = None
    opinions: tuple[Tensor, Ensemble, list[Opinion]] | None = None

    @property
    def image(self) -> Tensor | None:
        """What is before the detector, (1, 1, 28, 28); None while nothing is drawn."""
        return self.picked.image if self.picked else self.canvas.image
