"""A whole class at once, on a real server with real connections: `make load`.

A: a class trains the course's network on MNIST, every student on their own, and draws meanwhile.
B: idle tabs beside a few that draw, for the memory of a session.
C: tabs that train the course's network again and again, for the same.
D: a class that trains and draws beside hogs with the largest trainings that are allowed, which the teacher then ends.
E: a search over mixes of allowed settings, files, pictures, pages and tabs, for the memory of the server.
F: a class whose pens all move at once, first while nothing else happens, then beside trainings.
Everything happens on this machine; count and time are bounded. The exit status is 1 when a bound is missed.
"""

import argparse
import asyncio
import io
import math
import os
import random
import re
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import median
from urllib.error import HTTPError
from urllib.parse import urlencode

import numpy as np
import torch
import websockets
from PIL import Image, ImageDraw
from streamlit.proto.WidgetStates_pb2 import WidgetState

from core.checkpoint import Checkpoint, to_bytes
from core.detector import AutoencoderDetector, DetectorConfig
from core.experiments.sweep_table import KINDS, MAX_UPLOADED_ROWS
from core.model import ModelConfig
from pages.shared.navigation import PAGES
from tests.hostile import encoded
from tests.load.server import (
    Row,
    Server,
    growing,
    megabytes,
    own_megabytes_of_children,
    percentile,
    processor,
    running,
    show,
    sketches,
)
from tests.load.visitor import AppError, NoAnswerError, Sketch, Visitor

PAUSE = 5.0
"""Seconds between two drawings of one student."""

LOOK_EVERY = 0.25
"""Seconds between two looks of a student whether the training is over; thirty who look need the processor too."""

LONGEST = 900.0
"""Seconds after which a class is sent home."""

