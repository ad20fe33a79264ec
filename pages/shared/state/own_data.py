"""Data sets of people's own drawings beside the others: the visitor's, and those that the class offers to everybody."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from core.data.datasets import SOURCES, Source
from core.data.own import PREFIX, TITLE_OF_CLASS, OwnImages, is_own, nothing
from core.jobs.memory_budget import Claim
from core.server.access import keep_newest
from pages.shared.state import job_pool
from pages.shared.state.once import once
from pages.shared.state.visitor import visitor

BYTES_OF_PIXEL = 1 + 4
"""Of one's own drawings: as they are kept, and as the data set hands them on."""

MAX_SOURCES = 8
"""Data sets as they were for earlier trainings, of one visitor; and the class's, as they were lately."""


@dataclass
class ClassSources:
    """What the class offers.

    tell: its data sets for the visitor at hand, made by OwnImages.source. lately: what was told last, by name: drawings come
    while somebody looks at them, and what a page has begun with is here until it ends.
    """

    tell: Callable[[], Iterable[Source]] = field(default=tuple)
    lately: dict[str, Source] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.Lock, repr=False)

    def now(self) -> dict[str, Source]:
        """By name."""
        told = {source.name: source for source in self.tell()}
        with self.lock:
            for name in told:
                self.lately.pop(name, None)
            self.lately |= told
            keep_newest(self.lately, MAX_SOURCES)
        return told

    def forget(self) -> bool:
        """Have nothing more of what was told; whether there was anything."""
        with self.lock:
            had = bool(self.lately)
            self.lately.clear()
            return had


@once
def of_class() -> ClassSources:
    """One for the server."""
    return ClassSources()


def offered() -> dict[str, Source]:
    """Every data set that can be chosen now, by name: those of the program, the class's, the visitor's."""
    there = SOURCES | of_class().now()
    own = visitor().own
    return there | {own.name: own.source()} if len(own) else there


def source_of(name: str) -> Source | None:
    """A data set by name, also one that an earlier training used; None where it is not here."""
    return offered().get(name) or visitor().sources.get(name) or of_class().lately.get(name)


def known(name: str) -> Source | None:
    """The same, also of the class's drawings that are deleted: as it was called, with nothing in it."""
    return source_of(name) or visitor().deleted.get(name)


def is_deleted(name: str) -> bool:
    """Whether these were the class's drawings, and are here no more: its wall was cleared, or it is over."""
    return source_of(name) is None and name in visitor().deleted


def own_source_of(name: str) -> Source | None:
    """The same of somebody's own data sets only; of the program's nobody asks the class."""
    return source_of(name) if is_own(name) else None


def newest_of(name: str) -> str | None:
    """What a data set that was offered has become: the visitor's or the class's, with what was drawn since; None: nothing."""
    there, own = offered(), visitor().own
    if name in there:
        return name
    if is_of_class(name):
        return _name_of_class(there)
    return own.name if is_own(name) and len(own) else None


def _name_of_class(there: Mapping[str, Source]) -> str | None:
    return next((each.name for each in there.values() if each.title == TITLE_OF_CLASS), None)


def is_of_class(name: str) -> bool:
    """Whether this is the class's, as it is or as it was."""
    source = known(name)
    return source is not None and source.title == TITLE_OF_CLASS


CLASS_IN_LINKS = f"{PREFIX}class"
"""The class's data set, however many drawings it has when the link is opened; its name changes with each of them."""


def name_in_links(name: str) -> str:
    """How a link names a data set."""
    return CLASS_IN_LINKS if is_own(name) and is_of_class(name) else name


def name_from_link(text: str) -> str:
    """The data set that a link names, as it is now; the text itself where there is none."""
    return (_name_of_class(offered()) if text == CLASS_IN_LINKS else None) or text


def keep(images: OwnImages) -> None:
    """Let these be the visitor's drawings. Raises SettingError where there is no memory for them."""
    who = visitor()
    job_pool.pool().budget.claim(images, who.owner, claim_of(images))
    who.own = images


def note(images: OwnImages) -> None:
    """Count the class's drawings, for as long as anybody has them."""
    job_pool.pool().budget.note(images, None, claim_of(images))


def claim_of(images: OwnImages) -> Claim:
    """The memory that drawings take."""
    return Claim(BYTES_OF_PIXEL * images.images.numel())


def forget_class() -> bool:
    """Let go of the class's drawings, also of those that the visitor at hand has trained on; whether there were any."""
    had, who = of_class().forget(), visitor()
    with who.lock:
        for name, source in list(who.sources.items()):
            if source.title == TITLE_OF_CLASS:
                had = True
                del who.sources[name]
                # By the name alone nobody could tell that the class's was chosen, and that it may have drawings again.
                who.deleted[name] = replace(source, read=nothing().source().read)
        keep_newest(who.deleted, MAX_SOURCES)
    return had


def remember(name: str) -> None:
    """Keep a data set as it is now: it was chosen, or something is trained on it."""
    found, kept = source_of(name), visitor().sources
    if found is None or not is_own(name):
        return
    with visitor().lock:
        kept.pop(name, None)
        kept[name] = found
        keep_newest(kept, MAX_SOURCES)
