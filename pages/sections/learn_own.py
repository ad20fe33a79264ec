"""The lesson's seventh step: an own drawing, and what will be said of it."""

from dataclasses import replace

import streamlit as st
from torch import Tensor

from pages.sections.learn_canvas import show_canvas
from pages.sections.learn_context import cells, image_at, shuffled
from pages.sections.learn_question import ask_again, choose, round_of, say, two_columns
from pages.shared.html import pictures, verdicts
from pages.shared.i18n.text import _
from pages.shared.state.page_context import PageContext
from pages.shared.state.visitor import current_lesson

QUESTION = "own"


def show(context: PageContext) -> None:
    """Draw something; alarm or not?"""
    lesson, number = current_lesson(), round_of(QUESTION)
    left, right = two_columns()
    test_image = image_at(context, shuffled(len(context.labels), number)[0])
    if lesson.answer_to(QUESTION):
        drawn = lesson.canvas(QUESTION).image
    else:
        with right, st.container(key="lesson-own", horizontal=True):
            drawn = show_canvas(QUESTION)
            if drawn is None:
                st.html(cells([pictures.picture(test_image[0], _("Test image"))], [_("Test image")]))
    image = test_image if drawn is None else drawn
    result = context.detector.infer(image)
    is_alarm = bool(result.verdicts[0])
    with left:
        given = choose(
            QUESTION,
            _("Draw the digit {normal}, or anything else. What will the network say?", normal=context.normal),
            (_("Normal"), _("Anomaly")),
            None,  # the canvas may hold more by then than this run knows
        )
        if given is None and drawn is None:
            st.caption(_("Without a drawing, judge this test image."))
        if given:
            judged = replace(given, is_right=given.value == int(is_alarm))
            say(judged, sentence(context, float(result.scores[0]), result.threshold, is_alarm))
            ask_again(QUESTION, _("Draw again"))
    if given:
        with right:
            show_result(result.images[0], result.reconstructions[0], result.error_maps[0])
            st.html(verdicts.gauge(float(result.scores[0]), result.threshold))
            st.html(verdicts.badge(is_alarm))


def show_result(image: Tensor, reconstruction: Tensor, error_map: Tensor) -> None:
    st.html(f'<div class="lesson-row">{pictures.triple(image, reconstruction, error_map)}</div>')


def sentence(context: PageContext, score: float, threshold: float, is_alarm: bool) -> str:
    """The verdict as a comparison of two numbers."""
    if is_alarm:
        return _(
            "The score, {score:.4f}, is above the threshold, {threshold:.4f}: redrawn with the strokes of "
            "{normal}, too much is wrong.",
            score=score,
            threshold=threshold,
            normal=context.normal,
        )
    return _(
        "The score, {score:.4f}, is not above the threshold, {threshold:.4f}: redrawn with the strokes of "
        "{normal}, little is wrong.",
        score=score,
        threshold=threshold,
        normal=context.normal,
    )
