"""One budget for the memory of all visitors: what each thing needs, and whether there is room for another."""

import itertools
import math
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from core.detector import DetectorConfig
from core.errors import SettingError
from core.model import layers, meta_model, parameter_count
from core.server.environment import MEGABYTE, memory_limit
from core.server.process import give_back_memory, memory_in_use

SHARE_OF_VISITOR = 0.25
"""The most that one visitor may have of what the server has for all."""

SMALL = 64 * MEGABYTE
"""Claims up to this size may use the whole budget; larger ones leave the share RESERVED free, so that a training of the
course's network always fits."""

RESERVED = 0.2

COLLECT_SECONDS = 2.0
"""Between two searches for memory that nobody can reach any more: each stops everything for tenths of a second, and who is
refused may press again and again."""

WITHOUT_VISITORS = 700 * MEGABYTE
"""What the server is taken to need for itself where the system does not tell."""


_numbers = itertools.count(1)


class Owner:
    """A visitor, as trainings and memory know one: by a number that is made up and says nothing else."""

    def __init__(self) -> None:
        self.number = next(_numbers)
        self.last_turn = 0
        """Number of the last turn that the pool gave to a training of theirs; the smallest is next."""


@dataclass(frozen=True)
class Claim:
    """Bytes that something needs: its own, and those of images that it shares with all who have the same key."""

    own: int
    key: Hashable = None
    shared: int = 0


class MemoryFullError(SettingError):
    """There is no memory for what was asked for; what exists goes on."""


class Budget:
    """All memory that visitors cause: what each thing needs, whose it is, and whether there is room for another.

    A thing counts for as long as it is alive, so that nothing has to be given back. size: bytes for
    all visitors, unless given what MEMORY_LIMIT leaves beside what the server takes now. Raises SettingError.
    """

    def __init__(self, size: int | None = None) -> None:
        taken = memory_in_use()
        self._limit = memory_limit() if size is None else math.inf
        without = int(taken * MEGABYTE) if taken else WITHOUT_VISITORS
        self.size = max(0, memory_limit() - without) if size is None else size
        self._claims: WeakKeyDictionary[object, tuple[Owner | None, Claim]] = WeakKeyDictionary()
        self._others: list[Callable[[], int]] = []
        self._processes: list[Callable[[], int]] = []
        self._lock = threading.Lock()
        self._collected = -math.inf

    def count(self, others: Callable[[], int]) -> None:
        """Count also what this tells whenever it is asked, in bytes, as nobody's."""
        self._others.append(others)

    def count_process(self, memory: Callable[[], int]) -> None:
        """Leave room for another process of this server too; memory: what it takes, in bytes."""
        self._processes.append(memory)

    def claim(self, thing: object, owner: Owner | None, claim: Claim) -> None:
        """Count a thing, if there is room. Raises MemoryFullError."""
        with self._lock:
            self._require(owner, claim)
            self._claims[thing] = owner, claim

    def note(self, thing: object, owner: Owner | None, claim: Claim) -> None:
        """Count a thing that is there, or another claim of one that was counted."""
        with self._lock:
            self._claims[thing] = owner, claim

    def require(self, owner: Owner | None, claim: Claim) -> None:
        """Raises MemoryFullError where there is no room for so much."""
        with self._lock:
            self._require(owner, claim)

    def used(self, owner: Owner | None = None) -> int:
        """Bytes that everything of an owner needs, or of all owners, without other processes."""
        with self._lock:
            return self._used(owner)

    def _used(self, owner: Owner | None, besides: Claim | None = None) -> int:
        claims = [claim for whose, claim in list(self._claims.values()) if owner is None or whose is owner]
        claims += [besides] if besides else []
        shared = {claim.key: claim.shared for claim in claims}
        others = 0 if owner else sum(tell() for tell in self._others)
        return sum(claim.own for claim in claims) + sum(shared.values()) + others

    def _require(self, owner: Owner | None, claim: Claim) -> None:
        problem = self._problem(owner, claim)
        now = time.monotonic()
        if problem and now - self._collected > COLLECT_SECONDS:
            self._collected = now
            give_back_memory()  # perhaps it is held by what nobody can reach any more
            problem = self._problem(owner, claim)
        if problem:
            raise problem

    def _problem(self, owner: Owner | None, claim: Claim) -> MemoryFullError | None:
        needed = claim.own + claim.shared
        if owner:
            most, used = int(SHARE_OF_VISITOR * self.size), self._used(owner)
            if self._used(owner, claim) > most:
                return MemoryFullError(
                    "This needs {needed:,.0f} MB of memory. You may have {most:,.0f} MB at a time and have {used:,.0f} MB. "
                    "Take fewer classes, smaller layers or smaller batches, or start afresh under Help.",
                    needed=needed / MEGABYTE,
                    most=most / MEGABYTE,
                    used=used / MEGABYTE,
                )
        elsewhere = sum(memory() for memory in self._processes)  # once: it takes milliseconds
        before, after = self._used(None) + elsewhere, self._used(None, claim) + elsewhere
        most = self.size if after - before <= SMALL else int((1 - RESERVED) * self.size)
        is_full = (memory_in_use() or 0.0) * MEGABYTE + elsewhere > self._limit
        if after > most or is_full:
            return MemoryFullError(
                "This needs {needed:,.0f} MB of memory, and {left:,.0f} MB are left for all. What runs goes on. Take fewer "
                "classes, smaller layers or smaller batches, or try again when others have finished.",
                needed=needed / MEGABYTE,
                left=0.0 if is_full else max(0, most - before) / MEGABYTE,
            )
        return None


COPIES = 6
"""A training holds its weights so often: the network, Adam's two moments, gradients, the snapshot, the live detector."""


def claim_of(config: DetectorConfig, counts: tuple[int, int], key: Hashable) -> Claim:
    """What a training needs at most. counts: images that train and calibrate; key: of the images that it shares."""
    images, held_out = counts
    training = config.training
    size = min(training.batch_size, images)
    batches = math.ceil(images / training.batch_size)
    batch = size * sum(stage.units for stage in layers(config.model)) * 3
    if training.broadcasting:
        batch += 3 * 784 * size**2
    remembered = 2 * images * config.model.latent_dim if config.neighbours else 0
    numbers = COPIES * parameter_count(meta_model(config.model)) + training.epochs * batches + batch + remembered
    copies = 1 if config.preprocessing == "none" else 2
    return Claim(4 * numbers, (key, config.preprocessing), 4 * 784 * (images + held_out) * copies)


def claim_of_detector(size: int) -> Claim:
    """What a detector with so many numbers needs."""
    return Claim(4 * size)
