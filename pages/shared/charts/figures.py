"""Plotly figures."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from core.metrics import Histogram
from core.training import EpochLosses
from pages.shared.html import signs
from pages.shared.i18n.text import _, formatted, language, separators
from pages.shared.state import link

TRAINING_COLOUR, VALIDATION_COLOUR, BATCH_COLOUR = "#d9822b", "#6d6af2", "rgba(140, 140, 150, 0.45)"
EARLIER_COLOURS = ("#1f8a8a", "#8c564b", "#2f8fd0", "#a0559a", "#8a7a2b")
EARLIER_DASHES = ("dot", "dash", "dashdot", "longdash", "longdashdot")
NORMAL_COLOUR, ANOMALY_COLOUR = signs.NORMAL.bright, signs.ANOMALY.bright
MARK_COLOUR = "#8a8a94"
MAX_BATCH_POINTS = 1000
PROJECTOR_ROOM, PROJECTOR_HEIGHT = 2.75, 1.7
"""How many times as wide a figure's margins are on a projector, and how many times as high it is, for its larger text."""


def lay_out(figure: go.Figure, entry: float = 0.3, **layout: Any) -> go.Figure:
    """What all figures have in common: narrow margins and the language's numbers, large on a projector; returns the figure.

    entry: the share of the width that a name in the legend takes on a projector.
    """
    common: dict[str, Any] = {
        "margin": {"l": 10, "r": 10, "t": 10, "b": 10},
        "separators": "".join(separators(language())),
    }
    if link.is_projector():
        # Room for text of the size that the style sheet gives it (a thirtieth of the screen's height).
        figure.update_layout(common | layout)
        figure.update_layout(legend={"font": {"size": 32}, "entrywidthmode": "fraction", "entrywidth": entry})
        axis = {"title": {"font": {"size": 32}}, "tickfont": {"size": 32}}
        margin = {side: PROJECTOR_ROOM * figure.layout.margin[side] for side in "lrtb"}
        height = PROJECTOR_HEIGHT * figure.layout.height
        return figure.update_layout(xaxis=axis, yaxis=axis, margin=margin, height=height)
    return figure.update_layout(common | layout)


def below_half(names: str) -> str:
    """Why an AUROC can be below a guess's."""
    return _(
        "Below 0.5 ({names}): on the whole these anomalies score lower than the normal images. Calling high scores anomalies "
        "misses most of them, whatever the threshold. Without dividing by ink, a reason is often that they have less ink to "
        "get wrong.",
        names=names,
    )


def logarithmic_ticks(low: float, high: float) -> dict[str, Any]:
    """Ticks of a logarithmic axis between two numbers above zero, each written whole; over many powers of ten only those."""
    steps = (1, 2, 5) if high / low < 10**1.5 else (1,)
    ticks = [step * 10**power for power in range(-9, 7) for step in steps]
    return {"tickvals": ticks, "ticktext": [formatted(tick, "g") for tick in ticks]}


