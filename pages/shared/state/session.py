"""Data at hand, detectors, the detector in use, the training job, for the visitor for whom a page runs.

Caches here are shared by all visitors and hold only what is never changed.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st
import torch
from torch import Tensor

from core import presets
from core.checkpoint import Checkpoint, CheckpointError
from core.data.datasets import (
    FALLBACK,
    SOURCES,
    DamagedDataError,
    DataError,
    DataSet,
    Digits,
    Download,
    PlannedSplit,
    Source,
    data_directory,
    load,
    plan_split,
)
from core.data.own import TITLE, OwnImages, is_own
from core.detector import AutoencoderDetector, DetectorConfig
from core.ensemble import Ensemble
from core.errors import SettingError
from core.experiments.baselines import Comparison
from core.jobs.backend import TrainingBackend
from core.jobs.job import JobState, Snapshot, TrainingJob
from core.jobs.limits import Claim, claim_of_detector, limit
from core.jobs.pool import JobPool
from core.presets import Shipped, shipped
from pages.shared.i18n.lessons import lessons
from pages.shared.i18n.text import _, translated
from pages.shared.state import own_data
from pages.shared.state.once import once
from pages.shared.state.visitor import TRAINING, USUAL, Choice, Run, tab, visitor
from pages.shared.streamlit_internals import connected_sessions, uploaded_bytes

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
    if is_own(name):
        if source := own_data.source_of(name):
            return DataAtHand(source_data(source))
        return DataAtHand(loaded(FALLBACK, directory), _("The drawings on which this detector was trained are not here."))
    try:
        return DataAtHand(loaded(name, directory))
    except DataError as error:
        fallback = loaded(FALLBACK, directory)
        if not may_download or not SOURCES[name].is_downloadable:
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


def source_data(source: Source) -> DataSet:
    """A data set of somebody's own, which is in memory."""
    assert source.read
    return source.read(data_directory())


def split(name: str, directory: Path, normal_classes: tuple[int, ...], seed: int, vary: bool = False) -> PlannedSplit:
    """The one-class split, without its images: who needs them makes them. Raises EmptySplitError."""
    if source := own_data.own_source_of(name):
        return plan_split(source_data(source), normal_classes, seed, vary)
    return _split(name, directory, normal_classes, seed, vary)


@st.cache_resource(show_spinner=False, max_entries=8)
def _split(name: str, directory: Path, normal_classes: tuple[int, ...], seed: int, vary: bool) -> PlannedSplit:
    return plan_split(loaded(name, directory), normal_classes, seed, vary)


def split_of(config: DetectorConfig, data: DataSet) -> PlannedSplit:
    """The split of a data set at hand on which a detector with these settings trains. Raises EmptySplitError."""
    training = config.training
    return split(data.name, data_directory(), config.normal_classes, training.seed, training.vary)


def names_of(data_set_name: str) -> tuple[str, ...]:
    """The name of every class of a data set that is here."""
    if source := own_data.own_source_of(data_set_name):
        return source.class_names
    return tuple(_(name) for name in SOURCES[data_set_name].class_names)


def title_of(data_set_name: str) -> str:
    """What a data set is called."""
    if is_own(data_set_name):
        source = own_data.source_of(data_set_name)
        return _(source.title if source else TITLE)
    return _(SOURCES[data_set_name].title)


def names_in(config: DetectorConfig) -> tuple[str, ...]:
    """The name of every class of a detector's data set, also where that is not here."""
    return config.class_names or names_of(config.data_set)


def normal_names(config: DetectorConfig) -> str:
    """What a detector calls normal, as text: “5”, or “star, moon”."""
    return ", ".join(names_in(config)[label] for label in config.normal_classes)


def normal_classes_in(data: DataSet, config: DetectorConfig) -> tuple[int, ...]:
    """Which classes of a data set are what a detector calls normal: in another's drawings, those of the same name."""
    if data.name == config.data_set or not (is_own(data.name) or is_own(config.data_set)):
        return config.normal_classes
    normal = {config.names[label] for label in config.normal_classes}
    names = SOURCES[data.name].class_names if data.name in SOURCES else names_of(data.name)
    return tuple(label for label, name in enumerate(names) if name in normal)


def test_source(config: DetectorConfig) -> str:
    """The data set that is before the detector in use: its own, unless the visitor has chosen another for it."""
    chosen = visitor().test_source
    if chosen is None or chosen[0] != choice() or chosen[1] == config.data_set:
        return config.data_set
    return own_data.newest_of(chosen[1]) or config.data_set


