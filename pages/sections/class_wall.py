"""Class, the wall: everybody's drawings with score and verdict, the histogram, the list, and one drawing shown large."""

from collections.abc import Sequence
from html import escape

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from core.checkpoint import from_bytes
from core.detector import AutoencoderDetector, Result
from core.errors import UserError
from core.presets import Shipped
from core.server.class_records import Drawing, Moment, Student
from core.server.tasks import fooled
from pages.sections import class_tasks
from pages.sections.class_address import show_address
from pages.sections.class_join import answered
from pages.shared.components import wall
from pages.shared.html import pictures, signs
from pages.shared.i18n.names import name_of
from pages.shared.i18n.text import _, formatted, language, ngettext, translated
from pages.shared.state import class_drawings, classroom, detectors, keys, link
from pages.shared.state.visitor import tab, visitor

MOST_IN_SIGHT = 200
MOST_LISTED = 12
NEWEST, RANKED = "newest", "ranked"


def seen(now: Moment | None) -> object:
    """What the page around the wall depends on; where it has changed the whole page runs anew."""
    return now and (now.about, not now.drawings)


def show_change() -> None:
    """Look whether a class has begun or ended, and show nothing."""
    try:
        if tab().class_seen != seen(classroom.moment()):
            st.rerun()
        classroom.run_again_only_if_changed(seen)
    except UserError:
        return  # the next run says it


def show_wall() -> None:
    """The wall as it is now; looked at again twice a second."""
    try:
        now = classroom.moment()
    except UserError as error:
        st.error(translated(error), icon=":material/error:")
        return
    if now is None or tab().class_seen != seen(now):
        st.rerun()
    who, is_teacher, is_projector = visitor(), bool(classroom.teachers_code()), link.is_projector()
    # Another tab of this browser may become the teacher's, or read another language.
    classroom.run_again_only_if_changed(
        lambda now: (now and (now.about, now.change), who.class_code, who.is_teacher, who.language)
    )
    with st.container(key="class-wall"):
        if now.about.seen_by != "everybody" and not is_teacher:
            st.html(heading(now))
            st.info(_("The teacher shows the wall."), icon=":material/visibility_off:")
            if is_projector:
                show_address(now)
            return
        if not is_projector:
            st.html(heading(now))
        is_waiting = is_projector and not now.drawings  # and the code has the room
        left, right = st.columns([1, 1] if is_waiting else [2.8, 1], gap="medium")
        with right:
            if is_projector:
                show_address(now)
            order = NEWEST if is_waiting else ask_order()
        with left:
            if is_projector:
                st.html(heading(now))
            show_opened(now, is_teacher)
            drawings = in_order(now, order, is_teacher)[:MOST_IN_SIGHT]
            ratios = [each.judgement.ratio for each in drawings if not each.is_hidden]
            wall.show(keys.WALL, [card(now, each) for each in drawings], ratios, tab().class_opened, open_one, is_projector)
        with right:
            is_ranked = not is_waiting and now.about.task != "free"
            most = MOST_LISTED if not is_projector else 2 if is_ranked and now.detectors else 4
            if is_ranked:
                st.html(as_list(now, most))
            if now.detectors:
                st.html(detectors_fooled_least(now, most))


def ask_order() -> str:
    """The newest first, or the best."""
    chosen = st.segmented_control(
        _("Order"),
        (NEWEST, RANKED),
        default=NEWEST,
        required=True,
        format_func={NEWEST: _("Newest"), RANKED: _("Best")}.__getitem__,
        key=keys.WALL_ORDER,
        label_visibility="collapsed",
    )
    return str(chosen)


def heading(now: Moment) -> str:
    """The task, its rule, and how many are there."""
    about = now.about
    students = ngettext("{count} student", "{count} students", len(now.students))
    drawings = ngettext("{count} drawing", "{count} drawings", len(now.shown()))
    counted = f"{students} · {drawings}" + ("" if about.is_open else f" · {_('closed')}")
    rule = f"{class_tasks.rule(about.task, about.digit)} {class_tasks.common_rule(about.task)}"
    if link.is_projector():
        rule = class_tasks.brief_rule(about.task, about.digit)
    return (
        f'<div class="class-heading"><h2>{escape(class_tasks.title(about.task, about.digit))}</h2>'
        f'<span class="label">{escape(counted)}</span><p>{escape(rule)}</p></div>'
    )


def in_order(now: Moment, order: str, is_teacher: bool) -> Sequence[Drawing]:
    """What is on the wall: the newest first, to the teacher hidden ones too; or this task's list, then what does not count."""
    if order == RANKED:
        best = [now.drawings[place.drawing] for place in now.places.values()]
        rest = [each for each in reversed(now.in_round()) if each not in best]
        return best + rest
    visible = [each for each in now.drawings.values() if is_teacher or not each.is_hidden]
    return visible[::-1]


