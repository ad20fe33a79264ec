"""A whole class at once, on a real server with real connections: `make load`.

A: a class trains the course's network on MNIST, every student on their own, and draws meanwhile.
B: idle tabs beside a few that draw, for the memory of a session.
C: tabs that train the course's network again and again, for the same.
D: a class that trains and draws beside hogs with the largest trainings that are allowed, which the teacher then ends.
E: a search over mixes of allowed settings, files and pictures, for the memory of the server.
F: a class whose pens all move at once, first while nothing else happens, then beside trainings.
Everything happens on this machine; count and time are bounded. The exit status is 1 when a bound is missed.
"""

import argparse
import asyncio
import math
import os
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlencode

import numpy as np
import torch
from PIL import Image
from streamlit.proto.WidgetStates_pb2 import WidgetState

from core.checkpoint import Checkpoint, to_bytes
from core.detector import AutoencoderDetector, DetectorConfig
from core.model import ModelConfig
from pages.shared.navigation import PAGES
from tests.hostile import encoded
from tests.load.server import Row, Server, growing, megabytes, own_megabytes, percentile, running, show, sketches
from tests.load.visitor import AppError, Sketch, Visitor

PAUSE = 5.0
"""Seconds between two drawings of one student."""

LONGEST = 900.0
"""Seconds after which a class is sent home."""


def has_trained(visitor: Visitor, run: int = 1) -> bool:
    """Whether the line on every page names the finished run."""
    return any(f"run {run}" in part.content.popover.label for part in visitor.parts.values() if part.kind == "popover")


@dataclass
class Student:
    """One session, and what it saw: seconds to each verdict, seconds of its training."""

    number: int
    waits: list[float] = field(default_factory=list)
    trained: float = 0.0

    async def attend(self, url: str, drawings: list[Sketch], lesson: asyncio.Event, trains: bool) -> None:
        """Train if asked to, and draw until the lesson is over."""
        chance = random.Random(self.number)
        visitor = await Visitor(url).open("train" if trains else "draw")
        started = time.monotonic()
        if trains:
            await visitor.press("Start")
            await visitor.go_to("draw")
        await asyncio.sleep(chance.uniform(0, PAUSE))
        turn = 0
        while not lesson.is_set():
            asked = time.monotonic()
            self.waits.append(await visitor.draw(drawings[(self.number + 7 * turn) % len(drawings)]))
            turn += 1
            while time.monotonic() < asked + PAUSE and not lesson.is_set():
                await asyncio.sleep(0.05)
                if trains and not self.trained and has_trained(visitor):
                    self.trained = time.monotonic() - started
        await visitor.close()


async def lesson(url: str, count: int, drawings: list[Sketch], trains: bool, seconds: float) -> list[Student]:
    """A class that draws for some seconds, or until everybody's training is over; raises what any of them met."""
    over = asyncio.Event()
    students = [Student(number) for number in range(count)]
    async with asyncio.TaskGroup() as group:
        for student in students:
            group.create_task(student.attend(url, drawings, over, trains))
        ends = time.monotonic() + seconds
        while time.monotonic() < ends and not (trains and all(student.trained for student in students)):
            await asyncio.sleep(0.2)
        over.set()
    return students


async def alone(url: str) -> float:
    """Seconds of one training from Start to its result, with nobody else there."""
    visitor = await Visitor(url).open("train")
    started = time.monotonic()
    await visitor.press("Start")
    await visitor.wait(lambda: has_trained(visitor), 120)
    took = time.monotonic() - started
    await visitor.close()
    return took


