"""Evaluate: what a threshold does, what every threshold would do, and how other methods fare on the same images."""

import csv
import io
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from torch import Tensor

from core.conformal import conformal_rate, conformal_threshold
from core.errors import UserError
from core.experiments.baselines import BASELINES, Comparison
from core.metrics import EvaluationError, Histogram, OperatingPoint, ScoredSet, histogram, scored
from pages.shared.charts import evaluation, figures, sweep
from pages.shared.components import threshold_line
from pages.shared.forms import test_source
from pages.shared.html import pictures, report
from pages.shared.i18n import glossary
from pages.shared.i18n.text import _, formatted, language, translated
from pages.shared.state import keys, session
from pages.shared.state.page_context import PageContext
from pages.shared.state.visitor import TRAINING, tab
from pages.shared.streamlit_internals import begin_again_with_app

RATES = tuple(per_mille / 1000 for per_mille in (*range(1, 100), *range(100, 200, 5), *range(200, 1000, 10)))
"""False-alarm rates that the slider offers: fine steps where they matter."""
WORST = 10
BASELINE_RATE = 0.05


@dataclass(frozen=True)
class EvaluateContext(PageContext):
    """What the sections share."""

    @cached_property
    def title(self) -> str:
        return session.choice_title(self.choice)

    @cached_property
    def others(self) -> list[int]:
        """The classes that are not normal."""
        return sorted(set(self.labels.tolist()) - set(self.normal_classes))

    @cached_property
    def scored(self) -> ScoredSet:
        """All test images. Raises EvaluationError."""
        return self.against(None)

    def against(self, anomalies: list[int] | None) -> ScoredSet:
        """The normal test images and those of these classes. Raises EvaluationError."""
        return scored(self.scores, self.labels, self.normal_classes, anomalies)

    @cached_property
    def histogram(self) -> Histogram:
        return histogram(self.scores, self.labels)

    @cached_property
    def auroc_by_class(self) -> dict[int, float]:
        return {label: self.against([label]).auroc for label in self.others}

    @cached_property
    def working(self) -> "WorkingThreshold":
        detector = self.detector
        return WorkingThreshold(detector.key, detector.calibration_scores_, detector.calibrated_threshold, detector.threshold_)


@dataclass(frozen=True)
class WorkingThreshold:
    """The threshold that the visitor moves, of the detector with this key.

    Buttons and sliders hold this and not the detector: Streamlit keeps what they call until the session is gone.
    """

    key: str
    calibration_scores: Tensor
    calibrated: float
    in_use: float
    """By which every page judges."""

    @property
    def smallest_rate(self) -> float:
        """The smallest false-alarm rate that so many calibration scores can keep; below it every rate has one threshold."""
        return 1 / (len(self.calibration_scores) + 1)

    @property
    def rates(self) -> tuple[float, ...]:
        """False-alarm rates to choose from."""
        return tuple(rate for rate in RATES if rate >= self.smallest_rate)

    @property
    def value(self) -> float:
        """Where the visitor has put it for this detector, else the one in use."""
        key, value = tab().threshold
        return float(value) if key == self.key else self.in_use

    @property
    def is_new(self) -> bool:
        """Whether this detector's threshold was not moved yet."""
        return keys.KEPT_RATE not in st.session_state or tab().threshold[0] != self.key

    def move_to(self, value: float) -> None:
        """Put the threshold somewhere; the slider follows."""
        tab().threshold = self.key, value
        rate = conformal_rate(self.calibration_scores, value)
        st.session_state[keys.KEPT_RATE] = min(self.rates, key=lambda offered: abs(offered - rate))

    def put_back(self) -> None:
        """Have every page judge by the calibrated threshold again."""
        session.use_threshold(None)
        self.move_to(self.calibrated)

    def follow_rate(self) -> None:
        """Put the threshold where the slider says."""
        value = conformal_threshold(self.calibration_scores, st.session_state[keys.KEPT_RATE])
        tab().threshold = self.key, value


