"""What a request passes beside the guard: lost connections, the cookie of its visitor, Streamlit's own files from memory."""

import asyncio
import mimetypes
from contextlib import suppress

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pages.shared.streamlit_internals import frontend_files, preload_links

OF_OPEN_PAGES = ("/_stcore/", "/media/", "/component/", "/static/", "/pen/")
"""What a page asks for that is open already, also below its own address; everything else is a page being opened.

A page below /draw first asks for /draw/_stcore/health, gets 404, and then finds /_stcore/health."""


def opens_page(scope: Scope) -> bool:
    return scope["type"] == "http" and not any(part in scope["path"] for part in OF_OPEN_PAGES)


class LostConnections:
    """Drops what is sent over a WebSocket whose browser has left; that it has, the app is told when it next receives.

    Streamlit takes a failed send as the end, receives once more all the same, and fails; the log would name it as an error.
    So it would where somebody sends text, which no page does: that ends the connection.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_if_connected(message: Message) -> None:
            # uvicorn's OSError says that a browser has left, its RuntimeError that one was given up because it fell silent.
            with suppress(OSError, *([RuntimeError] if message["type"] == "websocket.send" else [])):
                await send(message)
            if message["type"] == "websocket.accept":
                await asyncio.sleep(0)  # uvicorn says nothing here of a connection just lost, only after a turn of the loop

        async def receive_bytes() -> Message:
            message = await receive()
            is_text = message["type"] == "websocket.receive" and message.get("bytes") is None
            return {"type": "websocket.disconnect", "code": 1003} if is_text else message

        if scope["type"] == "websocket":
            await self._app(scope, receive_bytes, send_if_connected)
        else:
            await self._app(scope, receive, send)


class VisitorCookie:
    """Gives each browser a cookie by which its visitor is found again after a reload (pages/shared/state/visitors.py).

    A page and the connection that it opens bring the cookie; one that this server did not sign is replaced.
    """

    def __init__(self, app: ASGIApp) -> None:
        from core.server import web
        from pages.shared.state import visitors

        self._app = app
        self._tokens = visitors.registry().tokens
        self._name = visitors.cookie_name
        self._is_embedded = bool(web.embed_origins())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not opens_page(scope) and scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        cookies = HTTPConnection(scope).cookies
        if self._tokens.is_ours(cookies.get(self._name(), "")):
            await self._app(scope, receive, send)
            return
        token = self._tokens.new()
        cookies[self._name()] = token
        line = "; ".join(f"{name}={value}" for name, value in cookies.items())
        scope = {**scope, "headers": [header for header in scope["headers"] if header[0] != b"cookie"]}
        scope["headers"].append((b"cookie", line.encode("latin-1", "replace")))
        secure = "; Secure" if scope["scheme"] in ("https", "wss") else ""
        # In a frame of another site browsers send such cookies only, and only over https.
        site = "SameSite=None; Partitioned" if self._is_embedded and secure else "SameSite=Lax"
        given = f"{self._name()}={token}; Path=/; HttpOnly; {site}{secure}".encode()

        async def send_with_cookie(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                message = {**message, "headers": [*message.get("headers", ()), (b"set-cookie", given)]}
            await send(message)

        await self._app(scope, receive, send_with_cookie)


class FrontendFiles:
    """Answers with Streamlit's own scripts and styles from memory, and says with a page which ones it will need.

    A first visit asks for a hundred of them, a class of thirty for three thousand. The web server's own way goes through a
    thread and back for each, which makes a first page wait for a second.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._paths = frontend_files()
        self._links = preload_links()
        self._answers: dict[str, Response] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" and scope["method"] == "GET" else ""

        async def send_with_links(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                if headers.get("Content-Type", "").startswith("text/html"):
                    headers["Link"] = self._links
            await send(message)

        if path not in self._paths:
            await self._app(scope, receive, send_with_links if path else send)
            return
        if path not in self._answers:
            kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
            headers = {"Cache-Control": "public, immutable, max-age=31536000"}
            self._answers[path] = Response(self._paths[path].read_bytes(), media_type=kind, headers=headers)
        await self._answers[path](scope, receive, send)