async def class_trains(server: Server, count: int, quiet: float) -> list[Row]:
    """Scenario A."""
    drawings = sketches(120)
    await alone(server.url)  # loads the data, so that it does not count below
    single = await alone(server.url)
    without = [wait for student in await lesson(server.url, count, drawings, False, quiet) for wait in student.waits]
    students = await lesson(server.url, count, drawings, True, LONGEST)
    waits = [wait for student in students for wait in student.waits]
    ended = [student.trained for student in students if student.trained]
    fair = single * count / (os.cpu_count() or 1)
    before, now = percentile(without, 0.95), percentile(waits, 0.95)
    return [
        Row("jobs that ended", f"{count}", f"{len(ended)}", len(ended) == count),
        Row("drawings judged", "all", f"{len(waits)}", True, "each waited for its own verdict; a lost one fails the run"),
        Row("one training alone", "", f"{single:.1f} s", None),
        Row(
            "slowest job",
            f"<= {2 * fair:.0f} s",
            f"{max(ended, default=0):.0f} s",
            max(ended, default=1e9) <= 2 * fair,
            f"fair share {count} x {single:.1f} s / {os.cpu_count()} cores = {fair:.0f} s",
        ),
        Row(
            "drawing to verdict, p95, without training",
            "",
            f"{before * 1000:.0f} ms",
            None,
            f"median {percentile(without, 0.5) * 1000:.0f} ms",
        ),
        Row(
            "drawing to verdict, p95, all training",
            "<= 1000 ms",
            f"{now * 1000:.0f} ms",
            now <= 1.0,
            f"median {percentile(waits, 0.5) * 1000:.0f} ms, worst {max(waits) * 1000:.0f} ms",
        ),
        Row("the same, times without training", "<= 3", f"{now / before:.1f}", now <= 3 * before),
        Row("memory of the server at the end", "", f"{megabytes(server):.0f} MB", None),
    ]


async def class_idles(server: Server, idle: int, drawing: int) -> list[Row]:
    """Scenario B."""
    drawings = sketches(60)
    await lesson(server.url, drawing, drawings, False, 15)  # whatever is loaded once is loaded now
    over = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        artists = [Student(number) for number in range(drawing)]
        for artist in artists:
            group.create_task(artist.attend(server.url, drawings, over, False))
        await asyncio.sleep(15)
        before = megabytes(server)
        pages = ("", "draw", "train", "browse", "learn")
        visitors = [await Visitor(server.url).open(pages[number % len(pages)]) for number in range(idle)]
        await asyncio.sleep(20)
        after = megabytes(server)
        over.set()
    for visitor in visitors:
        await visitor.close()
    each = (after - before) / idle
    waits = [wait for artist in artists for wait in artist.waits]
    return [
        Row(f"memory with {drawing} drawing", "", f"{before:.0f} MB", None, "data set and detectors included"),
        Row(f"memory with {idle} idle tabs more", "", f"{after:.0f} MB", None),
        Row("memory of one session", "<= 15 MB", f"{each:.1f} MB", each <= 15),
        Row("drawing to verdict, p95", "<= 1000 ms", f"{percentile(waits, 0.95) * 1000:.0f} ms", percentile(waits, 0.95) <= 1),
    ]


TRAININGS = 3
"""Trainings of each tab, one after the other: more than detectors that a session keeps."""

GIVEN_BACK = 70.0
"""Seconds after which the server has given back what was freed; it does so once a minute."""


async def class_has_trained(server: Server, count: int) -> list[Row]:
    """Scenario C."""
    await alone(server.url)
    visitor = await Visitor(server.url).open("draw")  # whatever is loaded once is loaded now
    await visitor.draw(sketches(1)[0])
    await visitor.close()
    await asyncio.sleep(GIVEN_BACK)
    before = megabytes(server)
    visitors = [await Visitor(server.url).open("train", "preset=course") for _ in range(count)]
    rows = [Row("memory before", "", f"{before:.0f} MB", None, "data set and detectors included")]
    for run in range(1, TRAININGS + 1):
        for visitor in visitors:
            await visitor.press("Start")
        most = 0.0
        for visitor in visitors:
            await visitor.wait(lambda visitor=visitor, run=run: has_trained(visitor, run), LONGEST)
            most = max(most, megabytes(server))
        await asyncio.sleep(GIVEN_BACK)
        each = (megabytes(server) - before) / count
        detail = f"{GIVEN_BACK:.0f} s later; {most:.0f} MB while they train"
        rows.append(Row(f"memory of one session after training {run}", "<= 15 MB", f"{each:.1f} MB", each <= 15, detail))
    for visitor in visitors:
        await visitor.close()
    return rows