def show() -> None:
    """The page."""
    context = EvaluateContext.of_detector_in_use()
    st.title(_("Evaluate the detector"))
    session.show_data_notice(context.at_hand)
    test_source.ask(context)
    if context.choice == TRAINING:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(_("The detector is in training; this is how it stood a moment ago."), width="content")
            st.button(_("Look again"), icon=":material/refresh:")
    if context.is_normal.all():
        st.info(only_one_kind(), icon=":material/info:")
        return
    try:
        with st.spinner(_("Scoring the test images…")):
            context.scored  # noqa: B018  computed here, under the spinner
    except EvaluationError as error:
        st.info(translated(error), icon=":material/info:")
        return
    if context.working.is_new:
        context.working.move_to(context.working.value)
    summary = _(
        "{count:,} test images of {title}; normal is {normal}.",
        count=len(context.labels),
        title=session.title_of(context.data.name),
        normal=context.normal,
    )
    st.caption(summary)
    on_screen = Shown()
    show_evaluation(context, summary, on_screen)
    show_take_away(context, on_screen)
    sweep.show()


def only_one_kind() -> str:
    """Where nothing is an anomaly."""
    return _("All these images are of the normal kind: there is nothing to tell apart and no AUROC. Keep drawings of others.")


def share(value: float) -> str:
    """A share in per cent; a dash where there is none."""
    return "–" if math.isnan(value) else formatted(value, ".1%")


def numbers(point: OperatingPoint) -> dict[str, str]:
    """What is said of a threshold, by its name on screen."""
    return {
        _("Threshold"): formatted(point.threshold, ".4f"),
        _("False-alarm rate"): share(point.false_alarm_rate),
        _("Missed anomalies"): share(point.miss_rate),
        _("Precision"): share(point.precision),
        _("Recall"): share(point.recall),
        _("F1"): formatted(point.f1, ".4f"),
    }


# ---------------------------------------------------------------- the sections


