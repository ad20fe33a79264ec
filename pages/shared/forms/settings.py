"""The settings of a training, as widgets that read and write one DetectorConfig; core/settings.py has a row for each."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import streamlit as st

from core.data.datasets import data_directory
from core.data.own import is_own
from core.data.split import EmptySplitError
from core.detector import DetectorConfig
from core.device import available_devices, choose_device
from core.errors import SettingError, UserError
from core.jobs.limits import require_allowed
from core.presets import preset
from core.settings import SETTINGS, Choice, LayerSizes, Number, Setting, Switch, changed
from pages.shared.forms.slider import slider
from pages.shared.i18n.glossary import about
from pages.shared.i18n.lessons import lessons
from pages.shared.i18n.text import _, translated
from pages.shared.state import data_sets, job_pool, keys, own_data
from pages.shared.state.keys import of_setting
from pages.shared.state.visitor import tab, visitor


def is_filled() -> bool:
    """Whether the widgets have values: the page was open, or a link filled them."""
    return of_setting(SETTINGS["epochs"]) in st.session_state


def fill_from_preset() -> None:
    """Put a preset's values into the widgets; data set and normal classes stay what they are."""
    config = preset(st.session_state[keys.PRESET], st.session_state.get(keys.DATA_SET, "mnist"))
    fill(replace(config, normal_classes=tuple(st.session_state.get(keys.NORMAL_CLASSES, config.normal_classes))))


def begin_with_data_set() -> None:
    """Begin with what suits another data set: of one's own drawings there are few, which other settings suit."""
    data_set, vary = st.session_state[keys.DATA_SET], of_setting(SETTINGS["vary"])
    own_data.remember(data_set)
    if is_own(data_set):
        st.session_state[keys.PRESET] = "best"
        st.session_state[keys.NORMAL_CLASSES] = [0]
        fill_from_preset()
    elif st.session_state[vary]:
        fill_from_preset()


def follow_drawings() -> None:
    """Where the data set that was chosen is the visitor's own, or the class's: as it is now, with what was drawn since.

    The class draws all the time: its data set stays what it is while the page is open, or no result would be of it.
    """
    chosen = st.session_state.get(keys.DATA_SET, "mnist")
    is_opened, tab().followed = tab().followed != tab().visit, tab().visit
    if own_data.is_of_class(chosen) and (visitor().job or not is_opened):
        return
    if (newest := own_data.newest_of(chosen) or "mnist") != chosen:
        st.session_state[keys.DATA_SET] = newest
    own_data.remember(newest)


def _offered_data_sets() -> list[str]:
    """All that can be chosen; of the class's the one that is chosen, which may be older than the one that is offered."""
    chosen, offered = st.session_state[keys.DATA_SET], own_data.offered()
    if chosen in offered or not own_data.is_of_class(chosen):
        return list(offered)
    return [*(name for name in offered if not own_data.is_of_class(name)), chosen]


def fill(config: DetectorConfig) -> None:
    """Put settings into the widgets."""
    st.session_state[keys.DATA_SET] = config.data_set
    st.session_state[keys.NORMAL_CLASSES] = list(config.normal_classes)
    for setting in SETTINGS.values():
        if setting.widget != "none":
            st.session_state[of_setting(setting)] = _to_widget(setting, setting.of(config))


def _to_widget(setting: Setting, value: Any) -> Any:
    """A setting's value as its widget holds it."""
    match setting.values:
        case Switch(on=on):
            return value == on
        case LayerSizes():
            return ", ".join(map(str, value))
        case Number(kind=kind, in_percent=in_percent):
            return round(value * 100, 9) if in_percent else kind(value)
    return value


def _from_widget(setting: Setting, value: Any) -> Any:
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


def take_one(before: tuple[int, ...]) -> None:
    """A click on another class chooses that one instead, unless several were asked for; one class stays chosen."""
    if not st.session_state.get(keys.SEVERAL_CLASSES):
        clicked = [label for label in st.session_state[keys.NORMAL_CLASSES] if label not in before]
        st.session_state[keys.NORMAL_CLASSES] = clicked[-1:] or list(before)


def take_several() -> None:
    """Of several classes the first stays when one is asked for again."""
    if not st.session_state[keys.SEVERAL_CLASSES]:
        st.session_state[keys.NORMAL_CLASSES] = st.session_state[keys.NORMAL_CLASSES][:1]


def field_problems() -> dict[str, UserError]:
    """What is wrong with one field alone, by its widget's key."""
    found: dict[str, UserError] = {}
    state, hidden = st.session_state, SETTINGS["hidden"]
    try:
        data_sets.split(
            data_sets.at_hand(state[keys.DATA_SET]).data.name,
            data_directory(),
            tuple(state[keys.NORMAL_CLASSES]),
            state[of_setting(SETTINGS["seed"])],
            bool(state[of_setting(SETTINGS["vary"])]),
        )
    except EmptySplitError as error:
        found[keys.NORMAL_CLASSES] = error
    if means_something(hidden):
        try:
            hidden.values.require(hidden, hidden_sizes(state[of_setting(hidden)]))
        except SettingError as error:
            found[of_setting(hidden)] = error
    return found