def use_test_source(name: str) -> None:
    """Put the images of this data set before the detector in use."""
    own_data.remember(name)
    visitor().test_source = choice(), name


def test_images(config: DetectorConfig, data: DataSet) -> Digits:
    """The images of a data set that neither trained a detector with these settings nor set its threshold."""
    if data.is_one_pile and data.name == config.data_set:
        return split_of(config, data).test
    source = own_data.own_source_of(config.data_set)
    if source is None or not data.is_one_pile:
        return data.test
    own = source_data(source)
    plan = split_of(config, own)
    trained = {image.numpy().tobytes() for image in own.train_images[torch.cat([plan.train, plan.calibration])]}
    new = torch.tensor([image.numpy().tobytes() not in trained for image in data.train_images])
    return Digits(data.test.images[new], data.test.labels[new], data.name)


def class_names(data_set_name: str, classes: tuple[int, ...]) -> str:
    """Names of classes as text: “5”, or “3, 5”."""
    return ", ".join(names_of(data_set_name)[label] for label in classes)


def keep_own(images: OwnImages) -> None:
    """Let these be the visitor's drawings. Raises SettingError where there is no memory for them."""
    who = visitor()
    pool().budget.claim(images, who.owner, Claim(images.images.numel()))
    who.own = images


# ---------------------------------------------------------------- detectors


@once
def shipped_checkpoint(choice: Shipped) -> Checkpoint:
    return presets.read(choice)


def ensemble(data_set_name: str) -> tuple[list[str], Ensemble]:
    """The shipped best detectors of a data set, else MNIST's, and what each calls normal."""
    return _ensemble("mnist" if is_own(data_set_name) else data_set_name)


@once
def _ensemble(data_set_name: str) -> tuple[list[str], Ensemble]:
    ready = {}
    for entry in shipped(data_set_name) or shipped():
        with suppress(CheckpointError):  # the others can still be asked
            ready[class_names(entry.data_set, (entry.normal_class,))] = shipped_checkpoint(entry).detector
    return list(ready), Ensemble(list(ready.values()))


def runs() -> list[Run]:
    """The visitor's runs; Run.detector is None of those that were let go."""
    return visitor().runs


def choices() -> list[Choice]:
    """Every detector that can be chosen now."""
    available = [Choice(shipped=entry) for name in SOURCES for preset in lessons() for entry in shipped(name, preset)]
    kept = [Choice(run=number) for number, run in enumerate(runs()) if run.detector]
    return ([TRAINING] if has_begun() else []) + kept[::-1] + available


def choice() -> Choice:
    """The detector in use; the shipped one for 5 until the visitor chooses another."""
    if visitor().choice == TRAINING and not has_begun():
        visitor().choice = USUAL
    return visitor().choice


def use(chosen: Choice) -> None:
    """Put a detector in use on every page."""
    visitor().choice = chosen


def use_threshold(value: float | None) -> None:
    """Have the detector in use judge by this threshold on every page; None is its calibrated one. Raises SettingError."""
    detector().at_threshold(value)
    visitor().thresholds[choice()] = value


def _with_threshold(made: AutoencoderDetector, chosen: Choice) -> AutoencoderDetector:
    """The detector as the visitor uses it; the same object until something changes, for what is remembered of it."""
    wanted = visitor().thresholds.get(chosen, made.config.threshold)
    if wanted == made.config.threshold:
        return made
    held = visitor().at_own_threshold
    if held is None or held[0] is not made or held[1].config.threshold != wanted:
        held = visitor().at_own_threshold = made, made.at_threshold(wanted)
    return held[1]


def most_kept() -> int:
    """Numbers in all detectors that a visitor keeps; four bytes each. Raises SettingError."""
    return limit("MAX_KEPT_PARAMETERS")


def kept_numbers() -> int:
    """Numbers in the detectors that this visitor keeps now."""
    return sum(run.detector.size for run in runs() if run.detector)


def add_run(run: Run) -> Choice:
    """Keep a detector for this visitor, instead of older ones where it must; returns the choice that puts it in use.

    Raises SettingError.
    """
    most, in_use = most_kept(), visitor().choice
    with visitor().lock:
        runs().append(run)
        if run.detector:
            pool().budget.note(run.detector, visitor().owner, claim_of_detector(run.detector.size))
        for number, older in enumerate(runs()[:-1]):
            if kept_numbers() > most and Choice(run=number) != in_use:
                runs()[number] = replace(older, detector=None)
        return Choice(run=len(runs()) - 1)


def detector() -> AutoencoderDetector:
    """The detector in use, calibrated; while it trains, a copy as it stands."""
    return detector_of(choice())


