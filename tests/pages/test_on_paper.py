"""Forty-five minutes on paper: what the notes plan, and what a student reads and clicks; `pytest -s` prints the table."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from pages.sections.learn_teacher import LENGTHS, notes
from pages.shared.i18n import catalogues
from pages.shared.i18n.text import LANGUAGES
from pages.shared.state.lesson import QUESTIONS_OF_QUIZ, STEPS
from tests.pages.conftest import ROOT, checked, inside, lesson_of, open_page
from tests.pages.test_learn import CHOICES, at_step, press, say

MAX_WORDS = 140
"""Of one step, its answer included: read in well under a minute."""


def plan(code: str, minutes: int) -> dict[int, int]:
    """Minutes of each step in the notes."""
    rows = re.findall(r"^\| (\d+) \| (\d+) \|", notes(code, minutes).read_text(encoding="utf-8"), re.MULTILINE)
    return {int(step): int(planned) for planned, step in rows}


def pressed(code: str, minutes: int) -> dict[int, str]:
    """What the notes say is pressed in each step."""
    rows = re.findall(
        r"^\| \d+ \| (\d+) \| [^|]+ \| ([^|]+) \|", notes(code, minutes).read_text(encoding="utf-8"), re.MULTILINE
    )
    return {int(step): what for step, what in rows}


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("minutes", LENGTHS)
def test_notes_add_up_and_are_one_page(code: str, minutes: int) -> None:
    planned = plan(code, minutes)
    assert sum(planned.values()) == minutes
    assert list(planned) == sorted(planned)
    assert set(planned) <= set(range(1, STEPS + 1))
    assert (len(planned) == STEPS) is (minutes == 90)
    assert planned == plan("en", minutes), "the same plan in every language"
    assert len(notes(code, minutes).read_text(encoding="utf-8").split()) < 900


@pytest.mark.parametrize("code", [code for code in LANGUAGES if code != "en" and notes(code, 45).name.endswith(f".{code}.md")])
@pytest.mark.parametrize("minutes", LENGTHS)
def test_what_the_notes_press_is_what_the_buttons_say(code: str, minutes: int) -> None:
    said = {message.id: message.string for message in catalogues.read(code) if isinstance(message.id, str)}
    theirs, checked_labels = pressed(code, minutes), 0
    for step, what in pressed("en", minutes).items():
        for label in re.split(r"[;,] (?:then )?", what):
            if label in said:
                assert said[label] in theirs[step], step
                checked_labels += 1
    assert checked_labels > len(theirs) / 2


def words(app: AppTest) -> int:
    """What stands in the step to be read: texts, captions and what can be chosen."""
    part = inside(app, "lesson")
    texts = [element.value for element in (*part.markdown, *part.caption)]
    texts += [option for group in part.button_group for option in group.options]
    return len(re.findall(r"\w+", " ".join(texts)))


def walk(step: int, app: AppTest, pressed: str) -> tuple[int, int]:
    """Answers the step; returns how many clicks it takes with all that the notes say is pressed, and words that are read."""
    before = words(app)
    if step == STEPS:
        read = 0
        for number in range(QUESTIONS_OF_QUIZ):
            (pills,) = app.button_group
            checked(pills.set_value(0).run())
            read += words(app)
            press(app, "How did it go?" if number == QUESTIONS_OF_QUIZ - 1 else "Next question")
        return 2 * QUESTIONS_OF_QUIZ, read + words(app)
    question, value = CHOICES[step]
    if value is not None:
        say(app, question, value)
    buttons = [button.label for button in app.button if button.label in ("Check", "That is my guess")]
    for label in buttons:
        press(app, label)
    part = inside(app, "lesson")
    also = [button.label for button in part.button if button.label in pressed]
    moved = [slider for slider in part.select_slider if not slider.disabled]
    return 1 + len(buttons) + len(also) + len(moved), max(before, words(app))


@pytest.mark.usefixtures("with_mnist")
def test_what_is_read_and_clicked_is_what_the_docs_say() -> None:
    planned, rows = plan("en", 45), []
    for step, minutes in planned.items():
        app = at_step(step, open_page("learn"))
        lesson_of(app).quiz.seed = 1
        done, read = walk(step, checked(app.run()), pressed("en", 45)[step])
        done += step != STEPS  # Next
        if step != STEPS:
            assert read <= MAX_WORDS, step
        rows.append((step, minutes, done, read))
    total = ("all", *(sum(column) for column in list(zip(*rows, strict=True))[1:]))
    table = ["| step | minutes | clicks | words read |", "|---|---|---|---|"]
    table += [f"| {' | '.join(map(str, row))} |" for row in (*rows, total)]
    print("\n".join(table))
    assert "\n".join(table) in (ROOT / "docs/classroom.md").read_text(encoding="utf-8")
