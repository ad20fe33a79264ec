"""Mixed work for a while, and what the server holds on to: `make soak`.

A dozen visitors come, draw, train, change pages, lose their connection, and go; others take their place.
A visitor stays for a minute or two, and two minutes later the server forgets the session: after eight minutes as many
are forgotten as come, and the warm-up is over. How many sessions there are at one moment is chance, and follows how
busy the machine is; each holds three open files. So memory is explained, by least squares, by the time and by the open
files together, over means of a minute, which do not hang together as neighbouring samples do. The change with time is
the slope. It is called flat where it is at most MOST_CLIMB, or where its standard error leaves open whether it climbs at
all. A leak of sessions would show in the open files: their means in the two halves of what counts are compared, and
those of the threads; a hundred visitors come in that time.
"""

import argparse
import asyncio
import random
import time
from dataclasses import dataclass

import numpy as np

from tests.load.load import has_trained
from tests.load.server import Row, Server, megabytes, open_files, running, show, sketches, threads
from tests.load.visitor import Sketch, Visitor

VISITORS = 12
SAMPLE = 2.0
"""Seconds between two looks at the server."""

MOST_CLIMB = 1.0
"""MB a minute: a lesson of 90 minutes may cost 90 MB."""


async def visit(url: str, chance: random.Random, drawings: list[Sketch]) -> None:
    """One visitor from coming to going, a minute or two."""
    visitor = await Visitor(url).open(chance.choice(("", "draw", "train", "browse", "learn")))
    for _ in range(chance.randint(10, 40)):
        await asyncio.sleep(chance.uniform(0.5, 4))
        deed = chance.choice(("draw", "draw", "draw", "move", "train", "reconnect"))
        if deed == "draw":
            if visitor.page != "draw":
                await visitor.go_to("draw")
            await visitor.draw(chance.choice(drawings))
        elif deed == "move":
            await visitor.go_to(chance.choice(("", "browse", "learn", "train")))
        elif deed == "train" and not has_trained(visitor):
            await visitor.go_to("train")
            for label in ("Reset", "Start"):
                if visitor.can_press(label):
                    await visitor.press(label)
        elif deed == "reconnect":
            await visitor.close()
            await asyncio.sleep(chance.uniform(0, 5))
            await visitor.open(visitor.page)
    await visitor.close()


@dataclass
class Sample:
    """What the server held at one moment: minutes since the start, MB, counts."""

    minute: float
    memory: float
    threads: int
    files: int


async def watch(server: Server, minutes: float) -> list[Sample]:
    drawings = sketches(100)
    started, over = time.monotonic(), time.monotonic() + 60 * minutes

    async def keep_coming(number: int) -> None:
        chance = random.Random(number)
        while time.monotonic() < over:
            await visit(server.url, chance, drawings)

    samples = []
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(keep_coming(number)) for number in range(VISITORS)]
        while time.monotonic() < over:
            await asyncio.sleep(SAMPLE)
            samples.append(Sample((time.monotonic() - started) / 60, megabytes(server), threads(server), open_files(server)))
        for task in tasks:
            task.cancel()
    return samples


NAMES = ("minute", "memory", "files")


def slope(minutes: list[float], memory: list[float], files: list[float]) -> tuple[float, float]:
    """Least squares: change of the memory a minute at an equal number of open files, and its standard error."""
    known = np.column_stack([np.ones(len(minutes)), minutes, files])
    factors = np.linalg.lstsq(known, np.array(memory))[0]
    rest = np.array(memory) - known @ factors
    variance = rest @ rest / max(len(minutes) - 3, 1) * np.linalg.pinv(known.T @ known)[1, 1]
    return float(factors[1]), float(np.sqrt(variance))


def report(samples: list[Sample], minutes: float, warm_up: float) -> bool:
    """Print the table; whether memory, threads and files stayed as they were after so many minutes of warm-up."""
    warm = [sample for sample in samples if sample.minute > warm_up]
    by_minute = [[sample for sample in warm if int(sample.minute) == minute] for minute in {int(s.minute) for s in warm}]
    means = [tuple(float(np.mean([getattr(s, name) for s in part])) for part in by_minute) for name in NAMES]
    climb, error = slope(*map(list, means))
    half = len(warm) // 2
    rows = [
        Row(
            "memory at the end of the warm-up",
            "",
            f"{warm[0].memory:.0f} MB",
            None,
            f"after {warm_up:g} min; {len(warm)} samples counted",
        ),
        Row("memory at the end", "", f"{warm[-1].memory:.0f} MB", None, f"highest {max(s.memory for s in warm):.0f} MB"),
        Row(
            "slope of the memory",
            f"<= {MOST_CLIMB:g} MB/min, or 0 within two errors",
            f"{climb:+.2f} MB/min",
            climb <= MOST_CLIMB or climb <= 2 * error,
            f"at an equal number of open files; standard error {error:.2f}",
        ),
    ]
    for name, unit in (("threads", "threads"), ("files", "open files")):
        first, second = (float(np.mean([getattr(s, name) for s in part])) for part in (warm[:half], warm[half:]))
        detail = f"means of the two halves; at most {max(getattr(s, name) for s in warm)}"
        rows.append(Row(unit, "no more than before + 10", f"{first:.1f}, {second:.1f}", second <= first + 10, detail))
    return show(f"{minutes:g} minutes of mixed work, {VISITORS} visitors at a time", rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--warm-up", type=float, default=8.0, help="minutes that do not count")
    asked = parser.parse_args()
    with running() as server:
        kept = report(asyncio.run(watch(server, asked.minutes)), asked.minutes, asked.warm_up)
    raise SystemExit(0 if kept else 1)


if __name__ == "__main__":
    main()
