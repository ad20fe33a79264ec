"""A job's batches on Dask's workers.

A task trains a given number of batches from a given state and gives the next state, which stays on
its worker for the task that follows: pausing is to ask for no more. Nothing but the task itself decides
what comes out, so that Dask may run it again wherever a worker died. The app's own process keeps a checkpoint,
the state after each epoch and at each pause; when the cluster is gone, the training goes on from there.
"""

import asyncio
import json
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Generator, Hashable, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from copy import copy
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple, TypeVar, cast

import dask
import distributed
from distributed import Client, KilledWorker
from distributed.client import AllExit
from distributed.comm.addressing import get_address_host_port
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from core import checkpoint
from core.checkpoint import Checkpoint
from core.data.datasets import DataSet
from core.data.own import is_own
from core.data.split import SplitSource, plan_split
from core.detector import AutoencoderDetector, DetectorConfig, config_from
from core.jobs.backend import FindProcess, HaltedError, calibrate_and_measure
from core.jobs.dask.workers import broadcast, by_reference, forgotten_with_images, images, take_back
from core.jobs.images import Prepared, TrainingImages
from core.jobs.pool import JobPool
from core.model import Autoencoder, build, meta_model
from core.training import DivergedError, Step, Trainer

LOG = logging.getLogger(__name__)
CHUNK_SECONDS = 0.5
"""Seconds that a task trains: the curves move twice a second, and others have their turn."""

PREFETCH = 2
"""Tasks asked for at a time: the worker begins the second while the first one's losses travel."""

POLL_SECONDS = 1.0
"""Seconds after which a job looks whether it is still wanted, whatever it waits for."""

CONNECTING = 3.0
"""Seconds in which a scheduler has to answer."""

PREPARING = 60.0
"""Seconds in which the images have to reach all workers."""

WORKERLESS = 10.0
"""Seconds in which a worker that died may come back, where there is no other."""

HEARTBEAT = 5.0
"""Seconds without a snapshot after which the scheduler is asked whether it is still there."""

RETRY_AFTER = 0.5
"""Seconds for which a scheduler that did not answer is not asked again: thirty jobs shall not wait one after another."""

MAX_TRIES = 3
"""How often in a row a training goes back to the checkpoint before it pauses."""

MAX_SPLITS = 8
"""Trainings' images that a worker keeps, those that were wanted last."""

MAX_WORKERS = 64
"""Threads that wait for the cluster."""

T = TypeVar("T")


def _is_worth_logging(record: logging.LogRecord) -> bool:
    """Whether a line of asyncio's log says more than that Dask gave up a result.

    Where a worker dies between finishing a task and handing its result over, Dask drops a task of its own
    that ended with AllExit, and asyncio logs that nobody took it; the training goes on without it.
    """
    return not (record.exc_info and isinstance(record.exc_info[1], AllExit))


logging.getLogger("asyncio").addFilter(_is_worth_logging)


class ChunkResult(NamedTuple):
    """What a task gives: the batches, the seconds they took, the network's weights, and where the Trainer stands."""

    steps: tuple[Step, ...]
    seconds: float
    weights: bytes
    state: bytes


# ---------------------------------------------------------------- in a worker


def step_many(
    settings: str, counts: tuple[int, int], batches: int, before: ChunkResult | tuple[bytes, bytes] | None
) -> ChunkResult:
    """So many batches after what was before, from the beginning if that is None. counts: _images_of. Raises DivergedError."""
    config = config_from(json.loads(settings))
    prepared = _images_of(config, counts)
    if before is None:
        trainer = Trainer(build(config.model, config.training.seed), prepared.train, prepared.calibration, config.training)
    else:
        weights, state = before[-2:]
        trainer = Trainer(_network(config, weights), prepared.train, prepared.calibration, config.training)
        trainer.restore(load_tensors(state))
    started = time.perf_counter()
    steps = tuple(trainer.step() for _ in range(batches))
    seconds = time.perf_counter() - started
    return ChunkResult(steps, seconds, save_tensors(trainer.model.state_dict()), save_tensors(trainer.state()))


