"""The visitors whom this server keeps: found again by a cookie, let go some time after their last tab is gone.

The cookie is random, signed by the server and says nothing; all it leads to is in this process. A browser without
cookies is a visitor as long as its tab is connected. All tabs of a browser are one visitor (pages/shared/state/visitor.py).
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import cache

import streamlit as st

from core.jobs.job import JobState
from core.server import web
from core.server.access import SignedTokens, network
from pages.shared.state import keys
from pages.shared.state.lesson import Answer
from pages.shared.state.visitor import Visitor, visitor
from pages.shared.streamlit_internals import cookie_secret, run_again, session_id

KEPT_SECONDS = 600.0
"""Seconds for which a visitor without a connection is kept."""

MAX_DISCONNECTED = 100
"""Visitors without a connection; of more, those are let go who left first from the address that has the most of them.

As many sessions Streamlit keeps itself.
"""


class Visitors:
    """The visitors by their tokens. clock: seconds, as time.monotonic gives them. Any thread may call."""

    def __init__(self, tokens: SignedTokens, clock: Callable[[], float] = time.monotonic) -> None:
        self.tokens = tokens
        self._clock = clock
        self._kept: dict[str, Visitor] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, token: str, session: str, address: str = "") -> Visitor:
        """The visitor of a token, for a session that begins; a new one, and not kept, where the token is none of ours."""
        if not self.tokens.is_ours(token):
            return Visitor()
        with self._lock:
            found = self._kept.setdefault(token, Visitor())
            found.presence.note(session, self._clock())
            found.address = network(address)
        return found

    def sessions_with(self, session: str) -> tuple[str, ...]:
        """All sessions of the browser that has this one, the oldest first; this one alone where it is nobody's."""
        with self._lock:
            all_of_them = (known.presence.sessions for known in self._kept.values())
            return next((sessions for sessions in all_of_them if session in sessions), (session,))

    def is_admitted(self, token: str) -> bool:
        """Whether the visitor of this token is kept and has given the password."""
        found = self._kept.get(token)
        return found is not None and found.is_admitted

    def answers(self, question: str, about: str, class_begun: float = 0.0) -> list[Answer]:
        """What everybody has said to a question of the lesson as it was asked first, when all saw the same images.

        about: of which detector and data set. class_begun: of the class that began then, the students only; 0 without one.
        """
        with self._lock:
            everybody = [known for known in self._kept.values() if about in known.lessons]
        asked = [known for known in everybody if not class_begun or (known.student and known.class_begun == class_begun)]
        lessons = [known.lessons[about] for known in asked]
        return [given for lesson in lessons if (given := lesson.answers.get((question, 0)))]

    def forget(self, gone: Visitor) -> None:
        """End a visitor's trainings and let go of all that he has; his tabs begin anew."""
        with self._lock:
            self._take_out(gone)
        gone.end()
        run_again([session for session in gone.presence.sessions if session != session_id()])  # the one at hand runs now

    def _take_out(self, gone: Visitor) -> None:
        self._kept = {token: known for token, known in self._kept.items() if known is not gone}

    def evict_disconnected(self) -> None:
        """Let go of whoever has had no connection for long, and of some where they are too many (MAX_DISCONNECTED).

        Of whoever has not given the password at once: anybody can be such a visitor, and as many as he likes.
        """
        now, has_password = self._clock(), bool(os.environ.get("CLASS_PASSWORD"))
        with self._lock:
            away = [(known.presence.seconds_away(now), known) for known in self._kept.values()]
        places: Counter[str] = Counter()
        ranked: list[tuple[int, float, Visitor]] = []  # place among those of the same address, the last to leave first
        for seconds, known in sorted((entry for entry in away if entry[0] > 0), key=lambda entry: entry[0]):
            if seconds > KEPT_SECONDS or (has_password and not known.is_admitted):
                self._let_go(known, now)
            else:
                ranked.append((places[known.address], seconds, known))
                places[known.address] += 1
        ranked.sort(key=lambda entry: entry[:2])
        for _, _, known in ranked[MAX_DISCONNECTED:]:
            self._let_go(known, now)

    def _let_go(self, known: Visitor, now: float) -> None:
        """End a visitor unless he is back meanwhile."""
        with self._lock:
            is_gone = known.presence.seconds_away(now) > 0
            if is_gone:
                self._take_out(known)
        if is_gone:
            known.end()


@cache
def registry() -> Visitors:
    """Those of this server."""
    return Visitors(SignedTokens(cookie_secret()))


def cookie_name() -> str:
    """Cookies are shared by all ports of a machine, and servers at two ports have each their own visitors.

    Replicas behind one proxy are one server: whoever has to move to another of them is still the same student of the class.
    """
    proxy = web.proxy_address()
    return f"visitor-{proxy[1] if proxy else st.get_option('server.port')}"


def arrive() -> None:
    """Find the visitor of the session that runs; a session that begins takes up what the last one left."""
    if keys.VISITOR not in st.session_state:
        token = str(st.context.cookies.get(cookie_name(), ""))
        found = registry().find(token, session_id(), st.context.ip_address or "")
        st.session_state[keys.VISITOR] = found
        st.session_state.update(found.restored)
        if found.language:
            st.session_state[keys.LANGUAGE] = found.language
        for job in found.jobs():
            snapshot = job.snapshot()
            if snapshot.state is JobState.PAUSED and snapshot.paused_unattended:
                job.resume()
    visitor().presence.note(session_id(), time.monotonic())


def remember_widgets() -> None:
    """Keep values of widgets, and the language, for the visitor's next tab."""
    # Of another tab, which does not know this one's form, all else stays.
    own = {key: st.session_state[key] for key in keys.RESTORED if key in st.session_state}
    visitor().restored = visitor().restored | own
    visitor().language = st.session_state[keys.LANGUAGE]


def start_afresh() -> None:
    """Forget all that the visitor has, the password included; each of his tabs loads the first page anew."""
    registry().forget(visitor())


LOAD_ANEW = """
    const here = new URLSearchParams(window.location.search), kept = new URLSearchParams();
    for (const name of ["hide", "view"]) if (here.has(name)) kept.set(name, here.get(name));
    window.location.replace(new URL(kept.size ? `./?${kept}` : "./", window.location.href));
"""
"""Always the same text, which the content policy knows."""


def load_anew() -> None:
    """Have the browser load the first page; what a teacher's link hides stays hidden."""
    st.html(f"<script>{LOAD_ANEW}</script>", unsafe_allow_javascript=True)
