"""Figures of what every threshold would do: ROC and precision-recall curves."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from core.metrics import Curve, OperatingPoint, ScoredSet
from pages.shared.charts.figures import MARK_COLOUR, lay_out
from pages.shared.i18n.text import _

CURVE_STYLES = (("#6d6af2", "solid"), ("#d9822b", "dash"))
POINT_COLOUR = "#2f8fd0"
POINT_SYMBOLS = ("diamond", "circle-open", "square-open")
CORNERS = (0.1, 0.2, 0.5)
"""Lengths of the axes of a closer look: the shortest that holds all working points."""


def roc(compared: Mapping[str, ScoredSet], points: Mapping[str, OperatingPoint], closer: bool = False) -> go.Figure:
    """ROC curves by name, and working points; closer: only the corner at the top left."""
    figure = _curves({name: scored.roc for name, scored in compared.items()}, _("False-alarm rate"), _("Recall"))
    _add_guessing(figure, [0, 1])
    return _mark(figure, {name: (point.false_alarm_rate, point.recall) for name, point in points.items()}, 0.0, closer)


def precision_recall(
    compared: Mapping[str, ScoredSet], points: Mapping[str, OperatingPoint], closer: bool = False
) -> go.Figure:
    """Precision-recall curves by name, and working points; closer: only the corner at the top right."""
    curves = {name: scored.precision_recall for name, scored in compared.items()}
    figure = _curves(curves, _("Recall"), _("Precision"))
    base_rate = next(iter(compared.values())).base_rate
    _add_guessing(figure, [base_rate, base_rate])
    return _mark(figure, {name: (point.recall, point.precision) for name, point in points.items()}, 1.0, closer)


def _add_guessing(figure: go.Figure, heights: list[float]) -> None:
    """What chance reaches, from one side to the other."""
    figure.add_scatter(
        x=[0, 1],
        y=heights,
        mode="lines",
        line={"color": MARK_COLOUR, "dash": "dot", "width": 2},
        name=_("guessing"),
        hovertemplate="%{y:.1%}",
    )


def _curves(curves: Mapping[str, Curve], x: str, y: str) -> go.Figure:
    figure = go.Figure()
    for (name, curve), (colour, dash) in zip(curves.items(), CURVE_STYLES, strict=False):
        figure.add_scatter(
            x=curve.x.round(5).tolist(),
            y=curve.y.round(5).tolist(),
            mode="lines",
            line={"color": colour, "dash": dash, "width": 3},
            name=name,
        )
    axis = {"range": [-0.02, 1.03], "tickformat": ".0%", "hoverformat": ".1%", "automargin": True}
    return lay_out(
        figure,
        entry=1,
        height=420,
        dragmode=False,
        # Above the curves, which may go anywhere below.
        margin={"l": 10, "r": 10, "t": 100, "b": 10},
        legend={"orientation": "h", "yref": "container", "y": 0.93, "yanchor": "top", "x": 0},
        xaxis={"title": x, **axis},
        yaxis={"title": y, **axis},
    )


def _mark(figure: go.Figure, points: Mapping[str, tuple[float, float]], best_x: float, closer: bool) -> go.Figure:
    """Add working points to a figure whose best corner is (best_x, 1); the first is drawn last, on top."""
    for (name, (x, y)), symbol in reversed(list(zip(points.items(), POINT_SYMBOLS, strict=False))):
        figure.add_scatter(
            x=[x],
            y=[y],
            mode="markers",
            marker={"symbol": symbol, "size": 13, "color": POINT_COLOUR, "line": {"width": 3, "color": POINT_COLOUR}},
            name=name,
            cliponaxis=False,
        )
    if closer:
        reach = np.nanmax([abs(np.subtract((best_x, 1.0), point)).max() for point in points.values()])
        length = next((corner for corner in CORNERS if reach < corner), 1.0)
        margin = length / 40
        start = -margin if best_x == 0 else 1 - length
        figure.update_layout(xaxis_range=[start, start + length + margin], yaxis_range=[1 - length, 1 + margin])
    return figure
