"""How many connections a server can hold, which of them it closes, and how it sends."""

import asyncio
import socket
import time
from contextlib import suppress

import uvicorn

from pages.shared.streamlit_internals import idle_connections

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
    """Close connections that ask for nothing, and take nothing: after SILENT_SECONDS, and at once where open files run out.

    A script of 5 MB takes a phone longer: a connection with fewer unsent bytes each time stays open.
    """
    since: dict[tuple[asyncio.WriteTransport, int], float] = {}
    while True:
        now = time.monotonic()
        idle = [(transport, transport.get_write_buffer_size()) for transport in idle_connections(server)]
        since = {each: since.get(each, now) for each in idle}
        too_many = len(server.server_state.connections) - (most_files - OWN_FILES)
        for number, ((transport, _unsent), first) in enumerate(sorted(since.items(), key=lambda item: item[1])):
            if number < too_many or now - first > SILENT_SECONDS:
                transport.abort()
        await asyncio.sleep(0.5)


def send_at_once(server: uvicorn.Server) -> None:
    """Send every packet without waiting until the one before is acknowledged, which takes a browser up to 40 ms.

    asyncio sees to that for a socket that says that it is TCP; the one on which Streamlit listens says nothing. What is
    accepted has the options of the socket that listens.
    """
    for listener in (each for listening in server.servers for each in listening.sockets):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
