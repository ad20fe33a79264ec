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
import csv
import io
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from statistics import mean, stdev
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode

from tqdm import tqdm

from core import link
from core.data.datasets import DataSet, data_directory
from core.data.download import load_or_download
from core.data.split import split_one_class
from core.detector import AutoencoderDetector, DetectorConfig
from core.errors import UserError
from core.experiments import options
from core.files import write_whole
from core.metrics import measure as measure_detector
from core.settings import SETTINGS, Number, Setting, written

TABLE = "sweep.csv"
"""The table's name in DATA_DIR, where the page Evaluate looks for it."""

DEFAULT_GRID = {
    "normal": ["0-9"],
    "preset": ["course"],
    "activation": ["none"],  # a ReLU would leave so few numbers half dead
    "latent": ["2", "4", "8", "16", "32", "64", "128"],
    "seed": ["1337-1339"],
}
MAX_BYTES = 16 * 2**20
LARGEST = sys.float_info.max


class SweepError(UserError, ValueError):
    """A table that is no sweep's, or workers that cannot be had."""


@dataclass(frozen=True)
class Row:
    """One detector. settings: the link's query that opens Train with them, and the row's key.

    The losses are the last epoch's mean squared errors; fit_seconds: training and calibration. From python on: where
    it was trained. The table has a column for each setting besides, after the first.
    """

    settings: str
    auroc: float
    average_precision: float
    false_alarm_rate: float
    catch_rate: float
    train_loss: float
    validation_loss: float
    fit_seconds: float
    python: str
    torch: str
    numpy: str
    scikit_learn: str
    platform: str

    @cached_property
    def config(self) -> DetectorConfig:
        return config_of(self.settings)[1]

    @property
    def normal(self) -> str:
        """The normal classes, joined by +."""
        return _joined(self.config)

    @property
    def cells(self) -> dict[str, object]:
        """The line of the table."""
        own = asdict(self)
        return {"settings": own.pop("settings"), **described(self.settings), **own}


KINDS = {field.name: cast(type, field.type) for field in fields(Row)}
"""The columns that a table must have: those that do not follow from the first."""

SHARES = ("auroc", "average_precision", "false_alarm_rate", "catch_rate")
MEASURED = (*SHARES, "train_loss", "validation_loss", "fit_seconds")


# ---------------------------------------------------------------- one detector


def config_of(settings: str) -> tuple[str, DetectorConfig]:
    """The preset's name and the detector's settings. Raises LinkError."""
    return link.decode(dict(parse_qsl(settings, keep_blank_values=True)))


def described(settings: str) -> dict[str, int | float | str]:
    """The columns that follow from the settings: one for each, by its name in links. Raises LinkError."""
    name, config = config_of(settings)
    return {
        "data_set": config.data_set,
        "normal": _joined(config),
        "preset": name,
        **{column: _cell(setting, config) for column, setting in SETTINGS.items()},
    }


def _joined(config: DetectorConfig) -> str:
    return "+".join(map(str, config.normal_classes))


def _cell(setting: Setting, config: DetectorConfig) -> int | float | str:
    value = setting.of(config)
    return setting.values.kind(value) if isinstance(setting.values, Number) and value is not None else written(value)


def columns() -> list[str]:
    """The columns of the table, in order."""
    first, *others = KINDS
    return [first, "data_set", "normal", "preset", *SETTINGS, *others]


def measure(settings: str, data: DataSet) -> Row | str:
    """Train and evaluate one detector on its data set; a sentence where that cannot be done.

    It runs on the processor, where the same settings give the same figures in every process.
    """
    _, config = config_of(settings)
    try:
        split = split_one_class(data, config.normal_classes, config.training.seed, config.training.vary)
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


# ---------------------------------------------------------------- the grid


def grid(axes: Mapping[str, Sequence[str]]) -> list[str]:
    """The settings of every combination of values, each once, in the order of the table. Raises LinkError."""
    found = {query(name, config): None for name, config in options.combinations(axes)}
    return sorted(found, key=_place)


def query(name: str, config: DetectorConfig) -> str:
    """The settings as the row's key: the parts of a link in their usual order."""
    return urlencode(link.encode(config, name), safe=",")


def _place(settings: str) -> tuple[object, ...]:
    """Rows stand by their settings' values, numbers by size."""
    return *described(settings).values(), settings


# ---------------------------------------------------------------- the table


def write(rows: Iterable[Row], path: Path) -> None:
    """Write the table whole: CSV, or Parquet where the name ends so. Raises SweepError."""
    table = [row.cells for row in rows]
    if path.suffix == ".parquet":
        content = _parquet(table)
    else:
        text = io.StringIO()
        lines = csv.DictWriter(text, columns(), lineterminator="\n")
        lines.writeheader()
        lines.writerows(table)
        content = text.getvalue().encode()
    try:
        write_whole(path, content)
    except OSError as error:
        raise SweepError("{path} cannot be written: {reason}.", path=path, reason=error.strerror or str(error)) from error


def _parquet(table: list[dict[str, object]]) -> bytes:
    pyarrow = _pyarrow()
    content = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(table), content)
    return content.getvalue()


