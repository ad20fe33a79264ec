"""Zips in ImageFolder's layout: what is read, and what is refused with one sentence, whole."""

import io
import logging
import stat
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder

from core.data import folders
from core.data.folders import MAX_ENTRIES, MAX_ZIP_BYTES, read_zip, to_zip
from core.data.own import MAX_KINDS, OwnDataError, OwnImages
from core.drawing import from_picture
from tests.signs import SIGNS, many, on_canvas
from tests.strokes import rgba


def zipped(files: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return made.getvalue()


def png(sign: str, is_dark_on_light: bool = False) -> bytes:
    """A drawing as a file of 320 x 320 pixels."""
    grey = rgba(on_canvas(SIGNS[sign]))[..., 0]
    file = io.BytesIO()
    Image.fromarray(255 - grey if is_dark_on_light else grey).save(file, "PNG")
    return file.getvalue()


STAR, MOON = png("star"), png("moon", is_dark_on_light=True)


# ---------------------------------------------------------------- what is read


@pytest.mark.parametrize("around", ["", "signs/"], ids=["flat", "in a folder"])
def test_a_folder_is_a_kind(around: str) -> None:
    found = read_zip(
        zipped({f"{around}star/a.png": STAR, f"{around}moon/b.png": MOON, f"{around}star/c.png": STAR}), from_picture
    )
    assert found.names == ["star", "moon", "star"]
    assert torch.equal(found.images[0], (from_picture(STAR)[0, 0] * 255).round().to(torch.uint8))


def test_names_in_utf_8_are_read_where_the_zip_does_not_say_that_they_are() -> None:
    said = zipped({"étoile/a.png": STAR, "mond/ü.png": MOON})
    unsaid = bytearray(said)
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flags in both kinds of entry
        start = 0
        while (start := unsaid.find(mark, start)) >= 0:
            unsaid[start + place + 1] &= 0xFF - 0x08
            start += 4
    assert zipfile.ZipFile(io.BytesIO(bytes(unsaid))).namelist()[0] == "├⌐toile/a.png", "as Python reads it"
    assert read_zip(bytes(unsaid), from_picture).names == read_zip(said, from_picture).names == ["étoile", "mond"]


def test_what_systems_put_beside_pictures_is_passed_over() -> None:
    files = {"__MACOSX/star/._a.png": b"x", "star/.DS_Store": b"x", "star/Thumbs.db": b"x", "star/": b"", "star/a.png": STAR}
    assert read_zip(zipped(files), from_picture).counts == {"star": 1}
    as_windows = {name.replace("/", "\\"): content for name, content in files.items()}
    assert read_zip(zipped(as_windows), from_picture).counts == {"star": 1}


def test_what_is_taken_away_comes_back_and_is_torchvisions_layout(tmp_path: Path) -> None:
    own = OwnImages.of(torch.cat([many("moon", 3, 0), many("star", 2, 1)]), ["moon"] * 3 + ["étoile ⭐"] * 2)
    content = to_zip(own)
    again = read_zip(content, from_picture)
    assert (again.name, again.names) == (own.name, own.names)
    zipfile.ZipFile(io.BytesIO(content)).extractall(tmp_path)
    folder = ImageFolder(str(tmp_path))
    assert sorted(folder.classes) == sorted(own.kinds)
    seen = {(folder.classes[label], np.asarray(image.convert("L")).tobytes()) for image, label in folder}
    assert seen == {(name, image.numpy().tobytes()) for name, image in zip(own.names, own.images, strict=True)}


def test_every_kind_has_a_folder_that_every_system_can_make() -> None:
    kinds = [
        "A",
        "a",
        "a 2",
        "What?",
        "What",
        "?",
        "?.",
        "why.",
        "con",
        "com1.a",
        "=1+1",
        "straße",
        "STRASSE",
        "m" * 20,
        "M" * 20,
    ]
    names = folders.folder_names(kinds)
    assert list(names) == kinds
    assert names["A"] == "A"
    assert len({name.casefold() for name in names.values()}) == len(kinds)
    for name in names.values():
        assert not set(name) & set('<>:"/\\|?*'), name
        assert name.strip(". ") == name, name
        assert name.split(".")[0].casefold() not in ("con", "com1"), name
    content = to_zip(OwnImages.of(torch.cat([many("star", 1, 0)] * len(kinds)), kinds))
    assert set(read_zip(content, from_picture).kinds) == set(names.values()), "and comes back"


# ---------------------------------------------------------------- what is refused


def link() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        entry = zipfile.ZipInfo("star/a.png")
        entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    return made.getvalue()


def locked() -> bytes:
    content = bytearray(zipped({"star/a.png": STAR}))
    content[6] |= 1
    content[content.rindex(b"PK\1\2") + 8] |= 1
    return bytes(content)


def bomb() -> bytes:
    """Ten gigabytes of nothing, in a list whose entries all say the same megabytes."""
    return zipped({f"star/{number}.png": bytes(5 * 2**20) for number in range(13)}, zipfile.ZIP_DEFLATED)


def overlapping() -> bytes:
    """Two thousand entries that are the same five megabytes: 10 GB unpacked (after Fifield 2019)."""
    one = zipped({"star/a.png": bytes(5 * 2**20)}, zipfile.ZIP_DEFLATED)
    start = one.rindex(b"PK\1\2")
    end = one.rindex(b"PK\5\6")
    entry = one[start:end] * 2000
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2000, 2000, len(entry), start, 0)
    return one[:start] + entry + tail


