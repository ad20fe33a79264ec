"""A class that draws onto one wall: every drawing arrives, soon, and nobody's verdict waits for it. `make load` runs it.

python -m tests.load.classroom          STUDENTS who draw and send every 5 s, two walls open, on one server with SQLite
python -m tests.load.classroom --replicas 2        the same behind nginx with PostgreSQL
"""

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import websockets

from core.server.classroom import Classroom
from tests import postgres
from tests.browser.conftest import REAL_DATA, as_make_run, start_server
from tests.load.replicas import TOKEN, running_replicas
from tests.load.server import Row, percentile, processor_seconds, show, sketches
from tests.load.visitor import AppError, Sketch, Visitor

PAUSE = 5.0
"""Seconds between two drawings of one student."""

QUEUE = 30.0
"""Seconds in which the students come; a class does not press one button together."""

PATIENCE = 90.0
"""Seconds after which the lesson ends for those who still wait for an answer; the table then says who."""

ELSEWHERE = {"X-Forwarded-For": "192.0.2.7"}
"""Who comes through a proxy does not sit at the server, and is no teacher."""


@dataclass(frozen=True)
class Place:
    """Where the class is: its address, the processes that serve it, and its database."""

    url: str
    processes: tuple[int, ...]
    database: str

    def megabytes(self) -> float:
        """Resident memory of all that serve."""
        statuses = [Path(f"/proc/{process}/status").read_text() for process in self.processes]
        return sum(int(status.split("VmRSS:")[1].split()[0]) for status in statuses) / 1024

    def seconds(self) -> float:
        """Processor time that they have used."""
        return sum(map(processor_seconds, self.processes))


@contextmanager
def one_server() -> Iterator[Place]:
    """An app of its own with SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        database, log = f"sqlite:///{folder}/class.sqlite", Path(folder, "log.txt")
        server = start_server(REAL_DATA, log, {"CLASS_DATABASE_URL": database}, as_make_run)
        try:
            yield Place(server.url, (server.process.pid,), database)
        finally:
            try:
                server.end()
            finally:
                server.process.kill()
        assert "Traceback" not in log.read_text(), log.read_text()[-5000:]


@contextmanager
def replicas(count: int) -> Iterator[Place]:
    """Several behind nginx, with PostgreSQL."""
    with postgres.running_postgres() as running:
        database = running.database()
        os.environ["CLASS_DATABASE_URL"] = database
        with running_replicas(REAL_DATA, count) as behind:
            yield Place(behind.url, tuple(behind.pid(number) for number in range(1, count + 1)), database)


@dataclass
class Sent:
    """Everything that was sent: when, by picture."""

    at: dict[str, float] = field(default_factory=dict)
    committed: dict[str, float] = field(default_factory=dict)


@dataclass
class Student:
    """One student: seconds to each verdict, and to each answer that the drawing is on the wall; and what went wrong."""

    number: int
    waits: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    problem: str = ""

    async def attend(self, url: str, drawings: list[Sketch], sent: Sent, over: asyncio.Event) -> None:
        """Join and draw until it is over, or until something fails: that is told and ends nobody else's lesson."""
        doing = "joining"
        chance = random.Random(self.number)
        await asyncio.sleep(chance.uniform(0, QUEUE))
        visitor = Visitor(url, ELSEWHERE)
        try:
            await visitor.arrive("class")
            await visitor.press("Join the class")
            await visitor.go_to("draw")
            for drawn in drawings:
                doing, began = "drawing", time.monotonic()
                self.waits.append(await visitor.move_pen(drawn, True))
                await visitor.draw(drawn)  # the canvas itself tells of the stroke a moment later
                doing, asked = "sending", time.monotonic()
                sent.at[drawn.shown] = asked
                await visitor.press("Send to the wall")
                await visitor.wait(lambda: "on the wall" in line_of(visitor))
                sent.committed[drawn.shown] = time.monotonic()
                self.answers.append(time.monotonic() - asked)
                doing = "clearing"
                await visitor.clear()
                await visitor.wait(lambda: "on the wall" not in line_of(visitor))
                with suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), max(0.0, began + PAUSE - time.monotonic()))
                if over.is_set():
                    break
            await visitor.close()
        except (AppError, OSError, websockets.WebSocketException) as error:
            self.problem = f"{doing}: {str(error) or type(error).__name__}"
        except asyncio.CancelledError:
            self.problem = f"{doing} when the time was up"


def line_of(visitor: Visitor) -> str:
    """The line with the task on Draw, which also says what became of a drawing."""
    return "".join(html for html in visitor.htmls() if html.startswith('<div class="class-line">')).lower()


async def watch(visitor: Visitor, seen: dict[str, float], over: asyncio.Event) -> None:
    """Note when each drawing is on a wall."""
    last = ""
    while not over.is_set():
        await visitor.wait(lambda: True)  # raises what went wrong
        part = next((part for part in visitor.parts.values() if part.kind == "bidi_component" and is_wall(part.content)), None)
        text = part.content.bidi_component.json if part else ""
        if text and text != last:  # a component that is only being put on the page has none
            now, last = time.monotonic(), text
            for card in json.loads(text)["cards"]:
                seen.setdefault(card["picture"], now)
        await asyncio.sleep(0.02)


