"""Class: everybody's drawings on one wall, the task that the teacher sets, and who stands where."""

import streamlit as st

from core.errors import UserError
from pages.sections.class_address import show_address
from pages.sections.class_begin import forget_answer, show_beginning
from pages.sections.class_join import show_join
from pages.sections.class_teacher import show_controls
from pages.sections.class_wall import seen, show_change, show_wall
from pages.shared.i18n.text import _, plain, translated
from pages.shared.state import class_drawings, classroom, link
from pages.shared.state.visitor import tab
from pages.shared.streamlit_internals import begin_again_with_app


def show() -> None:
    """The page."""
    try:
        now, who = classroom.snapshot(), classroom.student()
    except UserError as error:
        st.title(_("The class"))
        st.error(translated(error), icon=":material/error:")
        tab().class_seen = translated(error)
        st.fragment(show_change, run_every=2.0)()
        return
    tab().class_seen = seen(now)
    if now is None:
        class_drawings.forget()
        st.title(_("The class together"))
        show_beginning()
        return
    forget_answer()
    st.title(plain(now.about.name))
    is_teacher = bool(classroom.teachers_code())
    if is_teacher:
        show_controls(now)
    if not link.is_projector():
        if is_teacher:
            show_address(now)
        show_join(now, who, is_teacher)
    st.fragment(show_wall, run_every=0.5)()


if __name__ == "__main__":
    begin_again_with_app()
