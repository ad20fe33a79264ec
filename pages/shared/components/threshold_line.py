"""A threshold that is dragged across a chart, and everything follows while it moves.

Plotly's own editable lines do not report to Streamlit. This component lies over a chart whose
plot area is known and sends the position while it is dragged.
"""

import math
from collections.abc import Callable, Mapping

import streamlit as st

from pages.shared.components.messages import finite, latest, turn, with_messages
from pages.shared.i18n.text import _, language, separators
from pages.shared.state import keys

_HTML = '<div class="rail"><div class="line"></div><div class="grip" role="slider" tabindex="0"></div></div>'

_CSS = """
.rail { position: absolute; }
.line { position: absolute; top: 1.625rem; bottom: 0; width: 18px; margin-left: -9px; cursor: ew-resize; pointer-events: auto;
  touch-action: pan-y; background: linear-gradient(var(--st-text-color), var(--st-text-color)) center / 2px 100% no-repeat; }
.grip { position: absolute; top: 0; height: 1.75rem; padding: 0 .6rem; border-radius: .875rem; white-space: nowrap;
  font: 600 .9rem/1.75rem var(--st-font); font-variant-numeric: tabular-nums; cursor: ew-resize; user-select: none;
  pointer-events: auto; touch-action: pan-y; background: var(--st-text-color); color: var(--st-background-color); }
.grip:focus-visible { outline: 3px solid var(--st-primary-color); outline-offset: 2px; }
"""

_JS = """
export default function ({ parentElement, data, setStateValue }) {
    const rail = parentElement.querySelector(".rail");
    const line = rail.querySelector(".line"), grip = rail.querySelector(".grip");
    const { l, r, t, b } = data.margin;
    rail.style.inset = `calc(${t}px - 2.125rem) ${r}px ${b}px ${l}px`;
    const live = rail.live ??= { dragging: false, messages: new Messages() };

    const show = (position, value = data.low * (data.high / data.low) ** position) => {
        live.position = position;
        const text = value.toFixed(4).replace(".", data.decimal);
        line.style.left = `${100 * position}%`;
        grip.style.left = `${100 * position}%`;
        grip.style.transform = `translateX(${-100 * position}%)`;
        grip.textContent = `◂ ${text} ▸`;
        grip.ariaLabel = data.label;
        grip.ariaValueMin = data.low;
        grip.ariaValueMax = data.high;
        grip.ariaValueNow = value;
        grip.ariaValueText = text;
    };
    const move = position => {
        show(Math.min(1, Math.max(0, position)));
        live.messages.post(() => ({ position: live.position }));
    };

    live.messages.answered(data.turn, message => setStateValue("move", message));
    if (!live.dragging && live.messages.areAnswered) show(data.position, data.threshold);

    // What is let go is sent at once, before whatever is clicked next.
    for (const handle of [line, grip]) {
        handle.onpointerdown = event => {
            handle.setPointerCapture(event.pointerId);
            live.dragging = true;
            live.offset = event.clientX - rail.getBoundingClientRect().left - live.position * rail.clientWidth;
            event.preventDefault();
            grip.focus({ preventScroll: true });
        };
        handle.onpointermove = event => {
            if (live.dragging) move((event.clientX - rail.getBoundingClientRect().left - live.offset) / rail.clientWidth);
        };
        handle.onpointerup = handle.onpointercancel = () => { live.dragging = false; live.messages.hurry(); };
    }
    const steps = { ArrowLeft: -0.005, ArrowDown: -0.005, ArrowRight: 0.005, ArrowUp: 0.005, PageDown: -0.05, PageUp: 0.05,
                    Home: -1, End: 1 };
    grip.onkeydown = event => {
        if (!(event.key in steps)) return;
        event.preventDefault();
        move(live.position + steps[event.key]);
    };
    grip.onkeyup = () => live.messages.hurry();
}
"""

_component = st.components.v2.component("threshold_line", html=_HTML, css=_CSS, js=with_messages(_JS))


def show(threshold: float, low: float, high: float, margin: Mapping[str, float], moved: Callable[[float], None]) -> None:
    """Lay the line over the chart in the same container; its axis is logarithmic from low to high.

    Drawn last of all that follows the threshold, it is the sign that everything has followed.
    margin: pixels around the chart's plot area, by Plotly's letters; moved: called with the threshold that was dragged to.
    """
    span = math.log(high / low)

    def report() -> None:
        position = finite(latest(keys.THRESHOLD_LINE, "move").get("position"))
        if position is not None:
            moved(low * math.exp(span * min(1.0, max(0.0, position))))

    _component(
        key=keys.THRESHOLD_LINE,
        data={
            "turn": turn(keys.THRESHOLD_LINE, "move"),
            "position": min(1.0, max(0.0, math.log(max(threshold, low) / low) / span)),
            "threshold": threshold,
            "low": low,
            "high": high,
            "margin": margin,
            "label": _("Threshold"),
            "decimal": separators(language())[0],
        },
        on_move_change=report,
    )