def detector_of(chosen: Choice) -> AutoencoderDetector:
    """The detector of a choice that can be made now, at the threshold that the visitor has set for it."""
    if chosen.shipped:
        return _with_threshold(shipped_checkpoint(chosen.shipped).detector, chosen)
    if chosen.run is not None:
        kept = runs()[chosen.run].detector
        assert kept is not None
        return _with_threshold(kept, chosen)
    training = job()
    assert training is not None
    return training.detector()


def checkpoint_of_run(number: int) -> Checkpoint:
    """A run as it can be taken away, at the threshold that the visitor has set; its detector is still there."""
    return replace(runs()[number].checkpoint, detector=detector_of(Choice(run=number)))


def checkpoint_of(chosen: Choice) -> Checkpoint | None:
    """A detector as it can be taken along, at the threshold that the visitor has set.

    None while it is in training, and where it comes with the program and its file is damaged, which every page says.
    """
    if chosen.shipped:
        try:
            return replace(shipped_checkpoint(chosen.shipped), detector=detector_of(chosen))
        except CheckpointError:
            return None
    return None if chosen.run is None else checkpoint_of_run(chosen.run)


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
    if chosen.shipped:
        data_set, normal = chosen.shipped.data_set, class_names(chosen.shipped.data_set, (chosen.shipped.normal_class,))
        kind = lessons()[chosen.shipped.preset].title
    elif chosen.run is not None:
        run = runs()[chosen.run]
        data_set, normal, kind = run.config.data_set, normal_names(run.config), run.name
    else:
        training = job()
        assert training is not None
        data_set, normal, kind = training.config.data_set, normal_names(training.config), _("in training")
    return f"{normal} · {title_of(data_set)} · {kind}"


@st.cache_resource(show_spinner=False, max_entries=32)
def _test_scores(key: str, data_set_name: str, _detector: AutoencoderDetector, _images: Tensor) -> tuple[Tensor, float]:
    started = time.perf_counter()
    scores = _detector.decision_function(_images)
    return scores, time.perf_counter() - started


def test_scores(in_use: AutoencoderDetector, test: Digits) -> Tensor:
    """Scores (N,) of all test images, computed once for each detector."""
    return _test_scores(in_use.key, _key(test), in_use, test.images)[0]


def scoring_seconds(in_use: AutoencoderDetector, test: Digits) -> float:
    """How long that took, for 10,000 images."""
    seconds = _test_scores(in_use.key, _key(test), in_use, test.images)[1]
    return seconds * 10_000 / max(len(test.labels), 1)


def _key(test: Digits) -> str:
    """Of drawings, those by which a detector was trained are not among its test images."""
    return f"{test.name} {len(test.labels)}"


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
        names = names_of(name) if is_own(name) else ()
        config = DetectorConfig(data_set=name, class_names=names, normal_classes=normal_classes)
        data = split(name, data_directory(), normal_classes, config.training.seed, vary=is_own(name))
        pool().budget.require(visitor().owner, Claim(4 * 784 * sum(data.counts)))
        started[name, normal_classes] = Comparison(config, data, turn)


# ---------------------------------------------------------------- training


@once
def pool() -> JobPool:
    # Threads that train on a cluster only wait for it; there will be more as soon as its workers are counted.
    made = JobPool(1 if scheduler() and not os.environ.get("TRAINING_WORKERS") else None)
    made.budget.count(lambda: SESSION_BYTES * connected_sessions() + uploaded_bytes())
    return made


SESSION_BYTES = 8 * 2**20
"""What a tab is taken to need for its drawings and what its pages remember: a generous guess, not a measurement."""


def require_room_for_upload(size: int) -> None:
    """Raises SettingError where there is no memory for what a checkpoint of so many bytes may become."""
    pool().budget.require(visitor().owner, Claim(3 * size))


@once
def reading_files() -> threading.Semaphore:
    """Inside, an uploaded file is read: as many at a time as cores, since each may take 200 MB while that lasts."""
    return threading.Semaphore(os.cpu_count() or 1)


@once
def _moving_pens() -> threading.Semaphore:
    return threading.Semaphore(os.cpu_count() or 1)


@contextmanager
def turn_of_pen(is_moving: bool) -> Iterator[None]:
    """What happens inside comes before training.

    Of moving pens there are as many at a time as cores, so that those that were lifted come first.
    """
    with _moving_pens() if is_moving else nullcontext(), pool().inference_priority():
        yield


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
            "Install it with: python deploy/set_up.py server. Or start without DASK_SCHEDULER_ADDRESS.",
            address=scheduler(),
            package=error.name,
        ) from error
    return Cluster(scheduler(), pool(), may_grow=not os.environ.get("TRAINING_WORKERS"))


