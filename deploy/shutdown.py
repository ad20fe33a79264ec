"""How the server ends: at SIGTERM when everybody has left or DRAIN_SECONDS are over, at Ctrl-C at once."""

import asyncio
import logging
import os
import signal
import sys
import time

import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from deploy import systemd
from deploy.middleware import opens_page

CLOSING_SECONDS = 2.0
"""For browsers to answer that the connection is closed; those that do not are left."""


class Ending:
    """The way to the end: `drain` takes in nobody new and waits for those who are there, `end` does not wait.

    Both are called in the event loop. connected: how many browsers are.
    """

    def __init__(self) -> None:
        self.connected = 0
        self.is_draining = asyncio.Event()
        self._server: uvicorn.Server | None = None

    def take_signals(self, server: uvicorn.Server) -> None:
        """Handle SIGTERM and Ctrl-C in place of uvicorn, which would end the process by the signal and not with status 0."""
        self._server = server
        loop = asyncio.get_running_loop()
        for number, action in ((signal.SIGTERM, self.drain), (signal.SIGINT, self.end)):
            signal.signal(number, lambda *_, action=action: loop.call_soon_threadsafe(action))

    def drain(self) -> None:
        if self.is_draining.is_set():
            self.end()
        self.is_draining.set()

    def end(self) -> None:
        if self._server is None:
            return
        self._server.should_exit = True
        asyncio.get_running_loop().call_later(CLOSING_SECONDS, self._leave_the_silent)

    def _leave_the_silent(self) -> None:
        """Close what a browser has not closed; uvicorn would wait for it, or be forced to leave its own work undone."""
        assert self._server
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()

    async def end_when_empty(self, seconds: float) -> None:
        """End when it is to drain and nobody is connected, or so many seconds after that."""
        await self.is_draining.wait()
        systemd.tell("STOPPING=1")
        latest = time.monotonic() + seconds
        while self.connected and time.monotonic() < latest:
            await asyncio.sleep(0.1)
        self.end()

    @property
    def is_in_order(self) -> bool:
        """Whether the server ends because somebody wanted it."""
        return self._server is not None and self._server.should_exit


ending = Ending()


class ConnectedBrowsers:
    """Counts who is connected, and refuses, once the server is ending, whatever would open a page here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            ending.connected += 1
            try:
                await self._app(scope, receive, send)
            finally:
                ending.connected -= 1
        elif opens_page(scope) and ending.is_draining.is_set():
            await PlainTextResponse("This server is ending.", 503)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def leave() -> None:
    """The last thing of the process: end what works in the background, then leave without Python's own farewell.

    Threads of visitors may still be inside torch. When the interpreter takes itself apart under them, the process aborts.
    """
    from pages.shared import entry

    try:
        entry.close()
    finally:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0 if ending.is_in_order else 1)
