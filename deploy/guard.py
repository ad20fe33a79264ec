"""What every request passes before Streamlit sees it: headers, the password, and how much one visitor may take.

Messages over a WebSocket are looked at where sessions take them (`refuse_messages` in pages/shared/streamlit_internals.py).
"""

import asyncio
import base64
import hashlib
import html
import time
from collections import Counter, OrderedDict

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.server import web
from core.server.access import keep_newest, network
from core.server.addresses import parts_of
from pages.shared.html import style
from pages.shared.i18n.text import translated_into
from pages.shared.state.access import IN_A_TAB, IN_ANOTHER_SITE, has_token, is_admitted
from pages.shared.state.uploads import has_room_to_receive
from pages.shared.state.visitors import cookie_name, registry
from pages.shared.streamlit_internals import base_path, evict_uploads, inline_scripts, same_origin_token

FOR_THE_CLASS = ("/_stcore/upload_file/", "/media/", "/component/", "/_stcore/bidi-components/", "/_stcore/agent/", "/pen/")
"""What only a visitor who is let in may ask for."""

UPLOADS = "/_stcore/upload_file/"
METRICS = "/_stcore/metrics"

MAX_UPLOADED = 20 * 2**20
"""Bytes of files that the tabs of one browser hold at most; the oldest make room."""

MAX_AT_A_TIME = 5
"""Files that one browser sends at the same time."""

MAX_BODY_SECONDS = 180.0
"""For all of a request; the largest file arrives in that over a slow mobile network."""

POLICY = (
    "default-src 'self'; script-src 'self' blob: {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self' data: blob:; media-src 'self' data: blob:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self' {embedders}"
)
"""Styles are written by the frontend as it goes, and components come as blobs; nothing is asked of another site."""


class Headers:
    """Says with every answer what a browser may do with it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        hashes = [
            base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
            for script in [*inline_scripts(), *style.scripts()]
        ]
        self._embedders = web.embed_origins()
        self._policy = POLICY.format(
            scripts=" ".join(f"'sha256-{digest}'" for digest in hashes), embedders=" ".join(self._embedders)
        ).strip()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                headers.setdefault("Content-Security-Policy", self._policy)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "same-origin")
            await send(message)

        await self._app(scope, receive, send_with_headers)


class ConnectionLimits:
    """Bounds open pages, in all and for each address, and how fast an address opens new ones."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._most, self._most_here = web.most_connections(), web.most_from_one_address()
        self._open: Counter[str] = Counter()
        self._due: OrderedDict[str, float] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        address = network(scope["client"][0]) if scope.get("client") else ""
        if self._open.total() >= self._most or self._open[address] >= self._most_here or not self._is_in_time(address):
            await send({"type": "websocket.close", "code": 1013})  # try again later, which a page does by itself
            return
        self._open[address] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._open[address] -= 1
            self._open += Counter()  # forgets those at zero

    def _is_in_time(self, address: str) -> bool:
        """Whether an address may open one more: as many as it may have at once, then as many again each minute."""
        now = time.monotonic()
        due = max(now, self._due.pop(address, now))
        is_in_time = due - now < 60
        self._due[address] = due + 60 / self._most_here if is_in_time else due
        keep_newest(self._due)
        return is_in_time


class BodyTimeLimit:
    """Takes a connection for lost whose request has not arrived in time: what waits for the rest holds memory and a place."""

    def __init__(self, app: ASGIApp, seconds: float = MAX_BODY_SECONDS) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        end = asyncio.get_running_loop().time() + self._seconds
        is_whole = False

        async def receive_in_time() -> Message:
            nonlocal is_whole
            if is_whole:  # only the end of the connection can follow, and the answer may take its time
                return await receive()
            try:
                async with asyncio.timeout_at(end):
                    message = await receive()
            except TimeoutError:
                return {"type": "http.disconnect"}
            is_whole = not message.get("more_body", False)
            return message

        await self._app(scope, receive_in_time, send)


