"""Class, the teacher's buttons: the task with one press each, and everything about the wall. Each press needs the code."""

import streamlit as st

from core.server.class_records import ClassSnapshot, Seen
from core.server.tasks import TASKS, Task
from pages.sections import class_tasks
from pages.sections.class_archive import show_take_away
from pages.sections.class_join import answered
from pages.shared.i18n.text import _
from pages.shared.state import classroom, link
from pages.shared.state.visitor import tab, visitor


def show_controls(now: ClassSnapshot) -> None:
    """One row: the tasks, and a box with the rest. They are drawn for the teacher only, and do nothing for anybody else."""
    about = now.about
    with st.container(key="class-teacher", horizontal=True, vertical_alignment="center"):
        for task in TASKS:
            st.button(
                class_tasks.title(task, about.digit),
                key=f"task-{task}",
                type="primary" if task == about.task else "secondary",
                help=class_tasks.rule(task, about.digit),
                on_click=answered(choose),
                args=(task,),
            )
        # Closed it is empty, for a class that looks over the teacher's shoulder.
        box = st.popover(_("More"), icon=":material/tune:", key="class-more", on_change="rerun")
        if box.open:
            with box:
                show_more(now)


def show_more(now: ClassSnapshot) -> None:
    """Close, who sees the wall, clear, the code, take away, end."""
    about = now.about
    is_for_all = about.seen_by == "everybody"
    with st.container(horizontal=True):
        st.button(
            _("Close the wall") if about.is_open else _("Open the wall"),
            key="open-wall",
            icon=":material/lock:" if about.is_open else ":material/lock_open:",
            on_click=answered(set_open),
            args=(not about.is_open,),
        )
        st.button(
            _("Only I see the wall") if is_for_all else _("Everybody sees the wall"),
            key="wall-seen-by",
            icon=":material/visibility_off:" if is_for_all else ":material/visibility:",
            on_click=answered(show_to),
            args=("teacher" if is_for_all else "everybody",),
        )
        if classroom.student() is None:
            st.button(_("Join the class"), key="join-class", icon=":material/login:", on_click=answered(classroom.join))
    st.caption(_("To hide one drawing, click it on the wall."))
    if not link.is_projector():  # at which the class looks
        st.markdown(_("Teacher's code, for these buttons on another device: **{code}**", code=about.code))
    show_take_away(now)
    st.divider()
    is_sure = st.checkbox(_("I want to delete drawings"), key="sure")
    with st.container(horizontal=True):
        st.button(
            _("Clear the wall"), key="clear-wall", icon=":material/delete:", on_click=answered(clear), disabled=not is_sure
        )
        st.button(
            _("End the class"), key="end-class", icon=":material/delete_forever:", on_click=answered(end), disabled=not is_sure
        )
    st.caption(_("The end deletes everything: drawings, names, detectors and the list. Take away first what you want to keep."))


def choose(task: Task) -> None:
    """Set the task. Raises ClassError, as all below do for whoever is not the teacher."""
    classroom.store().choose(classroom.teachers_code(), task)
    tab().class_opened = 0


def set_open(is_open: bool) -> None:
    """Take in drawings, or no more."""
    classroom.store().open(classroom.teachers_code(), is_open)


def show_to(seen_by: Seen) -> None:
    """Who sees the wall."""
    classroom.store().show_wall_to(classroom.teachers_code(), seen_by)


def clear() -> None:
    """Delete every drawing."""
    classroom.store().clear(classroom.teachers_code())
    tab().class_opened = 0


def end() -> None:
    """Delete the class."""
    classroom.store().end(classroom.teachers_code())
    visitor().class_code, tab().class_opened = "", 0
