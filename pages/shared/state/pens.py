"""Quick answers to a pen that moves or was lifted: a request of their own, which no page has to run for.

A page that runs costs a server and a browser several times what core needs to judge a drawing. The address of the request
holds a secret that only the tab knows which draws; what is answered is what its page would say.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

from pages.shared.components.live_canvas import CanvasFrame
from pages.shared.i18n.text import language, use_language
from pages.shared.state import job_pool
from pages.shared.state.turns import Priority
from pages.shared.state.visitor import Tab, Visitor, acting_for, tab, visitor

PATH = "/pen/"

MIN_BETWEEN_STROKES = 0.2
"""Seconds between two that a hand draws; only a program ends more of them."""

PenAnswer = Callable[[CanvasFrame], dict[str, Any]]
"""number: of the tab's quick answers; html: new HTML by the key of the container whose HTML it replaces; curve: of
components/replay.py. Empty: nothing changes."""


@dataclass(eq=False)
class Pen:
    """Who draws. answer: what the page makes of a frame; code: the language; waiting: how many frames are not answered yet."""

    visitor: Visitor
    tab: Tab
    code: str
    answer: PenAnswer
    token: str = field(default_factory=secrets.token_urlsafe)
    waiting: int = 0

    @property
    def canvas_state(self) -> tuple[int, int]:
        """How often the canvas began anew, and how often what the pen had sent was replaced."""
        return self.tab.canvas.opened, self.visitor.drawings.canvas.replacements

    def priority_of(self, frame: CanvasFrame) -> Priority:
        """When a frame that has just come is answered; asked once for each. That a pen was lifted is only a browser's word."""
        now, drawings = time.monotonic(), self.visitor.drawings
        if not frame.is_whole or now - drawings.lifted < MIN_BETWEEN_STROKES:
            return Priority.PEN_MOVING
        drawings.lifted = now
        return Priority.PEN_LIFTED

    def answer_to(self, frame: CanvasFrame, state: tuple[int, int], priority: Priority = Priority.PEN_MOVING) -> dict[str, Any]:
        """In any thread; nothing where the canvas is not any more in the state in which it was when the frame came."""
        # The turn comes before the lock: who waits for a turn must not keep the page waiting, which may have it.
        with acting_for(self.visitor, self.tab), use_language(self.code), job_pool.turn_to_judge(priority), self.visitor.lock:
            return self.answer(frame) if self.canvas_state == state else {}


_pens: WeakValueDictionary[str, Pen] = WeakValueDictionary()
"""As long as their tabs are kept."""


def address(answer: PenAnswer) -> str:
    """Where the tab for which the page runs sends what its pen draws."""
    own = tab()
    if not isinstance(own.pen, Pen):
        own.pen = Pen(visitor(), own, language(), answer)
        _pens[own.pen.token] = own.pen
    own.pen.code = language()
    return PATH + own.pen.token


def pen_of(token: str) -> Pen | None:
    """None where no tab has this token."""
    return _pens.get(token)
