"""Draw, at the bottom: the visitor's images with their scores, to keep."""

from functools import partial
from html import escape

import streamlit as st

from core.data.folders import zip_of
from pages.shared.csv_file import as_csv
from pages.shared.html import pictures, verdicts
from pages.shared.i18n.text import _, formatted, language
from pages.shared.state import classroom
from pages.shared.state.drawings import StripDrawing


def show_strip() -> None:
    """Every image that was judged, the newest first, with what it was; and both files."""
    strip = classroom.visible_strip()
    if not strip:
        return
    cells = "".join(
        '<div class="opinion">'
        + pictures.png_picture(entry.png, entry.title())
        + f'<div class="label">{escape(entry.title())}</div>'
        + f'<div class="label">{formatted(entry.score, ".4f")}</div>{verdicts.badge(entry.is_anomaly)}</div>'
        for entry in reversed(strip)
    )
    with st.container(key="strip"):
        st.header(_("Your drawings and pictures"))
        st.html(f'<div class="cards">{cells}</div>')
        # Files are made outside of the session, and so from what the page has now.
        with st.container(horizontal=True):
            for label, make, name, mime, icon in (
                (_("Scores as CSV"), partial(as_table, code=language()), "drawings.csv", "text/csv", ":material/table:"),
                (_("Images as PNG"), as_png_archive, "drawings.zip", "application/zip", ":material/image:"),
            ):
                st.download_button(label, partial(make, strip), name, mime, icon=icon, on_click="ignore")


def as_table(strip: list[StripDrawing], code: str = "en") -> bytes:
    """One row an image, in a language's format."""
    rows = (
        [
            number,
            entry.origin,
            entry.normal,
            round(entry.score, 6),
            round(entry.threshold, 6),
            "anomaly" if entry.is_anomaly else "normal",
        ]
        for number, entry in enumerate(strip, start=1)
    )
    return as_csv(code, ["drawing", "origin", "normal", "score", "threshold", "verdict"], rows)


def as_png_archive(strip: list[StripDrawing]) -> bytes:
    """The 28x28 images, numbered as in the CSV."""
    return zip_of((f"drawing-{number}", entry.picture) for number, entry in enumerate(strip, start=1))
