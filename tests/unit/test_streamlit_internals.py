"""Each private interface of Streamlit, its web server and the canvas that the app uses; a red test says which one broke."""

import asyncio
import inspect
import logging
import re
import signal
import threading
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import streamlit as st
import streamlit.runtime
import uvicorn
from streamlit import error_util
from streamlit.file_util import get_static_dir
from streamlit.proto.BackMsg_pb2 import (
    BackendOperationRequest,
    BackMsg,
    DeferredFileRequestPayload,
    InstallSkillsRequestPayload,
)
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.Common_pb2 import FileUploaderState, FileURLsRequest
from streamlit.proto.NewSession_pb2 import NewSession
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.runtime import Runtime, app_session
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import script_runner
from streamlit.runtime.state.common import WidgetMetadata
from streamlit.runtime.stats import ACTIVE_SESSIONS_FAMILY, GaugeStat
from streamlit.runtime.uploaded_file_manager import UploadedFileRec
from streamlit.runtime.websocket_session_manager import WebsocketSessionManager
from streamlit.testing.v1 import AppTest
from streamlit.web import bootstrap
from streamlit.web.server.app_discovery import discover_asgi_app

from pages.shared import streamlit_internals
from pages.shared.i18n.of_widgets import WORDS

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def frontend() -> str:
    """All scripts of Streamlit's frontend."""
    return "".join(path.read_text() for path in Path(get_static_dir()).rglob("*.js"))


def test_options_are_read_as_the_server_reads_them_when_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[dict[str, Any]] = []
    monkeypatch.setattr(bootstrap, "load_config_options", read.append)
    streamlit_internals.set_options({"server.port": 8501})
    assert read == [{"server.port": 8501}]
    assert "bootstrap.load_config_options(config_overrides)" in inspect.getsource(st.App.run), "what reads them again"


def test_a_flag_of_the_pages_manager_turns_files_of_pages_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PagesManager, "uses_pages_directory", None)
    streamlit_internals.run_no_page_files()
    assert PagesManager(str(ROOT / "app.py")).uses_pages_directory is False, "looked at once, and None only then"
    source = inspect.getsource(script_runner.ScriptRunner._run_script)
    assert "if PagesManager.uses_pages_directory:" in source, "what decides whether a file of pages/ is run on its own"


def test_streamlit_run_finds_the_server_in_the_entry() -> None:
    found = discover_asgi_app(ROOT / "app.py")
    assert (found.is_asgi_app, found.import_string) == (True, "app:app")


def test_nobody_is_served_without_a_runtime() -> None:
    assert streamlit_internals.is_served() is streamlit.runtime.exists() is False
    assert streamlit_internals.connected_sessions() == 0
    assert streamlit_internals.session_id() == ""
    assert streamlit_internals.is_connected("any")


def test_the_keys_of_widgets_that_the_browser_has_are_known_before_the_page_makes_them() -> None:
    def script() -> None:
        import streamlit as st

        from pages.shared.streamlit_internals import sent_keys

        st.text("/".join(sent_keys("a-name-")))
        st.text_input("Name", key="a-name-1-2")
        st.text_input("Another name", key="another-name")
        st.text_input("Without a key")

    app = AppTest.from_function(script)
    assert app.run().text[0].value == ""
    assert app.run().text[0].value == "1-2"
    assert streamlit_internals.sent_keys("a-name-") == []


def test_the_runtime_tells_of_its_sessions() -> None:
    assert "session_id" in inspect.signature(Runtime.is_active_session).parameters
    assert GaugeStat(family_name=ACTIVE_SESSIONS_FAMILY, value=3).value == 3
    assert isinstance(inspect.getattr_static(Runtime, "stats_mgr"), property)


def test_a_message_of_a_page_that_was_left_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    session: Any = SimpleNamespace(_client_state=ClientState(page_script_hash="left"))
    accepted: list[ClientState] = []
    monkeypatch.setattr(AppSession, "request_rerun", lambda _session, asked: accepted.append(asked))
    streamlit_internals.refuse_messages_of_left_pages()
    messages = [
        ClientState(page_script_hash="left", fragment_id="canvas"),
        ClientState(page_script_hash="next"),
        ClientState(page_script_hash="left", fragment_id="canvas"),
        ClientState(page_script_hash="next", fragment_id="plane"),
    ]
    for message in messages:
        AppSession.request_rerun(session, message)
    AppSession.request_rerun(session, None)
    assert accepted == [messages[0], messages[1], messages[3], None]
    assert "self._client_state.page_script_hash = page_script_hash" in inspect.getsource(
        AppSession._handle_scriptrunner_event_on_event_loop
    ), "what knows the page that runs, after st.switch_page too"


