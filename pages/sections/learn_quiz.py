"""The lesson's last step: ten questions about new images, with the why of each answer."""

import random
from functools import partial

import streamlit as st
from torch import Tensor

from core.detector import Result
from core.quiz import Question, questions
from pages.sections.learn_context import cells, name_of
from pages.sections.learn_question import LETTERS, right_or_wrong, show_options, two_columns
from pages.shared.html import pictures, verdicts
from pages.shared.i18n.text import _, formatted
from pages.shared.state import keys
from pages.shared.state.lesson import QUESTIONS_OF_QUIZ, Quiz
from pages.shared.state.page_context import PageContext
from pages.shared.state.visitor import current_lesson, tab


def show(context: PageContext) -> None:
    """One question after the other, then how it went."""
    quiz = current_lesson().quiz
    if not quiz.seed:
        quiz.seed = random.randrange(1, 2**31)
    asked = questions(context.detector, context.data.test.images, context.labels, context.scores, quiz.seed)
    if quiz.number >= QUESTIONS_OF_QUIZ:
        show_result(context, asked, quiz)
        return
    question = asked[quiz.number]
    is_answered = len(quiz.given) > quiz.number
    result = result_of(context, question)
    left, right = two_columns()
    with left:
        st.caption(_("Question {number} of {count}", number=quiz.number + 1, count=QUESTIONS_OF_QUIZ))
        text = asked_text(context, question, result)
        with st.container(key="lesson-question"):
            st.markdown(f"**{text}**")
        options = options_of(question)
        key = keys.answer(f"quiz-{quiz.seed}", quiz.number, tab().lesson_about)
        show_options(
            text, options, key, quiz.given[quiz.number] if is_answered else None, partial(give, key, quiz.seed, quiz.number)
        )
        if is_answered:
            given = quiz.given[quiz.number]
            is_right = given == question.right
            with st.container(key="lesson-answer"):
                st.markdown(f"{right_or_wrong(is_right)} {why(question, result, given)}")
            is_last = quiz.number + 1 == QUESTIONS_OF_QUIZ
            st.button(
                _("How did it go?") if is_last else _("Next question"),
                type="primary",
                on_click=onward,
                args=(quiz.seed, quiz.number),
            )
    with right:
        if result:
            show_images(context, question, result, is_answered)


def result_of(context: PageContext, question: Question) -> Result | None:
    """What the detector makes of a question's images; None for a question without."""
    return context.detector.infer(context.data.test.images[list(question.images)]) if question.images else None


def options_of(question: Question) -> tuple[str, ...]:
    if question.kind == "verdict":
        return (_("Normal"), _("Anomaly"))
    if question.kind == "rate":
        return tuple(formatted(number, ",") for number in question.numbers)
    return LETTERS


def asked_text(context: PageContext, question: Question, result: Result | None) -> str:
    """What is asked."""
    if question.kind == "rate":
        return _(
            "If the threshold is set for {rate:.0%} false alarms, about how many of {count:,} new images of "
            "{normal} will be alarms?",
            rate=question.rate,
            count=question.count,
            normal=context.normal,
        )
    if question.kind == "verdict":
        assert result
        return _(
            "The score of this image is {score:.4f}, the threshold {threshold:.4f}. What is the verdict?",
            score=float(result.scores[0]),
            threshold=result.threshold,
        )
    return {
        "alarm": _("Only one of these four is an alarm. Which?"),
        "pass": _("Only one of these four passes for normal. Which?"),
        "highest": _("Which of these four has the highest score?"),
        "redrawn": _("The first picture is a reconstruction. Of which of the four images?"),
        "map": _("The first picture is an error map. Of which of the four images?"),
    }[question.kind]