def is_wall(content: object) -> bool:
    return "wall" in content.bidi_component.component_name  # type: ignore[attr-defined]


async def lesson(place: Place, count: int, seconds: float) -> list[Row]:
    """Everybody draws for so many seconds after the last has come; then what was sent is compared with what is there."""
    each = int((seconds + QUEUE) / PAUSE) + 1
    drawings = sketches(count * each)
    teacher = Visitor(place.url)
    await teacher.arrive("class", f"token={TOKEN}")
    await teacher.press("Begin the class")
    await teacher.wait(lambda: teacher.can_press("Fool it"))
    walls = [await Visitor(place.url).arrive("class") for _ in range(2)]
    over, ended, sent = asyncio.Event(), asyncio.Event(), Sent()
    seen: list[dict[str, float]] = [{} for _ in walls]
    students = [Student(number) for number in range(count)]
    memory: list[float] = []
    watchers = [asyncio.create_task(watch(wall, times, ended)) for wall, times in zip(walls, seen, strict=True)]
    lessons = [
        asyncio.create_task(student.attend(place.url, drawings[number * each : (number + 1) * each], sent, over))
        for number, student in enumerate(students)
    ]
    await asyncio.sleep(QUEUE + 5)
    used, began, before = place.seconds(), time.monotonic(), len(sent.committed)
    for _ in range(int(seconds // 5)):
        memory.append(place.megabytes())
        await asyncio.sleep(5)
    used, took, drawn = place.seconds() - used, time.monotonic() - began, len(sent.committed) - before
    over.set()
    _, late = await asyncio.wait(lessons, timeout=PATIENCE)
    for lesson_of_one in late:
        lesson_of_one.cancel()
    await asyncio.sleep(3)
    ended.set()
    stopped = await asyncio.gather(*watchers, *lessons, return_exceptions=True)
    room = Classroom(place.database)
    now = room.now(at_once=True)
    room.close()
    assert now
    kept = len(now.drawings)
    with suppress(OSError, websockets.WebSocketException):
        for visitor in (teacher, *walls):
            await visitor.close()
    waits = [wait for student in students for wait in student.waits]
    answers = [wait for student in students for wait in student.answers]
    on_walls = [times[picture] - at for times in seen for picture, at in sent.at.items() if picture in times]
    half = len(memory) // 2
    growth = statistics.median(memory[half:]) - statistics.median(memory[: max(1, half)])
    wanted = len(sent.committed)
    problems = [f"{student.number} {student.problem}" for student in students if student.problem]
    problems += [f"a wall: {error!r}" for error in stopped[: len(walls)] if error]
    return [
        Row(
            "students and walls that could not go on",
            "0",
            f"{len(problems)}",
            not problems,
            "; ".join(problems)[:300].replace("\n", " "),
        ),
        Row("drawings in the database", f"{wanted}", f"{kept}", kept >= wanted > 0),
        Row("drawings seen on both walls", f"{2 * wanted}", f"{len(on_walls)}", len(on_walls) >= 2 * wanted > 0),
        bound("on the wall after Send, p95", on_walls, 1.5),
        bound("drawing to verdict, p95", waits, 0.5),
        Row("Send to its answer, p95", "", f"{percentile(answers or [0.0], 0.95) * 1000:.0f} ms", None),
        Row("memory grows, second half over first", "<= 30 MB", f"{growth:.0f} MB", growth <= 30, f"{memory[-1]:.0f} MB"),
        Row("of one processor", "", f"{used / took:.0%}", None, f"{len(place.processes)} process(es)"),
        Row(
            "processor time of a drawing",
            "",
            f"{1000 * used / max(1, drawn):.0f} ms",
            None,
            f"{drawn / took:.1f} drawings a second",
        ),
    ]


def bound(what: str, seconds: list[float], most: float) -> Row:
    """A p95 that has a limit."""
    if not seconds:
        return Row(what, f"<= {most * 1000:.0f} ms", "none", False)
    p95, median = percentile(seconds, 0.95), percentile(seconds, 0.5)
    detail = f"median {median * 1000:.0f} ms, worst {max(seconds) * 1000:.0f} ms"
    return Row(what, f"<= {most * 1000:.0f} ms", f"{p95 * 1000:.0f} ms", p95 <= most, detail)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--replicas", type=int, default=0)
    asked = parser.parse_args()
    os.environ["STATUS_TOKEN"] = TOKEN
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Ended from outside."))  # so that what was started ends too
    where = replicas(asked.replicas) if asked.replicas else one_server()
    try:
        with where as place:
            rows = asyncio.run(lesson(place, asked.students, asked.seconds))
    except AppError as failed:
        raise SystemExit(f"The class did not begin: {failed}") from None
    served = f"{asked.replicas} replicas and PostgreSQL" if asked.replicas else "one server and SQLite"
    title = f"{asked.students} students draw onto one wall: {served}, {os.cpu_count()} cores"
    sys.exit(not show(title, rows))


if __name__ == "__main__":
    main()
