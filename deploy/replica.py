"""The server: loads, then listens, and ends in good order. `python -m deploy.replica --port 8501`

`make run`, `streamlit run app.py` and each of several replicas are this one server. It loads the pages, torch and the
shipped detectors before it answers anybody, and then says where it is.

At Ctrl-C it ends at once. At SIGTERM it takes in nobody new: it refuses pages with 503, which makes nginx ask another
replica. Whoever is connected stays for DRAIN_SECONDS (0 unless set) and is served in full: trainings go on, files come and
go. Then it ends; whoever is still there is connected to another replica by the browser and begins anew. A second SIGTERM
ends it at once. Status 0 says that it ended in good order.

Under systemd it says when it is ready, and every few seconds that it still answers (Type=notify, WatchdogSec=).
"""

import argparse
import asyncio
import atexit
import logging
import os
import signal
import socket
import sys
import time
import webbrowser
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import streamlit as st
import uvicorn
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from deploy.middleware import FrontendFiles, VisitorCookie, opens_page
from pages.shared.streamlit_internals import (
    believe_proxies,
    idle_connections,
    keep_no_sessions_of_strangers,
    refuse_large_messages,
    refuse_messages,
    refuse_messages_of_left_pages,
    refuse_values,
    remember_theme,
    run_no_page_files,
    share_script_loop,
    skip_idle_ticks,
    web_server,
)

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
        tell_systemd("STOPPING=1")
        latest = time.monotonic() + seconds
        while self.connected and time.monotonic() < latest:
            await asyncio.sleep(0.1)
        self.end()

    @property
    def is_in_order(self) -> bool:
        """Whether the server ends because somebody wanted it."""
        return self._server is not None and self._server.should_exit


ending = Ending()


class Connections:
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


def middleware() -> list[Middleware]:
    """What a request passes, the outermost first; after `load`, which refuses settings that it cannot read."""
    from deploy.guard import Admission, ConnectionLimits, Headers

    return [Middleware(part) for part in (Headers, ConnectionLimits, Connections, VisitorCookie, Admission, FrontendFiles)]


OPEN_FILES = 8192
"""For a thousand visitors, whose browsers open several connections each while they load a page."""

FEW_FILES = 1024
"""Fewer are told at the start."""


