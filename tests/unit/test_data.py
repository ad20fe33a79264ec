"""Data sets, the one-class split and downloads, against slow loops, scikit-learn and a mirror on this machine."""

import gzip
import socket
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor
from torchvision import datasets, transforms

from core.data import download as download_module
from core.data.datasets import DamagedDataError, DataError, DataSet, LabelledImages, MissingDataError, as_images, load
from core.data.download import Download, DownloadError, download
from core.data.split import EmptySplitError, split_one_class

if TYPE_CHECKING:
    from tests.conftest import Mirror, TinyMnist, WaitUntil

SENTENCE = r"\A\S+ [^\n]+\.\Z"
ARCHIVES = [name for name, _ in datasets.MNIST.resources]


def to_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """torchvision's own conversion, image by image."""
    return torch.stack([transforms.ToTensor()(Image.fromarray(image)) for image in pixels])


def content(directory: Path) -> dict[str, tuple[bytes, int]]:
    """Every file below a folder, with what is in it and when it was written."""
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


# The one-class split


@pytest.fixture
def numbered() -> DataSet:
    """230 training images whose first two pixels say which they are; 23 of each class, in mixed order."""
    images = torch.zeros(230, 28, 28, dtype=torch.uint8)
    images[:, 0, 0], images[:, 0, 1] = torch.arange(230) % 16, torch.arange(230) // 16
    labels = (torch.arange(230) * 7) % 10
    return DataSet("mnist", images, labels, LabelledImages(torch.zeros(10, 1, 28, 28), torch.arange(10), "mnist"))


def numbers(images: Tensor) -> list[int]:
    pixels = (images[:, 0, 0, :2] * 255).round().long()
    return (pixels[:, 0] + 16 * pixels[:, 1]).tolist()


@pytest.mark.parametrize("normal", [[5], [0, 1, 2], [5, 5], list(range(9))], ids=str)
def test_split_has_every_normal_image_once_and_no_other(numbered: DataSet, normal: list[int]) -> None:
    split = split_one_class(numbered, normal, seed=3)
    expected = [number for number in range(230) if int(numbered.train_labels[number]) in normal]
    assert sorted(numbers(split.train) + numbers(split.calibration)) == expected


@pytest.mark.parametrize(("normal", "train", "calibration"), [([5], 18, 5), ([1, 2], 37, 9), (list(range(9)), 166, 41)])
def test_split_is_four_to_one(numbered: DataSet, normal: list[int], train: int, calibration: int) -> None:
    split = split_one_class(numbered, normal, seed=3)
    assert (len(split.train), len(split.calibration)) == (train, calibration)


def test_seed_decides_the_split(numbered: DataSet) -> None:
    first, again, other = (split_one_class(numbered, [5], seed) for seed in (1, 1, 2))
    assert numbers(first.train) == numbers(again.train)
    assert numbers(first.train) != numbers(other.train)
    assert set(numbers(first.calibration)) != set(numbers(other.calibration))


def test_split_shuffles_and_draws_from_every_class(numbered: DataSet) -> None:
    split = split_one_class(numbered, [1, 2], seed=1)
    assert numbers(split.train) != sorted(numbers(split.train))
    assert {int(numbered.train_labels[number]) for number in numbers(split.calibration)} == {1, 2}


def test_split_leaves_the_test_set_alone(numbered: DataSet) -> None:
    assert split_one_class(numbered, [5], seed=1).test is numbered.test


@pytest.mark.parametrize(
    ("normal", "sentence"),
    [
        ([], "Choose at least one normal class"),
        (list(range(10)), "nothing is left to be an anomaly"),
        ([42], "Only 0 images of this choice exist"),
    ],
    ids=["none", "all", "empty"],
)
def test_split_without_normals_or_anomalies_is_refused(numbered: DataSet, normal: list[int], sentence: str) -> None:
    with pytest.raises(EmptySplitError, match=sentence):
        split_one_class(numbered, normal, seed=1)


# Reading


def test_images_equal_torchvisions_to_tensor() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 28, 28), dtype=np.uint8)
    pixels[0].flat[:256] = np.arange(256)
    assert torch.equal(as_images(torch.from_numpy(pixels)), to_tensor(pixels))