DEVELOPERS = (
    BackMsg(clear_cache=True),
    BackMsg(set_run_on_save=True),
    BackMsg(load_git_info=True),
    BackMsg(debug_disconnect_websocket=True),
    BackMsg(debug_shutdown_runtime=True),
    BackMsg(backend_operation_request=BackendOperationRequest(install_skills=InstallSkillsRequestPayload())),
    BackMsg(),
)
PAGES = (
    BackMsg(rerun_script=ClientState()),
    BackMsg(app_heartbeat=True),
    BackMsg(stop_script=True),
    BackMsg(file_urls_request=FileURLsRequest(file_names=["a"])),
    BackMsg(backend_operation_request=BackendOperationRequest(deferred_file=DeferredFileRequestPayload())),
)


def obeyed(messages: Sequence[BackMsg], is_admitted: bool, monkeypatch: pytest.MonkeyPatch) -> list[BackMsg]:
    """What a session is given of the messages of a visitor."""
    accepted: list[BackMsg] = []
    monkeypatch.setattr(AppSession, "handle_backmsg", lambda _session, message: accepted.append(message))
    streamlit_internals.refuse_messages(lambda *_keys: is_admitted, "browser")
    session: Any = SimpleNamespace(id="one")
    for message in messages:
        AppSession.handle_backmsg(session, message)
    return accepted


