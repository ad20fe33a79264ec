"""Class, the wall: everybody's drawings with score and verdict, the histogram, the list, and one drawing shown large."""

from collections.abc import Sequence
from html import escape

import streamlit as st

from core.errors import UserError
from core.server.class_records import ClassSnapshot, Drawing, Student
from pages.sections import class_tasks
from pages.sections.class_address import show_address
from pages.sections.class_lists import as_list, detectors_fooled_least
from pages.sections.class_opened import open_one, show_opened
from pages.shared.components import wall
from pages.shared.html import signs, verdicts
from pages.shared.i18n.names import name_of
from pages.shared.i18n.text import _, formatted, language, ngettext, translated
from pages.shared.state import class_drawings, classroom, keys, link
from pages.shared.state.visitor import tab, visitor

MAX_IN_SIGHT = 200
MAX_LISTED = 12
NEWEST, RANKED = "newest", "ranked"


def seen(now: ClassSnapshot | None) -> object:
    """What the page around the wall depends on; where it has changed the whole page runs anew."""
    return now and (now.about, not now.drawings)


def show_change() -> None:
    """Look whether a class has begun or ended, and show nothing."""
    try:
        now, _student = classroom.snapshot(), classroom.student()  # what the page needs: it may have failed to get either
        if tab().class_seen != seen(now):
            st.rerun()
        classroom.run_again_only_if_changed(seen, now)
    except UserError:
        classroom.run_again_once_it_answers()  # the page says it


def show_wall() -> None:
    """The wall as it is now; looked at again twice a second."""
    try:
        now = classroom.snapshot()
    except UserError as error:
        classroom.run_again_once_it_answers()
        st.error(translated(error), icon=":material/error:")
        return
    if now is None or tab().class_seen != seen(now):
        st.rerun()
    who, is_teacher, is_projector = visitor(), bool(classroom.teachers_code()), link.is_projector()
    # Another tab of this browser may become the teacher's, or read another language.
    classroom.run_again_only_if_changed(
        lambda now: (now and (now.about, now.change), who.class_code, who.is_teacher, who.language), now
    )
    with st.container(key="class-wall"):
        if now.about.seen_by != "everybody" and (not is_teacher or is_projector):  # at which the class looks
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
            sees_hidden = is_teacher and not is_projector
            show_opened(now, is_teacher, sees_hidden)
            drawings = in_order(now, order, sees_hidden)
            begin = ask_part(len(drawings)) if sees_hidden else 0
            beyond = 0 if sees_hidden else max(0, len(drawings) - MAX_IN_SIGHT)
            drawings = drawings[begin : begin + MAX_IN_SIGHT]
            cards = [card(now, each) for each in drawings]
            ratios = [each.judgement.ratio for each in drawings if not each.is_hidden]
            wall.show(keys.WALL, cards, beyond, ratios, tab().class_opened, open_one, is_projector)
        with right:
            is_ranked = not is_waiting and now.about.task != "free"
            most = MAX_LISTED if not is_projector else 2 if is_ranked and now.detectors else 4
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


def ask_part(count: int) -> int:
    """Where the part of so many drawings begins that is in sight: only what the teacher sees can be hidden."""
    parts = -(-count // MAX_IN_SIGHT)
    return 0 if parts < 2 else MAX_IN_SIGHT * (st.pagination(parts, key=keys.WALL_PART) - 1)


def heading(now: ClassSnapshot) -> str:
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


def in_order(now: ClassSnapshot, order: str, sees_hidden: bool) -> Sequence[Drawing]:
    """What is on the wall: the newest first, with hidden ones or without; or this task's list, then what does not count."""
    if order == RANKED:
        best = {place.drawing: now.drawings[place.drawing] for place in now.places.values()}
        rest = [each for each in reversed(now.in_round()) if each.number not in best]
        return [*best.values(), *rest]
    # By time: what was sent again keeps its number.
    return sorted(now.drawings.values() if sees_hidden else now.shown(), key=lambda each: (each.time, each.number))[::-1]


def card(now: ClassSnapshot, drawing: Drawing) -> wall.Card:
    """One drawing for the component."""
    own = now.places.get(drawing.student)
    place = str(own.place) if own and own.drawing == drawing.number else ""
    return _card(drawing, now.students.get(drawing.student), place, language())


@class_drawings.remembered(4096)
def _card(drawing: Drawing, student: Student | None, place: str, _language: str) -> wall.Card:
    """Made once for all who look: two hundred cards twice a second would cost a wall a tenth of a processor."""
    judged, who = drawing.judgement, name_of(student)
    score = formatted(judged.score, ".4f")
    verdict = verdicts.verdict_word(judged.is_anomaly)
    return wall.Card(
        drawing.number,
        class_drawings.data_url(drawing.image),
        score,
        signs.of_verdict(judged.is_anomaly).mark,
        place,
        who,
        _("{name}: {verdict}, anomaly score {score}", name=who, verdict=verdict, score=score),
        "anomaly" if judged.is_anomaly else "normal",
        verdict,
        drawing.is_hidden,
    )
