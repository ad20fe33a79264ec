"""The app as its own process, what it takes of the machine, and figures as a table."""

import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.browser.conftest import REAL_DATA, Server, start_server
from tests.load.visitor import Sketch, sketch
from tests.strokes import WAYS, on_canvas, shaken


@dataclass(frozen=True)
class Row:
    """One line of the table; `kept` is None without a bound."""

    what: str
    wanted: str
    value: str
    kept: bool | None
    detail: str = ""


@contextmanager
def running(settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A fresh app on a free port of this machine, with a class of its own; its log must hold no traceback at the end.

    settings: of its environment.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log.txt")
        server = start_server(REAL_DATA, log, {"CLASS_DATABASE_URL": f"sqlite:///{folder}/class.sqlite", **(settings or {})})
        try:
            yield server
        finally:
            server.end()
        # A traceback stands in its line of JSON, or is printed by Python itself.
        lines = log.read_text().splitlines()
        first = next((number for number, line in enumerate(lines) if "Traceback" in line), None)
        assert first is None, "\n".join(lines[first : first + 40])


def megabytes(server: Server) -> float:
    """Memory of the server and the processes that it has started, from /proc; what they share counts once."""
    return _sum(_processes(server.process.pid), "Pss:")


def own_megabytes(server: Server) -> float:
    """The same without files that they only read, as MEMORY_LIMIT counts: the system drops those where memory is short."""
    return _sum(_processes(server.process.pid), "Pss_Anon:", "Pss_Shmem:")


def own_megabytes_of_children(server: Server) -> float:
    """The same of the processes that it has started only."""
    return _sum(_processes(server.process.pid)[1:], "Pss_Anon:", "Pss_Shmem:")


def _sum(processes: Sequence[int], *names: str) -> float:
    rows = (row for process in processes for row in _lines(f"/proc/{process}/smaps_rollup"))
    return sum(int(row.split()[1]) for row in rows if row.startswith(names)) / 1024


def _processes(first: int) -> list[int]:
    """A process and all that it has started, and these."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        parents |= {int(folder.name): int(row.split()[1]) for row in _lines(folder / "status") if row.startswith("PPid:")}
    found = [first]
    for process in found:
        found += [each for each, parent in parents.items() if parent == process]
    return found


def _lines(file: str | Path) -> list[str]:
    try:
        return Path(file).read_text().splitlines()
    except OSError:  # the process has just ended
        return []


class Processor(NamedTuple):
    """Seconds of a processor that have been used up to now: by the server, by what it has started, by this tool."""

    server: float
    trainings: float
    students: float


def processor(server: Server) -> Processor:
    """As the system counts it, in hundredths; a process that has ended no longer counts."""
    own, *children = (processor_seconds(process) for process in _processes(server.process.pid))
    return Processor(own, sum(children), time.process_time())


def processor_seconds(process: int) -> float:
    """Seconds that a process has used so far of all processors; 0 of one that has ended."""
    for line in _lines(f"/proc/{process}/stat"):
        used = line.rpartition(")")[2].split()[11:13]  # utime, stime: fields 14 and 15 of proc(5)
        return sum(map(int, used)) / os.sysconf("SC_CLK_TCK")
    return 0.0


def threads(server: Server) -> int:
    return len(os.listdir(f"/proc/{server.process.pid}/task"))


def open_files(server: Server) -> int:
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def sketches(count: int) -> list[Sketch]:
    """Drawings of all digits in many hands, no two alike."""
    random = np.random.default_rng(0)
    return [sketch(on_canvas(shaken(WAYS[number % 10][0], random))) for number in range(count)]


def growing(count: int) -> list[list[Sketch]]:
    """Drawings of one stroke as they grow, each from a tenth of it to the whole."""
    random = np.random.default_rng(1)
    made = []
    for number in range(count):
        (stroke, *_) = on_canvas(shaken(WAYS[number % 10][0], random))
        lengths = sorted({max(2, len(stroke) * tenth // 10) for tenth in range(1, 11)})
        made.append([sketch([stroke[:length]]) for length in lengths])
    return made


def percentile(seconds: Sequence[float], share: float) -> float:
    return float(np.quantile(np.array(seconds), share))


def show(title: str, rows: Sequence[Row]) -> bool:
    """Print the table; whether every bound was kept."""
    print(f"\n{title}\n")
    widths = [max(len(getattr(row, name)) for row in rows) for name in ("what", "value", "wanted")]
    for row in rows:
        judgement = "no bound" if row.kept is None else "ok" if row.kept else "missed"
        columns = f"{row.what:<{widths[0]}}  {row.value:>{widths[1]}}  {row.wanted:<{widths[2]}}"
        print(f"{columns}  {judgement:<8}  {row.detail}".rstrip())
    return all(row.kept is not False for row in rows)
