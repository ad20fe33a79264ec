"""From nothing to a page: a fresh clone by README's commands, the set-up once more, and an installed app.

`python -m tests.load.install` takes a network (or pip's settings for places that need none), git, make, and up to 15 GB below
TMPDIR, one environment at a time; all of it is gone afterwards. pip's cache is not used. The exit status is 1 when a page did
not answer, or the same lock gave other versions.
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError

from tests.browser.conftest import ROOT, free_port
from tests.load.server import Row, show
from tests.load.visitor import Visitor

PATIENCE = 3600.0
"""Seconds for one step; packages may come slowly."""

PYTHON = getattr(sys, "_base_executable", sys.executable)
"""Not that of an environment: a newcomer has none."""


def newcomers(folder: Path) -> dict[str, str]:
    """The environment of somebody who has none of this yet: no data, no cache, no screen, and no make around."""
    own = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "VIRTUAL_ENV", "PYTHONPATH", "DATA_DIR")
    environment = {name: text for name, text in os.environ.items() if name not in own}
    environment |= {"XDG_DATA_HOME": str(folder / "mine"), "STREAMLIT_SERVER_HEADLESS": "true"}
    return environment | {"PIP_NO_CACHE_DIR": "1", "PYTHONUNBUFFERED": "1"}


def megabytes(folder: Path) -> float:
    """What lies on the disk, in MB; a file with several names counts once."""
    files = [path.lstat() for path in folder.rglob("*")]
    return sum({file.st_ino: file.st_blocks * 512 for file in files}.values()) / 1e6


def downloaded(said: str) -> str:
    """What pip and deploy/set_up.py say that they download, which tells files from 20 MB on; empty where they say nothing."""
    units = {"k": 1e-3, "M": 1.0, "G": 1e3}
    from_pip = re.findall(r"^\s*Downloading \S+ \(([\d.]+) ([kMG])B\)", said, re.MULTILINE)
    from_set_up = re.findall(r"^\d+ of \d+: \S+, ([\d,]+) MB", said, re.MULTILINE)
    total = sum(float(size) * units[unit] for size, unit in from_pip)
    total += sum(float(size.replace(",", "")) for size in from_set_up)
    return f"{total:,.0f} MB downloaded" + (" in files of 20 MB and more" if from_set_up else "") if total else ""


@contextmanager
def started(
    command: Sequence[str | Path], folder: Path, environment: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A command that writes into a log; it is ended, with all that it has started."""
    with log.open("wb") as written:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=folder,
            env=environment,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, signal.SIGINT)
            process.wait(timeout=60)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def run(command: Sequence[str | Path], folder: Path, environment: Mapping[str, str], log: Path) -> tuple[float, str]:
    """Seconds that a command took, and what it said. Ends the program with its last lines where it fails."""
    before = time.monotonic()
    with started(command, folder, environment, log) as process:
        status = process.wait(timeout=PATIENCE)
    said = log.read_text(errors="replace")
    if status:
        sys.exit(f"{' '.join(map(str, command))}:\n" + "\n".join(said.splitlines()[-15:]))
    return time.monotonic() - before, said


