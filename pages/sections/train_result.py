"""Train, below the curves: what came of a finished training."""

import math

import streamlit as st

from core.checkpoint import Checkpoint
from core.conformal import smallest_rate
from pages.shared.charts import figures
from pages.shared.i18n.glossary import about
from pages.shared.i18n.text import _, formatted
from pages.shared.state import data_sets


def show_held_out(made: Checkpoint) -> None:
    """Of few held-out images: which false-alarm rates they can keep; and of one kind alone, what is missing."""
    count, rate = len(made.detector.calibration_scores_), made.config.false_alarm_rate
    if made.config.threshold is None and rate < smallest_rate(count):
        st.info(
            _(
                "{count:,} held-out images can keep a false-alarm rate of {possible:.1%} at least: 1 of {all:,}, the new image "
                "counted in. {wanted:.1%} were asked for, which takes {needed:,} held-out images.",
                count=count,
                possible=smallest_rate(count),
                all=count + 1,
                wanted=rate,
                needed=math.ceil(round(1 / rate, 6)) - 1,
            ),
            icon=":material/straighten:",
        )
    if made.config.class_names and made.evaluation is None:
        st.info(
            _("Every drawing is of the normal kind, so there is no AUROC. Keep drawings of another kind to measure with."),
            icon=":material/info:",
        )


def show_result(made: Checkpoint) -> None:
    """What came of a finished training."""
    show_held_out(made)
    found = made.evaluation
    if found is None:
        return
    with st.container(key="training-result"):
        with st.container(horizontal=True, horizontal_alignment="distribute"):
            for name, value, word in (
                (_("AUROC"), formatted(found.auroc, ".4f"), "auroc"),
                (_("Threshold"), formatted(made.detector.threshold_, ".4f"), "threshold"),
                (_("False alarms"), formatted(found.false_alarm_rate, ".1%"), "false-alarm rate"),
                (_("Anomalies caught"), formatted(found.catch_rate, ".1%"), "recall"),
            ):
                st.metric(name, value, help=about(word), width="content")
        names = data_sets.names_of_config(made.config)
        st.caption(_("AUROC against each other class"))
        st.dataframe(
            [{names[label]: formatted(value, ".3f") for label, value in found.auroc_by_class.items()}], hide_index=True
        )
        if below := [names[label] for label, value in found.auroc_by_class.items() if value < 0.5]:
            st.caption(figures.below_half(", ".join(below)))
