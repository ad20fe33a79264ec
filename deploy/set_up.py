"""Sets up `.venv` with exactly the versions of a lock: `python deploy/set_up.py app`, or `server`, or `dev`.

It needs nothing but Python and a network. Every package is compared with the hash in its lock; the CPU build of torch, which
Linux without a GPU gets, comes from PyTorch's own index, which tells its hashes itself. Interrupted, it begins again; two at
once wait for each other.

Which build of torch: one that is installed stays. Else TORCH_BUILD in the environment says: cpu (on Linux only; other systems
have one build), default (PyPI's, 3 GB with CUDA on Linux), or the address of an index; left out, this machine decides.
"""

import argparse
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).parent.parent

SETS = {"app": (), "server": ("cluster", "postgres"), "dev": ("dev",)}
"""What can be set up, and with which extras of pyproject.toml: the app, one on several machines, and all tests and checks."""

PYTHONS = ((3, 11), (3, 14))
"""The oldest and the newest for which torch has wheels."""

CPU_BUILDS = "https://download.pytorch.org/whl/cpu"
TORCH = ("torch", "torchvision")
FOR_A_GPU = re.compile(r"(nvidia|cuda)-|triton$")
"""What torch's default build on Linux brings, and the CPU build does not need."""

LARGE = 20.0
"""MB. Where nobody watches, only files from this size up are told."""


def lock_of(name: str, root: Path) -> Path:
    return root / "deploy" / "locked" / f"{name}.txt"


def python_of(root: Path) -> Path:
    return root / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def why_not_here(system: str, machine: str, version: tuple[int, ...]) -> str:
    """Why torch has no wheels for such a machine, as a sentence; empty where it has."""
    oldest, newest = (".".join(map(str, each)) for each in PYTHONS)
    if not PYTHONS[0] <= tuple(version[:2]) <= PYTHONS[1]:
        used = ".".join(map(str, version[:2]))
        other = f"py -{newest} deploy\\set_up.py app" if system == "Windows" else f"make PYTHON=python{newest}"
        return f"torch has wheels for Python {oldest} to {newest}, not for {used}. Choose another: {other}"
    if system == "Darwin" and machine != "arm64":
        return "torch has no wheels for Macs with an Intel processor. On Apple silicon take a Python for arm64."
    if machine.upper() not in ("X86_64", "AMD64", "AARCH64", "ARM64") or (system == "Windows" and machine.upper() == "ARM64"):
        return f"torch has no wheels for {system} on {machine}. A machine with x86-64, or a container on one, has them."
    return ""


def requirements(lock: str) -> dict[str, str]:
    """The entries of a lock, name to text with hashes; one name has several where platforms differ."""
    entries: dict[str, str] = {}
    for entry in re.split(r"\n(?=[A-Za-z0-9])", "\n".join(line for line in lock.splitlines() if not line.startswith("#"))):
        if match := re.match(r"([A-Za-z0-9._-]+)==", entry.strip()):
            entries[match[1]] = entries.get(match[1], "") + entry.strip() + "\n"
    return entries


def locked_version(entries: dict[str, str], name: str) -> str:
    match = re.match(r"[^=]+==([^\s;\\]+)", entries[name])
    assert match
    return match[1]


