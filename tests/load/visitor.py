"""A visitor without a browser: Streamlit's own messages over its own WebSocket.

A class of thirty browsers needs more of a machine than the app that they visit. This keeps what a
browser keeps (elements, the timers of fragments, the session's number) and draws nothing, so that
what is measured is the server.
"""

import asyncio
import base64
import json
import math
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlsplit

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

from core.drawing import from_canvas
from pages.shared.html import pictures
from tests.strokes import Stroke, rgba

FINISHED, EARLY, FRAGMENT_FINISHED = 0, 2, 3


class AppError(AssertionError):
    """The page showed an exception or could not be run."""


class NoAnswerError(AppError, TimeoutError):
    """The page never became what was waited for."""


@dataclass(frozen=True)
class Sketch:
    """A drawing as the canvas sends it, and as the page shows it once it is judged."""

    value: str
    picture: str
    shown: str


def png(pixels: Any) -> str:
    return "data:image/png;base64," + base64.b64encode(pictures.png(pixels)).decode()


def sketch(strokes: list[Stroke]) -> Sketch:
    """What the canvas sends when these strokes, in canvas pixels, are drawn."""
    pixels = rgba(strokes)
    image = from_canvas(pixels)
    assert image is not None
    raw = {"objects": [{"type": "path", "path": stroke} for stroke in strokes], "background": "#000000"}
    value = {"drawing": {"raw": raw, "data": png(pixels)}}
    rows, columns = pixels[..., 0].any(axis=1).nonzero()[0], pixels[..., 0].any(axis=0).nonzero()[0]
    inked = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]  # what is sent while the pen moves
    return Sketch(json.dumps(value), png(inked), png(pictures.grey_pixels(image)))


@dataclass
class Part:
    """An element or block of the page, with the run and the fragment that drew it."""

    content: Any
    kind: str
    run: str
    fragment: str

    @property
    def widget(self) -> str:
        """The number of the widget that it is, if it is one."""
        return str(getattr(getattr(self.content, self.kind, None), "id", ""))


@dataclass(frozen=True)
class Run:
    """A run of the whole page, or of fragments of it; number: from 1, in the order of their beginnings."""

    number: int = 0
    id: str = ""
    page: str = ""
    fragments: frozenset[str] = frozenset()

    def answers(self, fragment: str, page_left: str) -> bool:
        """Whether it is what somebody waits for who has asked for this fragment, "" for the whole of another page."""
        return fragment in self.fragments or (not self.fragments and self.page != page_left)


def is_canvas(part: Part) -> bool:
    """Whether it is the drawing canvas, of the page's components."""
    return part.kind == "bidi_component" and "drawable" in part.content.bidi_component.component_name


def is_pen(part: Part) -> bool:
    """Whether it is what watches the pen on the canvas."""
    return part.kind == "bidi_component" and "live-canvas" in part.content.bidi_component.component_name


ASKING = ThreadPoolExecutor(256)
"""A class's pens at once; asyncio's own threads are a handful, and a lifted pen would wait for one here."""


