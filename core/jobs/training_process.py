"""Processes of their own in which batches are trained, so that pages that run do not keep trainings waiting.

Python runs one thread of a process at a time (the global interpreter lock): in the server's own process, beside the pages of a
class, trainings leave more than a quarter of two cores idle. A training goes to such a process for a turn and comes back
with all that it has learnt. So it can go on anywhere; where a process ends, one turn is lost, and of a long one what
was trained in WHOLE_EVERY seconds.

Only on Linux: a first process loads torch, which takes 370 MB, and is copied (fork) for each of the others, which share them.
"""

import gc
import itertools
import logging
import math
import mmap
import os
import pickle
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.model import Autoencoder, ModelConfig
from core.server.process import keep_no_large_blocks
from core.training import Step, TrainConfig, Trainer

LOG = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[2]

MOMENT = 0.2
"""Seconds that a process trains before it tells how far it has come."""

WHOLE_EVERY = 5.0
"""Seconds after which a training that stays in a process is told whole: so much is lost at most where the process ends."""

MAX_STAND_BACK = 0.1
"""Seconds that a batch waits for drawings to be judged; then it is trained all the same."""

LOOK_EVERY = 0.002
"""Seconds between two looks whether that is over."""

MAX_IMAGE_BYTES = 64 * 2**20
"""Images that a process holds at most; a class that trains on the same digit sends them once. Whoever trains on more, which
is on most classes, trains in the server's own process, which has them already."""

SPARE_BYTES = 16 * 2**20
"""Memory that a process keeps for the next batch; to give back and take again what a batch needs costs a tenth of its time."""

MAX_PARTS = 1024
"""Buffers that Linux takes in one call (IOV_MAX)."""

START_EVERY = 60.0
"""Seconds between two starts where the processes are lost again and again, as where memory is short."""

END_SECONDS = 3.0
"""Seconds that the processes have to end by themselves."""

Arrays = dict[str, NDArray[np.generic]]


def arrays(tensors: dict[str, Tensor]) -> Arrays:
    """The same numbers as NumPy arrays, which travel faster."""
    return {name: value.detach().numpy() for name, value in tensors.items()}


def tensors(arrays: Arrays) -> dict[str, Tensor]:
    """The same numbers as tensors."""
    return {name: torch.from_numpy(value) for name, value in arrays.items()}


@dataclass(frozen=True)
class Images:
    """What a training trains on and is validated on, (N, 1, 28, 28) each; number: the same for the same images only."""

    number: int
    train: Tensor
    validation: Tensor

    @property
    def size(self) -> int:
        """In bytes."""
        return self.train.nbytes + self.validation.nbytes


@dataclass(frozen=True)
class SavedTraining:
    """A training whole: the network's weights and the Trainer's state."""

    weights: Arrays
    state: Arrays

    @classmethod
    def of(cls, trainer: Trainer) -> "SavedTraining":
        return cls(arrays(trainer.model.state_dict()), arrays(trainer.state()))

    def restore(self, trainer: Trainer) -> Trainer:
        """Have it go on from here; returns it."""
        trainer.model.load_state_dict(tensors(self.weights))
        return trainer.restore(tensors(self.state))


@dataclass(frozen=True)
class Moment:
    """What a process trained in a moment.

    saved: the training whole after these steps, at times; else weights: the network's, where they were asked for. is_last:
    the training has ended and is not there any more, by an error where there is one, after which its weights are no numbers.
    """

    steps: tuple[Step, ...]
    weights: Arrays | None
    saved: SavedTraining | None
    is_last: bool
    error: Exception | None


class ProcessLostError(Exception):
    """The process has ended, and with it what it was asked for."""


