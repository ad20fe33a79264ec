"""A sweep on Dask's workers.

The images are there (core/jobs/dask/workers.py); a task is then no more than a line of settings. When
a worker dies, Dask gives its task to another.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from distributed import CancelledError, Client, Future, KilledWorker, LocalCluster, as_completed

from core.data.datasets import DataSet
from core.experiments.sweep import Outcomes, Runner, measure
from core.experiments.sweep_table import Row, SweepError, config_of
from core.jobs.dask.workers import broadcast, by_reference, images

IDLE_TIMEOUT = 30
"""Seconds to wait for a scheduler, and for its first worker."""

LEAVE_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
"""A terminal sends Ctrl-C to every process; the one that began the sweep answers for all."""


def measure_here(settings: str) -> Row | str:
    """In a worker: one detector on the images that are there."""
    return measure(settings, images(config_of(settings)[1].data_set))


@contextmanager
def connected(workers: int, scheduler: str | None) -> Iterator[Runner]:
    """A runner on the scheduler's workers, else on so many processes of this machine, one thread each. Raises SweepError."""
    if scheduler is None:
        with (
            LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.ERROR,
                preload=LEAVE_CTRL_C,
            ) as cluster,
            Client(cluster) as client,
        ):
            yield lambda asked, data: _outcomes(client, asked, data)
        return
    try:
        client = Client(scheduler, timeout=IDLE_TIMEOUT)
    except (OSError, ValueError) as error:
        raise SweepError("There is no scheduler at {address}.", address=scheduler) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=IDLE_TIMEOUT)
        except TimeoutError as error:
            raise SweepError("The scheduler at {address} has no workers.", address=scheduler) from error
        yield lambda asked, data: _outcomes(client, asked, data)


def _outcomes(client: Client, asked: list[str], data: dict[str, DataSet]) -> Outcomes:
    try:
        for each in data.values():
            broadcast(client, each)
    except Exception as error:  # Dask raises what it is told as a bare Exception
        raise SweepError("The workers cannot use this program: {reason}. Start them in its folder.", reason=error) from error
    try:
        tasks = client.map(by_reference(measure_here), asked, pure=False)
        futures = dict(zip(tasks, asked, strict=True))
        del tasks
        for future in as_completed(list(futures), loop=client.loop):
            yield futures.pop(future), _result(future)
    except (CancelledError, OSError) as error:
        raise SweepError("The scheduler is gone. What is finished is in the table; the same command goes on.") from error


def _result(future: Future[Row | str]) -> Row | str:
    try:
        return future.result()
    except KilledWorker as error:
        return str(error)
