"""Evaluate, at the end: scores and report, to take away."""

from dataclasses import dataclass, field

import plotly.graph_objects as go
import streamlit as st

from pages.sections.evaluate_context import EvaluateContext
from pages.shared.csv_file import as_csv
from pages.shared.html import report
from pages.shared.i18n.text import _, language


def scores_csv(context: EvaluateContext, at: float, code: str = "en") -> bytes:
    """One row a test image, in a language's format."""
    names, labels, scores = context.names, context.labels, context.scores
    rows = (
        [index, label, names[label], score, "anomaly" if score > at else "normal"]
        for index, (label, score) in enumerate(zip(labels.tolist(), scores.double().tolist(), strict=True))
    )
    return as_csv(code, ["index", "label", "class", "score", "verdict"], rows)


@dataclass
class Shown:
    """What the page shows at the moment, for the files."""

    threshold: float = 0.0
    parts: list[str | go.Figure] = field(default_factory=list)


def show_take_away(context: EvaluateContext, shown: Shown) -> None:
    """Scores and report; the buttons stay while the threshold moves, and files are made when asked for."""
    st.caption(_("The table has every test image, whatever is compared above; the report has what is compared."))
    # A file is made outside the session, which knows the language.
    code, heading = language(), _("Evaluation of {title}", title=context.title)
    with st.container(horizontal=True):
        st.download_button(
            _("Scores as CSV"),
            lambda: scores_csv(context, shown.threshold, code),
            "scores.csv",
            "text/csv",
            icon=":material/table:",
            on_click="ignore",
        )
        st.download_button(
            _("Report as HTML"),
            lambda: report.document(code, heading, shown.parts),
            "report.html",
            "text/html",
            icon=":material/description:",
            on_click="ignore",
        )
