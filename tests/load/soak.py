"""Mixed work for a while, and what the server holds on to: `make soak`.

A dozen visitors come, draw, train, take the lesson, upload files, change pages, lose their connection, and go; others take
their place. Some train the broadcasting trap, and some are hogs with the largest training that is allowed.
A visitor stays for a minute or two, and is kept for ten more, with all that he has, of a hundred who left the last: after
twelve minutes as many are let go as come, and the warm-up is over.

The server gives back what was freed once a minute; in between memory rises by what has gone meanwhile. So of each
minute one sample counts, the lowest. How many of those whom the server keeps at such a moment have a training that is
not over (whose optimiser weighs twice the network), a trained network, or the training of a hog, is chance, and the
visitors know it. Least squares explain the memory by the time and these counts together; the change with time is the
slope. What is trained is dealt like cards, and so are a visitor's deeds, of which a training is one: the counts stay near
what they are on average. The number of all visitors stays nearer still, so that no fit could tell it from the constant:
it is only told. The slope is called flat
where it is 0 within its standard error, or at most MAX_CLIMB either way, and that says something only where the error
is small: MAX_ERROR. A leak of sessions would show in the open files, three for each: their means in the two halves of
what counts are compared, and those of the threads; a hundred visitors come in that time.
"""

import argparse
import asyncio
import json
import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import numpy as np

from core.presets import shipped
from pages.shared.state.lesson import STEPS
from pages.shared.state.visitors import KEPT_SECONDS, MAX_DISCONNECTED
from tests.load.load import has_trained
from tests.load.server import Row, Server, megabytes, open_files, running, show, sketches, threads
from tests.load.visitor import Sketch, Visitor

VISITORS = 12
SAMPLE = 2.0
"""Seconds between two looks at the server."""

COURSE, TRAP = "preset=course", "preset=broadcasting&epochs=1"
HOG = "preset=course&batch=1&epochs=4&hidden=2048%2C350&latent=350"
TRAINED = (*(COURSE,) * 6, TRAP, HOG)
"""What eight visitors who follow each other train, if they do: one falls into the trap, one takes all that may be taken."""

DEEDS = (*("draw",) * 8, *("lesson",) * 6, *("move",) * 3, *("upload",) * 3, *("reconnect",) * 3, *("train",) * 2)
"""What every visitor does, each in an order of his own; who has not trained to the end at the second one begins anew."""

UPLOADED = tuple(entry.path for entry in shipped())[:3]
MAX_CLIMB = 1.0
"""MB a minute: a lesson of 90 minutes may cost 90 MB."""

MAX_ERROR = 2.0
"""MB a minute; a longer run has a smaller one: 40 minutes are enough on a machine that does nothing else."""


@dataclass
class Visit:
    """One visitor from coming to going, a minute or two. came, left: seconds."""

    visitor: Visitor
    came: float
    settings: str
    left: float = math.inf
    has_begun: bool = False

    @property
    def is_hog(self) -> bool:
        return self.settings == HOG

    @property
    def has_trained(self) -> bool:
        """Whether the visitor has seen the training end, whereupon the server lets go of all but the network."""
        return has_trained(self.visitor)


def dealt(chance: random.Random) -> Iterator[str]:
    """What one visitor after the other trains: all of TRAINED in one order, then all of it in another, without an end."""
    while True:
        yield from chance.sample(TRAINED, len(TRAINED))


def kept_of(visits: Sequence[Visit], moment: float) -> list[Visit]:
    """Those whom the server still keeps."""
    gone = sorted((visit for visit in visits if moment - KEPT_SECONDS < visit.left < math.inf), key=attrgetter("left"))
    return [visit for visit in visits if visit.left == math.inf] + gone[-MAX_DISCONNECTED:]


async def stay(visit: Visit, chance: random.Random, drawings: list[Sketch]) -> None:
    """All that a visitor does."""
    visitor = await visit.visitor.open(chance.choice(("", "draw", "train", "browse", "learn")), visit.settings)
    for deed in chance.sample(DEEDS, len(DEEDS)):
        await asyncio.sleep(chance.uniform(0.5, 4))
        if deed == "draw":
            if visitor.page != "draw":
                await visitor.go_to("draw")
            await visitor.draw(chance.choice(drawings))
        elif deed == "lesson":
            await visitor.go_to("learn", f"step={chance.randint(1, STEPS)}")
        elif deed == "upload":
            await visitor.upload("Upload a checkpoint", "shipped.safetensors", chance.choice(UPLOADED).read_bytes())
        elif deed == "move":
            await visitor.go_to(chance.choice(("", "browse", "learn", "train")))
        elif deed == "train" and not has_trained(visitor):
            await visitor.go_to("train")
            for label in ("Reset", "Start"):
                if visitor.can_press(label):
                    await visitor.press(label)
            visit.has_begun = True
        elif deed == "reconnect":
            await visitor.close()
            # Whoever is back within one round of Streamlit's sending loses what that round sends (CONTRIBUTING.md).
            await asyncio.sleep(chance.uniform(1, 5))
            await visitor.open(visitor.page)
    await visitor.close()
    visit.left = time.monotonic()


