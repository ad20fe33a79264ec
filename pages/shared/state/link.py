"""The link that brings another person to the same state, and what this visitor's link asked for."""

from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlencode, urlsplit

import streamlit as st

from core.errors import UserError
from core.link import LinkError, decode, encode
from core.presets import preset_of, shipped_as
from pages.shared.forms import settings
from pages.shared.i18n.text import LANGUAGES, language, translated
from pages.shared.state import session

HIDEABLE = ("settings", "network", "training", "score", "runs", "detector", "upload", "language", "share", "help", "navigation")
"""What a teacher's link can hide; each is the key of a container or expander, with “hideable-” before it."""

PROJECTOR = "projector"
OF_THE_APP = ("lang", "hide", "view", "step")
"""Parts that are about the page and not about the detector; the first three stay in the address on every page."""

MOST_CHARACTERS = 2000


def read() -> None:
    """Take up what the link asks for, once for each link; what cannot be used is told by `show_problem`."""
    parts = st.query_params.to_dict()
    if parts != st.session_state.get("link-written"):
        st.session_state["link-problem"] = None
        try:
            _apply(parts)
        except UserError as error:
            st.session_state["link-problem"] = LinkError(
                "This link cannot be used, so the usual settings are shown. {reason}", reason=error
            )
            parts = {"lang": language()} if parts.get("lang") in LANGUAGES else {}
            st.query_params.from_dict(parts)
    _keep_in_address()


def _apply(parts: Mapping[str, str]) -> None:
    """Put the parts into the session; raises UserError before anything was changed."""
    if sum(len(name) + len(text) for name, text in parts.items()) > MOST_CHARACTERS:
        raise LinkError("It is longer than any link of this program.")
    hidden = [name for name in parts.get("hide", "").split(",") if name]
    for part, values, known in (
        ("lang", [parts["lang"]] if "lang" in parts else [], tuple(LANGUAGES)),
        ("hide", hidden, HIDEABLE),
        ("view", [parts["view"]] if "view" in parts else [], (PROJECTOR,)),
        ("step", [parts["step"]] if "step" in parts else [], tuple("1234567")),
    ):
        for value in values:
            if value not in known:
                raise LinkError("“{part}” cannot be “{text}”.", part=part, text=value[:30])
    # Marks that other sites leave on links are not ours to judge.
    ours = {name: text for name, text in parts.items() if not name.startswith("utm_") and not name.endswith("clid")}
    about_detector = {name: text for name, text in ours.items() if name not in OF_THE_APP}
    name, config = decode(about_detector)
    if hidden:
        st.session_state["hidden"] = tuple(hidden)
    if "view" in parts:
        st.session_state["view"] = parts["view"]
    if "step" in parts:
        st.session_state["step"] = int(parts["step"])
    if about_detector and session.job() is None:
        st.session_state["preset"] = name
        settings.fill(config)
        if ready := shipped_as(config):
            session.use(session.Choice(shipped=ready))
        else:
            st.session_state["link-problem"] = LinkError(
                "This link asks for a detector that is not trained yet. Its settings are on the Train page: press Start there."
            )


def _keep_in_address() -> None:
    """Language, hidden controls and view stay in the address from page to page."""
    kept = {"hide": ",".join(hidden()), "view": str(st.session_state.get("view", ""))}
    if "lang" in st.query_params or "language-chosen" in st.session_state:
        st.session_state["language-chosen"] = True
        kept["lang"] = language()
    for name, text in kept.items():
        if text and st.query_params.get(name) != text:
            st.query_params[name] = text
    st.session_state["link-written"] = st.query_params.to_dict()


def hidden() -> tuple[str, ...]:
    """Names of the controls that the link hides."""
    return tuple(st.session_state.get("hidden", ()))


def is_projector() -> bool:
    return bool(st.session_state.get("view") == PROJECTOR)


def show_problem() -> None:
    """One sentence where the link could not be used, or not wholly."""
    problem: UserError | None = st.session_state.get("link-problem")
    if problem:
        st.warning(translated(problem), icon=":material/link_off:")


def link(page: str, hide: tuple[str, ...] = (), projector: bool = False) -> str:
    """The address of a page with the settings as they stand there."""
    parts = {"lang": language()}
    if page == "train" and settings.is_filled():
        with suppress(UserError):  # settings that cannot be trained are not worth a link
            parts |= encode(settings.read(), st.session_state["preset"])
    else:
        config = session.detector_config()
        parts |= encode(config, preset_of(config))
    if page == "learn":
        parts["step"] = str(st.session_state.get("step", 1))
    if hide:
        parts["hide"] = ",".join(hide)
    if projector:
        parts["view"] = PROJECTOR
    address = urlsplit(st.context.url or "")
    return address._replace(query=urlencode(parts, safe=","), fragment="").geturl()
