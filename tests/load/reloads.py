"""Visitors who reload again and again: what the server keeps of them. `python -m tests.load.reloads`, part of `make load`

Each has a drawing, a paused training and a strip, and must find them after every reload. Kept visitors, threads and
memory are asked for after every few rounds, and once more when Streamlit has forgotten the sessions that were left.
"""

import argparse
import asyncio

from tests.load.server import Row, megabytes, open_files, running, show, sketches, threads
from tests.load.visitor import Sketch, Visitor

FORGOTTEN = 190.0
"""Seconds after which sessions that were left are gone, and what they held was given back."""


async def begin(url: str, sketch: Sketch) -> Visitor:
    visitor = await Visitor(url).arrive("train", "preset=course&epochs=200&batch=16&data=uci-digits")
    await visitor.press("Step")
    await visitor.wait(lambda: "Paused" in visitor.texts())
    await visitor.go_to("draw")
    await visitor.draw(sketch)
    return visitor


async def reload(old: Visitor, sketch: Sketch) -> Visitor:
    """A new tab of the same browser; what was there is there."""
    await old.close()
    visitor = Visitor(old.url)
    visitor.cookies = old.cookies
    await visitor.arrive("draw")
    await visitor.wait(lambda: any(sketch.shown in html for html in visitor.htmls()) and "Paused" in visitor.texts())
    return visitor


def kept(teacher: Visitor) -> int:
    metrics = [part.content.metric for part in teacher.parts.values() if part.kind == "metric"]
    return next(int(metric.body) for metric in metrics if metric.label == "Visitors kept")


async def journey(count: int, rounds: int) -> bool:
    rows: list[Row] = []
    with running() as server:
        teacher = await Visitor(server.url).open("status")
        drawn = sketches(count)
        visitors = [await begin(server.url, sketch) for sketch in drawn]

        async def measure(when: str) -> tuple[int, int, float]:
            await teacher.run_again()
            found = kept(teacher), threads(server), megabytes(server)
            detail = f"{open_files(server)} open files"
            rows.append(
                Row(
                    when,
                    f"{count + 1} kept",
                    f"{found[0]} kept, {found[1]} threads, {found[2]:.0f} MB",
                    found[0] == count + 1,
                    detail,
                )
            )
            return found

        await measure("before")
        for number in range(1, rounds + 1):
            visitors = list(await asyncio.gather(*map(reload, visitors, drawn)))
            if number % 5 == 0:
                await measure(f"after {number} reloads each")
        halfway = rows[len(rows) // 2]
        await asyncio.sleep(FORGOTTEN)
        await measure("sessions that were left are forgotten")
        print(f"compare with: {halfway.value}")
        for visitor in (*visitors, teacher):
            await visitor.close()
    return show(f"{count} visitors reload {rounds} times", rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=20)
    asked = parser.parse_args()
    raise SystemExit(0 if asyncio.run(journey(asked.visitors, asked.rounds)) else 1)