def snapshot_of(advanced: ChunkResult) -> ChunkResult:
    """What the page shows, without what only the next task needs."""
    return advanced._replace(state=b"")


def finish(settings: str, counts: tuple[int, int], weights: bytes) -> bytes:
    """The detector with these weights, calibrated and measured, as a checkpoint. counts: _images_of."""
    config = config_from(json.loads(settings))
    split = _images_of(config, counts).split
    return checkpoint.to_bytes(calibrate_and_measure(AutoencoderDetector(config, _network(config, weights)), split))


_made: dict[tuple[str, Hashable], TrainingImages] = {}  # by data set and settings, the last wanted last
_made_lock = threading.Lock()


def _images_of(config: DetectorConfig, counts: tuple[int, int]) -> Prepared:
    """The images of a training, of those that this worker has. counts: so many of the planned split, its first."""
    seed, vary = config.training.seed, config.training.vary
    key = config.data_set, (config.normal_classes, seed, vary, counts, config.preprocessing)
    with _made_lock:
        made = _made.pop(key, None)
        if made is None:
            split = plan_split(images(config.data_set), config.normal_classes, seed, vary).first(*counts)
            made = TrainingImages(split, config.preprocessing)
        _made[key] = made
        if len(_made) > MAX_SPLITS:
            del _made[next(iter(_made))]
    return made.prepared


def splits_made() -> list[str]:
    """The data sets of the splits that this worker keeps."""
    with _made_lock:
        return [data_set for data_set, _ in _made]


def _forget_splits(data_set: str) -> None:
    with _made_lock:
        for key in [key for key in _made if key[0] == data_set]:
            del _made[key]


forgotten_with_images(_forget_splits)


def _network(config: DetectorConfig, weights: bytes) -> Autoencoder:
    model = meta_model(config.model)
    model.load_state_dict(load_tensors(weights), assign=True)
    return model


# ---------------------------------------------------------------- in the app


def is_address(text: str) -> bool:
    """Whether a scheduler can be found there: a host with its port, with or without tcp:// or another of Dask's protocols."""
    try:
        get_address_host_port(text)
    except ValueError:
        return False
    return True


