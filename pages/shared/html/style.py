"""The app's style sheet, and what a link adds to it: hidden controls, another layout for a projector."""

import json
from pathlib import Path

import streamlit as st

from pages.shared.html import signs
from pages.shared.i18n import of_widgets
from pages.shared.i18n.text import LANGUAGES, _, language
from pages.shared.state import link, visitors

_STYLE_SHEET = Path(__file__).parent / "style.css"
_PROJECTOR = _STYLE_SHEET.with_name("projector.css")
_UPLOAD = "[data-testid=stFileUploaderDropzone] button"
_REFUSED = "[data-testid=stFileUploader]:has([data-testid=stFileChipIconError])"
_PLACES = {
    "navigation": '[data-testid="stTopNavLinkContainer"], [data-testid="stTopNavSection"]',
    # With its column, whose place the rest of the page takes.
    "settings": "[data-testid=stColumn]:has(.st-key-hideable-settings)",
}


def apply() -> None:
    """Send the style to the browser; the page's language too, which screen readers speak by."""
    st.html(_STYLE_SHEET)
    if link.is_projector():
        st.html(_PROJECTOR)  # a file, too: Streamlit puts files of rules below all else, where a later one prevails
    places = [_PLACES.get(name, f".st-key-hideable-{name}") for name in link.hidden()]
    rules = signs.properties()
    rules += "".join(f"{place} {{ display: none; }}" for place in places)
    # Of Streamlit's own English words these have no text of their own; the others are in pages/shared/i18n/of_widgets.py.
    rules += f"{_UPLOAD} p {{ font-size: 0; }} {_UPLOAD} p::after {{ content: '{_('Upload')}'; font-size: 1rem; }}"
    refused = _(
        "This file was not taken: it is larger than {most} MB, of another kind, or it was cut off on its way.",
        most=st.get_option("server.maxUploadSize"),
    )
    rules += f"{_REFUSED}::after {{ content: {json.dumps(refused, ensure_ascii=False)}; display: block; font-weight: 600; }}"
    written = script(language(), link.is_projector())
    st.html(f"<style>{rules}</style><script>{written}</script>", unsafe_allow_javascript=True)


def script(code: str, is_projector: bool) -> str:
    """What a page's only script does."""
    text = f"document.documentElement.lang = '{code}'; {of_widgets.script(code)}"
    if is_projector:
        # No browser goes to full screen by itself. The end of the first tap or stroke takes it there, or a key: a finger that
        # comes down is not allowed to yet, and a canvas that grows under a mouse would bend its stroke.
        text += """
            const root = document.documentElement;
            if (!root.dataset.listens) {
                root.dataset.listens = "yes";
                let away = 0;
                for (const event of ["pointerup", "keydown"])
                    document.addEventListener(event, () => root.requestFullscreen?.().catch(() => {}), { once: true });
                // The header and the line below it are there while the pointer moves; a stroke does not bring them.
                document.addEventListener("pointermove", event => {
                    if (event.buttons) return;
                    root.dataset.pointer = "moves";
                    clearTimeout(away);
                    away = setTimeout(() => delete root.dataset.pointer, 3000);
                });
            }
        """
    return text


def scripts() -> list[str]:
    """Every script that a page may have, for the content policy, which knows each by its text."""
    return [visitors.LOAD_ANEW, *(script(code, is_projector) for code in LANGUAGES for is_projector in (False, True))]
