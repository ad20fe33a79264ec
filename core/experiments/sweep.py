"""A grid of detectors, trained and evaluated, as one tidy table: one row a detector.

python -m core.experiments.sweep        the course's network for each digit, seven bottlenecks, three seeds
python -m core.experiments.sweep --normal 0-9 --preset best --latent 4 24 64 --seed 1-5
python -m core.experiments.sweep --data mnist kmnist --preset course convolutional --noise 0 0.3 --workers 2
python -m core.experiments.sweep --scheduler tcp://10.0.0.1:8786        the same on a cluster of Dask

Every setting is an option that takes several values (core/experiments/options.py) and a column of the table; the grid
is every combination. What is not said is as in a link without it. A detector that is in the
table is not trained again, so a sweep that was interrupted goes on with the same command.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from pathlib import Path

from tqdm import tqdm

from core import link
from core.data.datasets import DataSet, data_directory
from core.data.download import load_or_download
from core.detector import AutoencoderDetector
from core.errors import UserError
from core.experiments import options
from core.experiments.sweep_table import TABLE, Row, SweepError, config_of, place, query, read, write
from core.metrics import measure as measure_detector

DEFAULT_GRID = {
    "normal": ["0-9"],
    "preset": ["course"],
    "activation": ["none"],  # a ReLU would leave so few numbers half dead
    "latent": ["2", "4", "8", "16", "32", "64", "128"],
    "seed": ["1337-1339"],
}


def measure(settings: str, data: DataSet) -> Row | str:
    """Train and evaluate one detector on its data set; a sentence where that cannot be done.

    It runs on the processor, where the same settings give the same figures in every process.
    """
    _, config = config_of(settings)
    try:
        split = config.split(data)
        started = time.perf_counter()
        detector = AutoencoderDetector(config).fit_split(split)
        seconds = time.perf_counter() - started
    except UserError as error:
        return str(error)
    figures = measure_detector(detector, split.test)
    return Row(
        settings=settings,
        auroc=figures.auroc,
        average_precision=figures.average_precision,
        false_alarm_rate=figures.false_alarm_rate,
        catch_rate=figures.catch_rate,
        train_loss=detector.losses_[-1].train,
        validation_loss=detector.losses_[-1].validation,
        fit_seconds=seconds,
        python=platform.python_version(),
        torch=version("torch"),
        numpy=version("numpy"),
        scikit_learn=version("scikit-learn"),
        platform=platform.platform(),
    )


def grid(axes: Mapping[str, Sequence[str]]) -> list[str]:
    """The settings of every combination of values, each once, in the order of the table. Raises LinkError."""
    found = {query(name, config): None for name, config in options.combinations(axes)}
    return sorted(found, key=place)


Outcomes = Iterator[tuple[str, Row | str]]
Runner = Callable[[list[str], dict[str, DataSet]], Outcomes]
"""Measures settings on the data sets, by name; gives each as it comes, with its row or the sentence why there is none."""


def in_this_process(asked: list[str], data: dict[str, DataSet]) -> Outcomes:
    """One after another."""
    for settings in asked:
        yield settings, measure(settings, data[config_of(settings)[1].data_set])


def run(asked: Sequence[str], path: Path, workers: int, scheduler: str | None = None) -> list[str]:
    """Measure what the table lacks; the file is whole after every row. Returns a sentence for each that failed.

    Raises SweepError and DataError.
    """
    rows = {row.settings: row for row in read(path)}
    missing = [settings for settings in asked if settings not in rows]
    if not missing:
        return []
    data = {name: load_or_download(name) for name in dict.fromkeys(config_of(each)[1].data_set for each in missing)}
    failures = []
    with (
        runner_of(workers, scheduler) as runner,
        tqdm(total=len(asked), initial=len(asked) - len(missing), unit="fit") as bar,
    ):
        for settings, outcome in runner(missing, data):
            if isinstance(outcome, str):
                failures.append(f"{settings}: {outcome}")
            else:
                rows[settings] = outcome
                write(sorted(rows.values(), key=lambda row: row.place), path)
            bar.update()
    return failures


def runner_of(workers: int, scheduler: str | None) -> AbstractContextManager[Runner]:
    """This process for no workers, else Dask: so many processes of this machine, or a scheduler's. Raises SweepError."""
    if scheduler is None and workers <= 0:
        return nullcontext(in_this_process)
    try:
        from core.experiments.sweep_on_dask import connected
    except ModuleNotFoundError:
        raise SweepError(
            "Dask is not installed. Install it with: python deploy/set_up.py server. Or choose --workers 0."
        ) from None
    return connected(workers, scheduler)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m core.experiments.sweep", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_settings(parser, several=link.names())
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count(), help="processes of one thread; 0: this one, without Dask"
    )
    parser.add_argument("--scheduler", help="address of a Dask scheduler; its workers do the work")
    parser.add_argument("--table", type=Path, default=data_directory() / TABLE, help="CSV, or Parquet where the name ends so")
    asked = parser.parse_args(arguments)
    try:
        settings = grid(options.axes(asked) or DEFAULT_GRID)
        failures = run(settings, asked.table, asked.workers, asked.scheduler)
    except UserError as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        raise SystemExit(f"\nInterrupted. What is finished is in {asked.table}; the same command goes on from there.") from None
    print(f"{len(settings) - len(failures)} of {len(settings)} rows are in {asked.table}.")
    if failures:
        raise SystemExit("\n".join(failures))


if __name__ == "__main__":
    # Under its own name, so that worker processes find the same functions and classes.
    import core.experiments.sweep

    core.experiments.sweep.main()