@dataclass
class Sample:
    """What the server held at one moment: minutes since the start, MB, counts of what the server holds.

    training, trained: visitors with a training that is not over, and with a trained network; hogs: with the largest one.
    """

    minute: float
    memory: float
    threads: int
    files: int
    visitors: int
    training: int
    trained: int
    hogs: int


async def watch(server: Server, minutes: float) -> list[Sample]:
    drawings = sketches(100)
    started, over = time.monotonic(), time.monotonic() + 60 * minutes
    visits: list[Visit] = []
    settings = dealt(random.Random(0))

    async def keep_coming(number: int) -> None:
        chance = random.Random(number)
        while time.monotonic() < over:
            visits.append(Visit(Visitor(server.url, patience=300.0), time.monotonic(), next(settings)))
            await stay(visits[-1], chance, drawings)

    def look() -> Sample:
        now = time.monotonic()
        kept = kept_of(visits, now)
        begun = [visit.has_trained for visit in kept if visit.has_begun and not visit.is_hog]
        minute, hogs = (now - started) / 60, sum(visit.is_hog and visit.has_begun for visit in kept)
        counts = len(kept), begun.count(False), begun.count(True), hogs
        return Sample(minute, megabytes(server), threads(server), open_files(server), *counts)

    samples = []
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(keep_coming(number)) for number in range(VISITORS)]
        while time.monotonic() < over:
            await asyncio.sleep(SAMPLE)
            samples.append(look())
        for task in tasks:
            task.cancel()
    return samples


@dataclass
class Fit:
    """Memory by least squares. values, errors: MB a minute, training, trained network, hog; scatter: MB."""

    values: list[float]
    errors: list[float]
    scatter: float


def fit(samples: list[Sample]) -> Fit:
    known = np.array([[s.minute, s.training, s.trained, s.hogs, 1] for s in samples])
    memory = np.array([sample.memory for sample in samples])
    factors = np.linalg.lstsq(known, memory)[0]
    rest = memory - known @ factors
    variance = rest @ rest / max(len(samples) - known.shape[1], 1)
    errors = np.sqrt(variance * np.diag(np.linalg.pinv(known.T @ known)))
    return Fit(factors[:-1].tolist(), errors[:-1].tolist(), float(np.sqrt(variance)))


def held(sample: Sample) -> str:
    return f"{sample.visitors} visitors, {sample.training} training, {sample.trained} trained, {sample.hogs} hogs"


def report(samples: list[Sample], minutes: float, warm_up: float) -> bool:
    """Print the table; whether memory, threads and files stayed as they were after so many minutes of warm-up."""
    warm = [sample for sample in samples if warm_up < sample.minute < minutes]
    lowest = [min(part, key=attrgetter("memory")) for _, part in groupby(warm, lambda sample: int(sample.minute))]
    found = fit(lowest)
    climb, error = found.values[0], found.errors[0]
    half = len(warm) // 2
    rows = [
        Row(
            "lowest memory of the first minute after the warm-up",
            "",
            f"{lowest[0].memory:.0f} MB",
            None,
            f"after {warm_up:g} min, with {held(lowest[0])}",
        ),
        Row(
            "lowest memory of the last minute",
            "",
            f"{lowest[-1].memory:.0f} MB",
            None,
            f"with {held(lowest[-1])}",
        ),
        Row("highest memory", "", f"{max(s.memory for s in warm):.0f} MB", None, "between two moments of giving back"),
        Row(
            "slope of the memory",
            f"0 within its error, or {MAX_CLIMB:g} MB/min",
            f"{climb:+.2f} MB/min",
            abs(climb) <= max(error, MAX_CLIMB),
            f"with what is held being equal; {len(lowest)} samples",
        ),
        Row("standard error of the slope", f"< {MAX_ERROR:g} MB/min", f"{error:.2f} MB/min", error < MAX_ERROR),
    ]
    for what, value, its_error in zip(("training", "trained network", "hog"), found.values[1:], found.errors[1:], strict=True):
        rows.append(Row(f"memory of a {what}", "", f"{value:.1f} MB", None, f"by the same fit; standard error {its_error:.1f}"))
    for name, unit in (("threads", "threads"), ("files", "open files")):
        first, second = (float(np.mean([getattr(s, name) for s in part])) for part in (warm[:half], warm[half:]))
        detail = f"means of the two halves; at most {max(getattr(s, name) for s in warm)}"
        rows.append(Row(unit, "no more than before + 10", f"{first:.1f}, {second:.1f}", second <= first + 10, detail))
    return show(f"{minutes:g} minutes of mixed work, {VISITORS} visitors at a time", rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=40.0)
    parser.add_argument("--warm-up", type=float, default=12.0, help="minutes that do not count")
    parser.add_argument("--samples", type=Path, help="a file for every sample, as JSON")
    asked = parser.parse_args()
    with running() as server:
        samples = asyncio.run(watch(server, asked.minutes))
        if asked.samples:
            asked.samples.write_text(json.dumps([asdict(sample) for sample in samples]))
        kept = report(samples, asked.minutes, asked.warm_up)
    raise SystemExit(0 if kept else 1)


if __name__ == "__main__":
    main()
