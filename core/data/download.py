"""Downloads of data sets through torchvision, which go to a staging folder and are moved in whole.

python -m core.data.download mnist      downloads and verifies one data set
"""

import argparse
import logging
import os
import shutil
import tempfile
import threading
import time
from http.client import HTTPException
from pathlib import Path

from torchvision.datasets.utils import check_integrity

from core.data.datasets import SOURCES, DataError, DataSet, MissingDataError, Source, data_directory, load, source_of

LOG = logging.getLogger(__name__)


class DownloadError(DataError):
    """A data set could not be downloaded or stored."""


def download(name: str, directory: Path | None = None, staging_dir: Path | None = None) -> None:
    """Download and verify a data set's archives through torchvision, then move each into place whole.

    Archives that are there and sound are kept. staging_dir: the folder for unfinished files; made
    here unless given, always removed. Raises DownloadError with a sentence.
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
            self.error = error.detached()
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