def _show_problem(problems: dict[str, UserError], key: str) -> None:
    if key in problems:
        st.error(translated(problems[key]), icon=":material/error:")


def ask(disabled: bool, change_rate: Callable[[], None] | None = None) -> bool:
    """All settings as widgets, and below each what is wrong with it; returns whether anything is.

    change_rate: called when the learning rate changes, which alone may although all are disabled.
    """
    if not is_filled():
        st.session_state[keys.PRESET] = "course"
        fill_from_preset()
    keep: dict[str, Any] = {"persist_state": "session", "disabled": disabled}
    data_set = st.selectbox(
        _("Data set"),
        _offered_data_sets(),
        format_func=data_sets.title_of,
        key=keys.DATA_SET,
        on_change=begin_with_data_set,
        **keep,
    )
    names = data_sets.names_of(data_set)
    # Another data set may have fewer classes.
    st.session_state[keys.NORMAL_CLASSES] = [label for label in st.session_state[keys.NORMAL_CLASSES] if label < len(names)]
    chosen = tuple(st.session_state[keys.NORMAL_CLASSES])
    if len(chosen) > 1:  # a link asked for them
        st.session_state[keys.SEVERAL_CLASSES] = True
    problems = field_problems()
    st.pills(
        _("Normal class"),
        range(len(names)),
        selection_mode="multi",
        format_func=lambda label: names[label],
        key=keys.NORMAL_CLASSES,
        wrap=True,
        help=about("normal digit"),
        on_change=take_one,
        args=(chosen,),
        **keep,
    )
    _show_problem(problems, keys.NORMAL_CLASSES)
    st.toggle(_("Several normal classes"), key=keys.SEVERAL_CLASSES, on_change=take_several, **keep)
    presets = lessons(data_set)
    st.selectbox(
        _("Preset"),
        list(presets),
        format_func=lambda name: presets[name].title,
        key=keys.PRESET,
        on_change=fill_from_preset,
        **keep,
    )
    st.caption(presets[st.session_state[keys.PRESET]].text)
    _ask_section("", disabled)
    with st.expander(_("Network"), icon=":material/hourglass_empty:", key="hideable-network"):
        _ask_section("network", disabled)
        _show_problem(problems, of_setting(SETTINGS["hidden"]))
    with st.expander(_("Training"), icon=":material/tune:", key="hideable-training"):
        _ask_section("training", disabled, change_rate)
        if len(devices := available_devices()) > 1 and not job_pool.scheduler():
            usual = devices.index(choose_device().type)
            st.selectbox(_("Device"), devices, usual, format_func=device_title, key=keys.DEVICE, **keep)
    with st.expander(_("Score"), icon=":material/straighten:", key="hideable-score"):
        _ask_section("score", disabled)
    return bool(problems)


def _ask_section(section: str, disabled: bool, change_rate: Callable[[], None] | None = None) -> None:
    for setting in SETTINGS.values():
        if setting.section == section and setting.widget != "none":
            changed_by = change_rate if setting is SETTINGS["rate"] else None
            _ask(setting, (disabled and not changed_by) or not means_something(setting), changed_by)


def _ask(setting: Setting, disabled: bool, on_change: Callable[[], None] | None) -> None:
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


def read() -> DetectorConfig:
    """The settings as they stand; a ValueError with a sentence for what cannot be trained.

    Buttons call this when they are pressed: what the page knew when it drew them may be older.
    """
    state = st.session_state
    data_set = state[keys.DATA_SET]
    normal = tuple(state[keys.NORMAL_CLASSES])
    names: tuple[str, ...] = ()
    if is_own(data_set):
        if own_data.source_of(data_set) is None:
            raise SettingError("The drawings that were chosen are not here any more. Choose another data set.")
        names = data_sets.names_of(data_set)
        normal = tuple(label for label in normal if label < len(names))  # a kind may have gone since
    config = replace(preset("course", data_set), class_names=names, normal_classes=normal)
    asked = {
        name: _from_widget(setting, state[of_setting(setting)])
        for name, setting in SETTINGS.items()
        if means_something(setting)
    }
    config = changed(config, asked)
    require_allowed(config)
    return config


def device_title(name: str) -> str:
    """What a device is called on screen."""
    return _("CPU") if name == "cpu" else _("GPU ({name})", name=name.upper())


def hidden_sizes(text: str) -> tuple[int, ...]:
    """Sizes from text such as “512, 256”; raises SettingError."""
    try:
        return tuple(int(part) for part in text.replace(";", ",").split(",") if part.strip())
    except ValueError:
        raise SettingError(
            "Hidden sizes are whole numbers with commas between them, such as 512, 256, not “{text}”.", text=text[:40]
        ) from None
