"""Every private interface of Streamlit, of its web server and of the canvas that the app uses, each with its reason.

tests/unit/test_streamlit_internals.py has one test for each of them: after an upgrade it says which one broke.
"""

import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from typing import Any, NoReturn, cast

import streamlit as st
import streamlit.runtime
import uvicorn
from streamlit.file_util import get_static_dir
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.stats import ACTIVE_SESSIONS_FAMILY, GaugeStat

# ---------------------------------------------------------------- pages


def run_no_page_files() -> None:
    """Have Streamlit run app.py for every address.

    Until st.navigation is called for the first time in a server's life, Streamlit runs a file of pages/ that is
    asked for by its address on its own: without the password, the navigation and the style of app.py.
    """
    PagesManager.uses_pages_directory = False


def begin_again_with_app() -> NoReturn:
    """What a file of pages/ does when Streamlit runs it on its own: run app.py instead."""
    run_no_page_files()
    st.rerun()


# ---------------------------------------------------------------- the server and its sessions


def is_served() -> bool:
    """Whether a server, or a test of pages, is there to run scripts; False while the server imports app.py."""
    return streamlit.runtime.exists()


@contextmanager
def without_visitor() -> Iterator[None]:
    """For code of pages that runs for nobody: Streamlit would warn of it, at each cache and each look at the session."""
    loggers = [logging.getLogger(f"streamlit.runtime.{name}") for name in _WARN_WITHOUT_VISITOR]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger in loggers:
            logger.disabled = False


_WARN_WITHOUT_VISITOR = (
    "scriptrunner_utils.script_run_context",
    "state.session_state_proxy",
    "caching.cache_data_api",
)


def refuse_messages_of_left_pages() -> None:
    """Have every session ignore a fragment of a page that its browser has left.

    A component may still send a value between the click on a link and the first message of the next page. Streamlit
    runs its fragment after the next page, under the name of the page that was left, and the browser then takes
    the next page away: it stays empty.
    """
    if hasattr(AppSession.request_rerun, "__wrapped__"):
        return
    original = AppSession.request_rerun

    @wraps(original)
    def request_rerun(session: AppSession, client_state: ClientState | None) -> None:
        if client_state and client_state.fragment_id:
            if client_state.page_script_hash != session._client_state.page_script_hash:
                return
        elif client_state and client_state.page_script_hash:
            session._client_state.page_script_hash = client_state.page_script_hash  # Streamlit sets it when the run starts
        original(session, client_state)

    AppSession.request_rerun = request_rerun  # type: ignore[method-assign,assignment]


def session_id() -> str:
    """The session that calls now, a new one for each tab and each reload; empty without a visitor."""
    context = get_script_run_ctx()
    return context.session_id if context else ""


def is_connected(session: str) -> bool:
    """Whether the browser of a session is connected; may be called by any thread. True without a server."""
    return not streamlit.runtime.exists() or streamlit.runtime.get_instance().is_active_session(session)


SESSION_SECONDS = 180.0
"""After so long without a connection a session is surely forgotten; Streamlit keeps it for two minutes."""


def cookie_secret() -> bytes:
    """What Streamlit signs its own cookies with: the same for all replicas, else random and new with each server."""
    return str(st.get_option("server.cookieSecret")).encode()


def connected_sessions() -> int:
    """How many tabs are connected; 0 without a server."""
    if not streamlit.runtime.exists():
        return 0
    stats = streamlit.runtime.get_instance().stats_mgr.get_stats([ACTIVE_SESSIONS_FAMILY])
    return sum(int(stat.value) for stat in stats[ACTIVE_SESSIONS_FAMILY] if isinstance(stat, GaugeStat))


def uploaded_bytes() -> int:
    """What all files weigh that visitors have uploaded and not removed; 0 without a server."""
    if not streamlit.runtime.exists():
        return 0
    sessions = getattr(streamlit.runtime.get_instance().uploaded_file_mgr, "file_storage", {})
    return sum(len(file.data) for files in list(sessions.values()) for file in list(files.values()))


def web_server() -> uvicorn.Server | None:
    """The web server whose event loop calls this; None where it takes no signals, outside of the main thread.

    st.App does not hand it out. While it serves, uvicorn's own handler of SIGTERM is a method of it.
    """
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return server if isinstance(server, uvicorn.Server) else None


def frontend_files() -> dict[str, Path]:
    """Streamlit's own scripts, styles and fonts by their path in an address; each has a hash of its content in its name."""
    folder = Path(get_static_dir())
    return {f"/{path.relative_to(folder).as_posix()}": path for path in folder.glob("static/**/*.*.*")}


# ---------------------------------------------------------------- the canvas


# Undo and redo stay in sight, on a phone too, where nothing hovers; there they stand below the canvas, in reach of a thumb,
# and the canvas is as wide as the screen: a pointer's place follows the size at which it is shown. The other tools are for
# drawing programs; the one that resets would bring back the drawing of the last visit.
CANVAS_TOOLS = """
.dc-toolbar { opacity: 1; top: -2.65rem; }
.dc-toolbar-card > :not([aria-label="Undo"], [aria-label="Redo"]) { display: none !important; }
@media (max-width: 640px) {
  .dc-root, .dc-scroll, .dc-container, .dc-container > *, canvas {
    width: min(100vw - 2rem, 26rem) !important; height: min(100vw - 2rem, 26rem) !important; max-width: none; }
  .dc-toolbar, .dc-root:hover > .dc-toolbar { top: calc(100% + .5rem); padding: 0; }
  .dc-icon-button { padding: .65rem 1rem; }
}
"""


@cache
def drawing_canvas() -> Callable[..., Any]:
    """st_canvas, whose style sheet is inside, with the rules above. Only where a server or a test of pages is there.

    The component links its style sheet, which arrives after the canvas is there. Until then the canvas stands 320 pixels
    too low, below its own background, and a stroke drawn at once lands beside it. So it is registered again with the
    style sheet's text; the names of its files are hashed. Its import registers it, which needs a running server.
    """
    import streamlit_drawable_canvas

    # Streamlit warns of a second registration; this one is meant.
    logging.getLogger("streamlit.components.v2.component_registry").setLevel(logging.ERROR)
    style_sheet = next(Path(streamlit_drawable_canvas.__file__).parent.rglob("index-*.css"))
    streamlit_drawable_canvas.out = st.components.v2.component(
        "streamlit-drawable-canvas.streamlit_drawable_canvas",
        js="index-*.js",
        css=style_sheet.read_text(encoding="utf-8") + CANVAS_TOOLS,
        html='<div class="canvas-root"></div>',
        isolate_styles=True,
    )
    return cast(Callable[..., Any], streamlit_drawable_canvas.st_canvas)
