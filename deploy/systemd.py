"""What systemd is told: when the server is ready, that it still answers, and that it ends (sd_notify(3))."""

import asyncio
import os
import socket


async def say_that_it_answers(seconds: float) -> None:
    while True:
        tell("WATCHDOG=1")
        await asyncio.sleep(seconds)


def tell(line: str) -> None:
    """A line of sd_notify(3); nothing where no systemd asked for it."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
            sender.send(line.encode())
