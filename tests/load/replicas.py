"""A class on three replicas behind a real nginx: one is killed, another ends in good order. `make load` runs it.

Whether sessions stay put is not taken from the cookie alone: each replica is asked how many are connected to it.
"""

import argparse
import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.browser.conftest import NOWHERE, REAL_DATA, ROOT, free_port
from tests.load.load import has_trained
from tests.load.server import Row, percentile, show, sketches
from tests.load.visitor import AppError, Sketch, Visitor

PATIENCE = 120.0
"""Seconds for which anything here is waited for."""

TOKEN = "token-of-the-teacher"
FIGURES = f"_stcore/metrics?token={TOKEN}"
"""What a replica tells of itself."""


class Replicas:
    """What `make replicas` starts, and its processes, by the number of the replica."""

    def __init__(self, data: Path, log: Path, count: int) -> None:
        port = free_port()
        self.url = f"http://localhost:{port}"
        self.count = count
        self._log = log
        environment = {**os.environ, "DATA_DIR": str(data), "no_proxy": "localhost,127.0.0.1"}
        environment |= {"http_proxy": NOWHERE, "https_proxy": NOWHERE, "STATUS_TOKEN": TOKEN}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "deploy.replicas", "--replicas", str(count), "--port", str(port)],
            cwd=ROOT,
            env=environment,
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
        )

    def wait_until(self, condition: Callable[[], object]) -> None:
        latest = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > latest or self.process.poll() is not None:
                raise AppError(f"This never came true. The log ends:\n{self._log.read_text()[-3000:]}")
            time.sleep(0.05)

    def _said(self) -> list[tuple[int, int, int]]:
        said = re.findall(r"Replica (\d+) on port (\d+) is process (\d+)", self._log.read_text())
        return [(int(number), int(port), int(process)) for number, port, process in said]

    def pid(self, number: int) -> int:
        return [process for name, _, process in self._said() if name == number][-1]

    def address(self, number: int) -> str:
        return next(f"http://127.0.0.1:{port}" for name, port, _ in self._said() if name == number)

    def ask(self, number: int, path: str) -> str | None:
        """What one replica answers by itself, without nginx; None when it does not."""
        try:
            direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with direct.open(f"{self.address(number)}/{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return None

    def sessions(self, number: int) -> int:
        found = re.search(r"^active_sessions (\d+)", self.ask(number, FIGURES) or "", re.MULTILINE)
        return int(found[1]) if found else 0

    def nginx_kilobytes(self) -> int:
        """Memory of nginx and its workers, each shared page counted once."""
        [master] = [child for child in children(self.process.pid) if child not in {pid for _, _, pid in self._said()}]
        rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in (master, *children(master))]
        return sum(int(rollup.split("\nPss:")[1].split()[0]) for rollup in rollups)

    def starts(self) -> int:
        return len(self._said())

    def is_up(self) -> bool:
        return all(self.ask(number, "_stcore/health") == "ok" for number in range(1, self.count + 1))

    def log(self) -> str:
        return self._log.read_text()


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def running_replicas(data: Path, count: int) -> Iterator[Replicas]:
    """Replicas that visitors can come to; their logs must hold no traceback at the end."""
    with tempfile.TemporaryDirectory() as folder:
        replicas = Replicas(data, Path(folder, "log.txt"), count)
        try:
            replicas.wait_until(lambda: "Ctrl-C stops them" in replicas.log() and _answers(replicas.url))
            yield replicas
        finally:
            replicas.process.terminate()
            status = replicas.process.wait(timeout=60)
        assert status == 0, f"`make replicas` ended with status {status}."
        assert "Traceback" not in replicas.log(), replicas.log()[-5000:]


def _answers(url: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url}/_stcore/health", timeout=5):
            return True
    except OSError:
        return False


def home(visitor: Visitor) -> int:
    return int(visitor.cookies["replica"])


def by_home(visitors: Sequence[Visitor]) -> dict[int, int]:
    return dict(sorted(Counter(map(home, visitors)).items()))


