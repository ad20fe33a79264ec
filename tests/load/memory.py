"""One visitor in 1 GB: draws, trains the course's network on the UCI digits, and what the app has needed at most.

`python -m tests.load.memory` puts the app into a control group of Linux where it may make one (as root, version 1 or 2), and
says where it may not: then nothing holds it, and its peaks are compared with the limit. Status 1: a bound is missed.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.browser.conftest import Server, as_replica, start_server
from tests.load.load import has_trained
from tests.load.server import Row, own_megabytes, show, sketches
from tests.load.visitor import Visitor

GROUPS = Path("/sys/fs/cgroup")
TRAINING = "preset=course&data=uci-digits"


@dataclass(frozen=True)
class Group:
    """A control group: its folder, and the names of its files in its version."""

    folder: Path
    limit: str
    peak: str

    def megabytes_at_most(self) -> float:
        return int((self.folder / self.peak).read_text()) / 1e6

    def kills(self) -> int:
        """Processes that the kernel ended for want of memory."""
        for name in ("memory.events", "memory.oom_control"):
            if (self.folder / name).exists():
                counts = dict(line.split() for line in (self.folder / name).read_text().splitlines())
                return int(counts.get("oom_kill", 0))
        return 0


@contextmanager
def group(limit: int) -> Iterator[Group | None]:
    """A control group with so many bytes, which is gone afterwards; None where this process may not make one."""
    name = f"see-the-anomaly-{os.getpid()}"
    one = GROUPS / "memory"
    made = (
        Group(one / name, "memory.limit_in_bytes", "memory.max_usage_in_bytes")
        if one.is_dir()
        else Group(GROUPS / name, "memory.max", "memory.peak")
    )
    try:
        made.folder.mkdir()
        (made.folder / made.limit).write_text(str(limit))
    except OSError:
        if made.folder.is_dir():
            made.folder.rmdir()
        yield None
        return
    try:
        yield made
    finally:
        made.folder.rmdir()


def shared_megabytes(server: Server) -> float:
    """Memory of the app, with its share of what it has together with others (PSS), from /proc."""
    rollup = Path(f"/proc/{server.process.pid}/smaps_rollup").read_text()
    return int(rollup.split("\nPss:")[1].split()[0]) / 1024


def peak_megabytes(server: Server) -> float:
    """The most that was resident at any time (VmHWM), with libraries that are only read."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


async def visit(server: Server, limit: float, held: Group | None) -> list[Row]:
    rows: list[Row] = []

    def note(what: str) -> None:
        own, shared = own_megabytes(server), shared_megabytes(server)
        rows.append(
            Row(what, f"< {limit:.0f} MB", f"{own:.0f} MB", own < limit, f"{shared:.0f} MB with what it only reads (PSS)")
        )

    note("when it has begun")
    visitor = await Visitor(server.url).arrive("draw")
    for drawn in sketches(10):
        await visitor.draw(drawn)
        await visitor.clear()
    note("ten drawings judged")
    await visitor.close()
    student = await Visitor(server.url).arrive("train", TRAINING)
    await student.press("Start")
    await student.wait(lambda: has_trained(student), 600)
    note("the course's network trained")
    for page in ("evaluate", "browse", "latent", "learn"):
        await student.go_to(page)
    note("the other pages shown")
    await student.close()
    rows.append(Row("resident at most", "", f"{peak_megabytes(server):.0f} MB", None, "with all that it only reads"))
    if held:
        most = held.megabytes_at_most()
        rows.append(Row("counted by the kernel at most", f"<= {limit:.0f} MB", f"{most:.0f} MB", most <= limit))
        rows.append(Row("processes ended for want of memory", "0", str(held.kills()), held.kills() == 0))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1000, help="the limit; 1000 unless given")
    limit = parser.parse_args().megabytes
    with tempfile.TemporaryDirectory() as folder, group(limit * 10**6) as held:
        # The shell goes into the group and becomes the app.
        into = f'echo $$ > "{held.folder}/cgroup.procs" && ' if held else ""

        def way(port: int) -> list[str]:
            return ["sh", "-c", f'{into}exec "$@"', "sh", *as_replica(port)]

        log = Path(folder, "log.txt")
        server = start_server(Path(folder, "no-data"), log, way=way)
        try:
            rows = asyncio.run(visit(server, float(limit), held))
        finally:
            server.end()
        assert "Traceback" not in log.read_text(), log.read_text()
    how = "held by a control group" if held else "held by nothing: no control group can be made here"
    if not show(f"One visitor in {limit:,} MB, {how}", rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
