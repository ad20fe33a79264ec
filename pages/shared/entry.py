"""What app.py does: once for the server, and then for each run of each visitor."""

from contextlib import suppress

import streamlit as st

from core.checkpoint import CheckpointError
from core.data.datasets import FALLBACK, DataError, data_directory
from core.jobs.environment import require_usable_environment
from core.presets import Shipped
from core.server import web
from pages.shared import header, monitor
from pages.shared.html import style
from pages.shared.i18n.text import _, resolve_language, translated
from pages.shared.navigation import PAGES
from pages.shared.state import access, class_drawings, classroom, data_sets, detectors, job_pool, link, own_data, visitors
from pages.shared.state.visitor import tab, visitor
from pages.shared.streamlit_internals import drawing_canvas, without_visitor

own_data.of_class().tell = class_drawings.sources


def run() -> None:
    """One run for one visitor: the page that is asked for, or the password's form."""
    # Before st.navigation, whose page icons would otherwise become the tab's icon and be fetched from the web.
    st.set_page_config(page_icon="🔍", layout="wide")
    monitor.set_up_process()
    visitors.arrive()
    if visitor().is_over:
        visitors.load_anew()
        return
    resolve_language()
    visitors.remember_widgets()
    access.take_token()
    may_enter, is_teacher = access.may_enter(), access.is_teacher()
    link.read()
    # A visitor without the password has no page whose code could be run.
    pages = {entry.as_page(None if may_enter else access.ask): entry for entry in PAGES if is_teacher or not entry.for_teacher}
    page = st.navigation(list(pages), position="top" if may_enter else "hidden")
    st.set_page_config(page_title=f"{page.title} · {_('See the anomaly')}")
    style.apply()
    if not may_enter:
        page.run()
        return
    name = pages[page].name
    tab().note_page(name)
    try:
        detectors.require_usable_choice()
    except CheckpointError as error:
        st.error(translated(error), icon=":material/error:")
        header.choose()
        st.stop()
    tell_link = header.show(name)
    page.run()
    tell_link()


def load() -> None:
    """Load the code of every page, and the data and detectors that the first visitors need.

    Raises SettingError or DeviceError for a setting of the environment that cannot be used.
    """
    require_usable_environment()
    job_pool.require_usable_scheduler()
    web.require_usable()
    classroom.store()
    with without_visitor():
        for entry in PAGES:
            assert callable(entry.show)
        for name in ("mnist", FALLBACK):
            with suppress(DataError):  # the page says it, and starts the download
                data_sets.loaded(name, data_directory())
        with suppress(CheckpointError):  # the page says it, and another detector can be chosen
            detectors.shipped_checkpoint(Shipped("best", "mnist", 5))
        detectors.ensemble("mnist")


def begin() -> None:
    """Settle what needs a running server: the log, which the web server sets up before, memory, and the canvas."""
    monitor.set_up_process()
    drawing_canvas()


def close() -> None:
    """End what the server does in the background."""
    job_pool.pool().close()
