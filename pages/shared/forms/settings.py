"""The settings of a training, as a form that reads and writes one DetectorConfig."""

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
from core.settings import SETTINGS, changed
from pages.shared.forms import setting_widgets
from pages.shared.i18n.glossary import about
from pages.shared.i18n.preset_texts import preset_texts
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
    """Begin with what suits another data set: few drawings of one's own want other settings, and so do clothes for “best”."""
    data_set, vary = st.session_state[keys.DATA_SET], of_setting(SETTINGS["vary"])
    own_data.remember(data_set)
    if is_own(data_set):
        st.session_state[keys.PRESET] = "best"
        st.session_state[keys.NORMAL_CLASSES] = [0]
        fill_from_preset()
    elif st.session_state[vary] or st.session_state[keys.PRESET] == "best":
        fill_from_preset()


def follow_drawings() -> None:
    """Where the data set that was chosen is the visitor's own, or the class's: as it is now, with what was drawn since.

    The class draws all the time: its data set stays what it is while the page is open, or no result would be of it. So does
    what a training is of, as long as there is one. The class's stays chosen when its drawings are deleted, until it has others.
    """
    chosen = st.session_state.get(keys.DATA_SET, "mnist")
    is_opened, tab().followed = tab().followed != tab().visit, tab().visit
    if own_data.source_of(chosen) and (visitor().job or (own_data.is_of_class(chosen) and not is_opened)):
        return
    newest = own_data.newest_of(chosen) or (chosen if own_data.is_deleted(chosen) else "mnist")
    if newest != chosen:
        st.session_state[keys.DATA_SET] = newest
    own_data.remember(newest)


def _offered_data_sets() -> list[str]:
    """All that can be chosen; of drawings those that are chosen, which may be older than those that are offered."""
    chosen, offered = st.session_state[keys.DATA_SET], own_data.offered()
    if chosen in offered or own_data.known(chosen) is None:
        return list(offered)
    of_class = own_data.is_of_class(chosen)
    return [*(name for name in offered if not is_own(name) or own_data.is_of_class(name) != of_class), chosen]


def fill(config: DetectorConfig) -> None:
    """Put settings into the widgets."""
    st.session_state[keys.DATA_SET] = config.data_set
    st.session_state[keys.NORMAL_CLASSES] = list(config.normal_classes)
    for setting in SETTINGS.values():
        if setting.widget != "none":
            st.session_state[of_setting(setting)] = setting_widgets.to_widget(setting, setting.of(config))


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
    if setting_widgets.means_something(hidden):
        try:
            hidden.values.require(hidden, setting_widgets.hidden_sizes(state[of_setting(hidden)]))
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
    presets = preset_texts(data_set)
    st.selectbox(
        _("Preset"),
        list(presets),
        format_func=lambda name: presets[name].title,
        key=keys.PRESET,
        on_change=fill_from_preset,
        **keep,
    )
    st.caption(presets[st.session_state[keys.PRESET]].text)
    setting_widgets.ask_section("", disabled)
    with st.expander(_("Network"), icon=":material/hourglass_empty:", key="hideable-network"):
        setting_widgets.ask_section("network", disabled)
        _show_problem(problems, of_setting(SETTINGS["hidden"]))
    with st.expander(_("Training"), icon=":material/tune:", key="hideable-training"):
        setting_widgets.ask_section("training", disabled, change_rate)
        if len(devices := available_devices()) > 1 and not job_pool.scheduler():
            usual = devices.index(choose_device().type)
            st.selectbox(_("Device"), devices, usual, format_func=device_title, key=keys.DEVICE, **keep)
    with st.expander(_("Score"), icon=":material/straighten:", key="hideable-score"):
        setting_widgets.ask_section("score", disabled)
    return bool(problems)


def read() -> DetectorConfig:
    """The settings as they stand; a ValueError with a sentence for what cannot be trained.

    Buttons call this when they are pressed: what the page knew when it drew them may be older.
    """
    state = st.session_state
    data_set = state[keys.DATA_SET]
    normal = tuple(state[keys.NORMAL_CLASSES])
    names: tuple[str, ...] = ()
    if is_own(data_set):
        # What is being trained has all that it needs of drawings that are deleted meanwhile.
        if not (own_data.known(data_set) if visitor().job else own_data.source_of(data_set)):
            raise SettingError("The drawings that were chosen are not here any more. Choose another data set.")
        names = data_sets.names_of(data_set)
        normal = tuple(label for label in normal if label < len(names))  # a kind may have gone since
    config = replace(preset("course", data_set), class_names=names, normal_classes=normal)
    asked = {
        name: setting_widgets.from_widget(setting, state[of_setting(setting)])
        for name, setting in SETTINGS.items()
        if setting_widgets.means_something(setting)
    }
    config = changed(config, asked)
    require_allowed(config)
    return config


def device_title(name: str) -> str:
    """What a device is called on screen."""
    return _("CPU") if name == "cpu" else _("GPU ({name})", name=name.upper())
