"""Finds the four files of a data set of MNIST's kind where somebody put them, as people have them.

Packed or not, under MNIST's names or Kaggle's, each in a folder of its own name, or in a zip; in the data set's folder, in the
one above it, or directly in DATA_DIR. What counts is what a file holds: its SHA-256 once unpacked.
"""

import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

CONTENTS: dict[str, dict[str, str]] = {
    "mnist": {
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    "fashion-mnist": {
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
}
"""SHA-256 of each unpacked file, by the data set and the file's name. KMNIST's are known only by their archives' checksums."""

DAMAGED = (gzip.BadGzipFile, EOFError, KeyError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError)
"""What a file raises that is not what its name says, is cut off, or needs a password."""

UNREADABLE = (OSError, *DAMAGED)
"""The same, and what the system raises that does not let it be read."""


@dataclass(frozen=True)
class Found:
    """A file, or a member of a zip."""

    path: Path
    member: str = ""

    def read(self) -> bytes:
        """Its content, unpacked whatever its name says: browsers unpack downloads and keep the ending. Raises UNREADABLE."""
        if self.member:
            with zipfile.ZipFile(self.path) as archive:
                content = archive.read(self.member)
        else:
            content = self.path.read_bytes()
        return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


def find(name: str, directory: Path, folder: Path, wanted: Iterable[str]) -> Mapping[str, Found]:
    """Those of a data set's files, by their unpacked names, that hold what they should.

    name: of the data set; directory: DATA_DIR; folder: where torchvision looks. In `folder` an unpacked file that is none
    of the known ones counts too, where there is no other.
    """
    known = CONTENTS.get(name, {})
    places = list(dict.fromkeys([folder, folder.parent, directory / name, directory]))
    found: dict[str, Found] = {}
    for plain in wanted:
        good = (each for each in _candidates(places, plain) if _holds(each, known.get(plain, "")))
        if match := next(good, None):
            found[plain] = match
        elif (folder / plain).is_file():
            found[plain] = Found(folder / plain)
    return found


def version_of(path: Path) -> tuple[int, ...]:
    """What differs once a file has changed. Raises OSError."""
    now = path.stat()
    return now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns


def _holds(candidate: Found, digest: str) -> bool:
    try:
        return bool(digest) and _digest(candidate, version_of(candidate.path)) == digest
    except OSError:
        return False


# Pages ask at every run as long as a data set is missing, and another one's files may lie where it is looked for.
@lru_cache(maxsize=256)
def _digest(candidate: Found, changed: tuple[int, ...]) -> str:
    """Of what is unpacked; empty for what is no packed file whatever its name says. Raises OSError, which may pass."""
    try:
        return hashlib.sha256(candidate.read()).hexdigest()
    except DAMAGED:
        return ""


def _candidates(places: Iterable[Path], plain: str) -> Iterator[Found]:
    names = _names(plain)
    for place in places:
        for path in (place / outer / inner for outer in ("", *names) for inner in names):
            if path.is_file():
                yield Found(path)
        for path in sorted(place.glob("*.zip")):
            try:
                with zipfile.ZipFile(path) as archive:
                    members = [each for each in archive.namelist() if each.rpartition("/")[2] in names]
            except UNREADABLE:
                continue
            yield from (Found(path, member) for member in members)


def _names(plain: str) -> list[str]:
    """MNIST's name for a file and Kaggle's, which has a dot in it, both packed or not."""
    return [name + ending for name in (plain, plain.replace("-idx", ".idx")) for ending in ("", ".gz")]
