"""Data sets at hand, their splits and the names of their classes, for the visitor for whom a page runs.

Caches here are shared by all visitors and hold only what is never changed.
"""

import threading
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from core.data.datasets import FALLBACK, SOURCES, DamagedDataError, DataError, DataSet, Source, data_directory, load
from core.data.download import Download
from core.data.own import TITLE, is_own
from core.data.split import PlannedSplit, plan_split
from core.detector import DetectorConfig
from pages.shared.i18n.text import _, translated
from pages.shared.state import own_data
from pages.shared.state.once import once


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
def _downloads() -> tuple[threading.Lock, dict[tuple[str, Path], Download]]:
    return threading.Lock(), {}


def at_hand(name: str, may_download: bool = True) -> DataAtHand:
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
        lock, downloads = _downloads()
        with lock:
            # setdefault evaluates its argument, and a Download starts at once.
            if (name, directory) not in downloads:
                downloads[name, directory] = Download(name, directory)
            download = downloads[name, directory]
        if download.error:
            return DataAtHand(fallback, damaged + translated(download.error), download)
        title = SOURCES[name].title
        return DataAtHand(fallback, damaged + _("{title} is being downloaded.", title=title), download)


def forget_download(download: Download) -> None:
    """Let it begin anew when the data set is asked for next."""
    lock, downloads = _downloads()
    about = download.source.name, download.directory
    with lock:
        if downloads.get(about) is download:  # another visitor may have begun it anew
            del downloads[about]


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
    """The name of every class of a data set that is here, as it is shown."""
    return _shown(data_set_name, _given_names(data_set_name))


def names_of_config(config: DetectorConfig) -> tuple[str, ...]:
    """The same of a detector's data set, also where that is not here."""
    return _shown(config.data_set, config.names)


def _given_names(data_set_name: str) -> tuple[str, ...]:
    """As DetectorConfig.names has them."""
    own = own_data.known(data_set_name) if is_own(data_set_name) else None
    return (own or SOURCES[data_set_name]).class_names


def _shown(data_set_name: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the program's classes are translated; people's own are theirs."""
    return names if is_own(data_set_name) else tuple(map(_, names))


def title_of(data_set_name: str) -> str:
    """What a data set is called."""
    if is_own(data_set_name):
        source = own_data.known(data_set_name)
        return _(source.title if source else TITLE)
    return _(SOURCES[data_set_name].title)


def joined_normal_names(config: DetectorConfig) -> str:
    """What a detector calls normal, as text: “5”, or “star, moon”."""
    return ", ".join(_shown(config.data_set, tuple(config.names[label] for label in config.normal_classes)))


def normal_classes_in(data: DataSet, config: DetectorConfig) -> tuple[int, ...]:
    """Which classes of a data set are what a detector calls normal: in another one, those of the same name."""
    if data.name == config.data_set:
        return config.normal_classes
    normal = {config.names[label] for label in config.normal_classes}
    return tuple(label for label, name in enumerate(_given_names(data.name)) if name in normal)


def joined_class_names(data_set_name: str, classes: tuple[int, ...]) -> str:
    """Names of classes as text: “5”, or “3, 5”."""
    return ", ".join(names_of(data_set_name)[label] for label in classes)
