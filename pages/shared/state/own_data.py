"""Data sets of people's own drawings beside the others: the visitor's, and those that the class offers to everybody."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from core.data.datasets import SOURCES, Source
from core.data.own import is_own
from pages.shared.state.once import once
from pages.shared.state.visitor import visitor

MOST_SOURCES = 8
"""Data sets as they were for earlier trainings, of one visitor."""


@dataclass
class ClassSources:
    """What the class offers: a class puts a function here that tells its data sets, made by OwnImages.source."""

    tell: Callable[[], Iterable[Source]] = field(default=tuple)


@once
def of_class() -> ClassSources:
    """One for the server."""
    return ClassSources()


def offered() -> dict[str, Source]:
    """Every data set that can be chosen now, by name: those of the program, the class's, the visitor's."""
    there = SOURCES | {source.name: source for source in of_class().tell()}
    own = visitor().own
    return there | {own.name: own.source()} if len(own) else there


def source_of(name: str) -> Source | None:
    """A data set by name, also one that an earlier training used; None where it is not here."""
    return offered().get(name) or visitor().sources.get(name)


def remember(name: str) -> None:
    """Keep a data set as it is now: something is trained on it."""
    found, kept = source_of(name), visitor().sources
    if found is None or not is_own(name):
        return
    with visitor().lock:
        kept.pop(name, None)
        kept[name] = found
        for oldest in list(kept)[:-MOST_SOURCES]:
            del kept[oldest]
