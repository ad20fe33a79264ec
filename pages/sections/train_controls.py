"""Train, above the curve: the buttons, and one sentence that says where the training stands."""

import math
from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from core.checkpoint import Checkpoint
from core.detector import DetectorConfig
from core.device import choose_device
from core.errors import UserError
from core.jobs.job import JobState, Snapshot
from pages.shared.forms import settings
from pages.shared.i18n.jobs import job_sentence
from pages.shared.i18n.text import _, translated
from pages.shared.state import data_sets, detectors, job_pool, keys, own_data, training_job
from pages.shared.state.visitor import tab, visitor


def start(single_step: bool = False) -> None:
    """Begin or go on."""
    training = visitor().job
    if training is None:
        try:
            asked = settings.read()
        except UserError:
            return  # the page says it
        try:
            # The data at hand, which is the UCI digits where the wanted set is still on its way.
            data = data_sets.at_hand(asked.data_set).data
            config = replace(asked, data_set=data.name)
            split = data_sets.split_of(config, data)
            own_data.remember(data.name)
            device = None if job_pool.scheduler() else choose_device(st.session_state.get(keys.DEVICE))
            training = training_job.start(config, split, device)
        except UserError as error:
            tab().job_problem = asked, error.detached()
            return
    tab().job_problem = None
    (training.step if single_step else training.resume)()


def show_controls(config: DetectorConfig | None) -> None:
    """Start, Pause, Step, Stop, Reset."""
    training = visitor().job
    state = training.snapshot().state if training else JobState.READY
    can_start = config is not None and not state.is_active
    buttons: list[tuple[str, str, str | None, Callable[[], None], bool]] = [
        (_("Pause"), ":material/pause:", "P", training_job.pause, state.is_active),
        (_("Step"), ":material/skip_next:", "N", lambda: start(single_step=True), can_start),
        (_("Stop"), ":material/stop:", None, training_job.stop, training is not None),
        (
            _("Reset"),
            ":material/restart_alt:",
            None,
            training_job.drop,
            training is not None or training_job.last_ended() is not None,
        ),
    ]
    with st.container(horizontal=True, key="controls"):
        st.button(
            _("Resume") if training else _("Start"),
            icon=":material/play_arrow:",
            type="primary",
            disabled=not can_start,
            on_click=start,
            key="start",
            shortcut="S",
        )
        for label, icon, shortcut, action, enabled in buttons:
            st.button(label, icon=icon, disabled=not enabled, on_click=action, key=f"button-{icon[10:-1]}", shortcut=shortcut)


def show_status(snapshot: Snapshot | None, made: Checkpoint | None) -> None:
    """One sentence, and a bar while there is something to wait for."""
    with st.container(key="job-status"):
        if snapshot is None:
            st.markdown(
                _("This is the detector that ships with the program. Press **Start** to train it yourself.")
                if made
                else _("Ready. Press **Start** and watch.")
            )
        elif snapshot.state is JobState.FAILED:
            st.error(translated(snapshot.error) if snapshot.error else "", icon=":material/error:")
        elif snapshot.state is JobState.DONE:
            st.markdown(what_came_of_it(snapshot))
        elif snapshot.error:
            st.warning(translated(snapshot.error), icon=":material/pause_circle:")
            st.progress(snapshot.progress)
        else:
            st.progress(snapshot.progress, job_sentence(snapshot))
            st.caption(pace(snapshot))


def what_came_of_it(snapshot: Snapshot) -> str:
    """How a training ended, with its three figures."""
    ended = _("Stopped early") if snapshot.stopped_early else _("Done")
    sentence = _("**{ended}** after {batches:,} batches.", ended=ended, batches=len(snapshot.batch_losses))
    if snapshot.result and (found := snapshot.result.evaluation):
        sentence += " " + _(
            "AUROC {auroc:.4f}, {alarms:.1%} false alarms, {caught:.1%} of the anomalies caught.",
            auroc=found.auroc,
            alarms=found.false_alarm_rate,
            caught=found.catch_rate,
        )
    if snapshot.result and detectors.is_in_use(snapshot.result.detector):
        sentence += " " + _("The detector is in use on the other pages.")
    return sentence


def pace(snapshot: Snapshot) -> str:
    """How fast a training goes and how long it still takes; at rest, what can be done meanwhile."""
    if snapshot.state is JobState.PAUSED:
        training = visitor().job
        if training and training.may_change_rate:
            return _("While it rests, the learning rate may be changed, under Training.")
        return "\N{NO-BREAK SPACE}"
    if snapshot.is_held:
        return "\N{NO-BREAK SPACE}"
    if snapshot.progress == 1:
        return _("All batches are trained; the threshold is being calibrated and the test set scored.")
    if snapshot.state is not JobState.RUNNING or not snapshot.images_per_second:
        return "\N{NO-BREAK SPACE}"
    speed, seconds = snapshot.images_per_second, math.ceil(snapshot.seconds_left)
    if snapshot.turn < 1.5:
        return _("{speed:,.0f} images per second · {seconds:,} s left", speed=speed, seconds=seconds)
    return _(
        "{speed:,.0f} images per second in its turns · one turn in {turn:.0f} is yours · about {seconds:,.0f} s left",
        speed=speed,
        turn=snapshot.turn,
        seconds=seconds,
    )
