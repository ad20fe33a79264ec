"""The workers of a server, which give trainings their fair turns and stand back behind drawings."""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from weakref import WeakSet

from core.jobs.environment import memory_of_processes, training_workers
from core.jobs.images import SharedImages
from core.jobs.job import TIME_SLICE_SECONDS, TrainingJob
from core.jobs.memory_budget import Budget, Owner
from core.jobs.training_process import MAX_STAND_BACK, TrainingProcess, TrainingProcesses

LOG = logging.getLogger(__name__)

TRAINING_NICE = 10
"""How far the threads that train, and processes that they start, stand back behind those that answer (on Linux)."""

LONG_TURNS = 6
"""Where both wait, one turn in so many is for a long training; ten would else take a third from twenty short ones."""

PROCESSES_STAY = 300.0
"""Seconds for which the processes that train are kept though nobody trains; to start them takes seconds."""


@dataclass(frozen=True)
class Place:
    """Where a job stands among the others: one turn in so many is its own, so many come before, in so many seconds."""

    turn: float = 1.0
    ahead: int = 0
    wait: float = 0.0


class JobPool:
    """Workers that give jobs their turns; one pool serves all visitors.

    The next turn is for the owner whose last one is longest ago, one job of each owner at a time; of their jobs,
    for one that is trained and only to be measured, else for the one that is least trained. Where long and short
    trainings wait, one turn in LONG_TURNS is for a long one. budget: the memory of all that visitors cause.
    processes: so many turns at a time have a process of their own.
    """

    def __init__(self, workers: int | None = None, budget: Budget | None = None, processes: int = 0) -> None:
        self.workers = 0
        self.budget = budget or Budget()
        self.processes = TrainingProcesses(processes)
        # Counted before they are there, or others would have what they need.
        self.budget.count_process(lambda: max(self.processes.memory(), memory_of_processes(processes)))
        self.images = SharedImages()
        self._known: WeakSet[TrainingJob] = WeakSet()
        self._waiting: list[TrainingJob] = []
        self._running: list[TrainingJob] = []
        self._turn = 0
        self._last_long_turn = 0
        self._is_held = False
        self._lent: dict[TrainingJob, int] = {}  # numbers of processes, each until the turn ends
        self._changed = threading.Condition()
        self._urgent = 0
        self._is_calm = threading.Event()
        self._is_calm.set()
        self._is_closed = False
        self._background: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work_in_background, name="background", daemon=True)]
        self._threads[0].start()
        self.grow(workers or training_workers())

    def grow(self, workers: int) -> None:
        """Have at least so many workers."""
        with self._changed:
            while self.workers < workers:
                thread = threading.Thread(target=self._work, name=f"training-{self.workers}", daemon=True)
                self._threads.append(thread)
                thread.start()
                self.workers += 1

    def close(self, seconds: float = 3.0) -> bool:
        """End all training and wait for the workers, for so many seconds at most; whether all have ended.

        Jobs that run or wait end without a result. The pool takes no more work.
        """
        with self._changed:
            self._is_closed = True
            jobs = [*self._running, *self._waiting]
            self._changed.notify_all()
        for job in jobs:
            job.drop()
        self.in_background(lambda: None)  # wakes the thread, which then ends
        latest = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, latest - time.monotonic()))
        self.processes.end()
        return not any(thread.is_alive() for thread in self._threads)

    def submit(self, job: TrainingJob) -> None:
        with self._changed:
            self._waiting.append(job)
            self._changed.notify()

    def withdraw(self, job: TrainingJob) -> bool:
        """Take a waiting job out of the queue; False when it was not there."""
        with self._changed:
            if job not in self._waiting:
                return False
            self._waiting.remove(job)
            return True

    @property
    def counts(self) -> tuple[int, int]:
        """How many jobs have their turn, and how many wait for theirs."""
        with self._changed:
            return len(self._running), len(self._waiting)

    def register(self, job: TrainingJob) -> None:
        """Have it among jobs() for as long as somebody holds it."""
        with self._changed:
            self._known.add(job)

    def jobs(self) -> list[TrainingJob]:
        """All jobs that are not over, also those that rest, by their owners' numbers."""
        with self._changed:
            known = [job for job in self._known if not job.is_gone]
        return sorted(known, key=lambda job: job.owner.number)

    @property
    def is_held(self) -> bool:
        """Whether nobody's training has a turn."""
        return self._is_held

    def hold(self, is_held: bool) -> None:
        """Give no more turns, or give them again; every job stays where it is."""
        with self._changed:
            self._is_held = is_held
            self._changed.notify_all()

    def wake(self) -> None:
        """A job's command has changed: whether somebody has a turn now is looked at again."""
        with self._changed:
            self._changed.notify_all()

    def has_others(self, job: TrainingJob) -> bool:
        """Whether somebody waits for the worker that this job has."""
        with self._changed:
            busy = {other.owner for other in self._running if other is not job}
            return any(other.owner not in busy for other in self._waiting)

    def is_sibling_behind(self, job: TrainingJob) -> bool:
        """Whether nobody waits but another training of the same owner, which has trained less of what it has to."""
        with self._changed:
            own = [other for other in self._waiting if other.owner is job.owner]
            return bool(own) and len(own) == len(self._waiting) and min(other.share for other in own) < job.share

    def place_of(self, job: TrainingJob) -> Place:
        """How often and how soon it has its turn, if others neither come nor go."""
        with self._changed:
            active = [*self._running, *self._waiting]
            if job not in active:
                return Place()
            shorts = {other: other.is_short for other in active}  # asked once: a worker may change it meanwhile
            is_short = shorts[job]
            owners: dict[bool, set[Owner]] = {True: set(), False: set()}
            for other in active:
                owners[shorts[other]].add(other.owner)
            short, long = len(owners[True]), len(owners[False])
            # Workers that are there for the long ones, at least and as it comes out, and for the short ones.
            for_short = min(short, self.workers - min(long, self.workers / LONG_TURNS if short else self.workers))
            workers = for_short if is_short else min(long, self.workers - for_short)
            own = sum(other.owner is job.owner for other in active)
            turn = max(1.0, (short if is_short else long) * own / workers)
            if job not in self._waiting:
                return Place(turn)
            before = [other for other in self._waiting if shorts[other] is is_short and self._order(other) < self._order(job)]
            siblings = sum(other.owner is job.owner for other in self._running)  # of one owner's jobs one runs at a time
            is_free = len(self._running) < self.workers and not siblings
            ahead = len(before) + siblings
            return Place(turn, ahead, 0.0 if is_free else (ahead + 1) * TIME_SLICE_SECONDS / workers)

    def _order(self, job: TrainingJob) -> tuple[int, float, int]:
        return job.owner.last_turn, -1.0 if job.is_ending else job.share, self._waiting.index(job)

    @contextmanager
    def inference_priority(self) -> Iterator[None]:
        """What happens inside comes before training: meanwhile no batch is begun in this process, nor in one that trains.

        For MAX_STAND_BACK at most.
        """
        with self._changed:
            self._urgent += 1
            self.processes.stand_back(self._urgent)
            self._is_calm.clear()
        try:
            yield
        finally:
            with self._changed:
                self._urgent -= 1
                self.processes.stand_back(self._urgent)
                if not self._urgent:
                    self._is_calm.set()

    def in_background(self, work: Callable[[], object]) -> None:
        """Do some work soon, one piece after the other, with as low a priority as training."""
        self._background.put(work)

    def yield_to_inference(self) -> None:
        """Called by a worker between batches."""
        self._is_calm.wait(MAX_STAND_BACK)

    def _next(self) -> TrainingJob | None:
        """Whose turn is next, of the waiting jobs whose owner has none running."""
        busy = {job.owner for job in self._running}
        ready = [job for job in self._waiting if job.owner not in busy]
        leaving = next((job for job in ready if job.is_leaving), None)
        if leaving or self._is_held or not ready:
            return leaving
        is_for_long = self._turn - self._last_long_turn >= LONG_TURNS - 1
        wanted = [job for job in ready if job.is_short is not is_for_long] or ready
        return min(wanted, key=self._order)

    def _work(self) -> None:
        lower_priority()
        while True:
            with self._changed:
                while (job := self._next()) is None and not self._is_closed:
                    if not self._changed.wait(PROCESSES_STAY) and not (self._running or self._waiting):
                        self.in_background(self._end_idle_processes)
                if job is None:
                    return
                self._waiting.remove(job)
                self._running.append(job)
                self._turn += 1
                job.owner.last_turn = self._turn
                if not job.is_short:
                    self._last_long_turn = self._turn
            wants_more = job.run(partial(self._process_of, job))
            with self._changed:
                self._running.remove(job)
                self._lent.pop(job, None)
                if wants_more:
                    self._waiting.append(job)
                self._changed.notify_all()
            if wants_more:
                job.leave_if_asked()
            del job

    def _process_of(self, job: TrainingJob) -> TrainingProcess | None:
        """Where a job that has its turn may train: it may get a process later in its turn, once another is done with it."""
        with self._changed:
            free = set(range(self.processes.count)).difference(self._lent.values())
            if free and job not in self._lent:
                self._lent[job] = max(free)  # the first one stands back for every drawing
            number = self._lent.get(job)
        return None if number is None else self.processes.of(number)

    def _end_idle_processes(self) -> None:
        with self._changed:
            if self._running or self._waiting:  # since this was ordered
                return
        self.processes.end()

    def _work_in_background(self) -> None:
        lower_priority()
        while not self._is_closed:
            try:
                # No name holds the work until the next comes: it knows a job, and the job a network.
                self._background.get()()
            except Exception:  # other work follows, of other jobs
                LOG.exception("Work in the background failed")


def lower_priority() -> None:
    """Lower this thread's share of the processor, so that a drawing is scored before the next batch is trained."""
    if sys.platform == "linux":
        with suppress(OSError):
            own = os.getpriority(os.PRIO_PROCESS, os.getpid())  # not of the thread that began this one
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), min(19, own + TRAINING_NICE))
