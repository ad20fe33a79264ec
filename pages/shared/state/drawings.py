"""What a visitor has drawn or picked: the drawing, the image before the detector, and the strip of what was judged."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf
from typing import Any, Literal

import torch
from numpy.typing import NDArray
from torch import Tensor

from core.detector import AutoencoderDetector, Result
from core.drawing import PictureError, ReadPicture
from core.ensemble import Ensemble
from core.preprocessing import Preprocessing
from core.server.access import keep_newest
from pages.shared.html import pictures
from pages.shared.html.verdicts import Opinion
from pages.shared.i18n.text import Told

CANVAS_SIDE = 320
"""Pixels."""
MAX_ON_STRIP = 24
MAX_FRAMES = 200
"""Of one drawing; at 3 KB each."""
CANVASES = 10
"""After so many a canvas has the same key again; its numbers have one digit. With another key it begins clean, but a session
never forgets a key."""
SHARE_OF_TEN = 0.1
"""Of the time while a pen moves, for the ten detectors: one pass of all takes several times as long as one answer."""

Origin = Literal["canvas", "test image", "picture"]


@dataclass
class Canvas:
    """The drawing on the canvas."""

    generation: int = 0
    """How often it was cleared."""
    resumed: int = -1
    """The generation that another server knew, and what was on screen with it; -1: none."""
    replacements: int = 0
    """How often what the pen had sent was replaced: by the strokes that the canvas sent, or lost as the page was left."""
    strokes: dict[str, Any] | None = None
    """The strokes that the canvas sent last."""
    of_strokes: Tensor | None = None
    """The same strokes as an image (1, 1, 28, 28)."""
    image: Tensor | None = None
    """The drawing as an image, with what is seen of a stroke that the pen still draws."""
    is_stroke_whole: bool = True
    """Whether the pen is lifted."""
    judged_on_screen: dict[int, None] = field(default_factory=dict)
    """What had a verdict on screen since it was cleared, each by its pixels: undo and redo bring it back as another image."""
    history: "DrawingHistory" = field(default_factory=lambda: DrawingHistory())

    @property
    def is_verdict_seen(self) -> bool:
        """Whether a verdict on this very drawing was on screen, or may have been."""
        if self.image is None:
            return False
        return self.generation == self.resumed or _digest(self.image) in self.judged_on_screen

    def note_verdict_on_screen(self, image: Tensor) -> None:
        self.judged_on_screen[_digest(image)] = None
        keep_newest(self.judged_on_screen)

    @property
    def stroke_count(self) -> int:
        objects = self.strokes.get("objects") if self.strokes else None
        return len(objects) if isinstance(objects, list) else 0


def _digest(image: Tensor) -> int:
    # Not hashlib, which lets other threads run meanwhile: in a crowd it is milliseconds until Python's lock is had again.
    return hash(image.numpy().tobytes())


@dataclass
class DrawingHistory:
    """How the drawing came about: its images (1, 1, 28, 28) while the pen moved, the oldest first.

    ends: for each stroke, how many images there are up to its end.
    """

    images: list[Tensor] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    _scored: tuple[AutoencoderDetector, list[float]] | None = None

    def add(self, image: Tensor, is_whole: bool) -> None:
        """The next image; is_whole: with it a stroke ends."""
        if not self.images or self.images[-1] is not image:
            if len(self.images) >= MAX_FRAMES:
                self._thin_out()
            self.images.append(image)
        if is_whole:
            self.ends.append(len(self.images))

    def back_to(self, strokes: int, image: Tensor | None) -> None:
        """The canvas shows this image of so many strokes: what was drawn after them was undone."""
        if image is None or strokes <= len(self.ends):
            last = self.ends[strokes - 1] if image is not None and strokes else 0
            del self.images[last:], self.ends[strokes:]
            self._keep_scores(range(last))
        if image is not None and len(self.ends) < strokes:
            self.add(image, True)  # redone, drawn on an earlier visit, or by a browser that does not send what the pen does
            self.ends = [*self.ends, *[len(self.images)] * (strokes - len(self.ends))]

    def scores(self, detector: AutoencoderDetector, latest: float | None = None) -> list[float]:
        """The score of every image; each is asked for once. latest: that of the last one, where it is known."""
        known = self._scored[1] if self._scored and self._scored[0] is detector else []
        new = self.images[len(known) :]
        if len(new) == 1 and latest is not None:
            known = [*known, latest]
        elif new:
            known = [*known, *detector.decision_function(torch.cat(new)).tolist()]
        self._scored = detector, known
        return known

    def _thin_out(self) -> None:
        """Keep every second image, and the end of each stroke as far as there is room."""
        kept = [number for number in range(len(self.images)) if number % 2 == 0 or number + 1 in self.ends]
        kept = kept[1 - MAX_FRAMES :]
        self.images = [self.images[number] for number in kept]
        self.ends = [sum(number < end for number in kept) for end in self.ends]
        self._keep_scores(kept)

    def _keep_scores(self, kept: Sequence[int]) -> None:
        """Of the images with these numbers, in order; the first images have one each."""
        if self._scored:
            detector, scores = self._scored
            self._scored = detector, [scores[number] for number in kept if number < len(scores)]


@dataclass
class CanvasOnScreen:
    """The canvas of one tab."""

    opened: int = 0
    """With a new number it has another key, and begins anew."""
    visit: int = -1
    generation: int = 0
    """The visit of the page, and the canvas's generation, for which it was opened."""
    initial: dict[str, Any] | None = None
    """The strokes with which it was opened; if they changed, the component would load them and lose a stroke in progress."""
    seen: dict[str, Any] | None = None
    """The strokes that it sent last, or was given."""
    frame_seconds: float = -inf
    png: bytes = b""
    image: Tensor | None = None
    """These three are of the newest frame that the pen sent, see live_canvas."""
    opinions: Sequence[Opinion] | None = None
    """The opinions on the cards of the last quick answer."""
    answers: int = field(default_factory=lambda: time.time_ns() // 10**6)
    """Grows with each quick answer. It begins with the time, in milliseconds: a browser may still show a page of a session or
    a server that has ended since, whose answers are older."""

    @property
    def key(self) -> str:
        """What the key of its component ends with, and whether it was opened with strokes."""
        return f"{self.generation % CANVASES}-{self.opened % CANVASES}" + ("-with-strokes" if self.initial else "")

    def resume(self, canvas: Canvas, keys: Sequence[str]) -> None:
        """Go on with the canvas that the browser still shows after its server has ended.

        keys: of the canvases that the browser has strokes of, the last is the newest. Where this server knows of a drawing,
        that is shown, and its canvas has another key than the browser's. One that was opened with strokes would be emptied
        without them.
        """
        known = [found for key in keys if (found := re.fullmatch(r"([0-9])-([0-9])(-with-strokes)?", key))]
        if not known or self.visit >= 0:
            return
        generation, self.opened, was_empty = int(known[-1][1]), int(known[-1][2]), known[-1][3] is None
        is_new = canvas.generation == 0 and canvas.resumed < 0 and canvas.strokes is None and canvas.image is None
        if is_new and was_empty:
            canvas.generation = canvas.resumed = generation
            self.opened -= 1  # as it is shown it is counted

    def show(self, canvas: Canvas, visit: int) -> bool:
        """Begin anew on another visit of the page, and where another tab has cleared the drawing or drawn; whether it did."""
        if self.visit == visit and self.generation == canvas.generation and self.seen is canvas.strokes:
            return False
        self.opened += 1
        self.visit, self.generation = visit, canvas.generation
        self.initial = self.seen = canvas.strokes
        self.png, self.image = b"", None
        return True


@dataclass(frozen=True)
class Picked:
    """An image that did not come from the canvas.

    title: what it is. picture: the file that it was found in, number: which of its digits it is, from 0.
    """

    image: Tensor
    origin: Origin
    title: Told
    picture: ReadPicture | None = None
    number: int = 0

    def of_digit(self, number: int) -> "Picked":
        """Another digit of the same picture."""
        assert self.picture
        return replace(self, image=self.picture.digits[number].image, number=number)


@dataclass(frozen=True)
class StripDrawing:
    """One scored image on the strip. picture: (28, 28) bytes; normal: the classes that its detector calls normal, as text."""

    picture: NDArray[Any]
    origin: Origin
    title: Told
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
class VerdictOnScreen:
    """The HTML of a verdict by its place on the page, and what it was made of; texts: the language, then what depends on it."""

    result: Result
    opinions: Sequence[Opinion]
    texts: tuple[str, ...]
    html: Mapping[str, str]


@dataclass
class Drawings:
    """The canvas, what was picked instead of it (None: the canvas is judged), and the strip."""

    canvas: Canvas = field(default_factory=Canvas)
    picked: Picked | None = None
    problem: PictureError | None = None
    """Why the last file could not be read; told until something else is judged."""
    strip: list[StripDrawing] = field(default_factory=list)
    moment: int | None = None
    """Which moment of the drawing is looked at again; None: the drawing as it is."""
    judged: tuple[Tensor, AutoencoderDetector, Result] | None = None
    preprocessed: tuple[Tensor, Preprocessing, list[tuple[str, Tensor]]] | None = None
    opinions: tuple[Tensor, Ensemble, list[Opinion]] | None = None
    verdict_on_screen: VerdictOnScreen | None = None
    ask_again: float = 0.0
    """When all detectors may be asked again while the pen moves; seconds of time.monotonic."""
    lifted: float = -inf
    """When the last stroke ended that was answered first; in the same seconds."""

    @property
    def image(self) -> Tensor | None:
        """What is before the detector, (1, 1, 28, 28); None while nothing is drawn."""
        if self.picked:
            return self.picked.image
        return self.canvas.image if self.moment is None else self.canvas.history.images[self.moment]

    def lose_stroke(self) -> None:
        """The page was left before the canvas sent a stroke, which is on no canvas any more."""
        canvas = self.canvas
        canvas.replacements += 1  # frames of it may still wait for their answer
        if canvas.image is not canvas.of_strokes:
            canvas.image, self.moment = canvas.of_strokes, None
            canvas.history.back_to(canvas.stroke_count, canvas.image)
        canvas.is_stroke_whole = True

    def return_to_canvas(self) -> None:
        """What is on the canvas is before the detector again: forget the picked image, its problem and the moment."""
        self.picked = self.problem = self.moment = None
