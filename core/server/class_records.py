"""What a class is: its students, their drawings and detectors at one moment, and the texts and codes that people type."""

import secrets
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from core.errors import UserError
from core.server.tasks import BLIND_TRIES, Judgement, Place, Task, ranking

MAX_DETECTOR_BYTES = 8 * 2**20
MAX_NAME = 40
"""Characters."""

COLOURS, ANIMALS = 12, 24
"""How many words each language has for them; a name is one of each, chosen by number."""

IMAGE_BYTES = 28 * 28
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Of codes that are read out and typed: none is taken for another."""

Seen = Literal["everybody", "teacher"]
"""Who may see the wall."""


class ClassError(UserError):
    """What was asked for cannot be done; the message says why."""


class NotTheTeacherError(ClassError):
    """Whoever asked does not know the teacher's code."""


class TooManyError(ClassError):
    """A limit is reached."""


class ClassUnavailableError(ClassError):
    """The database does not answer."""


@dataclass(frozen=True)
class Class:
    """What holds for all. is_open: drawings are taken in. round: grows with each task chosen, and a list begins anew with it.

    begun: seconds since 1970, as every time here.
    """

    name: str
    digit: int
    task: Task
    round: int
    seen_by: Seen
    is_open: bool
    begun: float
    code: str = field(repr=False)


@dataclass(frozen=True)
class Student:
    """Under a made-up name: numbers of a colour (below COLOURS) and of an animal (below ANIMALS)."""

    number: int
    colour: int
    animal: int


@dataclass(frozen=True)
class Drawing:
    """One drawing on the wall.

    image: 28 × 28 bytes of grey. generation: the number of its canvas, of all that its student has had: a drawing that goes
    on replaces the one before. detector: the code of the shared detector that judged it; empty for the class's own.
    prediction: in the task `blind`, whether the student said that it is an anomaly.
    """

    number: int
    student: int
    task: Task
    round: int
    generation: int
    image: bytes = field(repr=False)
    judgement: Judgement
    prediction: bool | None
    detector: str
    time: float
    is_hidden: bool
    change: int


@dataclass(frozen=True)
class SharedDetector:
    """A detector that a student gave to the class; its file is asked for by its code (`Classroom.checkpoint`)."""

    code: str
    student: int
    digit: int
    time: float


@dataclass(frozen=True)
class ClassSnapshot:
    """The class as it is at one moment; never changed. drawings: by number, the oldest first, hidden ones included."""

    change: int
    about: Class
    students: Mapping[int, Student]
    drawings: Mapping[int, Drawing]
    detectors: Mapping[str, SharedDetector]

    @cached_property
    def places(self) -> Mapping[int, Place]:
        """The list of the task at hand, the best first, by student."""
        return {each.student: each for each in ranking(self.about.task, self.about.digit, self.in_round())}

    @cached_property
    def beyond_blind_tries(self) -> frozenset[int]:
        """The numbers of what a student drew for one round of `blind` after the tries that count."""
        tries = Counter[tuple[int, int]]()
        beyond = set()
        for each in self.judged_by_the_class():
            if each.task == "blind":
                tries[each.round, each.student] += 1
                if tries[each.round, each.student] > BLIND_TRIES:
                    beyond.add(each.number)
        return frozenset(beyond)

    def in_round(self) -> list[Drawing]:
        """What was drawn for the task at hand and is not hidden; what shared detectors judged is apart."""
        return [each for each in self.judged_by_the_class() if each.round == self.about.round]

    def judged_by_the_class(self) -> list[Drawing]:
        """All that is not hidden and was drawn for a task: before a shared detector another digit is drawn."""
        return [each for each in self.shown() if not each.detector]

    def shown(self) -> list[Drawing]:
        """All that is not hidden, the oldest first."""
        return [each for each in self.drawings.values() if not each.is_hidden]


def tidy(text: str) -> str:
    """A text from outside as one line of MAX_NAME characters at most, without control characters and BIDI_AND_ZERO_WIDTH."""
    kept = "".join(
        sign
        for sign in " ".join(text.split())
        if unicodedata.category(sign) not in ("Cc", "Cs", "Co", "Cn") and sign not in BIDI_AND_ZERO_WIDTH
    )
    return kept[:MAX_NAME].strip()


BIDI_AND_ZERO_WIDTH = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\u200b"
"""Characters that change the direction of the text beside them, or are invisible; no script needs them to be read."""


def short_code(length: int) -> str:
    """A code to read out and type."""
    return "".join(secrets.choice(LETTERS) for _ in range(length))


def typed(code: str) -> str:
    """A code as it was made, however it was typed."""
    return "".join(sign for sign in code.upper()[:MAX_NAME] if sign in LETTERS)