@contextmanager
def serving(
    command: Sequence[str | Path], folder: Path, environment: Mapping[str, str], port: int, log: Path
) -> Iterator[tuple[str, float]]:
    """The address of an app that a command starts, and the seconds until it answers."""
    url, direct = f"http://localhost:{port}", urllib.request.build_opener(urllib.request.ProxyHandler({}))
    before = time.monotonic()
    with started(command, folder, environment, log) as process:
        while True:
            with suppress(URLError, OSError):
                direct.open(f"{url}/", timeout=5).read()
                break
            if process.poll() is not None or time.monotonic() - before > PATIENCE:
                sys.exit(f"{' '.join(map(str, command))} serves no page:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)
        yield url, time.monotonic() - before


async def pages(url: str) -> list[str]:
    """Names of the pages of two that a visitor cannot open."""
    faults = []
    for page in ("", "learn"):
        visitor = Visitor(url)
        try:
            await visitor.arrive(page)
            if "Detector: 5" not in visitor.texts():
                faults.append(f"/{page}")
            await visitor.close()
        except (AssertionError, OSError) as error:
            faults.append(f"/{page}: {error}")
    return faults


def versions(venv: Path, environment: Mapping[str, str], log: Path) -> set[str]:
    return {*run([venv / "bin/python", "-m", "pip", "freeze"], venv, environment, log)[1].splitlines()}


def measure(folder: Path) -> Iterator[Row]:
    environment, port = newcomers(folder), free_port()
    clone, again, elsewhere = (folder / name for name in ("clone", "again", "elsewhere"))
    elsewhere.mkdir()
    log = folder / "log.txt"

    seconds, _ = run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, clone], folder, environment, log)
    yield Row("git clone", "", f"{seconds:.1f} s", None, f"{megabytes(clone):,.0f} MB on the disk")

    make, venv = ["make", f"PYTHON={PYTHON}"], clone / ".venv"
    with serving([*make, "run", f"PORT={port}"], clone, environment, port, log) as (url, seconds):
        faults = asyncio.run(pages(url))
    detail = [f"{megabytes(venv):,.0f} MB on the disk", downloaded(log.read_text()), *faults]
    yield Row("make run, until a page answers", "/, /learn", f"{seconds:.0f} s", not faults, "; ".join(filter(None, detail)))
    with serving([*make, "run", f"PORT={port}"], clone, environment, port, log) as (_, seconds):
        pass
    yield Row("make run, a second time", "", f"{seconds:.0f} s", None)

    before = megabytes(venv)
    seconds, said = run([*make, ".venv/.dev-ready"], clone, environment, log)
    detail = [f"{megabytes(venv) - before:,.0f} MB on the disk", downloaded(said)]
    yield Row("what make test adds", "", f"{seconds:.0f} s", None, "; ".join(filter(None, detail)))
    first = versions(venv, environment, log)
    shutil.rmtree(venv)

    run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, again], folder, environment, log)
    seconds, said = run([PYTHON, "deploy/set_up.py", "dev"], again, environment, log)
    second = versions(again / ".venv", environment, log)
    detail = [f"{megabytes(again / '.venv'):,.0f} MB on the disk", downloaded(said), *sorted(first ^ second)]
    what = "the set-up for make test in another clone"
    yield Row(what, "the same versions", f"{seconds:.0f} s", first == second, "; ".join(filter(None, detail)))
    yield Row("packages of it", "", str(len(second)), None)
    shutil.rmtree(again)

    own = folder / "own"
    run([PYTHON, "-m", "venv", own], folder, environment, log)
    seconds, said = run([own / "bin/pip", "install", "."], clone, environment, log)
    detail = [f"{megabytes(own):,.0f} MB on the disk", downloaded(said)]
    yield Row("pip install . into an empty environment", "", f"{seconds:.0f} s", None, "; ".join(filter(None, detail)))
    with serving([own / "bin/see-the-anomaly", "--port", str(port)], elsewhere, environment, port, log) as (url, seconds):
        faults = asyncio.run(pages(url))
    what = "see-the-anomaly in another folder, until a page answers"
    yield Row(what, "/, /learn", f"{seconds:.0f} s", not faults, "; ".join(faults))
    imports = "from see_the_anomaly.estimator import OneClassAutoencoder"
    seconds, _ = run([own / "bin/python", "-c", imports], elsewhere, environment, log)
    yield Row(imports, "", f"{seconds:.0f} s", None)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Ended."))  # as Ctrl-C: what was begun is ended and taken away
    rows = []
    with tempfile.TemporaryDirectory(prefix="see-the-anomaly-") as folder:
        for row in measure(Path(folder)):
            print(f"{row.what}: {row.value}  {row.detail}", flush=True)
            rows.append(row)
    if not show("From nothing to a page", rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
