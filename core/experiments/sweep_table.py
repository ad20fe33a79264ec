"""The table that a sweep makes, one row a detector: its columns, its file, and what it says.

A row's first column has its settings as the parts of a link; a column for each setting follows from it.
"""

import csv
import io
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from statistics import mean, stdev
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode

from core import link
from core.detector import DetectorConfig
from core.errors import UserError, megabytes
from core.files import write_whole
from core.settings import SETTINGS, Number, Setting, written

TABLE = "sweep.csv"
"""The table's name in DATA_DIR, where the page Evaluate looks for it."""

PARQUET = b"PAR1"
"""How a Parquet file begins."""

MAX_BYTES = 16 * 2**20
MAX_UPLOADED_ROWS = 5000
"""Of a table from elsewhere: a row takes some kilobytes of memory, and a third of a millisecond to read."""
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

    @cached_property
    def kind(self) -> tuple[tuple[str, str], ...]:
        """The settings but for normal classes, bottleneck and seed: what rows must share to be compared by these."""
        name, config = config_of(self.settings)
        parts = link.encode(config, name).items()
        return tuple((part, value) for part, value in parts if part not in ("normal", "latent", "seed"))

    @cached_property
    def place(self) -> tuple[object, ...]:
        """Rows stand by their settings' values, numbers by size."""
        return place(self.settings)

    @property
    def cells(self) -> dict[str, object]:
        """The line of the table."""
        own = asdict(self)
        return {"settings": own.pop("settings"), **described(self.settings), **own}


KINDS = {field.name: cast(type, field.type) for field in fields(Row)}
"""The columns that a table must have: those that do not follow from the first."""

SHARES = ("auroc", "average_precision", "false_alarm_rate", "catch_rate")
MEASURED = (*SHARES, "train_loss", "validation_loss", "fit_seconds")


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


def query(name: str, config: DetectorConfig) -> str:
    """The settings as the row's key: the parts of a link in their usual order."""
    return urlencode(link.encode(config, name), safe=",")


def place(settings: str) -> tuple[object, ...]:
    """Rows stand by their settings' values, numbers by size."""
    # What need not be a number, such as a threshold, is "" in some rows: these come last.
    return *((isinstance(value, str), value) for value in described(settings).values()), settings


# ---------------------------------------------------------------- the file


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
    # A column has values of one kind, and may lack some.
    numbers = {name for name, setting in SETTINGS.items() if isinstance(setting.values, Number)}
    rows = [{name: None if name in numbers and cell == "" else cell for name, cell in cells.items()} for cells in table]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), content)
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
    """The rows of a table, none where there is no file: CSV, or Parquet where the name ends so. Raises SweepError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _too_large(path.stat().st_size)
        content = path.read_bytes()
        return _rows(*_parquet_cells(content)) if path.suffix == ".parquet" else from_bytes(content)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SweepError("{path} cannot be read: {reason}.", path=path, reason=error.strerror or str(error)) from error


def from_bytes(content: bytes, most_rows: int = MAX_BYTES) -> list[Row]:
    """The rows of a table from elsewhere, CSV, each checked; where settings stand twice, the later row. Raises SweepError.

    Parquet is refused, for a damaged file can end the process, inside of pyarrow: whoever goes on with a sweep reads their
    own, a server reads none. most_rows: a table with more is refused before it is read.
    """
    if len(content) > MAX_BYTES:
        raise _too_large(len(content))
    if content.startswith(PARQUET):
        raise SweepError("This is a Parquet file. Save the table as CSV, which `--table sweep.csv` does, and upload that.")
    return _rows(*_csv_cells(content, most_rows))


def _rows(found: Sequence[str], table: Iterable[Mapping[str, object]]) -> list[Row]:
    """found: the names of the table's columns. Raises SweepError."""
    if missing := [name for name in KINDS if name not in found]:
        raise SweepError("This is not a sweep's table: it has no column “{column}”.", column=missing[0])
    rows = [_row(number, cells) for number, cells in enumerate(table, start=1)]
    return list({row.settings: row for row in rows}.values())


def _csv_cells(content: bytes, most_rows: int) -> tuple[Sequence[str], list[dict[str, object]]]:
    _require_few(max(content.rstrip().count(end) for end in (b"\n", b"\r")), most_rows)
    try:
        lines = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        return lines.fieldnames or (), list(lines)
    except (UnicodeDecodeError, csv.Error) as error:
        raise SweepError("This is not a sweep's table: the file is no CSV.") from error


def _require_few(count: int, most: int) -> None:
    if count > most:
        raise SweepError("The table has {count:,} rows; at most {most:,} are read.", count=count, most=most)


def _parquet_cells(content: bytes) -> tuple[Sequence[str], list[dict[str, object]]]:
    pyarrow = _pyarrow()
    try:
        table = pyarrow.parquet.read_table(io.BytesIO(content))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise SweepError("The Parquet file is damaged.") from error
    return table.column_names, [{name: "" if cell is None else cell for name, cell in row.items()} for row in table.to_pylist()]


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
    return SweepError("The table has {size:.0f} MB; at most {most} MB are read.", size=megabytes(size), most=MAX_BYTES // 2**20)


# ---------------------------------------------------------------- what it says


@dataclass(frozen=True)
class Figure:
    """A figure of the same detector over several seeds; spread: standard deviation, 0 for one seed."""

    mean: float
    spread: float
    seeds: int


def by_bottleneck(rows: Iterable[Row], figure: str) -> dict[str, dict[int, Figure]]:
    """For each set of normal classes and each size of the bottleneck, a figure over the seeds; rows of one kind."""
    values: dict[str, dict[int, list[float]]] = {}
    for row in sorted(rows, key=lambda row: row.place):
        values.setdefault(row.normal, {}).setdefault(row.config.model.latent_dim, []).append(getattr(row, figure))
    return {
        normal: {
            size: Figure(mean(seeds), stdev(seeds) if len(seeds) > 1 else 0.0, len(seeds)) for size, seeds in sizes.items()
        }
        for normal, sizes in values.items()
    }
