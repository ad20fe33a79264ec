"""A picture with a box around each digit, in the colour of its verdict; a click chooses one."""

import base64
import io
from collections.abc import Callable, Sequence

import streamlit as st
from PIL import Image

from core.drawing import ReadPicture
from pages.shared.html import signs, verdicts
from pages.shared.i18n.text import _

_CSS = """
.sheet { position: relative; width: 100%; }
.sheet img { display: block; width: 100%; border-radius: .45rem; }
.sheet button { position: absolute; padding: 0; border: 2px solid var(--line); border-radius: .3rem; background: transparent;
  cursor: pointer; box-shadow: 0 0 0 1px rgb(255 255 255 / 70%); min-width: 12px; min-height: 12px; }
.sheet button b { position: absolute; left: -2px; bottom: 100%; padding: 0 .25rem; border-radius: .3rem .3rem 0 0; color: #fff;
  background: var(--line); font: 600 .7rem/1.3 var(--st-font); }
.sheet button[aria-pressed=true] { border-width: 4px; background: color-mix(in srgb, var(--line) 22%, transparent); }
.sheet button:focus-visible { outline: 3px solid var(--st-primary-color); outline-offset: 2px; }
.sheet .normal { --line: var(--normal); } .sheet .anomaly { --line: var(--anomaly); }
"""

_JS = """
export default function ({ parentElement, data, setTriggerValue }) {
    const sheet = parentElement.querySelector(".sheet");
    if (sheet.source !== data.picture) {
        sheet.source = data.picture;
        sheet.replaceChildren(Object.assign(new Image(), { src: data.picture, alt: data.alt }));
        data.boxes.forEach((_, number) => {
            const button = document.createElement("button");
            button.type = "button";
            button.onclick = () => setTriggerValue("chosen", number);
            button.append(document.createElement("b"));
            sheet.append(button);
        });
    }
    sheet.querySelectorAll("button").forEach((button, number) => {
        const { left, top, width, height, kind, sign, label } = data.boxes[number];
        Object.assign(button.style, { left, top, width, height });
        button.className = kind;
        button.ariaLabel = button.title = label;
        button.ariaPressed = number === data.chosen;
        button.firstChild.textContent = sign;
    });
}
"""

_component = st.components.v2.component("digit-boxes", html='<div class="sheet"></div>', css=_CSS, js=_JS)


def show(key: str, found: ReadPicture, are_anomalies: Sequence[bool], chosen: int, on_change: Callable[[], None]) -> None:
    """The picture, one verdict for each of its digits, and the number of the one that is chosen."""
    file = io.BytesIO()
    Image.fromarray(found.preview).save(file, "JPEG", quality=85)
    boxes = []
    for number, (digit, is_anomaly) in enumerate(zip(found.digits, are_anomalies, strict=True), start=1):
        left, top, right, bottom = digit.box
        boxes.append(
            {
                "left": f"{left:.2%}",
                "top": f"{top:.2%}",
                "width": f"{right - left:.2%}",
                "height": f"{bottom - top:.2%}",
                "kind": signs.of_verdict(is_anomaly).name,
                "sign": signs.of_verdict(is_anomaly).mark,
                "label": _("Digit {number}: {verdict}", number=number, verdict=verdicts.verdict_word(is_anomaly)),
            }
        )
    picture = "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
    data = {"picture": picture, "alt": _("The picture"), "boxes": boxes, "chosen": chosen}
    _component(key=key, data=data, on_chosen_change=on_change)


def chosen(key: str) -> int:
    """The number of the digit that was clicked, from 0, in the `on_change` of `show`; -1 for anything else."""
    number = st.session_state.get(key, {}).get("chosen")
    return number if isinstance(number, int) else -1