@class_drawings.remembered(4096)
def _address(image: bytes) -> str:
    return pictures.png_address(pictures.png(as_pixels(image)))


def as_pixels(image: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A drawing's bytes (28, 28)."""
    return np.frombuffer(image, dtype=np.uint8).reshape(28, 28)


def as_tensor(image: bytes) -> Tensor:
    """A drawing's bytes as an image (1, 1, 28, 28)."""
    return torch.from_numpy(as_pixels(image).astype(np.float32) / 255)[None, None]


def card(now: Moment, drawing: Drawing) -> wall.Card:
    """One drawing for the component."""
    own = now.places.get(drawing.student)
    place = str(own.place) if own and own.drawing == drawing.number else ""
    return _card(drawing, now.students.get(drawing.student), place, language())


@class_drawings.remembered(4096)
def _card(drawing: Drawing, student: Student | None, place: str, _language: str) -> wall.Card:
    """Made once for all who look: two hundred cards twice a second would cost a wall a tenth of a processor."""
    judged, who = drawing.judgement, name_of(student)
    score = formatted(judged.score, ".4f")
    verdict = pictures.verdict_word(judged.is_anomaly)
    return wall.Card(
        drawing.number,
        _address(drawing.image),
        score,
        signs.of_verdict(judged.is_anomaly).mark,
        place,
        who,
        _("{name}: {verdict}, anomaly score {score}", name=who, verdict=verdict, score=score),
        "anomaly" if judged.is_anomaly else "normal",
        verdict,
        drawing.is_hidden,
    )


def open_one() -> None:
    """Show the drawing that was clicked large; a second click closes it."""
    number = wall.clicked(keys.WALL)
    tab().class_opened = 0 if number == tab().class_opened else number


def close_one() -> None:
    """Show none large."""
    tab().class_opened = 0


@class_drawings.remembered(4)
def _shared(code: str, _begun: float) -> AutoencoderDetector:
    return from_bytes(classroom.room().checkpoint(code)[1]).detector


@class_drawings.remembered(64)
def _result(image: bytes, detector: AutoencoderDetector) -> Result:
    """What the detector makes of a drawing; asked twice a second as long as it is shown."""
    return detector.infer(as_tensor(image))


def _pictures(image: bytes, detector: AutoencoderDetector) -> str:
    """The same as HTML."""
    result = _result(image, detector)
    return pictures.triple(result.images[0], result.reconstructions[0], result.error_maps[0])


def show_opened(now: Moment, is_teacher: bool) -> None:
    """One drawing with reconstruction and error map; the teacher can hide it."""
    drawing = now.drawings.get(tab().class_opened)
    if drawing is None or (drawing.is_hidden and not is_teacher):
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
                f"<p><b>{escape(who)}</b> {pictures.badge(judged.is_anomaly)}</p>"
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
    classroom.room().hide(classroom.teachers_code(), number, is_hidden)


def as_list(now: Moment, most: int) -> str:
    """Who stands where in this task."""
    about = now.about
    lines = []
    for each in list(now.places.values())[:most]:
        drawing, who = now.drawings[each.drawing], name_of(now.students.get(each.student))
        value = formatted(abs(each.worth), ".4f")
        if about.task == "blind":
            value = ngettext("{count} point", "{count} points", int(each.worth))
        picture = f'<img class="pic" alt="" src="{_address(drawing.image)}">'
        lines.append(
            f'<li><b>{each.place}</b>{picture}<span>{escape(who)}</span><span class="value">{escape(value)}</span></li>'
        )
    more = len(now.places) - len(lines)
    rest = f'<p class="label">{escape(_("and {count} more", count=more))}</p>' if more > 0 else ""
    body = (
        f'<ol class="class-list">{"".join(lines)}</ol>{rest}' if lines else f"<p>{escape(_('Nobody is in the list yet.'))}</p>"
    )
    return f"<h3>{escape(_('The list'))}</h3>{body}"


def detectors_fooled_least(now: Moment, most: int) -> str:
    """Whose detector was fooled least."""
    lines = []
    for each in fooled(now.detectors.values(), now.shown())[:most]:
        who = name_of(now.students.get(now.detectors[each.code].student))
        tried = ngettext("fooled {fooled} of {count} time", "fooled {fooled} of {count} times", each.tries, fooled=each.fooled)
        lines.append(
            f"<li><b>{escape(each.code)}</b><span>{escape(who)} · {now.detectors[each.code].digit}</span>"
            f'<span class="value">{escape(tried)}</span></li>'
        )
    title = escape(_("Detectors of the class"))
    return f'<h3>{title}</h3><ol class="class-list">{"".join(lines)}</ol>'
