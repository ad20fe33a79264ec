"""A data set of one's own as a zip in the layout of torchvision's ImageFolder: a folder for each kind, its pictures in it.

A zip is checked from the outside in: its size, how many entries it has, their names and sizes; only then is a picture
unpacked. All of it is used, or nothing.
"""

import io
import logging
import re
import stat
import zipfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import chain, count
from pathlib import PurePosixPath

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from core.data.own import MAX_IMAGES, MAX_KINDS, MAX_NAME, OwnDataError, OwnImages, kind_name
from core.errors import UserError, is_raised_in, megabytes

LOG = logging.getLogger(__name__)
MEGABYTE = 2**20
MAX_ZIP_BYTES = 20 * MEGABYTE
MAX_UNPACKED_BYTES = 60 * MEGABYTE
"""Of all pictures together, as files."""

MAX_PICTURE_BYTES = 5 * MEGABYTE
MAX_PIXELS = 40_000_000
"""Of all pictures together; a picture of 320 x 320 takes a hundredth of a second to read."""

ANIMATED, MAX_FRAMES = ("GIF", "PNG", "WEBP", "AVIF"), 200
"""Of these a reader looks at so many frames for the one with most ink."""

MAX_ENTRIES = 2 * MAX_IMAGES + MAX_KINDS
"""Folders and the hidden files of some systems count too."""

ENTRY_MARK = b"PK\x01\x02"
"""With which every entry of a zip's list begins."""

IS_UTF8 = 0x800
"""A zip's flag for names in UTF-8 (APPNOTE.TXT 4.4.4, bit 11)."""

HIDDEN = ("__MACOSX", "Thumbs.db", "desktop.ini")
"""What systems put beside pictures unasked; so are names that begin with a dot."""


