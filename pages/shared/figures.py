"""Plotly figures."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from core.training import EpochLosses
from pages.shared.text import _

TRAINING_COLOUR, VALIDATION_COLOUR, BATCH_COLOUR = "#d9822b", "#6d6af2", "rgba(140, 140, 150, 0.45)"
EARLIER_COLOURS = ("#17966c", "#b3361b", "#2f8fd0", "#a0559a", "#8a7a2b")
EARLIER_DASHES = ("dot", "dash", "dashdot", "longdash", "longdashdot")
NORMAL_COLOUR, ANOMALY_COLOUR = "#17966c", "#d9542f"
MOST_BATCH_POINTS = 1000


def loss_curves(
    losses: Sequence[EpochLosses],
    batch_losses: NDArray[np.float32],
    batches: int,
    epochs: int,
    earlier: Mapping[str, Sequence[EpochLosses]],
    log_scale: bool,
) -> go.Figure:
    """Training and validation loss by epoch, the running batch loss behind them, and earlier runs' validation loss.

    batch_losses: one number a batch; batches: how many make an epoch; epochs: how long the axis is.
    """
    figure = go.Figure()
    if len(batch_losses):
        stride = max(1, len(batch_losses) // MOST_BATCH_POINTS)
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
        )
    figure.update_layout(
        height=250,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        legend={"orientation": "h", "y": 1.12, "x": 0},
        xaxis={"title": _("Epoch"), "range": [0, epochs + 0.2]},
        yaxis={"title": _("Mean squared error"), "type": "log" if log_scale else "linear"},
        uirevision="losses",
        hovermode="x unified",
    )
    return figure


def score_histogram(normal: NDArray[np.float32], anomalies: NDArray[np.float32], threshold: float) -> go.Figure:
    """How the scores of normal images and of anomalies are spread, in shares of each, and the threshold between them."""
    both = np.concatenate([normal, anomalies])
    edges = np.geomspace(max(float(both.min()), 1e-6), float(both.max()) * 1.001, 61)
    figure = go.Figure()
    for name, scores, colour, pattern in (
        (_("Normal"), normal, NORMAL_COLOUR, ""),
        (_("Anomalies"), anomalies, ANOMALY_COLOUR, "/"),
    ):
        shares = np.histogram(scores, bins=edges)[0] / max(len(scores), 1)
        figure.add_bar(
            x=np.sqrt(edges[1:] * edges[:-1]).tolist(),
            y=shares.tolist(),
            width=np.diff(edges).tolist(),
            name=name,
            marker={"color": colour, "line": {"width": 0}, "pattern": {"shape": pattern}},
            opacity=0.7,
        )
    figure.add_vline(x=threshold, line={"dash": "dash", "width": 2, "color": "#8a8a94"})
    # On a logarithmic axis Plotly places annotations, but not lines, by the logarithm.
    figure.add_annotation(x=float(np.log10(threshold)), y=1, yref="paper", text=_("threshold"), xanchor="left", showarrow=False)
    figure.update_layout(
        height=260,
        barmode="overlay",
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        legend={"orientation": "h", "y": 1.15, "x": 0},
        xaxis={"title": _("Anomaly score"), "type": "log"},
        yaxis={"title": _("Share of images"), "tickformat": ".0%"},
    )
    return figure
