"""What one visitor has: data at hand, detectors, the detector in use, the training job, drawings.

Caches here are shared by all visitors and hold only what is never changed.
"""

import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st
from torch import Tensor

from core import presets
from core.checkpoint import Checkpoint, CheckpointError
from core.data.datasets import (
    FALLBACK,
    SOURCES,
    DamagedDataError,
    DataError,
    DataSet,
    Download,
    OneClassSplit,
    data_directory,
    load,
    split_one_class,
)
from core.detector import AutoencoderDetector, DetectorConfig
from core.ensemble import Ensemble
from core.errors import SettingError
from core.experiments.baselines import Comparison
from core.jobs.job import JobPool, JobState, Snapshot, TrainingBackend, TrainingJob, limit, require_allowed
from core.metrics import Evaluation
from core.presets import Shipped, shipped
from core.training import EpochLosses
from pages.shared.i18n.lessons import lessons
from pages.shared.i18n.text import _, translated
from pages.shared.state.once import once
from pages.shared.streamlit_internals import connection

if TYPE_CHECKING:
    from core.jobs.dask.backend import Cluster

# ---------------------------------------------------------------- data


@dataclass(frozen=True)
class DataAtHand:
    """A data set that can be shown now, and why it is not the one asked for, if it is not."""

    data: DataSet
    notice: str = ""
    download: Download | None = None


@st.cache_resource(show_spinner=False)
def loaded(name: str, directory: Path) -> DataSet:
    """A data set, read once for all visitors. Raises DataError."""
    return load(name, directory)


@once
def _downloads() -> dict[tuple[str, Path], Download]:
    return {}


def data_set(name: str, may_download: bool = True) -> DataAtHand:
    """The data set, or the UCI digits with the reason; a missing one starts to download in the background."""
    directory = data_directory()
    try:
        return DataAtHand(loaded(name, directory))
    except DataError as error:
        fallback = loaded(FALLBACK, directory)
        if not may_download:
            return DataAtHand(fallback, translated(error))
        damaged = translated(error) + " " if isinstance(error, DamagedDataError) else ""
        # setdefault evaluates its argument, and a Download starts at once.
        if (name, directory) not in _downloads():
            _downloads()[name, directory] = Download(name, directory)
        download = _downloads()[name, directory]
        if download.error:
            return DataAtHand(fallback, damaged + translated(download.error), download)
        title = SOURCES[name].title
        return DataAtHand(fallback, damaged + _("{title} is being downloaded.", title=title), download)


def show_data_notice(at_hand: DataAtHand) -> None:
    """One line where the page does not show the data set asked for, with the download's progress."""
    with st.container(key="data-notice"):
        if at_hand.notice:
            instead = _("Meanwhile this page uses the UCI handwritten digits, which come with the program.")
            st.info(f"{at_hand.notice} {instead}", icon=":material/download:")
        download = at_hand.download
        if download is None:
            return
        if download.error:
            if st.button(_("Try the download again"), icon=":material/refresh:"):
                _downloads().pop((download.source.name, download.directory), None)
                st.rerun()
        else:
            st.fragment(_show_download, run_every=0.5)(download)


def _show_download(download: Download) -> None:
    if not download.running:
        if not download.error:
            _downloads().pop((download.source.name, download.directory), None)
        st.rerun()
    share = download.progress
    st.progress(
        share,
        _(
            "{title}: {share:.0%} of {size:.0f} MB",
            title=download.source.title,
            share=share,
            size=download.source.archive_bytes / 1e6,
        ),
    )


@st.cache_resource(show_spinner=False, max_entries=8)
def split(name: str, directory: Path, normal_classes: tuple[int, ...], seed: int) -> OneClassSplit:
    """The one-class split, shared by all who ask for the same."""
    return split_one_class(loaded(name, directory), normal_classes, seed)


def names_of(data_set_name: str) -> tuple[str, ...]:
    """The name of every class of a data set."""
    return tuple(_(name) for name in SOURCES[data_set_name].class_names)


