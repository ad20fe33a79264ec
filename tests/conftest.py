"""Fixtures that every kind of test shares: tiny data sets, a mirror on this machine, a trained detector."""

import gzip
import hashlib
import os
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray
from torchvision import datasets

from core.data import datasets as data
from core.data.datasets import DataSet, MissingDataError, load
from core.data.split import OneClassSplit, split_one_class
from core.detector import AutoencoderDetector, DetectorConfig
from core.jobs.training_process import TrainingProcess, TrainingProcesses
from core.model import ModelConfig
from core.training import TrainConfig
from tests import postgres
from tests.cluster import Cluster

# The same examples in every run: a red test is red for everybody.
settings.register_profile(
    "repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("repeatable")

REAL_DATA = Path(os.environ.get("DATA_DIR") or Path(__file__).parent.parent / "data")

PATIENCE = 60.0 * float(os.environ.get("TEST_PATIENCE", "1"))
"""Seconds that a test waits for what should come; long, as the machine may be busy. TEST_PATIENCE makes all waits longer."""

WaitUntil = Callable[[Callable[[], object]], None]


def pytest_configure() -> None:
    """Pages that are tested without a server train in the test's process: they train for tenths of a second."""
    os.environ.setdefault("TRAINING_PROCESSES", "0")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--only-mnist", action="store_true", help="run only the tests that need MNIST in DATA_DIR")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--only-mnist"):
        needing = [item for item in items if "mnist" in getattr(item, "fixturenames", ()) or item.get_closest_marker("mnist")]
        config.hook.pytest_deselected(items=[item for item in items if item not in needing])
        items[:] = needing


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line: how many tests were skipped, and why."""
    reasons = Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in terminalreporter.getreports("skipped"))
    if reasons:
        told = "; ".join(f"{count} ({reason.rstrip('.')})" for reason, count in reasons.most_common())
        terminalreporter.write_line(f"Skipped: {told}.")


@pytest.fixture(scope="session")
def wait_until() -> WaitUntil:
    """Blocks until a condition is true; fails the test after PATIENCE seconds."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail("The condition that this test waits for never came true.")
            time.sleep(0.002)

    return wait


@pytest.fixture(scope="session")
def uci() -> DataSet:
    """The UCI digits, which are there without a network."""
    return load("uci-digits")


@pytest.fixture(scope="session")
def split(uci: DataSet) -> OneClassSplit:
    """Fives of the UCI digits: about a hundred to train, 27 to calibrate."""
    return split_one_class(uci, [5], seed=1)


@pytest.fixture(scope="session")
def mnist() -> DataSet:
    """The real MNIST, where it is."""
    try:
        return load("mnist", REAL_DATA)
    except MissingDataError:
        pytest.skip("MNIST is not in DATA_DIR")


@pytest.fixture(scope="session")
def small() -> DetectorConfig:
    """A detector that trains in a moment: 14 steps on `split`."""
    return DetectorConfig(
        data_set="uci-digits",
        model=ModelConfig(hidden_sizes=(16,), latent_dim=4),
        training=TrainConfig(epochs=2, batch_size=16, learning_rate=3e-3),
    )


@pytest.fixture(scope="session")
def fitted(small: DetectorConfig, split: OneClassSplit) -> AutoencoderDetector:
    """A trained detector, shared by all tests: look at it, never change it."""
    return AutoencoderDetector(small).fit_split(split)


def idx(values: NDArray[np.uint8]) -> bytes:
    """An array in the IDX format of MNIST's files (LeCun et al. 1998)."""
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes()


@dataclass(frozen=True)
class TinyMnist:
    """Four archives as torchvision expects them, of 150 training and 20 test images."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]
    archives: dict[str, bytes]

    def put_into(self, directory: Path) -> Path:
        """Write the archives where torchvision looks for them; returns that folder."""
        folder = directory / "MNIST" / "raw"
        folder.mkdir(parents=True)
        for name, content in self.archives.items():
            (folder / name).write_bytes(content)
        return folder


def ready(processes: TrainingProcesses, number: int = 0) -> TrainingProcess:
    """The process of this number, once it is ready."""
    latest = time.monotonic() + PATIENCE
    while not ((process := processes.of(number)) and process.is_ready):
        assert time.monotonic() < latest, "no process is ready"
        time.sleep(0.02)
    return process


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """For all tests of a file; whoever ends one of its processes starts another."""
    started = Cluster(tmp_path_factory.mktemp("cluster"))
    yield started
    started.end()


@pytest.fixture(scope="session")
def running_postgres() -> Iterator[postgres.Postgres]:
    """A PostgreSQL for all tests, each of which takes a database of its own."""
    if not postgres.programs():
        pytest.skip(postgres.MISSING)
    with postgres.running_postgres() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def class_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database for a class, of each kind, as CLASS_DATABASE_URL names it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'data' / 'class.sqlite'}"
    return str(request.getfixturevalue("running_postgres").database())


@pytest.fixture
def tiny_mnist(monkeypatch: pytest.MonkeyPatch) -> TinyMnist:
    """Stands in for MNIST: torchvision takes these archives' checksums for the true ones."""
    random = np.random.default_rng(7)
    arrays = [
        random.integers(0, 256, (150, 28, 28), dtype=np.uint8),
        np.arange(150, dtype=np.uint8) % 10,
        random.integers(0, 256, (20, 28, 28), dtype=np.uint8),
        np.arange(20, dtype=np.uint8) % 10,
    ]
    names = [name for name, _ in datasets.MNIST.resources]
    archives = {name: gzip.compress(idx(values), mtime=0) for name, values in zip(names, arrays, strict=True)}
    checksums = [(name, hashlib.md5(content).hexdigest()) for name, content in archives.items()]
    monkeypatch.setattr(datasets.MNIST, "resources", checksums)
    size = sum(map(len, archives.values()))
    monkeypatch.setitem(data.SOURCES, "mnist", replace(data.SOURCES["mnist"], archive_bytes=size))
    return TinyMnist(arrays[0], arrays[1], arrays[2], arrays[3], archives)


@dataclass
class Mirror:
    """A web server on this machine in place of MNIST's mirrors.

    broken: archives that do not come as they should, and how: cut (the connection closes half
    way), reset (it breaks half way), junk (no HTTP at all), page (a log-in page instead).
    half_way: where set, an archive stops after one half until `go_on` is set.
    """

    files: dict[str, bytes]
    broken: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    half_way: bool = False
    go_on: threading.Event = field(default_factory=threading.Event)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        name = handler.path.rsplit("/", 1)[-1]
        self.asked.append(name)
        how = self.broken.get(name)
        if how == "junk":
            handler.wfile.write(b"\x15\x03\x01 this is not HTTP\r\n\r\n")
            return
        content = b"<html>Please log in.</html>" if how == "page" else self.files[name]
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[: len(content) // 2])
        handler.wfile.flush()
        # torchvision asks for each file twice and reads only the second answer.
        if self.half_way:
            self.go_on.wait(20.0)
        if how == "reset":
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()
        elif how != "cut":
            handler.wfile.write(content[len(content) // 2 :])


@pytest.fixture
def mirror(tiny_mnist: TinyMnist, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """A mirror of the tiny MNIST that works until a test breaks it."""
    served = Mirror(dict(tiny_mnist.archives))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(OSError):
                served.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setattr(datasets.MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        yield served
        served.go_on.set()
        server.shutdown()
        thread.join()