def ask_anomalies(context: EvaluateContext) -> list[int]:
    """The classes that are compared with the normal ones; none chosen is all."""
    names, others = context.names, context.others
    st.session_state[keys.COMPARED_CLASSES] = [
        label for label in st.session_state.get(keys.COMPARED_CLASSES, []) if label in others
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


def show_threshold(
    context: EvaluateContext, point: OperatingPoint, best_f1: float, anomalies: list[int]
) -> tuple[go.Figure, DeltaGenerator]:
    """The histogram with its threshold, and the ways to move it; returns the histogram and its place."""
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
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.select_slider(
            _("False-alarm rate to keep"),
            working.rates,
            key=keys.KEPT_RATE,
            format_func=rate_names.__getitem__,
            on_change=working.follow_rate,
            help=glossary.about("false-alarm rate"),
            width=320,
        )
        st.button(
            _("Calibrated"),
            on_click=working.move_to,
            args=(calibrated,),
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
    return chart, chart_place


def offer_to_use(context: EvaluateContext, value: float) -> None:
    """The threshold that was moved to, for all pages; and the way back. One in training has none to keep."""
    if context.choice == TRAINING:
        return
    with st.container(horizontal=True):
        if st.button(
            _("Use this threshold"),
            disabled=value == context.detector.threshold_,
            icon=":material/check:",
            help=_("On every page this detector judges by this threshold, until you put it back."),
        ):
            session.use_threshold(None if value == context.working.calibrated else value)
            st.rerun()
        if context.config.threshold is not None and st.button(
            _("Back to the calibrated threshold"), on_click=context.working.put_back, icon=":material/undo:"
        ):
            st.rerun()  # the line above the page too


def show_outcome(point: OperatingPoint) -> None:
    """What the threshold does: four counts and five figures."""
    st.html(pictures.confusion(point))
    words = ("false-alarm rate", "missed anomalies", "precision", "recall", "f1")
    with st.container(horizontal=True, key="figures"):
        for word, (name, value) in zip(words, list(numbers(point).items())[1:], strict=True):
            st.metric(name, value, help=glossary.about(word), width="content")


def show_curves(points: dict[str, OperatingPoint], compared: ScoredSet) -> list[go.Figure]:
    """ROC and precision-recall curve; returns both."""
    st.subheader(_("Every threshold at once"))
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
    st.subheader(_("Calibrating or cheating?"))
    st.markdown(
        _(
            "The calibrated threshold has seen held-out normal images only, as in real life; the other one **looked at the "
            "answers** of these very test images, which nobody has for new ones, so its F1 promises more than it can keep."
        )
    )
    rows = [
        {_("Number"): name, _("Calibrated"): honest, _("Uses the answers"): other}
        for (name, honest), other in zip(numbers(calibrated).items(), numbers(cheated).values(), strict=True)
    ]
    st.table(rows, border="horizontal", hide_index=True, width=560)
    return rows


def show_hardest(context: EvaluateContext) -> tuple[str, ...]:
    """AUROC against each class, and the images of one that pass best; returns what a report shows of it."""
    names = context.names
    question = _("What passes for {normal}?", normal=context.normal)
    st.subheader(question)
    by_class = dict(sorted(context.auroc_by_class.items(), key=lambda item: item[1]))
    if st.session_state.get(keys.HARDEST_CLASS) not in by_class:
        st.session_state[keys.HARDEST_CLASS] = next(iter(by_class))
    label = st.pills(
        _("AUROC against each, the hardest first"),
        list(by_class),
        format_func=lambda each: f"{names[each]} · {formatted(by_class[each], '.4f')}",
        key=keys.HARDEST_CLASS,
        required=True,
        wrap=True,
        persist_state="session",
        help=glossary.about("auroc"),
    )
    assert label is not None
    chosen = (context.labels == label).nonzero().squeeze(1)
    lowest = chosen[context.scores[chosen].argsort(stable=True)[:WORST]]
    caption = _("The least strange of “{name}”: image, reconstruction, error map, score.", name=names[label])
    result = context.detector.infer(context.test.images[lowest])
    cards = pictures.judged(result, context.working.value)
    st.caption(caption)
    st.html(cards)
    st.html(pictures.error_legend())
    return report.heading(question), report.paragraph(caption), cards, pictures.error_legend()


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
            _("Caught at {rate:.0%} false alarms", rate=BASELINE_RATE): share(caught),
            _("Seconds to fit"): fit,
            _("Seconds to score {count:,} images", count=10_000): formatted(scoring, ".1f"),
        }

    at_same_rate = context.scored.at(conformal_threshold(context.detector.calibration_scores_, BASELINE_RATE))
    scoring_seconds = session.scoring_seconds(context.detector, context.test)
    own = row(_("This autoencoder"), context.scored.auroc, at_same_rate.recall, "–", scoring_seconds)
    comparison = session.comparison(context.data.name, context.normal_classes)
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


def show_baselines(context: EvaluateContext) -> None:
    """Other methods on the same images, when asked for."""
    st.subheader(_("Simpler methods, same images"), help=glossary.about("baseline"))
    about_data = context.data.name, context.normal_classes
    comparison = session.comparison(*about_data)
    if comparison:
        st.fragment(show_measured, run_every=1.0 if comparison.running else None)(context, comparison)
    elif st.button(_("Measure four simpler methods"), icon=":material/speed:", key="start-baselines"):
        try:
            session.start_comparison(*about_data)
        except UserError as error:
            st.error(translated(error), icon=":material/error:")
        else:
            st.rerun()


def show_second(context: EvaluateContext) -> list[str | go.Figure]:
    """Another detector beside this one; returns what a report says of it."""
    st.subheader(_("Beside another detector"))
    # The one in training changes with every look, and each look costs a pass over all images.
    choices = [choice for choice in session.choices() if choice not in (context.choice, TRAINING)]
    chosen = st.selectbox(
        _("Second detector"),
        choices,
        index=None,
        format_func=session.choice_title,
        placeholder=_("Choose one"),
        key="second-detector",
        persist_state="session",
        width=420,
    )
    if chosen is None:
        return []
    second = session.detector_of(chosen)
    its_data = session.data_set(second.config.data_set, may_download=False).data
    try:
        with st.spinner(_("Scoring the test images…")):
            its_test = session.test_images(second.config, its_data)
            its_scores = session.test_scores(second, its_test)
        its = scored(its_scores, its_test.labels, session.normal_classes_in(its_data, second.config))
    except UserError as error:
        st.info(translated(error), icon=":material/info:")
        return []
    titles = f"1: {context.title}", f"2: {session.choice_title(chosen)}"
    chart = evaluation.roc(dict(zip(titles, (context.scored, its), strict=True)), {})
    columns = [
        {
            _("Normal"): session.normal_names(judge.config),
            _("Test images"): f"{session.title_of(images.name)} · {formatted(len(images.labels), ',')}",
            _("AUROC"): formatted(compared.auroc, ".4f"),
            _("Average precision"): formatted(compared.average_precision, ".4f"),
            **numbers(compared.at(judge.threshold_)),
        }
        for judge, images, compared in ((context.detector, context.test, context.scored), (second, its_test, its))
    ]
    rows = [
        {_("Number"): name, titles[0]: value, titles[1]: other}
        for (name, value), other in zip(columns[0].items(), columns[1].values(), strict=True)
    ]
    left, right = st.columns(2)
    with left:
        st.plotly_chart(chart, key="two-roc", config=plotly_config("two-roc"), alt=_("ROC curves of two detectors"))
    with right:
        st.table(rows, border="horizontal", hide_index=True)
        st.caption(_("Each at its calibrated threshold, on all its test images."))
    return [report.heading(_("Beside another detector")), chart, report.table(rows)]


def scores_csv(context: EvaluateContext, at: float) -> str:
    """One row a test image."""
    names, labels, scores = context.names, context.labels, context.scores
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["index", "label", "score", "verdict"])
    for index, (label, score) in enumerate(zip(labels.tolist(), scores.double().tolist(), strict=True)):
        table.writerow([index, names[label], score, "anomaly" if score > at else "normal"])
    return text.getvalue()


