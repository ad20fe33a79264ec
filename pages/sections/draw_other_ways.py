"""Draw without a pointer: a test image, a file, or the camera; and every digit of a picture in its place."""

import random
from functools import partial
from typing import Protocol

import streamlit as st
import torch

from core.data.own import is_own
from core.drawing import MAX_FILE_BYTES, PictureError, ReadPicture, read_picture
from pages.sections.draw_pen import follow_pen
from pages.shared.components import digit_boxes
from pages.shared.i18n.text import _, ngettext, translated
from pages.shared.state import data_sets, detectors, judging, keys, test_set, uploads
from pages.shared.state.drawings import Picked
from pages.shared.state.visitor import tab, visitor


class UploadedFile(Protocol):
    """What an uploader or the camera gives."""

    file_id: str
    name: str

    def getvalue(self) -> bytes: ...


def show_other_ways() -> None:
    """The three ways, and what was found in a picture."""
    st.button(_("Random test image"), on_click=pick_a_test_image, icon=":material/casino:", shortcut="T")
    ways = st.expander(
        _("No pointer? Upload or photograph"),
        icon=":material/add_photo_alternate:",
        key="other-ways",
        on_change="rerun",  # kept by the session: in the browser alone it would close when the page is drawn anew
    )
    # Closed it is empty, so that no browser loads an uploader that nobody asked for; a file that was uploaded stays.
    if not ways.open and not tab().picture:
        return
    with ways:
        # Of any type: a file that cannot be read is told by a sentence that says what to do.
        file = st.file_uploader(
            _("Upload a photo or scan, of one digit or of many"),
            max_upload_size=uploads.most_megabytes(MAX_FILE_BYTES),
            key="picture",
        )
        photo = st.camera_input(_("Photograph a digit"), key="photo") if st.toggle(_("Use the camera"), key="camera") else None
        take_up(photo or file)
        if problem := visitor().drawings.problem:
            # On a phone the verdict's place is far above.
            with st.container(key="problem-below"):
                st.error(translated(problem), icon=":material/error:")


def take_up(file: UploadedFile | None) -> None:
    """Judge what a new file shows; a file that is refused or was removed is judged no more."""
    shown, seen = visitor().drawings, tab().picture
    if file is None:
        if seen:
            tab().picture = ""
            forget_picture()
            st.rerun()
        return
    if seen == file.file_id:
        return
    tab().picture = file.file_id
    forget_picture()
    try:
        with uploads.reading_files():
            found = read_picture(file.getvalue())
    except PictureError as error:
        shown.problem = error.detached()
    else:
        number = next(number for number, digit in enumerate(found.digits) if digit is found.largest)
        judging.pick(Picked(found.largest.image, "picture", partial(str, file.name[:40]), found, number))
    st.rerun()  # the verdict stands above


def forget_picture() -> None:
    """Let the canvas be judged again where a picture was."""
    shown = visitor().drawings
    shown.problem = None
    if shown.picked and shown.picked.origin == "picture":
        shown.picked = None


def show_picture() -> None:
    """The picture that is judged, with every digit in its place and its verdict; a click chooses one."""
    picked = visitor().drawings.picked
    if picked is None or picked.picture is None:
        return
    found = picked.picture
    st.caption(what_was_found(found))
    if found.is_exact:
        return
    result = detectors.detector().infer(torch.cat([digit.image for digit in found.digits]))
    verdicts = [bool(verdict) for verdict in result.verdicts]
    if len(verdicts) > 1:
        anomalies = sum(verdicts)
        st.markdown(
            _(
                "Normal: **{normals:,}**. Anomalies: **{anomalies:,}**. Click one to see why.",
                normals=len(verdicts) - anomalies,
                anomalies=anomalies,
            )
        )

    def choose() -> None:
        number = digit_boxes.chosen(keys.PICTURE_DIGITS)
        current = visitor().drawings.picked
        if current and current.picture and 0 <= number < len(current.picture.digits) and number != current.number:
            judging.pick(current.of_digit(number))

    digit_boxes.show(keys.PICTURE_DIGITS, found, verdicts, picked.number, choose)


def what_was_found(found: ReadPicture) -> str:
    """What the picture became, in one line."""
    if found.is_exact:
        return _("A picture of 28 × 28 pixels is taken as it is.")
    parts = [ngettext("{count} digit found.", "{count} digits found.", len(found.digits))]
    if found.frame_count > 1:
        parts.append(_("Read: number {number} of {count} in the file.", number=found.frame_number, count=found.frame_count))
    if found.is_sheet_found:
        parts.append(_("Only the sheet was read, not what lies around it."))
    if found.are_lines_removed:
        parts.append(_("Lines and boxes were taken out."))
    if found.ignored:
        parts.append(ngettext("{count} mark was left out.", "{count} marks were left out.", found.ignored))
    return " ".join(parts)


def pick_a_test_image() -> None:
    """Judge a test image of the detector's data set, taken at random."""
    follow_pen()
    config = detectors.detector_config()
    data = data_sets.at_hand(test_set.source(config), may_download=False).data
    test = test_set.images(config, data)
    index = random.randrange(len(test.images))
    data_name, label = data.name, int(test.labels[index])
    given = data_sets.names_of(data_name)[label]

    def title() -> str:
        # People's own names are of no language, and their data set may be another one by then.
        name = given if is_own(data_name) else data_sets.names_of(data_name)[label]
        return _("test image {number:,}: {name}", number=index, name=name)

    judging.pick(Picked(test.images[[index]], "test image", title))
