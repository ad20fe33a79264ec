"""The tasks of a class as rules: which drawing counts, what it is worth, and who stands where.

A drawing is judged by the detector of the class's digit, and by the detectors of all digits: `Judgement`. A ratio is a score
divided by its detector's threshold: at most 1 is normal.

The rules that are told to everybody. Everyone may try as often as they like, and the best try stands; worths that are the
same to four decimals share a place. In `blind` the points of the first `BLIND_TRIES` drawings are added up, and equal sums
share a place.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np

from core.metrics import ScoredSet
from core.scoring import score_ratio

Task = Literal["draw", "anything", "fool", "edge", "blind", "free"]
TASKS: tuple[Task, ...] = get_args(Task)

BLIND_TRIES = 10
CLOSE = 2.0
"""A right prediction is worth CLOSE_POINTS where the ratio is between 1/CLOSE and CLOSE, else one point."""
CLOSE_POINTS = 3


@dataclass(frozen=True)
class Judgement:
    """What the server's detectors say of one drawing.

    best_digit: whose detector knows it best, best_ratio: its ratio; -1 and infinity where there are no detectors to ask.
    """

    score: float
    threshold: float
    p_value: float
    is_anomaly: bool
    best_digit: int = -1
    best_ratio: float = float("inf")

    @property
    def ratio(self) -> float:
        return score_ratio(self.score, self.threshold)


class Try(Protocol):
    """What ranking asks of a drawing; Drawing in core/server/class_records.py is one."""

    @property
    def number(self) -> int: ...
    @property
    def student(self) -> int: ...
    @property
    def judgement(self) -> Judgement: ...
    @property
    def prediction(self) -> bool | None: ...


@dataclass(frozen=True)
class Place:
    """One student's place, from 1. worth: as `worth` counts it, or the sum of points; drawing: the number of the best try."""

    place: int
    student: int
    drawing: int
    worth: float
    tries: int


def counts(task: Task, digit: int, judgement: Judgement) -> bool:
    """Whether a drawing does what the task asks for; digit: the class's normal one.

    fool: another digit's own detector knows it, and better than any other, and the class's detector takes it.
    edge: the class's detector takes it, and no other digit's knows it better.
    """
    is_known_as_another = judgement.best_digit not in (digit, -1) and judgement.best_ratio <= 1
    match task:
        case "draw":
            return not judgement.is_anomaly
        case "anything":
            return judgement.is_anomaly
        case "fool":
            return not judgement.is_anomaly and is_known_as_another
        case "edge":
            return not judgement.is_anomaly and not is_known_as_another
        case _:
            return True


def points(judgement: Judgement, prediction: bool | None) -> int:
    """In `blind`: for a right prediction (True: an anomaly), more near the threshold; 0 for a wrong one."""
    if prediction is None or prediction != judgement.is_anomaly:
        return 0
    return CLOSE_POINTS if 1 / CLOSE <= judgement.ratio <= CLOSE else 1


def worth(task: Task, judgement: Judgement, prediction: bool | None = None) -> float:
    """What a drawing that counts is worth, the more the better: the lowest score, the highest one, or points."""
    match task:
        case "draw" | "fool":
            return -judgement.score
        case "blind":
            return points(judgement, prediction)
        case _:
            return judgement.score


def ranking(task: Task, digit: int, tries: Iterable[Try]) -> list[Place]:
    """The places of all students with a try that counts, the best first; none in `free`."""
    if task == "free":
        return []
    own: dict[int, list[Try]] = {}
    for each in sorted(tries, key=lambda each: each.number):
        own.setdefault(each.student, []).append(each)
    best: list[tuple[float, int, int, int]] = []  # worth, number of the best try, student, tries
    for student, drawings in own.items():
        if task == "blind":
            worths = [worth(task, each.judgement, each.prediction) for each in drawings[:BLIND_TRIES]]
            best.append((sum(worths), drawings[worths.index(max(worths))].number, student, len(worths)))
            continue
        valid = [each for each in drawings if counts(task, digit, each.judgement)]
        if valid:
            first = max(valid, key=lambda each: (round(worth(task, each.judgement), 4), -each.number))
            best.append((round(worth(task, first.judgement), 4), first.number, student, len(drawings)))
    best.sort(key=lambda entry: (-entry[0], entry[1]))
    places: list[Place] = []
    for number, (value, drawing, student, count) in enumerate(best, start=1):
        place = places[-1].place if places and places[-1].worth == value else number
        places.append(Place(place, student, drawing, value, count))
    return places


class Shared(Protocol):
    """What `fooled` asks of a shared detector."""

    @property
    def code(self) -> str: ...
    @property
    def student(self) -> int: ...
    @property
    def digit(self) -> int: ...


class Against(Protocol):
    """What `fooled` asks of a drawing."""

    @property
    def student(self) -> int: ...
    @property
    def detector(self) -> str: ...
    @property
    def judgement(self) -> Judgement: ...


@dataclass(frozen=True)
class Fooled:
    """How often others tried a shared detector, and how often it took another digit for its own."""

    code: str
    tries: int
    fooled: int


def fooled(detectors: Iterable[Shared], drawings: Iterable[Against]) -> list[Fooled]:
    """The detectors, the one that was fooled least first; of equal ones the one that was tried more. Untried ones come last.

    What the student drew who gave it does not count.
    """
    drawn = list(drawings)
    rows = []
    for detector in detectors:
        tries = [each.judgement for each in drawn if each.detector == detector.code and each.student != detector.student]
        rows.append(Fooled(detector.code, len(tries), sum(counts("fool", detector.digit, judged) for judged in tries)))
    return sorted(rows, key=lambda row: (row.tries == 0, row.fooled, -row.tries, row.code))


class Drawn(Protocol):
    """What `figures` asks of a drawing."""

    @property
    def task(self) -> Task: ...
    @property
    def judgement(self) -> Judgement: ...


@dataclass(frozen=True)
class Figures:
    """What a class found out. alarms, caught: the shares of the digit and of others that were called anomalies.

    auroc: of the digit against the others. passed: digits whose detectors know best what passed as another, with how often.
    None where nothing was drawn.
    """

    alarms: float | None
    caught: float | None
    auroc: float | None
    passed: list[tuple[int, int]]


def figures(digit: int, drawings: Iterable[Drawn]) -> Figures:
    """Of `draw` and `anything`, where nobody means to deceive; what passed also of `fool`."""
    drawn = list(drawings)
    own = [each.judgement for each in drawn if each.task == "draw"]
    others = [each.judgement for each in drawn if each.task == "anything"]
    passed = Counter(
        each.judgement.best_digit
        for each in drawn
        if each.task in ("anything", "fool") and not each.judgement.is_anomaly and each.judgement.best_digit not in (-1, digit)
    )
    auroc = None
    if own and others:
        # A score is comparable with others of the same detector only, and all of these are the class's.
        scores = np.array([each.score for each in (*own, *others)])
        auroc = ScoredSet(scores, np.arange(len(scores)) >= len(own)).auroc
    return Figures(_share(own), _share(others), auroc, passed.most_common(3))


def _share(judged: list[Judgement]) -> float | None:
    return sum(each.is_anomaly for each in judged) / len(judged) if judged else None


def kind_of(task: Task, digit: int) -> str:
    """What a drawing for a task is meant to be, as the name of a folder."""
    match task:
        case "draw" | "edge":
            return f"{digit}"
        case "anything" | "fool":
            return f"not {digit}"
        case _:
            return task
