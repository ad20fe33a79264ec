"""The sweep: its grid, its table and back, going on after an interruption; without Dask."""

import csv
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
from torch import Tensor

from core import files
from core.data.datasets import DataSet
from core.data.split import split_one_class
from core.detector import AutoencoderDetector
from core.experiments import sweep_table
from core.experiments.sweep import grid, main, measure, run
from core.experiments.sweep_table import Row, SweepError, by_bottleneck, columns, config_of, from_bytes, read, write
from core.link import LinkError
from core.metrics import evaluate
from core.settings import SETTINGS
from core.training import Trainer
from tests.conftest import PATIENCE, WaitUntil

TINY = ["--data", "uci-digits", "--preset", "course", "--hidden", "16", "--epochs", "2"]
AXES = {"data": ["uci-digits"], "preset": ["course"], "hidden": ["16"], "epochs": ["2"]}


@pytest.fixture(scope="module")
def rows(uci: DataSet) -> list[Row]:
    """Zeros and fives, two bottlenecks, two seeds."""
    asked = grid(AXES | {"normal": ["0", "5"], "latent": ["2", "16"], "seed": ["1-2"]})
    measured = [measure(settings, uci) for settings in asked]
    return [row for row in measured if isinstance(row, Row)]


def as_csv(cells: list[dict[str, object]], names: list[str] | None = None) -> bytes:
    text = io.StringIO()
    lines = csv.DictWriter(text, names or columns(), extrasaction="ignore")
    lines.writeheader()
    lines.writerows(cells)
    return text.getvalue().encode()


# ---------------------------------------------------------------- grid and rows


def test_a_grid_is_every_combination_once_in_the_order_of_numbers() -> None:
    asked = grid(AXES | {"normal": ["5", "0-1", "1"], "latent": ["16", "2"], "noise": ["0", "0.0"]})
    configs = [config_of(settings)[1] for settings in asked]
    assert [(each.normal_classes, each.model.latent_dim) for each in configs] == [
        ((normal,), latent) for normal in (0, 1, 5) for latent in (2, 16)
    ]


def test_a_set_of_normal_classes_and_no_hidden_layers() -> None:
    (settings,) = grid({"normal": ["0,2,4"], "hidden": [""]})
    name, config = config_of(settings)
    assert (name, config.normal_classes, config.model.hidden_sizes) == ("best", (0, 2, 4), ())


@pytest.mark.parametrize("axes", [{"latent": ["two"]}, {"normal": ["10"]}, {"data": ["cifar"]}, {"preset": ["x"]}])
def test_a_grid_of_the_impossible_is_refused(axes: dict[str, list[str]]) -> None:
    with pytest.raises(LinkError):
        grid(axes)


def test_a_row_says_what_the_detector_does(rows: list[Row], uci: DataSet) -> None:
    row = rows[-1]
    _, config = config_of(row.settings)
    split = split_one_class(uci, (5,), 2)
    detector = AutoencoderDetector(config).fit_split(split)
    scores = detector.decision_function(split.test.images)
    figures = evaluate(scores, split.test.labels, (5,), detector.threshold_)
    assert (row.auroc, row.average_precision) == (figures.auroc, figures.average_precision)
    assert (row.false_alarm_rate, row.catch_rate) == (figures.false_alarm_rate, figures.catch_rate)
    assert (row.train_loss, row.validation_loss) == (detector.losses_[-1].train, detector.losses_[-1].validation)
    cells = row.cells
    assert [cells[name] for name in ("data_set", "normal", "preset", "hidden")] == ["uci-digits", "5", "course", "16"]
    assert [cells[name] for name in ("latent", "epochs", "seed", "noise", "broadcasting")] == [16, 2, 2, 0.0, "0"]
    assert row.python == sys.version.split()[0]


@pytest.fixture
def diverging(monkeypatch: pytest.MonkeyPatch) -> None:
    """A learning rate of 10 makes the loss infinite."""
    update = Trainer._update

    def diverge(trainer: Trainer, images: Tensor) -> float:
        return trainer._finite(float("inf")) if trainer.config.learning_rate == 10 else update(trainer, images)

    monkeypatch.setattr(Trainer, "_update", diverge)


# ---------------------------------------------------------------- the table


@pytest.mark.parametrize("name", ["sweep.csv", "sweep.parquet"])
def test_what_is_written_is_read(name: str, rows: list[Row], tmp_path: Path) -> None:
    write(rows, tmp_path / "new" / name)
    assert read(tmp_path / "new" / name) == rows
    assert os.listdir(tmp_path / "new") == [name], "nothing is left aside"


