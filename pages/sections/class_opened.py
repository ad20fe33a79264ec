"""Class: one drawing of the wall, large, with its reconstruction and error map."""

from html import escape

import streamlit as st

from core.checkpoint import from_bytes
from core.detector import AutoencoderDetector, Result
from core.errors import UserError
from core.presets import Shipped
from core.server.class_records import ClassSnapshot
from pages.sections import class_tasks
from pages.sections.class_join import answered
from pages.shared.components import wall
from pages.shared.html import pictures, verdicts
from pages.shared.i18n.names import name_of
from pages.shared.i18n.text import _, translated
from pages.shared.state import class_drawings, classroom, detectors, keys
from pages.shared.state.visitor import tab


def open_one() -> None:
    """Show the drawing that was clicked large; a second click closes it."""
    number = wall.clicked(keys.WALL)
    tab().class_opened = 0 if number == tab().class_opened else number


def close_one() -> None:
    """Show none large."""
    tab().class_opened = 0


@class_drawings.remembered(4)
def _shared(code: str, _begun: float) -> AutoencoderDetector:
    return from_bytes(classroom.store().checkpoint(code)[1]).detector


@class_drawings.remembered(64)
def _result(image: bytes, detector: AutoencoderDetector) -> Result:
    """What the detector makes of a drawing; asked twice a second as long as it is shown."""
    return detector.infer(class_drawings.as_tensor(image))


def _pictures(image: bytes, detector: AutoencoderDetector) -> str:
    """The same as HTML."""
    result = _result(image, detector)
    return pictures.triple(result.images[0], result.reconstructions[0], result.error_maps[0])


def show_opened(now: ClassSnapshot, is_teacher: bool, sees_hidden: bool) -> None:
    """One drawing with reconstruction and error map; the teacher can hide it, and it is gone where hidden ones are not seen."""
    drawing = now.drawings.get(tab().class_opened)
    if drawing is None or (drawing.is_hidden and not sees_hidden):
        return
    judged, who = drawing.judgement, name_of(now.students.get(drawing.student))
    about = class_tasks.title(drawing.task, now.about.digit)
    with st.container(key="class-opened", border=True):
        left, right = st.columns([2, 1])
        with left:
            try:
                if drawing.detector:
                    detector = _shared(drawing.detector, now.about.begun)
                    about += " · " + _("against the detector {code}", code=drawing.detector)
                else:
                    detector = detectors.shipped_checkpoint(Shipped("best", "mnist", now.about.digit)).detector
                st.html(_pictures(drawing.image, detector))
            except UserError as error:
                st.caption(translated(error))
        with right:
            score = _("score {score:.4f}, threshold {threshold:.4f}", score=judged.score, threshold=judged.threshold)
            st.html(
                f"<p><b>{escape(who)}</b> {verdicts.badge(judged.is_anomaly)}</p>"
                f'<p class="label">{escape(about)}<br>{escape(score)}</p>'
            )
            with st.container(horizontal=True):
                st.button(_("Close"), key="close-drawing", icon=":material/close:", on_click=close_one)
                if is_teacher:
                    st.button(
                        _("Show it again") if drawing.is_hidden else _("Hide it"),
                        key="hide-drawing",
                        icon=":material/visibility:" if drawing.is_hidden else ":material/visibility_off:",
                        on_click=answered(hide),
                        args=(drawing.number, not drawing.is_hidden),
                    )


def hide(number: int, is_hidden: bool) -> None:
    """Take a drawing off the wall, or put it back; the code is asked for where it is done. Raises ClassError."""
    classroom.store().hide(classroom.teachers_code(), number, is_hidden)
