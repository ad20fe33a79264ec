"""Draw, at the top, for a student of the class: the task as the teacher sets it, and the way to the wall."""

from functools import partial
from html import escape

import streamlit as st

from core.server.class_records import ClassError, ClassSnapshot, ClassUnavailableError, Student
from pages.sections import class_tasks
from pages.sections.draw_pen import follow_pen
from pages.shared.html import verdicts
from pages.shared.i18n.names import name_of
from pages.shared.i18n.text import _, told, translated
from pages.shared.state import classroom
from pages.shared.state.visitor import ClassAnswer, Visitor, tab, visitor

POLL_SECONDS = 1.5
"""Between two looks at the task; of thirty students each costs a few milliseconds."""


def show_class_task() -> None:
    """The task and the way to the wall; nothing for whoever is no student. Where that is not known, it is found out."""
    tab().has_task = False
    try:
        now, who = classroom.snapshot(), classroom.student()
        if now is None or who is None:
            return
    except ClassUnavailableError:
        now = classroom.store().seen
    tab().has_task, tab().class_seen = True, seen(now)
    st.fragment(show_task, run_every=POLL_SECONDS)()


def seen(now: ClassSnapshot | None) -> object:
    """What the rest of the page depends on: another round may hide the verdict, or show it again.

    In blind the canvas's number too: what was predicted is seen, and the next drawing is not.
    """
    is_blind = now is not None and now.about.task == "blind"
    return now and (now.about.begun, is_blind, now.about.is_open, is_blind and classroom.generation())


def show_task() -> None:
    """Look at the class again. A stroke is not disturbed: only where the verdict comes or goes the page runs anew."""
    try:
        now, who = classroom.snapshot(), classroom.student()
    except ClassUnavailableError as error:
        classroom.run_again_once_it_answers()
        if visitor().student is not None:
            with st.container(key="class-task"):
                st.caption(translated(error))
        return
    if now is None or who is None or tab().class_seen != seen(now):
        st.rerun()
    classroom.run_again_only_if_changed(partial(shown, visitor(), who.number), now)
    with st.container(key="class-task", horizontal=True, vertical_alignment="center"):
        with st.container(key="class-task-text", width="stretch"):
            st.html(text(now, who))
        with st.container(key="class-task-buttons", horizontal=True, width="content", gap="small"):
            show_buttons(now)


def shown(mine: Visitor, student: int, now: ClassSnapshot | None) -> object:
    """What the line below is made of, without the texts. Another tab of this browser may change what is the visitor's."""
    own = now and now.places.get(student)
    where = (own.place, len(now.places)) if now and own else None
    is_seen = mine.drawings.canvas.is_verdict_seen
    return now and now.about, where, classroom.generation_of(mine), is_seen, mine.student, mine.choice, mine.language


def text(now: ClassSnapshot, who: Student) -> str:
    """The task, who one is, the place in the list, and what became of the drawing that was sent last, or the rule."""
    about, answer = now.about, tab().class_answer
    where = class_tasks.place(now, who.number)
    line, kind = class_tasks.brief_rule(about.task, about.digit), "rule"
    if not about.is_open:
        line = _("The teacher has closed the wall.")
    elif answer and answer.about == (about.begun, about.round, classroom.generation()):
        line, kind = answer.text(), "refused" if answer.is_refused else "answer"
    elif classroom.is_known_beforehand():
        line, kind = _(classroom.SEEN_BEFOREHAND), "refused"
    if code := classroom.shared_code():
        line = _("Against the detector {code}: draw another digit that it takes.", code=code) if kind == "rule" else line
    about_me = " · ".join(filter(None, (name_of(who), where)))
    return (
        f'<div class="class-line"><b>{escape(class_tasks.title(about.task, about.digit))}</b> '
        f'<span class="label">{escape(about_me)}</span><small class="{kind}">{escape(line)}</small></div>'
    )


def show_buttons(now: ClassSnapshot) -> None:
    """One press sends the drawing; where the verdict is to be predicted, there is a button for each prediction."""
    about = now.about
    if not classroom.is_judged_by_the_class():
        if st.button(_("Use the class's detector"), on_click=classroom.use_the_classs_detector, key="class-detector"):
            st.rerun()  # the verdict and the page's header are its own
    elif about.task == "blind" and not classroom.shared_code():
        for is_anomaly in (False, True):
            st.button(
                _("{verdict}?", verdict=verdicts.verdict_word(is_anomaly)),
                key="predict-anomaly" if is_anomaly else "predict-normal",
                on_click=send,
                args=(about.round, is_anomaly),
                disabled=not about.is_open or classroom.is_known_beforehand() or classroom.sent() is not None,
            )
    else:
        st.button(
            _("Send to the wall"),
            key="send-drawing",
            icon=":material/send:",
            type="primary",
            on_click=send,
            args=(about.round,),
            disabled=not about.is_open,
        )


def send(in_round: int, prediction: bool | None = None) -> None:
    """Send what is on the canvas for the task that was seen, and keep the answer for this drawing."""
    if prediction is not None and classroom.sent():
        return  # a second tap; the first one has its answer
    follow_pen()
    try:
        drawing = classroom.send(in_round, prediction)
        now = classroom.store().now(at_once=True)
        if now is None:
            return
        outcome = partial(class_tasks.outcome, drawing, now.about.digit, drawing.number in now.beyond_blind_tries)
        tab().class_answer = ClassAnswer((now.about.begun, drawing.round, drawing.generation), outcome, False)
        if drawing.task == "blind":
            tab().class_seen = None  # the verdict is shown now
    except ClassError as error:
        tab().class_answer = ClassAnswer(classroom.in_this_round(classroom.generation()), told(error), True)
