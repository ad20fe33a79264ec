"""Train, on the left: the settings as they stand, and what is wrong with them."""

import streamlit as st

from core.detector import DetectorConfig
from core.device import choose_device
from core.errors import UserError
from core.settings import SETTINGS
from pages.shared.forms import settings
from pages.shared.i18n.text import _
from pages.shared.state import job_pool, keys
from pages.shared.state.visitor import tab, visitor


def show_settings() -> tuple[DetectorConfig | None, UserError | None]:
    """The settings; returns them as they stand, None where they cannot be trained, and what is wrong.

    What is wrong with one field stands beside it and is not returned.
    """
    training = visitor().job
    try:
        with st.container(key="hideable-settings"):
            may_change_rate = training is not None and training.may_change_rate
            is_wrong = settings.ask(disabled=training is not None, change_rate=change_rate if may_change_rate else None)
        if is_wrong:
            return None, None
        config = settings.read()
        if job_pool.scheduler():
            st.caption(_("Runs on: cluster"))
        else:
            device = choose_device(st.session_state.get(keys.DEVICE))
            st.caption(_("Runs on: {device}", device=settings.device_title(device.type)))
    except UserError as error:
        return None, error
    asked, problem = tab().job_problem or (None, None)
    return config, problem if asked == config else None


def change_rate() -> None:
    """Have the training that rests go on with the learning rate that was just set."""
    if training := visitor().job:
        training.set_learning_rate(st.session_state[keys.of_setting(SETTINGS["rate"])])
