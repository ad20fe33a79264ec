"""What a visitor has: one typed object for a browser, and one for each of its tabs.

All tabs of a browser have the same `Visitor`: one job, the same runs, drawings and detector in use. What one tab changes
another one sees when it runs next. What must not be shared, such as the page that is open, is in `Tab`.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

import streamlit as st

from core.checkpoint import Checkpoint
from core.data.datasets import Source
from core.data.own import OwnImages, nothing
from core.detector import AutoencoderDetector, DetectorConfig
from core.errors import UserError
from core.jobs.job import Snapshot, TrainingJob
from core.jobs.memory_budget import Owner
from core.metrics import Evaluation
from core.presets import Shipped
from core.server.class_records import Student
from core.training import EpochLosses
from pages.shared.i18n.text import Told
from pages.shared.state import keys
from pages.shared.state.drawings import CanvasOnScreen, Drawings
from pages.shared.state.lesson import Lesson
from pages.shared.streamlit_internals import SESSION_SECONDS, is_connected, session_id


@dataclass(frozen=True)
class Run:
    """A detector of this visitor, trained here or uploaded, with how it came about.

    detector: None once it was let go for newer ones; what else is known of it stays.
    """

    name: str
    origin: str
    config: DetectorConfig
    losses: tuple[EpochLosses, ...]
    evaluation: Evaluation | None
    threshold: float
    detector: AutoencoderDetector | None

    @classmethod
    def of(cls, name: str, origin: str, made: Checkpoint) -> "Run":
        return cls(name, origin, made.config, made.losses, made.evaluation, made.detector.threshold_, made.detector)

    @property
    def checkpoint(self) -> Checkpoint:
        """As it can be taken away; of a run whose detector is still there."""
        assert self.detector
        return Checkpoint(self.detector, self.losses, self.evaluation)


@dataclass(frozen=True)
class Choice:
    """Which detector is in use: a shipped one, a run of this visitor by its number, or the one in training."""

    shipped: Shipped | None = None
    run: int | None = None


TRAINING = Choice()
USUAL = Choice(shipped=Shipped("best", "mnist", 5))


class Presence:
    """The sessions of a visitor: one for each tab, and another after each reload. Times are seconds of time.monotonic."""

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}
        self._last = time.monotonic()

    def note(self, session: str, now: float) -> None:
        """A page runs for one of them."""
        self._seen[session] = self._last = now

    @property
    def sessions(self) -> tuple[str, ...]:
        """Those that Streamlit may still know, the oldest first."""
        return tuple(self._seen)

    def is_connected(self) -> bool:
        """Whether any of them is connected; trainings ask before each batch."""
        return any(map(is_connected, tuple(self._seen)))

    def seconds_away(self, now: float) -> float:
        """For how long none was connected, to be asked again and again; what Streamlit has forgotten is forgotten."""
        for session, seen in tuple(self._seen.items()):
            if is_connected(session):
                self._seen[session] = self._last = now
            elif now - seen > SESSION_SECONDS:
                self._seen.pop(session, None)
        return now - self._last


@dataclass(eq=False)
class Visitor:
    """What one browser has; found again after a reload (pages/shared/state/visitors.py)."""

    presence: Presence = field(default_factory=Presence, repr=False)
    owner: Owner = field(default_factory=Owner, repr=False)
    """The owner of the trainings and of the memory that they take."""
    address: str = ""
    """Where the browser connected from last, by `network` in core/server/access.py."""

    language: str = ""
    is_admitted: bool = False
    is_teacher: bool = False
    choice: Choice = USUAL
    thresholds: dict[Choice, float | None] = field(default_factory=dict)
    """Thresholds that the visitor has set, by detector; None is the calibrated one."""
    at_own_threshold: tuple[AutoencoderDetector, AutoencoderDetector] | None = None
    """Cache: the detector in use as it was made, and its copy at the visitor's threshold. The same copy is returned until
    something changes, so that caches keyed by identity hit."""
    runs: list[Run] = field(default_factory=list)
    job: TrainingJob | None = None
    """The training, until it is over and its result is a run, or it is reset."""
    is_job_wanted: bool = False
    """The training is to be the detector in use from its first turn on."""
    last_ended: tuple[DetectorConfig, Snapshot] | None = None
    """The settings of the last training that ended, and its last snapshot."""
    trap: tuple[TrainingJob, ...] = ()
    overfitting: tuple[TrainingJob, ...] = ()
    """This one and `trap` are the trainings of the lesson."""
    lessons: dict[str, Lesson] = field(default_factory=dict)
    """What was answered and drawn in the lesson, by the detector and data set that it was about."""
    drawings: Drawings = field(default_factory=Drawings)
    own: OwnImages = field(default_factory=nothing)
    """The drawings kept as examples."""
    sources: dict[str, Source] = field(default_factory=dict)
    """Data sets of somebody's own, by name, as they were when something was trained on them, or of an uploaded detector."""
    deleted: dict[str, Source] = field(default_factory=dict)
    """The class's among these whose drawings were deleted since: as they were called, with nothing in them."""
    test_source: "tuple[Choice, str] | None" = None
    """A detector, and the data set whose images are put before it instead of its own."""
    step: int = 1
    first_step: int = 1
    """The lesson's step that was shown while the address had none."""
    student: Student | None = None
    class_begun: float = 0.0
    """When the class began that the visitor joined as `student`."""
    class_code: str = ""
    """What was given as the teacher's code."""
    given: dict[tuple[float, int, float], str] = field(default_factory=dict)
    """Codes of the detectors that were given to a class, by when it began, the run, and its threshold."""
    class_secret: str = field(default_factory=secrets.token_urlsafe, repr=False)
    """Identifies the visitor in the class where the browser has no cookie."""
    first_generation: int = field(default_factory=lambda: secrets.randbits(40))
    """A random offset, by which the numbers of the visitor's canvases are unique."""
    restored: dict[str, Any] = field(default_factory=dict)
    """Values of widgets, for a new tab."""
    is_over: bool = False
    """The server has forgotten this visitor; tabs that are still open begin anew."""
    lock: Any = field(default_factory=threading.RLock, repr=False)
    """Held while several fields change together: two tabs may run at once."""

    @property
    def has_job_begun(self) -> bool:
        """Whether the job has a network to look at, which comes with its first turn; who asks is looking at the job."""
        job = self.job  # another tab may drop it meanwhile
        return job is not None and job.snapshot().has_begun

    def jobs(self) -> Iterator[TrainingJob]:
        """Every training that is not over yet, or whose result is shown."""
        if self.job:
            yield self.job
        yield from self.trap
        yield from self.overfitting

    def end(self) -> None:
        """End the trainings; nobody has this visitor any more."""
        with self.lock:
            self.is_over = True
            self.is_admitted = self.is_teacher = False  # what tabs that are still open show could be pressed
            self.class_code = ""
            for job in self.jobs():
                job.drop()
            self.job, self.trap, self.overfitting = None, (), ()


