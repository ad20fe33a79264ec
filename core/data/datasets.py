"""Data sets as tensors, and the one-class split.

The archives are torchvision's, checked by torchvision's checksums, and stay compressed in
DATA_DIR; images are unpacked straight into memory, so no half-unpacked file can be read.
Downloads go to a staging folder and are moved in whole.

    python -m core.data.datasets mnist      downloads and verifies one data set
"""

import argparse
import gzip
import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor
from torchvision import datasets
from torchvision.datasets.utils import check_integrity

from core.data.variation import copies_of, varied
from core.errors import N_, UserError
from core.preprocessing import centre_in_frame

DIGIT_NAMES = tuple(str(digit) for digit in range(10))
CALIBRATION_SHARE = 0.2
TEST_SHARE = 0.1
"""Of the normal images of a set that is one pile."""
LOG = logging.getLogger(__name__)


class DataError(UserError):
    """A data set cannot be had; the message is a sentence for the user."""


class MissingDataError(DataError):
    """Files of a data set are not in DATA_DIR."""


class DamagedDataError(DataError):
    """A file of a data set is there, but is not what it should be."""


class DownloadError(DataError):
    """A data set could not be downloaded or stored."""


class EmptySplitError(DataError):
    """A choice of normal classes leaves nothing to train on, or nothing to call an anomaly."""


@dataclass(frozen=True)
class Digits:
    """Images float32 (N, 1, 28, 28) in [0, 1], white ink on black; labels int64 (N,)."""

    images: Tensor
    labels: Tensor
    name: str


@dataclass(frozen=True)
class DataSet:
    """One data set in memory; the training images stay bytes, (N, 28, 28), to be small.

    is_one_pile: no file of its own is for testing; both have all images, and a split says which train.
    """

    name: str
    train_images: Tensor
    train_labels: Tensor
    test: Digits
    is_one_pile: bool = False


@dataclass(frozen=True)
class OneClassSplit:
    """Normal images for training (80 %), some of them copies, and for calibration (20 %), and the whole test set."""

    train: Tensor
    calibration: Tensor
    test: Digits
    copies: int = 0
    """Of each training image, varied, which train too."""

    @property
    def key(self) -> Hashable:
        return id(self)

    @property
    def counts(self) -> tuple[int, int]:
        return len(self.train), len(self.calibration)

    def images(self) -> "OneClassSplit":
        """Itself: the images are there."""
        return self


@dataclass(frozen=True)
class PlannedSplit:
    """Which images a one-class split will hold, before anybody needs them; a few kilobytes instead of a hundred megabytes.

    train, calibration: numbers of images of the training file. test: what is for testing. copies: of each training image
    there are so many that are varied, made by the seed.
    """

    data: DataSet
    train: Tensor
    calibration: Tensor
    key: Hashable
    """Equal for equal splits."""
    test: Digits
    copies: int = 0
    seed: int = 0

    @property
    def counts(self) -> tuple[int, int]:
        """How many images train, copies included, and how many calibrate."""
        return len(self.train) * (1 + self.copies), len(self.calibration)

    def images(self) -> OneClassSplit:
        """The split itself."""
        train = self._images(self.train)
        if self.copies:
            train = varied(train, self.copies, self.seed)
        return OneClassSplit(train, self._images(self.calibration), self.test, self.copies)

    def first_held_out(self, count: int) -> Tensor:
        """The first calibration images (count, 1, 28, 28)."""
        return self._images(self.calibration[:count])

    def _images(self, chosen: Tensor) -> Tensor:
        return as_images(self.data.train_images[chosen])


class SplitSource(Protocol):
    """A one-class split, or what one can be made of. key: equal for equal splits; counts: images to train and to calibrate."""

    @property
    def key(self) -> Hashable: ...

    @property
    def counts(self) -> tuple[int, int]: ...

    def images(self) -> OneClassSplit: ...


@dataclass(frozen=True)
class Source:
    """Where a data set comes from, and what it is called."""

    name: str
    title: str
    class_names: tuple[str, ...]
    torchvision_class: type[datasets.MNIST] | None = None
    # What the four archives weigh together; only the progress bar of a download uses it.
    archive_bytes: int = 0
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
LARGEST = 60_000
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
    return [path for path, md5 in paths.items() if path.exists() and not check_integrity(str(path), md5)]


