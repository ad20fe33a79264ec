"""Evaluate: how other methods and another detector fare on the same images."""

import plotly.graph_objects as go
import streamlit as st

from core.conformal import conformal_threshold
from core.detector import DetectorConfig
from core.errors import UserError
from core.experiments.baselines import BASELINES, Comparison
from core.metrics import scored_set
from pages.sections.evaluate_context import EvaluateContext, numbers, percent, plotly_config
from pages.shared.charts import evaluation
from pages.shared.html import report
from pages.shared.i18n import glossary
from pages.shared.i18n.text import _, formatted, translated
from pages.shared.state import baselines, data_sets, detectors, keys, test_set
from pages.shared.state.visitor import TRAINING, tab

BASELINE_RATE = DetectorConfig().false_alarm_rate
"""As the baselines are calibrated (pages/shared/state/baselines.py)."""


def say_all(context: EvaluateContext) -> None:
    """Where the choice of anomalies, or of their share, does not hold."""
    if st.session_state.get(keys.COMPARED_CLASSES) or context.anomaly_share:
        st.caption(_("Here with all anomalies of the test set, and as many as it has, whatever is chosen above."))


def baseline_rows(context: EvaluateContext) -> list[dict[str, str]]:
    """The detector and the baselines that have been measured so far."""
    words = {
        "pca": _("PCA reconstruction"),
        "nearest-neighbours": _("Nearest neighbours"),
        "isolation-forest": _("Isolation forest"),
        "one-class-svm": _("One-class SVM"),
    }

    def row(name: str, auroc: float, caught: float, fit: str, scoring: float) -> dict[str, str]:
        return {
            _("Method"): name,
            _("AUROC"): formatted(auroc, ".4f"),
            _("Caught, threshold set for {rate:.0%} false alarms", rate=BASELINE_RATE): percent(caught),
            _("Seconds to fit"): fit,
            _("Seconds to score {count:,} images", count=10_000): formatted(scoring, ".1f"),
        }

    at_same_rate = context.all_scored.at(conformal_threshold(context.detector.calibration_scores_, BASELINE_RATE))
    scoring_seconds = test_set.scoring_seconds(context.detector, context.test)
    own = row(_("This autoencoder"), context.all_scored.auroc, at_same_rate.recall, "–", scoring_seconds)
    comparison = baselines.comparison(*context.compared_on)
    measured = comparison.trials if comparison else {}
    return [own] + [
        row(
            words[name],
            trial.evaluation.auroc,
            trial.evaluation.catch_rate,
            formatted(trial.fit_seconds, ".1f"),
            trial.score_seconds,
        )
        for name, trial in measured.items()
        if trial
    ]


def show_measured(context: EvaluateContext, comparison: Comparison) -> None:
    """The table, which grows while the baselines are fitted."""
    is_running = comparison.running
    was_running, tab().were_baselines_running = tab().were_baselines_running, is_running
    if was_running and not is_running:
        st.rerun()  # the polling ends
    if is_running:
        done, total = len(comparison.trials), len(BASELINES)
        st.progress(done / total, _("{done} of {total} methods measured", done=done, total=total))
    st.table(baseline_rows(context), border="horizontal", hide_index=True)
    st.caption(_("Fitted on {count:,} normal images, on one processor core.", count=comparison.images))
    if not is_running and None in comparison.trials.values():
        st.warning(_("A method failed and is not in the table."), icon=":material/warning:")


def no_images_left() -> str:
    """Where all drawings are before the detector."""
    return _(
        "Simpler methods would have to learn from these very drawings. Train a detector on them, and both can be compared."
    )


def show_baselines(context: EvaluateContext) -> None:
    """Other methods on the same images, when asked for."""
    st.caption(glossary.about("baseline"))
    say_all(context)
    if context.is_all_of_a_pile:
        st.info(no_images_left(), icon=":material/info:")
        return
    comparison = baselines.comparison(*context.compared_on)
    if comparison:
        st.fragment(show_measured, run_every=1.0 if comparison.running else None)(context, comparison)
    if (comparison is None or comparison.has_failed) and st.button(
        _("Measure {count} simpler methods", count=len(BASELINES)), icon=":material/speed:", key="start-baselines"
    ):
        try:
            baselines.start(*context.compared_on, context.names)
        except UserError as error:
            st.error(translated(error), icon=":material/error:")
        else:
            st.rerun()


def show_second(context: EvaluateContext) -> list[str | go.Figure]:
    """Another detector beside this one; returns what a report says of it."""
    say_all(context)
    # The one in training changes with every look, and each look costs a pass over all images.
    choices = [choice for choice in detectors.choices() if choice not in (context.choice, TRAINING)]
    chosen = st.selectbox(
        _("Second detector"),
        choices,
        index=None,
        format_func=detectors.choice_title,
        placeholder=_("Choose one"),
        key="second-detector",
        persist_state="session",
        width=420,
    )
    if chosen is None:
        return []
    try:
        second = detectors.detector_of(chosen)
        its_data = data_sets.at_hand(second.config.data_set, may_download=False).data
        its_test = test_set.images(second.config, its_data)
        its_scores = test_set.scores(second, its_test)
        its = scored_set(its_scores, its_test.labels, data_sets.normal_classes_in(its_data, second.config))
    except UserError as error:
        st.info(translated(error), icon=":material/info:")
        return []
    titles = f"1: {context.title}", f"2: {detectors.choice_title(chosen)}"
    chart = evaluation.roc(dict(zip(titles, (context.all_scored, its), strict=True)), {})
    columns = [
        {
            _("Normal"): data_sets.joined_normal_names(judge.config),
            _("Test images"): f"{data_sets.title_of(images.name)} · {formatted(len(images.labels), ',')}",
            _("AUROC"): formatted(compared.auroc, ".4f"),
            _("Average precision"): formatted(compared.average_precision, ".4f"),
            **numbers(compared.at(judge.threshold_)),
        }
        for judge, images, compared in ((context.detector, context.test, context.all_scored), (second, its_test, its))
    ]
    rows = [
        {_("Measure"): name, titles[0]: value, titles[1]: other}
        for (name, value), other in zip(columns[0].items(), columns[1].values(), strict=True)
    ]
    left, right = st.columns(2)
    with left:
        st.plotly_chart(chart, key="two-roc", config=plotly_config("two-roc"), alt=_("ROC curves of two detectors"))
    with right:
        st.table(rows, border="horizontal", hide_index=True)
        st.caption(_("Each at the threshold in use, on all its test images."))
    return [report.heading(_("Beside another detector")), chart, report.table(rows)]