MAX_OF_FAIR = 1.35
"""How many times its fair share the slowest training may take: what all trainings need, shared by all cores."""


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
            while (left := asked + PAUSE - time.monotonic()) > 0 and not lesson.is_set():
                await asyncio.sleep(min(LOOK_EVERY, left))
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
    singles = [await alone(server.url) for _ in range(3)]
    without = [wait for student in await lesson(server.url, count, drawings, False, quiet) for wait in student.waits]
    before, began = processor(server), time.monotonic()
    students = await lesson(server.url, count, drawings, True, LONGEST)
    after, seconds = processor(server), time.monotonic() - began
    used = [(now - then) / seconds for now, then in zip(after, before, strict=True)]
    waits = [wait for student in students for wait in student.waits]
    ended = [student.trained for student in students if student.trained]
    singles += [await alone(server.url) for _ in range(3)]  # a rented machine's cores change their speed by a third meanwhile
    single = median(singles)
    fair = single * count / (os.cpu_count() or 1)
    quick, now = percentile(without, 0.95), percentile(waits, 0.95)
    return [
        Row("jobs that ended", f"{count}", f"{len(ended)}", len(ended) == count),
        Row("drawings judged", "", f"{len(waits)}", None, "each waited for its own verdict; a lost one fails the run"),
        Row("one training alone", "", f"{single:.1f} s", None, f"median of {', '.join(f'{each:.1f}' for each in singles)}"),
        Row(
            "slowest job",
            f"<= {MAX_OF_FAIR * fair:.0f} s",
            f"{max(ended, default=0):.0f} s",
            max(ended, default=1e9) <= MAX_OF_FAIR * fair,
            f"{max(ended, default=0) / fair:.2f} of a fair share of {count} x {single:.1f} s / {os.cpu_count()} cores",
        ),
        Row(
            "drawing to verdict, p95, without training",
            "",
            f"{quick * 1000:.0f} ms",
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
        Row("the same, times without training", "<= 2", f"{now / quick:.1f}", now <= 2 * quick),
        Row(
            "processor while all train",
            "",
            f"{sum(used):.2f} cores",
            None,
            f"{used[0]:.2f} the server, {used[1]:.2f} the processes that train, {used[2]:.2f} the students, who are this tool",
        ),
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
        with suppress(NoAnswerError):
            await hog.wait(lambda hog=hog: "The teacher ended this training" in hog.texts(), 60)
    ended = time.monotonic() - asked
    read = sum("The teacher ended this training" in hog.texts() for hog in greedy)
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
        Row("hogs ended by one press", f"{hogs}", f"{read}", read == hogs, f"who did read it after {ended:.1f} s"),
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


VARIANTS = 3
"""Files of each kind, made once: who measures must not be busy with making them."""


@cache
def heavy_checkpoint(number: int) -> bytes:
    """A file as large as an upload may be: a wide network, or as many remembered images as there may be."""
    remembers = number % 2 == 0
    model = ModelConfig(hidden_sizes=(8,) if remembers else (1024, 256), latent_dim=36 if remembers else 64)
    made = AutoencoderDetector(DetectorConfig(model=model, neighbours=5 if remembers else 0))
    made.memory_ = torch.rand(60_000, model.latent_dim)
    return to_bytes(Checkpoint(made.set_calibration(torch.rand(60_000))), torch.float16)


@cache
def heavy_picture(number: int) -> bytes:
    """A photo as large as one may be, of noise: it looks for digits everywhere."""
    side = (1200, 3000)[number % 2]
    noise = np.random.default_rng(number).integers(0, 256, (side // 4, side // 4), dtype=np.uint8)
    return encoded(Image.fromarray(noise).resize((side, side)), "JPEG", quality=90)


LOOKED_AT = tuple(entry.path for entry in PAGES if entry.name not in ("home", "train", "class") and not entry.for_teacher)
"""Pages that make something of the detector in use which the server remembers: Home, Train and the class's make nothing."""


@cache
def heavy_zip(number: int) -> bytes:
    """One photo of 24 megapixels, or many small pictures."""
    if number % 2 == 0:
        pictures = [encoded(stroke(6000, 4000, 0.5), "JPEG", quality=60)]
    else:
        pictures = [encoded(stroke(100, 100, place / 400)) for place in range(400)]
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for place, picture in enumerate(pictures):
            archive.writestr(f"kind {place % 4}/{place}.png", picture)
    return made.getvalue()


def stroke(width: int, height: int, tilt: float) -> Image.Image:
    """A black line on white, by the share of the width by which it leans."""
    picture = Image.new("L", (width, height), "white")
    line = (width * (0.25 + tilt / 2), height * 0.2, width * (0.75 - tilt / 2), height * 0.8)
    ImageDraw.Draw(picture).line(line, "black", height // 12)
    return picture


@cache
def heavy_table(number: int) -> bytes:
    """A sweep's table with as many rows as an upload holds, or as are read; no two of the same settings."""
    count = 120_000 if number % 2 == 0 else MAX_UPLOADED_ROWS
    rows = [f"seed={seed},1,1,0,1,1,1,1,a,a,a,a,a" for seed in range(number, number + count)]
    return "\n".join([",".join(KINDS), *rows]).encode()


PICTURE = "Upload a photo or scan, of one digit or of many"
ZIP = "Bring a zip"
TABLE = "Upload a sweep's table"
CODE = "A detector of the class, by its code"


@dataclass
class Greedy:
    """A visitor who asks for memory in every way there is, and how often each asking ended in what.

    codes: of detectors that were given to the class, by anybody. has: what he has done since he came.
    """

    seed: int
    number: int
    ends: Counter[str]
    codes: list[str]
    has: list[str] = field(default_factory=list)
    tabs: list[Visitor] = field(default_factory=list)

    async def attend(self, url: str, over: asyncio.Event) -> None:
        """Come again and again until it is over."""
        chance = random.Random(f"{self.seed} {self.number}")
        deeds = (
            self.upload, self.look, self.show_picture, self.bring_zip, self.bring_table, self.measure_others, self.train_trap,
            self.train_overfitting, self.open_tab, self.reload, self.give_to_class, self.take_from_class,
        )  # fmt: skip
        while not over.is_set():
            try:
                await self.train(url, chance)
                for deed in chance.choices(deeds, k=chance.randint(1, 6)):
                    if not over.is_set():
                        self.has.append(deed.__name__)
                        await deed(self.tabs[-1], chance)
                with suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), chance.uniform(1, 20))
            except (AppError, OSError, websockets.WebSocketException) as error:
                self.ends[f"neither: {self.has[-1:]}: {type(error).__name__}: {str(error)[:200]}"] += 1
            for visitor in self.tabs:
                with suppress(OSError, websockets.WebSocketException):
                    await visitor.close()

    async def train(self, url: str, chance: random.Random) -> None:
        settings = heavy_settings(chance)
        self.has, self.tabs = [f"train {settings}"], [Visitor(url, patience=LONGEST)]
        await self.tabs[0].open("train", settings)
        await self.start(self.tabs[0], "Start")

    async def start(self, visitor: Visitor, button: str) -> None:
        """Press what begins a training or a comparison, where it can be pressed, and note what became of it.

        Start cannot be pressed where a sentence says why.
        """
        is_train = button == "Start"
        if is_pressed := visitor.can_press(button):
            await visitor.press(button)
        elif not is_train:
            return
        seen = visitor.texts()
        if "MB of memory" in seen:
            end = "refused: memory"
        elif not is_train:
            end = "refused: one at a time" if "is still being measured" in seen else f"begun: {button}"
        elif is_pressed and visitor.can_press("Stop"):
            end = "begun"
        else:
            refused = re.search("times as much work|At most|at most|cannot be|can be used for|between", seen)
            end = "refused: settings" if refused else f"neither: {seen[-300:]}"
        self.ends[end] += 1

    async def send(self, visitor: Visitor, label: str, name: str, data: bytes) -> None:
        """Upload a file, and note what became of it."""
        uploaders = (part.content.file_uploader for part in visitor.parts.values() if part.kind == "file_uploader")
        whole = next((uploader.label for uploader in uploaders if uploader.label.startswith(label)), None)
        if whole is None:
            raise AppError(f"“{visitor.page}” asks for no file by “{label}”: {visitor.texts()[-300:]}")
        try:
            await visitor.upload(whole, name, data)
        except HTTPError as error:
            self.ends[f"{name} refused: status {error.code}"] += 1
            return
        seen = visitor.texts()
        is_refused = re.search("stays as it was|may have|at most|cannot be", seen)
        self.ends[f"{name} refused: memory" if "MB of memory" in seen else f"{name} refused" if is_refused else name] += 1

    async def open_box(self, visitor: Visitor, key: str) -> None:
        """What is closed at first, and empty until it is opened."""

        def boxes() -> list[str]:
            return [part.widget for part in visitor.parts.values() if part.kind == "expandable" and part.widget.endswith(key)]

        await visitor.wait(boxes)
        await visitor.set(WidgetState(id=boxes()[0], bool_value=True))

    async def upload(self, visitor: Visitor, chance: random.Random) -> None:
        await self.send(visitor, "Upload a checkpoint", "heavy.safetensors", heavy_checkpoint(chance.randrange(VARIANTS)))

    async def look(self, visitor: Visitor, chance: random.Random) -> None:
        await visitor.go_to(chance.choice(LOOKED_AT))

    async def show_picture(self, visitor: Visitor, chance: random.Random) -> None:
        await visitor.go_to("draw")
        await self.open_box(visitor, "other-ways")
        await visitor.wait(lambda: PICTURE in visitor.texts())
        await self.send(visitor, PICTURE, "noise.jpg", heavy_picture(chance.randrange(VARIANTS)))

    async def bring_zip(self, visitor: Visitor, chance: random.Random) -> None:
        await visitor.go_to("draw")
        await self.open_box(visitor, "own-examples")
        await visitor.wait(lambda: ZIP in visitor.texts())
        await self.send(visitor, ZIP, "signs.zip", heavy_zip(chance.randrange(VARIANTS)))

    async def bring_table(self, visitor: Visitor, chance: random.Random) -> None:
        await visitor.go_to("evaluate")
        if TABLE in visitor.texts():  # not where the detector has nothing to be evaluated on
            await self.send(visitor, TABLE, "sweep.csv", heavy_table(chance.randrange(VARIANTS)))

    async def measure_others(self, visitor: Visitor, chance: random.Random) -> None:
        await visitor.go_to("evaluate")
        buttons = [part.content.button.label for part in visitor.parts.values() if part.kind == "button"]
        for label in buttons:
            if label.endswith("simpler methods"):
                await self.start(visitor, label)

    async def train_trap(self, visitor: Visitor, chance: random.Random) -> None:
        await self.train_in_lesson(visitor, 12, "Train both now")

    async def train_overfitting(self, visitor: Visitor, chance: random.Random) -> None:
        await self.train_in_lesson(visitor, 11, "Train now")

    async def train_in_lesson(self, visitor: Visitor, step: int, button: str) -> None:
        """Answer the step's question, whereupon it can be trained."""
        await visitor.go_to("learn", f"step={step}")
        question = next((part for part in visitor.parts.values() if part.kind == "button_group"), None)
        if question and not visitor.can_press(button):
            state = WidgetState(id=question.widget)
            state.string_array_value.data.append(question.content.button_group.options[0].content)
            await visitor.set(state)
        await self.start(visitor, button)

    async def open_tab(self, visitor: Visitor, chance: random.Random) -> None:
        """Another one of the same browser."""
        tab = Visitor(visitor.url, patience=LONGEST)
        tab.cookies |= visitor.cookies
        self.tabs.append(await tab.open(chance.choice(LOOKED_AT)))

    async def reload(self, visitor: Visitor, chance: random.Random) -> None:
        """The last tab anew, as F5 does: another session."""
        self.tabs.pop()
        await visitor.close()
        await self.open_tab(visitor, chance)

    async def give_to_class(self, visitor: Visitor, chance: random.Random) -> None:
        await visitor.go_to("class")
        if visitor.can_press("Join the class"):
            await visitor.press("Join the class")
        if visitor.can_press("Give this detector to the class"):
            await visitor.press("Give this detector to the class")
            found = re.search(r"Its code is \*\*(\w+)", visitor.texts())
            self.codes += [found[1]] if found else []
            self.ends["given to the class" if found else "not given to the class"] += 1

    async def take_from_class(self, visitor: Visitor, chance: random.Random) -> None:
        boxes = (part for part in visitor.parts.values() if part.kind == "text_input" and part.content.text_input.label == CODE)
        box = next(boxes, None)
        if box and self.codes:
            await visitor.set(WidgetState(id=box.widget, string_value=chance.choice(self.codes)))
            await visitor.press("Use it")
            self.ends["of the class refused" if "stays as it was" in visitor.texts() else "of the class"] += 1


class MemoryWatch(threading.Thread):
    """Looks at the server's memory five times a second, in a thread of its own, and at what visitors have at its peak.

    Between two looks the system's own high-water mark counts, without the files that it only reads; of the processes in which
    trainings are computed, what they have at each look.
    """

    def __init__(self, server: Server, greedy: Sequence[Greedy]) -> None:
        super().__init__(daemon=True)
        self.peak, self.whole = 0.0, 0.0
        self.mix: Counter[str] = Counter()
        self._server = server
        self._status = Path(f"/proc/{server.process.pid}/status")
        self._greedy = greedy
        self._over = threading.Event()
        Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")  # begins the mark anew

    def run(self) -> None:
        while not self._over.wait(0.2):
            text = self._status.read_text()
            size = {
                name: int(text.split(f"{name}:")[1].split()[0]) / 1024 for name in ("VmHWM", "RssFile", "RssAnon", "RssShmem")
            }
            own = size["RssAnon"] + size["RssShmem"]
            if size["VmHWM"] > self.whole:
                own, self.whole = max(own, size["VmHWM"] - size["RssFile"]), size["VmHWM"]
            own += own_megabytes_of_children(self._server)
            if own > self.peak:
                self.peak = own
                self.mix = Counter(deed for visitor in self._greedy for deed in tuple(visitor.has))

    def end(self) -> None:
        self._over.set()
        self.join()


@dataclass
class Took:
    """What one search found. peak: MB; mix: what visitors had done since they came when it was reached."""

    rows: list[Row]
    peak: float
    mix: Counter[str]


ARTISTS = 3
"""Who draw while others ask for memory."""

GRACE = 60.0
"""Seconds after which nobody is waited for any more when the search is over."""


async def takes_memory(server: Server, count: int, most: float, seconds: float, seed: int) -> Took:
    """Scenario E: mixes of settings, files, pictures and pages, by chance. most: MB that the server may take."""
    for make in (heavy_checkpoint, heavy_picture, heavy_zip, heavy_table):
        for number in range(VARIANTS):
            make(number)
    over, ends, codes, drawings = asyncio.Event(), Counter[str](), list[str](), sketches(20)
    waits, lost = list[float](), list[str]()

    async def draw() -> None:
        artist = await Visitor(server.url).open("draw")
        while not over.is_set():
            try:
                waits.append(await artist.draw(drawings[len(waits) % len(drawings)]))
            except AppError as error:
                lost.append(str(error)[:200])
                artist = await Visitor(server.url, patience=LONGEST).open("draw")
            await asyncio.sleep(1)
        await artist.close()

    teacher = await Visitor(server.url).open("class")
    await teacher.press("Begin the class")
    await teacher.close()
    greedy = [Greedy(seed, number, ends, codes) for number in range(count)]
    watch = MemoryWatch(server, greedy)
    watch.start()
    try:
        tasks = [asyncio.create_task(draw()) for _ in range(ARTISTS)]
        tasks += [asyncio.create_task(visitor.attend(server.url, over)) for visitor in greedy]
        await asyncio.sleep(seconds)
        over.set()
        _, late = await asyncio.wait(tasks, timeout=GRACE)
        for task in late:  # who still waits for a file to be read or a page to come
            task.cancel()
        for failed in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(failed, Exception):
                ends[f"neither: {type(failed).__name__}: {str(failed)[:200]}"] += 1
    finally:
        watch.end()
    neither = [end for end in ends if end.startswith("neither")]
    p95 = percentile(waits or [math.inf], 0.95)
    rows = [
        Row("trainings begun", ">= 1", f"{ends['begun']}", ends["begun"] >= 1),
        *[Row(f"  {end}", "", f"{times}", None) for end, times in ends.most_common() if end not in ("begun", *neither)],
        Row("  neither done nor refused in a sentence", "0", f"{len(neither)}", not neither, "; ".join(neither[:2])),
        Row("waited still when it was over", "", f"{len(late)}", None),
        Row(
            "drawings answered", f"{len(waits) + len(lost)}", f"{len(waits)}", 0 == len(lost) < len(waits), "; ".join(lost[:2])
        ),
        Row("drawing to verdict, p95", "<= 1000 ms", f"{p95 * 1000:.0f} ms", p95 <= 1),
        Row(
            "most memory",
            f"<= {1.1 * most:.0f} MB",
            f"{watch.peak:.0f} MB",
            watch.peak <= 1.1 * most,
            f"MEMORY_LIMIT {most:.0f} MB; {watch.whole:.0f} MB with libraries",
        ),
    ]
    return Took(rows, watch.peak, watch.mix)


def search_memory(count: int, most: int, seconds: float, seeds: Sequence[int]) -> bool:
    """Scenario E with other mixes for each seed, each on a fresh server; the worst is printed. Whether all bounds were kept."""
    found: dict[int, Took] = {}
    kept = True
    for seed in seeds:
        with running({"MEMORY_LIMIT": f"{most}M", "MAX_CONNECTIONS_PER_ADDRESS": "10000"}) as server:
            found[seed] = asyncio.run(takes_memory(server, count, most, seconds, seed))
        kept &= show(f"E: {count} who ask for memory in every way, seed {seed}", found[seed].rows)
    worst = max(found, key=lambda seed: found[seed].peak)
    print(f"\nThe worst mix, of seed {worst}, took {found[worst].peak:.0f} MB:")
    for deed, times in found[worst].mix.most_common():
        print(f"  {times} × {deed}")
    return kept


USUAL, MAX_REST = 0.05, 1.0
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
                    sent, rest = number, min((time.monotonic() - asked) ** 2 / USUAL, MAX_REST)
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
    parser.add_argument("--seeds", type=int, default=3, help="of scenario E: so many searches, each with other mixes")
    parser.add_argument("--first-seed", type=int, default=0)
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
        "F": (
            f"{asked.students} students draw without a pause, {os.cpu_count()} cores",
            lambda server: class_draws(server, asked.students, 2, asked.quiet / 2),
        ),
    }
    for letter in asked.only:
        try:
            if letter == "E":
                seeds = range(asked.first_seed, asked.first_seed + asked.seeds)
                kept &= search_memory(asked.students, asked.memory, asked.seconds, seeds)
                continue
            title, scenario = scenarios[letter]
            with running() as server:
                kept &= show(f"{letter}: {title}", asyncio.run(scenario(server)))
        except* AppError as failed:
            print(f"{letter}: a session failed: {failed.exceptions}")
            kept = False
    raise SystemExit(0 if kept else 1)


if __name__ == "__main__":
    main()
