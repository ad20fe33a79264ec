"""What one visit, one drawing and one training take of a processor and of memory: the figures of deploy/README.md."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from tests.browser.conftest import Server
from tests.load.load import has_trained
from tests.load.server import Row, megabytes, processor, running, show, sketches
from tests.load.visitor import Visitor


class Meter:
    """Seconds of a processor and MB that something took of the server and the processes that it has started."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.seconds = self.memory = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        before, memory = processor(self._server), megabytes(self._server)
        yield
        now = processor(self._server)
        self.seconds = now.server + now.trainings - before.server - before.trainings
        self.memory = megabytes(self._server) - memory


async def costs(server: Server, visits: int = 30, drawings: int = 200, trainings: int = 8) -> list[Row]:
    pictures = sketches(drawings)
    first = await Visitor(server.url).open("train")
    await first.press("Start")
    await first.wait(lambda: has_trained(first), 120)
    await first.go_to("draw")
    await first.draw(pictures[0])
    start = megabytes(server)

    visit = Meter(server)
    with visit.running():
        there = [await Visitor(server.url).open("draw") for _ in range(visits)]
    idle = Meter(server)
    with idle.running():
        await asyncio.sleep(20)
    drawing = Meter(server)
    with drawing.running():
        for number, picture in enumerate(pictures):
            await there[number % visits].draw(picture)
    trained = [await Visitor(server.url).open("train") for _ in range(trainings)]
    training = Meter(server)
    with training.running():
        for student in trained:
            await student.press("Start")
            await student.wait(lambda student=student: has_trained(student), 120)  # type: ignore[misc]
    for visitor in (first, *there, *trained):
        await visitor.close()
    return [
        Row("memory of a replica that has all it needs", "", f"{start:.0f} MB", None),
        Row("a page opened", "", f"{visit.seconds / visits * 1000:.0f} ms", None, f"{visit.memory / visits:.1f} MB"),
        Row("an open page, a minute", "", f"{idle.seconds / visits * 3 * 1000:.0f} ms", None),
        Row("a drawing judged", "", f"{drawing.seconds / drawings * 1000:.0f} ms", None),
        Row(
            "a training of the course's network",
            "",
            f"{training.seconds / trainings:.1f} s",
            None,
            f"{training.memory / trainings:.0f} MB, its page watching",
        ),
    ]


def main() -> None:
    with running() as server:
        show("Of one processor, one after another", asyncio.run(costs(server)))


if __name__ == "__main__":
    main()
