"""How much one visitor may take at the same time: connections, uploads, frames of a pen."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from unittest.mock import Mock

import pytest
from starlette.requests import Request
from starlette.routing import Match, WebSocketRoute
from starlette.types import Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime import Runtime
from streamlit.web.server.starlette.starlette_websocket import StarletteSessionClient, create_websocket_handler

from core.jobs.memory_budget import Budget
from core.server.environment import MEGABYTE
from deploy import guard, pen
from deploy.middleware import LostConnections
from pages.shared.state import job_pool, pens
from tests.conftest import PATIENCE


class Held:
    """An app that answers nobody before `go_on` is set."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.inside = 0

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        self.inside += 1
        await self.go_on.wait()
        await send({"type": "answered"})


async def nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def said(app: Callable[[Scope, Receive, Send], Awaitable[None]], scope: Scope) -> Message:
    """The first message of an answer."""
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    await app(scope, nothing, send)
    return messages[0]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0)


def test_an_address_opens_as_many_pages_as_it_may_and_others_are_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_CONNECTIONS_PER_ADDRESS", "60")

    async def run() -> None:
        held = Held()
        limits = guard.ConnectionLimits(held)

        async def come(address: str = "192.0.2.1") -> Message:
            return await said(limits, {"type": "websocket", "client": (address, 1)})

        opened = [asyncio.ensure_future(come()) for _ in range(60)]
        await until(lambda: held.inside == 60)
        assert await come() == {"type": "websocket.close", "code": 1013}
        other = asyncio.ensure_future(come("198.51.100.1"))
        await until(lambda: held.inside == 61)
        held.go_on.set()
        assert [message["type"] for message in await asyncio.gather(*opened, other)] == ["answered"] * 61

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """Everybody is let in; the sessions "one" and "tab" are of one browser."""
    monkeypatch.setattr(guard, "is_admitted", lambda _session, _cookie: True)
    tabs = {"one": ("one", "tab"), "tab": ("one", "tab")}
    monkeypatch.setattr(guard, "registry", lambda: Mock(sessions_with=lambda session: tabs.get(session, (session,))))
    monkeypatch.setattr(guard, "evict_uploads", settled := Mock())
    return settled


def sending(session: str, size: int | None = 1000) -> Scope:
    headers = [] if size is None else [(b"content-length", str(size).encode())]
    return {"type": "http", "method": "PUT", "path": f"{guard.UPLOADS}{session}/a", "headers": headers}


