"""What a flood of connections does to a newcomer, and thirty tabs to a server with few open files.

python -m tests.load.crowd            twenty-four connections a second from one address for SECONDS; and 256 open files

Other addresses are other numbers of this machine's loopback, which only Linux has (127.0.0.2 and on).
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import websockets

from tests.browser.conftest import REAL_DATA, Server, as_make_run, start_server
from tests.load.server import Row, open_files, show
from tests.load.visitor import Visitor

A_SECOND = 24
FEW_FILES = 256
TABS, RELOADS = 30, 2


async def connect(server: Server, address: str) -> Any:
    """A connection from an address of the loopback."""
    port = int(server.url.rsplit(":", 1)[1])
    return await websockets.connect(
        f"ws://127.0.0.1:{port}/_stcore/stream",
        subprotocols=["streamlit"],  # type: ignore[list-item]
        proxy=None,
        compression=None,
        local_addr=(address, 0),
        open_timeout=10,
    )


async def flood(server: Server, seconds: float, kept: list[Any], over: asyncio.Event) -> int:
    """Connections from one address, each held; how many were refused."""
    refused, tasks = 0, set()

    async def one() -> None:
        nonlocal refused
        try:
            kept.append(await connect(server, "127.0.0.2"))
        except (OSError, websockets.WebSocketException):
            refused += 1

    started = time.monotonic()
    for number in range(int(seconds * A_SECOND)):
        await asyncio.sleep(max(0.0, started + number / A_SECOND - time.monotonic()))
        task = asyncio.create_task(one())
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    over.set()
    return refused


async def newcomers(server: Server, over: asyncio.Event) -> list[float]:
    """Seconds until a page of a newcomer from another address is there, one newcomer after another."""
    taken = []
    while not over.is_set():
        started = time.monotonic()
        visitor = await Visitor(server.url).arrive("draw")
        taken.append(time.monotonic() - started)
        await visitor.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), 1.0)
    return taken


async def flooded(server: Server, seconds: float) -> list[Row]:
    kept: list[Any] = []
    over = asyncio.Event()
    refused, taken = await asyncio.gather(flood(server, seconds, kept, over), newcomers(server, over))
    files = open_files(server)
    for socket in kept:
        await socket.close()
    detail = f"{len(taken)} newcomers; of {int(seconds * A_SECOND)} connections {refused} were refused; {files} open files"
    return [Row("newcomer from another address, slowest", "at most 2 s", f"{max(taken):.2f} s", max(taken) <= 2.0, detail)]


async def with_few_files(server: Server) -> list[Row]:
    visitors = await asyncio.gather(*(Visitor(server.url).arrive("draw") for _ in range(TABS)))
    answered = len(visitors)
    for _ in range(RELOADS):
        for visitor in visitors:
            await visitor.close()
        visitors = await asyncio.gather(*(Visitor(server.url).arrive("draw") for _ in range(TABS)))
        answered += sum("Detector" in visitor.texts() for visitor in visitors)
    files = open_files(server)
    for visitor in visitors:
        await visitor.close()
    wanted = TABS * (1 + RELOADS)
    return [Row(f"answered with ulimit -n {FEW_FILES}", f"{wanted}", f"{answered}", answered == wanted, f"{files} open files")]


def few_files(port: int) -> list[str]:
    """The server where the system allows FEW_FILES and no more, root or not."""
    program = f"""
import resource, runpy, sys
allowed = resource.setrlimit
allowed(resource.RLIMIT_NOFILE, ({FEW_FILES}, {FEW_FILES}))
def setrlimit(kind, limits):
    if limits[0] > {FEW_FILES}:
        raise ValueError
    allowed(kind, limits)
resource.setrlimit = setrlimit
sys.argv = ["replica", "--port", "{port}"]
runpy.run_module("deploy.replica", run_name="__main__")
"""
    return [sys.executable, "-c", program]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    asked = parser.parse_args()
    rows = []
    for way, journey in ((as_make_run, lambda server: flooded(server, asked.seconds)), (few_files, with_few_files)):
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder, "log.txt")
            server = start_server(REAL_DATA, log, way=way)
            try:
                rows += asyncio.run(journey(server))
            finally:
                server.end()
            assert "Traceback" not in log.read_text(), log.read_text()[-3000:]
    sys.exit(not show(f"A crowd at the door ({os.cpu_count()} cores)", rows))


if __name__ == "__main__":
    main()