HOG = "preset=course&batch=1&epochs=4&hidden=2048%2C350&latent=350&seed={seed}"
"""Nearly the most parameters and the most work that anybody may ask for."""

FIRST_POINT = 20.0
"""Seconds after Start in which everybody sees the first epoch's loss."""


def has_first_point(visitor: Visitor) -> bool:
    """Whether Train shows the losses of an epoch."""
    return "validation loss" in visitor.texts() or has_trained(visitor)


@dataclass
class Watcher:
    """A student who watches the training from Start to its end: seconds to the first epoch's point, and to the end."""

    point: float = 0.0
    ended: float = 0.0

    async def attend(self, url: str) -> None:
        visitor = await Visitor(url).open("train", "preset=course")
        started = time.monotonic()
        await visitor.press("Start")
        await visitor.wait(lambda: has_first_point(visitor), LONGEST)
        self.point = time.monotonic() - started
        await visitor.wait(lambda: has_trained(visitor), LONGEST)
        self.ended = time.monotonic() - started
        await visitor.close()


async def watched(url: str, count: int) -> list[Watcher]:
    """So many students who press Start at the same time, and watch until all are done."""
    students = [Watcher() for _ in range(count)]
    async with asyncio.TaskGroup() as group:
        for student in students:
            group.create_task(student.attend(url))
    return students


async def class_has_hogs(server: Server, count: int, hogs: int) -> list[Row]:
    """Scenario D."""
    drawings = sketches(60)
    await alone(server.url)
    among_themselves = max(student.ended for student in await watched(server.url, count))
    greedy = [await Visitor(server.url).open("train", HOG.format(seed=number)) for number in range(hogs)]
    for hog in greedy:
        await hog.press("Start")
    over = asyncio.Event()
    artists = [Student(number) for number in range(5)]
    async with asyncio.TaskGroup() as group:
        for artist in artists:
            group.create_task(artist.attend(server.url, drawings, over, False))
        students = await watched(server.url, count)
        over.set()
    teacher = await Visitor(server.url).open("status")
    asked = time.monotonic()
    await teacher.press("End the long ones")
    for hog in greedy:
        await hog.wait(lambda hog=hog: "The teacher ended this training" in hog.texts(), 60)
    ended = time.monotonic() - asked
    for visitor in (teacher, *greedy):
        await visitor.close()
    waits = [wait for artist in artists for wait in artist.waits]
    latest, slowest = max(student.point for student in students), max(student.ended for student in students)
    return [
        Row("latest first epoch", f"<= {FIRST_POINT:.0f} s", f"{latest:.1f} s", latest <= FIRST_POINT),
        Row(f"{count} alone, the slowest", "", f"{among_themselves:.0f} s", None),
        Row(
            "the slowest student beside the hogs",
            f"<= {1.5 * among_themselves:.0f} s",
            f"{slowest:.0f} s",
            slowest <= 1.5 * among_themselves,
            f"{slowest / among_themselves:.2f} times",
        ),
        Row(
            "drawing to verdict, p95",
            "<= 300 ms",
            f"{percentile(waits, 0.95) * 1000:.0f} ms",
            percentile(waits, 0.95) <= 0.3,
            f"{len(waits)} drawings",
        ),
        Row("hogs ended by one press", f"{hogs}", f"{hogs}", True, f"all read it after {ended:.1f} s"),
        Row("memory of the server at the end", "", f"{megabytes(server):.0f} MB", None),
    ]