def loss_curves(
    losses: Sequence[EpochLosses],
    batch_losses: NDArray[np.float32],
    batches: int,
    epochs: int,
    earlier: Mapping[str, Sequence[EpochLosses]],
    log_scale: bool = False,
    rate_changes: Sequence[tuple[int, float]] = (),
) -> go.Figure:
    """Training and validation loss by epoch, the running batch loss behind them, and earlier runs' validation loss.

    batch_losses: one number a batch; batches: how many make an epoch; epochs: how long the axis is. rate_changes: learning
    rates that were set, each after so many batches.
    """
    figure = go.Figure()
    if len(batch_losses):
        stride = max(1, len(batch_losses) // MAX_BATCH_POINTS)
        chosen = np.arange(0, len(batch_losses), stride)
        figure.add_scatter(
            x=((chosen + 1) / batches).tolist(),
            y=batch_losses[chosen].tolist(),
            name=_("Batch"),
            mode="lines",
            line={"color": BATCH_COLOUR, "width": 1},
        )
    for (name, curve), colour, dash in zip(earlier.items(), EARLIER_COLOURS * 9, EARLIER_DASHES * 9, strict=False):
        figure.add_scatter(
            x=list(range(1, len(curve) + 1)),
            y=[entry.validation for entry in curve],
            name=name,
            mode="lines",
            line={"color": colour, "dash": dash, "width": 2},
        )
    numbers = list(range(1, len(losses) + 1))
    for name, values, colour, symbol in (
        (_("Training"), [entry.train for entry in losses], TRAINING_COLOUR, "circle"),
        (_("Validation"), [entry.validation for entry in losses], VALIDATION_COLOUR, "diamond"),
    ):
        figure.add_scatter(
            x=numbers,
            y=values,
            name=name,
            mode="lines+markers",
            line={"color": colour, "width": 3},
            marker={"symbol": symbol, "size": 8},
            cliponaxis=False,
        )
    for number, (trained, rate) in enumerate(rate_changes):
        figure.add_vline(x=trained / batches, line={"dash": "dot", "width": 2, "color": MARK_COLOUR})
        figure.add_annotation(
            x=trained / batches,
            y=1 - 0.1 * (number % 3),
            yref="paper",
            text=_("learning rate {rate:g}", rate=rate),
            xanchor="left" if trained / batches < epochs / 2 else "right",
            showarrow=False,
        )
    drawn = [value for trace in figure.data for value in trace.y]
    y_axis: dict[str, Any] = {"title": _("Mean squared error"), "rangemode": "tozero"}
    if log_scale:
        y_axis = {"title": _("Mean squared error, logarithmic"), "type": "log"}
        if drawn:
            y_axis |= logarithmic_ticks(min(drawn), max(drawn))
    entries = len(figure.data)
    return lay_out(
        figure,
        height=300,
        # Above the curves, in as many rows as its entries may need.
        margin={"l": 10, "r": 10, "t": 14 + 20 * math.ceil(entries / 3), "b": 10},
        legend={"orientation": "h", "yref": "container", "y": 1, "yanchor": "top", "x": 0},
        # A little before the first epoch and after the last, so that no point is cut in half.
        xaxis={"title": _("Epoch"), "range": [-epochs / 50, epochs * 1.03], "rangemode": "nonnegative", "zeroline": False},
        yaxis=y_axis | {"automargin": True},
        uirevision="losses",
        hovermode="x unified",
    )


def score_histogram(
    histogram: Histogram,
    normal: Collection[int],
    threshold: float,
    anomalies: Collection[int] | None = None,
    calibrated: float | None = None,
) -> go.Figure:
    """How the scores of normal images and of anomalies are spread, in shares of each, and the threshold between them.

    anomalies: classes, all that are not normal unless given. calibrated: the calibrated threshold, where another is in use.
    """
    if anomalies is None:
        anomalies = histogram.counts.keys() - set(normal)
    edges = histogram.edges
    figure = go.Figure()
    for name, classes, colour, pattern in (
        (_("Normal"), normal, NORMAL_COLOUR, ""),
        (_("Anomalies"), anomalies, ANOMALY_COLOUR, "/"),
    ):
        figure.add_bar(
            x=edges[:-1].tolist(),
            y=histogram.shares(classes).tolist(),
            offset=0,
            width=np.diff(edges).tolist(),
            name=name,
            marker={"color": colour, "line": {"width": 0}, "pattern": {"shape": pattern}},
            opacity=0.7,
            hovertemplate="%{y:.1%}",
        )
    low, high = np.log10(edges[[0, -1]]).tolist()
    for place, dash, word, y in ((threshold, "dash", _("threshold"), 1), (calibrated, "dot", _("calibrated"), 0.9)):
        if place is not None and place > 0:
            figure.add_vline(x=place, line={"dash": dash, "width": 2, "color": MARK_COLOUR})
            # On a logarithmic axis Plotly places annotations, but not lines, by the logarithm.
            x = math.log10(place)
            side = "left" if x < (low + 2 * high) / 3 else "right"
            figure.add_annotation(
                x=x, y=y, yref="paper", text=word, xanchor=side, xshift=4 if side == "left" else -4, showarrow=False
            )
    return lay_out(
        figure,
        height=320,
        barmode="overlay",
        hovermode="x",
        dragmode=False,
        # Fixed, so that a line can be laid over the plot area.
        margin={"l": 52, "r": 12, "t": 66, "b": 44, "autoexpand": False},
        legend={"orientation": "h", "yref": "container", "y": 1, "yanchor": "top", "x": 0},
        xaxis={
            "title": _("Anomaly score"),
            "type": "log",
            "range": [low, high],
            **logarithmic_ticks(*edges[[0, -1]].tolist()),
            "tickangle": 0,
            "fixedrange": True,
            "automargin": False,
            "hoverformat": ".4f",
        },
        yaxis={"title": _("Share of images"), "tickformat": ".0%", "fixedrange": True, "automargin": False},
    )