@pytest.mark.parametrize("is_admitted", [True, False])
def test_what_only_a_developer_sends_is_dropped(is_admitted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not obeyed(DEVELOPERS, is_admitted, monkeypatch)
    known = {field.name for field in BackMsg.DESCRIPTOR.oneofs_by_name["type"].fields}
    assert known == {message.WhichOneof("type") for message in (*DEVELOPERS[:-1], *PAGES)}, "a new kind of message"


def test_a_page_is_heard_and_a_stranger_only_with_what_the_password_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert obeyed(PAGES, True, monkeypatch) == list(PAGES)
    asked = [message.WhichOneof("type") for message in PAGES[:2]]
    assert [message.WhichOneof("type") for message in obeyed(PAGES, False, monkeypatch)] == asked


def test_of_a_stranger_only_the_forms_own_values_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [
        WidgetState(id="password", string_value="right"),
        WidgetState(id="come in", trigger_value=True),
        WidgetState(id="canvas", json_value="{}"),
        WidgetState(id="picture", file_uploader_state_value=FileUploaderState()),
        WidgetState(id="bytes", bytes_value=b"0"),
        WidgetState(id="much", string_value="0" * 5000),
    ]
    message = BackMsg(rerun_script=ClientState(widget_states=WidgetStates(widgets=values)))
    [taken] = obeyed([message], False, monkeypatch)
    assert [widget.id for widget in taken.rerun_script.widget_states.widgets] == ["password", "come in"]


def test_of_a_strangers_long_message_little_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the loop that answers everybody: a message has room for a million values."""
    empty = [WidgetState(id=str(number)) for number in range(streamlit_internals.MAX_WIDGETS)]
    values = [*empty, WidgetState(id="password", string_value="right")]
    state = ClientState(widget_states=WidgetStates(widgets=values), cached_message_hashes=["a"] * 1000)
    [of_the_class] = obeyed([BackMsg(rerun_script=state)], True, monkeypatch)
    assert of_the_class.rerun_script == state
    [taken] = obeyed([BackMsg(rerun_script=state)], False, monkeypatch)
    assert not taken.rerun_script.widget_states.widgets
    assert not taken.rerun_script.cached_message_hashes


def test_a_message_announces_few_files(monkeypatch: pytest.MonkeyPatch) -> None:
    many = BackMsg(file_urls_request=FileURLsRequest(file_names=["a"] * (streamlit_internals.MAX_FILES + 1)))
    assert not obeyed([many], True, monkeypatch)


def test_a_stranger_is_not_kept_and_the_class_is_by_session_or_by_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []
    monkeypatch.setattr(WebsocketSessionManager, "disconnect_session", lambda _manager, _name: None)
    streamlit_internals.keep_no_sessions_of_strangers(lambda *keys: "known" in keys, "browser")
    clients = {"a": "known", "b": "unknown", "known": "unknown"}
    monkeypatch.setattr(streamlit_internals, "_cookies", lambda name: {"browser": clients[name]})
    manager: Any = SimpleNamespace(is_active_session=clients.__contains__, mark_session_nonresumable=ended.append)
    for name in (*clients, "gone"):
        WebsocketSessionManager.disconnect_session(manager, name)
    assert ended == ["b"]


def test_a_tick_counts_only_where_its_fragment_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[ClientState] = []
    monkeypatch.setattr(AppSession, "_handle_rerun_script_request", lambda _session, asked=None: ran.append(asked))
    streamlit_internals.skip_idle_ticks()
    is_due = False
    session: Any = SimpleNamespace(**{streamlit_internals._DUE: {"wall": lambda: is_due}})
    tick = ClientState(fragment_id="wall", is_auto_rerun=True)
    others = [ClientState(fragment_id="wall"), ClientState(fragment_id="line", is_auto_rerun=True), ClientState(), None]
    for asked in (tick, *others):
        AppSession._handle_rerun_script_request(session, asked)
    assert ran == others, "a press is never left out, nor the tick of a fragment that has said nothing"
    is_due = True
    AppSession._handle_rerun_script_request(session, tick)
    AppSession._handle_rerun_script_request(SimpleNamespace(), tick)  # type: ignore[arg-type]
    assert ran == [*others, tick, tick]
    source = inspect.getsource(AppSession.handle_backmsg)
    assert "self._handle_rerun_script_request(" in source, "what a message of a browser calls"


def test_a_press_runs_its_own_fragment_whatever_the_message_is_about(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pen's frame and a press come in one message, which names the pen's fragment only."""
    ran: list[tuple[str, list[str]]] = []

    def run(_session: AppSession, asked: ClientState) -> None:
        ran.append((asked.fragment_id, [value.id for value in asked.widget_states.widgets]))

    monkeypatch.setattr(AppSession, "_handle_rerun_script_request", run)
    for _ in range(2):
        streamlit_internals.run_what_was_pressed()
    places = {"frame": "pen", "send": "task", "clear": "canvas", "help": None, "old": "gone"}
    known = {widget: SimpleNamespace(fragment_id=place) for widget, place in places.items()}
    session: Any = SimpleNamespace(
        _session_state=SimpleNamespace(_new_widget_state=SimpleNamespace(widget_metadata=known)),
        has_fragment=lambda fragment: fragment != "gone",
        _client_state=ClientState(page_script_hash="draw"),
    )

    def ask(fragment: str, *pressed: str, is_tick: bool = False, page: str = "draw") -> list[tuple[str, list[str]]]:
        ran.clear()
        frame = WidgetState(id="frame", json_value="{}")
        values = [frame, *(WidgetState(id=each, trigger_value=True) for each in pressed)]
        states = WidgetStates(widgets=values)
        asked = ClientState(fragment_id=fragment, widget_states=states, is_auto_rerun=is_tick, page_script_hash=page)
        AppSession._handle_rerun_script_request(session, asked)
        return ran

    assert ask("pen") == [("pen", ["frame"])]
    assert ask("task", "send") == [("task", ["frame", "send"])]
    assert ask("pen", "send") == [("pen", ["frame"]), ("task", ["frame", "send"])], "pressed once, where it stands"
    assert ask("pen", "send", "clear") == [("pen", ["frame"]), ("task", ["frame", "send"]), ("canvas", ["frame", "clear"])]
    assert ask("pen", "send", "help") == [("", ["frame", "send", "help"])], "the page runs all of it"
    for unknown in ("old", "new"):
        assert ask("pen", unknown) == [("pen", ["frame", unknown])]
    for place in ("pen", "task"):
        assert ask(place, "send", "help", is_tick=True) == [(place, ["frame"])], "the presses are sent once more"
    assert ask("pen", "help", page="learn") == [("pen", ["frame", "help"])], "of a page that was left"
    assert {"fragment_id"} <= {each.name for each in fields(WidgetMetadata)}
    assert "self._session_state = SessionState(" in inspect.getsource(AppSession.__init__)
    assert callable(AppSession.has_fragment)


def test_the_next_run_starts_once_all_that_the_last_one_showed_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    loop = asyncio.new_event_loop()

    def runs(is_running: bool) -> SimpleNamespace:
        return SimpleNamespace(request_rerun=lambda asked: is_running and not order.append(f"{asked}, by the run before"))

    def start(session: Any, asked: str) -> None:
        if asked == "no thread":
            raise RuntimeError(asked)
        order.append(asked)
        session._scriptrunner = runs(True)

    def session_with(runner: SimpleNamespace | None) -> Any:
        session = SimpleNamespace(_scriptrunner=runner, _state=None, _call_soon_on_event_loop=loop.call_soon)
        session.handle_backmsg_exception = lambda error: order.append(f"told: {error}")
        return session

    def ask(session: Any, *requests: str, is_stopped: bool = False) -> list[str]:
        """is_stopped: the last request is for the whole page, for which Streamlit stops the run that there was."""
        loop.call_soon(order.append, "what it showed")
        for asked in requests:
            if is_stopped and asked is requests[-1]:
                session._scriptrunner = None
            AppSession._create_scriptrunner(session, asked)  # type: ignore[arg-type]
        for _ in range(3):
            loop.call_soon(loop.stop)
            loop.run_forever()
        asked_in_order = order[:]
        order.clear()
        return asked_in_order

    monkeypatch.setattr(AppSession, "_create_scriptrunner", start)
    streamlit_internals.keep_messages_of_ended_runs()
    assert ask(session_with(None), "one") == ["one", "what it showed"], "who opens a page waits for nobody"
    in_order = ["what it showed", "tick", "press, by the run before"]
    assert ask(session_with(runs(False)), "tick") == in_order[:2]
    for is_stopped in (False, True):
        assert ask(session_with(runs(False)), "tick", "press", is_stopped=is_stopped) == in_order, "the newer one comes last"
    session = session_with(runs(False))
    assert ask(session, "tick") == in_order[:2]
    session._scriptrunner = None
    assert ask(session, "one") == ["one", "what it showed"], "nothing waits any more"
    left = session_with(runs(False))
    left._state = app_session.AppSessionState.SHUTDOWN_REQUESTED
    assert ask(left, "tick") == ["what it showed"]
    session = session_with(runs(False))
    loop.call_soon(setattr, session, "_scriptrunner", runs(False))
    assert ask(session, "tick") == ["what it showed", "tick"], "another run may have ended meanwhile"
    assert ask(session_with(runs(False)), "no thread") == ["what it showed", "told: no thread"]
    loop.close()
    taken = inspect.getsource(AppSession._handle_scriptrunner_event_on_event_loop)
    assert "if sender is not self._scriptrunner:" in taken, "what drops messages"
    request = inspect.getsource(AppSession.request_rerun)
    assert "success = self._scriptrunner.request_rerun(rerun_data)" in request
    assert "self._create_scriptrunner(rerun_data)" in request
    posted = inspect.getsource(AppSession._on_scriptrunner_event)
    assert "self._call_soon_on_event_loop(" in posted, "a run's messages wait in one line with what is asked after it ended"


def test_a_fragment_says_when_its_ticks_count(monkeypatch: pytest.MonkeyPatch) -> None:
    session = SimpleNamespace()
    monkeypatch.setattr(streamlit_internals, "_session", lambda: session)

    def script() -> None:
        import streamlit as st

        from pages.shared.streamlit_internals import run_by_timer_only_if

        st.fragment(lambda: run_by_timer_only_if(lambda: False))()

    app = AppTest.from_function(script).run()
    assert not app.exception
    [(fragment, is_due)] = vars(session)[streamlit_internals._DUE].items()
    assert (bool(fragment), is_due()) == (True, False)


def test_theme_and_options_are_read_once_and_sent_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def sent() -> NewSession:
        message = NewSession()
        app_session._populate_config_msg(message.config)
        for theme, section in (
            (message.custom_theme, "theme"),
            (message.custom_theme.light, "theme.light"),
            (message.custom_theme.dark, "theme.dark"),
            (message.custom_theme.sidebar, "theme.sidebar"),
        ):
            app_session._populate_theme_msg(theme, section)
        return message

    sections: list[str] = []

    def populate(message: Any, section: str = "theme") -> None:
        sections.append(section)
        if section == "theme":
            message.base = message.BaseTheme.LIGHT  # the first value, which is not told from none by its size
        elif section == "theme.dark":
            message.primary_color = "#ffffff"

    monkeypatch.setattr(app_session, "_populate_theme_msg", populate)
    monkeypatch.setattr(app_session, "_populate_config_msg", app_session._populate_config_msg)
    expected = sent()
    asked = len(sections)
    streamlit_internals.remember_theme()
    assert sent() == sent() == expected
    assert len(sections) == 2 * asked, "each section is read once"
    assert (expected.HasField("custom_theme"), expected.custom_theme.HasField("light")) == (True, False)
    source = inspect.getsource(AppSession._create_new_session_message)
    assert "_populate_theme_msg(msg.new_session.custom_theme)" in source
    assert "_populate_config_msg(msg.new_session.config)" in source


def test_all_sessions_share_one_loop_for_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[asyncio.AbstractEventLoop] = []

    def initialise(session: Any) -> None:
        session._script_event_loop = asyncio.new_event_loop()
        made.append(session._script_event_loop)

    close = app_session._close_script_event_loop
    monkeypatch.setattr(AppSession, "__init__", initialise)
    monkeypatch.setattr(app_session, "_close_script_event_loop", close)
    streamlit_internals.share_script_loop()
    sessions: list[Any] = [SimpleNamespace(), SimpleNamespace()]
    for session in sessions:
        AppSession.__init__(session)  # type: ignore[call-arg]
        app_session._close_script_event_loop(session._script_event_loop)
    assert sessions[0]._script_event_loop is sessions[1]._script_event_loop
    assert not sessions[0]._script_event_loop.is_closed()
    assert all(loop.is_closed() for loop in made), "their open files are given back"
    sessions[0]._script_event_loop.close()


class FakeRuntime:
    """Holds files of sessions, of which some are there."""

    def __init__(self, *sessions: str) -> None:
        self.uploaded_file_mgr = MemoryUploadedFileManager("upload")
        self._session_mgr = SimpleNamespace(get_session_info=lambda name: name if name in sessions else None)
        for name in ("a", "b"):
            for number in range(3):
                self.uploaded_file_mgr.add_file(name, UploadedFileRec(f"{number}", "name", "type", b"0" * 100))

    def held(self, name: str) -> list[str]:
        return list(self.uploaded_file_mgr.file_storage.get(name, {}))


def test_of_a_session_that_ended_no_file_is_kept_and_of_others_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    running = FakeRuntime("a")
    monkeypatch.setattr(streamlit.runtime, "get_instance", lambda: running)
    streamlit_internals.evict_uploads(["a"], 300)
    assert running.held("a") == ["0", "1", "2"]
    streamlit_internals.evict_uploads(["a"], 250)
    streamlit_internals.evict_uploads(["b"], 300)
    assert (running.held("a"), running.held("b")) == (["1", "2"], [])
    two_tabs = FakeRuntime("a", "b")
    monkeypatch.setattr(streamlit.runtime, "get_instance", lambda: two_tabs)
    streamlit_internals.evict_uploads(["b", "a"], 400)
    assert (two_tabs.held("b"), two_tabs.held("a")) == (["2"], ["0", "1", "2"])
    assert {"remove_file", "remove_session_files"} <= set(dir(MemoryUploadedFileManager))
    assert "session_id" in inspect.signature(Runtime.is_active_session).parameters


@pytest.mark.parametrize("trusted", ["", "10.0.0.9", "127.0.0.0/8"])
def test_only_named_proxies_are_believed(trusted: str) -> None:
    seen: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["client"][0])

    config = uvicorn.Config(app, log_config=None)
    config.load()
    streamlit_internals.believe_proxies(uvicorn.Server(config), trusted)
    for peer in ("127.0.0.1", "10.0.0.9"):
        scope = {"type": "http", "client": (peer, 1), "headers": [(b"x-forwarded-for", b"1.2.3.4")], "scheme": "http"}
        asyncio.run(config.loaded_app(scope, None, None))  # type: ignore[arg-type,misc]
    expected = {"": ["127.0.0.1", "10.0.0.9"], "10.0.0.9": ["127.0.0.1", "1.2.3.4"], "127.0.0.0/8": ["1.2.3.4", "10.0.0.9"]}
    assert seen == expected[trusted]


