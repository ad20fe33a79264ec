"""Class: how one joins, and as whom one has."""

from collections.abc import Callable
from functools import partial

import streamlit as st

from core.errors import UserError
from core.server.class_records import MAX_NAME, ClassSnapshot, Student, typed
from pages.shared.i18n.names import name_of
from pages.shared.i18n.text import Told, _, told
from pages.shared.navigation import page_of
from pages.shared.state import access, classroom, keys
from pages.shared.state.visitor import ClassAnswer, tab, visitor


def show_join(now: ClassSnapshot, who: Student | None, is_teacher: bool) -> None:
    """What one should know before one begins, and one press; afterwards the made-up name and the way to Draw."""
    with st.container(key="class-join", horizontal=True, vertical_alignment="center"):
        if who is not None:
            st.markdown(
                _("You are **{name}**. What you send from Draw goes to the wall under this name.", name=name_of(who)),
                width="content",
            )
            st.page_link(page_of("draw"), label=_("Draw for the class"), icon=":material/draw:", width="content")
        elif not is_teacher:  # the teacher's button stands with the others
            st.button(
                _("Join the class"),
                key="join-class",
                icon=":material/login:",
                type="primary",
                on_click=answered(classroom.join),
            )
            st.caption(
                _(
                    "You get a made-up name, and no account. Drawings that you send go to the wall, where the class sees them. "
                    "What is kept: the name, your drawings with their times, scores, verdicts and predictions, detectors that "
                    "you give to the class, and a code by which your browser is found again. All of it is deleted when the "
                    "teacher ends the class, at the latest after {hours} hours.",
                    hours=24 * classroom.days(),
                ),
                width="stretch",
            )
        if not is_teacher:
            with st.popover(_("I am the teacher"), type="tertiary"):
                st.text_input(_("The teacher's code"), max_chars=MAX_NAME, key=keys.CLASS_CODE, type="password")
                st.button(_("Come in"), key="class-code-given", on_click=take_code)
    show_answer(now)


def show_answer(now: ClassSnapshot) -> None:
    """Why the last press did nothing."""
    answer = tab().class_answer
    if answer and answer.is_refused and answer.about == (now.about.begun, now.about.round, -1):
        st.error(answer.text(), icon=":material/error:")
        tab().class_answer = None


def refuse(text: Told) -> None:
    """Have the page say why nothing was done."""
    tab().class_answer = ClassAnswer(classroom.in_this_round(-1), text, True)


def answered(do: Callable[..., object]) -> Callable[..., None]:
    """A callback whose error the page tells in a sentence."""

    def do_or_refuse(*values: object) -> None:
        try:
            do(*values)
        except UserError as error:
            refuse(told(error))

    return do_or_refuse


def take_code() -> None:
    """Take what was typed for the teacher's code; guesses wait, as those of the password do."""
    about, given = classroom.about(), typed(str(st.session_state.get(keys.CLASS_CODE) or ""))
    if about is None:
        return
    if wait := access.wait_for(about.code):
        refuse(partial(access.wait_sentence, wait))
    elif access.knows(about.code, given):
        visitor().class_code = given
    else:
        refuse(lambda: _("That is not the teacher's code."))