def test_load_reads_the_archives(tiny_mnist: "TinyMnist", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_mnist.put_into(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    loaded = load("mnist")
    assert np.array_equal(loaded.train_images.numpy(), tiny_mnist.train_images)
    assert np.array_equal(loaded.train_labels.numpy(), tiny_mnist.train_labels)
    assert torch.equal(loaded.test.images, to_tensor(tiny_mnist.test_images))
    assert np.array_equal(loaded.test.labels.numpy(), tiny_mnist.test_labels)
    assert (loaded.test.images.dtype, loaded.test.labels.dtype) == (torch.float32, torch.int64)


def test_load_leaves_the_folder_as_it_was(tiny_mnist: "TinyMnist", tmp_path: Path) -> None:
    tiny_mnist.put_into(tmp_path)
    before = content(tmp_path)
    load("mnist", tmp_path)
    assert content(tmp_path) == before


def test_load_reads_unpacked_files_too(tiny_mnist: "TinyMnist", tmp_path: Path) -> None:
    folder = tiny_mnist.put_into(tmp_path)
    for name in ARCHIVES:
        (folder / name.removesuffix(".gz")).write_bytes(gzip.decompress((folder / name).read_bytes()))
        (folder / name).unlink()
    assert np.array_equal(load("mnist", tmp_path).train_images.numpy(), tiny_mnist.train_images)


DAMAGED_GZIP = gzip.compress(b"x", mtime=0)[:10] + b"\xff" * 20


@pytest.mark.parametrize(
    "damaged",
    [
        DAMAGED_GZIP,
        b"",
        b"\0\0",
        b"\0\0\x08\x03\0\0\0\x3c",
        b"\0\0\x08\x03\0\0\0\x3c\0\0\0\x1c\0\0\0\x1cshort",
        b"\0\0\x0a\x03" + b"\1" * 99,
    ],
    ids=["packed", "empty", "magic cut", "header cut", "pixels cut", "unknown type"],
)
def test_damaged_unpacked_file_is_told(tiny_mnist: "TinyMnist", tmp_path: Path, damaged: bytes) -> None:
    folder = tiny_mnist.put_into(tmp_path)
    for name in ARCHIVES:
        (folder / name.removesuffix(".gz")).write_bytes(gzip.decompress((folder / name).read_bytes()))
        (folder / name).unlink()
    (folder / "train-images-idx3-ubyte").write_bytes(damaged)
    with pytest.raises(DamagedDataError, match=SENTENCE):
        load("mnist", tmp_path)


def test_missing_data_set_names_the_four_files(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=SENTENCE) as error:
        load("mnist", tmp_path)
    assert all(name in str(error.value) for name in ARCHIVES)
    assert content(tmp_path) == {}


@pytest.mark.parametrize("name", ARCHIVES)
def test_one_missing_archive_is_missing_data(tiny_mnist: "TinyMnist", tmp_path: Path, name: str) -> None:
    (tiny_mnist.put_into(tmp_path) / name).unlink()
    with pytest.raises(MissingDataError, match=SENTENCE):
        load("mnist", tmp_path)


@pytest.mark.parametrize("name", ARCHIVES)
def test_truncated_archive_is_named(tiny_mnist: "TinyMnist", tmp_path: Path, name: str) -> None:
    path = tiny_mnist.put_into(tmp_path) / name
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DamagedDataError, match=SENTENCE) as error:
        load("mnist", tmp_path)
    assert [archive for archive in ARCHIVES if archive in str(error.value)] == [name]


def test_unknown_data_set_is_told_with_the_choices() -> None:
    with pytest.raises(DataError, match=SENTENCE) as error:
        load("emnist")
    assert all(name in str(error.value) for name in ("mnist", "fashion-mnist", "kmnist", "uci-digits"))


def test_real_mnist_has_its_published_counts(mnist: DataSet) -> None:
    # http://yann.lecun.com/exdb/mnist: 60,000 and 10,000 images, 5,421 and 892 of them fives.
    assert (len(mnist.train_images), len(mnist.test.images)) == (60_000, 10_000)
    assert (int((mnist.train_labels == 5).sum()), int((mnist.test.labels == 5).sum())) == (5421, 892)


# UCI digits


def all_uci(uci: DataSet) -> tuple[Tensor, Tensor]:
    return torch.cat([as_images(uci.train_images), uci.test.images]), torch.cat([uci.train_labels, uci.test.labels])


def test_uci_digits_have_the_shape_and_range_of_mnist(uci: DataSet) -> None:
    images, labels = all_uci(uci)
    assert images.shape == (1797, 1, 28, 28)
    assert (images.dtype, labels.dtype) == (torch.float32, torch.int64)
    assert (float(images.min()), float(images.amax(dim=(1, 2, 3)).min()) > 0.8) == (0.0, True)
    assert float(images.max()) <= 1.0


def test_uci_digits_are_balanced(uci: DataSet) -> None:
    everything = Counter(load_digits().target.tolist())
    test = Counter(uci.test.labels.tolist())
    assert Counter(all_uci(uci)[1].tolist()) == everything
    assert all(abs(test[label] - everything[label] / 4) <= 1 for label in range(10))


def test_uci_digits_are_centred_by_mass(uci: DataSet) -> None:
    for image in all_uci(uci)[0][::20, 0].tolist():
        mass = sum(map(sum, image))
        row = sum(y * sum(line) for y, line in enumerate(image)) / mass
        column = sum(x * value for line in image for x, value in enumerate(line)) / mass
        assert abs(row - 14) <= 1.0
        assert abs(column - 14) <= 1.0


def test_uci_images_belong_to_their_labels(uci: DataSet) -> None:
    neighbours = KNeighborsClassifier(3).fit(uci.train_images.flatten(1).numpy(), uci.train_labels.numpy())
    assert neighbours.score(uci.test.images.flatten(1).numpy() * 255, uci.test.labels.numpy()) > 0.95


# Downloads


def test_download_puts_the_archives_in_place(tiny_mnist: "TinyMnist", mirror: "Mirror", tmp_path: Path) -> None:
    download("mnist", tmp_path)
    assert {name: found for name, (found, _) in content(tmp_path).items()} == {
        f"MNIST/raw/{name}": archive for name, archive in tiny_mnist.archives.items()
    }
    assert np.array_equal(load("mnist", tmp_path).test.labels.numpy(), tiny_mnist.test_labels)


@pytest.mark.parametrize("file", ["data", "data/MNIST", "data/MNIST/raw"])
def test_a_file_where_a_folder_should_be_is_no_data(tmp_path: Path, file: str) -> None:
    place = tmp_path / file
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("")
    with pytest.raises(MissingDataError):
        load("mnist", tmp_path / "data")


def test_download_repairs_only_what_is_damaged(tiny_mnist: "TinyMnist", mirror: "Mirror", tmp_path: Path) -> None:
    (tiny_mnist.put_into(tmp_path) / ARCHIVES[2]).write_bytes(b"half a fi")
    download("mnist", tmp_path)
    assert set(mirror.asked) == {ARCHIVES[2]}
    assert np.array_equal(load("mnist", tmp_path).train_images.numpy(), tiny_mnist.train_images)


def test_two_downloads_at_once_end_sound(tiny_mnist: "TinyMnist", mirror: "Mirror", tmp_path: Path) -> None:
    first, second = Download("mnist", tmp_path), Download("mnist", tmp_path)
    first.wait()
    second.wait()
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted(["MNIST", "raw", *ARCHIVES])
    assert np.array_equal(load("mnist", tmp_path).train_images.numpy(), tiny_mnist.train_images)


@pytest.mark.parametrize("how", ["cut", "reset", "junk", "page"])
def test_broken_download_leaves_nothing_behind(mirror: "Mirror", tmp_path: Path, how: str) -> None:
    mirror.broken[ARCHIVES[2]] = how
    with pytest.raises(DownloadError, match=r"\.\Z"):
        download("mnist", tmp_path)
    assert content(tmp_path) == {}


def test_connection_that_breaks_is_not_blamed_on_the_disk(mirror: "Mirror", tmp_path: Path) -> None:
    mirror.broken[ARCHIVES[0]] = "reset"
    with pytest.raises(DownloadError, match="could not be downloaded"):
        download("mnist", tmp_path)


@pytest.mark.parametrize("how", ["cut", "reset", "junk", "page"])
def test_broken_download_in_the_background_ends_with_an_error(mirror: "Mirror", tmp_path: Path, how: str) -> None:
    mirror.broken[ARCHIVES[0]] = how
    background = Download("mnist", tmp_path)
    with pytest.raises(DownloadError, match=r"\.\Z"):
        background.wait()
    assert not background.running


def test_folder_that_cannot_be_written_is_told(mirror: "Mirror", tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(DownloadError, match=SENTENCE):
        download("mnist", tmp_path / "data")
    with pytest.raises(DownloadError, match=SENTENCE):
        Download("mnist", tmp_path / "data").wait()


def test_progress_follows_what_arrived(
    tiny_mnist: "TinyMnist", mirror: "Mirror", tmp_path: Path, wait_until: "WaitUntil"
) -> None:
    mirror.half_way = True
    background = Download("mnist", tmp_path)
    half_of_first = len(tiny_mnist.archives[ARCHIVES[0]]) // 2 / sum(map(len, tiny_mnist.archives.values()))
    wait_until(lambda: background.progress > 0)
    assert background.running
    assert background.progress <= half_of_first
    mirror.go_on.set()
    background.wait()


def test_progress_of_a_finished_download_is_one(mirror: "Mirror", tmp_path: Path) -> None:
    background = Download("mnist", tmp_path)
    background.wait()
    assert (background.running, background.error, background.progress) == (False, None, 1.0)


def test_unreachable_mirror_is_told_in_a_sentence(
    tiny_mnist: "TinyMnist", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:  # bound but not listening: every connection is refused
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setattr(datasets.MNIST, "mirrors", [f"http://127.0.0.1:{taken.getsockname()[1]}/"])
        background = Download("mnist", tmp_path)
        with pytest.raises(DownloadError, match=SENTENCE):
            background.wait()
    assert background.error is not None
    assert all(name in str(background.error) for name in ARCHIVES)
    assert content(tmp_path) == {}


def test_uci_digits_need_no_download(tmp_path: Path) -> None:
    download("uci-digits", tmp_path)
    assert content(tmp_path) == {}


def test_command_line_downloads_and_counts(
    mirror: "Mirror", tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["data", "mnist"])
    download_module.main()
    assert "150 training and 20 test images" in capsys.readouterr().out


def test_whatever_stops_a_download_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("what nobody thought of")

    monkeypatch.setattr(download_module, "download", broken)
    background = Download("mnist", tmp_path)
    with pytest.raises(DownloadError, match="what nobody thought of"):
        background.wait()
