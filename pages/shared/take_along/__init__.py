"""Take it along: a detector as files, wherever a page offers one."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st
import torch

from core import checkpoint
from core.checkpoint import Checkpoint
from core.data.datasets import FALLBACK, SOURCES, DataError, data_directory
from core.data.own import is_own
from pages.shared.html import pictures
from pages.shared.i18n.text import _
from pages.shared.state import data_sets
from pages.shared.take_along import notebook
from pages.shared.take_along.card import card


@dataclass(frozen=True)
class File:
    """What one button gives; make is called when it is pressed, outside the session."""

    label: str
    icon: str
    help: str
    name: str
    kind: str
    make: Callable[[], bytes | str]


def show(made: Checkpoint, title: str, place: str) -> None:
    """A button for each file of a detector, and one for all.

    title: what the detector is called on screen; place: where on the page, for the buttons' keys.
    """
    with st.container(key=f"take-along-{place}", horizontal=True, gap="small"):
        for file in files(made, title):
            st.download_button(
                file.label,
                file.make,
                file.name,
                file.kind,
                key=f"take-along-{place}-{file.name}",
                icon=file.icon,
                help=file.help,
                on_click="ignore",
            )


def files(made: Checkpoint, title: str) -> list[File]:
    """Checkpoint, ONNX, notebook, card and the archive with them all, in the visitor's language."""
    stem = f"detector-{'-'.join(map(str, made.config.normal_classes))}"
    about, explained = card(made, title), notebook.document(f"{stem}.onnx")
    single = [
        File(
            _("Download checkpoint"),
            ":material/download:",
            _("The whole detector. Upload it here to use it again."),
            f"{stem}.safetensors",
            "application/octet-stream",
            lambda: as_checkpoint(made),
        ),
        File(
            _("ONNX"),
            ":material/hub:",
            _("One graph from the pixels to score and verdict, for other programs: ONNX Runtime reads it anywhere."),
            f"{stem}.onnx",
            "application/octet-stream",
            lambda: as_onnx(made),
        ),
        File(
            _("Notebook"),
            ":material/menu_book:",
            _("Twenty lines of Python that load the ONNX file and judge a picture of yours."),
            f"{stem}.ipynb",
            "application/x-ipynb+json",
            lambda: explained,
        ),
        File(
            _("Card"),
            ":material/badge:",
            _("What it was trained with, how well it does, and what it cannot do."),
            f"{stem}.html",
            "text/html",
            lambda: about,
        ),
    ]
    everything = File(
        _("All in one"),
        ":material/folder_zip:",
        _("All of these in one archive.")
        if is_own(made.config.data_set)
        else _("All of these in one archive, and a picture to begin with."),
        f"{stem}.zip",
        "application/zip",
        lambda: archive(single, made),
    )
    return [*single, everything]


def as_checkpoint(made: Checkpoint) -> bytes:
    """The checkpoint in full precision, or in half where only that can be uploaded again."""
    whole = checkpoint.to_bytes(made)
    # A larger max_upload_size of the widget would be accepted by the page and refused by the server.
    most = int(st.get_option("server.maxUploadSize")) * 2**20
    return whole if len(whole) <= most else checkpoint.to_bytes(made, torch.float16)


def as_onnx(made: Checkpoint) -> bytes:
    """The ONNX graph; its package is read only when somebody wants one."""
    from core.onnx_export import to_onnx

    return to_onnx(made)


def archive(single: list[File], made: Checkpoint) -> bytes:
    """A ZIP with these files, and an image of the normal kind under the name that the notebook looks for."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for each in single:
            file.writestr(each.name, each.make())
        if picture := example(made):
            file.writestr(notebook.PICTURE, picture)
    return packed.getvalue()


def example(made: Checkpoint) -> bytes | None:
    """A PNG of the first normal test image at hand, light on black; None where no image of that kind is."""
    name, directory = made.config.data_set, data_directory()
    if name not in SOURCES:
        return None  # somebody's own drawings, which stay with them
    try:
        data = data_sets.loaded(name, directory)
    except DataError:
        if SOURCES[name].class_names != SOURCES[FALLBACK].class_names:
            return None
        data = data_sets.loaded(FALLBACK, directory)
    is_normal = torch.isin(data.test.labels, torch.tensor(made.config.normal_classes))
    return pictures.png(pictures.grey_pixels(data.test.images[int(is_normal.int().argmax())]))