class Visitor:
    """One tab. Its page is in `parts`, by place."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None, patience: float = 60.0) -> None:
        """patience: seconds to wait for what has to come, unless told otherwise."""
        self.url = url
        self._patience = patience
        self._headers = dict(headers or {})
        self.session_id = ""
        self.cookies: dict[str, str] = {}
        self.parts: dict[tuple[int, ...], Part] = {}
        self.pages: dict[str, str] = {}
        self.page = ""
        self._page_hash = ""
        self._values: dict[str, str] = {}
        self._states: dict[str, WidgetState] = {}
        self._files = 0
        self._lifted = 0
        self._to_pen: list[HTTPConnection] = []
        self._timers: dict[str, asyncio.Task[None]] = {}
        self._run = Run()
        self._runs: deque[Run] = deque(maxlen=64)
        self._ended = 0
        self._changed = asyncio.Condition()
        self._problem: Exception | None = None
        self._socket: Any = None
        self._listener: asyncio.Task[None] | None = None

    async def arrive(self, page: str = "", query: str = "") -> "Visitor":
        """Fetch the page and then open it, as a browser does, which brings the cookies that come with a page."""
        await asyncio.to_thread(self._fetch, f"{page}?{query}")
        return await self.open(page, query)

    async def come_back(self) -> None:
        """Wait until the connection breaks, then ask whether the server is well and open the page again, as a browser does."""
        assert self._listener
        await self._listener
        self._stop_timers(list(self._timers))
        self._problem = None
        await asyncio.to_thread(self._fetch, "_stcore/health")
        await self.open(self.page)

    async def open(self, page: str = "", query: str = "") -> "Visitor":
        """Open a page by its address, as a new visitor or after the connection was lost."""
        known = ["none", self.session_id] if self.session_id else []
        self._socket = await websockets.connect(
            self.url.replace("http", "ws") + "/_stcore/stream",
            subprotocols=["streamlit", *known],  # type: ignore[list-item]
            origin=self.url,  # type: ignore[arg-type]
            max_size=None,
            proxy=None,
            compression=None,
            additional_headers={**self._headers, "Cookie": self._cookie_line()},
        )
        self._take_cookies(self._socket.response.headers.get_all("Set-Cookie"))
        self._listener = asyncio.create_task(self._listen())
        self.page = page
        await self._ask(ClientState(page_name=page, query_string=query, page_script_hash=self._page_hash))
        return self

    @property
    def is_connected(self) -> bool:
        return bool(self._listener and not self._listener.done())

    def _fetch(self, path: str) -> None:
        request = urllib.request.Request(f"{self.url}/{path}", headers={"Cookie": self._cookie_line()})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            self._take_cookies(answer.headers.get_all("Set-Cookie", []))

    def _cookie_line(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def _take_cookies(self, lines: list[str]) -> None:
        for line in lines:
            self.cookies |= {name: cookie.value for name, cookie in SimpleCookie(line).items()}

    async def close(self) -> None:
        """Leave, or lose the connection."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._listener:
            self._listener.cancel()
        await self._socket.close()

    async def go_to(self, page: str, query: str = "") -> None:
        """Another page through the navigation, or by the browser's history."""
        left, self.page, self._page_hash = self._page_hash, page, self.pages[page]
        asked = ClientState(page_script_hash=self._page_hash, query_string=query)
        await self._ask(asked, left if left != self._page_hash else "")

    async def run_again(self) -> None:
        """Have the whole page run once more."""
        await self._ask(self._state(""))

    async def run_fragments(self) -> None:
        """Ask for every fragment of the page once more, and for one that no page has; then run the page."""
        for fragment in {part.fragment for part in self.parts.values() if part.fragment} | {"0123456789abcdef" * 2}:
            await self._send(self._state(fragment))
        await self.run_again()

    async def clear(self) -> None:
        """Clear the canvas, and wait for the new one: where the page looks at a class, another run may end first."""
        old = next(filter(is_canvas, self.parts.values())).content.bidi_component.id
        watched = self.pen["generation"]
        await self.press("Clear")
        await self.wait(lambda: all(part.content.bidi_component.id != old for part in self.parts.values() if is_canvas(part)))
        await self.wait(lambda: self.pen["generation"] > watched)
        self._values.clear()

    def freeze(self) -> None:
        """Neither hear nor answer any more, and stay connected."""
        self._stop_timers(list(self._timers))
        self._socket.transport.pause_reading()

    def can_press(self, label: str) -> bool:
        buttons = [part.content.button for part in self.parts.values() if part.kind == "button"]
        return any(button.label == label and not button.disabled for button in buttons)

    async def press(self, label: str) -> None:
        """Press a button by its label, as soon as it can be pressed, and wait for the run that follows."""
        await self.wait(lambda: self.can_press(label))
        part = next(part for part in self.parts.values() if part.kind == "button" and part.content.button.label == label)
        await self._ask(self._state(part.fragment, trigger=part.content.button.id))

    async def forge(self, button: str, fragment: str) -> None:
        """Send the press of a button that this page need not have, by its number."""
        await self._send(self._state(fragment, trigger=button))

    async def set(self, state: WidgetState) -> None:
        """Send this value of a widget, and wait for the run that follows; what is no trigger stays, as in a browser."""
        fragment = next((part.fragment for part in self.parts.values() if part.widget == state.id), "")
        asked = self._state(fragment)
        asked.widget_states.widgets.append(state)
        if state.WhichOneof("value") not in ("trigger_value", "string_trigger_value", "json_trigger_value"):
            self._states[state.id] = state
        await self._ask(asked)

    async def upload(self, label: str, name: str, data: bytes) -> None:
        """Upload a file where the page asks for one by this label, and wait for the run that follows."""
        uploaders = [part for part in self.parts.values() if part.kind == "file_uploader"]
        part = next(part for part in uploaders if part.content.file_uploader.label == label)
        self._files += 1
        file = str(self._files)
        await asyncio.to_thread(self._put, f"_stcore/upload_file/{self.session_id}/{file}", name, data)
        state = WidgetState(id=part.widget)
        state.file_uploader_state_value.uploaded_file_info.add(file_id=file, name=name, size=len(data))
        await self.set(state)

    def _put(self, path: str, name: str, data: bytes) -> None:
        token, edge = "2|00000000|00000000000000000000000000000000|1", "edge-of-the-file"
        head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
        request = urllib.request.Request(f"{self.url}/{path}", head + data + f"\r\n--{edge}--\r\n".encode(), method="PUT")
        request.add_header("Content-Type", f"multipart/form-data; boundary={edge}")
        request.add_header("X-Xsrftoken", token)
        request.add_header("Cookie", f"_streamlit_xsrf={token}; {self._cookie_line()}")
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30).close()

    async def draw(self, drawn: Sketch) -> float:
        """Draw, and wait for the verdict on just this drawing; returns seconds."""
        await self.wait(lambda: any(map(is_canvas, self.parts.values())))
        part = next(filter(is_canvas, self.parts.values()))
        self._values[part.content.bidi_component.id] = drawn.value
        seen = len(self._values)
        started = time.monotonic()
        await self._send(self._state(part.fragment))
        await self.wait(lambda: any(drawn.shown in html for html in self.htmls()))
        assert seen == len(self._values)
        return time.monotonic() - started

    @property
    def pen(self) -> dict[str, Any]:
        """What the page told to the component that watches the canvas."""
        told: dict[str, Any] = json.loads(next(filter(is_pen, self.parts.values())).content.bidi_component.json)
        return told

    async def move_pen(self, drawn: Sketch, is_whole: bool) -> float:
        """Send what is on the canvas while the pen is down, or as it is lifted, and wait for its verdict; returns seconds.

        As a browser does, by a request of its own. Infinite where nothing is said of a moving pen, because it was lifted
        meanwhile.
        """
        await self.wait(lambda: any(map(is_pen, self.parts.values())))
        pen, lifted, started = self.pen, self._lifted, time.monotonic()
        self._lifted += is_whole
        frame = {"generation": pen["generation"], "is_whole": is_whole, "seconds": started, "png": drawn.picture}
        told = await asyncio.get_running_loop().run_in_executor(
            ASKING, self._ask_pen, pen["address"], json.dumps(frame).encode()
        )
        took = time.monotonic() - started
        if not told and not is_whole and self._lifted > lifted:
            return math.inf
        assert any(drawn.shown in html for html in told.get("html", {}).values()), told
        return took

    def _ask_pen(self, address: str, body: bytes) -> dict[str, Any]:
        """What is to change on the page."""
        place = urlsplit(self.url)
        assert place.hostname
        connection = self._to_pen.pop() if self._to_pen else HTTPConnection(place.hostname, place.port, timeout=60)
        try:
            told = self._post(connection, address, body)
        except ConnectionError:  # closed after seconds without a question; a browser opens another too
            connection.close()
            told = self._post(connection, address, body)
        self._to_pen.append(connection)  # not one whose answer may still come
        return told

    def _post(self, connection: HTTPConnection, address: str, body: bytes) -> dict[str, Any]:
        connection.request("POST", address, body, {"Cookie": self._cookie_line()})
        told: dict[str, Any] = json.loads(connection.getresponse().read())
        return told

    def htmls(self) -> Iterator[str]:
        return (part.content.html.body for part in self.parts.values() if part.kind == "html")

    def texts(self) -> str:
        """Everything readable on the page."""
        found = []
        for part in self.parts.values():
            content = getattr(part.content, part.kind, None)
            found += [str(getattr(content, name, "")) for name in ("body", "label", "text")]
        return "\n".join(found)

    async def wait(self, condition: Callable[[], object], seconds: float | None = None) -> None:
        """Until the page is as wanted; AppError when it never is, or when the app fails."""
        seconds = seconds or self._patience
        async with self._changed:
            try:
                async with asyncio.timeout(seconds):
                    await self._changed.wait_for(lambda: self._problem or condition())
            except TimeoutError:
                raise NoAnswerError(f"Not within {seconds:.0f} s on “{self.page}”: {self.texts()[-300:]}") from None
        if self._problem:
            raise self._problem

    def _state(self, fragment: str, trigger: str = "", timer: bool = False) -> ClientState:
        state = ClientState(page_script_hash=self._page_hash, fragment_id=fragment, is_auto_rerun=timer)
        for name, value in self._values.items():
            state.widget_states.widgets.add(id=name, json_value=value)
        state.widget_states.widgets.extend(self._states.values())
        if trigger:
            state.widget_states.widgets.add(id=trigger, trigger_value=True)
        return state

    async def _ask(self, state: ClientState, page_left: str = "") -> None:
        """Send, and wait until what was asked for has run: a timer's run may end before, on the page that is left."""
        begun = self._run.number
        await self._send(state)
        # Where another run begins before the end of one was sent, Streamlit says of this that it ended early.
        await self.wait(
            lambda: any(begun < run.number <= self._ended and run.answers(state.fragment_id, page_left) for run in self._runs)
        )

    async def _send(self, state: ClientState) -> None:
        state.context_info.locale = "en"
        state.context_info.url = f"{self.url}/{self.page}"
        await self._socket.send(BackMsg(rerun_script=state).SerializeToString())

    async def _listen(self) -> None:
        try:
            async for data in self._socket:
                async with self._changed:
                    self._take(ForwardMsg.FromString(data))
                    self._changed.notify_all()
        except Exception as error:
            async with self._changed:
                self._problem = error
                self._changed.notify_all()

    def _take(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "new_session":
            new = message.new_session
            self.session_id = new.initialize.session_id or self.session_id
            run, number = message.metadata.run, self._run.number + 1
            self._run = Run(number, run.script_run_id, new.page_script_hash, frozenset(run.fragment_ids))
            self._runs.append(self._run)
            if not self._run.fragments:
                self._page_hash = new.page_script_hash
                self._stop_timers(list(self._timers))
        elif kind == "navigation":
            self.pages = {page.url_pathname: page.page_script_hash for page in message.navigation.app_pages}
            self._page_hash = message.navigation.page_script_hash or self._page_hash
        elif kind == "delta":
            self._take_delta(tuple(message.metadata.delta_path), message.delta)
        elif kind == "auto_rerun":
            timer = message.auto_rerun
            if timer.fragment_id not in self._timers:
                self._timers[timer.fragment_id] = asyncio.create_task(self._ring(timer.interval, timer.fragment_id))
        elif kind == "stop_auto_rerun":
            self._stop_timers(list(message.stop_auto_rerun.fragment_ids))
        elif kind == "session_event" and message.session_event.WhichOneof("type") == "script_compilation_exception":
            self._problem = AppError("The script could not be compiled.")
        elif kind == "script_finished" and message.script_finished != EARLY:
            self._forget_what_is_gone()
            self._ended = self._run.number

    def _take_delta(self, place: tuple[int, ...], delta: Any) -> None:
        if delta.WhichOneof("type") == "new_element":
            kind = delta.new_element.WhichOneof("type")
            if kind == "exception":
                self._problem = AppError(str(delta.new_element.exception.message))
            self.parts[place] = Part(delta.new_element, kind, self._run.id, delta.fragment_id)
        elif delta.WhichOneof("type") == "add_block":
            block = delta.add_block
            self.parts[place] = Part(block, block.WhichOneof("type") or "", self._run.id, delta.fragment_id)

    def _forget_what_is_gone(self) -> None:
        for place, part in list(self.parts.items()):
            if part.run != self._run.id and (not self._run.fragments or part.fragment in self._run.fragments):
                del self.parts[place]

    def _stop_timers(self, fragments: list[str]) -> None:
        for fragment in fragments:
            if timer := self._timers.pop(fragment, None):
                timer.cancel()

    async def _ring(self, interval: float, fragment: str) -> None:
        with suppress(websockets.ConnectionClosed):
            while True:
                await asyncio.sleep(interval)
                await self._send(self._state(fragment, timer=True))
