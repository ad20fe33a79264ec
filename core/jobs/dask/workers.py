"""What studies and trainings on Dask's workers share: images that are there, and functions that are found there."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, cast

from distributed import Client, WorkerPlugin, get_worker

from core.data.datasets import DataSet


class Images(WorkerPlugin):
    """Holds a data set in a worker.

    They reach each worker once: the scheduler keeps the plugin and hands it to every worker that
    joins, also to one that takes a dead one's place, and no worker needs the files.
    """

    idempotent = True

    def __init__(self, data: DataSet) -> None:
        self.data = data
        self.name = _name(data.name)


def _name(data_set: str) -> str:
    return f"images of {data_set}"


def broadcast(client: Client, data: DataSet) -> None:
    """Bring a data set to all workers, unless the scheduler has it. Raises whatever a worker says against it."""
    if _name(data.name) not in client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.worker_plugins)):
        client.register_plugin(Images(data))


def images(data_set: str) -> DataSet:
    """In a worker: the data set that was brought."""
    return cast(Images, get_worker().plugins[_name(data_set)]).data


def by_reference(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as a worker finds it, as code and not as a name.

    The scheduler unpickles what a task is given, and need not have this program; what a task returns it passes on unread.
    """
    module, name = function.__module__, function.__name__
    return lambda *arguments: getattr(import_module(module), name)(*arguments)
