"""Data that somebody put there by hand, as people have it."""

import gzip
import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.data import by_hand, datasets
from core.data.datasets import DamagedDataError, MissingDataError, load
from tests.conftest import TinyMnist

Layout = Callable[[Path, dict[str, bytes]], None]
"""Puts unpacked files, by their names, below DATA_DIR."""


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def packed(content: bytes) -> bytes:
    """Not as MNIST's own archives are: another level, another time, a file name inside."""
    return gzip.compress(content, compresslevel=1, mtime=1234)


def mixed(directory: Path, files: dict[str, bytes]) -> None:
    for number, (name, content) in enumerate(files.items()):
        put(directory / "MNIST/raw" / (name + ".gz" * (number % 2)), packed(content) if number % 2 else content)


def recompressed(directory: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        put(directory / "MNIST/raw" / f"{name}.gz", packed(content))


def unpacked_by_the_browser(directory: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        put(directory / "MNIST/raw" / f"{name}.gz", content)


def directly(directory: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        put(directory / name, content)


def directly_packed(directory: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        put(directory / f"{name}.gz", packed(content))


def above_raw(directory: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        put(directory / "MNIST" / f"{name}.gz", packed(content))


def with_kaggles_dots(directory: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        put(directory / name.replace("-idx", ".idx"), content)


def in_kaggles_folders(directory: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        put(directory / name / name, content)
        put(directory / name.replace("-idx", ".idx") / "readme.txt", b"not the data")


def in_kaggles_folders_with_dots(directory: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        put(directory / "mnist" / name / name.replace("-idx", ".idx"), content)


def as_kaggles_zip(directory: Path, files: dict[str, bytes]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(directory / "archive.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"{name}/{name}", content)
            archive.writestr(name.replace("-idx", ".idx"), content)


def beside_fashion(directory: Path, files: dict[str, bytes]) -> None:
    """Fashion-MNIST's files have the same names."""
    for name, content in files.items():
        put(directory / name, content[::-1])
        put(directory / f"{name}.gz", packed(content))


def beside_what_was_cut_off(directory: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        put(directory / "MNIST/raw" / f"{name}.gz", packed(content)[:-9])
    as_kaggles_zip(directory, files)


LAYOUTS: list[Layout] = [
    mixed,
    recompressed,
    unpacked_by_the_browser,
    directly,
    directly_packed,
    above_raw,
    with_kaggles_dots,
    in_kaggles_folders,
    in_kaggles_folders_with_dots,
    as_kaggles_zip,
    beside_fashion,
    beside_what_was_cut_off,
]


@pytest.fixture
def files(tiny_mnist: TinyMnist, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The unpacked files of the tiny MNIST, which are taken for the true ones."""
    plain = {name.removesuffix(".gz"): gzip.decompress(content) for name, content in tiny_mnist.archives.items()}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in plain.items()}
    monkeypatch.setitem(by_hand.CONTENTS, "mnist", digests)
    return plain


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_data_is_found_as_people_have_it(
    layout: Layout, files: dict[str, bytes], tiny_mnist: TinyMnist, tmp_path: Path
) -> None:
    layout(tmp_path, files)
    before = sorted(tmp_path.rglob("*"))
    loaded = load("mnist", tmp_path)
    assert np.array_equal(loaded.train_images.numpy(), tiny_mnist.train_images)
    assert np.array_equal(loaded.train_labels.numpy(), tiny_mnist.train_labels)
    assert np.array_equal((loaded.test.images * 255).round().byte().numpy().squeeze(1), tiny_mnist.test_images)
    assert np.array_equal(loaded.test.labels.numpy(), tiny_mnist.test_labels)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_one_file_less_is_told(layout: Layout, files: dict[str, bytes], tmp_path: Path) -> None:
    files.pop("train-labels-idx1-ubyte")
    layout(tmp_path, files)
    with pytest.raises((MissingDataError, DamagedDataError), match="MNIST"):
        load("mnist", tmp_path)


def test_files_of_the_same_names_are_not_taken_for_another_data_set(files: dict[str, bytes], tmp_path: Path) -> None:
    directly(tmp_path, files)
    for other in ("fashion-mnist", "kmnist"):
        with pytest.raises(MissingDataError):
            load(other, tmp_path)


def test_what_was_not_found_is_not_read_again_until_it_changes(
    files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages ask at each run, and another data set's files may be large."""
    asked: list[Path] = []
    read, check = by_hand.Found.read, datasets.check_integrity
    monkeypatch.setattr(by_hand.Found, "read", lambda found: asked.append(found.path) or read(found))
    monkeypatch.setattr(datasets, "check_integrity", lambda path, md5: asked.append(Path(path)) or check(path, md5))
    directly(tmp_path, {name: content + b"of another" for name, content in files.items()})
    put(tmp_path / "MNIST/raw/t10k-labels-idx1-ubyte.gz", b"\x1f\x8b\x08 cut off")
    for _again in range(2):
        with pytest.raises((MissingDataError, DamagedDataError)):
            load("mnist", tmp_path)
        assert len({*asked}) == len(files) + 1
        assert asked.count(tmp_path / "train-images-idx3-ubyte") == 1
    assert asked.count(tmp_path / "MNIST/raw/t10k-labels-idx1-ubyte.gz") == 2, "its checksum, and what it may hold, each once"
    directly(tmp_path, files)
    assert len(load("mnist", tmp_path).train_labels) == 150


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"\x1f\x8b\x08 cut off"], ids=["empty", "zip", "gzip"])
def test_damaged_files_beside_are_passed_over(content: bytes, files: dict[str, bytes], tmp_path: Path) -> None:
    for name in ("archive.zip", "train-images-idx3-ubyte", "train-images.idx3-ubyte.gz"):
        put(tmp_path / name, content)
    with pytest.raises(MissingDataError):
        load("mnist", tmp_path)
    recompressed(tmp_path, files)
    assert len(load("mnist", tmp_path).train_labels) == 150


def test_contents_are_those_of_the_real_files(mnist: object) -> None:
    """The digests, against the archives that torchvision's checksums vouch for."""
    from tests.conftest import REAL_DATA

    for name, digest in by_hand.CONTENTS["mnist"].items():
        path = REAL_DATA / "MNIST/raw" / f"{name}.gz"
        if not path.exists():
            pytest.skip("MNIST is not packed in DATA_DIR")
        assert hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest() == digest