class Channel:
    """Objects that go back and forth between two processes of this program.

    A training's numbers travel behind the pickled object (out-of-band buffers of PEP 574), all of them in one call of the
    system each way: after each call a thread waits for Python's lock, which pages have.
    """

    HEADER = struct.Struct("=3Q")
    """Bytes of the pickled object, how many buffers follow it, and their bytes."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def send(self, message: object) -> None:
        """Raises OSError when the other process is gone."""
        buffers: list[pickle.PickleBuffer] = []
        pickled = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
        views = [buffer.raw() for buffer in buffers]
        sizes = [view.nbytes for view in views]
        header = self.HEADER.pack(len(pickled), len(sizes), sum(sizes)) + struct.pack(f"={len(sizes)}Q", *sizes)
        parts = deque([memoryview(header + pickled), *views])
        while parts:
            sent = self._connection.sendmsg(itertools.islice(parts, MAX_PARTS))
            while parts and sent >= parts[0].nbytes:
                sent -= parts.popleft().nbytes
            if sent:
                parts[0] = parts[0][sent:]

    def receive(self) -> Any:
        """Raises EOFError or OSError when the other process is gone. Arrays of one message share their memory."""
        length, count, size = self.HEADER.unpack(self._read(self.HEADER.size))
        sizes = struct.unpack(f"={count}Q", self._read(8 * count))
        pickled, content = self._read(length), self._read(size)
        places = itertools.pairwise(itertools.accumulate(sizes, initial=0))
        return pickle.loads(pickled, buffers=[content[begin:end] for begin, end in places])

    def _read(self, size: int) -> memoryview:
        content = missing = np.empty(size, dtype=np.uint8).data
        while missing:
            received = self._connection.recv_into(missing, 0, socket.MSG_WAITALL)  # a signal may end it early
            if not received:
                raise EOFError
            missing = missing[received:]
        return content

    @property
    def has_message(self) -> bool:
        """Whether something has come, or the other process is gone."""
        poll = select.poll()  # select.select takes no descriptor above 1,024
        try:
            poll.register(self._connection, select.POLLIN)
        except ValueError:  # another thread has closed it
            return True
        return bool(poll.poll(0))

    def close(self) -> None:
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits for a message
        self._connection.close()


class TrainingProcess:
    """One process, for one turn at a time."""

    def __init__(self, connection: socket.socket) -> None:
        self._channel = Channel(connection)
        self._kept: dict[int, int] = {}  # bytes of the images there by their number, the last used last
        self.number: int | None = None
        """The system's, once the process is ready."""
        self.is_lost = False

    @property
    def is_ready(self) -> bool:
        """Whether it trains what it is asked to."""
        if self.number is None and not self.is_lost and self._channel.has_message:
            with suppress(ProcessLostError):
                number = self._ask()
                assert isinstance(number, int)
                self.number = number
        return self.number is not None and not self.is_lost

    def begin(self, model: ModelConfig, config: TrainConfig, images: Images, saved: SavedTraining) -> None:
        """Go on there with a training on MAX_IMAGE_BYTES at most. Raises ProcessLostError."""
        is_there = self._kept.pop(images.number, None) is not None
        forgotten = []
        while sum(self._kept.values()) + images.size > MAX_IMAGE_BYTES:
            forgotten.append(next(iter(self._kept)))
            del self._kept[forgotten[-1]]
        self._kept[images.number] = images.size
        sent = None if is_there else (images.train.numpy(), images.validation.numpy())
        self._ask("begin", model, config, images.number, sent, forgotten, saved)

    def train(self, with_weights: bool) -> Moment:
        """Train for a moment. Raises ProcessLostError."""
        moment = self._ask("train", with_weights)
        assert isinstance(moment, Moment)
        return moment

    def end(self) -> SavedTraining:
        """The training as it stands, which is not there any more. Raises ProcessLostError."""
        saved = self._ask("end")
        assert isinstance(saved, SavedTraining)
        return saved

    def close(self) -> None:
        """The process ends when it has read what was sent."""
        self.is_lost = True
        self._channel.close()

    def _ask(self, *message: object) -> object:
        """The answer; without a message, what the process says by itself."""
        try:
            if message:
                self._channel.send(message)
            return self._channel.receive()
        except Exception as error:  # whatever it was, half a message may be under way
            self.close()
            raise ProcessLostError from error


