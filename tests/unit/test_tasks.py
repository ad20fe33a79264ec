"""The class's tasks as rules, each by cases that one can check by hand."""

from dataclasses import dataclass

import pytest

from core.server.tasks import (
    BLIND_TRIES,
    CLOSE_POINTS,
    TASKS,
    Judgement,
    Task,
    counts,
    figures,
    fooled,
    kind_of,
    points,
    ranking,
)


def judged(score: float, best_digit: int = 5, best_ratio: float = 0.5, threshold: float = 0.1) -> Judgement:
    return Judgement(score, threshold, 0.5, score > threshold, best_digit, best_ratio)


@dataclass(frozen=True)
class Drawn:
    """A drawing as the rules see it."""

    number: int
    student: int
    judgement: Judgement
    prediction: bool | None = None
    task: Task = "draw"
    detector: str = ""


@pytest.mark.parametrize(
    ("task", "judgement", "wanted"),
    [
        ("draw", judged(0.05), True),
        ("draw", judged(0.2), False),
        ("draw", judged(0.1), True),  # at the threshold is normal
        ("anything", judged(0.2), True),
        ("anything", judged(0.1), False),
        ("fool", judged(0.05, best_digit=3), True),
        ("fool", judged(0.05, best_digit=5), False),
        ("fool", judged(0.2, best_digit=3), False),
        ("fool", judged(0.05, best_digit=3, best_ratio=1.01), False),
        ("fool", judged(0.05, best_digit=-1, best_ratio=float("inf")), False),
        ("edge", judged(0.099), True),
        ("edge", judged(0.099, best_digit=3), False),
        ("edge", judged(0.099, best_digit=3, best_ratio=1.2), True),
        ("edge", judged(0.101), False),
        ("blind", judged(0.2), True),
        ("free", judged(0.2), True),
    ],
)
def test_what_counts(task: Task, judgement: Judgement, wanted: bool) -> None:
    assert counts(task, 5, judgement) is wanted


@pytest.mark.parametrize(
    ("score", "prediction", "wanted"),
    [
        (0.2, True, CLOSE_POINTS),
        (0.05, False, CLOSE_POINTS),
        (0.21, True, 1),
        (0.04, False, 1),
        (0.2, False, 0),
        (0.05, True, 0),
        (0.05, None, 0),
    ],
)
def test_points_of_a_prediction(score: float, prediction: bool | None, wanted: int) -> None:
    assert points(judged(score), prediction) == wanted


def places(task: Task, *tries: Drawn) -> list[tuple[int, int, int]]:
    """Place, student, number of the best try."""
    return [(each.place, each.student, each.drawing) for each in ranking(task, 5, tries)]


def test_the_best_try_of_each_stands_and_the_least_score_wins() -> None:
    tries = [Drawn(1, 7, judged(0.09)), Drawn(2, 8, judged(0.05)), Drawn(3, 7, judged(0.03)), Drawn(4, 7, judged(0.2))]
    assert places("draw", *tries) == [(1, 7, 3), (2, 8, 2)]
    assert places("edge", *tries) == [(1, 7, 1), (2, 8, 2)]
    assert places("anything", *tries) == [(1, 7, 4)]
    assert places("free", *tries) == []


def test_scores_that_look_the_same_share_a_place_and_the_next_one_is_left_out() -> None:
    tries = [Drawn(1, 1, judged(0.05001)), Drawn(2, 2, judged(0.05002)), Drawn(3, 3, judged(0.06))]
    assert places("draw", *tries) == [(1, 1, 1), (1, 2, 2), (3, 3, 3)]
    # An equal try later does not take the place of an earlier one.
    assert places("draw", *tries, Drawn(4, 1, judged(0.05001))) == [(1, 1, 1), (1, 2, 2), (3, 3, 3)]


def test_the_order_in_which_drawings_come_does_not_matter() -> None:
    tries = [Drawn(1, 1, judged(0.05)), Drawn(2, 2, judged(0.05)), Drawn(3, 2, judged(0.01))]
    assert places("draw", *tries) == places("draw", *tries[::-1])


def test_in_blind_points_of_the_first_tries_are_added() -> None:
    many = [Drawn(number, 1, judged(0.2), True) for number in range(1, BLIND_TRIES + 5)]
    one = [Drawn(100, 2, judged(0.001), False), Drawn(101, 2, judged(0.001), True)]
    found = ranking("blind", 5, [*many, *one])
    assert [(each.student, each.worth, each.tries) for each in found] == [
        (1, BLIND_TRIES * CLOSE_POINTS, BLIND_TRIES),
        (2, 1, 2),
    ]


def test_the_detector_that_was_fooled_least_comes_first_and_untried_ones_last() -> None:
    @dataclass(frozen=True)
    class Shared:
        code: str
        student: int
        digit: int

    fools, fails = judged(0.05, best_digit=3), judged(0.2, best_digit=3)
    drawn = [Drawn(1, 1, fools, detector="A"), Drawn(2, 1, fails, detector="B"), Drawn(3, 1, fails, detector="B")]
    drawn += [Drawn(4, 1, fails, detector="C"), Drawn(5, 1, fools)]
    drawn += [Drawn(number, 2, fails, detector="C") for number in range(6, 9)]  # by the student who gave it
    found = fooled([Shared(code, 2, 5) for code in "ABCD"], drawn)
    assert [(each.code, each.tries, each.fooled) for each in found] == [("B", 2, 0), ("C", 1, 0), ("A", 1, 1), ("D", 0, 0)]


def test_figures_of_a_class_by_hand() -> None:
    drawn = [Drawn(1, 1, judged(score)) for score in (0.01, 0.05, 0.2, 0.02)]
    drawn += [Drawn(2, 1, judged(score, 3), task="anything") for score in (0.3, 0.2)]
    drawn += [Drawn(3, 1, judged(0.05, 8), task="fool"), Drawn(4, 1, judged(0.05, 5), task="fool")]
    found = figures(5, drawn)
    assert (found.alarms, found.caught, found.passed) == (0.25, 1.0, [(8, 1)])
    # Of eight pairs one is equal: 7.5 of 8.
    assert found.auroc == pytest.approx(7.5 / 8)
    nothing = figures(5, [])
    assert (nothing.alarms, nothing.caught, nothing.auroc, nothing.passed) == (None, None, None, [])


def test_every_task_has_a_folder() -> None:
    assert [kind_of(task, 7) for task in TASKS] == ["7", "not 7", "not 7", "7", "blind", "free"]
