"""A slider whose numbers are written as the language writes them, which those of st.slider are not."""

from typing import Any

import streamlit as st

from pages.shared.i18n.text import formatted


def slider(label: str, least: float, most: float, step: float, key: str, **options: Any) -> float:
    """A choice among least, least + step, ... most, and whatever st.session_state holds under the key already."""
    count = round((most - least) / step)
    numbers = {round(least + number * step, 9) for number in range(count + 1)} | {st.session_state[key]}
    chosen: float = st.select_slider(
        label, sorted(numbers), key=key, format_func=lambda number: formatted(number, ".10g"), **options
    )
    return chosen
