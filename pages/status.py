"""Status: what the teacher wants to know of the running server; in no navigation, and only for the teacher."""

from collections.abc import Callable

import streamlit as st

from core.errors import N_, UserError
from core.jobs.job import Snapshot, TrainingJob
from core.model import layers
from core.server import process
from core.server.environment import MEGABYTE, memory_limit
from pages.shared import monitor
from pages.shared.i18n.jobs import job_sentence
from pages.shared.i18n.text import _, formatted
from pages.shared.state import access, data_sets, job_pool, visitors
from pages.shared.streamlit_internals import begin_again_with_app, connected_sessions


def show() -> None:
    """The page; that its visitor is the teacher is asked a second time, should the navigation fail."""
    if not (access.may_enter() and access.is_teacher()):
        st.error(_("This page is for the teacher."), icon=":material/lock:")
        return
    st.title(_("Status"))
    show_status()
    st.header(_("Trainings"), anchor=False)
    show_trainings()
    show_errors()


@st.fragment(run_every=5.0)
def show_status() -> None:
    """Figures of this moment."""
    running, waiting = job_pool.pool().counts
    memory = process.memory_in_use()
    elsewhere = job_pool.pool().processes.memory() / MEGABYTE
    figures = (
        (_("Open tabs"), formatted(connected_sessions(), ",")),
        (_("Visitors kept"), formatted(len(visitors.registry()), ",")),
        (_("Trainings running"), formatted(running, ",")),
        (_("Trainings waiting"), formatted(waiting, ",")),
        (_("Memory"), _("{size:,.0f} MB", size=memory + elsewhere) if memory else "–"),
        (_("Memory limit"), _("{size:,.0f} MB", size=memory_limit() / MEGABYTE)),
        (_("Needed by visitors"), _("{size:,.0f} MB", size=job_pool.pool().budget.used() / MEGABYTE)),
        (_("Threads"), formatted(process.thread_count(), ",")),
    )
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        for label, value in figures:
            st.metric(label, value, width="content")


ENDED = N_("The teacher ended this training. You can start a new one.")
PAUSED = N_("The teacher paused this training. Press Resume to go on.")
MAX_SHOWN = 40


@st.fragment(run_every=3.0)
def show_trainings() -> None:
    """Who trains what, with a way to pause or end it."""
    pool, trainings = job_pool.pool(), jobs()
    with st.container(horizontal=True, key="all-trainings"):
        if pool.is_held:
            st.button(_("Go on with all"), icon=":material/play_arrow:", on_click=hold, args=(False,), type="primary")
        else:
            st.button(_("Hold all"), icon=":material/pause:", on_click=hold, args=(True,))
        st.button(_("End the long ones"), icon=":material/stop:", on_click=end, args=(lambda job: not job.is_short,))
        st.button(_("End all"), icon=":material/stop:", on_click=end, args=(lambda _: True,))
    if pool.is_held:
        st.caption(_("No training has a turn until you let all go on."))
    if not trainings:
        st.caption(_("Nobody trains."))
        return
    rows = [(job, job.peek()) for job in trainings]
    largest = sorted(rows, key=lambda row: (row[0].is_short, -row[0].work))[:MAX_SHOWN]
    for job, snapshot in largest:
        show_training(job, snapshot)
    if len(rows) > len(largest):
        st.caption(_("and {count} more", count=len(rows) - len(largest)))


def show_training(job: TrainingJob, snapshot: Snapshot) -> None:
    """One line with two buttons. What a button calls finds the job by its number: none may hold one."""
    who = job.owner.number
    with st.container(horizontal=True, vertical_alignment="center", key=f"training-{job.number}"):
        st.button(
            _("Pause"),
            key=f"pause-{job.number}",
            icon=":material/pause:",
            disabled=not snapshot.state.is_active,
            on_click=pause,
            args=(job.number,),
        )
        st.button(_("End"), key=f"end-{job.number}", icon=":material/stop:", on_click=end_one, args=(job.number,))
        sizes = "-".join(str(stage.units) for stage in layers(job.config.model))
        classes = data_sets.joined_normal_names(job.config)
        memory = job_pool.pool().budget.used(job.owner) / MEGABYTE
        st.markdown(
            _(
                "**Visitor {number}** · {classes} · {data_set} · {sizes} · {work:.1f} × the course's work · {memory:,.0f} MB",
                number=who,
                classes=classes,
                data_set=data_sets.title_of(job.config.data_set),
                sizes=sizes,
                work=job.work,
                memory=memory,
            )
            + "  \n"
            + job_sentence(snapshot)
        )


def jobs() -> list[TrainingJob]:
    """All trainings, for the teacher alone; a page that stayed open may have become somebody else's."""
    return list(job_pool.pool().jobs()) if access.is_teacher() else []


def hold(is_held: bool) -> None:
    """Give no training a turn until all go on."""
    if access.is_teacher():
        job_pool.pool().hold(is_held)


def end(is_wanted: Callable[[TrainingJob], bool]) -> None:
    """End all trainings that are wanted, each with a sentence for whoever began it."""
    for job in jobs():
        if is_wanted(job):
            job.end(UserError(ENDED))


def end_one(number: int) -> None:
    end(lambda job: job.number == number)


def pause(number: int) -> None:
    """Pause one training; its visitor can resume it."""
    for job in jobs():
        if job.number == number:
            job.pause(UserError(PAUSED))


def show_errors() -> None:
    """The last errors of the server."""
    st.header(_("Last errors"), anchor=False)
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