class TrainingProcesses:
    """The processes of a pool, there from the first turn that can use one until nobody has trained for a while."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._lock = threading.Lock()
        self._first: subprocess.Popen[bytes] | None = None
        self._processes: list[TrainingProcess] = []
        self._started = -math.inf
        if count:
            # One byte that all of them see: how many drawings are judged at this moment.
            self._descriptor = os.memfd_create("urgent")
            os.truncate(self._descriptor, 1)
            self._urgent = mmap.mmap(self._descriptor, 1)

    def of(self, number: int) -> TrainingProcess | None:
        """The process of this number, from 0; the first who asks starts them all, anew where one was lost."""
        with self._lock:
            are_there = self._processes and not any(process.is_lost for process in self._processes)
            if not are_there and time.monotonic() - self._started > START_EVERY:
                self._let_go()  # all, as a process of its own can be made only by the first one as it begins
                self._start()
            return self._processes[number] if self._processes else None

    def _start(self) -> None:
        self._started = time.monotonic()
        pairs: list[tuple[socket.socket, socket.socket]] = []
        try:
            pairs += (socket.socketpair() for _ in range(self.count))
            theirs = [there.fileno() for _, there in pairs]
            self._first = subprocess.Popen(
                [sys.executable, "-c", f"from {__name__} import main; main({theirs}, {self._descriptor})"],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                pass_fds=[*theirs, self._descriptor],
                process_group=0,  # Ctrl-C is for the server, which ends them
            )
            self._processes = [TrainingProcess(here) for here, _ in pairs]
        except OSError as error:
            LOG.warning("Trainings stay in the server's own process; another one cannot be started: %s", error)
            for here, _ in pairs:
                here.close()
        for _, there in pairs:
            there.close()

    def stand_back(self, urgent: int) -> None:
        """So many drawings are judged now; as many processes wait meanwhile, MAX_STAND_BACK at most for each batch."""
        if self.count:
            self._urgent[0] = min(urgent, 255)

    def end(self) -> None:
        """Nobody trains; the next who asks starts them anew. Waits for END_SECONDS at most."""
        with self._lock:
            first = self._let_go()
            self._started = -math.inf
        if first:
            try:
                first.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(first.pid, signal.SIGKILL)
                first.wait()

    def _let_go(self) -> "subprocess.Popen[bytes] | None":
        """Each process ends when it sees that nobody asks any more."""
        first, processes, self._first, self._processes = self._first, self._processes, None, []
        for process in processes:
            process.close()
        return first

    def memory(self) -> int:
        """Bytes that they take, without files that they only read; what they share counts once."""
        with self._lock:
            first, processes = self._first, self._processes
        numbers = [process.number for process in processes if process.number and not process.is_lost]
        return sum(map(_own_bytes, [first.pid, *numbers])) if first else 0


def _own_bytes(process: int) -> int:
    try:
        rows = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has just ended
        return 0
    return sum(1024 * int(row.split()[1]) for row in rows if row.startswith("Pss_Anon:"))


# ---------------------------------------------------------------- in the processes


def main(descriptors: list[int], urgent_descriptor: int) -> None:
    """Be the processes at the other end of these sockets; return when all have ended."""
    urgent = mmap.mmap(urgent_descriptor, 1)
    # The first optimiser loads a third of torch, the first batch of images a library.
    image = torch.zeros(1, 1, 28, 28)
    Trainer(Autoencoder(ModelConfig()), image, image, TrainConfig()).validation_loss()
    keep_no_large_blocks(SPARE_BYTES)
    gc.collect()
    gc.freeze()  # whoever searches what is shared makes it his own
    connections = [socket.socket(fileno=descriptor) for descriptor in descriptors]
    for number, own in enumerate(connections):
        if os.fork() == 0:
            for other in connections:
                if other is not own:
                    other.close()
            _serve(Channel(own), partial(_has_to_stand_back, urgent, number))
            os._exit(0)
    for connection in connections:
        connection.close()
    for _ in connections:
        os.wait()
    os._exit(0)


def _has_to_stand_back(urgent: mmap.mmap, number: int) -> bool:
    return urgent[0] > number


def _serve(channel: Channel, shall_stand_back: Callable[[], bool]) -> None:
    """Train what is asked for until the server is gone."""
    images: dict[int, tuple[Tensor, Tensor]] = {}
    trainer: Trainer | None = None
    told_whole = 0.0
    try:
        channel.send(os.getpid())
        while True:
            match channel.receive():
                case ("begin", model, config, number, sent, forgotten, saved):
                    for each in forgotten:
                        del images[each]
                    if sent:
                        images[number] = torch.from_numpy(sent[0]), torch.from_numpy(sent[1])
                    trainer = saved.restore(Trainer(Autoencoder(model), *images[number], config))
                    told_whole = time.monotonic()
                    channel.send(None)
                case ("train", with_weights):
                    assert trainer
                    steps, error = _train(trainer, shall_stand_back)
                    is_last = trainer.done or error is not None
                    saved = weights = None
                    if not error and (is_last or time.monotonic() - told_whole > WHOLE_EVERY):
                        saved, told_whole = SavedTraining.of(trainer), time.monotonic()
                    elif not error and with_weights:
                        weights = arrays(trainer.model.state_dict())
                    channel.send(Moment(steps, weights, saved, is_last, error))
                    if is_last:
                        trainer = None
                case ("end",):
                    assert trainer
                    channel.send(SavedTraining.of(trainer))
                    trainer = None
    except (EOFError, OSError):
        return


def _train(trainer: Trainer, shall_stand_back: Callable[[], bool]) -> tuple[tuple[Step, ...], Exception | None]:
    """The batches of a moment, one at least, and the error that ended them."""
    steps: list[Step] = []
    ends = time.monotonic() + MOMENT
    try:
        while not trainer.done and not (steps and time.monotonic() > ends):
            latest = time.monotonic() + MAX_STAND_BACK
            while shall_stand_back() and time.monotonic() < latest:
                time.sleep(LOOK_EVERY)
            steps.append(trainer.step())
    except Exception as error:  # told where the training is; other trainings follow
        return tuple(steps), error.with_traceback(None)  # which holds the trainer
    return tuple(steps), None
