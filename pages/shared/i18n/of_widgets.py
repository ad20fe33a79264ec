"""Streamlit's own words, which are English only: what widgets, charts and dialogs say that pages cannot choose."""

import json
from functools import cache
from pathlib import Path

from core.errors import N_
from pages.shared.i18n.text import translated_into

_SCRIPT = Path(__file__).with_suffix(".js")

WORDS = (
    N_("App pages"),
    N_("Autosize"),
    N_("Choose an option"),
    N_("Choose options"),
    N_("Clear all"),
    N_("Close"),
    N_("Close Search"),
    N_("Close fullscreen"),
    N_("Connecting"),
    N_("Connection error"),
    N_("Copied"),
    N_("Copy to clipboard"),
    N_("Decrement"),
    N_("Download as CSV"),
    N_("Download plot as a PNG"),
    N_("Fullscreen"),
    N_("Help"),
    N_("Help for {}"),
    N_("Hide column"),
    N_("Hide password"),
    N_("Increment"),
    N_("Learn how to allow access."),
    N_("Link to heading"),
    N_("Next Result"),
    N_("Next page"),
    N_("No results"),
    N_("Open"),
    N_("Page not found"),
    N_("Page {}"),
    N_("Pagination"),
    N_("Pan"),
    N_("Pin column"),
    N_("Press Enter to apply"),
    N_("Press Enter to submit form"),
    N_("Previous Result"),
    N_("Previous page"),
    N_("Remove {}"),
    N_("Reset axes"),
    N_("Running..."),
    N_("Scrollable table"),
    N_("Search"),
    N_("Select all"),
    N_("Select {} matches"),
    N_("Selected values"),
    N_("Shortcut {}"),
    N_("Show password"),
    N_("Show/hide columns"),
    N_("Skip to main content"),
    N_("Sort ascending"),
    N_("Sort descending"),
    N_("Statistics"),
    N_("Stop"),
    N_("Switch camera"),
    N_("Take Photo"),
    N_("The page that you have requested does not seem to exist. Running the app's main page."),
    N_("This app would like to use your camera."),
    N_("Unpin column"),
    N_("Zoom in"),
    N_("Zoom out"),
    N_("file upload"),
    N_("{} per file"),
)
"""As they stand in the scripts of Streamlit's frontend; {} is what it fills in."""


def translations(code: str) -> dict[str, str]:
    """Every word in a language of ours, those without a place to fill first; empty in English."""
    ordered = sorted(WORDS, key=lambda word: ("{}" in word, -len(word)))
    return {word: translated_into(code, word) for word in ordered} if code != "en" else {}


@cache
def script(code: str) -> str:
    """What a page's script does about it in this language."""
    return _SCRIPT.read_text(encoding="utf-8").replace("WORDS", json.dumps(translations(code), ensure_ascii=False))
