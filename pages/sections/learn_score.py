"""The lesson's fourth step: the size of the error map is the score."""

import streamlit as st

from core.detector import Result
from core.model import PIXELS
from pages.sections.learn_context import cells, name_of, nth, other_classes, shuffled
from pages.sections.learn_question import LETTERS, ask_again, choose, round_of, say, two_columns
from pages.shared.html import pictures
from pages.shared.i18n.glossary import about
from pages.shared.i18n.text import _, formatted
from pages.shared.state.page_context import PageContext

QUESTION = "score"


def four_images(context: PageContext, number: int) -> list[int]:
    """A normal image and three others, each of another class."""
    others = other_classes(context)
    labels = [others[place] for place in shuffled(len(others), number)[:3]]
    chosen = [nth(context.is_normal, 5 + number), *(nth(context.labels == label, 2 + number) for label in labels)]
    return [chosen[place] for place in shuffled(4, number + 1)]


def show(context: PageContext) -> None:
    """Which of the four has the highest score?"""
    number = round_of(QUESTION)
    chosen = four_images(context, number)
    result = context.detector.infer(context.data.test.images[chosen])
    highest = int(result.scores.argmax())
    left, right = two_columns()
    with left:
        st.markdown(
            _(
                "Image minus reconstruction is the **error map**. The mean of its squares is the **anomaly "
                "score**: higher is stranger."
            ),
            help=about("anomaly score"),
        )
        given = choose(
            QUESTION,
            _("Above, four images; below, what the network redrew. Which has the highest score?"),
            LETTERS,
            highest,
        )
        if given:
            squares = float(result.error_maps[highest].square().sum())
            say(
                given,
                _(
                    "{letter}: the squares of its error map sum to {sum:.2f}; divided by {pixels} pixels that is {score:.4f}.",
                    letter=LETTERS[highest],
                    sum=squares,
                    pixels=PIXELS,
                    score=squares / PIXELS,
                ),
            )
            ask_again(QUESTION, _("Four others"))
    with right:
        show_columns(context, chosen, result, is_open=given is not None)


def show_columns(context: PageContext, chosen: list[int], result: Result, is_open: bool) -> None:
    """Image, reconstruction and, once it is open, error map and score, one below the other."""
    contents, captions = [], []
    for place, index in enumerate(chosen):
        column = pictures.picture(result.images[place], name_of(context, index) if is_open else LETTERS[place])
        column += pictures.picture(result.reconstructions[place], _("Its reconstruction"))
        if is_open:
            column += pictures.error_picture(result.error_maps[place], _("Error map"))
        contents.append(column)
        captions.append(f"{LETTERS[place]}: {formatted(float(result.scores[place]), '.4f')}" if is_open else LETTERS[place])
    st.html(f'<div class="lesson-columns">{cells(contents, captions)}</div>')
    if is_open:
        st.html(pictures.error_legend())
