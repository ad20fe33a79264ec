"""Evaluate, first of all: the scores, the threshold between them, and the two mistakes that it makes."""

import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.data.own import is_own
from core.metrics import OperatingPoint
from pages.sections.evaluate_context import RATES, EvaluateContext, numbers, plotly_config
from pages.shared.charts import figures
from pages.shared.html import verdicts
from pages.shared.i18n import glossary
from pages.shared.i18n.text import _, formatted
from pages.shared.state import detectors, keys
from pages.shared.state.visitor import TRAINING, tab


def ask_anomalies(context: EvaluateContext) -> list[int]:
    """The classes that are compared with the normal ones; none chosen is all."""
    names, others = context.names, context.others
    before, tab().compared_in = tab().compared_in, context.data.name
    # Of people's drawings there is another data set with each drawing, whose kinds keep their places.
    is_same_data = before in ("", context.data.name) or (is_own(before) and is_own(context.data.name))
    st.session_state[keys.COMPARED_CLASSES] = [
        label for label in st.session_state.get(keys.COMPARED_CLASSES, []) if label in others and is_same_data
    ]
    chosen = st.pills(
        _("Anomalies to compare with"),
        others,
        selection_mode="multi",
        format_func=names.__getitem__,
        key=keys.COMPARED_CLASSES,
        wrap=True,
        persist_state="session",
        help=_("Nothing chosen compares with all of them."),
    )
    return list(chosen) or others


def show_what_is_compared(context: EvaluateContext, anomalies: list[int]) -> None:
    """Where it is not all test images, as the box in which it was chosen may be closed."""
    narrowed = []
    if set(anomalies) != set(context.others):
        narrowed.append(_("Anomalies here: {names} only.", names=", ".join(context.names[label] for label in anomalies)))
    if context.anomaly_share is not None:
        narrowed.append(_("Supposed: {share:.1%} of the images are anomalies.", share=context.anomaly_share))
    if narrowed:
        st.caption(" ".join(narrowed))


def show_threshold(context: EvaluateContext, point: OperatingPoint, anomalies: list[int]) -> tuple[go.Figure, DeltaGenerator]:
    """The histogram with its threshold, and the slider that moves it; returns the histogram and its place."""
    working = context.working
    calibrated = working.calibrated
    rate_names = {rate: formatted(rate, ".1%" if rate < 0.2 else ".0%") for rate in working.rates}
    chart = figures.score_histogram(
        context.histogram,
        context.normal_classes,
        point.threshold,
        anomalies,
        calibrated if point.threshold != calibrated else None,
    )
    chart_place = st.container(key="threshold-chart", gap=None)
    chart_place.plotly_chart(chart, key="histogram", config=plotly_config("scores"), alt=_("Anomaly scores and the threshold"))
    st.select_slider(
        _("False-alarm rate to keep"),
        working.rates,
        key=keys.KEPT_RATE,
        format_func=rate_names.__getitem__,
        on_change=working.follow_rate,
        help=glossary.about("false-alarm rate"),
    )
    return chart, chart_place


def show_mistakes(point: OperatingPoint) -> None:
    """The two numbers that a threshold is about: each can be bought with the other."""
    for word, name, rate, mistakes, total in (
        (
            "false-alarm rate",
            _("False alarms"),
            point.false_alarm_rate,
            point.false_alarms,
            point.true_negatives + point.false_alarms,
        ),
        (
            "missed anomalies",
            _("Missed anomalies"),
            point.miss_rate,
            point.false_negatives,
            point.false_negatives + point.true_positives,
        ),
    ):
        st.metric(name, formatted(rate, ".1%"), help=glossary.about(word))
        st.caption(_("{count:,} of {total:,}", count=mistakes, total=total))
    st.markdown(_("Move the threshold: the one falls and the other rises."))


def show_other_thresholds(context: EvaluateContext, point: OperatingPoint, best_f1: float) -> None:
    """Two thresholds with a name, and a way to have all pages judge by the one that was moved to."""
    working = context.working
    with st.container(horizontal=True):
        st.button(
            _("Calibrated"),
            on_click=working.move_to,
            args=(working.calibrated,),
            icon=":material/straighten:",
            help=glossary.about("calibration"),
        )
        st.button(
            _("Best F1, with the answers"),
            on_click=working.move_to,
            args=(best_f1,),
            icon=":material/visibility:",
            help=_("The threshold with the highest F1 on these very images. It looks at their labels."),
        )
    offer_to_use(context, point.threshold)
    if working.smallest_rate > RATES[0]:
        st.caption(
            _(
                "{count:,} calibration images can keep a rate of {rate:.1%} at least: 1 of {all:,}, the new image counted in.",
                count=len(working.calibration_scores),
                rate=working.smallest_rate,
                all=len(working.calibration_scores) + 1,
            )
        )


def offer_to_use(context: EvaluateContext, value: float) -> None:
    """The threshold that was moved to, for all pages; and the way back. One in training has none to keep."""
    if context.choice == TRAINING:
        return
    with st.container(horizontal=True):
        if st.button(
            _("Use this threshold"),
            disabled=value == context.detector.threshold_,
            icon=":material/push_pin:",
            help=_("On every page this detector judges by this threshold, until you put it back."),
        ):
            detectors.use_threshold(None if value == context.working.calibrated else value, context.choice)
            st.rerun()
        if context.config.threshold is not None and st.button(
            _("Back to the calibrated threshold"), on_click=context.working.put_back, icon=":material/undo:"
        ):
            st.rerun()  # the line above the page too


def show_outcome(point: OperatingPoint) -> None:
    """What the threshold does: four counts and five figures."""
    st.html(verdicts.confusion(point))
    st.caption(_("Precision and F1 depend on how many anomalies there are; the two rates do not."))
    words = ("false-alarm rate", "missed anomalies", "precision", "recall", "f1")
    with st.container(horizontal=True, key="figures"):
        for word, (name, value) in zip(words, list(numbers(point).items())[1:], strict=True):
            st.metric(name, value, help=glossary.about(word), width="content")