def title_of(data_set_name: str) -> str:
    """What a data set is called."""
    return _(SOURCES[data_set_name].title)


def class_names(data_set_name: str, classes: tuple[int, ...]) -> str:
    """Names of classes as text: “5”, or “3, 5”."""
    return ", ".join(names_of(data_set_name)[label] for label in classes)


# ---------------------------------------------------------------- detectors


@dataclass(frozen=True)
class Run:
    """A detector of this session, trained here or uploaded, with how it came about.

    detector: None once it was let go for newer ones; what else is known of it stays.
    """

    name: str
    origin: str
    config: DetectorConfig
    losses: tuple[EpochLosses, ...]
    evaluation: Evaluation | None
    threshold: float
    detector: AutoencoderDetector | None

    @classmethod
    def of(cls, name: str, origin: str, made: Checkpoint) -> "Run":
        return cls(name, origin, made.config, made.losses, made.evaluation, made.detector.threshold_, made.detector)

    @property
    def checkpoint(self) -> Checkpoint:
        """As it can be taken away; of a run whose detector is still there."""
        assert self.detector
        return Checkpoint(self.detector, self.losses, self.evaluation)


@dataclass(frozen=True)
class Choice:
    """Which detector is in use: a shipped one, a run of this session by its number, or the one in training."""

    shipped: Shipped | None = None
    run: int | None = None


TRAINING = Choice()


@st.cache_resource(show_spinner=False)
def shipped_checkpoint(choice: Shipped) -> Checkpoint:
    return presets.read(choice)


@st.cache_resource(show_spinner=False)
def ensemble(data_set_name: str) -> tuple[list[str], Ensemble]:
    """The shipped best detectors of a data set, else MNIST's, and what each calls normal."""
    ready = {}
    for entry in shipped(data_set_name) or shipped():
        with suppress(CheckpointError):  # the others can still be asked
            ready[class_names(entry.data_set, (entry.normal_class,))] = shipped_checkpoint(entry).detector
    return list(ready), Ensemble(list(ready.values()))


def runs() -> list[Run]:
    return st.session_state.setdefault("runs", [])  # type: ignore[no-any-return]


def choices() -> list[Choice]:
    """Every detector that can be chosen now."""
    kinds = [("mnist", preset) for preset in lessons()] + [("fashion-mnist", "best")]
    available = [Choice(shipped=entry) for data_set, preset in kinds for entry in shipped(data_set, preset)]
    kept = [Choice(run=number) for number, run in enumerate(runs()) if run.detector]
    return ([TRAINING] if job() else []) + kept[::-1] + available


def choice() -> Choice:
    """The detector in use; the shipped one for 5 until the visitor chooses another."""
    chosen: Choice = st.session_state.setdefault("choice", Choice(shipped=Shipped("best", "mnist", 5)))
    if chosen == TRAINING and job() is None:
        chosen = st.session_state["choice"] = Choice(shipped=Shipped("best", "mnist", 5))
    return chosen


def use(chosen: Choice) -> None:
    """Put a detector in use on every page."""
    st.session_state["choice"] = chosen


def most_kept() -> int:
    """Numbers in all detectors that a session keeps; four bytes each. Raises SettingError."""
    return limit("MAX_KEPT_PARAMETERS")


def kept_numbers() -> int:
    """Numbers in the detectors that this session keeps now."""
    return sum(run.detector.size for run in runs() if run.detector)


def add_run(run: Run) -> Choice:
    """Keep a detector for this session, instead of older ones where it must; returns the choice that puts it in use.

    Raises SettingError.
    """
    most, in_use = most_kept(), st.session_state.get("choice")
    runs().append(run)
    for number, older in enumerate(runs()[:-1]):
        if kept_numbers() > most and Choice(run=number) != in_use:
            runs()[number] = replace(older, detector=None)
    return Choice(run=len(runs()) - 1)


def detector() -> AutoencoderDetector:
    """The detector in use, calibrated; while it trains, a copy as it stands."""
    return detector_of(choice())


