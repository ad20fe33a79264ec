"""Evaluate's section about a sweep: what it says against the table's own rows, and tables that are none."""

from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any
from unittest.mock import Mock

import pytest
from streamlit.testing.v1 import AppTest

from core.data.datasets import DataSet
from core.experiments import sweep_table
from core.experiments.sweep import grid, measure
from core.experiments.sweep_table import TABLE, Figure, Row, write
from pages.sections import evaluate_sweep
from pages.sections.evaluate_sweep import Measure
from tests.pages.conftest import checked, noting_turns, open_page

AXES = {"data": ["uci-digits"], "preset": ["course"], "hidden": ["16"], "epochs": ["1"], "activation": ["none"]}


@pytest.fixture(scope="module")
def rows(uci: DataSet) -> list[Row]:
    """Two sets of normal classes, two bottlenecks, three seeds; and one noisy detector with a single seed."""
    asked = grid(AXES | {"normal": ["5", "0,1"], "latent": ["2", "1024"], "seed": ["1-3"]})
    asked += grid(AXES | {"normal": ["5"], "latent": ["2"], "noise": ["0.5"]})
    return [row for row in (measure(settings, uci) for settings in asked) if isinstance(row, Row)]


def tables(app: AppTest) -> list[Any]:
    return [table.value for table in app.table if "Best bottleneck" in table.value.columns]


def errors(app: AppTest) -> list[str]:
    return [error.value for error in app.error]


@pytest.mark.usefixtures("without_data")
def test_without_a_table_the_section_says_how_to_make_one() -> None:
    app = open_page("evaluate")
    assert any("python -m core.experiments.sweep" in markdown.value for markdown in app.markdown)
    assert not tables(app)


def test_the_best_bottleneck_for_each_digit_with_its_spread(rows: list[Row], without_data: Path) -> None:
    write(rows, without_data / TABLE)
    app = open_page("evaluate")
    kinds = app.selectbox(key="sweep-kind")
    assert [option.split(" · ", 2)[2] for option in kinds.options] == [
        "hidden=16 · activation=none · epochs=1",
        "hidden=16 · activation=none · epochs=1 · noise=0.5",
    ]
    (table,) = tables(app)
    assert table["Normal"].tolist() == ["0, 1", "5"]
    for line, normal in zip(table.to_dict("records"), ("0+1", "5"), strict=True):
        aurocs = {
            size: [row.auroc for row in rows[:-1] if (row.normal, row.config.model.latent_dim) == (normal, size)]
            for size in (2, 1024)
        }
        best = max(aurocs, key=lambda size: mean(aurocs[size]))
        assert line["Best bottleneck"] == f"{best:,}"
        assert line["AUROC"] == f"{mean(aurocs[best]):.4f} ± {stdev(aurocs[best]):.4f}"
        assert line["Seeds"] == "3"
    assert any("looked at the answers" in caption.value for caption in app.caption)

    app.selectbox(key="sweep-figure").set_value("validation_loss")
    (table,) = tables(checked(app.run()))
    losses = [
        mean(row.validation_loss for row in rows[:-1] if (row.normal, row.config.model.latent_dim) == ("5", size))
        for size in (2, 1024)
    ]
    assert table.iloc[1]["Validation loss"].startswith(f"{min(losses):.4f} ± ")

    app.selectbox(key="sweep-kind").select_index(1)
    (table,) = tables(checked(app.run()))
    assert table["Validation loss"].tolist() == [f"{rows[-1].validation_loss:.4f}"]


def test_the_figure_has_one_line_a_digit_with_bars(rows: list[Row]) -> None:
    script = """
import streamlit as st
from pages.shared.charts import sweep
from core.experiments.sweep_table import Figure
figures = {"5": {2: Figure(0.8, 0.01, 3), 16: Figure(0.9, 0.02, 3)}, "0+1": {2: Figure(0.7, 0.0, 1)}}
st.session_state["figure"] = sweep.chart(figures, {"5": "5", "0+1": "0, 1"}, "AUROC", ".4f")
"""
    figure = checked(AppTest.from_string(script).run()).session_state["figure"]
    five, several = figure.data
    assert (five.name, list(five.y), list(five.error_y.array), list(five.customdata)) == (
        "5",
        [0.8, 0.9],
        [0.01, 0.02],
        [2, 16],
    )
    assert [round(x) for x in five.x] == [2, 16]
    assert five.x[0] != several.x[0], "bars stand beside each other"
    assert figure.layout.xaxis.title.text == "Units in the bottleneck"
    assert list(figure.layout.xaxis.ticktext) == ["2", "16"]


def test_of_equals_the_smallest_bottleneck_is_best() -> None:
    sizes = {8: Figure(0.9, 0, 1), 2: Figure(0.9, 0, 1), 4: Figure(0.8, 0, 1)}
    assert Measure("").best(sizes) == 2
    assert Measure("", more_is_better=False).best(sizes) == 4


def test_an_uploaded_table_goes_before_the_one_in_the_folder(rows: list[Row], without_data: Path, tmp_path: Path) -> None:
    write(rows, without_data / TABLE)
    app = open_page("evaluate")
    for name, kept in (("other.csv", rows[-1:]), ("third.csv", [replace(rows[-1], auroc=0.25)])):
        write(kept, tmp_path / name)
        app.file_uploader(key="sweep-table").set_value((name, (tmp_path / name).read_bytes(), "application/octet-stream"))
        (table,) = tables(checked(app.run()))
        assert table["AUROC"].tolist() == [f"{kept[0].auroc:.4f}"]


@pytest.mark.usefixtures("without_data")
def test_an_uploaded_table_is_read_in_its_turn_and_once(
    rows: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(rows, path := tmp_path / "table.csv")
    had_turn = noting_turns(monkeypatch, evaluate_sweep, "from_bytes")
    evaluate_sweep._uploaded.clear()
    app = open_page("evaluate")
    app.file_uploader(key="sweep-table").set_value(("table.csv", path.read_bytes(), "text/csv"))
    before = [table.to_dict() for table in tables(checked(app.run()))]
    monkeypatch.setattr(sweep_table, "config_of", Mock(side_effect=AssertionError("a row is looked at anew")))
    assert [table.to_dict() for table in tables(checked(app.run()))] == before != []
    assert had_turn == [True]


@pytest.mark.usefixtures("without_data")
def test_an_uploaded_table_with_too_many_rows_is_refused_in_a_sentence() -> None:
    app = open_page("evaluate")
    app.file_uploader(key="sweep-table").set_value(("sweep.csv", b"seed=1,1\n" * 5002, "text/csv"))
    assert errors(checked(app.run())) == ["The table has 5,001 rows; at most 5,000 are read."]


@pytest.mark.usefixtures("without_data")
@pytest.mark.parametrize(("content", "says"), [(b"a,b\n1,2\n", "no column “settings”"), (b"\xff\xfe\x00", "is no CSV")])
def test_a_malformed_upload_is_refused_in_a_sentence(content: bytes, says: str) -> None:
    app = open_page("evaluate")
    app.file_uploader(key="sweep-table").set_value(("sweep.csv", content, "text/csv"))
    (error,) = errors(checked(app.run()))
    assert says in error
    assert app.metric, "the rest of the page is there"


def test_a_malformed_file_in_the_folder_is_told_in_a_sentence(without_data: Path) -> None:
    (without_data / TABLE).write_text("not a table")
    (error,) = errors(open_page("evaluate"))
    assert "not a sweep's table" in error
