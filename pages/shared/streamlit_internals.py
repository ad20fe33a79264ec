"""Every private interface of Streamlit, of its web server and of the canvas that the app uses, each with its reason.

tests/unit/test_streamlit_internals.py has one test for each of them: after an upgrade it says which one broke.
"""

import asyncio
import json
import logging
import re
import signal
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial, wraps
from pathlib import Path
from typing import Any, NoReturn, cast

import streamlit as st
import streamlit.runtime
import uvicorn
from streamlit.file_util import get_static_dir
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.NewSession_pb2 import Config, CustomThemeConfig, NewSession
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.runtime import app_session
from streamlit.runtime.app_session import AppSession, AppSessionState
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.runtime_util import get_max_widget_state_size_bytes
from streamlit.runtime.scriptrunner import RerunData, get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_run_context import ThreadState
from streamlit.runtime.state.common import WidgetMetadata, user_key_from_element_id
from streamlit.runtime.state.session_state import Serialized, SessionState
from streamlit.runtime.stats import ACTIVE_SESSIONS_FAMILY, GaugeStat
from streamlit.runtime.uploaded_file_manager import DeletedFile as DeletedFile
from streamlit.runtime.uploaded_file_manager import UploadedFileRec
from streamlit.runtime.websocket_session_manager import WebsocketSessionManager
from streamlit.web import bootstrap
from streamlit.web.server.starlette.starlette_app_utils import generate_xsrf_token_string
from streamlit.web.server.starlette.starlette_server_config import XSRF_COOKIE_NAME
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

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


def set_options(options: Mapping[str, Any]) -> None:
    """Have Streamlit read its options with these, before anything asks for one.

    Read without them first, Streamlit warns as the server starts that options have changed and that it has to be restarted.
    """
    bootstrap.load_config_options(dict(options))


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


def skip_idle_ticks() -> None:
    """Have every session leave out the runs that a timer asks for and a fragment has no use for (`run_by_timer_only_if`).

    A run of a fragment takes ten milliseconds of Python's one lock, however little it shows: sixty pages that look at a
    class twice in three seconds would take half a processor to say that nothing is new.
    """
    if hasattr(AppSession._handle_rerun_script_request, "__wrapped__"):
        return
    original = AppSession._handle_rerun_script_request

    @wraps(original)
    def handle_rerun_script_request(session: AppSession, client_state: ClientState | None = None) -> None:
        if client_state and client_state.is_auto_rerun:
            is_due = vars(session).get(_DUE, {}).get(client_state.fragment_id)
            if is_due and not is_due():
                return
        original(session, client_state)

    AppSession._handle_rerun_script_request = handle_rerun_script_request  # type: ignore[method-assign,assignment]


OF_PRESSES = {"trigger_value", "string_trigger_value", "json_trigger_value", "chat_input_value"}
"""Kinds of values that say that a widget was pressed."""


def run_what_was_pressed() -> None:
    """Have every session run also those fragments whose buttons a message says were pressed, or the page around them.

    A browser puts into one message what happens within some milliseconds, and names the fragment of what came first: what the
    button calls is called, and where it stands nothing changes. On Draw, the pen's last frame goes ahead of what is pressed.
    A timer's tick in those milliseconds takes the press along, which is sent once more: the tick goes without it, as else the
    button would be pressed twice.
    """
    original = AppSession._handle_rerun_script_request
    if getattr(original, _FOR_PRESSES, False):
        return

    @wraps(original)
    def handle_rerun_script_request(session: AppSession, client_state: ClientState | None = None) -> None:
        if client_state is None or not (pressed := _pressed(client_state)):
            original(session, client_state)
        elif client_state.is_auto_rerun:
            original(session, _without(client_state, pressed, client_state.fragment_id))
        elif not (elsewhere := _elsewhere(session, client_state, pressed)):
            original(session, client_state)
        elif None in elsewhere.values():
            client_state.fragment_id = ""
            original(session, client_state)
        else:
            original(session, _without(client_state, elsewhere, client_state.fragment_id))
            for fragment in dict.fromkeys(elsewhere.values()):
                others = [widget for widget, place in elsewhere.items() if place != fragment]
                original(session, _without(client_state, others, str(fragment)))

    setattr(handle_rerun_script_request, _FOR_PRESSES, True)
    AppSession._handle_rerun_script_request = handle_rerun_script_request  # type: ignore[method-assign,assignment]


def _pressed(asked: ClientState) -> list[str]:
    """Widgets of which a message says that they were pressed."""
    return [value.id for value in asked.widget_states.widgets if value.WhichOneof("value") in OF_PRESSES]