def test_the_web_server_is_known_by_its_handler_of_signals() -> None:
    found: list[uvicorn.Server | None] = []

    async def app(scope: dict[str, str], _receive: object, _send: object) -> None:
        assert scope["type"] == "lifespan"
        server = streamlit_internals.web_server()
        found.append(server)
        if server:
            server.should_exit = True

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
    before = signal.getsignal(signal.SIGTERM)
    server.run()
    assert found[0] is server
    assert signal.getsignal(signal.SIGTERM) is before
    assert streamlit_internals.web_server() is None


def test_outside_of_the_main_thread_there_is_no_web_server() -> None:
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(streamlit_internals.web_server()))
    thread.start()
    thread.join()
    assert found == [None]


def test_code_of_pages_runs_for_nobody_without_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    @st.cache_resource(show_spinner=False)
    def made() -> int:
        return 7

    with caplog.at_level(logging.DEBUG), streamlit_internals.without_visitor():
        assert made() == 7
    assert not caplog.records


def test_the_canvas_has_its_style_sheet_inside() -> None:
    script = """
        from streamlit.components.v2.get_bidi_component_manager import get_bidi_component_manager
        from pages.shared.streamlit_internals import CANVAS_TOOLS, drawing_canvas
        drawing_canvas()(key="canvas")
        made = get_bidi_component_manager().get("streamlit-drawable-canvas.streamlit_drawable_canvas")
        assert made.css_content and CANVAS_TOOLS in made.css_content, "linked, and not inside"
        assert ".upper-canvas" in made.css_content or ".dc-toolbar" in made.css_content, "another style sheet"
    """
    app = AppTest.from_string(inspect.cleandoc(script), default_timeout=60.0).run()
    assert not app.exception, [error.value for error in app.exception]