def heavy_settings(chance: random.Random) -> str:
    """A link to settings that are allowed, most of them, and cost much memory of one kind or another; no two are alike."""
    nine = ",".join(map(str, sorted(chance.sample(range(10), 9))))
    parts: dict[str, object] = {"preset": chance.choice(["best", "course", "broadcasting", "convolutional"])}
    offered: dict[str, tuple[object, ...]] = {
        "data": ("mnist", "fashion-mnist"),
        "normal": (nine, "5", "0,1,2,3"),
        "latent": (2, 128, 350, 3000),
        "batch": (128, 1024, 4096),
        "hidden": ("2048,350", "512", "1024,512"),
        "epochs": (1, 2),
        "neighbours": (0, 5, 100),
        "vary": (0, 1),
    }
    parts |= {name: chance.choice(values) for name, values in offered.items() if chance.random() < 0.5}
    return urlencode({**parts, "seed": chance.randrange(2**31)}, safe=",")


def heavy_checkpoint(chance: random.Random) -> bytes:
    """A file as large as an upload may be: a wide network, or as many remembered images as there may be."""
    remembers = chance.random() < 0.5
    model = ModelConfig(hidden_sizes=(8,) if remembers else (1024, 256), latent_dim=36 if remembers else 64)
    made = AutoencoderDetector(DetectorConfig(model=model, neighbours=5 if remembers else 0))
    made.memory_ = torch.rand(60_000, model.latent_dim)
    return to_bytes(Checkpoint(made.set_calibration(torch.rand(60_000))), torch.float16)


def heavy_picture(chance: random.Random) -> bytes:
    """A photo as large as one may be, of noise: it looks for digits everywhere."""
    side = chance.choice([1200, 3000])
    noise = np.random.default_rng(chance.randrange(1000)).integers(0, 256, (side // 4, side // 4), dtype=np.uint8)
    return encoded(Image.fromarray(noise).resize((side, side)), "JPEG", quality=90)


LOOKED_AT = tuple(entry.path for entry in PAGES if entry.name not in ("home", "train", "class") and not entry.for_teacher)
"""Pages that make something of the detector in use which the server remembers: Home, Train and the class's make nothing."""

PICTURE = "Upload a photo or scan, of one digit or of many"


@dataclass
class Greedy:
    """A visitor who asks for memory in every way there is, and how often each asking ended in what."""

    number: int
    ends: Counter[str]

    async def attend(self, url: str, over: asyncio.Event) -> None:
        """Come again and again until it is over."""
        chance = random.Random(self.number)
        while not over.is_set():
            visitor = await Visitor(url, patience=LONGEST).open("train", heavy_settings(chance))
            if visitor.can_press("Start"):
                await visitor.press("Start")
            self.ends[self._end(visitor)] += 1
            for deed in chance.choices((self.upload, self.look, self.show_picture), k=chance.randint(1, 4)):
                if not over.is_set():
                    await deed(visitor, chance)
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), chance.uniform(1, 20))
            await visitor.close()

    def _end(self, visitor: Visitor) -> str:
        seen = visitor.texts()
        if "MB of memory" in seen:
            return "refused: memory"
        refused = re.search("times as much work|At most|at most|cannot be|can be used for|between", seen)
        return "begun" if visitor.can_press("Stop") else "refused: settings" if refused else f"neither: {seen[-300:]}"

    async def upload(self, visitor: Visitor, chance: random.Random) -> None:
        await visitor.upload("Upload a checkpoint", "heavy.safetensors", heavy_checkpoint(chance))
        seen = visitor.texts()
        is_refused = "stays as it was" in seen
        self.ends["file refused: memory" if "MB of memory" in seen else "file refused" if is_refused else "file used"] += 1

    async def look(self, visitor: Visitor, chance: random.Random) -> None:
        await visitor.go_to(chance.choice(LOOKED_AT))

    async def show_picture(self, visitor: Visitor, chance: random.Random) -> None:
        await visitor.go_to("draw")
        await visitor.wait(lambda: any(part.widget.endswith("other-ways") for part in visitor.parts.values()))
        ways = next(part for part in visitor.parts.values() if part.kind == "expandable" and part.widget.endswith("other-ways"))
        await visitor.set(WidgetState(id=ways.widget, bool_value=True))
        await visitor.wait(lambda: PICTURE in visitor.texts())
        await visitor.upload(PICTURE, "noise.jpg", heavy_picture(chance))
        self.ends["picture looked at"] += 1