def _elsewhere(session: AppSession, asked: ClientState, pressed: Sequence[str]) -> dict[str, str | None]:
    """Those that stand in other fragments than the one that is asked for, with their own; None is the page."""
    # A page that was left asks for nothing.
    if not asked.fragment_id or asked.page_script_hash != session._client_state.page_script_hash:
        return {}
    known = session._session_state._new_widget_state.widget_metadata
    places = {widget: known[widget].fragment_id for widget in pressed if widget in known}
    return {
        widget: place
        for widget, place in places.items()
        if place != asked.fragment_id and (place is None or session.has_fragment(place))
    }


def _without(asked: ClientState, widgets: Collection[str], fragment: str) -> ClientState:
    """The same request of another fragment, without these widgets' values."""
    other = ClientState()
    other.CopyFrom(asked)
    other.fragment_id = fragment
    del other.widget_states.widgets[:]
    other.widget_states.widgets.extend(value for value in asked.widget_states.widgets if value.id not in widgets)
    return other


def keep_messages_of_ended_runs() -> None:
    """Have every session start its next run only after it has taken what the last one showed.

    A run hands its messages to the thread that answers all browsers. Where a timer asked for the next run before that thread
    came to them, Streamlit took the run's last messages, such as a drawing's verdict, for those of a run that it had stopped,
    and dropped them: with sixty students, one drawing in five hundred had no verdict.
    """
    if hasattr(AppSession._create_scriptrunner, "__wrapped__"):
        return
    original = AppSession._create_scriptrunner

    @wraps(original)
    def create_scriptrunner(session: AppSession, rerun_data: RerunData) -> None:
        ended, waiting = session._scriptrunner, vars(session).get(_WAITING, 0)
        if ended is None and not waiting:  # none has run yet, or it was told to stop
            original(session, rerun_data)
            return

        def start() -> None:
            vars(session)[_WAITING] -= 1
            current = session._scriptrunner
            if session._state is AppSessionState.SHUTDOWN_REQUESTED:
                return
            try:
                if current is None or current is ended:
                    original(session, rerun_data)
                elif not current.request_rerun(rerun_data):
                    create_scriptrunner(session, rerun_data)
            except Exception as error:  # as where the request came in
                session.handle_backmsg_exception(error)

        # Requests stay in their order: a run takes the page and the values of widgets of the one that came last.
        vars(session)[_WAITING] = waiting + 1
        session._call_soon_on_event_loop(start)

    AppSession._create_scriptrunner = create_scriptrunner  # type: ignore[method-assign,assignment]


_DUE, _WAITING, _FOR_PRESSES = "is_due_by_fragment", "requests_that_wait_for_messages", "is_for_presses"


def run_by_timer_only_if(is_due: Callable[[], bool]) -> None:
    """Said by a fragment in each of its runs: until the next one its timer's ticks count only where is_due says so.

    is_due is called for each tick by the one thread that answers all browsers: it has to be quick, and has no visitor.
    """
    if session := _session():
        vars(session).setdefault(_DUE, {})[ThreadState.get().fragment_id] = is_due


def _sessions() -> WebsocketSessionManager | None:
    """What knows all sessions; None without a server, and where a test of pages runs."""
    return getattr(streamlit.runtime.get_instance(), "_session_mgr", None) if streamlit.runtime.exists() else None


def _session() -> AppSession | None:
    """The session that calls now; None without a visitor, and where a test of pages runs."""
    manager = _sessions()
    found = manager.get_session_info(session_id()) if manager else None
    return found.session if found else None


def remember_theme() -> None:
    """Have theme and options of the page be read once for all: Streamlit reads them anew for each run of each fragment.

    That was a sixth of all that a server did while a class drew.
    """
    if hasattr(app_session._populate_theme_msg, "__wrapped__"):
        return
    theme_of, options_of = app_session._populate_theme_msg, app_session._populate_config_msg

    @cache
    def theme(section: str) -> NewSession:
        message = NewSession()
        theme_of(message.custom_theme, section)
        return message

    @cache
    def options() -> Config:
        message = Config()
        options_of(message)
        return message

    @wraps(theme_of)
    def populate_theme_msg(msg: CustomThemeConfig, section: str = "theme") -> None:
        if theme(section).HasField("custom_theme"):
            msg.MergeFrom(theme(section).custom_theme)

    app_session._populate_theme_msg = populate_theme_msg
    app_session._populate_config_msg = lambda msg: msg.MergeFrom(options())