def load(name: str, directory: Path | None = None) -> DataSet:
    """Read a data set from DATA_DIR into memory.

    Raises MissingDataError when files are not there and DamagedDataError when one is broken,
    both naming the files; never downloads.
    """
    source = source_of(name)
    directory = directory or data_directory()
    if source.read:
        return source.read(directory)
    folder = directory / source.folder
    if damaged := damaged_archives(source, directory):
        names = ", ".join(str(path) for path in damaged)
        raise DamagedDataError("{names} is damaged or incomplete and has to be downloaded again.", names=names)
    missing = [name for name in source.archives if not (folder / name).exists()]
    if not missing:
        # torchvision reads unpacked files; they are unpacked to a folder that goes away again.
        try:
            with tempfile.TemporaryDirectory() as unpacked:
                raw = Path(unpacked, source.folder)
                raw.mkdir(parents=True)
                for archive in source.archives:
                    with gzip.open(folder / archive) as packed, open(raw / Path(archive).stem, "wb") as plain:
                        shutil.copyfileobj(packed, plain)
                return _read(source, Path(unpacked))
        except OSError as error:
            raise DataError(
                "{title} could not be unpacked into {folder}: {reason}.",
                title=source.title,
                folder=tempfile.gettempdir(),
                reason=error.strerror or str(error),
            ) from error
    if all((folder / Path(archive).stem).exists() for archive in source.archives):
        try:
            return _read(source, directory)
        except (AssertionError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
            raise DamagedDataError(
                "A file in {folder} is damaged or incomplete. Delete the folder to get it anew.", folder=folder
            ) from error
    raise MissingDataError(
        "{title} is not in {folder}. With a network it is downloaded there; without one, put these files there: {files}.",
        title=source.title,
        folder=folder,
        files=", ".join(source.archives),
    )


def _read(source: Source, root: Path) -> DataSet:
    assert source.torchvision_class is not None
    train = source.torchvision_class(str(root), train=True)
    test = source.torchvision_class(str(root), train=False)
    for part in (train, test):
        if part.data.shape[1:] != (28, 28) or len(part.data) != len(part.targets):
            raise ValueError("Images and labels do not belong together.")
    return DataSet(source.name, train.data, train.targets, Digits(as_images(test.data), test.targets, source.name))


def as_images(pixels: Tensor) -> Tensor:
    """Bytes (N, 28, 28) as float32 (N, 1, 28, 28) in [0, 1]: torchvision's ToTensor for a whole set."""
    return pixels.unsqueeze(1).float().div_(255.0)


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
        Digits(test.unsqueeze(1), test_labels.long(), FALLBACK),
    )


FEWEST = 10
"""Images of what is normal, to learn from."""


def plan_split(data: DataSet, normal_classes: Iterable[int], seed: int, vary: bool = False) -> PlannedSplit:
    """Keep only normal images of the training file, 80 % to train and 20 % to calibrate, shuffled by seed.

    vary: add varied copies of the images that train. Of a set that is one pile, a tenth of the normal images and all others
    are for testing, and nothing need be an anomaly. Raises EmptySplitError when no class or, where the test set is a file of
    its own, every class is normal, or fewer than ten images remain.
    """
    normal = sorted(set(normal_classes))
    if not normal:
        raise EmptySplitError("Choose at least one normal class: the network has to learn something.")
    if not data.is_one_pile and set(data.test.labels.tolist()) <= set(normal):
        raise EmptySplitError("Every class is normal, so nothing is left to be an anomaly. Take one class away.")
    is_normal = torch.isin(data.train_labels, torch.tensor(normal))
    chosen = is_normal.nonzero().squeeze(1)
    if len(chosen) < FEWEST:
        raise EmptySplitError("Only {count} images of this choice exist; at least 10 are needed.", count=len(chosen))
    order = chosen[torch.randperm(len(chosen), generator=torch.Generator().manual_seed(seed))]
    held_out, test = round(len(order) * CALIBRATION_SHARE), data.test
    calibration, train = order[:held_out], order[held_out:]
    if data.is_one_pile:
        tested = max(1, round(len(order) * TEST_SHARE))
        seen = torch.cat([train[:tested], (~is_normal).nonzero().squeeze(1)]).sort().values
        train, test = train[tested:], Digits(test.images[seen], test.labels[seen], test.name)
    copies = copies_of(len(train)) if vary else 0
    key = data.name if data.is_one_pile else id(data), tuple(normal), seed, copies
    return PlannedSplit(data, train, calibration, key, test, copies, seed)


def split_one_class(data: DataSet, normal_classes: Iterable[int], seed: int, vary: bool = False) -> OneClassSplit:
    """The split of plan_split with its images. Raises EmptySplitError."""
    return plan_split(data, normal_classes, seed, vary).images()


