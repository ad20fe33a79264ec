"""The line on every page: which detector is in use, a way to change it (or to upload one), how a training goes, in a
sentence that Train says too, and the buttons for the language, a link to share, and help.
"""

from collections.abc import Callable
from contextlib import suppress

import streamlit as st

from core.checkpoint import CheckpointError, from_bytes
from core.errors import SettingError, UserError
from pages.shared import take_along
from pages.shared.forms import class_detectors
from pages.shared.i18n import glossary
from pages.shared.i18n.jobs import job_sentence
from pages.shared.i18n.text import LANGUAGES, _, language, set_language, translated, words
from pages.shared.state import classroom, detectors, keys, link, training_job, uploads, visitors
from pages.shared.state.visitor import Choice, Run, tab, visitor
from pages.shared.streamlit_internals import DeletedFile


def show(page: str) -> Callable[[], None]:
    """Draw the line; it takes the same places in every run, so that nothing below it moves.

    page: its name in PAGES. The Train page tells of a running job itself, larger. Returns what tells the link again, to be
    called when the page has run: with it may come another step of the lesson, or the first settings of Train.
    """
    training_job.collect()
    link.follow_training()
    with st.container(key="detector-line", horizontal=True, vertical_alignment="center"):
        with (
            st.container(key="hideable-detector", width="content"),
            st.popover(
                _("Detector: {title}", title=title_in_use()),
                icon=":material/troubleshoot:",
                help=_("Which detector judges the images on every page. Click to change it."),
            ),
        ):
            choose()
        with st.container(key="job-line", width="stretch"):
            # A job that has ended since the first line is settled by the fragment.
            if page != "train" and visitor().job:
                st.fragment(_job_line, run_every=training_job.poll(1.0))()
            else:
                st.space("stretch")
            st.fragment(_nothing, run_every=A_DAY)()
        with st.container(key="page-tools", horizontal=True, width="content"):
            with st.container(key="hideable-language", width="content"):
                _choose_language()
            with (
                st.container(key="hideable-share", width="content"),
                st.popover(_("Share"), icon=":material/share:", type="tertiary"),
            ):
                tell_link = _share(page)
            with (
                st.container(key="hideable-help", width="content"),
                st.popover(_("Help"), icon=":material/help:", type="tertiary"),
            ):
                _help()
    link.show_problem()
    return tell_link


A_DAY = 24 * 3600.0


def _nothing() -> None:
    """Nothing, by a timer: a browser that finds the server again asks for its page anew where one is set (Streamlit 1.67).

    Else a server that was renewed would know none of the page's fragments, and answer nothing that is pressed there.
    """


def _choose_language() -> None:
    st.menu_button(
        LANGUAGES[language()],
        list(LANGUAGES),
        format_func=LANGUAGES.__getitem__,
        icon=":material/language:",
        key=keys.LANGUAGE_MENU,
        type="tertiary",
        help=_("Language"),
        on_click=_change_language,
    )


def _change_language() -> None:
    """Change it, and hold on to what is chosen by value: the browser knows options by their labels, which change with it."""
    for key, value in st.session_state.items():
        # Not the yes or no of a button, which nobody may set, nor files, nor what a component keeps for itself.
        is_choice = isinstance(value, str | int | float | list | tuple | Choice) and not isinstance(value, bool | DeletedFile)
        if key != keys.LANGUAGE_MENU and is_choice:
            st.session_state[key] = value
    if chosen := st.session_state[keys.LANGUAGE_MENU]:
        set_language(chosen)


