"""What a teacher takes along: notes for two lengths, and the worksheet."""

from pathlib import Path

import streamlit as st

from core.photos.worksheet import worksheet
from pages.shared.i18n.text import _, language
from pages.shared.streamlit_internals import font_file

NOTES = Path(__file__).parents[2] / "docs" / "teaching"
LENGTHS = (45, 90)


def notes(code: str, minutes: int) -> Path:
    """The notes in a language, in English where nobody has translated them."""
    path = NOTES / f"lesson-{minutes}.{code}.md"
    return path if path.exists() else NOTES / f"lesson-{minutes}.en.md"


@st.cache_data(show_spinner=False)
def _worksheet(title: str, name: str, instruction: str, expected: str) -> bytes:
    return worksheet(title, name, instruction, expected, font_file())


def worksheet_texts() -> tuple[str, str, str, str]:
    """Title, name, instruction, and what is to be expected."""
    return (
        _("Is it normal?"),
        _("Name"),
        _("Write one digit in each box, with a dark pen. Then photograph the boxes, without this text."),
        _("Alarms that I expect"),
    )


def show_teacher() -> None:
    """A button that opens on downloads; each is made once a language."""
    with (
        st.container(key="lesson-teacher", width="content"),
        st.popover(_("For the teacher"), icon=":material/print:", type="tertiary"),
    ):
        code = language()
        for minutes in LENGTHS:
            path = notes(code, minutes)
            st.download_button(
                _("Notes for {minutes} minutes", minutes=minutes),
                path.read_bytes(),
                path.name,
                "text/markdown",
                key=f"notes-{minutes}",
                icon=":material/description:",
                on_click="ignore",
            )
        st.download_button(
            _("Worksheet to print"),
            _worksheet(*worksheet_texts()),
            "worksheet.pdf",
            "application/pdf",
            icon=":material/print:",
            on_click="ignore",
        )