class Cluster:
    """The scheduler that all jobs of this process share, connected when the first of them needs it."""

    def __init__(self, address: str, pool: JobPool, may_grow: bool = True) -> None:
        self.address = address
        self._pool = pool
        self._may_grow = may_grow
        self._client: Client | None = None
        self._failed: tuple[float, HaltedError] | None = None
        self._turn = threading.Lock()
        self._users: Counter[str] = Counter()  # trainings that are on the cluster, by data set
        self._counting = threading.Lock()
        # A state of a training is larger than what Dask warns of.
        dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"})
        # What becomes of the cluster is told here, in a line of this program's log and not in a traceback for each attempt.
        for name in ("distributed", "distributed.client", "tornado.application"):
            logging.getLogger(name).setLevel(logging.CRITICAL)

    def prepare(self, data: DataSet) -> Future[Client]:
        """Connect, unless that was done, and bring the images to the workers. Its result raises HaltedError.

        However it ends, `release` is to follow.
        """
        with self._counting:
            self._users[data.name] += 1
        future: Future[Client] = Future()
        # A daemon, so that a scheduler that never answers does not keep this process from ending.
        threading.Thread(target=self._resolve, args=(future, data), name="cluster", daemon=True).start()
        return future

    def release(self, data_set: str) -> None:
        """A training has left the cluster; after the last one nobody's own drawings stay there. Returns at once."""
        with self._counting:
            self._users[data_set] -= 1
            self._users += Counter()  # only what is wanted is kept
            is_last = not self._users[data_set]
        if is_last and is_own(data_set):
            threading.Thread(target=self._take_back, args=(data_set,), name="cluster", daemon=True).start()

    def _take_back(self, data_set: str) -> None:
        try:
            if client := self._running_client:
                self.threads(client)  # before the turn, which a scheduler that does not answer would keep
            with self._turn:
                if (client := self._running_client) and not self._users[data_set]:
                    take_back(client, data_set)
        except Exception as error:
            LOG.warning("Drawings may have stayed on the cluster at %s: %s", self.address, error)

    def _resolve(self, future: Future[Client], data: DataSet) -> None:
        with self._turn:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(self._prepare(data))
            except HaltedError as error:
                future.set_exception(error)

    def _prepare(self, data: DataSet) -> Client:
        if self._failed and time.monotonic() - self._failed[0] < RETRY_AFTER:
            raise copy(self._failed[1])
        try:
            client = self._connected()
            until = time.monotonic() + WORKERLESS
            while not (threads := self.threads(client)):
                if time.monotonic() > until:
                    raise HaltedError("The cluster at {address} has no workers.", address=self.address)
                time.sleep(0.1)
            broadcast(client, data)
        except Exception as error:
            explained = self.explained(error)
            self._failed = time.monotonic(), copy(explained)  # which keeps no training by its traceback
            raise explained from error
        if self._may_grow:
            self._pool.grow(min(threads, MAX_WORKERS))
        return client

    @property
    def _running_client(self) -> Client | None:
        client = self._client  # once: it may be replaced meanwhile
        return client if client and client.status == "running" else None

    def _connected(self) -> Client:
        if self._client and not self._running_client:
            with suppress(Exception):  # whatever is left of it
                self._client.close(timeout=1)
            self._client = None
        if self._client is None:
            try:
                self._client = Client(self.address, timeout=CONNECTING, set_as_default=False)
            except ValueError as error:
                raise ConnectionError("this is no address") from error
            LOG.info("Connected to the cluster at %s.", self.address)
        return self._client

    def threads(self, client: Client) -> int:
        """How many trainings the workers can do at the same time. Raises OSError where nobody answers."""
        return sum(client.nthreads(callback_timeout=CONNECTING).values())

    def explained(self, error: Exception) -> HaltedError:
        """What went wrong, as a sentence."""
        match error:
            case HaltedError():
                return error
            case KilledWorker():
                return HaltedError("The cluster's workers die of this training.")
            case OSError() | CancelledError():
                return HaltedError("The cluster at {address} does not answer.", address=self.address)
        # What a worker says against it comes as it is, or as a bare Exception.
        return HaltedError(
            "The cluster's workers cannot use this program: {reason}. Start them in its folder.", reason=str(error)
        )


@dataclass(frozen=True)
class Chunk:
    """A task that was asked for. end: batches trained after it; snapshot: what is fetched of it."""

    end: int
    task: "distributed.Future[ChunkResult]"
    snapshot: "Future[ChunkResult]"


