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
import webbrowser
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import streamlit as st
import uvicorn
from starlette.middleware import Middleware

from deploy import connections, systemd
from deploy.middleware import FrontendFiles, LostConnections, VisitorCookie
from deploy.shutdown import ConnectedBrowsers, ending, leave
from pages.shared.streamlit_internals import (
    base_path,
    believe_proxies,
    keep_messages_of_ended_runs,
    keep_no_sessions_of_strangers,
    refuse_large_messages,
    refuse_messages,
    refuse_messages_of_left_pages,
    refuse_values,
    remember_theme,
    run_no_page_files,
    run_what_was_pressed,
    set_options,
    share_script_loop,
    skip_idle_ticks,
    web_server,
)

LOG = logging.getLogger(__name__)


def middleware() -> list[Middleware]:
    """What a request passes, the outermost first; after `load`, which refuses settings that it cannot read."""
    from deploy.guard import Admission, BodyTimeLimit, ConnectionLimits, Headers

    connected = (ConnectionLimits, BodyTimeLimit, LostConnections, ConnectedBrowsers)
    parts = (Headers, *connected, VisitorCookie, Admission, FrontendFiles)
    return [Middleware(part) for part in parts]


def load() -> None:
    """Load all that the first visitors need; until then nobody is answered, and no file of pages/ is run on its own."""
    print("Loading the pages and the detectors …", flush=True)
    if (most := connections.raise_limit_of_open_files()) < connections.FEW_FILES:
        few = connections.FEW_FILES
        print(f"This system allows {most} open files, enough for about {most // 4} visitors; more with: ulimit -n {few}")
    run_no_page_files()
    refuse_messages_of_left_pages()
    skip_idle_ticks()
    run_what_was_pressed()
    keep_messages_of_ended_runs()
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


@contextmanager
def logged() -> Iterator[None]:
    """What fails here is tried again later."""
    try:
        yield
    except Exception:
        LOG.exception("Something in the background failed")


async def forget_the_gone(seconds: float) -> None:
    """Let go of visitors who are gone, again and again."""
    from pages.shared.state import visitors

    while True:
        await asyncio.sleep(seconds)
        with logged():
            await asyncio.to_thread(visitors.registry().evict_disconnected)  # it waits for who is just being served


async def forget_what_is_over(seconds: float) -> None:
    """Have a class whose time is up deleted, though nobody looks at it."""
    from core.errors import UserError
    from pages.shared.state import classroom

    while True:
        with logged(), suppress(UserError):
            await asyncio.to_thread(classroom.snapshot)
        await asyncio.sleep(seconds)


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[dict[str, Any]]:
    """From the moment in which everybody can come, which is told, to the end."""
    from core.server import web
    from core.server.environment import whole_number_from_environment
    from pages.shared import entry
    from pages.shared.state.access import is_admitted
    from pages.shared.state.visitors import cookie_name

    refuse_messages(is_admitted, cookie_name())
    refuse_values()
    keep_no_sessions_of_strangers(is_admitted, cookie_name())
    entry.begin()
    loop = asyncio.get_running_loop()
    tasks: list[asyncio.Task[None]] = []
    if server := web_server():
        ending.take_signals(server)
        believe_proxies(server, web.proxies())
        refuse_large_messages(server)
        tasks.append(loop.create_task(begin_to_serve(server)))
        tasks.append(loop.create_task(connections.end_idle_connections(server, connections.raise_limit_of_open_files())))
    tasks.append(loop.create_task(ending.end_when_empty(whole_number_from_environment("DRAIN_SECONDS", 0, least=0))))
    tasks.append(loop.create_task(forget_the_gone(15.0)))
    tasks.append(loop.create_task(forget_what_is_over(60.0)))
    if watchdog := int(os.environ.get("WATCHDOG_USEC", "0")):
        tasks.append(loop.create_task(systemd.say_that_it_answers(watchdog / 1e6 / 3)))
    atexit.register(leave)
    systemd.tell("READY=1")
    yield {}
    for task in tasks:
        task.cancel()


async def begin_to_serve(server: uvicorn.Server) -> None:
    """See to it that answers are sent at once, then say where the app is."""
    while not server.started:
        await asyncio.sleep(0.01)
    connections.send_at_once(server)
    tell_address()


def tell_address() -> None:
    """Say where the app is, and open it where somebody sits at this machine."""
    from core.server import addresses, web

    address, port = str(st.get_option("server.address") or ""), st.get_option("server.port")
    # What stands before a replica says where others find it.
    is_alone = not (web.proxies() or os.environ.get("PROXY_ADDRESS"))
    own = addresses.announce("See the anomaly is at {own}   (Ctrl-C ends it)", address, port, is_alone, base_path())
    if not st.get_option("server.headless"):
        webbrowser.open(own)


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
    config: dict[str, Any] = {"server.port": asked.port, "server.address": asked.address}
    if not asked.browser:  # left alone, Streamlit finds out whether there is a screen
        config["server.headless"] = True
    set_options(config)
    from app import app

    app.run(config=config)


if __name__ == "__main__":
    main()
