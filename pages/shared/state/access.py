"""Who comes in: the class, by a shared password, once a browser; the teacher, to the status page."""

import os
import time
from functools import cache

import streamlit as st

from core.errors import N_
from core.server.access import MAX_QUEUE, AdmittedSessions, PasswordGate
from pages.shared.i18n.text import _
from pages.shared.state import visitors
from pages.shared.state.once import once
from pages.shared.state.visitor import visitor
from pages.shared.streamlit_internals import connected_browsers, is_connected, session_id

IN_ANOTHER_SITE = N_("This page cannot be used inside of another site.")
IN_A_TAB = N_("Open it in a tab of its own")
"""What stands in the frame of a site that EMBED_ORIGINS does not name."""

# Not in one of Streamlit's caches: what is in there can be cleared while the server runs.


@cache
def _gate(secret: str) -> PasswordGate:
    return PasswordGate(secret)


@once
def _admitted_sessions() -> AdmittedSessions:
    return AdmittedSessions()


def is_admitted(session: str, cookie: str = "") -> bool:
    """Whether a visitor may have more than the password's form: by the number of a session, or by a browser's cookie.

    The one answer to this question for what the server refuses before any page runs.
    """
    if not os.environ.get("CLASS_PASSWORD"):
        return True
    return _admitted_sessions().holds(session) or visitors.registry().is_admitted(cookie)


def admitted_sessions() -> int:
    """How many tabs are connected of those who are let in."""
    return sum(is_admitted(session, cookie) for session, cookie in connected_browsers(visitors.cookie_name()))


def _address() -> str:
    return st.context.ip_address or "this machine"


def _browser() -> str:
    return st.context.cookies.get(visitors.cookie_name(), "")


def may_enter() -> bool:
    """Whether this visitor may see the pages: no CLASS_PASSWORD is set, or it was given."""
    return not os.environ.get("CLASS_PASSWORD") or visitor().is_admitted


def ask() -> None:
    """The password's form, and nothing else."""
    door = _gate(os.environ["CLASS_PASSWORD"])
    with st.form("door", width=400):
        st.markdown(_("This class has a password."))
        answer = st.text_input(_("Password"), type="password", max_chars=200)
        asked = st.form_submit_button(_("Come in"), type="primary")
    if not asked:
        return
    if wait := _waits(door):
        st.warning(wait_sentence(wait))
    elif door.verify(_browser(), _address(), answer):
        visitor().is_admitted = True
        _admitted_sessions().add(session_id())
        st.rerun()
    else:
        st.error(_("That is not the password."))


def wait_sentence(seconds: float) -> str:
    """What is said to whoever may not guess yet."""
    return _("Wait {seconds:.0f} s, then try again.", seconds=max(1.0, seconds))


def _waits(door: PasswordGate) -> float:
    """Wait for this answer's turn; seconds where it cannot be looked at now."""
    if wait := door.wait(_browser(), _address()):
        return wait
    turn = door.turn(_browser(), _address())
    if turn is None:
        return MAX_QUEUE
    time.sleep(turn)  # the visitor's own thread
    return door.wait(_browser(), _address())  # what was pressed before this has been looked at meanwhile


def take_token() -> None:
    """Take ?token= out of the address; with the STATUS_TOKEN of the environment the visitor is the teacher from now on.

    Waits for the answer's turn.
    """
    given, token = st.query_params.get("token", ""), os.environ.get("STATUS_TOKEN", "")
    if given:
        # A secret does not stay in the address, from where it would be shared.
        del st.query_params["token"]
        if not token:
            return
        if wait := _waits(_gate(token)):
            st.warning(wait_sentence(wait))
        elif _gate(token).verify(_browser(), _address(), given):
            visitor().is_teacher = True


def is_teacher() -> bool:
    """Whether the visitor sits at the server itself, or came with the token.

    A proxy makes every visitor look as if they sat at the server; one that says so is believed.
    """
    return visitor().is_teacher or _sits_at_the_server()


def wait_for(secret: str) -> float:
    """Seconds until this visitor may guess this secret; 0 for now."""
    return _waits(_gate(secret))


def knows(secret: str, given: str) -> bool:
    """Whether the visitor gave this secret; a wrong answer makes him wait."""
    return _gate(secret).verify(_browser(), _address(), given)


def has_token(given: str, address: str) -> bool:
    """Whether this is the STATUS_TOKEN; for a program, which waits for no turn and is told from others by what it says."""
    token = os.environ.get("STATUS_TOKEN", "")
    return bool(token) and _gate(token).turn(given, address, 0.0) == 0 and _gate(token).verify(given, address, given)


def _sits_at_the_server() -> bool:
    is_forwarded = any(name in st.context.headers for name in ("X-Forwarded-For", "Forwarded", "X-Real-Ip"))
    # Without a connection Streamlit knows neither address nor headers.
    return st.context.ip_address is None and not is_forwarded and is_connected(session_id())