@pytest.mark.parametrize("name", ["sweep.csv", "sweep.parquet"])
def test_a_threshold_of_some_rows_only_is_kept(name: str, rows: list[Row], tmp_path: Path) -> None:
    given = [f"{row.settings}&threshold={value}" for row, value in zip(rows, (0.02, 0.1), strict=False)]
    mixed = [*rows, *(replace(row, settings=settings) for row, settings in zip(rows, given, strict=False))]
    ordered = sorted(mixed, key=lambda row: row.place)
    assert len(ordered) == len(rows) + 2
    write(ordered, tmp_path / name)
    assert read(tmp_path / name) == ordered


def test_a_table_that_cannot_be_written_is_told_in_a_sentence(rows: list[Row], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SweepError, match="cannot be written"):
        write(rows, tmp_path / "file" / "sweep.csv")


def test_a_write_that_fails_leaves_the_old_table(rows: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sweep.csv"
    write(rows[:1], path)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises(SweepError, match="No space left"):
        write(rows, path)
    assert read(path) == rows[:1]
    assert os.listdir(tmp_path) == ["sweep.csv"]


Spoil = Callable[[list[dict[str, object]]], bytes]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda _: b"", "no column “settings”"),
        (lambda _: b"\x89PNG\r\n\x1a\n\x00\xff", "the file is no CSV"),
        (lambda _: b'"never closed', "the file is no CSV"),
        (lambda _: b"PAR1 and nothing more", "This is a Parquet file. Save the table as CSV"),
        (lambda _: b"a,b\n1,2\n", "no column “settings”"),
        (lambda cells: as_csv(cells, columns()[:-1]), "no column “platform”"),
        (lambda cells: as_csv(cells).rsplit(b",", 3)[0], "Row 8 .* is “None”"),
        (lambda cells: as_csv([cells[0] | {"auroc": "high"}]), "Row 1 .*“auroc” is “high”"),
        (lambda cells: as_csv([cells[0] | {"auroc": "1.2"}]), "Row 1 .*“auroc” is “1.2”"),
        (lambda cells: as_csv([cells[0], cells[1] | {"train_loss": "nan"}]), "Row 2 .*“train_loss” is “nan”"),
        (lambda cells: as_csv([cells[0] | {"fit_seconds": "inf"}]), "“fit_seconds” is “inf”"),
        (lambda cells: as_csv([cells[0] | {"latent": "3"}]), "“latent” is “3”"),
        (lambda cells: as_csv([cells[0] | {"turns": "many"}]), "“turns” is “many”"),
        (lambda cells: as_csv([cells[0] | {"settings": "data=cifar"}]), "settings that cannot be used"),
        (lambda _: b"x" * (sweep_table.MAX_BYTES + 1), "at most 16 MB"),
    ],
)
def test_a_malformed_table_is_refused_in_a_sentence(spoil: Spoil, says: str, rows: list[Row]) -> None:
    with pytest.raises(SweepError, match=says):
        from_bytes(spoil([row.cells for row in rows]))