def _share(page: str) -> Callable[[], None]:
    """The link to the same state, as it is or for a class; returns what tells it again, if it is another one by then."""
    names = {
        "settings": _("All settings"),
        "network": _("Network"),
        "training": _("Training"),
        "score": _("Score"),
        "runs": _("Your runs"),
        "detector": _("Detector"),
        "upload": _("Upload"),
        "language": _("Language"),
        "share": _("Share"),
        "help": _("Help"),
        "navigation": _("Other pages"),
    }
    hide = st.multiselect(
        _("Hide from the class"), link.HIDEABLE, format_func=names.__getitem__, placeholder=_("Nothing"), key="link-hides"
    )
    projector = st.toggle(_("For the projector: one full screen without scrolling"), key="link-projector")
    st.caption(_("This link opens the same page with the same settings:"))
    place, told = st.empty(), ""

    def tell() -> None:
        nonlocal told
        if (text := link.link(page, tuple(hide), projector)) != told:
            place.code(text, language=None, wrap_lines=True)
            told = text

    tell()
    if obstacle := link.reach().obstacle:
        st.caption(link.explain_obstacle(obstacle))
    return tell


def _help() -> None:
    """A way to forget everything, all shortcuts, and every technical word, in one place."""
    st.button(_("Start afresh"), on_click=_start_afresh, icon=":material/restart_alt:", key="start-afresh")
    st.caption(
        _("Forgets everything: trainings, runs, drawings and the password. For whoever comes after you at this machine.")
    )
    shortcuts = {
        "S": _("Start or resume"),
        "P": _("Pause"),
        "N": _("One step"),
        "X": _("Clear the canvas"),
        "T": _("Random test image"),
        "K": _("Keep as example"),
    }
    with st.container(key="keyboard"):
        st.markdown(f"**{_('Keyboard')}**")
        st.markdown("  \n".join(f"`{key}` {text}" for key, text in shortcuts.items()))
    st.markdown(f"**{_('What is this?')}**")
    st.markdown("\n\n".join(f"**{name}**  \n{text}" for name, text in glossary.entries().values()))


def _start_afresh() -> None:
    """Whoever comes after is somebody else in the class too."""
    with suppress(UserError):
        classroom.leave()
    visitors.start_afresh()


def title_in_use() -> str:
    """The detector in use, with its threshold where that was set by hand."""
    title, threshold = detectors.choice_title(detectors.choice()), detectors.detector_config().threshold
    return title if threshold is None else f"{title} · {_('own threshold {value:.4f}', value=threshold)}"


def choose() -> None:
    """The box with all detectors, and the upload."""
    # The choice can change without this box: a training starts or ends, a file is uploaded. A box in
    # a closed popover would send its old value with the next run, so each choice has a box of its own.
    chosen = detectors.choice()
    key = keys.detector_in_use(chosen)
    st.session_state[key] = chosen
    st.selectbox(
        _("Detector in use"),
        detectors.choices(),
        format_func=detectors.choice_title,
        key=key,
        on_change=lambda: detectors.use(st.session_state[key]),
    )
    class_detectors.show()
    with st.container(key="hideable-upload"):
        upload()
    if made := detectors.checkpoint_of(chosen):
        st.markdown(f"**{_('Take it along')}**")
        take_along.show(made, detectors.choice_title(chosen), "in-use")


def upload() -> None:
    """A checkpoint from the visitor's disk; a file that cannot be used leaves the detector in use as it is."""
    file = st.file_uploader(_("Upload a checkpoint"), type=["safetensors"], key=keys.UPLOADED_CHECKPOINT)
    if file is None or tab().uploaded == file.file_id:
        return
    try:
        uploads.require_room(file.size)
        with uploads.reading_files():
            found = from_bytes(file.getvalue())
        loaded = Run.of(_("uploaded: {name}", name=words(file.name)), "uploaded", found)
        detectors.use(detectors.add_run(loaded))
    except (CheckpointError, SettingError) as error:
        st.error(f"{translated(error)} " + _("The detector in use stays as it was."), icon=":material/error:")
        return
    tab().uploaded = file.file_id
    st.rerun()


def _job_line() -> None:
    if training_job.collect() or training_job.needs_rerun():
        st.rerun()
    training = visitor().job
    if training is None:
        st.rerun()  # another tab has ended it
    snapshot = training.snapshot()
    training_job.look_again_once_changed(training, snapshot)
    st.progress(snapshot.progress, job_sentence(snapshot))
