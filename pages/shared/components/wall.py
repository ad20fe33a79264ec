"""The class's drawings in one component: a histogram of their scores, and a card for each; a click opens one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from pages.shared.html import verdicts
from pages.shared.i18n.text import _

BINS = 24
"""Of the histogram; even, so that the threshold stands between two."""

_HERE = Path(__file__).parent
_HTML = """
<div class="wall">
  <div class="bars" role="img"><u></u></div>
  <div class="ends"><span></span><span></span><span></span></div>
  <ul class="drawings"></ul><div class="more"></div><div class="empty"></div>
</div>
"""

_component = st.components.v2.component(
    "wall",
    html=_HTML,
    css=(_HERE / "wall.css").read_text(encoding="utf-8"),
    js=(_HERE / "wall.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Card:
    """One drawing.

    picture: its address; sign, kind: of the verdict; place: in the list, if any; verdict: in words; label: all of it.
    """

    number: int
    picture: str
    score: str
    sign: str
    place: str
    who: str
    label: str
    kind: str
    verdict: str
    is_hidden: bool


def show(
    key: str,
    cards: Sequence[Card],
    beyond: int,
    ratios: Sequence[float],
    opened: int,
    on_open: Callable[[], None],
    is_projector: bool,
) -> None:
    """The cards in their order, and the histogram of scores in thresholds; `clicked` is the number of a card, in on_open.

    beyond: how many more there are. is_projector: as many cards as the rest of the screen holds.
    """
    counts = [0] * BINS
    for ratio in ratios:
        counts[min(BINS - 1, int(BINS * verdicts.position(ratio, 1.0)))] += 1
    most = max(counts, default=0) or 1
    data = {
        "cards": [vars(card) for card in cards],
        "bars": [round(count / most, 3) for count in counts],
        "histogram": _("Histogram of the scores, with the threshold in the middle"),
        "ends": [_("normal"), _("threshold"), _("anomaly")],
        "opened": opened,
        "label": _("Drawings"),
        "empty": _("Nothing is on the wall yet."),
        "fits": is_projector,
        "more": _("and {count} more"),
        "beyond": beyond,
    }
    _component(key=key, data=data, on_open_change=on_open)


def clicked(key: str) -> int:
    """The number of the card that was clicked, in the `on_open` of `show`; 0 for anything else."""
    number = st.session_state.get(key, {}).get("open")
    return number if isinstance(number, int) else 0
