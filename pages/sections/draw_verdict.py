"""Draw, the right side: verdict, score, gauge and pictures of the image at hand, and all shipped detectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st
from torch import Tensor

from core.detector import AutoencoderDetector, DetectorConfig, Result
from core.ensemble import Ensemble
from core.scoring import score_ratio
from pages.shared.components import replay
from pages.shared.html import notes, pictures, verdicts
from pages.shared.html.verdicts import Opinion
from pages.shared.i18n.glossary import about
from pages.shared.i18n.text import _, language, translated
from pages.shared.state import classroom, data_sets, detectors, job_pool, judging, keys
from pages.shared.state.drawings import Drawings, VerdictOnScreen
from pages.shared.state.turns import Priority
from pages.shared.state.visitor import tab, visitor


def look_again() -> None:
    """Bring back the moment of the drawing that was pointed at; the last one is the drawing as it is."""
    shown = visitor().drawings
    count, moment = len(shown.canvas.history.images), replay.moment_of(keys.REPLAY)
    shown.moment = moment if moment is not None and 0 <= moment < count - 1 else None


def show_verdict() -> None:
    """Verdict, score, gauge and pictures of the image at hand, and all shipped detectors.

    Everything has its place before the first stroke, so that nothing moves while one draws.
    """
    shown = visitor().drawings
    with job_pool.turn_to_judge(priority_of(not is_moving(shown))):
        show_judgement(shown)


@dataclass(frozen=True)
class Judged:
    """The image at hand before the detector in use and all shipped ones; normal: what the detector in use calls normal."""

    image: Tensor
    detector: AutoencoderDetector
    result: Result
    normal: str
    opinions: Sequence[Opinion]

    @classmethod
    def of(cls, shown: Drawings) -> "Judged":
        image = shown.image
        assert image is not None
        detector, result = judging.judge(image)
        if not shown.picked:
            shown.canvas.note_verdict_on_screen(image)
        normal = data_sets.joined_normal_names(detector.config)
        return cls(image, detector, result, normal, judging.ask_all(image, may_wait=is_moving(shown)))

    def parts(self, shown: Drawings) -> Mapping[str, str]:
        """HTML of all that follows the pen, by the key of the container that it stands in.

        Of one verdict it is made once: the page shows what a quick answer has shown already.
        """
        title, judged = shown.picked.title() if shown.picked else _("Your drawing"), what_it_is(shown)
        texts, kept = (language(), title, judged, self.normal), shown.verdict_on_screen
        if kept and kept.result is self.result and kept.opinions is self.opinions and kept.texts == texts:
            return kept.html
        score, threshold = float(self.result.scores[0]), self.result.threshold
        total, preprocessed = len(self.detector.calibration_scores_), judging.preprocess_steps_of(self.image)
        # While the pen moves all are not asked every time (`judging.ask_all`).
        if kept and kept.opinions is self.opinions and kept.texts[0] == language():
            cards = kept.html["cards"]
        else:
            cards = verdicts.ensemble(self.opinions)
        html = {
            "cards": cards,
            "verdict": verdicts.verdict(bool(self.result.verdicts[0]), verdict_sentence(self.result, self.normal), judged),
            "second-opinion": notes.note(second_opinion(score, threshold, self.normal, self.opinions)),
            "gauge": verdicts.gauge(score, threshold),
            "score": verdicts.number(score),
            "threshold": verdicts.number(threshold),
            "as-high": notes.note(as_high(self.result, total, self.normal)),
            "steps": pictures.steps(self.detector.config, title, preprocessed, self.image, self.result),
        }
        shown.verdict_on_screen = VerdictOnScreen(self.result, self.opinions, texts, html)
        return html


def show_judgement(shown: Drawings) -> None:
    """All of it for what is at hand."""
    config = detectors.detector_config()
    normal = data_sets.joined_normal_names(config)
    # On a phone it stands below the canvas. It always has a container, or the verdict would be there twice for a moment.
    with st.container(key="problem-above"):
        if shown.problem:
            st.error(translated(shown.problem), icon=":material/error:")
    is_to_be_guessed = is_hidden(shown)
    if is_to_be_guessed and not tab().has_task:
        st.rerun()  # the visitor has become a student in another tab: only the whole page asks for a guess
    with visitor().lock:  # between two quick answers
        judged = Judged.of(shown) if shown.image is not None and not is_to_be_guessed else None
        made = judged.parts(shown) if judged else waiting_parts(config, normal, is_to_be_guessed)
        answers = tab().canvas.answers
        # A quick answer changed the page behind React's back, which writes only what is new to it.
        parts = {key: notes.marked(html, answers) for key, html in made.items()}
        scores = moment_scores(shown, judged)
    for key in ("verdict", "second-opinion"):
        with st.container(key=key):
            st.html(parts[key])
    with st.container(key="gauge", gap="small"):
        st.html(parts["gauge"])
        show_replay(shown, judged, scores, answers)
    with st.container(key="numbers", horizontal=True, gap="medium", vertical_alignment="bottom"):
        show_numbers(parts, "" if judged else f"-to-come-{answers}")
    with st.container(key="steps"):
        st.html(parts["steps"])
    with st.container(key="error-legend"):
        st.html(pictures.error_legend())
    show_ensemble(parts["cards"], detectors.ensemble(config.data_set)[1])


def waiting_parts(config: DetectorConfig, normal: str, is_to_be_guessed: bool) -> Mapping[str, str]:
    """HTML of the same places before the first stroke, or before the verdict may be seen."""
    wait = _("Draw something: “{normal}”, or anything else.", normal=normal)
    if is_to_be_guessed:
        wait = _("What will the verdict be? Draw, then press your guess.")
    none = notes.note("\N{NO-BREAK SPACE}")
    return {
        "verdict": verdicts.waiting(wait),
        "second-opinion": none,
        "gauge": verdicts.gauge(None, 1.0),
        "score": verdicts.no_number(),
        "threshold": verdicts.no_number(),
        "as-high": none,
        "steps": pictures.steps(config, _("Your drawing")),
        "cards": verdicts.waiting_ensemble(detectors.ensemble(config.data_set)[0]),
    }


def priority_of(is_whole: bool) -> Priority:
    """Of a run of the page, whether or not a stroke is whole."""
    return Priority.PAGE if is_whole else Priority.PEN_MOVING


def is_hidden(shown: Drawings) -> bool:
    """Whether the verdict is not to be seen yet, because a class predicts it."""
    return not shown.picked and classroom.hides_verdict()


def is_moving(shown: Drawings) -> bool:
    """Whether the image before the detector is one of many that follow one another quickly."""
    if shown.picked:
        return False
    return not shown.canvas.is_stroke_whole or (shown.moment is not None and not replay.is_let_go(keys.REPLAY))


def what_it_is(shown: Drawings) -> str:
    """What is judged where it is not simply what is on the canvas."""
    if shown.picked:
        title = shown.picked.title()
        if shown.canvas.image is None:
            return title
        return _("{title}, not what is on the canvas", title=title)
    if shown.moment is not None:
        return _(
            "Moment {number:,} of {count:,} of your drawing",
            number=shown.moment + 1,
            count=len(shown.canvas.history.images),
        )
    return ""


def show_numbers(parts: Mapping[str, str], to_come: str) -> None:
    """Score and threshold, and how many held-out images score as high.

    to_come: what the keys of the numbers end with while there are none; a quick answer takes it away. It is another one after
    each, since React writes only what is new to it.
    """
    for key, word, label in (
        ("score", "anomaly score", _("Anomaly score")),
        ("threshold", "threshold", _("Threshold")),
    ):
        with st.container(width="content", gap=None):
            st.caption(label, help=about(word))
            # The container holds the number and nothing else, so that it can be read from outside.
            with st.container(key=key + to_come):
                st.html(parts[key])
    with st.container(key="as-high", width=260):
        st.html(parts["as-high"])


def as_high(result: Result, total: int, normal: str) -> str:
    """How many held-out images score as high."""
    return _(
        "**{count:,} of {total:,}** held-out images of {normal} score this high.",
        count=int(result.at_least_as_high[0]),
        total=total,
        normal=normal,
    )


def moment_scores(shown: Drawings, judged: Judged | None) -> list[float]:
    """The score along the drawing; none where something else is judged."""
    if judged is None or shown.picked:
        return []
    latest = float(judged.result.scores[0]) if shown.moment is None else None
    return shown.canvas.history.scores(judged.detector, latest)


def show_replay(shown: Drawings, judged: Judged | None, scores: Sequence[float], answers: int) -> None:
    """The score along the drawing, to look at each moment again."""
    threshold, normal = (judged.result.threshold, judged.normal) if judged else (1.0, "")
    generation = tab().canvas.generation
    replay.show(keys.REPLAY, scores, threshold, shown.moment, normal, generation, answers, look_again)


MAX_TIMES = 1000
"""Thresholds; how many more a score is says nothing any more, and where the threshold is 0 there is no number for it."""


def verdict_sentence(result: Result, normal: str) -> str:
    """The verdict in words of what was measured."""
    # Just above the threshold it still says 1.1 times: “1.0 times” would contradict the verdict.
    ratio, factor = score_ratio(float(result.scores[0]), result.threshold), float(result.loop_factors[0])
    if bool(result.verdicts[0]) and ratio <= factor:
        return _(
            "Redrawn as “{normal}”, it would score {share:.0%} of the threshold, but its loops are not those of “{normal}”: "
            "{ratio:.1f} times the threshold.",
            normal=normal,
            share=ratio / factor,
            ratio=max(ratio, 1.1),
        )
    if bool(result.verdicts[0]) and ratio > MAX_TIMES:
        return _("Redrawn as “{normal}”, it scores more than {ratio:,} times the threshold.", normal=normal, ratio=MAX_TIMES)
    if bool(result.verdicts[0]):
        return _("Redrawn as “{normal}”, it scores {ratio:.1f} times the threshold.", normal=normal, ratio=max(ratio, 1.1))
    if ratio < 0.01:
        return _("Redrawn as “{normal}”, it scores less than {share:.0%} of the threshold.", normal=normal, share=0.01)
    return _("Redrawn as “{normal}”, it scores {share:.0%} of the threshold.", normal=normal, share=ratio)


def second_opinion(score: float, threshold: float, normal: str, opinions: Sequence[Opinion]) -> str:
    """Which of the shipped detectors knows the image better than the one in use, if any does."""
    best = min(opinions, key=lambda opinion: opinion.ratio)
    if best.is_anomaly and score > threshold:
        return _("None of the {count} detectors knows this.", count=len(opinions))
    if best.name == normal or best.ratio >= score_ratio(score, threshold):
        return _("None of the other detectors knows it better.")
    return _("The detector of **{name}** knows it better.", name=best.name)


def show_ensemble(cards: str, ensemble: Ensemble) -> None:
    """The same image before every shipped detector of the data set; empty cards before the first stroke."""
    about_bars = _(
        "Each of these networks knows one kind only and redraws your image as that. The longer the bar, the better the fit."
    )
    if any(each.config.data_set == "mnist" for each in ensemble.detectors):
        about_bars += " " + _("MNIST's 1s are bare strokes: a 1 with a flag or a foot is strange to all of them.")
    with st.container(key="ensemble"):
        st.header(_("Which is it? Ask all {count} detectors", count=len(ensemble.detectors)))
        st.caption(about_bars)
        with st.container(key="cards"):
            st.html(cards)