OF_BROWSERS = {"rerun_script", "stop_script", "app_heartbeat", "file_urls_request", "backend_operation_request"}
"""Messages that a page's own widgets send; the others are a developer's: clear_cache, set_run_on_save, debug_… ."""

OF_WIDGETS = {"deferred_file", "dataframe_chunk"}
"""The same for backend_operation_request, whose others write to the program's folder."""

OF_THE_DOOR = {"string_value", "trigger_value"}
"""What the widgets of the password's form send."""

MAX_WIDGETS = 1000
"""Of a visitor who is not let in so many values of widgets are looked at, more than any page has. Each takes a microsecond, in
which nobody is answered, and a message has room for a million."""

MAX_FILES = 20
"""Files that one message announces."""


def refuse_messages(is_admitted: Callable[..., bool], cookie: str) -> None:
    """Have every session drop what only a developer sends, and what a visitor has no use for who is not let in.

    Streamlit obeys clear_cache from anybody, which throws away what all visitors share. is_admitted: of a session's number
    and of what its browser's cookie says.
    """
    if hasattr(AppSession.handle_backmsg, "__wrapped__"):
        return
    original = AppSession.handle_backmsg

    @wraps(original)
    def handle_backmsg(session: AppSession, msg: BackMsg) -> None:
        kind = msg.WhichOneof("type")
        if (
            kind not in OF_BROWSERS
            or (kind == "backend_operation_request" and msg.backend_operation_request.WhichOneof("payload") not in OF_WIDGETS)
            or (kind == "file_urls_request" and len(msg.file_urls_request.file_names) > MAX_FILES)
        ):
            return
        is_let_in = is_admitted(session.id, _cookies(session.id).get(cookie, ""))
        if not is_let_in and kind not in ("rerun_script", "app_heartbeat"):
            return
        if not is_let_in and kind == "rerun_script":
            state = msg.rerun_script
            asked = state.widget_states.widgets
            kept = [each for each in asked[:MAX_WIDGETS] if each.WhichOneof("value") in OF_THE_DOOR and each.ByteSize() < 2000]
            del asked[:], state.cached_message_hashes[:]
            asked.extend(kept[:10])
        original(session, msg)

    AppSession.handle_backmsg = handle_backmsg  # type: ignore[method-assign,assignment]


def refuse_values() -> None:
    """Have every session ignore values that no widget of its page can have: of another kind, or none of its options.

    Streamlit hands them on as they are, to the page's callbacks too, or fails over them. The widget stays what it was. The
    page that a message is about is the one that ran last; values of widgets that are not known yet are judged when the
    page makes them, by their kind alone: in another language options have other names.
    """
    if hasattr(SessionState.on_script_will_rerun, "__wrapped__"):
        return
    run, make_known = SessionState.on_script_will_rerun, SessionState._set_widget_metadata

    @wraps(run)
    def on_script_will_rerun(session: SessionState, sent: WidgetStates | None, **named: Any) -> None:
        if sent is not None:
            known = session._new_widget_state.widget_metadata
            fitting = [value for value in sent.widgets if value.id not in known or _fits(value, known[value.id])]
            sent = WidgetStates(widgets=fitting) if len(fitting) < len(sent.widgets) else sent
        run(session, sent, **named)

    @wraps(make_known)
    def set_widget_metadata(session: SessionState, widget: WidgetMetadata[Any]) -> None:
        values = session._new_widget_state.states
        sent = values.get(widget.id)
        if isinstance(sent, Serialized) and not _is_of_kind(sent.value, widget):
            del values[widget.id]
        make_known(session, widget)

    SessionState.on_script_will_rerun = on_script_will_rerun  # type: ignore[method-assign,assignment]
    SessionState._set_widget_metadata = set_widget_metadata  # type: ignore[method-assign,assignment]


_NUMBERS = {"int_value", "double_value"}
"""A browser sends a whole number as the first, also where a widget's kind is the second."""


def _fits(value: WidgetState, widget: WidgetMetadata[Any]) -> bool:
    """Whether a widget can have a value: of its kind, and one of its options if it has any."""
    kind = value.WhichOneof("value")
    options = getattr(getattr(widget.deserializer, "__self__", None), "formatted_options", None)
    if not _is_of_kind(value, widget):
        return False
    if kind is None or options is None:
        return True
    chosen = value.string_value if kind == "string_value" else getattr(value, kind).data
    return {chosen} <= set(options) if isinstance(chosen, str) else set(chosen) <= set(options)


