"""Draw, the right side: verdict, score, gauge and pictures of the image at hand, and the ten detectors."""

from collections.abc import Sequence

import streamlit as st

from core.detector import AutoencoderDetector, Result
from core.drawing import PictureError, from_canvas_png
from pages.shared.components import live_canvas, replay
from pages.shared.html import pictures
from pages.shared.html.pictures import Opinion
from pages.shared.i18n.glossary import about
from pages.shared.i18n.text import _, translated
from pages.shared.state import classroom, judging, keys, session
from pages.shared.state.drawings import CANVAS_SIDE, Drawings
from pages.shared.state.visitor import tab, visitor


def follow_pen() -> None:
    """Judge what is on the canvas now, and keep it on the strip when the stroke is whole."""
    shown = visitor().drawings
    png = live_canvas.frame_of(keys.LIVE_CANVAS, tab().canvas.generation)
    if png is None:
        return
    try:
        image = from_canvas_png(png)
    except PictureError:  # the canvas's own drawing follows
        return
    canvas, is_whole = shown.canvas, live_canvas.is_whole(keys.LIVE_CANVAS)
    canvas.image, canvas.is_stroke_whole = image, is_whole
    shown.judge_canvas()
    if image is None:
        return
    canvas.moments.add(image, is_whole)
    if is_whole:
        judging.add_to_strip(image, "canvas", _("drawing"))


def look_again() -> None:
    """Bring back the moment of the drawing that was pointed at; the last one is the drawing as it is."""
    shown = visitor().drawings
    count, moment = len(shown.canvas.moments.images), replay.moment_of(keys.REPLAY)
    shown.moment = moment if moment is not None and 0 <= moment < count - 1 else None


def show_verdict() -> None:
    """Verdict, score, gauge and pictures of the image at hand, and the ten detectors; a pen that moves reruns nothing else.

    Everything has its place before the first stroke, so that nothing moves while one draws.
    """
    shown = visitor().drawings
    with session.turn_of_pen(is_moving(shown)):
        show_judgement(shown)


def show_judgement(shown: Drawings) -> None:
    """All of it for what is at hand."""
    live_canvas.show(keys.LIVE_CANVAS, tab().canvas.generation, CANVAS_SIDE, follow_pen)
    image = shown.image
    config = session.detector_config()
    normal = session.class_names(config.data_set, config.normal_classes)
    if shown.problem:
        st.error(translated(shown.problem), icon=":material/error:")
    is_hidden = not shown.picked and classroom.hides_verdict()
    detector, result = judging.judge(image) if image is not None and not is_hidden else (None, None)
    with st.container(key="verdict"):
        if is_hidden:
            st.html(pictures.waiting(_("What will the verdict be? Draw, then press your guess.")))
        elif result is None:
            st.html(pictures.waiting(_("Draw something: a {normal}, or anything else.", normal=normal)))
        else:
            st.html(pictures.verdict(bool(result.verdicts[0]), measured(result, normal), what_it_is(shown)))
    opinions: Sequence[Opinion] = ()
    if image is not None and not is_hidden:
        opinions = judging.ask_all(image, may_wait=is_moving(shown))
    with st.container(key="second-opinion"):
        if result is None:
            st.caption("\N{NO-BREAK SPACE}")
        else:
            st.caption(second_opinion(float(result.scores[0]), result.threshold, normal, opinions))
    with st.container(key="gauge", gap="small"):
        st.html(pictures.gauge(float(result.scores[0]), result.threshold) if result else pictures.gauge(None, 1.0))
        show_replay(shown, detector, result, normal)
    with st.container(key="numbers", horizontal=True, gap="medium", vertical_alignment="bottom"):
        if detector and result:
            show_numbers(result, len(detector.calibration_scores_), normal)
        else:
            st.caption("\N{NO-BREAK SPACE}")  # an empty container would have no height
    with st.container(key="steps"):
        st.html(pictures.steps(config, shown.picked.title if shown.picked else _("Your drawing"), image, result))
    with st.container(key="error-legend"):
        st.html(pictures.error_legend())
    show_ensemble(opinions)


def is_moving(shown: Drawings) -> bool:
    """Whether the image before the detector is one of many that follow one another quickly."""
    if shown.picked:
        return False
    return not shown.canvas.is_stroke_whole or (shown.moment is not None and not replay.is_let_go(keys.REPLAY))


def what_it_is(shown: Drawings) -> str:
    """What is judged where it is not simply what is on the canvas."""
    if shown.picked:
        title = shown.picked.title
        if shown.canvas.image is None:
            return title
        return _("{title}, not what is on the canvas", title=title)
    if shown.moment is not None:
        return _(
            "Moment {number:,} of {count:,} of your drawing",
            number=shown.moment + 1,
            count=len(shown.canvas.moments.images),
        )
    return ""


def show_numbers(result: Result, total: int, normal: str) -> None:
    """Score and threshold, and how many held-out images score as high."""
    for key, word, label, value in (
        ("score", "anomaly score", _("Anomaly score"), float(result.scores[0])),
        ("threshold", "threshold", _("Threshold"), result.threshold),
    ):
        with st.container(width="content", gap=None):
            st.caption(label, help=about(word))
            # The container holds the number and nothing else, so that it can be read from outside.
            with st.container(key=key):
                st.html(pictures.number(value))
    st.markdown(
        _(
            "**{count:,} of {total:,}** held-out images of {normal} score this high.",
            count=int(result.at_least_as_high[0]),
            total=total,
            normal=normal,
        ),
        width=260,
    )


def show_replay(shown: Drawings, detector: AutoencoderDetector | None, result: Result | None, normal: str) -> None:
    """The score along the drawing, to look at each moment again."""
    moments, scores = shown.canvas.moments, list[float]()
    if detector and result and not shown.picked:
        scores = moments.scores(detector, float(result.scores[0]) if shown.moment is None else None)
    threshold = result.threshold if result else 1.0
    replay.show(keys.REPLAY, scores, threshold, shown.moment, normal, look_again)


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


def show_ensemble(opinions: Sequence[Opinion]) -> None:
    """The same image before every shipped detector of the data set; empty cards before the first stroke."""
    about_bars = _(
        "Each of these networks knows one digit only and redraws your image as that. The longer the bar, the better the fit."
    )
    with st.container(key="experts"):
        st.subheader(_("Which digit is it? Ask all ten detectors"))
        st.caption(f"{about_bars} " + _("MNIST's 1s are bare strokes: a 1 with a flag or a foot is strange to all of them."))
        names, _ensemble = session.ensemble(session.detector_config().data_set)
        st.html(pictures.ensemble(opinions) if opinions else pictures.waiting_ensemble(names))
