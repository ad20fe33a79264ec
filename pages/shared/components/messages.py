"""Messages of our own components: one in flight at a time, each with a number that the page's answer names.

The browser's half is messages.js, which stands before the script of each component that sends such messages.
"""

from pathlib import Path
from typing import Any

import streamlit as st

_SCRIPT = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")


LARGEST = 1e12
"""Of the numbers in a message, which are places, parts of a whole and seconds."""


def with_messages(script: str) -> str:
    """A component's script that may use the class Messages."""
    return f"{_SCRIPT}\n{script}"


def latest(key: str, name: str) -> dict[str, Any]:
    """The last message of this name by the component with this key; without content where there is none yet."""
    message = st.session_state.get(key, {}).get(name)
    return message if isinstance(message, dict) and isinstance(message.get("turn"), int) else {}


def finite(value: object) -> float | None:
    """A number of a message; None for anything else, since a browser that was tampered with can send anything."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < LARGEST else None


def turn(key: str, name: str) -> int:
    """The number of that message, which the component's data names as `turn`; 0 before the first."""
    return int(latest(key, name).get("turn", 0))
