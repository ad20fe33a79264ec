"""In the detector's box: give one's own detector to the class, and put one of the class in use."""

from functools import partial

import streamlit as st

from core.errors import UserError
from pages.shared.i18n.text import _, told
from pages.shared.state import classroom, detectors, keys
from pages.shared.state.visitor import ClassAnswer, tab


def here() -> tuple[float, int, int]:
    """What an answer is about that is shown in this box: this class, in any round."""
    now = classroom.last_known()
    return now.about.begun if now else 0.0, 0, -2


def show() -> None:
    """Both, for a student of the class; nothing for anybody else."""
    try:
        if classroom.student() is None:
            return
    except UserError:
        return
    with st.container(key="class-detectors", border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.text_input(_("A detector of the class, by its code"), max_chars=8, key=keys.SHARED_CODE, width=220)
            st.button(_("Use it"), key="take-detector", on_click=take)
        chosen = detectors.choice()
        if code := classroom.shared_code():
            st.caption(_("In use: the class's detector {code}. Draw another digit that it takes, and send it.", code=code))
        elif chosen.run is not None:
            st.button(_("Give this detector to the class"), key="give-detector", icon=":material/share:", on_click=give)
        else:
            st.caption(_("A detector that you have trained can be given to the class: the others try to fool it."))
        answer = tab().class_answer
        if answer and answer.about == here():
            if answer.is_refused:
                st.error(answer.text(), icon=":material/error:")
            else:
                st.info(answer.text(), icon=":material/share:")


def take() -> None:
    """Put the detector with the code that was typed in use."""
    try:
        classroom.take_detector(str(st.session_state.get(keys.SHARED_CODE) or ""), _("of the class: {code}", code="{code}"))
        tab().class_answer = None
    except UserError as error:
        why = told(error)
        tab().class_answer = ClassAnswer(here(), lambda: f"{why()} " + _("The detector in use stays as it was."), True)


def code_sentence(code: str) -> str:
    return _("Its code is **{code}**. The others type it here.", code=code)


def give() -> None:
    """Give the detector in use to the class."""
    try:
        code = classroom.give_detector()
        tab().class_answer = ClassAnswer(here(), partial(code_sentence, code), False)
    except UserError as error:
        tab().class_answer = ClassAnswer(here(), told(error), True)
