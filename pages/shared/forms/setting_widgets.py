"""One setting as a widget: what it shows, and its value there and in a DetectorConfig; core/settings.py has a row for each."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from core.errors import SettingError
from core.settings import SETTINGS, Choice, LayerSizes, Number, Setting, Switch
from pages.shared.forms.slider import slider
from pages.shared.i18n.glossary import about
from pages.shared.i18n.text import _
from pages.shared.state.keys import of_setting


def to_widget(setting: Setting, value: Any) -> Any:
    """A setting's value as its widget holds it."""
    match setting.values:
        case Switch(on=on):
            return value == on
        case LayerSizes():
            return ", ".join(map(str, value))
        case Number(kind=kind, in_percent=in_percent):
            return round(value * 100, 9) if in_percent else kind(value)
    return value


def from_widget(setting: Setting, value: Any) -> Any:
    """What a widget holds as the setting's value; raises SettingError where a text is no list of sizes."""
    match setting.values:
        case Switch(off=off, on=on):
            return on if value else off
        case LayerSizes():
            return hidden_sizes(value)
        case Number(in_percent=True):
            return value / 100
    return value


def means_something(setting: Setting) -> bool:
    """Whether the setting is asked for, and has an effect beside the others as they stand."""
    if setting.widget == "none":
        return False
    if setting.only_for is None:
        return True
    other, value = setting.only_for
    return bool(st.session_state[of_setting(SETTINGS[other])] == value)


def ask_section(section: str, disabled: bool, change_rate: Callable[[], None] | None = None) -> None:
    """The widgets of all settings of a section, those without an effect disabled."""
    for setting in SETTINGS.values():
        if setting.section == section and setting.widget != "none":
            changed_by = change_rate if setting is SETTINGS["rate"] else None
            ask(setting, (disabled and not changed_by) or not means_something(setting), changed_by)


def ask(setting: Setting, disabled: bool, on_change: Callable[[], None] | None) -> None:
    """One setting's widget."""
    label, key, values = _(setting.label), of_setting(setting), setting.values
    keep: dict[str, Any] = {
        "key": key,
        "help": about(setting.term) if setting.term else _(setting.help) if setting.help else None,
        "persist_state": "session",
        "disabled": disabled,
        "on_change": on_change,
    }
    match setting.widget, values:
        case "slider", Number(kind=kind, step=step):
            least, most = slider_range(values, st.session_state[key])
            if kind is int:
                st.slider(label, int(least), int(most), step=step, **keep)
            else:
                slider(label, least, most, (step or 1) * (100 if values.in_percent else 1), **keep)
        case "number", Number(kind=kind, step=step):
            form = "%g" if kind is float else None
            st.number_input(label, kind(values.least), kind(values.most), step=step, format=form, **keep)
        case "buttons", Choice(labels=labels):
            st.segmented_control(label, list(labels), format_func=lambda value: _(labels[value]), required=True, **keep)
        case "list", Choice(labels=labels):
            st.selectbox(label, list(labels), format_func=lambda value: _(labels[value]), **keep)
        case "toggle", Switch():
            st.toggle(label, **keep)
        case "text", LayerSizes():
            st.text_input(label, **keep)
        case widget, _values:
            raise TypeError(f"The setting “{setting.name}” cannot be shown as “{widget}”.")


def slider_range(values: Number, value: float) -> tuple[float, float]:
    """What a slider offers, as its widget holds it: the usual values, all where the value is none of them."""
    scale = 100 if values.in_percent else 1
    least, most = (scale * end for end in values.usual or (values.least, values.most))
    # A slider of numbers with a fraction takes any value in by itself.
    return (least, most) if values.kind is float or least <= value <= most else (values.least, values.most)


def hidden_sizes(text: str) -> tuple[int, ...]:
    """Sizes from text such as “512, 256”; raises SettingError."""
    try:
        return tuple(int(part) for part in text.replace(";", ",").split(",") if part.strip())
    except ValueError:
        raise SettingError(
            "Hidden sizes are whole numbers with commas between them, such as 512, 256, not “{text}”.", text=text[:40]
        ) from None