@dataclass(frozen=True)
class ClassAnswer:
    """What became of what was asked of the class.

    about: when the class began, the round and the canvas; it is shown as long as they are.
    """

    about: tuple[float, int, int]
    text: Told
    is_refused: bool


@dataclass(eq=False)
class Tab:
    """What one tab knows; a reload begins a new one.

    visit: a number that is new each time a page is opened. is_step_chosen: the lesson's step was chosen just now, and the
    address does not have it yet; is_step_in_address: it had one when Learn ran last. hidden, view: what the link asks for.
    link_written: the address as this tab left it. link_detector: what the last link said of the detector; link_in_use: the
    detector in use, and its threshold, when that was taken up; link_untrained: what the link asks for, where it has to be
    trained first.
    lesson_about: of which detector the lesson speaks, and before which images.
    job_problem: why settings could not be trained, with them. looks_seldom: whether the page looks at the job seldom.
    was_active, lesson_was_active, were_baselines_running, class_seen: as they were last shown. has_task: whether Draw shows
    the class's task. class_opened: the wall's drawing that is shown large. class_answer: to what was done last in the class.
    uploaded, picture, own_zip: files that were taken up. own_problem: why an example was not kept. pen: the way of its quick
    answers (pages/shared/state/pens.py). followed: the visit on which Train took up what was drawn since. compared_in: the data
    set of which Evaluate's anomalies were chosen. latent_section: which section of Look inside is open, from 0.
    """

    page: str = ""
    visit: int = 0
    canvas: CanvasOnScreen = field(default_factory=CanvasOnScreen)
    is_step_chosen: bool = False
    is_step_in_address: bool = False
    hidden: tuple[str, ...] = ()
    view: str = ""
    is_language_chosen: bool = False
    link_written: dict[str, str] | None = None
    link_problem: UserError | None = None
    link_detector: dict[str, str] = field(default_factory=dict)
    link_in_use: tuple[Choice, float | None] | None = None
    link_untrained: DetectorConfig | None = None
    looks_seldom: bool | None = None
    job_problem: tuple[DetectorConfig, UserError] | None = None
    was_active: bool = False
    lesson_about: str = ""
    lesson_canvases: dict[str, CanvasOnScreen] = field(default_factory=dict)
    lesson_was_active: bool = False
    lesson_problem: UserError | None = None
    were_baselines_running: bool = False
    own_problem: UserError | None = None
    uploaded: str = ""
    own_zip: str = ""
    picture: str = ""
    shuffle: int = 0
    chosen_image: int = 0
    walk_turns: dict[str, int] = field(default_factory=dict)
    threshold: tuple[str, float] = ("", 0.0)
    compared_in: str = ""
    latent_section: int = 0
    followed: int = -1
    class_seen: object = None
    has_task: bool = False
    class_opened: int = 0
    class_answer: "ClassAnswer | None" = None
    pen: object = None

    def note_page(self, name: str) -> None:
        """Count a visit each time another page is opened."""
        if self.page != name:
            self.page = name
            self.visit += 1
            self.is_step_in_address = False


Held = TypeVar("Held")

_present: ContextVar[tuple[Visitor, Tab] | None] = ContextVar("present", default=None)


@contextmanager
def acting_for(one: Visitor, its_tab: Tab) -> Iterator[None]:
    """For code of pages that answers a visitor while no page of his runs."""
    before = _present.set((one, its_tab))
    try:
        yield
    finally:
        _present.reset(before)


def visitor() -> Visitor:
    """The visitor for whom the page runs; app.py has looked for it."""
    return _here()[0]


def tab() -> Tab:
    """The tab for which the page runs."""
    return _here()[1]


def _here() -> tuple[Visitor, Tab]:
    """The two of the session whose page runs, made when they are asked for first.

    A page asks a hundred times a run, and Streamlit's session state is slow: it is asked once by each thread that runs pages,
    which does so for one session.
    """
    present = _present.get()
    if present is None:
        present = _in_session(keys.VISITOR, Visitor), _in_session(keys.TAB, Tab)
        if session_id():
            _present.set(present)
    return present


def _in_session(key: str, make: Callable[[], Held]) -> Held:
    """What the session holds by this key, made when it is asked for first."""
    try:
        held: Held = st.session_state[key]
    except KeyError:
        held = st.session_state[key] = make()
    return held


def current_lesson() -> Lesson:
    """What the visitor has said and drawn of what the lesson is about in this tab."""
    return visitor().lessons.setdefault(tab().lesson_about, Lesson())
