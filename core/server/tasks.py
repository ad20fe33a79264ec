"""The tasks of a class as rules: which drawing counts, what it is worth, and who stands where.

A drawing is judged by the detector of the class's digit, and by the detectors of all digits: `Judgement`. A ratio is a score
divided by its detector's threshold: at most 1 is normal.

The rules that are told to everybody. Everyone may try as often as they like, and the best try stands; worths that are the
same to four decimals share a place. In `blind` the points of the first `BLIND_TRIES` drawings are added up, and equal sums
share a place.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

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
        return self.score / self.threshold


class Try(Protocol):
    """What ranking asks of a drawing; Drawing in core/server/classroom.py is one."""

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
    """What a drawing that counts is worth, the more the better: the least score, the highest one, or points."""
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