@dataclass
class Seen:
    """What a class saw; seconds where nothing else is said. A session is one that has its number and its memory."""

    placed: dict[int, int] = field(default_factory=dict)
    verdicts: list[float] = field(default_factory=list)
    nginx: float = 0.0
    """Kilobytes a visitor."""
    after_bad_wifi: int = 0
    killed: list[float] = field(default_factory=list)
    undisturbed: int = 0
    restarted: float = 0.0
    stayed_moved: int = 0
    newcomers_while_ending: dict[int, int] = field(default_factory=dict)
    trained_while_ending: float = 0.0
    ended: float = 0.0


async def each(visitors: Sequence[Visitor], drawings: Sequence[Sketch]) -> list[float]:
    """All draw at once; seconds to each one's verdict."""
    pairs = zip(visitors, drawings, strict=False)
    return await asyncio.gather(*(visitor.draw(drawn) for visitor, drawn in pairs))


async def reconnect(visitor: Visitor) -> None:
    await visitor.close()
    await visitor.open("draw")


async def newcomers(replicas: Replicas, count: int) -> dict[int, int]:
    """How many of some who come one after another are with each replica."""
    came = [await Visitor(replicas.url).arrive("draw") for _ in range(count)]
    places = by_home(came)
    for visitor in came:
        await visitor.close()
    return places


async def attend(replicas: Replicas, count: int, training: str) -> Seen:
    """A class of so many on three replicas; `training` are the settings of the one who trains while a replica ends.

    Raises AppError or AssertionError when anybody loses more than is allowed.
    """
    seen, drawings = Seen(), sketches(8 * count)
    # Everybody comes, and is where the cookie says.
    empty = replicas.nginx_kilobytes()
    visitors = list(await asyncio.gather(*(Visitor(replicas.url).arrive("draw") for _ in range(count))))
    seen.nginx = (replicas.nginx_kilobytes() - empty) / count
    seen.placed = by_home(visitors)
    held = {number: replicas.sessions(number) for number in seen.placed}
    assert held == seen.placed, f"connected {held}, cookies {seen.placed}"
    await each(visitors, drawings)  # a replica's first loads what all later ones find, so these do not count

    # Bad Wi-Fi: connections go and come back to the same sessions.
    before = [(home(visitor), visitor.session_id) for visitor in visitors]
    await asyncio.gather(*map(reconnect, visitors))
    seen.after_bad_wifi = sum((home(visitor), visitor.session_id) == was for visitor, was in zip(visitors, before, strict=True))

    # One replica is killed. Its visitors are back when they have a verdict.
    victims = [visitor for visitor in visitors if home(visitor) == 1]
    others = [visitor for visitor in visitors if home(visitor) != 1]
    starts, began = replicas.starts(), time.monotonic()
    os.kill(replicas.pid(1), signal.SIGKILL)

    async def back(visitor: Visitor, drawn: Sketch) -> float:
        await visitor.come_back()
        await visitor.draw(drawn)
        return time.monotonic() - began

    *killed, verdicts = await asyncio.gather(
        *(back(visitor, drawings[count + place]) for place, visitor in enumerate(victims)),
        each(others, drawings[2 * count :]),
    )
    seen.killed = [seconds for seconds in killed if isinstance(seconds, float)]
    assert isinstance(verdicts, list)
    seen.verdicts += verdicts
    kept = dict(zip(visitors, before, strict=True))
    seen.undisturbed = sum(visitor.is_connected and (home(visitor), visitor.session_id) == kept[visitor] for visitor in others)
    moved = [home(visitor) for visitor in victims]
    # Whoever comes late may find it started again.
    assert 1 not in [place for place, seconds in zip(moved, seen.killed, strict=True) if seconds < 2]

    # It is started again: newcomers find it, and whoever moved stays where he is, also when he reconnects.
    await asyncio.to_thread(replicas.wait_until, lambda: replicas.starts() > starts and replicas.is_up())
    while 1 not in await newcomers(replicas, 1):
        pass
    seen.restarted = time.monotonic() - began
    sessions = [visitor.session_id for visitor in victims]
    await asyncio.gather(*map(reconnect, victims))
    assert sessions == [visitor.session_id for visitor in victims]
    seen.stayed_moved = sum(home(visitor) == place for visitor, place in zip(victims, moved, strict=True))
    seen.verdicts += await each(visitors, drawings[3 * count :])

    # Another ends in good order while one of its visitors trains.
    guests = [visitor for visitor in visitors if home(visitor) == 2]
    trainer = Visitor(replicas.url)
    trainer.cookies["replica"] = "2"
    await trainer.open("train", training)
    session, ending = trainer.session_id, replicas.pid(2)
    await trainer.press("Start")
    await trainer.wait(lambda: "Training: epoch" in trainer.texts())
    began = time.monotonic()
    os.kill(ending, signal.SIGTERM)
    seen.newcomers_while_ending = await newcomers(replicas, replicas.count + 1)
    assert 2 not in seen.newcomers_while_ending
    seen.verdicts += await each(guests, drawings[4 * count :])
    await trainer.wait(lambda: has_trained(trainer), PATIENCE)
    seen.trained_while_ending = time.monotonic() - began
    assert trainer.session_id == session
    assert replicas.pid(2) == ending, "It ended although somebody was connected."
    for visitor in (trainer, *guests):
        await visitor.close()
    left = time.monotonic()
    await asyncio.to_thread(replicas.wait_until, lambda: replicas.pid(2) != ending)
    seen.ended = time.monotonic() - left
    for visitor in visitors:
        await visitor.close()
    return seen


