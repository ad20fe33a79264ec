"""The plug is pulled, the disk is full, a file is not what its name says: nothing half is ever read as whole."""

import gzip
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from core import checkpoint
from core.data import datasets as data
from core.data import download as download_module
from core.data.datasets import DamagedDataError, DataError, load
from core.data.download import DownloadError, download
from core.data.split import OneClassSplit
from core.detector import AutoencoderDetector, DetectorConfig
from core.jobs.job import JobState, TrainingJob
from core.jobs.pool import JobPool

resource = pytest.importorskip("resource", reason="Limits of files and memory are told so only by POSIX systems.")

if TYPE_CHECKING:
    from tests.conftest import Mirror, TinyMnist, WaitUntil

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="Processes are killed and limited as Unix does it.")


def in_a_child(action: Callable[[], object]) -> int:
    """Run an action in a process of its own; returns how it ended, as os.waitpid tells it."""
    child = os.fork()
    if child == 0:
        try:
            action()
            os._exit(0)
        except DataError as error:
            os._exit(7 if str(error).endswith(".") else 8)
        except OSError:
            os._exit(9)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1]


def killed(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


@pytest.fixture
def made(small: DetectorConfig, split: OneClassSplit) -> checkpoint.Checkpoint:
    return checkpoint.Checkpoint(AutoencoderDetector(small).calibrate(split.calibration))


# Killed


@pytest.mark.parametrize("moment", ["Path.write_bytes", "os.replace"])
def test_killed_while_saving_leaves_the_old_checkpoint_whole(
    made: checkpoint.Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    path = tmp_path / "mine.safetensors"
    checkpoint.write(made, path)
    before = path.read_bytes()

    def half(self: Path, content: bytes) -> None:
        with self.open("wb") as file:
            file.write(content[: len(content) // 2])
        killed()

    if moment == "os.replace":
        monkeypatch.setattr(os, "replace", killed)
    else:
        monkeypatch.setattr(Path, "write_bytes", half)
    assert in_a_child(lambda: checkpoint.write(made, path)) == signal.SIGKILL
    assert path.read_bytes() == before
    assert checkpoint.read(path).config == made.config
    assert list(tmp_path.glob("*.safetensors")) == [path]


@pytest.mark.parametrize("moved", [0, 1, 3])
def test_killed_in_a_download_the_next_one_completes_it(
    tiny_mnist: "TinyMnist", mirror: "Mirror", tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    move, count = os.replace, 0

    def some(source: Path, target: Path) -> None:
        nonlocal count
        if count == moved:
            killed()
        count += 1
        move(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(data.os, "replace", some)
        assert in_a_child(lambda: download("mnist", tmp_path)) == signal.SIGKILL
    with pytest.raises(DataError):
        load("mnist", tmp_path)
    assert len(list(tmp_path.glob("MNIST/raw/*"))) == moved
    download("mnist", tmp_path)
    assert np.array_equal(load("mnist", tmp_path).train_images.numpy(), tiny_mnist.train_images)


def test_killed_half_way_through_a_file_no_half_file_is_in_its_place(
    tiny_mnist: "TinyMnist", mirror: "Mirror", tmp_path: Path, wait_until: "WaitUntil"
) -> None:
    mirror.half_way = True
    child = os.fork()
    if child == 0:
        download("mnist", tmp_path)
        os._exit(1)
    wait_until(lambda: any(path.stat().st_size for path in tmp_path.rglob("*.gz")))
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert list(tmp_path.glob("MNIST/raw/*")) == []
    mirror.half_way = False
    mirror.go_on.set()
    download("mnist", tmp_path)
    assert np.array_equal(load("mnist", tmp_path).train_images.numpy(), tiny_mnist.train_images)


def test_what_a_killed_download_left_goes_with_the_next(mirror: "Mirror", tmp_path: Path) -> None:
    old, new = tmp_path / ".download-old", tmp_path / ".download-new"
    for folder in (old, new):
        folder.mkdir()
    an_hour_ago = time.time() - 4000
    os.utime(old, (an_hour_ago, an_hour_ago))
    download("mnist", tmp_path)
    assert [path.name for path in tmp_path.glob(".download-*")] == [new.name]  # which another process may be filling


# The disk


def no_more_than(size: int, action: Callable[[], object]) -> Callable[[], object]:
    """The action where no file can grow beyond this many bytes."""

    def limited() -> object:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        return action()

    return limited


def test_full_disk_is_told_and_leaves_nothing(mirror: "Mirror", tmp_path: Path) -> None:
    ended = in_a_child(no_more_than(1000, lambda: download("mnist", tmp_path)))
    assert os.waitstatus_to_exitcode(ended) == 7, "a DataError with a sentence"
    assert list(tmp_path.rglob("*.gz")) == []


def test_full_temporary_folder_is_told(tiny_mnist: "TinyMnist", tmp_path: Path) -> None:
    tiny_mnist.put_into(tmp_path)
    ended = in_a_child(no_more_than(1000, lambda: load("mnist", tmp_path)))
    assert os.waitstatus_to_exitcode(ended) == 7


def test_full_disk_keeps_the_old_checkpoint(made: checkpoint.Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    checkpoint.write(made, path)
    before = path.read_bytes()
    ended = in_a_child(no_more_than(1000, lambda: checkpoint.write(made, path)))
    assert os.waitstatus_to_exitcode(ended) == 9
    assert [found.read_bytes() for found in tmp_path.iterdir()] == [before]


@pytest.mark.skipif(sys.platform != "linux", reason="/proc can be written by nobody, root included.")
def test_read_only_data_folder_is_told(mirror: "Mirror") -> None:
    folder = Path("/proc/data")
    for attempt in (lambda: download("mnist", folder), lambda: download_module.Download("mnist", folder).wait()):
        with pytest.raises(DownloadError, match=r"\AMNIST could not be stored in /proc/data.*: .+\.\Z"):
            attempt()


@pytest.mark.parametrize("is_packed", [True, False])
@pytest.mark.parametrize("closed", ["MNIST/raw/t10k-labels-idx1-ubyte", "MNIST/raw", "."])
def test_data_that_may_not_be_read_is_told(closed: str, is_packed: bool, tiny_mnist: "TinyMnist") -> None:
    def load_as_nobody() -> None:
        if os.geteuid() == 0:
            os.setuid(65534)
        load("mnist", Path(folder))

    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        for path in list(tiny_mnist.put_into(Path(folder)).iterdir()):
            if not is_packed:
                path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
                path.unlink()
        place = Path(folder, closed + ".gz" * (is_packed and closed.endswith("ubyte")))
        place.chmod(0)
        ended = in_a_child(load_as_nobody)
        place.chmod(0o700)
    assert os.waitstatus_to_exitcode(ended) == 7, "a DataError with a sentence"


# Files that are not what their name says


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    "swap",
    [
        ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte"),
        ("train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"),
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ],
    ids=["images", "labels", "images and labels"],
)
def test_swapped_files_are_told(tiny_mnist: "TinyMnist", tmp_path: Path, packed: bool, swap: tuple[str, str]) -> None:
    folder = tiny_mnist.put_into(tmp_path)
    if not packed:
        for path in list(folder.iterdir()):
            path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
            path.unlink()
    first, second = (folder / (name + ".gz" * packed) for name in swap)
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    with pytest.raises(DamagedDataError):
        load("mnist", tmp_path)


# Trainings that cannot go well


def test_a_batch_larger_than_the_set_is_the_whole_set(
    small: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil"
) -> None:
    job = TrainingJob(replace(small, training=replace(small.training, batch_size=4096)), split, JobPool(workers=1))
    job.resume()
    wait_until(lambda: job.snapshot().state.is_over)
    assert (job.snapshot().state, job.snapshot().batches) == (JobState.DONE, 1)


def test_a_learning_rate_beyond_reason_ends_in_a_sentence_or_a_result(
    small: DetectorConfig, split: OneClassSplit, wait_until: "WaitUntil"
) -> None:
    wild = replace(small.training, learning_rate=10.0, noise=1.0, batch_size=1)
    job = TrainingJob(replace(small, training=wild), split, JobPool(workers=1))
    job.resume()
    wait_until(lambda: job.snapshot().state.is_over)
    snapshot = job.snapshot()
    assert snapshot.result or str(snapshot.error).endswith(".")