def raise_limit_of_open_files() -> int:
    """Let this process hold as many open files as the system allows it, OPEN_FILES at most; how many that are."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows counts them in another way
        return OPEN_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= OPEN_FILES:
        return OPEN_FILES
    for most in (OPEN_FILES,) if hard == resource.RLIM_INFINITY else (OPEN_FILES, hard):
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, max(most, hard) if hard != resource.RLIM_INFINITY else hard))
            return most
    return soft


SILENT_SECONDS = 10.0
"""For a connection to say what it wants; browsers open some to have them at hand."""

OWN_FILES = 100
"""Open files that are no connection: data, libraries, the log."""


async def end_idle_connections(server: uvicorn.Server, most_files: int) -> None:
    """Close connections that ask for nothing: after SILENT_SECONDS, and at once where open files run out."""
    since: dict[asyncio.Transport, float] = {}
    while True:
        now = time.monotonic()
        since = {transport: since.get(transport, now) for transport in idle_connections(server)}
        too_many = len(server.server_state.connections) - (most_files - OWN_FILES)
        for number, (transport, first) in enumerate(sorted(since.items(), key=lambda item: item[1])):
            if number < too_many or now - first > SILENT_SECONDS:
                transport.abort()
        await asyncio.sleep(0.5)


def load() -> None:
    """Load all that the first visitors need; until then nobody is answered, and no file of pages/ is run on its own."""
    print("Loading the pages and the detectors …", flush=True)
    if (most := raise_limit_of_open_files()) < FEW_FILES:
        print(f"This system allows {most} open files, enough for about {most // 4} visitors; more with: ulimit -n {FEW_FILES}")
    run_no_page_files()
    refuse_messages_of_left_pages()
    skip_idle_ticks()
    remember_theme()
    share_script_loop()
    with ended_at_once():
        from core.errors import UserError
        from pages.shared import entry

        try:
            entry.load()
        except UserError as error:
            sys.exit(str(error))


@contextmanager
def ended_at_once() -> Iterator[None]:
    """SIGTERM and Ctrl-C end the process here and now.

    While it loads there is nothing to clear up, and an exception would be raised inside of somebody's import.
    """
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: os._exit(0)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


async def forget_the_gone(seconds: float) -> None:
    """Let go of visitors who are gone, again and again."""
    from pages.shared.state import visitors

    while True:
        await asyncio.sleep(seconds)
        await asyncio.to_thread(visitors.kept().forget_the_gone)  # it waits for who is just being served


async def forget_what_is_over(seconds: float) -> None:
    """Have a class whose time is up deleted, though nobody looks at it."""
    from core.errors import UserError
    from pages.shared.state import classroom

    while True:
        with suppress(UserError):
            await asyncio.to_thread(classroom.moment)
        await asyncio.sleep(seconds)


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
    """From the moment in which everybody can come, which is told, to the end."""
    from core.server import web
    from core.server.environment import whole_number_from_environment
    from pages.shared import entry
    from pages.shared.state.access import is_let_in
    from pages.shared.state.visitors import cookie_name

    refuse_messages(is_let_in, cookie_name())
    refuse_values()
    keep_no_sessions_of_strangers(is_let_in, cookie_name())
    entry.begin()
    loop = asyncio.get_running_loop()
    tasks: list[asyncio.Task[None]] = []
    if server := web_server():
        ending.take_signals(server)
        believe_proxies(server, web.proxies())
        refuse_large_messages(server)
        tasks.append(loop.create_task(begin_to_serve(server)))
        tasks.append(loop.create_task(end_idle_connections(server, raise_limit_of_open_files())))
    tasks.append(loop.create_task(ending.end_when_empty(whole_number_from_environment("DRAIN_SECONDS", 0, least=0))))
    tasks.append(loop.create_task(forget_the_gone(15.0)))
    tasks.append(loop.create_task(forget_what_is_over(60.0)))
    if watchdog := int(os.environ.get("WATCHDOG_USEC", "0")):
        tasks.append(loop.create_task(say_that_it_answers(watchdog / 1e6 / 3)))
    atexit.register(leave)
    tell_systemd("READY=1")
    yield {}
    for task in tasks:
        task.cancel()


async def begin_to_serve(server: uvicorn.Server) -> None:
    """See to it that answers are sent at once, then say where the app is."""
    while not server.started:
        await asyncio.sleep(0.01)
    send_at_once(server)
    tell_address()


def send_at_once(server: uvicorn.Server) -> None:
    """Send every packet without waiting until the one before is acknowledged, which takes a browser up to 40 ms.

    asyncio sees to that for a socket that says that it is TCP; the one on which Streamlit listens says nothing. What is
    accepted has the options of the socket that listens.
    """
    for listener in (each for listening in server.servers for each in listening.sockets):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def tell_address() -> None:
    """Say where the app is, and open it where somebody sits at this machine."""
    from core.server import addresses, web

    address, port = str(st.get_option("server.address") or ""), st.get_option("server.port")
    # What stands before a replica says where others find it.
    is_alone = not (web.proxies() or os.environ.get("PROXY_ADDRESS"))
    own = addresses.announce("See the anomaly is at {own}   (Ctrl-C ends it)", address, port, for_others=is_alone)
    if not st.get_option("server.headless"):
        webbrowser.open(own)


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


def port_number(text: str) -> int:
    """For argparse. Raises ValueError."""
    if not 0 <= int(text) <= 65535:
        raise ValueError
    return int(text)


def require_free(address: str, port: int) -> None:
    """End the program in one sentence where it cannot listen there, before it loads for seconds."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        socket.create_server((address, port), family=family).close()
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (")[0]
        sys.exit(f"Nobody can listen at {address}, port {port}: {reason}. Choose another ADDRESS or PORT, such as PORT=8502.")


def main(is_installed: bool = False) -> None:
    """Read the command line and run the server until it is ended.

    Not by `streamlit run`, which opens the port before it imports app.py: whoever came then would wait without a word.

    is_installed: as the command of an installed app (command.py), which needs no options.
    """
    description = f"See the anomaly. Data sets lie in {os.environ.get('DATA_DIR', 'data')}, or where DATA_DIR says."
    parser = argparse.ArgumentParser(
        prog="see-the-anomaly" if is_installed else None,
        description=description if is_installed else __doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="say the version and end")
    parser.add_argument("--port", type=port_number, required=not is_installed, default=8501, help="8501 unless given")
    parser.add_argument("--address", default="127.0.0.1", help="0.0.0.0 opens the app to the network")
    parser.add_argument(
        "--browser", action="store_true", default=is_installed, help="open the app where this machine has a screen"
    )
    # Seen before the others, which may be required; the version lies where torch is loaded, too late for argparse.
    if "--version" in sys.argv[1:]:
        from core import __version__

        print(__version__)
        return
    asked = parser.parse_args()
    require_free(asked.address, asked.port)
    from app import app

    config: dict[str, Any] = {"server.port": asked.port, "server.address": asked.address}
    # Left alone, Streamlit finds out whether there is a screen.
    app.run(config=config if asked.browser else {**config, "server.headless": True})


if __name__ == "__main__":
    main()
