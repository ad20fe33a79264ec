"""What sweeps and trainings on Dask's workers share: images that are there, and functions that are found there."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from distributed import Client, Worker, WorkerPlugin, get_worker

from core.data.datasets import DataSet
from core.data.own import PREFIX, is_own

IMAGES, OWN, OF = "images of ", f"images of {PREFIX}", " of "
"""What the names of plugins are made of; with which those of somebody's own begin; what comes before their client's name."""

_derived: list[Callable[[str], None]] = []


def forgotten_with_images(forget: Callable[[str], None]) -> None:
    """Have what was made of a data set's images forgotten when a worker gives them back; forget is told its name."""
    _derived.append(forget)


class Images(WorkerPlugin):
    """Holds a data set in a worker.

    They reach each worker once: the scheduler keeps the plugin and hands it to every worker that
    joins, also to one that takes a dead one's place, and no worker needs the files. Somebody's own
    drawings stay for as long as their client wants them (`take_back`).
    """

    idempotent = True

    def __init__(self, data: DataSet, name: str) -> None:
        self.data = data
        self.name = name

    def teardown(self, worker: Worker) -> None:
        """Dask calls this when the worker gives the images back."""
        for forget in _derived:
            forget(self.data.name)


def _name(client: Client, data_set: str) -> str:
    # Of several clients that bring the same drawings, none takes away what another one uses.
    return f"{IMAGES}{data_set}{OF}{client.id}" if is_own(data_set) else f"{IMAGES}{data_set}"


def broadcast(client: Client, data: DataSet) -> None:
    """Bring a data set to all workers, unless the scheduler has it. Raises whatever a worker says against it."""
    name = _name(client, data.name)
    if name not in client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.worker_plugins)):
        client.register_plugin(Images(data, name))


def take_back(client: Client, data_set: str) -> None:
    """Have scheduler and workers forget somebody's own data set, and those whose client is gone."""
    own, of, mine = OWN, OF, _name(client, data_set)  # the scheduler need not have this program

    def unwanted(dask_scheduler: Any) -> list[str]:
        own_names = [name for name in dask_scheduler.worker_plugins if name.startswith(own)]
        return [name for name in own_names if name == mine or name.rpartition(of)[2] not in dask_scheduler.clients]

    for name in client.run_on_scheduler(unwanted):
        client.unregister_worker_plugin(name)


def images(data_set: str) -> DataSet:
    """In a worker: the data set that was brought. Raises KeyError where it was taken back."""
    brought = [each.data for each in list(get_worker().plugins.values()) if isinstance(each, Images)]
    return {each.name: each for each in brought}[data_set]


def by_reference(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as a worker finds it, as code and not as a name.

    The scheduler unpickles what a task is given, and need not have this program; what a task returns it passes on unread.
    """
    module, name = function.__module__, function.__name__
    return lambda *arguments: getattr(import_module(module), name)(*arguments)