def detector_of(chosen: Choice) -> AutoencoderDetector:
    """The detector of a choice that can be made now."""
    if chosen.shipped:
        return shipped_checkpoint(chosen.shipped).detector
    if chosen.run is not None:
        kept = runs()[chosen.run].detector
        assert kept is not None
        return kept
    training = job()
    assert training is not None
    return training.detector()


def require_usable_choice() -> None:
    """Raises CheckpointError where the detector in use comes with the program and its file is damaged."""
    if made := choice().shipped:
        shipped_checkpoint(made)


def detector_config() -> DetectorConfig:
    """The settings of the detector in use."""
    training = job()
    return training.config if choice() == TRAINING and training else detector().config


def choice_title(chosen: Choice) -> str:
    """What a detector is called on screen."""
    classes: tuple[int, ...]
    if chosen.shipped:
        data_set, classes = chosen.shipped.data_set, (chosen.shipped.normal_class,)
        kind = lessons()[chosen.shipped.preset].title
    elif chosen.run is not None:
        run = runs()[chosen.run]
        data_set, classes, kind = run.config.data_set, run.config.normal_classes, run.name
    else:
        training = job()
        assert training is not None
        data_set, classes, kind = training.config.data_set, training.config.normal_classes, _("in training")
    return f"{class_names(data_set, classes)} · {title_of(data_set)} · {kind}"


@st.cache_resource(show_spinner=False, max_entries=32)
def _test_scores(key: str, data_set_name: str, _detector: AutoencoderDetector, _images: Tensor) -> tuple[Tensor, float]:
    started = time.perf_counter()
    scores = _detector.decision_function(_images)
    return scores, time.perf_counter() - started


def test_scores(in_use: AutoencoderDetector, data: DataSet) -> Tensor:
    """Scores (N,) of the whole test set, computed once for each detector."""
    return _test_scores(in_use.key, data.name, in_use, data.test.images)[0]


def scoring_seconds(in_use: AutoencoderDetector, data: DataSet) -> float:
    """How long that took, for 10,000 images."""
    seconds = _test_scores(in_use.key, data.name, in_use, data.test.images)[1]
    return seconds * 10_000 / len(data.test.labels)


# ---------------------------------------------------------------- baselines


@once
def _comparisons() -> tuple[threading.Lock, dict[tuple[str, tuple[int, ...]], Comparison]]:
    return threading.Lock(), {}


def comparison(name: str, normal_classes: tuple[int, ...]) -> Comparison | None:
    """The baselines on a data set, for all visitors; None until somebody starts them."""
    return _comparisons()[1].get((name, normal_classes))


def start_comparison(name: str, normal_classes: tuple[int, ...]) -> None:
    """Fit the baselines in the background, unless that was done before. Raises EmptySplitError."""
    turn, started = _comparisons()
    if (name, normal_classes) not in started:
        config = DetectorConfig(data_set=name, normal_classes=normal_classes)
        data = split(name, data_directory(), normal_classes, config.training.seed)
        started[name, normal_classes] = Comparison(config, data, turn)


# ---------------------------------------------------------------- training


@once
def pool() -> JobPool:
    # Threads that train on a cluster only wait for it; there will be more as soon as its workers are counted.
    return JobPool(1 if scheduler() and not os.environ.get("TRAINING_WORKERS") else None)


def scheduler() -> str:
    """The address of the Dask scheduler whose workers do all training; empty where this process does it."""
    return os.environ.get("DASK_SCHEDULER_ADDRESS", "")


@once
def _cluster() -> "Cluster":
    """The one connection of this server. Raises SettingError where Dask is not installed."""
    try:
        from core.jobs.dask.backend import Cluster
    except ModuleNotFoundError as error:
        raise SettingError(
            "Trainings run on the cluster at {address}, but {package} is not installed here. "
            "Install it with: pip install -r requirements-cluster.txt. Or start without DASK_SCHEDULER_ADDRESS.",
            address=scheduler(),
            package=error.name,
        ) from error
    return Cluster(scheduler(), pool(), may_grow=not os.environ.get("TRAINING_WORKERS"))


