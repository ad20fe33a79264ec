"""The training job of the visitor for whom a page runs: begun, looked at, ended."""

from dataclasses import replace
from typing import Any
from weakref import ref

from core.data.split import PlannedSplit
from core.detector import DetectorConfig
from core.jobs.job import JobState, Snapshot, TrainingJob
from pages.shared.i18n.text import _
from pages.shared.state import detectors, job_pool
from pages.shared.state.visitor import TRAINING, Run, tab, visitor
from pages.shared.streamlit_internals import run_by_timer_only_if


def new(config: DetectorConfig, data: PlannedSplit, device: Any = None) -> TrainingJob:
    """A job of this visitor, of whose jobs one runs at a time. Raises SettingError where it is too large."""
    detectors.most_kept()  # told now, not when the training has ended
    who = visitor()
    return TrainingJob(
        config, data, job_pool.pool(), device, who.owner, who.presence.is_connected, backend=job_pool.backend_of(config, data)
    )


WAITING_POLL = 2.0
"""Seconds between two looks at a job that seldom has its turn; thirty who look twice a second keep all from training."""


def poll(seconds: float) -> float | None:
    """How often a page looks at the visitor's job: these seconds while it trains, seldom where its turns are, else never."""
    tab().looks_seldom = seldom = _looks_seldom()
    return None if seldom is None else WAITING_POLL if seldom else seconds


def look_again_once_changed(training: TrainingJob, shown: Snapshot) -> None:
    """Said by a fragment that a timer runs and that shows where the job stands: it need not run before that has changed.

    Most trainings of a class wait for their turn, and do not change meanwhile.
    """
    mine, held, before = visitor(), ref(training), _told(shown)  # a job that was left must not be kept

    def is_due() -> bool:
        now = mine.job
        # snapshot, not peek: each tick of the timer is a sign that somebody still looks.
        return now is None or now is not held() or _told(now.snapshot()) != before

    run_by_timer_only_if(is_due)


def _told(snapshot: Snapshot) -> object:
    """What the page of a training, `job_sentence` and `needs_rerun` depend on."""
    place = (snapshot.ahead, snapshot.wait) if snapshot.state is JobState.QUEUED else None
    return snapshot.version, snapshot.is_held, round(snapshot.turn), place


def _looks_seldom() -> bool | None:
    """Whether looking seldom is enough; None where nothing will change."""
    training = visitor().job
    snapshot = training.snapshot() if training else None
    if snapshot is None or not snapshot.state.is_active:
        return None
    return snapshot.state is JobState.QUEUED or snapshot.is_held or snapshot.turn > 3


def is_active() -> bool:
    """Whether the visitor's job trains or waits for its turn."""
    training = visitor().job
    return training is not None and training.snapshot().state.is_active


def needs_rerun() -> bool:
    """Whether the page has to run again: the job's first turn has come, or it moves faster or slower than it is looked at."""
    with visitor().lock:
        if visitor().is_job_wanted and visitor().has_job_begun:
            visitor().is_job_wanted = False
            detectors.use(TRAINING)
            return True
    seldom = _looks_seldom()
    return seldom is not None and seldom is not tab().looks_seldom


def start(config: DetectorConfig, data: PlannedSplit, device: Any) -> TrainingJob:
    """Make the visitor's job, which is in use from its first turn on; one that is there is dropped."""
    training = new(config, data, device)
    with visitor().lock:
        drop()
        visitor().job, visitor().is_job_wanted = training, True
    return training


# Streamlit keeps what a button calls until the session is gone, so no button may hold a job: they find it when pressed.


def pause() -> None:
    """Let the visitor's job rest."""
    if training := visitor().job:
        training.pause()


def stop() -> None:
    """End the visitor's job early and keep what it learnt."""
    if training := visitor().job:
        training.stop()


def drop() -> None:
    """Forget the visitor's job and what it learnt."""
    with visitor().lock:  # between two looks of another tab, see collect
        if training := visitor().job:
            training.drop()
        visitor().job = visitor().last_ended = None
        visitor().is_job_wanted = False


def collect() -> bool:
    """Turn a finished job into a run, once; True when that happened just now."""
    who = visitor()
    with who.lock:  # of two tabs that look at once, one makes the run
        if who.job is None or not (snapshot := who.job.snapshot()).state.is_over:
            return False
        # It may have begun and ended since anybody looked.
        was_in_use = detectors.choice() == TRAINING or who.is_job_wanted
        # With the learning rate with which it ended, which is what Train's form says.
        config = who.job.config
        config = replace(config, training=replace(config.training, learning_rate=who.job.learning_rate))
        who.job, who.last_ended, who.is_job_wanted = None, (config, snapshot), False
        if snapshot.result:
            number = 1 + sum(run.origin == "trained" for run in detectors.runs())
            finished = detectors.add_run(Run.of(_("run {number}", number=number), "trained", snapshot.result))
            if was_in_use:
                detectors.use(finished)
        return True


def last_ended(config: DetectorConfig | None = None) -> Snapshot | None:
    """How the visitor's last training ended, with these settings where some are given; None after a reset."""
    ended = visitor().last_ended
    return ended[1] if ended and config in (None, ended[0]) else None
