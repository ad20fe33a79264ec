"""Evaluate: what every threshold would do, and what a threshold promises that has seen the answers."""

import plotly.graph_objects as go
import streamlit as st

from core.metrics import OperatingPoint, ScoredSet
from pages.sections.evaluate_context import numbers, plotly_config
from pages.shared.charts import evaluation
from pages.shared.charts.figures import below_half
from pages.shared.i18n import glossary
from pages.shared.i18n.text import _, formatted
from pages.shared.state import keys


def show_curves(points: dict[str, OperatingPoint], compared: ScoredSet) -> list[go.Figure]:
    """ROC and precision-recall curve; returns both."""
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.metric(_("AUROC"), formatted(compared.auroc, ".4f"), help=glossary.about("auroc"), width="content")
        st.metric(
            _("Average precision"),
            formatted(compared.average_precision, ".4f"),
            help=glossary.about("average precision"),
            width="content",
        )
        closer = st.toggle(_("Look closer at the corner"), key="closer", persist_state="session")
        st.segmented_control(
            _("Save figures as"),
            ("png", "svg"),
            default="png",
            required=True,
            format_func=str.upper,
            key=keys.FIGURE_FORMAT,
            persist_state="session",
            help=_("Point at a figure: the camera above it saves it as a file."),
        )
    if compared.auroc < 0.5:
        st.caption(below_half(_("all that are compared")))
    charts = []
    for column, word, draw in zip(
        st.columns(2), ("roc", "precision-recall"), (evaluation.roc, evaluation.precision_recall), strict=True
    ):
        name, meaning = glossary.entries()[word]
        with column:
            chart = draw({_("all thresholds"): compared}, points, closer)
            st.markdown(f"**{name}**", help=meaning)
            st.plotly_chart(chart, key=word, config=plotly_config(word), alt=name)
            charts.append(chart)
    return charts


def show_lesson(calibrated: OperatingPoint, cheated: OperatingPoint) -> list[dict[str, str]]:
    """Calibrating beside cheating; returns the table."""
    st.markdown(
        _(
            "The calibrated threshold has seen held-out normal images only, as in real life; the other one **looked at the "
            "answers** of these very test images, which nobody has for new ones, so its F1 promises more than it can keep."
        )
    )
    rows = [
        {_("Measure"): name, _("Calibrated"): honest, _("Uses the answers"): other}
        for (name, honest), other in zip(numbers(calibrated).items(), numbers(cheated).values(), strict=True)
    ]
    st.table(rows, border="horizontal", hide_index=True, width=560)
    return rows


SHARES = (0.0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9)
"""Shares of anomalies that can be supposed; 0 is the test set's own."""

MANY_ALARMS = 0.37
"""A false-alarm rate that nobody would bear."""


def show_base_rate(compared: ScoredSet) -> str:
    """How many anomalies there are to be, and what that does to F1; returns the sentence about it."""
    own = float(compared.is_anomaly.mean())
    st.select_slider(
        _("Share of anomalies"),
        SHARES,
        key=keys.ANOMALY_SHARE,
        format_func=lambda share: (
            formatted(share, ".1%" if share < 0.01 else ".0%") if share else _("as in the test set: {share:.0%}", share=own)
        ),
        persist_state="session",
        help=_("Precision, F1 and average precision are computed as if so many of all images were anomalies."),
        width=420,
    )
    few, many = compared.at_false_alarms(0.05), compared.at_false_alarms(MANY_ALARMS)
    sentence = _(
        "Where {share:.1%} of all images are anomalies, calling everything an anomaly has an F1 of {all:.3f}. With "
        "{few:.0%} false alarms F1 is {f1_few:.3f}, with {many:.0%} it is {f1_many:.3f}: precision counts false alarms "
        "among all alarms, so the fewer normal images there are, the less F1 sees of them.",
        share=compared.base_rate,
        all=compared.f1_of_calling_all_anomalies,
        few=few.false_alarm_rate,
        f1_few=few.f1,
        many=many.false_alarm_rate,
        f1_many=many.f1,
    )
    st.caption(sentence)
    return sentence
