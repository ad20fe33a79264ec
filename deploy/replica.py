"""One replica: the app, with an end that lets its visitors finish. `python -m deploy.replica --port 8601`

At SIGTERM it takes in nobody new: it refuses pages with 503, which makes nginx ask another replica. Whoever is connected
stays and is served in full: trainings go on, files come and go. It ends when nobody is connected any more, or after
DRAIN_SECONDS; whoever is still there then is connected to another replica by his browser and begins anew. A second
SIGTERM ends it at once.

Under systemd it says when it is ready, and every few seconds that it still answers (Type=notify, WatchdogSec=).
"""

import argparse
import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from core.jobs import whole_number_from_environment

OF_OPEN_PAGES = ("/_stcore/", "/media/", "/component/", "/static/")
"""What a page asks for that is open already, also below its own address; everything else is a page being opened."""

ending = asyncio.Event()
connected = 0


class Visitors:
    """Counts who is connected, and refuses, once the replica is ending, whatever would open a page here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        global connected
        if scope["type"] == "websocket":
            connected += 1
            try:
                await self._app(scope, receive, send)
            finally:
                connected -= 1
        elif scope["type"] == "http" and ending.is_set() and not any(part in scope["path"] for part in OF_OPEN_PAGES):
            await PlainTextResponse("This replica is ending.", 503)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


async def end_when_empty(end: Callable[[], object], seconds: float) -> None:
    """Wait until it is to end and nobody is connected, or for these seconds after that, then call `end`."""
    await ending.wait()
    tell_systemd("STOPPING=1")
    latest = time.monotonic() + seconds
    while connected and time.monotonic() < latest:
        await asyncio.sleep(0.2)
    end()


async def say_that_it_answers(seconds: float) -> None:
    while True:
        tell_systemd("WATCHDOG=1")
        await asyncio.sleep(seconds)


def tell_systemd(line: str) -> None:
    """A line of sd_notify(3); nothing where no systemd asked for it."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
            sender.send(line.encode())


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[dict[str, Any]]:
    """Take SIGTERM from the web server, and hand it on when everybody is gone."""
    loop = asyncio.get_running_loop()
    at_once = signal.getsignal(signal.SIGTERM)
    assert callable(at_once)

    def begin_to_end() -> None:
        signal.signal(signal.SIGTERM, at_once)
        ending.set()

    loop.add_signal_handler(signal.SIGTERM, begin_to_end)
    limit = whole_number_from_environment("DRAIN_SECONDS", 600)
    tasks = [loop.create_task(end_when_empty(lambda: at_once(signal.SIGTERM, None), limit))]
    if watchdog := int(os.environ.get("WATCHDOG_USEC", "0")):
        tasks.append(loop.create_task(say_that_it_answers(watchdog / 1e6 / 3)))
    tell_systemd("READY=1")
    yield {}
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


app = st.App(Path(__file__).parent.parent / "app.py", lifespan=lifespan, middleware=[Middleware(Visitors)])


def main() -> None:
    """Not by `streamlit run`, which listens before it loads torch: whoever came in those seconds would wait for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--address", default="127.0.0.1")
    asked = parser.parse_args()
    app.run(config={"server.port": asked.port, "server.address": asked.address, "server.headless": True})


if __name__ == "__main__":
    main()
