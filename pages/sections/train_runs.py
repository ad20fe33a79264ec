"""Train, at the bottom: the visitor's runs, to compare and to take away."""

import streamlit as st

from core.model import layers
from pages.shared import take_along
from pages.shared.i18n.text import _, formatted
from pages.shared.state import data_sets, detectors
from pages.shared.state.visitor import Choice, Run


def show_runs() -> list[Run]:
    """The visitor's runs; returns those whose curves are to be laid over."""
    runs = detectors.runs()
    if not runs:
        return []
    st.header(_("Your runs"))
    rows = [
        {
            _("Run"): run.name,
            _("Normal"): data_sets.joined_normal_names(run.config),
            _("Data set"): data_sets.title_of(run.config.data_set),
            _("Layers"): "-".join(str(stage.units) for stage in layers(run.config.model)),
            _("Epochs"): len(run.losses),
            _("Validation loss"): formatted(run.losses[-1].validation, ".4f") if run.losses else "–",
            _("Threshold"): formatted(detectors.threshold_of_run(number), ".4f"),
            _("AUROC"): formatted(run.evaluation.auroc, ".4f") if run.evaluation else "–",
        }
        for number, run in enumerate(runs)
    ]
    st.dataframe(rows, hide_index=True)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = [run.name for run in runs]
        overlaid = st.multiselect(_("Curves to lay over"), names, placeholder=_("Nothing"), key="overlaid", width=260)
        ready = [number for number, run in enumerate(runs) if run.detector]
        chosen = st.selectbox(_("Run to keep"), ready, index=len(ready) - 1, format_func=names.__getitem__, width=200)
    take_along.show(detectors.checkpoint_of_run(chosen), detectors.choice_title(Choice(run=chosen)), "run")
    newest = runs[-1].detector
    if newest and detectors.kept_numbers() + newest.size > detectors.most_kept():
        st.caption(
            _(
                "Only the latest detectors are kept: together they have at most {most:,} parameters. Of older runs the "
                "curves and figures stay. Download a detector that you want to use later.",
                most=detectors.most_kept(),
            )
        )
    return [run for run in runs if run.name in overlaid]
