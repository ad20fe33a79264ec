"""Trainings inside of the lesson: started by a button, looked at while they run."""

from collections.abc import Callable, Sequence
from typing import Literal

import streamlit as st

from core.checkpoint import CheckpointError
from core.errors import UserError
from core.jobs.job import JobState, Snapshot, TrainingJob
from pages.shared.i18n.jobs import job_sentence
from pages.shared.i18n.text import _, translated
from pages.shared.state import training_job
from pages.shared.state.page_context import PageContext
from pages.shared.state.visitor import tab, visitor

Kind = Literal["trap", "overfitting"]


def jobs_of(kind: Kind, context: PageContext) -> tuple[TrainingJob, ...]:
    """The trainings of what the lesson is about; none of another digit, or of images that other ones have replaced."""
    about = context.config.normal_classes, context.data.name
    return tuple(job for job in getattr(visitor(), kind) if (job.config.normal_classes, job.config.data_set) == about)


def start(kind: Kind, make: Callable[[], Sequence[TrainingJob]]) -> None:
    """Begin these trainings instead of those that were there; a problem is told where they are shown."""
    who = visitor()
    with who.lock:
        for job in getattr(who, kind):
            job.drop()
        setattr(who, kind, ())
        tab().lesson_problem = None
        try:
            made = tuple(make())
        except UserError as error:
            tab().lesson_problem = error.detached()
            return
        setattr(who, kind, made)
    for job in made:
        job.resume()


def show_problem() -> None:
    if problem := tab().lesson_problem:
        st.error(translated(problem), icon=":material/error:")


Show = Callable[[Sequence[TrainingJob], Sequence[Snapshot]], None]


def look(kind: Kind, context: PageContext, show: Show) -> None:
    """Show the trainings, again and again while one of them runs. Those that nobody was looking at go on, others when asked."""
    for job in jobs_of(kind, context):
        if is_paused(snapshot := job.snapshot()) and snapshot.paused_unattended:
            job.resume()
    snapshots = [job.snapshot() for job in jobs_of(kind, context)]
    active = [snapshot for snapshot in snapshots if snapshot.state.is_active]
    if any(map(is_paused, snapshots)):
        st.button(_("Resume"), icon=":material/play_arrow:", key=f"resume-{kind}", on_click=go_on, args=(kind,))
    seconds = training_job.WAITING_POLL if any(snapshot.turn > 3 for snapshot in active) else 0.7
    st.fragment(_look, run_every=seconds if active else None)(kind, context, show)


def is_paused(snapshot: Snapshot) -> bool:
    return snapshot.state is JobState.PAUSED


def go_on(kind: Kind) -> None:
    """Resume what the teacher paused, or what could not go on."""
    for job in getattr(visitor(), kind):
        if is_paused(job.snapshot()):
            job.resume()


def _look(kind: Kind, context: PageContext, show: Show) -> None:
    jobs = jobs_of(kind, context)
    snapshots = [job.snapshot() for job in jobs]
    is_active = any(snapshot.state.is_active for snapshot in snapshots)
    was_active, tab().lesson_was_active = tab().lesson_was_active, is_active
    if was_active and not is_active:
        st.rerun()
    try:
        show(jobs, snapshots)
    except CheckpointError as error:
        st.error(translated(error), icon=":material/error:")


def progress(snapshot: Snapshot) -> None:
    """How far it is, or why it failed; nothing once it is done."""
    if not snapshot.state.is_over:
        st.progress(snapshot.progress, job_sentence(snapshot))
    elif snapshot.error:
        st.error(translated(snapshot.error), icon=":material/error:")