async def class_takes_memory(server: Server, count: int, most: float, seconds: float) -> list[Row]:
    """Scenario E: a search over mixes of settings, files and pictures. most: MB that the server may take."""
    over, ends, waits, drawings = asyncio.Event(), Counter[str](), list[float](), sketches(20)
    peak, whole = own_megabytes(server), megabytes(server)
    artist = await Visitor(server.url, patience=LONGEST).open("draw")
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(Greedy(number, ends).attend(server.url, over))
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            waits.append(await artist.draw(drawings[len(waits) % len(drawings)]))
            peak, whole = max(peak, own_megabytes(server)), max(whole, megabytes(server))
            await asyncio.sleep(0.5)
        over.set()
    await artist.close()
    neither = [end for end in ends if end.startswith("neither")]
    return [
        Row("trainings begun", ">= 1", f"{ends['begun']}", ends["begun"] >= 1),
        *[Row(f"  {end}", "", f"{times}", None) for end, times in ends.most_common() if end not in ("begun", *neither)],
        Row("  neither begun nor refused in a sentence", "0", f"{len(neither)}", not neither, "; ".join(neither[:2])),
        Row("drawings meanwhile", "all", f"{len(waits)}", True, f"p95 {percentile(waits, 0.95) * 1000:.0f} ms"),
        Row(
            "most memory",
            f"<= {1.1 * most:.0f} MB",
            f"{peak:.0f} MB",
            peak <= 1.1 * most,
            f"MEMORY_LIMIT {most:.0f} MB; {whole:.0f} MB with libraries",
        ),
    ]


USUAL, LONGEST_REST = 0.05, 1.0
"""Seconds, as in pages/shared/components/messages.js: after an answer a pen that moves rests, the longer the slower it was."""


@dataclass
class Artist:
    """One session that draws without a pause, and what it saw: seconds to the answer for each moving and each lifted pen.

    overtaken: how many moving pens were lifted before their answer.
    """

    number: int
    moved: list[float] = field(default_factory=list)
    overtaken: int = 0
    lifted: list[float] = field(default_factory=list)

    async def draw(self, url: str, drawings: list[list[Sketch]], over: asyncio.Event) -> None:
        """Draw one stroke after the other, each from a little to the whole of it, for as long as a stroke takes a hand."""
        chance = random.Random(self.number)
        visitor = await Visitor(url).open("draw")
        await asyncio.sleep(chance.uniform(0, STROKE + LIFTED))
        turn, moved = 0, list[asyncio.Task[float]]()
        while not over.is_set():
            frames = drawings[(self.number + 7 * turn) % len(drawings)]
            turn += 1
            began, sent = time.monotonic(), -1
            while (done := (time.monotonic() - began) / STROKE) < 1:
                rest = STROKE / len(frames)
                if (number := int(done * (len(frames) - 1))) > sent:  # what is on the canvas already is not sent again
                    moved.append(asyncio.create_task(visitor.move_pen(frames[number], False)))
                    asked = time.monotonic()
                    await asyncio.wait(moved[-1:], timeout=began + STROKE - asked)  # the pen is lifted all the same
                    sent, rest = number, min((time.monotonic() - asked) ** 2 / USUAL, LONGEST_REST)
                await asyncio.sleep(min(rest, max(0.0, began + STROKE - time.monotonic())))
            self.lifted.append(await visitor.move_pen(frames[-1], True))
            await asyncio.sleep(LIFTED)
        waits = await asyncio.gather(*moved)
        self.moved = [wait for wait in waits if math.isfinite(wait)]
        self.overtaken = len(waits) - len(self.moved)
        await visitor.close()


STROKE, LIFTED = 1.5, 1.0
"""Seconds of a stroke, and between two."""


async def all_draw(url: str, count: int, drawings: list[list[Sketch]], seconds: float) -> list[Artist]:
    """A class that draws for some seconds; raises what any of them met, an answer that never came too."""
    over = asyncio.Event()
    artists = [Artist(number) for number in range(count)]
    async with asyncio.TaskGroup() as group:
        for artist in artists:
            group.create_task(artist.draw(url, drawings, over))
        await asyncio.sleep(seconds)
        over.set()
    return artists