def test_a_browser_sends_five_files_at_a_time(settled: Mock) -> None:

    async def run() -> None:
        held = Held()
        admission = guard.Admission(held)

        async def upload(session: str = "one") -> Message:
            return await said(admission, sending(session))

        sent = [asyncio.ensure_future(upload()) for _ in range(5)]
        await until(lambda: held.inside == 5)
        assert (await upload())["status"] == 429
        assert (await upload("tab"))["status"] == 429, "another tab of the same browser"
        other = asyncio.ensure_future(upload("two"))
        await until(lambda: held.inside == 6)
        held.go_on.set()
        await asyncio.gather(*sent, other)
        assert (await upload())["type"] == "answered", "there is room again"
        assert settled.call_count == 7
        assert settled.call_args.args[0] == ("one", "tab")

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_files_are_taken_in_while_there_is_memory_for_all_that_arrive(settled: Mock, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Mock(budget=Budget(7 * MEGABYTE))
    monkeypatch.setattr(job_pool, "pool", lambda: pool)

    async def run() -> None:
        held = Held()
        admission = guard.Admission(held)
        sent = [asyncio.ensure_future(said(admission, sending(name, 3 * MEGABYTE))) for name in ("one", "two")]
        await until(lambda: held.inside == 2)
        assert (await said(admission, sending("three", 3 * MEGABYTE)))["status"] == 507
        held.go_on.set()
        await asyncio.gather(*sent)
        assert (await said(admission, sending("three", 3 * MEGABYTE)))["type"] == "answered", "there is room again"
        for size in (None, 10**30):
            assert (await said(admission, sending("three", size)))["status"] == 411

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


@pytest.mark.parametrize("sent", [40 * 65536, 3 * guard.MAX_UPLOADED])
def test_a_file_is_read_before_it_is_refused(sent: int, settled: Mock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser that still sends would be told of a lost connection."""
    monkeypatch.setattr(guard, "has_room_to_receive", lambda _arriving: False)
    admission, left, answers = guard.Admission(Held()), sent, []

    async def receive() -> Message:
        nonlocal left
        assert not answers
        assert admission._arriving == 0, "a file that is forgotten takes nobody's room"
        left -= 65536
        return {"type": "http.request", "body": bytes(65536), "more_body": left > 0}

    async def send(message: Message) -> None:
        answers.append(message.get("status"))

    asyncio.run(admission(sending("one", sent), receive, send))
    assert answers[0] == 507
    assert left == max(0, sent - guard.MAX_UPLOADED - 65536), "more than a page may send is not waited for"


@pytest.mark.parametrize(("below", "path"), [("", "/pen/a"), ("x", "/x/pen/a"), ("/x/y/", "/x/y/pen/a")])
def test_a_pen_is_found_where_the_app_is_served(below: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamlit.get_option", {"server.baseUrlPath": below}.get)
    (route,) = pen.routes()
    for asked in (path, f"/other{path}", "/pen/"):
        match, _ = route.matches({"type": "http", "method": "POST", "path": asked, "headers": []})
        assert (match is Match.FULL) is (asked == path), asked


@pytest.mark.parametrize("below", ["", "/x/y/"])
def test_the_door_stands_where_the_app_is_served(below: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamlit.get_option", {"server.baseUrlPath": below}.get)
    monkeypatch.setattr(guard, "is_admitted", lambda _session, _cookie: False)

    async def run() -> None:
        admission = guard.Admission(Held())
        for path, status in [(f"{part}a", 403) for part in guard.FOR_THE_CLASS] + [(guard.METRICS, 404)]:
            scope = {"type": "http", "method": "POST", "path": f"{below.rstrip('/')}{path}", "headers": [], "query_string": b""}
            assert (await said(admission, scope))["status"] == status, path

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_a_pen_has_three_frames_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Mock(waiting=0)
    monkeypatch.setattr(pens, "pen_of", lambda _token: held)

    async def run() -> None:
        go_on = asyncio.Event()

        async def receive() -> Message:
            await go_on.wait()
            return await nothing()

        async def send_frame() -> int:
            scope = {"type": "http", "method": "POST", "path": "/pen/a", "headers": [], "path_params": {"token": "a"}}
            return (await pen.answer(Request(scope, receive))).status_code

        frames = [asyncio.ensure_future(send_frame()) for _ in range(3)]
        await until(lambda: held.waiting == 3)
        assert await send_frame() == 429
        go_on.set()
        assert await asyncio.gather(*frames) == [400] * 3, "an empty one is no drawing"
        assert held.waiting == 0

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_a_connection_lost_within_a_frame_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Mock(waiting=0)
    monkeypatch.setattr(pens, "pen_of", lambda _token: held)
    messages: list[Message] = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> Message:
        return messages.pop(0)

    scope = {"type": "http", "method": "POST", "path": "/pen/a", "headers": [], "path_params": {"token": "a"}}
    assert asyncio.run(pen.answer(Request(scope, receive))).status_code == 400
    assert held.waiting == 0
    assert not messages


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(OSError("uvicorn's ClientDisconnected"), id="it closed its tab"),
        pytest.param(RuntimeError("Unexpected ASGI message 'websocket.send'"), id="it fell silent and was given up"),
    ],
)
def test_a_browser_that_leaves_while_it_is_answered_is_no_error(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """It sends a message and leaves, while the server still writes to it."""
    streamlit_log = logging.getLogger("streamlit.web.server.starlette.starlette_websocket")
    streamlit_log.addHandler(caplog.handler)  # Streamlit's loggers hand nothing on
    failed = asyncio.Event()
    incoming: list[Message] = [
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "bytes": BackMsg().SerializeToString()},
        {"type": "websocket.disconnect", "code": 1005},
    ]

    async def receive() -> Message:
        if incoming[0]["type"] == "websocket.receive":
            await failed.wait()
            await asyncio.sleep(0)  # whoever sends is told first
        return incoming.pop(0)

    async def send(message: Message) -> None:
        if message["type"] == "websocket.send":
            failed.set()
            raise error

    def connect_session(client: StarletteSessionClient, **_: object) -> str:
        client.write_forward_msg(ForwardMsg())
        return "session"

    runtime = Mock(spec=Runtime)
    runtime.connect_session = connect_session
    path = "/_stcore/stream"
    app = LostConnections(WebSocketRoute(path, create_websocket_handler(runtime)))
    try:
        asyncio.run(app({"type": "websocket", "path": path, "headers": [], "subprotocols": []}, receive, send))
    finally:
        streamlit_log.removeHandler(caplog.handler)
    assert not incoming
    assert not caplog.records
    runtime.disconnect_session.assert_called_once()


def test_text_from_a_browser_ends_the_connection_and_is_no_error() -> None:
    incoming: list[Message] = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hello"}]
    sent: list[str] = []

    async def receive() -> Message:
        return incoming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message["type"])

    runtime = Mock(spec=Runtime)
    path = "/_stcore/stream"
    app = LostConnections(WebSocketRoute(path, create_websocket_handler(runtime)))
    asyncio.run(app({"type": "websocket", "path": path, "headers": [], "subprotocols": []}, receive, send))
    assert (incoming, sent) == ([], ["websocket.accept"])
    runtime.handle_backmsg.assert_not_called()
    runtime.disconnect_session.assert_called_once()


def test_a_connection_lost_within_a_file_is_no_error(settled: Mock) -> None:
    async def read(scope: Scope, receive: Receive, send: Send) -> None:
        """As Streamlit reads it."""
        await Request(scope, receive).body()
        await send({"type": "answered"})

    messages: list[Message] = [{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.disconnect"}]
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    admission = guard.Admission(read)
    asyncio.run(admission(sending("one"), receive, send))
    assert sent[0]["status"] == 400
    assert settled.call_count == 1
    assert admission._arriving == 0


def test_a_request_that_never_ends_is_given_up_and_an_answer_takes_its_time() -> None:
    begun, more = {"type": "http.request", "body": b"x", "more_body": True}, asyncio.Event()

    async def run() -> None:
        messages: list[Message] = [begun]

        async def receive() -> Message:
            if not messages:
                await more.wait()
            return messages.pop(0)

        async def send(message: Message) -> None:
            raise AssertionError(message)

        async def read(_scope: Scope, receive: Receive, _send: Send) -> None:
            assert await receive() == begun
            assert await receive() == {"type": "http.disconnect"}

        await guard.BodyTimeLimit(read, 0.0)({"type": "http"}, receive, send)

        async def answer(_scope: Scope, receive: Receive, _send: Send) -> None:
            assert await receive() == await nothing()
            asyncio.get_running_loop().call_soon(messages.append, {"type": "http.disconnect"})
            asyncio.get_running_loop().call_soon(more.set)
            assert await receive() == {"type": "http.disconnect"}, "when the connection ends, and not before"
            assert more.is_set()

        messages.append(await nothing())
        await guard.BodyTimeLimit(answer, 0.0)({"type": "http"}, receive, send)

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


@pytest.mark.parametrize("address", ["http://[", "http://[::1]:port", "//a:99999"])
def test_a_header_that_is_no_address_is_of_another_site(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBED_ORIGINS", "https://school.example")
    headers = {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "cross-site", "Referer": address, "Origin": address, "Host": "a"}
    coded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": coded, "query_string": b""}
    held = Held()
    held.go_on.set()
    assert asyncio.run(said(guard.Admission(held), scope))["type"] == "answered"
    assert not guard._is_of_own_page(Request(scope))
