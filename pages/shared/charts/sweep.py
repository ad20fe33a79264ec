"""The chart of a sweep: how well detectors detect by the size of their bottleneck."""

from collections.abc import Mapping

import plotly.graph_objects as go

from core.experiments.sweep_table import Figure
from pages.shared.charts.figures import EARLIER_COLOURS, lay_out
from pages.shared.i18n.text import _, formatted

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "star")
DASHES = ("solid", "dot")
STEP = 1.02
"""Lines stand beside each other by this factor, so that their bars can be told apart."""


def chart(figures: Mapping[str, Mapping[int, Figure]], names: Mapping[str, str], title: str, spec: str) -> go.Figure:
    """Means by bottleneck, one line for each normal class; bars are one standard deviation over seeds.

    names: of the normal classes; title, spec: what the measure is called, and how it is written.
    """
    figure = go.Figure()
    sizes = sorted({size for by_size in figures.values() for size in by_size})
    for number, (normal, by_size) in enumerate(figures.items()):
        colour = EARLIER_COLOURS[number % len(EARLIER_COLOURS)]
        figure.add_scatter(
            x=[size * STEP ** (number - (len(figures) - 1) / 2) for size in by_size],
            y=[each.mean for each in by_size.values()],
            error_y={"type": "data", "array": [each.spread for each in by_size.values()], "thickness": 1.5, "width": 3},
            customdata=list(by_size),
            name=names[normal],
            mode="lines+markers",
            line={"color": colour, "width": 2, "dash": DASHES[number // len(EARLIER_COLOURS) % len(DASHES)]},
            marker={"symbol": SYMBOLS[number % len(SYMBOLS)], "size": 8},
            hovertemplate=f"%{{customdata}}: %{{y:{spec}}} ± %{{error_y.array:{spec}}}",
        )
    return lay_out(
        figure,
        height=380,
        legend={"title": {"text": _("Normal")}},
        xaxis={
            "title": _("Units in the bottleneck"),
            "type": "log",
            "tickvals": sizes,
            "ticktext": [formatted(size, ",") for size in sizes],
        },
        yaxis={"title": title, "tickformat": spec if spec.endswith("%") else ""},
    )
