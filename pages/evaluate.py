"""Evaluate: what a threshold does, what every threshold would do, and how other methods fare on the same images."""

import streamlit as st

from core.metrics import EvaluationError, OperatingPoint, ScoredSet
from pages.sections import evaluate_sweep
from pages.sections.evaluate_context import EvaluateContext, numbers
from pages.sections.evaluate_curves import show_base_rate, show_curves, show_lesson
from pages.sections.evaluate_files import Shown, show_take_away
from pages.sections.evaluate_hardest import question_of, show_hardest
from pages.sections.evaluate_others import baseline_rows, show_baselines, show_second
from pages.sections.evaluate_threshold import (
    ask_anomalies,
    show_mistakes,
    show_other_thresholds,
    show_outcome,
    show_threshold,
    show_what_is_compared,
)
from pages.shared.components import threshold_line
from pages.shared.forms import data_notice, test_source
from pages.shared.html import report, verdicts
from pages.shared.i18n.text import _, formatted, translated
from pages.shared.state import baselines, data_sets
from pages.shared.state.visitor import TRAINING
from pages.shared.streamlit_internals import begin_again_with_app


def show() -> None:
    """The page."""
    st.title(_("Evaluate the detector"))
    context = EvaluateContext.of_detector_in_use()
    data_notice.show(context.at_hand)
    test_source.ask(context)
    if context.choice == TRAINING:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(_("The detector is in training; this is how it stood a moment ago."), width="content")
            st.button(_("Look again"), icon=":material/refresh:")
    if context.is_normal.all():
        st.info(only_one_kind(), icon=":material/info:")
        return
    try:
        context.all_scored  # noqa: B018  computed here, where it may raise
    except EvaluationError as error:
        st.info(translated(error), icon=":material/info:")
        return
    if context.working.is_new:
        context.working.move_to(context.working.value)
    summary = _(
        "{count:,} test images of {title}; normal is {normal}.",
        count=len(context.labels),
        title=data_sets.title_of(context.data.name),
        normal=context.normal,
    )
    st.caption(summary)
    on_screen = Shown()
    show_evaluation(context, summary, on_screen)
    with st.expander(_("Take it away"), icon=":material/download:"):
        show_take_away(context, on_screen)
    evaluate_sweep.show()


def only_one_kind() -> str:
    """Where nothing is an anomaly."""
    return _("All these images are of the normal kind: there is nothing to tell apart and no AUROC. Keep drawings of others.")


@st.fragment
def show_evaluation(context: EvaluateContext, summary: str, shown: Shown) -> None:
    """Everything that follows the threshold; moving it reruns this and nothing else of the page."""
    places = st.container(), st.expander(_("Which anomalies, and how many?"), icon=":material/filter_alt:")
    with places[1]:
        anomalies = ask_anomalies(context)
        base_rate_place = st.container()
    compared = context.against(anomalies)  # anew each time: the context is older than the share that was just chosen
    with base_rate_place:
        f1_sentence = show_base_rate(compared)
    working = context.working
    current, calibrated, cheated = map(compared.at, (working.value, working.calibrated, compared.best_f1_threshold))
    with places[0]:
        show_what_is_compared(context, anomalies)
        left, right = st.columns([2.4, 1], gap="medium")
        with left:
            chart, chart_place = show_threshold(context, current, anomalies)
        with right:
            show_mistakes(current)
    points = {
        _("threshold in use"): current,
        _("calibrated threshold"): calibrated,
        _("Best F1, with the answers"): cheated,
    }
    with st.expander(_("Four outcomes, precision, recall and F1"), icon=":material/grid_on:"):
        show_outcome(current)
        show_other_thresholds(context, current, cheated.threshold)
    with st.expander(_("Every threshold at once"), icon=":material/show_chart:"):
        curves = show_curves(points, compared)
    with st.expander(_("Calibrating or cheating?"), icon=":material/visibility:"):
        lesson = show_lesson(calibrated, cheated)
    with st.expander(question_of(context), icon=":material/search:"):
        hardest = show_hardest(context)
    with st.expander(_("Simpler methods, same images"), icon=":material/speed:"):
        show_baselines(context)
    with st.expander(_("Beside another detector"), icon=":material/compare:"):
        second = show_second(context)
    with chart_place:
        edges = context.histogram.edges
        margin = {side: chart.layout.margin[side] for side in "lrtb"}
        threshold_line.show(current.threshold, float(edges[0]), float(edges[-1]), margin, working.move_to)
    shown.threshold = current.threshold
    shown.parts = [
        report.paragraph(summary),
        report.paragraph(_("Anomalies compared with: {names}", names=", ".join(context.names[label] for label in anomalies))),
        chart,
        *figures_for_report(current, compared),
        report.paragraph(f1_sentence),
        *curves,
        report.heading(_("Calibrating or cheating?")),
        report.table(lesson),
        *hardest,
        *simpler_for_report(context),
        *second,
    ]


def figures_for_report(current: OperatingPoint, compared: ScoredSet) -> list[str]:
    """The four outcomes and all numbers at the threshold in use."""
    of_every_threshold = {
        _("AUROC"): formatted(compared.auroc, ".4f"),
        _("Average precision"): formatted(compared.average_precision, ".4f"),
    }
    return [verdicts.confusion(current), report.table([numbers(current) | of_every_threshold])]


def simpler_for_report(context: EvaluateContext) -> list[str]:
    """The baselines, where they were asked for: without them the detector's own time would be taken for nothing."""
    if context.is_all_of_a_pile or not baselines.comparison(*context.compared_on):
        return []
    return [report.heading(_("Simpler methods, same images")), report.table(baseline_rows(context))]


if __name__ == "__main__":
    begin_again_with_app()
