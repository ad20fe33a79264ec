"""Draw, the right side: verdict, score, gauge and pictures of the image at hand; and the ten detectors below."""

from collections.abc import Sequence

import streamlit as st

from core.detector import Result
from core.drawing import PictureError, from_canvas_png
from pages.shared.components import live_canvas
from pages.shared.html import pictures
from pages.shared.i18n.glossary import about
from pages.shared.i18n.text import _, translated
from pages.shared.state import session
from pages.shared.state.drawings import Opinion, drawings

LIVE = "live-canvas"


def follow_pen() -> None:
    """Judge what is on the canvas now, and keep it on the strip when the stroke is whole."""
    shown = drawings()
    png = live_canvas.frame_of(LIVE, shown.canvas.generation)
    if png is None:
        return
    try:
        shown.canvas.image = from_canvas_png(png)
    except PictureError:  # the canvas's own drawing follows
        return
    shown.picked = shown.problem = None
    shown.canvas.is_stroke_whole = live_canvas.is_whole(LIVE)
    if shown.canvas.image is not None and shown.canvas.is_stroke_whole:
        shown.add_to_strip(shown.canvas.image, "canvas", _("drawing"))


def show_verdict() -> None:
    """Verdict, score, gauge and pictures of the image at hand; a pen that moves reruns this and nothing else."""
    shown = drawings()
    live_canvas.show(LIVE, shown.canvas.generation, follow_pen)
    image = shown.image
    config = session.detector_config()
    normal = session.class_names(config.data_set, config.normal_classes)
    if shown.problem:
        st.error(translated(shown.problem), icon=":material/error:")
    with st.container(key="verdict"):
        if image is None:
            st.html(pictures.waiting(_("Draw something: a {normal}, or anything else.", normal=normal)))
            return
        detector, result = shown.judge(image)
        st.html(pictures.verdict(bool(result.verdicts[0]), measured(result, normal)))
    score, threshold = float(result.scores[0]), result.threshold
    with st.container(key="second-opinion"):
        # While the pen moves only one detector is asked; the line keeps its place.
        is_asked = shown.picked or shown.canvas.is_stroke_whole
        st.caption(second_opinion(score, threshold, normal, shown.ask_all(image)) if is_asked else "…")
    st.html(pictures.gauge(score, threshold))
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        for key, word, label, value in (
            ("score", "anomaly score", _("Anomaly score"), score),
            ("threshold", "threshold", _("Threshold"), threshold),
        ):
            with st.container(width="content", gap=None):
                st.caption(label, help=about(word))
                # The container holds the number and nothing else, so that it can be read from outside.
                with st.container(key=key):
                    st.html(pictures.number(value))
        total = len(detector.calibration_scores_)
        as_high = int(result.at_least_as_high[0])
        st.markdown(
            _(
                "**{count:,} of {total:,}** held-out images of {normal} score this high.",
                count=as_high,
                total=total,
                normal=normal,
            ),
            width=260,
        )
    title = shown.picked.title if shown.picked else _("Your drawing")
    st.html(pictures.steps(image, title, config.preprocessing, result))
    st.html(pictures.error_legend())


def measured(result: Result, normal: str) -> str:
    """The verdict in words of what was measured."""
    ratio, factor = float(result.scores[0]) / result.threshold, float(result.loop_factors[0])
    if bool(result.verdicts[0]) and ratio <= factor:
        return _(
            "Redrawn as “{normal}”, its error is {share:.0%} of the threshold, but its loops are not those of “{normal}”: "
            "{ratio:.1f} times the threshold.",
            normal=normal,
            share=ratio / factor,
            ratio=max(ratio, 1.1),
        )
    if bool(result.verdicts[0]):
        return _("Redrawn as “{normal}”, its error is {ratio:.1f} times the threshold.", normal=normal, ratio=max(ratio, 1.1))
    if ratio < 0.01:
        return _("Redrawn as “{normal}”, its error is less than {share:.0%} of the threshold.", normal=normal, share=0.01)
    return _("Redrawn as “{normal}”, its error is {share:.0%} of the threshold.", normal=normal, share=ratio)


def second_opinion(score: float, threshold: float, normal: str, opinions: Sequence[Opinion]) -> str:
    """Which of the ten detectors redraws the image better than the one in use, if any does."""
    best = min(opinions, key=lambda opinion: opinion.ratio)
    if best.is_anomaly and score > threshold:
        return _("None of the ten detectors knows this.")
    if best.name == normal or best.ratio >= score / threshold:
        return _("None of the other detectors redraws it better.")
    return _("The detector of **{name}** redraws it better.", name=best.name)


def show_ensemble() -> None:
    """The same image before every shipped detector of the data set."""
    shown = drawings()
    if shown.image is None:
        return
    st.subheader(_("Which digit is it? Ask all ten detectors"))
    st.caption(
        _("Each of these networks knows one digit only and redraws your image as that. The longer the bar, the better the fit.")
        + " "
        + _("MNIST's 1s are bare strokes: a 1 with a flag or a foot is strange to all of them.")
    )
    rows = [(each.name, each.reconstruction, each.score, each.threshold) for each in shown.ask_all(shown.image)]
    st.html(pictures.ensemble(rows))
