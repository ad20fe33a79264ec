"""Plotly figures of the page Look inside."""

from collections.abc import Sequence

import plotly.graph_objects as go

from core.experiments.compression import Measured
from pages.shared.charts.figures import TRAINING_COLOUR, VALIDATION_COLOUR, lay_out
from pages.shared.i18n.text import _


def error_by_size(measured: Sequence[Measured]) -> go.Figure:
    """How well each size redraws normal images, on the test set and on held-out training images."""
    sizes = [str(each.latent_dim) for each in measured]
    figure = go.Figure()
    for name, values, colour, symbol in (
        (_("Test images"), [each.error for each in measured], TRAINING_COLOUR, "circle"),
        (_("Held-out images"), [each.validation for each in measured], VALIDATION_COLOUR, "diamond"),
    ):
        _add_curve(figure, sizes, values, name, colour, symbol)
    return _laid_out(figure, _("Mean squared error"), {"rangemode": "tozero"})


def auroc_by_size(measured: Sequence[Measured]) -> go.Figure:
    """How well each size tells anomalies from normal images."""
    sizes = [str(each.latent_dim) for each in measured]
    figure = go.Figure()
    _add_curve(figure, sizes, [each.auroc for each in measured], _("AUROC"), "#2f8fd0", "square")
    return _laid_out(figure, _("AUROC"), {})


def _add_curve(figure: go.Figure, sizes: list[str], values: list[float], name: str, colour: str, symbol: str) -> None:
    figure.add_scatter(
        x=sizes,
        y=values,
        name=name,
        mode="lines+markers",
        line={"color": colour, "width": 3},
        marker={"symbol": symbol, "size": 9},
        hovertemplate="%{y:.4f}",
    )


def _laid_out(figure: go.Figure, title: str, y_axis: dict[str, str]) -> go.Figure:
    return lay_out(
        figure,
        entry=1,
        height=200,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        xaxis={"title": _("Units in the bottleneck"), "type": "category"},
        yaxis={"title": title, **y_axis},
        hovermode="x unified",
    )