async def class_draws(server: Server, count: int, trainings: int, seconds: float) -> list[Row]:
    """Scenario F."""
    drawings = growing(40)
    await all_draw(server.url, 2, drawings, 5)  # whatever is loaded once is loaded now
    quiet = await all_draw(server.url, count, drawings, seconds)
    trainers = [await Visitor(server.url).open("train", "preset=course&epochs=200") for _ in range(trainings)]
    for trainer in trainers:
        await trainer.press("Start")
    busy = await all_draw(server.url, count, drawings, seconds)
    for trainer in trainers:
        await trainer.close()
    rows, before = [], 0.0
    for name, artists in (("none training", quiet), (f"{trainings} training", busy)):
        moved = [wait for artist in artists for wait in artist.moved]
        lifted = [wait for artist in artists for wait in artist.lifted]
        p95 = percentile(lifted, 0.95)
        limit = 2 * before if before else 0.4
        detail = f"median {percentile(lifted, 0.5) * 1000:.0f} ms of {len(lifted)}, each answered"
        wanted = f"<= {limit * 1000:.0f} ms"
        rows.append(Row(f"pointer-up to verdict, p95, {name}", wanted, f"{p95 * 1000:.0f} ms", p95 <= limit, detail))
        each = len(moved) / count / seconds * (STROKE + LIFTED) / STROKE
        overtaken = sum(artist.overtaken for artist in artists)
        detail = f"median {percentile(moved, 0.5) * 1000:.0f} ms from the move to its answer; lifted before it: {overtaken}"
        rows.append(Row(f"answers a second to a moving pen, {name}", "", f"{each:.1f}", None, detail))
        before = before or p95
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--students", type=int, default=30)
    parser.add_argument("--idle", type=int, default=100)
    parser.add_argument("--trained", type=int, default=10)
    parser.add_argument("--hogs", type=int, default=10, help="beside two thirds of the students")
    parser.add_argument("--memory", type=int, default=2000, help="MEMORY_LIMIT in MB of scenario E")
    parser.add_argument("--seconds", type=float, default=120.0, help="of scenario E")
    parser.add_argument("--only", default="ABCDEF", help="letters of the scenarios wanted")
    parser.add_argument("--quiet", type=float, default=45.0, help="seconds of drawing without training")
    asked = parser.parse_args()
    kept = True
    scenarios: dict[str, tuple[str, Callable[[Server], Coroutine[None, None, list[Row]]]]] = {
        "A": (
            f"{asked.students} students train and draw, {os.cpu_count()} cores",
            lambda server: class_trains(server, asked.students, asked.quiet),
        ),
        "B": (f"{asked.idle} idle tabs beside 10 that draw", lambda server: class_idles(server, asked.idle, 10)),
        "C": (f"{asked.trained} tabs that train again and again", lambda server: class_has_trained(server, asked.trained)),
        "D": (
            f"{asked.students * 2 // 3} students beside {asked.hogs} hogs",
            lambda server: class_has_hogs(server, asked.students * 2 // 3, asked.hogs),
        ),
        "E": (
            f"{asked.students} who ask for memory in every way",
            lambda server: class_takes_memory(server, asked.students, asked.memory, asked.seconds),
        ),
        "F": (
            f"{asked.students} students draw without a pause, {os.cpu_count()} cores",
            lambda server: class_draws(server, asked.students, 2, asked.quiet / 2),
        ),
    }
    try:
        for letter in asked.only:
            title, scenario = scenarios[letter]
            if letter == "E":
                os.environ["MEMORY_LIMIT"] = f"{asked.memory}M"
            with running() as server:
                kept &= show(f"{letter}: {title}", asyncio.run(scenario(server)))
    except* AppError as failed:
        raise SystemExit(f"A session failed: {failed.exceptions}") from None
    raise SystemExit(0 if kept else 1)


if __name__ == "__main__":
    main()
