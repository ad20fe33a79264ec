"""What a visitor has said and drawn in the lesson; it survives a reload with the visitor."""

from dataclasses import dataclass, field

from core.quiz import KINDS
from pages.shared.state.drawings import Canvas

STEPS = 14
"""How many `steps` pages/learn.py has; links may ask for any of them."""

QUESTIONS_OF_QUIZ = len(KINDS)

Value = int | float | str | tuple[int, ...]


@dataclass(frozen=True)
class Answer:
    """What was said to a question. is_right: None where there is no right and wrong."""

    value: Value
    is_right: bool | None


@dataclass
class Lesson:
    """What was said of one detector before the images of one data set.

    rounds: how often each question was asked before with other images; in round 0 everybody has the same.
    answers: by question and round. canvases: by step. ideas: of the better score, how many are shown. quiz: the one
    at its end.
    """

    answers: dict[tuple[str, int], Answer] = field(default_factory=dict)
    rounds: dict[str, int] = field(default_factory=dict)
    canvases: dict[str, Canvas] = field(default_factory=dict)
    ideas: int = 1
    quiz: "Quiz" = field(default_factory=lambda: Quiz())

    def round_of(self, question: str) -> int:
        return self.rounds.get(question, 0)

    def answer_to(self, question: str) -> Answer | None:
        """What was said in this round; None until then."""
        return self.answers.get((question, self.round_of(question)))

    def give(self, question: str, value: Value, is_right: bool | None) -> None:
        self.answers[question, self.round_of(question)] = Answer(value, is_right)

    def ask_again(self, question: str) -> None:
        """Another round, with other images and an empty canvas."""
        self.rounds[question] = self.round_of(question) + 1
        self.clear(question)

    def canvas(self, step: str) -> Canvas:
        return self.canvases.setdefault(step, Canvas())

    def clear(self, step: str) -> None:
        """Empty the canvas of a step; a new key is a clean one."""
        canvas = self.canvas(step)
        canvas.generation += 1
        canvas.strokes = canvas.image = None


@dataclass
class Quiz:
    """seed: chooses the images; another one each time. given: the answers so far, in order; number: of the question shown."""

    seed: int = 0
    given: list[int] = field(default_factory=list)
    number: int = 0