def torch_build(installed: str) -> tuple[str, str]:
    """The index to take torch from, empty for PyPI's build; and a sentence that says what was chosen and why.

    installed: the version of torch that is there, which decides; "" where there is none.
    """
    asked = os.environ.get("TORCH_BUILD", "")
    size = "about 3 GB" if platform.system() == "Linux" else "about 0.3 GB"
    if installed:
        is_cpu = "+cpu" in installed
        return (CPU_BUILDS if is_cpu else ""), f"torch {installed} stays."
    if asked == "default":
        return "", f"TORCH_BUILD asks for torch's default build ({size} to download)."
    if asked and asked != "cpu":
        return asked, f"TORCH_BUILD asks for torch from {asked}."
    if platform.system() != "Linux":
        return "", f"torch's build for this system ({size} to download)."
    if asked == "cpu":
        return CPU_BUILDS, "TORCH_BUILD asks for torch's CPU build (about 0.3 GB to download)."
    if any(Path(device).exists() for device in ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg")) or shutil.which("nvidia-smi"):
        return "", f"This machine has a GPU: torch's default build ({size} to download)."
    if answers(CPU_BUILDS):
        return CPU_BUILDS, "This machine has no GPU: torch's CPU build (about 0.3 GB to download)."
    return "", f"This machine has no GPU, but {CPU_BUILDS} does not answer: torch's default build ({size} to download)."


def answers(index: str) -> bool:
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{index}/torch/", method="HEAD"), timeout=5):
            return True
    except (OSError, ValueError):
        return False


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock file, waiting for whoever holds it now."""
    with path.open("a+") as file:
        try:
            lock_file(file, wait=False)
        except OSError:
            print("Another set-up is at work here; this one waits for it …", flush=True)
            lock_file(file, wait=True)
        yield  # the system lets go of it with the file


def lock_file(file: TextIO, wait: bool) -> None:
    """Raises OSError where somebody holds it and this does not wait."""
    if sys.platform == "win32":
        import msvcrt

        file.seek(0)
        while True:
            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                return
            except OSError:
                if not wait:
                    raise
                time.sleep(0.5)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def make_venv(root: Path) -> None:
    """A `.venv` with pip; one that was interrupted, or whose Python is gone, is made anew. Ends the program where it cannot."""
    python = python_of(root)
    if python.exists() and subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode == 0:
        return
    print("Making .venv …", flush=True)
    try:
        venv.EnvBuilder(with_pip=True, clear=True, symlinks=os.name != "nt").create(root / ".venv")
    except subprocess.CalledProcessError:  # Debian ships Python without it
        sys.exit("This Python cannot make an environment with pip. On Debian and Ubuntu: apt-get install python3-venv")


def site_packages(root: Path) -> Path:
    return next((root / ".venv").glob("Lib/site-packages" if os.name == "nt" else "lib/python*/site-packages"))


def forget_half_installed(packages: Path) -> None:
    """Forget packages in whose midst an earlier set-up ended, which pip would take for whole; INSTALLER comes late."""
    for about in packages.glob("*.dist-info"):
        if not (about / "INSTALLER").exists():
            shutil.rmtree(about)


class Progress:
    """What pip does, on one line that renews itself where somebody watches; else a line for each large file."""

    def __init__(self, count: int, downloads: Path, packages: Path) -> None:
        self._count, self._downloads, self._packages = count, downloads, packages
        self._before = self._installed()
        self._done, self._name, self._size = 0, "", 0.0
        self._unpacking = 0
        self._is_watched = sys.stdout.isatty()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep_telling, daemon=True)
        self._thread.start()

    def read(self, line: str) -> None:
        """A line of pip's."""
        if match := re.match(r"(?:Collecting|Requirement already satisfied:) ([^\s=]+)", line):
            self._done, self._name, self._size = self._done + 1, match[1], 0.0
        elif match := re.match(r"\s+Downloading \S+ \(([\d.]+) ([kMG])B\)", line):
            self._size = float(match[1]) * {"k": 0.001, "M": 1.0, "G": 1000.0}[match[2]]
            if not self._is_watched and self._size >= LARGE:
                print(f"{self._place()}: {self._name}, {self._size:,.0f} MB", flush=True)
        elif line.startswith("Installing collected packages"):
            self._unpacking = line.count(",") + 1
            if not self._is_watched:
                print(f"Unpacking {self._unpacking} packages …", flush=True)

    def end(self) -> None:
        self._over.set()
        self._thread.join()
        if self._is_watched:
            print("\r\033[K", end="", flush=True)

    def _place(self) -> str:
        return f"{self._done} of {self._count}"

    def _installed(self) -> int:
        return sum(1 for _ in self._packages.glob("*.dist-info/INSTALLER"))

    def _keep_telling(self) -> None:
        while self._is_watched and not self._over.wait(0.5):
            print(f"\r\033[K{self._now()}", end="", flush=True)

    def _now(self) -> str:
        if self._unpacking:
            return f"Unpacking: {self._unpacking - (self._installed() - self._before)} packages left"
        arrived = max((path.stat().st_size for path in self._downloads.rglob("*.whl") if path.exists()), default=0) / 1e6
        weight = f", {min(arrived, self._size):,.0f} of {self._size:,.0f} MB" if self._size >= 1 else ""
        return f"Downloading {self._place()}: {self._name}{weight}"


def install(root: Path, entries: dict[str, str], *options: str) -> None:
    """Install what a lock says, all of it and nothing else. Ends the program where pip fails."""
    downloads = root / ".venv" / "downloads"
    shutil.rmtree(downloads, ignore_errors=True)
    downloads.mkdir()
    listed = downloads / "requirements.txt"
    listed.write_text("".join(entries.values()), encoding="utf-8")
    command = [str(python_of(root)), "-m", "pip", "install", "--no-deps", "--only-binary", ":all:", "--progress-bar", "off"]
    command += ["--disable-pip-version-check", "--no-color", *options, "--requirement", str(listed)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    environment |= {name: str(downloads) for name in ("TMPDIR", "TEMP", "TMP")}  # /tmp may be small
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    assert process.stdout
    said: list[str] = []
    progress: Progress | None = None
    for line in process.stdout:
        # Entries for other platforms are told first.
        if not line.startswith("Ignoring ") and progress is None:
            entries_here = sum(map(len, (re.findall(r"^\S+==", text, re.M) for text in entries.values()))) - len(said)
            progress = Progress(entries_here, downloads, site_packages(root))
        if progress:
            progress.read(line)
        said.append(line)
    status = process.wait()
    if progress:
        progress.end()
    shutil.rmtree(downloads, ignore_errors=True)
    if status:
        told = [line for line in said if not line.startswith(("Ignoring ", "Collecting ", "Requirement already", "  "))]
        sys.exit("".join(told[-8:]) + "pip could not set up everything. The same command, run again, goes on.")


def set_up(name: str, root: Path = ROOT) -> None:
    """Bring `.venv` to what a lock says, and leave a stamp that says so."""
    lock = lock_of(name, root).read_bytes()
    stamp, written = root / ".venv" / f".{name}-ready", hashlib.sha256(lock).hexdigest()
    with alone(root / ".venv.lock"):
        if stamp.exists() and stamp.read_text() == written and python_of(root).exists():
            stamp.touch()
            return
        started = time.monotonic()
        make_venv(root)
        packages = site_packages(root)
        forget_half_installed(packages)
        entries = locked = requirements(lock.decode())
        if "torch" in entries:
            there = {path.name.removeprefix("torch-").removesuffix(".dist-info") for path in packages.glob("torch-*.dist-info")}
            wanted = locked_version(entries, "torch")
            index, chosen = torch_build(next((each for each in there if each.partition("+")[0] == wanted), ""))
            print(f"Setting up {len(entries)} packages. {chosen}", flush=True)
            if index:
                apart = {each: f"{each}=={locked_version(entries, each)}\n" for each in TORCH if each in entries}
                install(root, apart, "--index-url", index)
                entries = {each: text for each, text in entries.items() if each not in TORCH and not FOR_A_GPU.match(each)}
        install(root, entries, "--require-hashes")
        # Written last, so that an interrupted set-up begins again; what a smaller set needs is there with a larger one.
        for each in SETS:
            smaller = lock_of(each, root).read_bytes() if lock_of(each, root).exists() else b""
            if each == name or (smaller and requirements(smaller.decode()).items() <= locked.items()):
                (root / ".venv" / f".{each}-ready").write_text(hashlib.sha256(smaller).hexdigest())
        print(f"Everything is set up, after {time.monotonic() - started:.0f} s.", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=SETS, nargs="?", default="app")
    name = parser.parse_args().set
    if reason := why_not_here(platform.system(), platform.machine(), sys.version_info[:2]):
        sys.exit(reason)
    set_up(name)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nInterrupted; the same command goes on.")