def test_settings_that_stand_twice_count_once(rows: list[Row]) -> None:
    later = replace(rows[0], fit_seconds=9.0)
    assert from_bytes(as_csv([row.cells for row in (*rows, later)])) == [later, *rows[1:]]


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_a_table_with_too_many_rows_is_refused_before_it_is_read(
    rows: list[Row], end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = as_csv([row.cells for row in rows]).decode().replace("\r\n", "\n").replace("\n", end).encode()
    assert from_bytes(text, len(rows)) == rows
    monkeypatch.setattr(csv, "DictReader", Mock(side_effect=AssertionError))
    with pytest.raises(SweepError, match=f"has {len(rows):,} rows; at most {len(rows) - 1:,}"):
        from_bytes(text, len(rows) - 1)


def test_parquet_from_elsewhere_is_not_opened(rows: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One changed byte of its footer, which names a codec that there is not, ends the process inside of pyarrow 26."""
    write(rows, path := tmp_path / "table.parquet")
    monkeypatch.setattr(sweep_table, "_pyarrow", Mock(side_effect=AssertionError))
    with pytest.raises(SweepError, match="Save the table as CSV"):
        from_bytes(path.read_bytes())
    named_so = path.rename(tmp_path / sweep_table.TABLE)  # where Evaluate looks
    with pytest.raises(SweepError, match="Save the table as CSV"):
        read(named_so)


def test_a_damaged_parquet_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "sweep.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(SweepError, match="Parquet file is damaged"):
        read(tmp_path / "sweep.parquet")


def test_a_spreadsheet_s_mark_and_further_columns_do_no_harm(rows: list[Row]) -> None:
    cells = [row.cells | {"note": "mine"} for row in rows]
    assert from_bytes(b"\xef\xbb\xbf" + as_csv(cells, ["note", *columns()])) == rows


def test_a_table_of_an_earlier_version_is_read_whatever_settings_it_has_columns_for(rows: list[Row]) -> None:
    kept = [name for name in columns() if name not in SETTINGS]
    cells = [row.cells | {"latent_dim": row.config.model.latent_dim} for row in rows]
    for each in cells:  # the parts of a link in another order are the same settings
        each["settings"] = "&".join(reversed(str(each["settings"]).split("&")))
    assert from_bytes(as_csv(cells, [*kept, "latent_dim"])) == rows


# ---------------------------------------------------------------- what it says


def test_figures_by_bottleneck_are_means_and_spreads_over_seeds(rows: list[Row]) -> None:
    values = {"0": (0.8, 0.9), "5": (0.5, 0.7)}
    made = [replace(row, auroc=values[row.normal][row.config.training.seed - 1]) for row in rows]
    found = by_bottleneck(reversed(made), "auroc")
    assert list(found) == ["0", "5"]
    assert list(found["0"]) == [2, 16]
    assert found["0"][2].mean == pytest.approx(0.85)
    assert found["5"][16].spread == pytest.approx(0.1 * 2**0.5), "of a sample: n - 1"
    assert found["5"][16].seeds == 2
    single = by_bottleneck([made[0]], "auroc")["0"][2]
    assert (single.mean, single.spread, single.seeds) == (0.8, 0.0, 1)


def test_rows_of_one_kind_differ_in_digit_bottleneck_and_seed_only(rows: list[Row], uci: DataSet) -> None:
    assert len({row.kind for row in rows}) == 1
    (noisy,) = grid(AXES | {"noise": ["0.3"]})
    row = measure(noisy, uci)
    assert isinstance(row, Row)
    assert row.kind != rows[0].kind
    assert ("noise", "0.3") in row.kind


# ---------------------------------------------------------------- running


def test_what_is_in_the_table_is_not_run_again(rows: list[Row], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "sweep.csv"
    known = [replace(rows[0], fit_seconds=1234.5), replace(rows[-1], fit_seconds=678.9)]
    write(known, path)
    assert run([row.settings for row in rows], path, workers=0) == []
    found = read(path)
    assert [replace(row, fit_seconds=0.0) for row in found] == [replace(row, fit_seconds=0.0) for row in rows]
    assert [found[0], found[-1]] == known
    assert "8/8" in capsys.readouterr().err


def test_the_order_of_work_does_not_matter(rows: list[Row], tmp_path: Path) -> None:
    for name, asked in (("one.csv", rows[:5]), ("one.csv", rows), ("two.csv", rows[::-1])):
        run([row.settings for row in asked], tmp_path / name, workers=0)
    one, two = ([replace(row, fit_seconds=0.0) for row in read(tmp_path / name)] for name in ("one.csv", "two.csv"))
    assert one == two


@pytest.mark.usefixtures("diverging")
def test_a_training_that_diverges_is_told_and_does_not_stop_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    with pytest.raises(SystemExit, match=r"rate=10.*Try a smaller learning rate"):
        main([*TINY, "--rate", "10", "0.002", "--workers", "0"])
    assert ["rate=0.002" in row.settings for row in read(tmp_path / "sweep.csv")] == [True]
    assert "1 of 2 rows" in capsys.readouterr().out


@pytest.mark.parametrize(("option", "says"), [("--latent", "latent"), ("--data", "data")])
def test_a_wrong_option_ends_in_a_sentence(option: str, says: str) -> None:
    with pytest.raises(SystemExit, match=f"“{says}” cannot be “x”"):
        main([option, "x", "--workers", "0"])


def test_without_dask_workers_are_refused_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "core.experiments.sweep_on_dask", raising=False)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SystemExit, match="Dask is not installed"):
        main([*TINY, "--workers", "2", "--table", str(tmp_path / "sweep.csv")])


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished_and_the_same_command_goes_on(tmp_path: Path, wait_until: WaitUntil) -> None:
    """In a process of its own, in which Dask is not to be had."""
    path = tmp_path / "sweep.csv"
    command = [*TINY, "--epochs", "40", "--seed", "1-20", "--workers", "0", "--table", str(path)]
    without_dask = (
        "import sys; sys.modules['dask'] = sys.modules['distributed'] = None; from core.experiments.sweep import main; main()"
    )
    # A shell's background process ignores Ctrl-C, and so would its child.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen([sys.executable, "-c", without_dask, *command], stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, handler)
    wait_until(lambda: process.poll() is not None or len(read(path)) >= 2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "the same command goes on" in said
    assert "Traceback" not in said
    before = read(path)
    assert 2 <= len(before) < 20
    main(command)
    after = read(path)
    assert len(after) == 20
    assert set(before) <= set(after), "fit_seconds too: none was trained again"