def test_a_traceback_goes_to_the_log_where_rich_is_installed_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(error_util, "_print_rich_exception", lambda _error: None)  # to the terminal, past the log
    error_util._log_uncaught_app_exception(ValueError("a fault of a page"))
    assert "ValueError: a fault of a page" in caplog.text


def test_the_frontend_is_where_its_page_looks_for_it() -> None:
    files = streamlit_internals.frontend_files()
    page = Path(get_static_dir(), "index.html").read_text()
    asked = re.findall(r'(?:src|href)="\.(/static/[^"]+\.(?:js|css))"', page)
    assert len(asked) > 10
    assert set(asked) <= files.keys()
    assert all(path.is_file() for path in files.values())


@pytest.mark.parametrize("word", WORDS)
def test_a_word_that_is_translated_stands_in_the_frontend(word: str, frontend: str) -> None:
    """Some are put together: an instruction of its key and its end, a description of what it describes."""
    pieces = ["Press Enter to ", word.rpartition(" ")[2]] if word.startswith("Press Enter") else re.split(r"{}|\. ", word)
    assert all(piece in frontend for piece in pieces)


def test_every_preloaded_file_is_there_once() -> None:
    links = streamlit_internals.preload_links().split(", ")
    assert len(links) == len(streamlit_internals.PRELOADED) + 1
    for link in links:
        assert link[1:].partition(">")[0] in streamlit_internals.frontend_files()


PARTS = sorted(
    {
        (name, path.name)
        for folder in ("html", "components")
        for path in (ROOT / "pages" / "shared" / folder).iterdir()
        if path.is_file()
        for name in re.findall(r'data-testid\^?="?(\w+)', path.read_text(encoding="utf-8"))
    }
)
"""Every part of Streamlit's pages that a style sheet or a script of ours finds by its test id, and where."""


@pytest.mark.parametrize(("name", "file"), PARTS)
def test_what_style_sheets_and_scripts_look_for_is_in_the_frontend(name: str, file: str, frontend: str) -> None:
    assert re.search(rf"[\"'`]{name}\b", frontend), (
        f"{file} looks for {name}, which Streamlit's frontend does not have any more"
    )


def test_parts_are_looked_for_in_every_place() -> None:
    assert {"stMainBlockContainer", "stHeader", "stColumn", "stHtml", "stTopNavSection"} <= {name for name, _file in PARTS}
