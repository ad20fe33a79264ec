"""Evaluate's section about a sweep: which bottleneck for which digit."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from core.data.datasets import data_directory
from core.errors import UserError
from core.experiments.sweep_table import MAX_BYTES, MAX_UPLOADED_ROWS, TABLE, Figure, Row, by_bottleneck, from_bytes, read
from pages.shared.charts import sweep
from pages.shared.i18n.glossary import about
from pages.shared.i18n.preset_texts import preset_texts
from pages.shared.i18n.text import _, formatted, translated
from pages.shared.state import data_sets, uploads


@dataclass(frozen=True)
class Measure:
    """A column that can be looked at: what it is called, how it is written, and whether more is better."""

    title: str
    spec: str = ".4f"
    more_is_better: bool = True

    def best(self, sizes: Mapping[int, Figure]) -> int:
        """The bottleneck with the best mean, the smallest of equals."""
        sign = 1 if self.more_is_better else -1
        return max(sizes, key=lambda size: (sign * sizes[size].mean, -size))


def measures() -> dict[str, Measure]:
    """By column."""
    return {
        "auroc": Measure(_("AUROC")),
        "average_precision": Measure(_("Average precision")),
        "catch_rate": Measure(_("Anomalies caught"), ".1%"),
        "validation_loss": Measure(_("Validation loss"), more_is_better=False),
    }


@st.cache_resource(show_spinner=False, max_entries=4)
def _read(path: Path, _modified: int) -> list[Row]:
    return read(path)


@st.cache_resource(show_spinner=False, max_entries=4)
def _uploaded(content: bytes) -> list[Row]:
    with uploads.reading_files():
        return from_bytes(content, MAX_UPLOADED_ROWS)


def rows_at_hand() -> list[Row]:
    """The uploaded table, else the one in DATA_DIR, else none. Raises SweepError."""
    file = st.file_uploader(
        _("Upload a sweep's table"),
        type=["csv"],
        key="sweep-table",
        max_upload_size=uploads.most_megabytes(MAX_BYTES),
    )
    if file:
        return _uploaded(file.getvalue())
    path = data_directory() / TABLE
    return _read(path, path.stat().st_mtime_ns) if path.exists() else []


def title_of(kind: tuple[tuple[str, str], ...]) -> str:
    """A kind of detector on screen: data set, preset, and what differs from it, in a link's words."""
    parts = dict(kind)
    data_set, preset = parts.pop("data"), parts.pop("preset")
    others = [f"{name}={value}" for name, value in parts.items()]
    return " · ".join([data_sets.title_of(data_set), preset_texts()[preset].title, *others])


def normal_names(rows: list[Row], figures: Mapping[str, object]) -> dict[str, str]:
    """The names of the normal classes, by how the table writes them."""
    data_set = rows[0].config.data_set
    return {normal: data_sets.joined_class_names(data_set, tuple(map(int, normal.split("+")))) for normal in figures}


def table(figures: Mapping[str, Mapping[int, Figure]], names: Mapping[str, str], measure: Measure) -> list[dict[str, str]]:
    """For each normal class the best bottleneck and what it reaches."""
    best = {normal: measure.best(by_size) for normal, by_size in figures.items()}
    return [
        {
            _("Normal"): names[normal],
            _("Best bottleneck"): formatted(size, ","),
            measure.title: " ± ".join(formatted(value, measure.spec) for value in values),
            _("Seeds"): formatted(found.seeds, ","),
        }
        for normal, size in best.items()
        for found in [figures[normal][size]]
        for values in [(found.mean, found.spread) if found.seeds > 1 else (found.mean,)]
    ]


@st.fragment
def show() -> None:
    """The section; closed at first where DATA_DIR has no table."""
    is_open = (data_directory() / TABLE).exists()
    with st.expander(_("Sweep: which bottleneck for which digit?"), is_open, icon=":material/ssid_chart:", key="sweep"):
        try:
            rows = rows_at_hand()
        except UserError as error:
            st.error(translated(error), icon=":material/error:")
            return
        if not rows:
            st.markdown(
                _(
                    "A sweep trains many detectors and writes one table. The command `python -m core.experiments.sweep` puts "
                    "it into the data folder, where this page finds it; a table from elsewhere can be uploaded."
                )
            )
            return
        kinds: dict[tuple[tuple[str, str], ...], list[Row]] = {}
        for row in rows:
            kinds.setdefault(row.kind, []).append(row)
        offered = measures()
        with st.container(horizontal=True):
            kind = st.selectbox(_("Detectors"), list(kinds), format_func=title_of, key="sweep-kind", width=420)
            column = st.selectbox(
                _("Measure"), list(offered), format_func=lambda name: offered[name].title, key="sweep-figure", width=220
            )
        chosen, measure = kinds[kind], offered[column]
        figures = by_bottleneck(chosen, column)
        names = normal_names(chosen, figures)
        st.plotly_chart(
            sweep.chart(figures, names, measure.title, measure.spec),
            key="sweep-chart",
            config={"displaylogo": False},
            alt=_("{measure} by bottleneck", measure=measure.title),
        )
        st.caption(_("Points are means over seeds, bars one standard deviation."), help=about("bottleneck"))
        st.table(table(figures, names, measure), border="horizontal", hide_index=True, width=560)
        if column != "validation_loss":
            st.caption(_("Whoever chooses a bottleneck by this table has looked at the answers of the test images."))