class DaskBackend:
    """The backend of one job (core/jobs/job.py) on a cluster.

    The batches of a task are so many as its worker trains in a CHUNK_SECONDS, and each is counted in advance:
    a task that Dask runs again gives the same. data: the set that the split is of. split: what plan_split makes of the
    settings, or its first images; workers plan it themselves and are told how many.
    """

    def __init__(self, config: DetectorConfig, data: DataSet, split: SplitSource, cluster: Cluster) -> None:
        self._config, self._data, self._split, self._cluster = config, data, split, cluster
        self._settings = json.dumps(asdict(config))
        self._batches = -(-split.counts[0] // config.training.batch_size)
        self._total = config.training.epochs * self._batches
        self._woken = threading.Event()
        self._preparing: Future[Client] | None = None
        self._is_to_release = False
        self._client: Client | None = None
        self._chunks: deque[Chunk] = deque()
        self._last: distributed.Future[ChunkResult] | None = None  # the task after which `trained` batches are trained
        # Weights and state after `_checkpoint_batches` batches; None is the beginning.
        self._checkpoint: tuple[bytes, bytes] | None = None
        self._checkpoint_batches = 0
        self._tries = 0
        self._heard = 0.0
        self._pace = 0.0  # batches a second
        self.trained = 0
        self.is_watched = False  # the weights of each task are fetched
        self._weights: dict[str, Tensor] = {}

    def begin(self) -> None:
        self._weights = build(self._config.model, self._config.training.seed).state_dict()

    def begin_turn(self, find_process: FindProcess) -> None:
        pass

    def end_turn(self) -> None:
        pass  # what is under way on the cluster goes on meanwhile

    @property
    def is_at_rest(self) -> bool:
        return self._client is None and self._preparing is None

    def close(self) -> None:
        """Leave the cluster where that was not done: the job died of an error."""
        self._leave()

    def set_learning_rate(self, rate: float) -> None:
        """The training goes on from the checkpoint; before its first batch that is the beginning, as it is planned."""
        if self._checkpoint is None:
            settings = config_from(json.loads(self._settings))
            changed = replace(settings, training=replace(settings.training, learning_rate=rate))
            self._settings = json.dumps(asdict(changed))
        else:
            weights, state = self._checkpoint
            tensors = load_tensors(state)
            tensors["rates"][0] = rate
            self._checkpoint = weights, save_tensors(tensors)

    def interrupt(self) -> None:
        self._woken.set()

    def weights(self) -> dict[str, Tensor]:
        return self._weights

    def step_many(self, single_step: bool) -> Sequence[Step]:
        """Raises HaltedError, DivergedError."""
        try:
            if client := self._connected():
                return self._train(client, 1 if single_step else None)
        except DivergedError:
            self._leave()
            raise
        except Exception as error:
            LOG.warning("A training on the cluster goes back to batch %d: %s", self._checkpoint_batches, error)
            self._leave()
            self._go_back()
            self._tries += 1
            if self._tries > MAX_TRIES or isinstance(error, (HaltedError, KilledWorker)):
                self._tries = 0
                raise self._with_place(self._cluster.explained(error)) from error
        return ()

    def _train(self, client: Client, at_most: int | None) -> Sequence[Step]:
        self._require(client)
        # Before the first snapshot nobody knows how many batches are a moment's.
        ahead = PREFETCH if self._pace and not at_most else 1
        while len(self._chunks) < ahead and (begin := self._planned) < self._total:
            end = begin + (at_most or max(1, round(self._pace * CHUNK_SECONDS)))
            self._chunks.append(self._ask(client, begin, min(end, self._total)))
        chunk = self._chunks[0]
        if not self._come(chunk.snapshot):
            return ()
        advanced = chunk.snapshot.result()
        self._chunks.popleft()
        self._last, self.trained, self._tries, self._heard = chunk.task, chunk.end, 0, time.monotonic()
        self._pace = len(advanced.steps) / max(advanced.seconds, 1e-6)
        self._weights = load_tensors(advanced.weights)
        if advanced.state:
            self._keep(advanced)
        return advanced.steps

    def _require(self, client: Client) -> None:
        """Raises OSError where scheduler, workers or the training's state are gone; asks where nothing came for long."""
        # A client whose scheduler is gone cancels its futures and tries to reconnect; a frozen scheduler closes nothing.
        # A future that is `lost` would be run again with all tasks before it, from the very first.
        tasks = (self._last, *(chunk.task for chunk in self._chunks))
        if client.status != "running":
            raise ConnectionError("the scheduler is gone")
        if any(task.status == "lost" for task in tasks if task):
            raise ConnectionError("a worker is gone")
        if time.monotonic() - self._heard > HEARTBEAT:
            if not self._cluster.threads(client):
                raise ConnectionError("all workers are gone")
            self._heard = time.monotonic()

    @property
    def _planned(self) -> int:
        """How many batches will be trained after what is asked for."""
        return self._chunks[-1].end if self._chunks else self.trained

    def _connected(self) -> Client | None:
        """The client with everything prepared; None while that is going on. Raises HaltedError."""
        if self._client is None:
            if self._preparing is None:
                self._is_to_release = True
                self._preparing, self._heard = self._notified(self._cluster.prepare(self._data)), time.monotonic()
            if not self._come(self._preparing):
                if time.monotonic() - self._heard > PREPARING:
                    raise self._cluster.explained(TimeoutError())
                return None
            preparing, self._preparing = self._preparing, None
            self._client, self._heard = preparing.result(), time.monotonic()
        return self._client

    def _ask(self, client: Client, begin: int, end: int) -> Chunk:
        before = self._chunks[-1].task if self._chunks else self._last or self._checkpoint
        task = client.submit(by_reference(step_many), self._settings, self._split.counts, end - begin, before, pure=False)
        # An epoch's end is fetched whole.
        ends_epoch = begin // self._batches < end // self._batches
        shown = task if ends_epoch else client.submit(by_reference(snapshot_of), task, pure=False)
        return Chunk(end, task, self._notified(_fetched(client, shown)))

    def _notified(self, future: Future[T]) -> Future[T]:
        future.add_done_callback(lambda _: self._woken.set())
        return future

    def _come(self, future: Future[Any]) -> bool:
        """Whether it is done; waits for it for a turn, or until somebody gives a command."""
        if not future.done():
            self._woken.wait(POLL_SECONDS)
        self._woken.clear()
        return future.done()

    def _keep(self, advanced: ChunkResult) -> None:
        self._checkpoint, self._checkpoint_batches = (advanced.weights, advanced.state), self.trained

    def suspend(self) -> None:
        self._settle()
        self._leave()

    def _settle(self) -> None:
        """Want no more and fetch the state; without an answer, the last checkpoint has to do."""
        self._forget()
        if self._client and self._last and self.trained != self._checkpoint_batches:
            try:
                self._keep(_fetched(self._client, self._last).result(CONNECTING))
            except Exception as error:
                LOG.warning("The state of a training could not be fetched from the cluster: %s", error)
        self._go_back()

    def _go_back(self) -> None:
        """Go on from the checkpoint."""
        self._last = None
        if self.trained != self._checkpoint_batches:
            self.trained = self._checkpoint_batches
            self._weights = (
                load_tensors(self._checkpoint[0])
                if self._checkpoint
                else build(self._config.model, self._config.training.seed).state_dict()
            )

    def _leave(self) -> None:
        """Let go of everything on the cluster; Dask forgets what nobody holds."""
        self._forget()
        if self._preparing:
            self._preparing.cancel()
        self._preparing = self._client = self._last = None
        if self._is_to_release:
            self._is_to_release = False
            self._cluster.release(self._data.name)

    def _forget(self) -> None:
        """Want no more of what is under way."""
        for chunk in self._chunks:
            chunk.snapshot.cancel()
        self._chunks.clear()

    def _with_place(self, error: HaltedError) -> HaltedError:
        if not self._checkpoint_batches:
            return HaltedError("{reason} Press Resume to try again.", reason=error)
        epoch, batch = divmod(self._checkpoint_batches - 1, self._batches)
        return HaltedError(
            "{reason} What was learnt up to epoch {epoch}, batch {batch}, is kept. Press Resume to try again.",
            reason=error,
            epoch=epoch + 1,
            batch=batch + 1,
        )

    def finish(self) -> Generator[None, None, Checkpoint]:
        """On the cluster, which is left only then, else here; in one step."""
        yield from ()
        return self._finish()

    def _finish(self) -> Checkpoint:
        self._settle()
        weights = save_tensors(self._weights)
        try:
            while (client := self._connected()) is None:
                pass
            task = client.submit(by_reference(finish), self._settings, self._split.counts, weights, pure=False)
            result = self._notified(_fetched(client, task))
            while not self._come(result):
                self._require(client)
            return checkpoint.from_bytes(result.result())
        except Exception as error:
            LOG.warning("A training ends here and not on the cluster: %s", error)
            return calibrate_and_measure(
                AutoencoderDetector(self._config, _network(self._config, weights)), self._split.materialize()
            )
        finally:
            self._leave()


def _fetched(client: Client, task: "distributed.Future[T]") -> "Future[T]":
    """The task's result, while it is fetched.

    client.gather, cancelled, would leave tasks of its own whose exceptions nobody takes: asyncio logs each with a traceback.
    """

    async def awaited() -> T:
        return cast(T, await task)

    return asyncio.run_coroutine_threadsafe(awaited(), cast(Any, client.loop).asyncio_loop)