def _is_of_kind(value: WidgetState, widget: WidgetMetadata[Any]) -> bool:
    """Whether a value is of a widget's kind, and nothing that Streamlit cannot read; no value at all is the usual one."""
    kind = value.WhichOneof("value")
    if kind not in (None, widget.value_type) and not {kind, widget.value_type} <= _NUMBERS:
        return False
    # Of several buttons one is always pressed where one is from the beginning.
    is_pressed = getattr(getattr(widget.deserializer, "__self__", None), "default_option_index", None) is not None
    if kind == "string_array_value" and is_pressed and not value.string_array_value.data:
        return False
    try:
        if kind == "string_value":
            widget.deserializer(value.string_value)  # what is chosen in a chart is JSON
        elif kind in ("json_value", "json_trigger_value"):
            json.loads(getattr(value, kind))
    except (ValueError, RecursionError):
        return False
    return True


def _cookies(session_id: str) -> Mapping[str, str]:
    """The cookies with which the browser of a session connected."""
    manager = _sessions()
    found = manager.get_active_session_info(session_id) if manager else None
    return found.client.client_context.cookies if found and found.client and found.client.client_context else {}


def keep_no_sessions_of_strangers(is_admitted: Callable[..., bool], cookie: str) -> None:
    """Have a session end with its connection unless its visitor is let in.

    Streamlit keeps the last 128 that lost their connection, for two minutes; strangers would push the class out.
    """
    if hasattr(WebsocketSessionManager.disconnect_session, "__wrapped__"):
        return
    original = WebsocketSessionManager.disconnect_session

    @wraps(original)
    def disconnect_session(manager: WebsocketSessionManager, session_id: str) -> None:
        if manager.is_active_session(session_id) and not is_admitted(session_id, _cookies(session_id).get(cookie, "")):
            manager.mark_session_nonresumable(session_id)
        original(manager, session_id)

    WebsocketSessionManager.disconnect_session = disconnect_session  # type: ignore[method-assign,assignment]


def share_script_loop() -> None:
    """Have all sessions share one event loop for their scripts, which never use it.

    Streamlit makes one for each, and each holds three open files until the session is forgotten, two minutes after its
    tab was closed: thirty tabs that reload twice are 300 of the 256 that a Mac allows.
    """
    if hasattr(AppSession.__init__, "__wrapped__"):
        return
    original, shared = AppSession.__init__, asyncio.new_event_loop()

    @wraps(original)
    def initialise(session: AppSession, *arguments: Any, **named: Any) -> None:
        original(session, *arguments, **named)
        session._script_event_loop.close()
        session._script_event_loop = shared

    AppSession.__init__ = initialise  # type: ignore[method-assign,assignment]
    app_session._close_script_event_loop = lambda loop: None


def evict_uploads(sessions: Sequence[str], most: int) -> None:
    """After a file has come: of sessions that ended meanwhile all is forgotten, of the others the oldest beyond so many bytes.

    sessions: of one browser, the newest last. Streamlit looks before the file comes whether its session is there, and would
    keep it for ever.
    """
    running = streamlit.runtime.get_instance()
    files = cast(MemoryUploadedFileManager, running.uploaded_file_mgr)
    kept: list[tuple[str, UploadedFileRec]] = []
    for session in sessions:
        if running._session_mgr.get_session_info(session) is None:
            files.remove_session_files(session)
        else:
            kept += [(session, file) for file in files.file_storage.get(session, {}).values()]
    while kept and sum(len(file.data) for _, file in kept) > most:
        session, oldest = kept.pop(0)
        files.remove_file(session, oldest.file_id)


def same_origin_token() -> list[tuple[bytes, bytes]]:
    """Headers that satisfy Streamlit's check against forged requests, which needs a cookie that a frame does not get."""
    token = generate_xsrf_token_string().encode()
    return [(b"x-xsrftoken", token), (b"cookie", XSRF_COOKIE_NAME.encode() + b"=" + token)]


def inline_scripts() -> list[str]:
    """The scripts inside of Streamlit's page, for a content policy."""
    return re.findall(r"<script>(.*?)</script>", Path(get_static_dir(), "index.html").read_text(encoding="utf-8"), re.DOTALL)


def session_id() -> str:
    """The session that calls now, a new one for each tab and each reload; empty without a visitor."""
    context = get_script_run_ctx()
    return context.session_id if context else ""


def sent_keys(prefix: str) -> list[str]:
    """What follows this prefix in the keys of widgets whose values the browser sent, also before the page has made them.

    A page that outlived its session sends what the widgets of that one have.
    """
    context = get_script_run_ctx()
    states = context.session_state._state._new_widget_state.states if context else {}
    keys = [user_key_from_element_id(name) or "" for name in states]
    return [key.removeprefix(prefix) for key in keys if key.startswith(prefix)]


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


