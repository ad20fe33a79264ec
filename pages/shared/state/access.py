"""Who comes in: the class, by a shared password, once a browser; the teacher, to the status page."""

import os

import streamlit as st

from core.server.access import PasswordGate
from pages.shared.i18n.text import _
from pages.shared.state.visitor import visitor


@st.cache_resource(show_spinner=False)
def _door(secret: str) -> PasswordGate:
    return PasswordGate(secret)


def _address() -> str:
    return st.context.ip_address or "this machine"


def is_open() -> bool:
    """Whether this visitor may see the pages: no CLASS_PASSWORD is set, or it was given."""
    return not os.environ.get("CLASS_PASSWORD") or visitor().is_admitted


def ask() -> None:
    """The password's form, and nothing else."""
    door = _door(os.environ["CLASS_PASSWORD"])
    with st.form("door", width=400):
        st.markdown(_("This class has a password."))
        answer = st.text_input(_("Password"), type="password", max_chars=200)
        asked = st.form_submit_button(_("Come in"), type="primary")
    if not asked:
        return
    if wait := door.wait(_address()):
        st.warning(_("Wait {seconds:.0f} s, then try again.", seconds=max(1.0, wait)))
    elif door.verify(_address(), answer):
        visitor().is_admitted = True
        st.rerun()
    else:
        st.error(_("That is not the password."))


def is_teacher() -> bool:
    """Whether the visitor sits at the server itself, or came with ?token= and the STATUS_TOKEN of the environment.

    A proxy makes every visitor look as if they sat at the server; one that says so is believed.
    """
    given, token = st.query_params.get("token", ""), os.environ.get("STATUS_TOKEN", "")
    if given:
        # A secret does not stay in the address, from where it would be shared.
        del st.query_params["token"]
        if token and _door(token).verify(_address(), given):
            visitor().is_teacher = True
    return visitor().is_teacher or _sits_at_the_server()


def _sits_at_the_server() -> bool:
    is_forwarded = any(name in st.context.headers for name in ("X-Forwarded-For", "Forwarded", "X-Real-Ip"))
    return st.context.ip_address is None and not is_forwarded
