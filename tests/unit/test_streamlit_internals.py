"""Each private interface of Streamlit, its web server and the canvas that the app uses; a red test says which one broke."""

import inspect
import logging
import re
import signal
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import streamlit as st
import streamlit.runtime
import uvicorn
from streamlit.file_util import get_static_dir
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.runtime import Runtime
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import script_runner
from streamlit.runtime.stats import ACTIVE_SESSIONS_FAMILY, GaugeStat
from streamlit.testing.v1 import AppTest
from streamlit.web.server.app_discovery import discover_asgi_app

from pages.shared import streamlit_internals

ROOT = Path(__file__).parent.parent.parent


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


def test_the_frontend_is_where_its_page_looks_for_it() -> None:
    files = streamlit_internals.frontend_files()
    page = Path(get_static_dir(), "index.html").read_text()
    asked = re.findall(r'(?:src|href)="\.(/static/[^"]+\.(?:js|css))"', page)
    assert len(asked) > 10
    assert set(asked) <= files.keys()
    assert all(path.is_file() for path in files.values())