def connected_browsers(cookie: str) -> list[tuple[str, str]]:
    """The sessions that are connected, and what the cookie of this name says of the browser of each."""
    manager = _sessions()
    sessions = [known.session.id for known in manager.list_active_sessions()] if manager else []
    return [(session, _cookies(session).get(cookie, "")) for session in sessions]


def run_again(sessions: Sequence[str]) -> None:
    """Have the whole page of each of these sessions run, where it is connected; any thread may call."""
    manager = _sessions()
    for found in map(manager.get_active_session_info, sessions) if manager else ():
        if found:
            found.session._call_soon_on_event_loop(partial(found.session.request_rerun, None))


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


def believe_proxies(server: uvicorn.Server, addresses: str) -> None:
    """Believe X-Forwarded-For of these alone; left to itself uvicorn also believes this machine, where anybody may be."""
    server.config.forwarded_allow_ips = addresses
    if isinstance(server.config.loaded_app, ProxyHeadersMiddleware):
        server.config.loaded_app.trusted_hosts = type(server.config.loaded_app.trusted_hosts)(addresses)


def refuse_large_messages(server: uvicorn.Server) -> None:
    """Take no message in that is larger than what Streamlit reads; uvicorn would collect 200 MB of it first."""
    server.config.ws_max_size = get_max_widget_state_size_bytes()


def idle_connections(server: uvicorn.Server) -> list[asyncio.WriteTransport]:
    """The connections on which no request is being answered, WebSockets aside.

    An answer counts as given once all of it is handed over, though most of it may still be to be sent to a slow browser.
    """
    http = [protocol for protocol in server.server_state.connections if hasattr(protocol, "cycle")]
    return [protocol.transport for protocol in http if protocol.cycle is None or protocol.cycle.response_complete]


def base_path() -> str:
    """Below which path the app is served, such as "/class"; "" where it has the whole server."""
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}" if base else ""


def frontend_files() -> dict[str, Path]:
    """Streamlit's own scripts, styles and fonts by their path in an address; each has a hash of its content in its name."""
    folder = Path(get_static_dir())
    return {f"{base_path()}/{path.relative_to(folder).as_posix()}": path for path in folder.glob("static/**/*.*.*")}


def font_file() -> Path:
    """The font of every page, with all letters that its languages need."""
    return next(Path(get_static_dir()).glob("static/media/SourceSansVF-Upright.*"))


PRELOADED = ("Html", "purify.es", "MenuButton", "Button", "BidiComponent", "serialization", "recordbatch")
"""Scripts that every page needs; the frontend would ask for them one after the other when its page has come."""


def preload_links() -> str:
    """The header Link for a browser to fetch PRELOADED and the font of icons with the page."""
    links = []
    for path in frontend_files():
        stem, _, kind = path.rpartition("/")[2].rpartition(".")
        name = stem.rpartition(".")[0]  # without the hash
        if kind == "js" and name in PRELOADED:
            links.append(f"<{path}>; rel=modulepreload; crossorigin")
        elif kind == "woff2" and name == "MaterialSymbols-Rounded":
            links.append(f"<{path}>; rel=preload; as=font; crossorigin")
    return ", ".join(links)


# ---------------------------------------------------------------- the canvas


# Undo and redo stay in sight, on a phone too, where nothing hovers; there they stand below the canvas, in reach of a thumb,
# and the canvas is as wide as the screen; on a projector and in the lesson it is as large as the layout says (--canvas-side):
# a pointer's place follows the size at which it is shown. The other tools are for drawing programs; the one that resets would
# bring back the drawing of the last visit.
CANVAS_TOOLS = """
.dc-root, .dc-scroll, .dc-container, .dc-container > *, canvas {
  width: var(--canvas-side, 320px) !important; height: var(--canvas-side, 320px) !important; max-width: none; }
.dc-toolbar { opacity: 1; top: -2.65rem; visibility: var(--canvas-tools, visible); }
.dc-toolbar-card > :not([aria-label="Undo"], [aria-label="Redo"]) { display: none !important; }
@media (max-width: 640px) {
  .dc-root, .dc-scroll, .dc-container, .dc-container > *, canvas {
    width: var(--canvas-side, min(100vw - 2rem, 26rem)) !important;
    height: var(--canvas-side, min(100vw - 2rem, 26rem)) !important; max-width: none; }
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
