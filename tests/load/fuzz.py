"""Five thousand of everything as nobody should send it: `make load` begins with this.

drawings: drawings and files, straight into the reader, with the memory that each takes.
checkpoints: files that the reader accepts although nobody would make them, uploaded and looked at on every page.
links: addresses of every page with settings at the ends of their ranges, beyond, and with what others write there.
widgets: values of every widget of every page at the ends of what it offers, beyond, and of another kind.
door: the last two by a stranger, at a server with a password that he does not have: he may see its form and nothing else.

All but the first ask a server; every other visitor is the teacher, the others are students of a class. The exit status is 1
when anything ends in something else than a page or a sentence, or not at all, or when the server's log holds what nobody meant.
A case is made by its number: --first and --cases repeat some of them.
"""

import argparse
import asyncio
import json
import os
import re
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError

import numpy as np
from streamlit.proto.WidgetStates_pb2 import WidgetState

from core.drawing import from_canvas_png, from_picture
from pages.shared.navigation import PAGES
from pages.shared.state.keys import UPLOADED_CHECKPOINT
from pages.shared.state.lesson import STEPS
from tests import odd
from tests.browser.conftest import REAL_DATA, start_server
from tests.hostile import CANVASES, FILES, MAX_MEMORY, READERS, STRONG, outcome, peak_memory
from tests.load.classroom import ELSEWHERE
from tests.load.server import Row, show, sketches
from tests.load.visitor import Part, Visitor, is_canvas

PATHS = tuple(entry.path for entry in (*PAGES[1:], PAGES[0]))
"""Home is the last, where the next checkpoint is uploaded."""

ODD_STEPS = STEPS + 4
"""Of the lesson, and some that there are not."""

OF_ONE_VISITOR = 10
"""Cases, until another visitor comes."""

PATIENCE = 200.0
"""Seconds that a page may take on a machine that does other things: what never comes is looked for, not what is slow."""

UPLOAD = "Upload a checkpoint"
STAYS = "The detector in use stays as it was."

SETTINGS = {"MAX_CONNECTIONS_PER_ADDRESS": "100000", "MAX_WORK": "1"}
"""Of the server: all visitors come from this machine, and trainings are not what is looked at."""


@dataclass
class Ends:
    """How cases ended: how often in what, and the first of those that ended in something else."""

    counts: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)

    def note(self, end: str) -> None:
        self.counts[end] += 1

    def fail(self, number: int, where: str, error: BaseException) -> None:
        self.counts["something else"] += 1
        self.failed.append(f"case {number} on “{where}”: {type(error).__name__}: {str(error)[:300]}")


Case = Callable[[str, int, Ends], Coroutine[None, None, None]]
"""Tries some cases, from this number on, at the server with this address."""


# ---------------------------------------------------------------- drawings


def drawings(first: int, cases: int) -> list[Row]:
    """Without a server: what the reader of drawings and files makes of them."""
    warnings.simplefilter("ignore")
    random = np.random.default_rng(0)
    ends: Counter[str] = Counter()
    most, started = 0.0, time.monotonic()
    strong = [(read, make) for read in READERS for make in STRONG.values()]
    ordinary = [(read, make) for read, kinds in ((from_canvas_png, CANVASES), (from_picture, FILES)) for make in kinds.values()]
    for number in range(first, first + cases):
        read, make = strong[number] if number < len(strong) else ordinary[number % len(ordinary)]
        data = make(random)
        before = peak_memory(forget=True)
        found = outcome(read, data)
        most = max(most, peak_memory() - before)
        ends["nothing" if found is None else "a sentence" if isinstance(found, str) else "an image"] += 1
    took = time.monotonic() - started
    return [
        Row("drawings and files", f"{cases:,}", f"{sum(ends.values()):,}", sum(ends.values()) == cases, f"{took:.0f} s"),
        *[Row(f"  ended as {end}", "", f"{count:,}", None) for end, count in ends.most_common()],
        Row("most memory that one took", f"<= {MAX_MEMORY:.0f} MB", f"{most:.0f} MB", most <= MAX_MEMORY),
    ]


