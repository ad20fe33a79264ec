"""Class, while there is none: what it is, and how the teacher begins one."""

import streamlit as st

from core.errors import UserError
from core.server.class_records import MAX_NAME
from pages.sections.class_wall import show_change
from pages.shared.i18n.text import _, told
from pages.shared.state import access, classroom, keys
from pages.shared.state.visitor import ClassAnswer, tab, visitor

DIGITS = tuple(range(10))
BEFORE = (0.0, 0, 0)
"""What an answer is about that is shown by the form."""


def show_beginning() -> None:
    """For everybody what it is; for the teacher the form."""
    st.markdown(
        _(
            "Everybody draws on a phone, tablet or computer, and every drawing that is sent appears here, on the wall, with "
            "its score and verdict. The teacher sets the task: draw a 5, fool the detector, walk on the edge of the threshold."
        )
    )
    st.caption(
        _(
            "Students have made-up names. What is kept: these names, the drawings with their times, scores, verdicts and "
            "predictions, detectors given to the class, and a code by which a browser is found again. All of it is deleted "
            "when the teacher ends the class, at the latest after {hours} hours.",
            hours=24 * classroom.days(),
        )
    )
    if access.is_teacher():
        show_form()
    else:
        st.info(
            _(
                "No class has begun yet. The teacher begins one on this page, at the machine on which the server runs or "
                "with the address that holds the STATUS_TOKEN: /class?token=…"
            ),
            icon=":material/hourglass_empty:",
        )
    st.fragment(show_change, run_every=2.0)()


def show_form() -> None:
    """A name, a digit, and one press."""
    with st.form("class-begin", width=480):
        st.text_input(_("Name of the class"), max_chars=MAX_NAME, placeholder=_("4b, or anything else"), key=keys.CLASS_NAME)
        st.segmented_control(_("The detector's digit"), DIGITS, default=5, required=True, format_func=str, key=keys.CLASS_DIGIT)
        st.form_submit_button(_("Begin the class"), type="primary", on_click=begin)
    answer = tab().class_answer
    if answer and answer.about == BEFORE:
        st.error(answer.text(), icon=":material/error:")
    forget_answer()


def forget_answer() -> None:
    """What was told of the form: once, and not where a class has begun, as it has at the second half of a double click."""
    answer = tab().class_answer
    if answer and answer.about == BEFORE:
        tab().class_answer = None


def begin() -> None:
    """Begin it; the one who begins is its teacher in this browser."""
    if not access.is_teacher():
        return
    name, digit = st.session_state.get(keys.CLASS_NAME) or _("Our class"), st.session_state.get(keys.CLASS_DIGIT)
    try:
        visitor().class_code = classroom.store().begin(str(name), 5 if digit is None else int(digit))
    except UserError as error:
        tab().class_answer = ClassAnswer(BEFORE, told(error), True)
