"""What a class does to a server: reloads, second tabs, bad Wi-Fi, and somebody who pulls the plug."""

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.browser.conftest import ENDLESS, HAS_MNIST, REAL_DATA, Server, run_journey, start_server
from tests.load.visitor import Visitor, sketch
from tests.strokes import WAYS, on_canvas

pytestmark = pytest.mark.skipif(not Path("/proc").exists(), reason="Reads what a process holds from /proc.")


async def trains(server: Server, query: str = ENDLESS) -> Visitor:
    visitor = await Visitor(server.url).open("train", query)
    await visitor.press("Start")
    await visitor.wait(lambda: "Training: epoch" in visitor.texts() or "Waiting" in visitor.texts())
    return visitor


def figures(teacher: Visitor) -> dict[str, str]:
    """What the status page says, by label."""
    metrics = [part.content.metric for part in teacher.parts.values() if part.kind == "metric"]
    return {metric.label: metric.body for metric in metrics}


def trainings(teacher: Visitor) -> int:
    return sum(int(figures(teacher)[label]) for label in ("Trainings running", "Trainings waiting"))


def held(server: Server) -> tuple[int, int]:
    """Threads, and open files."""
    return tuple(len(os.listdir(f"/proc/{server.process.pid}/{kind}")) for kind in ("task", "fd"))  # type: ignore[return-value]


async def class_comes_and_goes(server: Server) -> None:
    teacher = await Visitor(server.url).open("status")
    first, second = await trains(server), await trains(server)
    await teacher.wait(lambda: trainings(teacher) == 2)

    # The Wi-Fi of one is gone for ten seconds: the same training goes on, and is not there twice.
    await second.close()
    await asyncio.sleep(10)
    await second.open("train")
    await second.wait(lambda: "Training: epoch" in second.texts() or "Waiting" in second.texts())

    # The other is gone, and somebody starts in another browser; the old training has nobody.
    await first.close()
    again = await trains(server)
    await teacher.wait(lambda: trainings(teacher) == 3)
    await teacher.wait(lambda: trainings(teacher) == 2, 40)  # before an open page's patience would end

    # Back and forth through the pages.
    sketches = [sketch(on_canvas(WAYS[digit][0])) for digit in (7, 5)]
    before = held(server)
    for number in range(100):
        await second.go_to(("draw", "train", "browse", "learn", "")[number % 5])
    await second.go_to("draw")
    for drawn in sketches:
        await second.draw(drawn)
    threads, files = held(server)
    assert threads <= before[0] + 3
    assert files <= before[1] + 3

    assert trainings(teacher) == 2
    await second.go_to("train")
    await second.press("Reset")
    await teacher.wait(lambda: trainings(teacher) == 1)
    for visitor in (again, second, teacher):
        await visitor.close()


@pytest.mark.slow
def test_no_training_without_its_visitor_and_none_twice(own_server: Server) -> None:
    run_journey(class_comes_and_goes(own_server))


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_killed_in_a_training_the_app_starts_again_and_every_file_is_whole(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    if HAS_MNIST:
        (data / "MNIST").symlink_to(REAL_DATA / "MNIST")
    server = start_server(data, tmp_path / "first.txt")
    run_journey(trains(server))
    before = content(data)
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    started = time.monotonic()
    server = start_server(data, tmp_path / "second.txt")
    try:
        run_journey(trains(server))
        print(f"served and training again after {time.monotonic() - started:.1f} s")
    finally:
        server.end()
    assert content(data) == before
    lines = [line for line in (tmp_path / "second.txt").read_text().splitlines() if line.startswith("{")]
    assert all({"time", "level", "logger", "message"} <= json.loads(line).keys() for line in lines)