@dataclass
class Shown:
    """What the page shows at the moment, for the files."""

    threshold: float = 0.0
    parts: list[str | go.Figure] = field(default_factory=list)


def show_take_away(context: EvaluateContext, shown: Shown) -> None:
    """Scores and report; the buttons stay while the threshold moves, and files are made when asked for."""
    st.subheader(_("Take it away"))
    # A file is made outside the session, which knows the language.
    code, heading = language(), _("Evaluation of {title}", title=context.title)
    with st.container(horizontal=True):
        st.download_button(
            _("Scores as CSV"),
            lambda: scores_csv(context, shown.threshold),
            "scores.csv",
            "text/csv",
            icon=":material/table:",
            on_click="ignore",
        )
        st.download_button(
            _("Report as HTML"),
            lambda: report.document(code, heading, shown.parts),
            "report.html",
            "text/html",
            icon=":material/description:",
            on_click="ignore",
        )


def plotly_config(name: str) -> dict[str, Any]:
    """Plotly's buttons: the camera saves the figure in the format that the page says."""
    image = {"format": st.session_state.get(keys.FIGURE_FORMAT) or "png", "filename": name, "scale": 2}
    return {
        "displaylogo": False,
        "toImageButtonOptions": image,
        "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
    }


@st.fragment
def show_evaluation(context: EvaluateContext, summary: str, shown: Shown) -> None:
    """Everything that follows the threshold; moving it reruns this and nothing else of the page."""
    left, right = st.columns([1.75, 1], gap="medium")
    with left:
        anomalies = ask_anomalies(context)
    compared = context.scored if anomalies == context.others else context.against(anomalies)
    working = context.working
    current, calibrated, cheated = map(compared.at, (working.value, working.calibrated, compared.best_f1_threshold))
    with left:
        chart, chart_place = show_threshold(context, current, cheated.threshold, anomalies)
    with right:
        show_outcome(current)
    points = {
        _("threshold in use"): current,
        _("calibrated threshold"): calibrated,
        _("Best F1, with the answers"): cheated,
    }
    curves = show_curves(points, compared)
    lesson = show_lesson(calibrated, cheated)
    hardest = show_hardest(context)
    show_baselines(context)
    second = show_second(context)
    shown.threshold = current.threshold
    shown.parts = [
        report.paragraph(summary),
        report.paragraph(_("Anomalies compared with: {names}", names=", ".join(context.names[label] for label in anomalies))),
        chart,
        pictures.confusion(current),
        report.table(
            [
                {
                    **numbers(current),
                    _("AUROC"): formatted(compared.auroc, ".4f"),
                    _("Average precision"): formatted(compared.average_precision, ".4f"),
                }
            ]
        ),
        *curves,
        report.heading(_("Calibrating or cheating?")),
        report.table(lesson),
        *hardest,
        report.heading(_("Simpler methods, same images")),
        report.table(baseline_rows(context)),
        *second,
    ]
    with chart_place:
        edges = context.histogram.edges
        threshold_line.show(current.threshold, float(edges[0]), float(edges[-1]), working.move_to)


if __name__ == "__main__":
    begin_again_with_app()
