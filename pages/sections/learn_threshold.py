"""The lesson's steps five and six: where the threshold falls, and what it costs."""

import streamlit as st
import torch

from core.metrics import evaluate, histogram
from pages.sections.learn_context import other_data_set_note
from pages.sections.learn_question import ask_again, guess, placed, say, show_chart, two_columns
from pages.shared.charts import figures, lesson
from pages.shared.forms.slider import slider
from pages.shared.i18n.glossary import about
from pages.shared.i18n.text import _, formatted
from pages.shared.state import keys
from pages.shared.state.page_context import PageContext

THRESHOLD, PRICE = "threshold", "price"
PLACES = 60
NEAR_RATE, NEAR_SHARE = 0.02, 10
"""How far a guess may be off: a share of the held-out images; anomalies of a hundred."""


def show_threshold(context: PageContext) -> None:
    """Where will the threshold fall?"""
    scores, rate = context.detector.calibration_scores_, context.config.false_alarm_rate
    places = [round(place, 4) for place in torch.linspace(0, float(scores.max()), PLACES + 1)[1:].tolist()]

    def share_above(place: float) -> float:
        return float((scores > place).double().mean())

    left, right = two_columns()
    with left:
        st.markdown(
            _(
                "{count:,} images of {normal} were held out of training and scored. No anomaly is looked at.",
                count=len(scores),
                normal=context.normal,
            ),
            help=about("calibration"),
        )
        given = guess(
            THRESHOLD,
            _("{rate:.0%} of them may be false alarms. Where will the threshold fall?", rate=rate),
            places,
            lambda place: formatted(place, ".4f"),
            lambda place: abs(share_above(place) - rate) <= NEAR_RATE,
        )
        if given:
            place = float(str(given.value))
            above, wanted = int((scores > place).sum()), int((scores > context.detector.threshold_).sum())
            say(
                given,
                _(
                    "Above your line lie {own:,} of {count:,} ({share:.1%}); above the threshold, {threshold:.4f}, "
                    "lie {wanted:,}: it is the score that {rate:.0%} of normal images exceed.",
                    own=above,
                    share=above / len(scores),
                    count=len(scores),
                    threshold=context.detector.threshold_,
                    wanted=wanted,
                    rate=rate,
                ),
            )
            ask_again(THRESHOLD, _("Guess again"))
    with right:
        chart = lesson.normal_scores(scores, placed(THRESHOLD), context.detector.threshold_ if given else None)
        show_chart(chart, "lesson-calibration", _("Scores of held-out normal images"))


def show_price(context: PageContext) -> None:
    """How many anomalies will be caught, and what that costs in false alarms."""
    scores, labels, normal_classes = context.scores, context.labels, context.config.normal_classes
    usual = evaluate(scores, labels, normal_classes, context.detector.threshold_)
    left, right = two_columns()
    with left:
        given = guess(
            PRICE,
            _(
                "The threshold is {threshold:.4f}. Of 100 test images that are anomalies, how many will be caught?",
                threshold=context.detector.threshold_,
            ),
            list(range(0, 101, 5)),
            lambda count: formatted(count, "d"),
            lambda count: abs(count - 100 * usual.catch_rate) <= NEAR_SHARE,
        )
    with right:
        if given is None:
            chart = lesson.normal_scores(context.detector.calibration_scores_, None, context.detector.threshold_)
            show_chart(chart, "lesson-calibrated", _("Scores of held-out normal images"))
            return
    with left:
        say(
            given,
            _(
                "{share:.0%} are caught. Fewer false alarms would mean fewer catches: that is the price. Try it.",
                share=usual.catch_rate,
            ),
            other_data_set_note(context),
        )
        st.session_state.setdefault(keys.LESSON_RATE, 5.0)
        rate = slider(_("False-alarm rate in %"), 0.5, 30.0, 0.5, keys.LESSON_RATE, help=about("false-alarm rate"), width=420)
        threshold = context.detector.at_false_alarm_rate(rate / 100).threshold_
        measured = evaluate(scores, labels, normal_classes, threshold)
        alarms, caught = st.columns(2)
        alarms.metric(_("False alarms"), formatted(measured.false_alarm_rate, ".1%"), help=about("false-alarm rate"))
        caught.metric(_("Anomalies caught"), formatted(measured.catch_rate, ".1%"), help=about("recall"))
    with right:
        chart = figures.score_histogram(histogram(scores, labels), normal_classes, threshold)
        # Nothing lies over this one: its margins may follow its text, and the line's name stands above the bars.
        chart.update_annotations(yanchor="bottom")
        chart.update_layout(height=300, margin={"l": 10, "b": 10, "autoexpand": True})
        chart.update_xaxes(automargin=True)
        chart.update_yaxes(automargin=True)
        show_chart(chart, "lesson-scores", _("All scores"))
