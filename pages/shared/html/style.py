"""The app's style sheet, and what a link adds to it: hidden controls, larger type for a projector."""

from pathlib import Path

import streamlit as st

from pages.shared.i18n.text import _, language
from pages.shared.state import link

_STYLE_SHEET = Path(__file__).parent / "style.css"
_UPLOAD = "[data-testid=stFileUploaderDropzone] button"
_PLACES = {
    "navigation": '[data-testid="stTopNavLinkContainer"], [data-testid="stTopNavSection"]',
    # With its column, whose place the rest of the page takes.
    "settings": "[data-testid=stColumn]:has(.st-key-hideable-settings)",
}


def apply() -> None:
    """Send the style to the browser; the page's language too, which screen readers set_language by."""
    st.html(_STYLE_SHEET)
    places = [_PLACES.get(name, f".st-key-hideable-{name}") for name in link.hidden()]
    rules = "".join(f"{place} {{ display: none; }}" for place in places)
    # Streamlit's own words are English only; these are the ones that stand on a page.
    rules += f"{_UPLOAD} p {{ font-size: 0; }} {_UPLOAD} p::after {{ content: '{_('Upload')}'; font-size: 1rem; }}"
    if language() != "en":
        rules += "[data-testid=stFileUploaderDropzoneInstructions] { display: none; }"
    script = f"document.documentElement.lang = '{language()}';"
    if link.is_projector():
        rules += "html { font-size: 135%; } .block-container { max-width: none !important; }"
        # No browser goes to full screen by itself; the first touch or key takes it there.
        script += """
            for (const event of ["pointerdown", "keydown"])
                document.addEventListener(event, () => document.documentElement.requestFullscreen?.(), { once: true });
        """
    st.html(f"<style>{rules}</style><script>{script}</script>", unsafe_allow_javascript=True)