# ---------------------------------------------------------------- what a server is asked

SKETCH = sketches(1)[0]


def random_of(part: str, number: int) -> np.random.Generator:
    return np.random.default_rng([*part.encode(), number])


def newcomer(url: str, number: int, patience: float = PATIENCE) -> Visitor:
    """Who sits at the server is its teacher; every other visitor comes from elsewhere, as students do."""
    return Visitor(url, ELSEWHERE if is_student(number) else None, patience)


def is_student(number: int) -> bool:
    """By the number of a case: whole visitors, and each page by both."""
    return number // OF_ONE_VISITOR // len(PATHS) % 2 == 1


async def checkpoints(url: str, first: int, ends: Ends) -> None:
    """Upload each file, and look at it on every page; on Draw at a drawing too, in the lesson at one of its steps."""
    visitor: Visitor | None = None
    for number in range(first, first + OF_ONE_VISITOR):
        random = random_of("checkpoint", number)
        data = odd.checkpoint(random)
        try:
            visitor = visitor or await newcomer(url, first).open()
            try:
                await visitor.upload(UPLOAD, "odd.safetensors", data)
            except HTTPError as error:
                if error.code != 413:
                    raise
                ends.note("larger than an upload may be")
                continue
            if STAYS in visitor.texts():
                ends.note("a sentence")
                continue
            for page in filter(visitor.pages.__contains__, PATHS):
                await visitor.go_to(page, f"step={random.integers(1, ODD_STEPS)}" if page == "learn" else "")
                if page == "draw":
                    await draw(visitor)
                require_page(visitor)
            ends.note("a page")
        except Exception as error:
            ends.fail(number, visitor.page if visitor else "", error)
            await leave(visitor)
            visitor = None  # another one comes to the next case
    await leave(visitor)


async def links(url: str, first: int, ends: Ends) -> None:
    """Open each address as a newcomer."""
    for number in range(first, first + OF_ONE_VISITOR):
        visitor, page = newcomer(url, number), PATHS[number % len(PATHS)]
        try:
            await visitor.open(page, odd.link(random_of("link", number)))
            require_page(visitor)
            ends.note("a sentence" if "This link cannot be used" in visitor.texts() else "a page")
        except Exception as error:
            ends.fail(number, page, error)
        await leave(visitor)