def _backend(config: DetectorConfig, data: PlannedSplit) -> TrainingBackend | None:
    """Where a job trains, if not here."""
    if not scheduler():
        return None
    cluster = _cluster()
    from core.jobs.dask.backend import DaskBackend

    return DaskBackend(config, data.data, data, cluster)


def job() -> TrainingJob | None:
    """The visitor's training job, until it is over and its result is a run, or it is reset."""
    return visitor().job


def has_begun() -> bool:
    """Whether the visitor's job has a network to look at, which comes with its first turn."""
    training = job()
    return training is not None and training.snapshot().has_begun


def new_job(config: DetectorConfig, data: PlannedSplit, device: Any = None) -> TrainingJob:
    """A job of this visitor, of whose jobs one runs at a time. Raises SettingError where it is too large."""
    most_kept()  # told now, not when the training has ended
    who = visitor()
    return TrainingJob(config, data, pool(), device, who.owner, who.presence.is_connected, backend=_backend(config, data))


WAITING_POLL = 2.0
"""Seconds between two looks at a job that seldom has its turn; thirty who look twice a second keep all from training."""


def poll(seconds: float) -> float | None:
    """How often a page looks at the visitor's job: these seconds while it trains, seldom where its turns are, else never."""
    tab().looks_seldom = seldom = _looks_seldom()
    return None if seldom is None else WAITING_POLL if seldom else seconds


def _looks_seldom() -> bool | None:
    """Whether looking seldom is enough; None where nothing will change."""
    training = job()
    snapshot = training.snapshot() if training else None
    if snapshot is None or not snapshot.state.is_active:
        return None
    return snapshot.state is JobState.QUEUED or snapshot.is_held or snapshot.turn > 3


def has_news() -> bool:
    """Whether the page has to run again: the job's first turn has come, or it moves faster or slower than it is looked at."""
    with visitor().lock:
        if visitor().is_job_wanted and has_begun():
            visitor().is_job_wanted = False
            use(TRAINING)
            return True
    seldom = _looks_seldom()
    return seldom is not None and seldom is not tab().looks_seldom


def start_job(config: DetectorConfig, data: PlannedSplit, device: Any) -> TrainingJob:
    """Make the visitor's job, which is in use from its first turn on; one that is there is dropped."""
    training = new_job(config, data, device)
    with visitor().lock:
        drop_job()
        visitor().job, visitor().is_job_wanted = training, True
    return training


# Streamlit keeps what a button calls until the session is gone, so no button may hold a job: they find it when pressed.


def pause_job() -> None:
    """Let the visitor's job rest."""
    if training := job():
        training.pause()


def stop_job() -> None:
    """End the visitor's job early and keep what it learnt."""
    if training := job():
        training.stop()


def drop_job() -> None:
    """Forget the visitor's job and what it learnt."""
    if training := job():
        training.drop()
    visitor().job = visitor().last_ended = None
    visitor().is_job_wanted = False


def collect_job() -> bool:
    """Turn a finished job into a run, once; True when that happened just now."""
    who = visitor()
    with who.lock:  # of two tabs that look at once, one makes the run
        if who.job is None or not (snapshot := who.job.snapshot()).state.is_over:
            return False
        # It may have begun and ended since anybody looked.
        was_in_use = choice() == TRAINING or who.is_job_wanted
        # With the learning rate with which it ended, which is what Train's form says.
        config = who.job.config
        config = replace(config, training=replace(config.training, learning_rate=who.job.learning_rate))
        who.job, who.last_ended, who.is_job_wanted = None, (config, snapshot), False
        if snapshot.result:
            number = 1 + sum(run.origin == "trained" for run in runs())
            finished = add_run(Run.of(_("run {number}", number=number), "trained", snapshot.result))
            if was_in_use:
                use(finished)
        return True


def last_ended(config: DetectorConfig | None = None) -> Snapshot | None:
    """How the visitor's last training ended, with these settings where some are given; None after a reset."""
    ended = visitor().last_ended
    return ended[1] if ended and config in (None, ended[0]) else None


def close() -> None:
    """End all trainings of this server."""
    pool().close()


# ---------------------------------------------------------------- visits of pages


def note_page(name: str) -> None:
    """Count a visit each time another page is opened."""
    if tab().page != name:
        tab().page = name
        tab().visit += 1
        tab().is_step_in_address = False
