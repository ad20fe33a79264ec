"""Every sentence on screen goes through gettext; English is the source."""

import gettext
from functools import cache
from pathlib import Path

import streamlit as st

LOCALES = Path(__file__).parent.parent / "locales"
LANGUAGES = {"en": "English", "es": "Español", "fr": "Français"}


def language() -> str:
    """The session's language: from the link's lang, else what it was, else English."""
    asked = st.query_params.get("lang", "")
    if asked in LANGUAGES:
        st.session_state["language"] = asked
    return str(st.session_state.get("language", "en"))


@cache
def _catalogue(code: str) -> gettext.NullTranslations:
    return gettext.translation("messages", LOCALES, languages=[code], fallback=True)


def _(message: str) -> str:
    """The message in the session's language."""
    return _catalogue(language()).gettext(message)


def ngettext(one: str, many: str, count: int) -> str:
    """The message for this count in the session's language."""
    return _catalogue(language()).ngettext(one, many, count)