def read_zip(data: bytes, read: Callable[[bytes], Tensor]) -> OwnImages:
    """The pictures of a zip with the names of their folders, which are their kinds.

    read: makes an image (1, 1, 28, 28) of a picture's bytes, or raises a UserError. Raises OwnDataError, with one sentence.
    """
    if len(data) > MAX_ZIP_BYTES:
        raise OwnDataError(
            "The zip has {size:,.0f} MB; it may have {most} MB.", size=megabytes(len(data)), most=MAX_ZIP_BYTES // MEGABYTE
        )
    # Counted before the list is read: a hundred thousand entries would take a second and much memory.
    if data.count(ENTRY_MARK) > MAX_ENTRIES:
        raise OwnDataError(
            "The zip has {count:,} entries; it may have {most:,}.", count=data.count(ENTRY_MARK), most=MAX_ENTRIES
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            pictures = _pictures(archive)
            return _images(archive, pictures, read)
    except OwnDataError:
        raise
    except Exception as error:
        if not is_raised_in(error, "zipfile"):  # a fault of ours
            LOG.exception("A zip could not be read")
        raise OwnDataError("This file is not a zip, or is damaged. Make a zip with one folder for each kind.") from error


def _pictures(archive: zipfile.ZipFile) -> list[tuple[zipfile.ZipInfo, str]]:
    """The entries that are pictures, each with its kind, in their order. Raises OwnDataError for any that is odd."""
    for entry in archive.infolist():
        if not entry.flag_bits & IS_UTF8:
            # macOS and Info-ZIP write UTF-8 without saying so, and Python then reads it as the DOS code page 437.
            with suppress(UnicodeError):
                entry.filename = entry.filename.encode("cp437").decode("utf-8")
        entry.filename = entry.filename.replace("\\", "/")  # as some programs of Windows write it
    entries = [entry for entry in archive.infolist() if not _is_hidden(entry)]
    for entry in entries:
        _require_harmless(entry)
    files = [entry for entry in entries if not entry.is_dir()]
    if not files:
        raise OwnDataError("The zip is empty. Put the pictures of each kind into a folder of its name.")
    if len(files) > MAX_IMAGES:
        raise OwnDataError("The zip has {count:,} pictures; it may have {most:,}.", count=len(files), most=MAX_IMAGES)
    unpacked = sum(entry.file_size for entry in files)
    if unpacked > MAX_UNPACKED_BYTES:
        raise OwnDataError(
            "Unpacked the zip has {size:,.0f} MB; it may have {most} MB.",
            size=megabytes(unpacked),
            most=MAX_UNPACKED_BYTES // MEGABYTE,
        )
    paths = [PurePosixPath(entry.filename) for entry in files]
    # A zip of a folder has that folder around all others.
    around = 1 if len({path.parts[:1] for path in paths}) == 1 and all(len(path.parts) == 3 for path in paths) else 0
    for path in paths:
        if len(path.parts) - around != 2:
            raise OwnDataError(
                "“{name}” does not lie in a folder of its kind. Put the pictures of each kind into a folder of its name.",
                name=_short(path),
            )
    return [(entry, path.parts[around]) for entry, path in zip(files, paths, strict=True)]


def _is_hidden(entry: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(entry.filename).parts
    return any(part in HIDDEN or (part.startswith(".") and part.strip(".")) for part in parts)


def _require_harmless(entry: zipfile.ZipInfo) -> None:
    name = entry.filename
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or ":" in parts[0]:
        raise OwnDataError("The zip has an entry that leads out of its folder (“{name}”). Make it anew.", name=_short(name))
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind and kind not in (stat.S_IFREG, stat.S_IFDIR):
        raise OwnDataError(
            "The zip has a link instead of a file (“{name}”). Put the pictures themselves in.", name=_short(name)
        )
    if entry.flag_bits & 1:
        raise OwnDataError("The zip is locked with a password. Make one without.")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise OwnDataError("The zip is packed in a way that cannot be read here. Make an ordinary zip.")
    if entry.file_size > MAX_PICTURE_BYTES:
        raise OwnDataError(
            "“{name}” has {size:,.0f} MB; a picture may have {most} MB.",
            name=_short(name),
            size=megabytes(entry.file_size),
            most=MAX_PICTURE_BYTES // MEGABYTE,
        )


def _images(
    archive: zipfile.ZipFile, pictures: list[tuple[zipfile.ZipInfo, str]], read: Callable[[bytes], Tensor]
) -> OwnImages:
    kinds = {folder: kind_name(folder) for folder in dict.fromkeys(folder for _, folder in pictures)}
    folders: dict[str, str] = {}
    for folder, kind in kinds.items():
        if folders.setdefault(kind, folder) != folder:
            raise OwnDataError(
                "The folders “{one}” and “{other}” would both be the kind “{kind}”. Give one of them another name.",
                one=_short(folders[kind]),
                other=_short(folder),
                kind=kind,
            )
    if len(kinds) > MAX_KINDS:
        raise OwnDataError("The zip has {count:,} kinds; it may have {most}.", count=len(kinds), most=MAX_KINDS)
    images, pixels = [], 0
    for entry, _folder in pictures:
        # Not archive.read, which unpacks far more than the list says that there is before it cuts.
        with archive.open(entry) as file:
            data = file.read(entry.file_size + 1)
        pixels += _pixels(data)
        if pixels > MAX_PIXELS:
            raise OwnDataError(
                "The pictures have more than {most} million pixels together. Make them smaller: {side} × {side} are enough.",
                most=MAX_PIXELS // 1_000_000,
                side=128,
            )
        try:
            images.append(read(data))
        except UserError as error:
            raise OwnDataError(
                "“{name}” cannot be used, so nothing of the zip was. {reason}", name=_short(entry.filename), reason=error
            ) from error
    return OwnImages.of(torch.cat(images), [kinds[folder] for _, folder in pictures])


def _pixels(data: bytes) -> int:
    """How many a picture says it has; whether it is one is for its reader to say."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            frames = min(MAX_FRAMES, getattr(picture, "n_frames", 1)) if picture.format in ANIMATED else 1
            return picture.width * picture.height * frames
    except Exception:
        return 0


def to_zip(own: OwnImages) -> bytes:
    """The images, a folder for each kind, as `read_zip` and torchvision read them."""
    folders = folder_names(own.kinds)
    numbered = enumerate(zip(own.images.numpy(), own.names, strict=True), start=1)
    return zip_of((f"{folders[kind]}/{number:04}", pixels) for number, (pixels, kind) in numbered)


def folder_names(kinds: Iterable[str]) -> dict[str, str]:
    """A folder for each kind that every system can make, also one to which “A” is “a”; its name is that of a kind too."""
    folders: dict[str, str] = {}
    for kind in kinds:
        plain = kind.replace("?", "").lstrip(".-) ").rstrip(". ") or "kind"
        plain = f"kind {plain}"[:MAX_NAME] if DEVICES.match(plain) else plain
        numbered = (f"{plain[: MAX_NAME - 3]} {number}" for number in count(2))
        taken = {folder.casefold() for folder in folders.values()}
        folders[kind] = next(name for name in chain([plain], numbered) if name.casefold() not in taken)
    return folders


DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
"""What Windows takes for a device, and makes no folder of."""


def zip_of(pictures: Iterable[tuple[str, NDArray[np.uint8]]]) -> bytes:
    """Pictures (H, W), by their names without an ending, as PNG files."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        for name, pixels in pictures:
            picture = io.BytesIO()
            Image.fromarray(pixels).save(picture, "PNG")
            # A fixed date: the same images are the same file.
            files.writestr(zipfile.ZipInfo(f"{name}.png", (2000, 1, 1, 0, 0, 0)), picture.getvalue())
    return archive.getvalue()


def _short(name: object) -> str:
    text = str(name)
    return text if len(text) <= 60 else f"…{text[-59:]}"