async def widgets(url: str, first: int, ends: Ends) -> None:
    """Set one widget of a page after the other, those that were set least before; what was set stays.

    Each value is answered by a run, however little it is worth.
    """
    page = PATHS[first // OF_ONE_VISITOR % len(PATHS)]
    visitor: Visitor | None = None
    for number in range(first, first + OF_ONE_VISITOR):
        random, name, value = random_of("widget", number), "", WidgetState()
        try:
            visitor = visitor or await begin(url, page, number)
            found = {named(visitor, part): part for part in visitor.parts.values() if part.widget}
            if len(found) < 3:  # a press of “Start afresh” has taken the page away
                await leave(visitor)
                visitor = await begin(url, page, number)
                found = {named(visitor, part): part for part in visitor.parts.values() if part.widget}
            name = min(found, key=lambda name: (ends.counts[name], random.random()))
            ends.counts[name] += 1
            part = found[name]
            value = odd.value(random, part.kind, getattr(part.content, part.kind))
            await visitor.set(value)
            ends.note("a page")
        except Exception as error:
            ends.fail(number, f"{page} {name} set to {str(value)[:200]}", error)
            await leave(visitor)
            visitor = None  # another one comes to the next case
    await leave(visitor)


OF_A_WIDGET = "widget: "


def named(visitor: Visitor, part: Part) -> str:
    inner = getattr(part.content, part.kind)
    name = getattr(inner, "label", "") or getattr(inner, "component_name", "") or part.widget.rpartition("-")[2]
    return f"{OF_A_WIDGET}{visitor.page}, {part.kind}, {name}"


PASSWORD = "the class's own"


async def door(url: str, first: int, ends: Ends) -> None:
    """Open each address without the password, send what pages behind it take, and see that none of them comes."""
    for number in range(first, first + OF_ONE_VISITOR):
        random, page = random_of("door", number), PATHS[number % len(PATHS)]
        visitor = Visitor(url, ELSEWHERE, PATIENCE)
        try:
            await visitor.open(page, odd.link(random))
            parts = [part for part in visitor.parts.values() if part.widget]
            for part in parts:
                inner = getattr(part.content, part.kind)
                # A wrong answer makes all of an address wait, who are all visitors here.
                if part.kind != "button" or number % 100 == 0:
                    await visitor.set(odd.value(random, part.kind, inner))
            await visitor.set(WidgetState(id=odd.text(random), json_value=json.dumps(odd.odd_json(random))))
            await visitor.run_fragments()
            with suppress(HTTPError):
                await asyncio.to_thread(visitor._put, f"_stcore/upload_file/{visitor.session_id}/1", "a", b"a")
                raise AssertionError("A stranger's file was taken.")
            kinds = {part.kind for part in visitor.parts.values() if part.widget}
            assert kinds == {"text_input", "button"}, f"A stranger sees {kinds}."
            ends.note("the door")
        except Exception as error:
            ends.fail(number, page, error)
        await leave(visitor)


async def begin(url: str, page: str, number: int) -> Visitor:
    """A newcomer on a page with something to look at, and with everything open that is closed at first."""
    visitor = newcomer(url, number, PATIENCE / 4)
    step = f"step={number // OF_ONE_VISITOR % ODD_STEPS + 1}" if page == "learn" else ""
    if is_student(number):
        await visitor.open("class")
        await join(visitor, url)
        await visitor.go_to(page if page in visitor.pages else "", step)
    else:
        await visitor.open(page, step)
    if page == "draw":
        await draw(visitor)
    for _ in range(MAX_OPENED):
        closed = [part for part in visitor.parts.values() if part.kind == "expandable" and part.widget not in visitor._states]
        closed = [part for part in closed if part.widget and not part.content.expandable.expanded]
        if not closed:
            break
        await visitor.set(WidgetState(id=closed[0].widget, bool_value=True))
    return visitor


MAX_OPENED = 10
"""What is closed on one page, and what is closed in there."""


async def join(visitor: Visitor, url: str) -> None:
    """Come into the class. A teacher begins one where there is none, and another one where it is full."""
    if not visitor.can_press("Join the class"):
        await begin_class(url)
        await visitor.run_again()
    if visitor.can_press("Join the class"):
        await visitor.press("Join the class")
    if "The class is full" in visitor.texts():
        await begin_class(url, is_full=True)
        await visitor.run_again()
        await visitor.press("Join the class")


async def begin_class(url: str, is_full: bool = False) -> None:
    """As the teacher. is_full: the class that there is ends before."""
    teacher = await Visitor(url, patience=PATIENCE / 4).open("class")
    if is_full and not teacher.can_press("Begin the class"):
        for kind, label in (("popover", "More"), ("checkbox", "I want to delete drawings")):
            (widget,) = (part.widget for part in teacher.parts.values() if is_labelled(part, kind, label))
            await teacher.set(WidgetState(id=widget, bool_value=True))
        await teacher.press("End the class")
    if teacher.can_press("Begin the class"):
        await teacher.press("Begin the class")
    await leave(teacher)


def is_labelled(part: Part, kind: str, label: str) -> bool:
    return part.kind == kind and getattr(part.content, kind).label == label


async def draw(visitor: Visitor) -> None:
    """Put a digit onto the canvas, whatever is made of it."""
    canvas = next(filter(is_canvas, visitor.parts.values()))
    await visitor.set(WidgetState(id=canvas.widget, json_value=SKETCH.value))


def require_page(visitor: Visitor) -> None:
    """Nobody may be left with an empty page: the line that all have is there, in whatever language."""
    assert any(part.widget.endswith(UPLOADED_CHECKPOINT) for part in visitor.parts.values()), visitor.texts()[-300:]


async def leave(visitor: Visitor | None) -> None:
    if visitor:
        with suppress(Exception):
            await visitor.close()


# ---------------------------------------------------------------- the server and its log

MEANT = re.compile("A canvas sent what no canvas sends|Failed to deserialize component state|.* could not be downloaded")
"""Messages of the log which say that somebody sent what no page sends, and that there is no network here."""

GREETING = re.compile(r"|Loading the pages and the detectors …|  See the anomaly is at .*")
"""Lines with which a server begins, that are no lines of a log."""


def not_meant(log: Path) -> Counter[str]:
    """Warnings and errors in a log, and what is no line of a log at all; the last lines of each traceback."""
    found: Counter[str] = Counter()
    for line in log.read_text(errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            found[line] += not GREETING.fullmatch(line)
            continue
        if entry["level"] != "INFO" and not MEANT.match(entry["message"]):
            where = "\n".join(entry.get("traceback", "").splitlines()[-8:])
            found[f"{entry['logger']}: {entry['message'][:200]}\n{where}"] += 1
    return +found


async def tried(case: Case, url: str, numbers: range, at_a_time: int) -> Ends:
    """These cases, some visitors at a time."""
    ends, starts = Ends(), iter(numbers[::OF_ONE_VISITOR])

    async def go_on() -> None:
        for start in starts:
            await case(url, start, ends)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_a_time):
            group.create_task(go_on())
    return ends


def asked(name: str, case: Case, numbers: range, at_a_time: int, has_mnist: bool) -> list[Row]:
    """What a fresh server answers, and what stands in its log afterwards."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log.txt")
        # MNIST would be looked at anew with each detector; without it there are the UCI digits.
        settings = {**SETTINGS, "CLASS_DATABASE_URL": f"sqlite:///{folder}/class.sqlite"}
        settings |= {"CLASS_PASSWORD": PASSWORD} if case is door else {}
        server = start_server(REAL_DATA if has_mnist else Path(folder, "data"), log, settings)
        try:
            ends = asyncio.run(tried(case, server.url, numbers, at_a_time))
        finally:
            server.end()
        lines = not_meant(log)
    return rows_of(name, ends, lines, len(numbers), time.monotonic() - started)


def rows_of(name: str, ends: Ends, lines: Counter[str], cases: int, took: float) -> list[Row]:
    """The table; what failed is printed in full before it."""
    for failed in ends.failed[:40]:
        print(failed)
    for line, count in lines.most_common(40):
        print(f"{count} times in the log: {line}")
    found = {end: count for end, count in ends.counts.items() if not end.startswith(OF_A_WIDGET)}
    ended, count = sum(found.values()), found.get("something else", 0)
    rows = [Row(name, f"{cases:,}", f"{ended:,}", ended >= cases, f"{took:.0f} s")]
    if kinds := len(ends.counts) - len(found):
        rows.append(Row("  different widgets", "", f"{kinds:,}", None))
    rows += [Row(f"  ended as {end}", "", f"{count:,}", None) for end, count in found.items() if end != "something else"]
    rows.append(Row("  ended as something else", "0", f"{count:,}", count == 0))
    return [*rows, Row("lines in the log that nobody meant", "0", f"{lines.total():,}", not lines)]


PARTS: dict[str, Case] = {"checkpoints": checkpoints, "links": links, "widgets": widgets, "door": door}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=5000, help="of each part")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--only", nargs="+", default=["drawings", *PARTS], choices=["drawings", *PARTS])
    parser.add_argument("--visitors", type=int, default=os.cpu_count() or 1, help="at a time")
    parser.add_argument("--mnist", action="store_true", help="show MNIST from DATA_DIR, which takes several times as long")
    wanted = parser.parse_args()
    kept = True
    for name in wanted.only:
        if name == "drawings":
            rows = drawings(wanted.first, wanted.cases)
        else:
            numbers = range(wanted.first, wanted.first + wanted.cases)
            rows = asked(name, PARTS[name], numbers, wanted.visitors, wanted.mnist)
        kept &= show(f"As nobody should send it: {name}", rows)
    raise SystemExit(0 if kept else 1)


if __name__ == "__main__":
    main()