def lying() -> bytes:
    """64 megabytes of nothing, of which the list and the entry say that they are a kilobyte."""
    content = bytearray(zipped({"star/a.png": bytes(2**26)}, zipfile.ZIP_DEFLATED))
    for place in (22, content.rindex(b"PK\1\2") + 24):
        content[place : place + 4] = struct.pack("<L", 1024)
    return bytes(content)


def damaged() -> bytes:
    content = bytearray(zipped({"star/a.png": STAR}))
    content[100] ^= 255
    return bytes(content)


def blank(width: int) -> bytes:
    """A PNG that says it has so many pixels a side."""
    file = io.BytesIO()
    Image.new("1", (width, width)).save(file, "PNG")
    return file.getvalue()


def animated() -> bytes:
    """Two hundred pictures in one file, of 42 million pixels together."""
    frames = [Image.new("L", (460, 460)) for _ in range(200)]
    for number, frame in enumerate(frames):
        frame.putpixel((number, number), 255)
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    return file.getvalue()


def large() -> bytes:
    """A star of 16 million pixels."""
    file = io.BytesIO()
    Image.open(io.BytesIO(STAR)).resize((4000, 4000)).save(file, "JPEG", quality=20)
    return file.getvalue()


REFUSED = {
    "not a zip": (b"hello", "not a zip"),
    "empty file": (b"", "not a zip"),
    "cut off": (zipped({"star/a.png": STAR})[:-30], "not a zip"),
    "damaged": (damaged(), "damaged"),
    "no entry": (zipped({}), "The zip is empty"),
    "folders only": (zipped({"star/": b""}), "The zip is empty"),
    "no folder": (zipped({"a.png": STAR, "star/b.png": STAR}), "“a.png” does not lie in a folder"),
    "no name at all": (zipped({".": STAR}), "“.” does not lie in a folder"),
    "too deep": (zipped({"star/a/b/c.png": STAR, "moon/d.png": MOON}), "does not lie in a folder"),
    "leads out": (zipped({"../star/a.png": STAR}), "leads out of its folder"),
    "leads out further in": (zipped({"star/../../a.png": STAR}), "leads out of its folder"),
    "leads out backwards": (zipped({"star\\..\\..\\a.png": STAR}), "leads out of its folder"),
    "absolute": (zipped({"/etc/star/a.png": STAR}), "leads out of its folder"),
    "of a drive": (zipped({"C:\\star\\a.png": STAR}), "leads out of its folder"),
    "a link": (link(), "a link instead of a file"),
    "locked": (locked(), "password"),
    "odd packing": (zipped({"star/a.png": STAR}, zipfile.ZIP_LZMA), "ordinary zip"),
    "an animation": (zipped({"star/a.gif": animated()}), "more than 40 million pixels"),
    "an odd file": (zipped({"star/a.png": STAR, "star/readme.txt": b"hello"}), "“star/readme.txt” cannot be used, so nothing"),
    "a picture of nothing": (zipped({"star/a.png": STAR, "star/b.png": blank(64)}), "“star/b.png” cannot be used"),
    "a zip in a zip": (zipped({"star/a.zip": zipped({"star/a.png": STAR})}), "cannot be used"),
    "a large picture": (zipped({"star/a.png": bytes(5 * 2**20 + 9)}, zipfile.ZIP_DEFLATED), "has 6 MB; a picture may have 5"),
    "a bomb": (bomb(), "Unpacked the zip has 65 MB"),
    "a bomb of one file": (overlapping(), "Unpacked the zip has 10,000 MB"),
    "a large file": (bytes(MAX_ZIP_BYTES + 1), "it may have 20 MB"),
    "many entries": (zipped({f"star/{number}.png": b"" for number in range(MAX_ENTRIES + 1)}), "entries; it may have"),
    "many pixels": (zipped({f"star/{number}.jpg": large() for number in range(3)}), "million pixels together"),
    "many kinds": (zipped({f"kind {number}/a.png": STAR for number in range(MAX_KINDS + 1)}), "kinds; it may have"),
    "a long name": (zipped({"x" * 21 + "/a.png": STAR}), "at most 20 characters"),
    "one kind twice": (
        zipped({"my_star/a.png": STAR, "my star/b.png": STAR}),
        "“my_star” and “my star” would both be the kind “my star”",
    ),
    "no name": (zipped({"***/a.png": STAR}), "needs a name"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_used_is_refused_with_one_sentence(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    content, sentence = REFUSED[kind]
    started = time.perf_counter()
    with pytest.raises(OwnDataError, match=sentence.replace("(", r"\(")):
        read_zip(content, from_picture)
    assert time.perf_counter() - started < 20
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING], "a file is no fault of ours"


def test_a_fault_of_ours_is_one_sentence_too_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(OwnDataError, match="not a zip"):
        read_zip(zipped({"star/a.png": STAR}), lambda _: torch.ones(2) @ torch.ones(3))
    (record,) = caplog.records
    assert (record.levelno, record.message) == (logging.ERROR, "A zip could not be read")
    assert "must match" in caplog.text or "inconsistent tensor size" in caplog.text, "the traceback says what it was"


def test_a_picture_larger_than_the_list_says_is_not_unpacked() -> None:
    content = lying()
    tracemalloc.start()
    try:
        with pytest.raises(OwnDataError, match="damaged"):
            read_zip(content, from_picture)
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()


def test_a_hundred_thousand_entries_are_counted_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"PK\3\4" + (b"PK\1\2" + bytes(42) + b"a") * 100_000 + b"PK\5\6" + bytes(18)
    monkeypatch.setattr(folders.zipfile, "ZipFile", None)
    with pytest.raises(OwnDataError, match="100,000 entries"):
        read_zip(content, from_picture)
