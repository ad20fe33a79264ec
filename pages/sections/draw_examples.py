"""Draw, below the canvas: drawings kept as examples, a data set of one's own; to give away and to bring."""

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st
from torch import Tensor

from core.data.folders import MAX_ZIP_BYTES, read_zip, to_zip
from core.data.own import MAX_NAME, OwnDataError, OwnImages, kind_name, nothing
from core.data.split import FEWEST
from core.drawing import from_picture
from core.errors import UserError
from pages.sections.draw_pen import follow_pen
from pages.shared.html import pictures
from pages.shared.i18n.text import _, ngettext, translated
from pages.shared.navigation import page_of
from pages.shared.state import keys, own_data, uploads
from pages.shared.state.visitor import tab, visitor

MAX_SHOWN = 60
"""Of one kind; each is a small file in the page."""


def show_quick_keep(clear: Callable[[], None]) -> None:
    """Beside the canvas' other tool, once a kind was named: fifteen stars are drawn without leaving the canvas."""
    try:
        kind = kind_name(str(st.session_state.get(keys.KIND) or ""))
    except OwnDataError:  # told where it is typed, when it is kept
        return
    count = visitor().own.counts.get(kind, 0)
    st.button(
        _("Keep {kind} ({number})", kind=kind, number=count + 1),
        on_click=keep,
        args=(clear,),
        icon=":material/bookmark_add:",
        shortcut="K",
        key="quick-keep",
    )


def show_examples(clear: Callable[[], None]) -> None:
    """A name and a button; what was kept, by kind; and ways in and out."""
    own = visitor().own
    if problem := tab().own_problem:
        st.error(translated(problem), icon=":material/error:")
    title = _("Your own signs: keep drawings as examples")  # always the same: with another label a browser closes it
    box = st.expander(title, icon=":material/collections_bookmark:", key="own-examples", on_change="rerun")
    if not box.open:
        return
    with box:
        show_keeping(own, clear)
        show_kept(own)
        show_ways(own)


def show_keeping(own: OwnImages, clear: Callable[[], None]) -> None:
    """The name of the kind, and the button that keeps what is judged now."""
    st.caption(
        _(
            "Draw a sign, name it, keep it, draw the next: {count} of a kind are enough to train a detector of your own.",
            count=FEWEST,
        )
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            _("Kind"), key=keys.KIND, max_chars=MAX_NAME, placeholder=_("such as star"), persist_state="session", width=180
        )
        st.button(
            _("Keep as example"),
            on_click=keep,
            args=(clear,),
            icon=":material/bookmark_add:",
            type="primary",
            help=_("Keeps what is judged now under this name, and clears the canvas for the next."),
            key="keep-example",
        )
    if enough := [kind for kind, count in own.counts.items() if count >= FEWEST]:
        st.page_link(
            page_of("train"), label=_("Train a detector of {kinds}", kinds=", ".join(enough)), icon=":material/model_training:"
        )


def keep(clear: Callable[[], None]) -> None:
    """Keep the image before the detector under the name that was typed, and clear the canvas."""
    follow_pen()
    image, kind = visitor().drawings.image, str(st.session_state.get(keys.KIND) or "")

    def with_image(own: OwnImages) -> OwnImages:
        if image is None:
            raise OwnDataError("Draw something first, then keep it.")
        return own.with_more(image, [kind])

    if change(with_image):
        clear()


def change(make: Callable[[OwnImages], OwnImages]) -> bool:
    """Another data set made of the visitor's; whether that could be done."""
    who = visitor()
    tab().own_problem = None
    with who.lock:
        try:
            if (made := make(who.own)) is not who.own:
                own_data.keep(made)
        except UserError as error:
            tab().own_problem = error.detached()
            return False
    return True


def show_kept(own: OwnImages) -> None:
    """Every example, by kind; what is chosen goes."""
    for label, (kind, count) in enumerate(own.counts.items()):
        places = (own.labels == label).nonzero().squeeze(1).tolist()
        missing = max(0, FEWEST - count)
        note = ngettext("{count} more to train on it", "{count} more to train on it", missing) if missing else ""
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{kind}** · {count}", width="content")
            st.caption(note, width="content")
            st.button(
                _("Remove the last"), on_click=remove, args=(places[-1:], own.name), key=f"remove-last-{kind}",
                type="tertiary", icon=":material/undo:",
            )  # fmt: skip
            st.button(
                _("Remove all"), on_click=remove, args=(places, own.name), key=f"remove-kind-{kind}",
                type="tertiary", icon=":material/delete:",
            )  # fmt: skip
        cells = [pictures.picture(own.images[place].float() / 255, kind) for place in places[-MAX_SHOWN:]]
        st.html(f'<div class="thumbnails">{"".join(cells)}</div>')


def remove(places: Sequence[int], shown: str) -> None:
    """Let go of these examples of the data set that was shown.

    Nothing goes where there is another one by now, after a double click or from another tab: it has other images there.
    """

    def with_fewer(own: OwnImages) -> OwnImages:
        if own.name != shown:
            return own
        return own.without(places) if len(places) < len(own) else nothing()

    change(with_fewer)


def read_in_turn(picture: bytes) -> Tensor:
    """One of a zip's pictures. It has two thousand at most: other people's files come in between."""
    with uploads.reading_files():
        return from_picture(picture)


def show_ways(own: OwnImages) -> None:
    """Out as a zip, and in from one."""
    if len(own):
        st.download_button(
            _("Take them away as zip"),
            partial(to_zip, own),
            "examples.zip",
            "application/zip",
            icon=":material/folder_zip:",
            on_click="ignore",
        )
    file = st.file_uploader(
        _("Bring a zip: a folder for each kind, its pictures in it"),
        max_upload_size=uploads.most_megabytes(MAX_ZIP_BYTES),
        key="own-zip",
    )
    if file is None or tab().own_zip == file.file_id:
        return
    tab().own_zip = file.file_id
    with st.spinner(_("Reading the pictures…")):
        try:
            brought = read_zip(file.getvalue(), read_in_turn)
        except UserError as error:
            tab().own_problem = error.detached()
        else:
            # Before the spinner ends: where the whole page is to run meanwhile, this run of it goes no further than that.
            change(lambda own: own.with_more(brought.images, brought.names))
    st.rerun()