def download(name: str, directory: Path | None = None, staging_dir: Path | None = None) -> None:
    """Download and verify a data set's archives through torchvision, then move each into place whole.

    Archives that are there and sound are kept. staging_dir: the folder for unfinished files (made and
    removed here unless given). Raises DownloadError with a sentence.
    """
    source = source_of(name)
    if source.torchvision_class is None:
        return
    directory = directory or data_directory()
    folder = directory / source.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(directory)
        staging_dir = staging_dir or _make_staging_dir(directory)
        raw = staging_dir / source.folder
        raw.mkdir(parents=True, exist_ok=True)
        for archive, md5 in source.archives.items():
            if check_integrity(str(folder / archive), md5):
                shutil.copy(folder / archive, raw / archive)
        try:
            source.torchvision_class(str(staging_dir), train=True, download=True)
        except (ConnectionError, TimeoutError, HTTPException) as error:
            raise RuntimeError(error) from error
        for archive, md5 in source.archives.items():
            if not check_integrity(str(raw / archive), md5):
                raise DownloadError("{archive} arrived damaged. Try again.", archive=archive)
            os.replace(raw / archive, folder / archive)
    except OSError as error:
        raise _not_stored(source, folder, error) from error
    except RuntimeError as error:
        LOG.warning("%s could not be downloaded: %s", source.title, error)
        raise DownloadError(
            "{title} could not be downloaded. Check the network and try again, or put these files into {folder}: {files}.",
            title=source.title,
            folder=folder,
            files=", ".join(source.archives),
        ) from error
    finally:
        if staging_dir is not None:
            shutil.rmtree(staging_dir, ignore_errors=True)


def _not_stored(source: Source, folder: Path, error: OSError) -> DownloadError:
    return DownloadError(
        "{title} could not be stored in {folder}: {reason}.",
        title=source.title,
        folder=folder,
        reason=error.strerror or str(error),
    )


def _sweep(directory: Path) -> None:
    """Remove what a download left that was killed; younger than an hour it may be another process's."""
    for left in directory.glob(".download-*"):
        if time.time() - left.stat().st_mtime > 3600:
            shutil.rmtree(left, ignore_errors=True)


def _make_staging_dir(directory: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix=".download-", dir=directory))


class Download:
    """One download in the background, with what has arrived so far; start it once per data set."""

    def __init__(self, name: str, directory: Path | None = None) -> None:
        self.source = source_of(name)
        self.directory = directory or data_directory()
        self.error: DataError | None = None
        self._staging_dir: Path | None = None
        self._thread = threading.Thread(target=self._run, name=f"download-{name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._staging_dir = _make_staging_dir(self.directory)
            download(self.source.name, self.directory, self._staging_dir)
        except OSError as error:
            self.error = _not_stored(self.source, self.directory, error)
        except DataError as error:
            self.error = error
        except Exception as error:  # without an error the page would begin the next download, for ever
            LOG.exception("A download failed")
            self.error = DownloadError(
                "{title} could not be downloaded: {reason}.", title=self.source.title, reason=f"{type(error).__name__}: {error}"
            )

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    @property
    def progress(self) -> float:
        """Share of the archives' bytes that has arrived, 0 to 1."""
        if self._staging_dir is None:
            return 0.0
        if not self.running:
            return 0.0 if self.error else 1.0
        try:
            arrived = sum(path.stat().st_size for path in self._staging_dir.glob(f"{self.source.folder}/*.gz"))
        except FileNotFoundError:  # the staging folder goes away at the end, in success and in failure
            return 0.0 if self.error else 1.0
        return min(1.0, arrived / self.source.archive_bytes)

    def wait(self) -> None:
        """Block until the download ended; raises DownloadError if it failed."""
        self._thread.join()
        if self.error:
            raise self.error


def load_or_download(name: str) -> DataSet:
    """A data set from DATA_DIR, downloaded into it first where it is missing. Raises DataError."""
    try:
        return load(name)
    except MissingDataError:
        if not source_of(name).is_downloadable:
            raise
        Download(name).wait()
        return load(name)


def main() -> None:
    parser = argparse.ArgumentParser(description="Download and verify a data set into DATA_DIR.")
    parser.add_argument("name", choices=[name for name, source in SOURCES.items() if source.torchvision_class])
    name = parser.parse_args().name
    try:
        download(name)
        data = load(name)
    except DataError as error:
        raise SystemExit(str(error)) from None
    print(f"{SOURCES[name].title}: {len(data.train_labels):,} training and {len(data.test.labels):,} test images.")


if __name__ == "__main__":
    main()