class Admission:
    """Refuses what a visitor may not have: the class's pages without its password, figures without the teacher's token, more
    uploads than there is room for, and the app inside of another site's frame.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._sending: Counter[str] = Counter()
        self._arriving = 0
        self._embedders = web.embed_origins()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(base_path()) if scope["type"] == "http" else ""
        if path == METRICS and not self._knows_token(scope):
            await PlainTextResponse("Not found", 404)(scope, receive, send)
        elif path.startswith(FOR_THE_CLASS):
            session = path.removeprefix(UPLOADS).partition("/")[0] if path.startswith(UPLOADS) else ""
            if not is_admitted(session, HTTPConnection(scope).cookies.get(cookie_name(), "")):
                await PlainTextResponse("This class has a password.", 403)(scope, receive, send)
            elif session and scope["method"] in ("PUT", "DELETE"):
                await self._upload(session, scope, receive, send)
            else:
                await self._app(scope, receive, send)
        elif path and (where := self._address_if_framed(scope)):
            await framed(where, HTTPConnection(scope))(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _upload(self, session: str, scope: Scope, receive: Receive, send: Send) -> None:
        browser = registry().sessions_with(session)[0]
        length = HTTPConnection(scope).headers.get("Content-Length", "")
        if self._sending[browser] >= MAX_AT_A_TIME:
            await PlainTextResponse("Too many files at the same time.", 429)(scope, receive, send)
            return
        if scope["method"] == "PUT" and not (length.isdecimal() and len(length) < 12):
            await PlainTextResponse("The length of the file is missing.", 411)(scope, receive, send)
            return
        size = min(int(length or 0), MAX_UPLOADED) if scope["method"] == "PUT" else 0
        # From a frame in another site no cookie comes with which Streamlit could compare the header; Origin says as much.
        if self._embedders and _is_of_own_page(HTTPConnection(scope)):
            headers = [(name, value) for name, value in scope["headers"] if name != b"x-xsrftoken"]
            scope = {**scope, "headers": [(n, v) for n, v in headers if n != b"cookie"] + same_origin_token()}
        self._sending[browser] += 1
        self._arriving += size
        try:
            if size and not await asyncio.to_thread(has_room_to_receive, self._arriving):
                self._arriving -= size
                size = 0  # nothing of it is kept
                await _forget_file(scope, receive)
                await PlainTextResponse("The server has no memory for this file now.", 507)(scope, receive, send)
            else:
                await self._app(scope, receive, send)
        except ClientDisconnect:  # a tab was closed, or a network is gone; nobody reads this
            await PlainTextResponse("The file has not arrived.", 400)(scope, receive, send)
        finally:
            self._arriving -= size
            self._sending[browser] -= 1
            self._sending += Counter()
            evict_uploads(registry().sessions_with(session), MAX_UPLOADED)

    def _knows_token(self, scope: Scope) -> bool:
        request = HTTPConnection(scope)
        given = request.query_params.get("token") or request.headers.get("Authorization", "").removeprefix("Bearer ")
        return bool(given) and has_token(given, request.client.host if request.client else "")

    def _address_if_framed(self, scope: Scope) -> str:
        """The address of this page where another site, which may not, shows it in a frame, else "".

        Browsers send the headers Sec-Fetch-* over https, and to localhost, only.
        """
        request = HTTPConnection(scope)
        is_framed = request.headers.get("Sec-Fetch-Dest") in ("iframe", "frame", "embed", "object")
        if not is_framed or request.headers.get("Sec-Fetch-Site") in ("same-origin", "none"):
            return ""
        referrer = parts_of(request.headers.get("Referer", ""))
        # A site may keep its name to itself; then the browser judges by frame-ancestors.
        if self._embedders and (not referrer.netloc or f"{referrer.scheme}://{referrer.netloc}" in self._embedders):
            return ""
        return str(request.url)


async def _forget_file(scope: Scope, receive: Receive) -> None:
    """Have a file arrive that is refused: once it is answered, a slow connection that still sends is closed as an idle one
    (deploy/connections.py), and its browser reads of a lost connection instead of the answer.
    """
    left = MAX_UPLOADED
    async for part in Request(scope, receive).stream():
        left -= len(part)
        if left < 0:  # no page sends so much
            return


def _is_of_own_page(request: HTTPConnection) -> bool:
    """Whether a page of this server sent it; no script can write Origin, and a forged request comes with another one."""
    return parts_of(request.headers.get("Origin", "")).netloc == request.headers.get("Host", "")


def framed(address: str, request: HTTPConnection) -> HTMLResponse:
    """What stands in the frame of a site that may not show the app: why, and the way into a tab of its own."""
    language = request.headers.get("Accept-Language", "en")[:2].lower()
    why = translated_into(language, IN_ANOTHER_SITE)
    way = translated_into(language, IN_A_TAB)
    body = f'<!doctype html><meta charset="utf-8"><title>See the anomaly</title><p>{html.escape(why)}</p>'
    link = f'<p><a href="{html.escape(address)}" target="_blank" rel="noopener">{html.escape(way)}</a></p>'
    # Nothing can be pressed here that another site could have somebody press unseen.
    policy = "default-src 'none'; frame-ancestors *"
    return HTMLResponse(body + link, headers={"Content-Security-Policy": policy, "Vary": "Sec-Fetch-Dest"})
