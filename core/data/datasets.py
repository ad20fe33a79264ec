"""Data sets as tensors: which there are, and how each is read.

The archives are torchvision's, checked by torchvision's checksums, and stay compressed in
DATA_DIR; they are unpacked to a temporary folder for as long as torchvision reads them. Files that somebody
unpacked himself are read too (by_hand.py).
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor
from torchvision import datasets
from torchvision.datasets.utils import check_integrity

from core.data import by_hand
from core.errors import N_, UserError
from core.framing import centre_in_frame

DIGIT_NAMES = tuple(str(digit) for digit in range(10))


class DataError(UserError):
    """A data set cannot be had; the message is a sentence for the user."""


class MissingDataError(DataError):
    """Files of a data set are not in DATA_DIR."""


class DamagedDataError(DataError):
    """A file of a data set is there, but is not what it should be."""


@dataclass(frozen=True)
class LabelledImages:
    """Images float32 (N, 1, 28, 28) in [0, 1], white ink on black; labels int64 (N,)."""

    images: Tensor
    labels: Tensor
    name: str


@dataclass(frozen=True)
class DataSet:
    """One data set in memory; the training images stay bytes, (N, 28, 28), to be small.

    has_no_test_file: no file of its own is for testing; both have all images, and a split says which train.
    """

    name: str
    train_images: Tensor
    train_labels: Tensor
    test: LabelledImages
    has_no_test_file: bool = False


@dataclass(frozen=True)
class Source:
    """Where a data set comes from, and what it is called."""

    name: str
    title: str
    class_names: tuple[str, ...]
    torchvision_class: type[datasets.MNIST] | None = None
    # What the four archives weigh together; only the progress bar of a download uses it.
    archive_bytes: int = 0
    # Images in its training file, at most: a checkpoint that remembers more than any data set has is refused.
    train_count: int = 60_000
    # Reads a data set that is not torchvision's; it is given DATA_DIR and raises DataError.
    read: "Callable[[Path], DataSet] | None" = None

    def __post_init__(self) -> None:
        if (self.torchvision_class is None) == (self.read is None):
            raise ValueError(f"The data set “{self.name}” needs a torchvision class or a function that reads it.")

    @property
    def is_downloadable(self) -> bool:
        return self.torchvision_class is not None

    @property
    def folder(self) -> str:
        """The folder below DATA_DIR in which torchvision looks for the archives."""
        assert self.torchvision_class is not None
        return f"{self.torchvision_class.__name__}/raw"

    @property
    def archives(self) -> dict[str, str]:
        """File name of each archive, and its MD5 as torchvision knows it."""
        assert self.torchvision_class is not None
        return {url.rsplit("/", 1)[-1]: md5 for url, md5 in self.torchvision_class.resources}


SOURCES = {
    source.name: source
    for source in (
        Source("mnist", "MNIST", DIGIT_NAMES, datasets.MNIST, 11_594_722),
        Source(
            "fashion-mnist",
            "Fashion-MNIST",
            (
                N_("T-shirt"),
                N_("Trouser"),
                N_("Pullover"),
                N_("Dress"),
                N_("Coat"),
                N_("Sandal"),
                N_("Shirt"),
                N_("Sneaker"),
                N_("Bag"),
                N_("Ankle boot"),
            ),
            datasets.FashionMNIST,
            30_878_645,
        ),
        Source(
            "kmnist",
            "KMNIST",
            ("お o", "き ki", "す su", "つ tsu", "な na", "は ha", "ま ma", "や ya", "れ re", "を wo"),
            datasets.KMNIST,
            21_240_369,
        ),
        Source("uci-digits", N_("UCI digits"), DIGIT_NAMES, read=lambda _directory: _load_uci_digits()),
    )
}
LARGEST = max(source.train_count for source in SOURCES.values())
"""Images in the training file of the largest data set."""

FALLBACK = "uci-digits"
"""Ships inside scikit-learn, so it is there without a network."""


def data_directory() -> Path:
    """DATA_DIR from the environment, else `data`."""
    return Path(os.environ.get("DATA_DIR") or "data")


def source_of(name: str) -> Source:
    """The data set's source; DataError when there is no such data set."""
    if name not in SOURCES:
        raise DataError("There is no data set “{name}”. Choose one of: {names}.", name=name, names=", ".join(SOURCES))
    return SOURCES[name]


def damaged_archives(source: Source, directory: Path) -> list[Path]:
    """Archives that are there but fail torchvision's checksum."""
    paths = {directory / source.folder / name: md5 for name, md5 in source.archives.items()}
    damaged = []
    for path, md5 in paths.items():
        with suppress(FileNotFoundError, NotADirectoryError):  # a download may just be taking it away
            if not _is_whole(path, md5, by_hand.version_of(path)):
                damaged.append(path)
    return damaged