def rows(seen: Seen, count: int) -> list[Row]:
    def placed(places: dict[int, int]) -> str:
        return ", ".join(f"{places[number]} on {number}" for number in places)

    victims, others = len(seen.killed), count - len(seen.killed)
    even = max(seen.placed.values()) - min(seen.placed.values())
    return [
        Row("clients a replica", "no two differ by more than 2", placed(seen.placed), even <= 2),
        Row("sessions as before after a lost connection", str(count), str(seen.after_bad_wifi), seen.after_bad_wifi == count),
        Row("one replica killed: its clients have a verdict again", str(victims), str(victims), True),
        Row(
            "the slowest of them",
            "< 10 s",
            f"{max(seen.killed):.1f} s",
            max(seen.killed) < 10,
            f"median {percentile(seen.killed, 0.5):.1f} s",
        ),
        Row("clients of the others, who notice nothing", str(others), str(seen.undisturbed), seen.undisturbed == others),
        Row(
            "the killed replica takes newcomers again after",
            "",
            f"{seen.restarted:.1f} s",
            None,
            "started anew by deploy/replicas.py",
        ),
        Row("whoever moved stays there then", str(victims), str(seen.stayed_moved), seen.stayed_moved == victims),
        Row("one replica ends: newcomers meanwhile", "none on 2", placed(seen.newcomers_while_ending), True),
        Row("a training there ends with its result after", "", f"{seen.trained_while_ending:.1f} s", None),
        Row("it has ended, once its clients had gone, after", "", f"{seen.ended:.1f} s", None),
        Row("memory of nginx, a client", "", f"{seen.nginx:.0f} kB", None),
        Row(
            "drawing to verdict, all at once, p95",
            "",
            f"{percentile(seen.verdicts, 0.95) * 1000:.0f} ms",
            None,
            f"{len(seen.verdicts)} drawings, median {percentile(seen.verdicts, 0.5) * 1000:.0f} ms",
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=30)
    asked = parser.parse_args()
    with running_replicas(REAL_DATA, 3) as replicas:
        seen = asyncio.run(attend(replicas, asked.clients, "preset=course&epochs=5"))
    title = f"{asked.clients} clients on three replicas behind nginx, {os.cpu_count()} cores"
    raise SystemExit(0 if show(title, rows(seen, asked.clients)) else 1)


if __name__ == "__main__":
    main()
