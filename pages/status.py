"""Status: what the teacher wants to know of the running server; in no navigation, and only for the teacher."""

import streamlit as st

from core.server import process
from pages.shared import monitor
from pages.shared.i18n.text import _, formatted
from pages.shared.state import access, session, visitors
from pages.shared.streamlit_internals import begin_again_with_app, connected_sessions


def show() -> None:
    """The page, which looks at its visitor itself: nobody gets here by another way than the navigation."""
    if not (access.is_open() and access.is_teacher()):
        st.error(_("This page is for the teacher."), icon=":material/lock:")
        return
    st.title(_("Status"))
    show_status()


@st.fragment(run_every=5.0)
def show_status() -> None:
    """Figures of this moment, and the last errors."""
    running, waiting = session.pool().counts
    memory = process.memory_in_use()
    figures = (
        (_("Sessions"), formatted(connected_sessions(), ",")),
        (_("Visitors kept"), formatted(len(visitors.kept()), ",")),
        (_("Trainings running"), formatted(running, ",")),
        (_("Trainings waiting"), formatted(waiting, ",")),
        (_("Memory"), _("{size:,.0f} MB", size=memory) if memory else "–"),
        (_("Threads"), formatted(process.thread_count(), ",")),
    )
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        for label, value in figures:
            st.metric(label, value, width="content")
    st.subheader(_("Last errors"), anchor=False)
    errors = [
        {_("When"): when.astimezone().strftime("%H:%M:%S"), _("Where"): where, _("What"): text}
        for when, where, text in monitor.last_errors().kept
    ]
    if errors:
        st.dataframe(errors, hide_index=True)
    else:
        st.caption(_("None since the start."))


if __name__ == "__main__":
    begin_again_with_app()