@lru_cache(maxsize=64)
def _is_whole(path: Path, md5: str, changed: tuple[int, ...]) -> bool:
    """Asked again only when the file has changed: pages look at each run as long as others are missing."""
    return bool(check_integrity(str(path), md5))


@contextmanager
def _reading(source: Source, folder: Path) -> Iterator[None]:
    """Files of a folder that are there and may not be read, or a disk that fails, become a DataError."""
    try:
        yield
    except by_hand.DAMAGED:
        raise
    except OSError as error:
        raise DataError(
            "{title} in {folder} cannot be read: {reason}.",
            title=source.title,
            folder=folder,
            reason=error.strerror or str(error),
        ) from error


def load(name: str, directory: Path | None = None) -> DataSet:
    """Read a data set from DATA_DIR into memory.

    Raises MissingDataError when files are not there, DamagedDataError when one is broken and DataError when one may not be
    read, all naming the files; never downloads.
    """
    source = source_of(name)
    directory = directory or data_directory()
    if source.read:
        return source.read(directory)
    folder = directory / source.folder
    with _reading(source, folder):
        damaged = damaged_archives(source, directory)
        sound = [folder / each for each in source.archives if (folder / each).exists() and folder / each not in damaged]
        files = {path.stem: by_hand.Found(path) for path in sound}
        others = [plain for each in source.archives if (plain := Path(each).stem) not in files]
        files |= by_hand.find(name, directory, folder, others)
    missing = [each for each in source.archives if Path(each).stem not in files]
    if damaged and missing:
        names = ", ".join(str(path) for path in damaged)
        raise DamagedDataError("{names} is damaged or incomplete and has to be downloaded again.", names=names)
    if missing:
        raise MissingDataError(
            "{title} is not in {folder}. With a network it is downloaded there; without one, put these files there: {files}.",
            title=source.title,
            folder=folder,
            files=", ".join(source.archives),
        )
    # torchvision reads unpacked files; they are unpacked to a folder that goes away again.
    try:
        with tempfile.TemporaryDirectory() as unpacked:
            raw = Path(unpacked, source.folder)
            raw.mkdir(parents=True)
            for plain, found in files.items():
                with _reading(source, found.path.parent):
                    content = found.read()
                (raw / plain).write_bytes(content)
            return _read(source, Path(unpacked))
    except (AssertionError, TypeError, ValueError, *by_hand.DAMAGED) as error:
        raise DamagedDataError(
            "A file in {folder} is damaged or incomplete. Delete the folder to get it anew.", folder=folder
        ) from error
    except OSError as error:
        raise DataError(
            "{title} could not be unpacked into {folder}: {reason}.",
            title=source.title,
            folder=tempfile.gettempdir(),
            reason=error.strerror or str(error),
        ) from error


def _read(source: Source, root: Path) -> DataSet:
    assert source.torchvision_class is not None
    train = source.torchvision_class(str(root), train=True)
    test = source.torchvision_class(str(root), train=False)
    for part in (train, test):
        if part.data.shape[1:] != (28, 28) or len(part.data) != len(part.targets):
            raise ValueError("Images and labels do not belong together.")
    return DataSet(source.name, train.data, train.targets, LabelledImages(as_images(test.data), test.targets, source.name))


def as_images(pixels: Tensor) -> Tensor:
    """Bytes (N, 28, 28) as float32 (N, 1, 28, 28) in [0, 1]: torchvision's ToTensor for a whole set."""
    return pixels.unsqueeze(1).float().div_(255.0)


def as_bytes(images: Tensor) -> Tensor:
    """Numbers in [0, 1] (N, 1, 28, 28) as bytes (N, 28, 28); what is more or less is cut off, and bytes stay as they are."""
    if images.dtype == torch.uint8:
        return images
    return (images.detach().squeeze(1).clamp(0.0, 1.0) * 255).round().to(torch.uint8)


def _load_uci_digits() -> DataSet:
    """The 1,797 UCI digits of scikit-learn, 8x8, enlarged into MNIST's frame; a quarter is the test set."""
    images, labels = load_digits(return_X_y=True)
    framed = np.stack([centre_in_frame(image.reshape(8, 8) / 16.0) for image in images])
    parts = train_test_split(framed, labels, test_size=0.25, random_state=0, stratify=labels)
    train, test, train_labels, test_labels = (torch.from_numpy(np.ascontiguousarray(part)) for part in parts)
    return DataSet(
        FALLBACK,
        (train * 255).round().to(torch.uint8),
        train_labels.long(),
        LabelledImages(test.unsqueeze(1), test_labels.long(), FALLBACK),
    )