def why(question: Question, result: Result | None, given: int) -> str:
    """Why the right answer is right, and what speaks against the one that was given."""
    if question.kind == "rate":
        return _(
            "{rate:.0%} of {count:,} is {number:,}: the threshold is set so that this share of normal images "
            "lies above it, give or take chance.",
            rate=question.rate,
            count=question.count,
            number=question.numbers[question.right],
        )
    assert result
    score = {"score": float(result.scores[given if question.kind != "verdict" else 0]), "threshold": result.threshold}
    if question.kind == "verdict":
        if question.right:
            return _("A score strictly above the threshold is an alarm: {score:.4f} is above {threshold:.4f}.", **score)
        return _("Only a score above the threshold is an alarm: {score:.4f} is not above {threshold:.4f}.", **score)
    letter, best = LETTERS[question.right], float(result.scores[question.right])
    if question.kind in ("alarm", "pass"):
        if given == question.right:
            return _("Its score is {score:.4f}; the threshold is {threshold:.4f}.", **score)
        return _(
            "{chosen} scores {score:.4f}, {letter} {best:.4f}; the threshold, {threshold:.4f}, lies between them.",
            chosen=LETTERS[given],
            letter=letter,
            best=best,
            **score,
        )
    if question.kind == "highest":
        if given == question.right:
            return _("The squares of its error map have the largest mean: {score:.4f}.", score=best)
        return _(
            "{chosen} scores {score:.4f}, {letter} {best:.4f}: more of {letter} is redrawn wrongly.",
            chosen=LETTERS[given],
            letter=letter,
            best=best,
            score=score["score"],
        )
    if question.kind == "map" and given != question.right:
        return _("It is of {letter}: orange is where {letter} has ink that was not redrawn.", letter=letter)
    if question.kind == "map":
        return _("Orange is where {letter} has ink that was not redrawn; its score is {score:.4f}.", letter=letter, score=best)
    shown = result.reconstructions[question.right]
    own, others = (float((result.images[place] - shown).square().mean()) for place in (question.right, given))
    if given == question.right:
        return _("The strokes that both have are in their places; the mean squared difference is {own:.4f}.", own=own)
    return _(
        "It is of {letter}: from that image it differs by {own:.4f} (mean squared), from {chosen} by {others:.4f}.",
        letter=letter,
        chosen=LETTERS[given],
        own=own,
        others=others,
    )


def show_images(context: PageContext, question: Question, result: Result, is_answered: bool) -> None:
    """The images of a question; once it is answered with reconstruction, error map, score and verdict."""
    asked = ""
    if question.kind in ("redrawn", "map"):
        caption = _("Of {letter}", letter=LETTERS[question.right]) if is_answered else _("Of which image?")
        asked = cells([asked_picture(question, result)], [caption])
    contents, captions = [], []
    for place, index in enumerate(question.images):
        letter = LETTERS[place] if len(question.images) > 1 else ""
        column = pictures.picture(result.images[place], name_of(context, index) if is_answered else letter or _("Test image"))
        if is_answered:
            column += pictures.picture(result.reconstructions[place], _("Its reconstruction"))
            column += pictures.error_picture(result.error_maps[place], _("Error map"))
            column += verdicts.badge(bool(result.verdicts[place]))
        contents.append(column)
        captions.append(f"{letter} {formatted(float(result.scores[place]), '.4f')}" if is_answered else letter)
    columns = f'<div class="lesson-columns">{cells(contents, captions)}</div>'
    # Once answered the columns are higher, and what was asked about stands beside them.
    st.html(f'<div class="lesson-asked">{asked}{columns}</div>' if asked and is_answered else asked + columns)


def asked_picture(question: Question, result: Result) -> str:
    if question.kind == "map":
        return pictures.error_picture(result.error_maps[question.right], _("Error map"))
    reconstruction: Tensor = result.reconstructions[question.right]
    return pictures.picture(reconstruction, _("Reconstruction"))


def show_result(context: PageContext, asked: list[Question], quiz: Quiz) -> None:
    """How many were right; and each wrong answer, to be looked at again with its why."""
    wrong = [number for number, question in enumerate(asked) if quiz.given[number] != question.right]
    left, right = two_columns()
    with left:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(_("**{right} of {count} right.**", right=len(asked) - len(wrong), count=len(asked)), width="content")
            st.button(_("Ten new questions"), icon=":material/refresh:", type="primary", on_click=begin_anew, args=(quiz.seed,))
        if not wrong:
            return
        number = st.pills(
            _("Look again at what was not right"),
            wrong,
            default=wrong[0],
            required=True,
            format_func=lambda each: str(each + 1),
        )
        assert number is not None
        question = asked[number]
        result = result_of(context, question)
        with st.container(key="lesson-question"):
            st.markdown(f"**{asked_text(context, question, result)}**")
        with st.container(key="lesson-answer"):
            st.markdown(why(question, result, quiz.given[number]))
    if result:
        with right:
            show_images(context, question, result, is_answered=True)


# What a tab still shows another one may have answered, or begun anew: each press says what it is about.


def give(key: str, seed: int, number: int) -> None:
    """Answer the question with this number of the quiz with this seed; nothing where that is not asked any more."""
    quiz, value = current_lesson().quiz, st.session_state.get(key)
    if isinstance(value, int) and quiz.seed == seed and len(quiz.given) == number:
        quiz.given.append(value)


def onward(seed: int, number: int) -> None:
    """From an answered question to the next, or to how it went."""
    quiz = current_lesson().quiz
    if quiz.seed == seed and quiz.number == number:
        quiz.number += 1


def begin_anew(seed: int) -> None:
    """Other images, and no answers."""
    if current_lesson().quiz.seed == seed:
        current_lesson().quiz = Quiz()