def _pyarrow() -> Any:
    """pyarrow, which Streamlit brings. Raises SweepError."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise SweepError("Parquet needs pyarrow, which is not installed. Choose a name that ends in .csv.") from None
    return pyarrow


def read(path: Path) -> list[Row]:
    """The rows of a table, none where there is no file. Raises SweepError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _too_large(path.stat().st_size)
        return from_bytes(path.read_bytes())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SweepError("{path} cannot be read: {reason}.", path=path, reason=error.strerror or str(error)) from error


def from_bytes(content: bytes) -> list[Row]:
    """The rows of a table, CSV or Parquet, each checked; where settings stand twice, the later row. Raises SweepError."""
    if len(content) > MAX_BYTES:
        raise _too_large(len(content))
    found, table = _parquet_cells(content) if content.startswith(b"PAR1") else _csv_cells(content)
    if missing := [name for name in KINDS if name not in found]:
        raise SweepError("This is not a sweep's table: it has no column “{column}”.", column=missing[0])
    rows = [_row(number, cells) for number, cells in enumerate(table, start=1)]
    return list({row.settings: row for row in rows}.values())


def _csv_cells(content: bytes) -> tuple[Sequence[str], list[dict[str, object]]]:
    try:
        lines = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        return lines.fieldnames or (), list(lines)
    except (UnicodeDecodeError, csv.Error) as error:
        raise SweepError("This is not a sweep's table: the file is neither CSV nor Parquet.") from error


def _parquet_cells(content: bytes) -> tuple[Sequence[str], list[dict[str, object]]]:
    pyarrow = _pyarrow()
    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(content))
        # A small file can announce billions of rows.
        size = sum(file.metadata.row_group(number).total_byte_size for number in range(file.metadata.num_row_groups))
        if max(size, file.metadata.num_rows) > MAX_BYTES:
            raise _too_large(size)
        found = file.schema_arrow.names
        return found, file.read([name for name in columns() if name in found]).to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise SweepError("The Parquet file is damaged.") from error


def _row(number: int, cells: Mapping[str, object]) -> Row:
    """The cells of one line as a Row. Raises SweepError."""
    values: dict[str, object] = {}
    for name, kind in KINDS.items():
        try:
            values[name] = value = kind(cells[name])
        except (TypeError, ValueError, OverflowError):
            raise _unusable(number, name, cells[name]) from None
        # A line that is cut off lacks cells; a share may be a rounding error above one.
        if cells[name] is None or (name in MEASURED and not 0 <= value <= (1 + 1e-9 if name in SHARES else LARGEST)):
            raise _unusable(number, name, cells[name])
    try:
        # Written by an earlier version, or by hand, the same settings may stand in another order.
        values["settings"] = settings = query(*config_of(str(values["settings"])))
        expected = described(settings)
    except UserError as error:
        raise SweepError(
            "Row {row} of the table has settings that cannot be used. {reason}", row=number, reason=error
        ) from error
    for name, value in expected.items():
        if name in cells and not _is_same(cells[name], value):
            raise _unusable(number, name, cells[name])
    return Row(**values)  # type: ignore[arg-type]


def _is_same(cell: Any, value: int | float | str) -> bool:
    try:
        return bool(type(value)(cell) == value)
    except (TypeError, ValueError):
        return False


def _unusable(number: int, column: str, value: object) -> SweepError:
    return SweepError(
        "Row {row} of the table cannot be used: its “{column}” is “{value}”.", row=number, column=column, value=str(value)[:30]
    )


def _too_large(size: int) -> SweepError:
    return SweepError("The table has {size:.0f} MB; at most {most} MB are read.", size=size / 2**20, most=MAX_BYTES // 2**20)


# ---------------------------------------------------------------- what it says


@dataclass(frozen=True)
class Figure:
    """A figure of the same detector over several seeds; spread: standard deviation, 0 for one seed."""

    mean: float
    spread: float
    seeds: int


def kind_of(row: Row) -> tuple[tuple[str, str], ...]:
    """The settings but for normal classes, bottleneck and seed: what rows must share to be compared by these."""
    name, config = config_of(row.settings)
    return tuple((part, value) for part, value in link.encode(config, name).items() if part not in ("normal", "latent", "seed"))


def by_bottleneck(rows: Iterable[Row], figure: str) -> dict[str, dict[int, Figure]]:
    """For each set of normal classes and each size of the bottleneck, a figure over the seeds; rows of one kind."""
    values: dict[str, dict[int, list[float]]] = {}
    for row in sorted(rows, key=lambda row: _place(row.settings)):
        values.setdefault(row.normal, {}).setdefault(row.config.model.latent_dim, []).append(getattr(row, figure))
    return {
        normal: {
            size: Figure(mean(seeds), stdev(seeds) if len(seeds) > 1 else 0.0, len(seeds)) for size, seeds in sizes.items()
        }
        for normal, sizes in values.items()
    }


# ---------------------------------------------------------------- running it

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
                write(sorted(rows.values(), key=lambda row: _place(row.settings)), path)
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
