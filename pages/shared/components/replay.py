"""The score along a drawing as a small curve, to drag along: each moment of it can be looked at again."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import streamlit as st

from pages.shared.components.messages import latest, turn, with_messages
from pages.shared.html import verdicts
from pages.shared.i18n.text import _

_HERE = Path(__file__).parent
_HTML = """
<div class="replay" role="slider" tabindex="0">
  <svg viewBox="0 0 1 1" preserveAspectRatio="none"><path class="middle" d="M0 .5H1"/><path class="curve"/></svg>
  <i class="turn"></i><i class="here"></i><span></span>
</div>
"""

_component = st.components.v2.component(
    "replay",
    html=_HTML,
    css=(_HERE / "replay.css").read_text(encoding="utf-8"),
    js=with_messages((_HERE / "replay.js").read_text(encoding="utf-8")),
)


def show(
    key: str,
    scores: Sequence[float],
    threshold: float,
    moment: int | None,
    normal: str,
    generation: int,
    answers: int,
    on_look: Callable[[], None],
) -> None:
    """The curve of these scores, with the moment at which the verdict last turned; `moment_of` is where it was dragged to.

    moment: which one is looked at; None for the last. generation, answers: of the canvas, and the number of the last quick
    answer that the scores know.
    """
    data = {
        "turn": turn(key, "look"),
        "generation": generation,
        "answers": answers,
        "moment": moment,
        "words": [verdicts.verdict_word(anomaly) for anomaly in (False, True)],
        "label": _("Moments of your drawing"),
        **curve(scores, threshold, normal),
    }
    _component(key=key, data=data, on_look_change=on_look)


def curve(scores: Sequence[float], threshold: float, normal: str) -> dict[str, Any]:
    """What changes of it with each score. Above the middle are anomalies, as they are right of it on the gauge."""
    is_anomaly = [score > threshold for score in scores]
    turned = max((number for number, (one, next_) in enumerate(pairwise(is_anomaly), start=1) if one != next_), default=None)
    text = _("The score along your drawing: drag to look at each moment again")
    if turned is not None and is_anomaly[turned]:
        text = _("Here it stopped passing for “{normal}”; drag to look again", normal=normal)
    elif turned is not None:
        text = _("From here it passes for “{normal}”; drag to look again", normal=normal)
    return {
        "heights": [round(verdicts.position(score, threshold), 3) for score in scores],
        "turned": turned,
        "is_anomaly": turned is not None and is_anomaly[turned],
        "text": text if len(scores) > 1 else "",
    }


def moment_of(key: str) -> int | None:
    """Which moment the curve was dragged to, in its on_look."""
    moment = latest(key, "look").get("moment")
    return moment if isinstance(moment, int) else None


def is_let_go(key: str) -> bool:
    """Whether it was the last of one drag."""
    return bool(latest(key, "look").get("is_let_go"))