def _backend(config: DetectorConfig, data: OneClassSplit) -> TrainingBackend | None:
    """Where a job trains, if not here."""
    if not scheduler():
        return None
    cluster = _cluster()
    from core.jobs.dask.backend import DaskBackend

    return DaskBackend(config, loaded(config.data_set, data_directory()), data, cluster)


def job() -> TrainingJob | None:
    """The session's training job, until it is over and its result is a run, or it is reset."""
    return st.session_state.get("job")


def new_job(config: DetectorConfig, data: OneClassSplit, device: Any = None) -> TrainingJob:
    """A job of this session, which runs one at a time. Raises SettingError for more than is allowed."""
    require_allowed(config)
    most_kept()  # told now, not when the training has ended
    owner = st.session_state.setdefault("owner", object())
    return TrainingJob(config, data, pool(), device, owner, connection(), backend=_backend(config, data))


WAITING_POLL = 2.0
"""Seconds between two looks at a job that waits; thirty waiting students who look twice a second keep all from training."""


def poll(seconds: float) -> float | None:
    """How often a page looks at the session's job: these seconds while it trains, seldom while it waits, else never."""
    training = job()
    state = training.snapshot().state if training else JobState.READY
    st.session_state["polled-state"] = state
    return {JobState.RUNNING: seconds, JobState.QUEUED: WAITING_POLL}.get(state)


def has_just_started() -> bool:
    """Whether the job's turn has come since the page chose how often to look."""
    training = job()
    was_waiting = st.session_state.get("polled-state") is JobState.QUEUED
    return was_waiting and training is not None and training.snapshot().state is JobState.RUNNING


def start_job(config: DetectorConfig, data: OneClassSplit, device: Any) -> TrainingJob:
    """Make the session's job and put it in use; one that is there is dropped."""
    training = new_job(config, data, device)
    drop_job()
    st.session_state["job"] = training
    use(TRAINING)
    return training


# Streamlit keeps what a button calls until the session is gone, so no button may hold a job: they find it when pressed.


def pause_job() -> None:
    """Let the session's job rest."""
    if training := job():
        training.pause()


def stop_job() -> None:
    """End the session's job early and keep what it learnt."""
    if training := job():
        training.stop()


def drop_job() -> None:
    """Forget the session's job and what it learnt."""
    if training := job():
        training.drop()
    _let_go_of_job()
    st.session_state["last_snapshot"] = None


def _let_go_of_job() -> None:
    # Beside a new value Streamlit keeps the old one until the next run, and on a page at rest there is none.
    st.session_state.pop("job", None)
    st.session_state["job"] = None


def collect_job() -> bool:
    """Turn a finished job into a run, once; True when that happened just now."""
    training = job()
    if training is None:
        return False
    snapshot = training.snapshot()
    if not snapshot.state.is_over:
        return False
    was_in_use = choice() == TRAINING
    _let_go_of_job()
    st.session_state["last_snapshot"] = snapshot
    if snapshot.result:
        number = 1 + sum(run.origin == "trained" for run in runs())
        finished = add_run(Run.of(_("run {number}", number=number), "trained", snapshot.result))
        if was_in_use:
            use(finished)
    return True


def last_snapshot() -> Snapshot | None:
    """How the session's last job ended; None after a reset."""
    return st.session_state.get("last_snapshot")


def close() -> None:
    """End all trainings of this server."""
    pool().close()


# ---------------------------------------------------------------- visits and drawings


def note_page(name: str) -> None:
    """Count a visit each time another page is opened."""
    if st.session_state.get("page") != name:
        st.session_state["page"] = name
        st.session_state["visit"] = visit() + 1


def visit() -> int:
    """A number that is new each time a page is opened and stays while it is open."""
    return int(st.session_state.get("visit", 0))
