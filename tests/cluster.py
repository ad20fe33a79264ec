"""A real scheduler and real workers, each a process of its own on this machine."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


class Cluster:
    """A scheduler and two workers of one thread; only workers find this program, and none finds data."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.address = ""
        self.start_scheduler()
        self.workers: list[subprocess.Popen[bytes]] = []
        self.start_workers(2)

    def start_scheduler(self) -> None:
        """The first time on a free port, later on the same."""
        file = self._directory / "scheduler.json"
        file.unlink(missing_ok=True)
        port = self.address.rpartition(":")[2] or "0"
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", port, "--scheduler-file", str(file))
        self._until(lambda: file.exists() and file.read_text().endswith("}"), self._directory / "scheduler.log")
        self.address = json.loads(file.read_text())["address"]

    def start_workers(self, count: int) -> None:
        # Preloaded, so that no test has to wait for torch.
        options = ("--nthreads", "1", "--no-nanny", "--preload", "core.jobs.dask.backend")
        self.workers += [self._start("worker", self.address, *options) for _ in range(count)]
        log = self._directory / "worker.log"
        self._until(lambda: log.read_text().count("Registered to:") == len(self.workers), log)

    def _until(self, condition: Callable[[], bool], log: Path) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"The cluster did not start:\n{log.read_text()}")
            time.sleep(0.02)

    def _start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "dask", *arguments, "--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
        folder = ROOT if arguments[0] == "worker" else self._directory
        env = os.environ | {"DATA_DIR": str(self._directory)}
        with (self._directory / f"{arguments[0]}.log").open("ab") as log:
            return subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log)

    def end(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait(20)
