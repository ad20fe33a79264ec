"""The lesson's own figures."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from torch import Tensor

from core.training import EpochLosses
from pages.shared.charts.figures import ANOMALY_COLOUR, NORMAL_COLOUR, TRAINING_COLOUR, VALIDATION_COLOUR, lay_out
from pages.shared.i18n.text import _

HEIGHT = 230
GUESS_COLOUR, LINE_COLOUR = "#6d6af2", "#8a8a94"
BINS = 50


def normal_scores(scores: Tensor, guess: float | None, threshold: float | None) -> go.Figure:
    """How many held-out normal images have which score, the line that was guessed and, once it is known, the threshold."""
    edges = np.linspace(0.0, float(scores.max()) * 1.02, BINS + 1)
    counts, _edges = np.histogram(scores.numpy(), edges)
    figure = go.Figure()
    figure.add_bar(
        x=edges[:-1].tolist(), y=counts.tolist(), offset=0, width=np.diff(edges).tolist(), marker={"color": NORMAL_COLOUR}
    )
    places: tuple[tuple[float | None, str, str], ...] = (
        (guess, _("your line"), GUESS_COLOUR),
        (threshold, _("threshold"), LINE_COLOUR),
    )
    for number, (place, word, colour) in enumerate(places):
        if place is not None:
            other = places[1 - number][0]
            is_right = place < edges[-1] / 2 if other is None else place > other
            figure.add_vline(
                x=place,
                line={"color": colour, "width": 3, "dash": "dash" if number else "solid"},
                annotation={"text": word, "xshift": 5 if is_right else -5},
                annotation_position="top right" if is_right else "top left",
            )
    return _small(figure, _("Anomaly score"), _("Images"))


def losses(curve: Sequence[EpochLosses], epochs: int) -> go.Figure:
    """Training and validation loss by epoch, without marks, for a long training."""
    figure = go.Figure()
    numbers = list(range(1, len(curve) + 1))
    for name, values, colour in (
        (_("Training"), [entry.train for entry in curve], TRAINING_COLOUR),
        (_("Validation"), [entry.validation for entry in curve], VALIDATION_COLOUR),
    ):
        figure.add_scatter(x=numbers, y=values, name=name, mode="lines", line={"color": colour, "width": 3})
    figure.update_layout(
        xaxis={"range": [0, epochs]},
        yaxis={"rangemode": "tozero"},
        showlegend=True,
        legend={"x": 1, "xanchor": "right", "y": 1},
    )
    return _small(figure, _("Epoch"), _("Mean squared error"))


def shares(names: Sequence[str], values: Sequence[float], chosen: int | None) -> go.Figure:
    """AUROC by class as bars from a guess (0.5) on; the chosen one in another colour."""
    colours = [GUESS_COLOUR if number == chosen else ANOMALY_COLOUR for number in range(len(names))]
    figure = go.Figure()
    figure.add_bar(x=list(names), y=list(values), marker={"color": colours})
    figure.add_hline(y=0.5, line={"color": LINE_COLOUR, "dash": "dot"})
    figure.update_layout(xaxis={"type": "category"}, yaxis={"range": [0.0, 1.0]})
    return _small(figure, _("Digit"), _("AUROC"))


def _small(figure: go.Figure, x: str, y: str) -> go.Figure:
    figure.update_xaxes(title=x, fixedrange=True)
    figure.update_yaxes(title=y, fixedrange=True)
    if figure.layout.showlegend is None:
        figure.update_layout(showlegend=False)
    lay_out(figure, height=HEIGHT, dragmode=False)
    return figure.update_layout(margin_r=30)  # room for the last tick's text
