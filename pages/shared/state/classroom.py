"""The class of this server for the visitor for whom a page runs: the student that he joined as, the teacher, what he sends."""

import os
from collections.abc import Callable
from functools import cache

import streamlit as st
from torch import Tensor

from core.checkpoint import from_bytes, to_bytes
from core.data.datasets import SOURCES, data_directory
from core.detector import AutoencoderDetector
from core.errors import N_
from core.presets import Shipped
from core.server.class_records import Class, ClassError, ClassSnapshot, ClassUnavailableError, Drawing, Student
from core.server.classroom import Classroom
from core.server.environment import whole_number_from_environment
from core.server.tasks import Judgement
from pages.shared.html import pictures
from pages.shared.state import access, detectors, judging, uploads, visitors
from pages.shared.state.drawings import StripDrawing
from pages.shared.state.visitor import Choice, Run, Visitor, visitor
from pages.shared.streamlit_internals import run_by_timer_only_if

SHARED = "shared:"
"""With the detector's code after it: the origin of a run that came from the class."""


def _url() -> str:
    return os.environ.get("CLASS_DATABASE_URL") or f"sqlite:///{(data_directory() / 'class.sqlite').absolute()}"


@cache
def _room(url: str, days: int) -> Classroom:
    return Classroom(url, days)


def store() -> Classroom:
    """The class of this server. Raises SettingError."""
    return _room(_url(), days())


def days() -> int:
    """After how many days a class is deleted. Raises SettingError."""
    return whole_number_from_environment("CLASS_DAYS", 1)


def snapshot() -> ClassSnapshot | None:
    """The class as it is now; None without one. Raises ClassUnavailableError."""
    return store().now()


def about() -> Class | None:
    """What holds for all in the class; None without one, or where its database does not answer."""
    try:
        now = snapshot()
    except ClassUnavailableError:
        return None
    return now.about if now else None


def last_known() -> ClassSnapshot | None:
    """The class as it is now, or, where its database does not answer, as it was seen last."""
    try:
        return snapshot()
    except ClassUnavailableError:
        return store().seen


def run_again_only_if_changed(shown: Callable[[ClassSnapshot | None], object], now: ClassSnapshot | None) -> None:
    """Said by a fragment that looks at the class by a timer: it need not run again before this is another than it is now.

    shown: all that the fragment shows, or something that changes with it; called without a visitor (`run_by_timer_only_if`).
    now: what the fragment shows; others may have seen a newer one meanwhile.
    """
    here = store()
    before = shown(now)

    def is_due() -> bool:
        here.look()
        return here.has_problem or shown(here.seen) != before

    run_by_timer_only_if(is_due)


def run_again_once_it_answers() -> None:
    """Said by such a fragment where the class could not be seen: it need not run again before the database answers anybody."""
    here = store()

    def is_due() -> bool:
        here.look()
        return not here.has_problem

    run_by_timer_only_if(is_due)


# ---------------------------------------------------------------- who


def _browser() -> str:
    """By what the student of this browser is found again: its cookie, else what the visitor has."""
    return str(st.context.cookies.get(visitors.cookie_name(), "")) or visitor().class_secret


def student() -> Student | None:
    """The student that this visitor joined as; asked of the database once for each class. Raises ClassUnavailableError."""
    now, who = snapshot(), visitor()
    if now is None:
        who.student, who.class_begun = None, 0.0  # else a later class would be another one than this page shows
        return None
    if who.class_begun != now.about.begun:
        who.student, who.class_begun = store().student_of(_browser()), now.about.begun
    return who.student


def join() -> None:
    """Become a student of the class, with the class's detector in use. Raises ClassError."""
    joined = store().join(_browser(), visitor().address)
    now = store().now(at_once=True)
    if now is None:
        raise ClassError("There is no class now.")
    visitor().student, visitor().class_begun = joined, now.about.begun
    use_the_classs_detector()


def leave() -> None:
    """Be nobody in the class any more; what was drawn stays."""
    if about() is not None:
        store().leave(_browser())
    visitor().student = None


def teachers_code() -> str:
    """The code that the teacher's buttons need; empty for everybody else."""
    now = about()
    if now is None:
        return ""
    if access.is_teacher():
        return now.code
    try:
        return visitor().class_code if store().is_teacher(visitor().class_code) else ""
    except ClassUnavailableError:
        return ""


# ---------------------------------------------------------------- detectors


def the_classs_choice() -> Choice:
    """The detector that judges what is drawn for the class: the shipped one for its digit."""
    now = last_known()
    return Choice(shipped=Shipped("best", "mnist", now.about.digit if now else 5))


def use_the_classs_detector() -> None:
    """Put it in use, at its own threshold."""
    chosen = the_classs_choice()
    visitor().thresholds.pop(chosen, None)
    detectors.use(chosen)


def shared_code() -> str:
    """The code of the class's detector that is in use; empty where another one is."""
    chosen = detectors.choice()
    origin = detectors.runs()[chosen.run].origin if chosen.run is not None else ""
    return origin.removeprefix(SHARED) if origin.startswith(SHARED) else ""


def is_judged_by_the_class() -> bool:
    """Whether what is drawn now can be sent: the class's detector is in use, or one that somebody gave to the class."""
    return bool(shared_code()) or detectors.choice() == the_classs_choice()


def give_detector() -> str:
    """Give the visitor's own detector in use to the class; returns its code, the same one each time. Raises ClassError."""
    who, number = student(), detectors.choice().run
    if who is None or number is None:
        raise ClassError("You have not joined this class.")
    made = detectors.checkpoint_of_run(number)
    what, given = (visitor().class_begun, number, made.detector.threshold_), visitor().given
    if what in given:
        return given[what]
    names = [made.config.names[label] for label in made.config.normal_classes]
    if len(names) != 1 or names[0] not in SOURCES["mnist"].class_names:
        raise ClassError("The class takes detectors of one digit, also of your own drawings if you called them 0 to 9.")
    held_out = made.detector.calibration_scores_
    alarms = int((held_out.double() > made.detector.threshold_).sum())
    if 2 * alarms > len(held_out):
        raise ClassError(
            "This detector calls {alarms:,} of {count:,} held-out images of its own digit anomalies. "
            "The class takes detectors that let most of them pass.",
            alarms=alarms,
            count=len(held_out),
        )
    given[what] = store().share(who.number, int(names[0]), to_bytes(made))
    return given[what]


def take_detector(code: str, name: str) -> None:
    """Put a detector of the class in use. Raises ClassError, or CheckpointError and SettingError as an upload does."""
    shared, file = store().checkpoint(code)
    origin = SHARED + shared.code
    for number, run in enumerate(detectors.runs()):
        if run.origin == origin and run.detector:
            detectors.use(Choice(run=number))
            return
    uploads.require_room(len(file))
    with uploads.reading_files():
        made = from_bytes(file)
    detectors.use(detectors.add_run(Run.of(name.format(code=shared.code), origin, made)))


# ---------------------------------------------------------------- drawings


def in_this_round(part: int) -> tuple[float, int, int]:
    """What an answer is about that holds for this round of this class, and for a canvas or another part of it."""
    now = last_known()
    return (now.about.begun, now.about.round, part) if now else (0.0, 0, part)


def generation() -> int:
    """The number of the canvas as it is now, among all that this visitor has had."""
    return generation_of(visitor())


def generation_of(who: Visitor) -> int:
    """The same of a certain visitor."""
    return who.first_generation + who.drawings.canvas.generation


def sent() -> Drawing | None:
    """What is on the wall of the drawing on the canvas, in this round, as it was seen last."""
    now, who = store().seen, visitor().student
    if now is None or who is None:
        return None
    same = (now.about.round, generation(), shared_code())
    mine = (each for each in now.drawings.values() if each.student == who.number)
    return next((each for each in mine if (each.round, each.generation, each.detector) == same), None)


def hides_verdict() -> bool:
    """Whether the verdict on the canvas is not shown yet: the task is to predict it."""
    if visitor().student is None:  # a pen that moves asks nothing of a database for nobody
        return False
    store().look()  # it is asked while others wait for their turn: a slow database must not keep them waiting
    now = store().seen or last_known()
    if now and now.about.begun != visitor().class_begun:
        return True  # another class, which the page finds out first
    return now is not None and now.about.task == "blind" and now.about.is_open and sent() is None


def visible_strip() -> list[StripDrawing]:
    """What was judged, without the drawing on the canvas as long as its verdict is to be predicted."""
    drawings = visitor().drawings
    if not hides_verdict():
        return drawings.strip
    return [each for each in drawings.strip if each.origin != "canvas" or each.generation != drawings.canvas.generation]


def is_known_beforehand() -> bool:
    """Whether a verdict on what is on the canvas was seen before it could be predicted."""
    return visitor().drawings.canvas.is_verdict_seen and hides_verdict()


SEEN_BEFOREHAND = N_("You have seen a verdict on this drawing. Clear the canvas and draw another one.")


def send(in_round: int, prediction: bool | None = None) -> Drawing:
    """Send what is on the canvas to the wall; the server judges it. in_round: as it was seen. Raises ClassError."""
    who, image = student(), visitor().drawings.canvas.image
    if who is None:
        raise ClassError("You have not joined this class.")
    if image is None:
        raise ClassError("The canvas is empty: draw something first.")
    if prediction is not None and is_known_beforehand():
        raise ClassError(SEEN_BEFOREHAND)
    pixels = pictures.grey_pixels(image).tobytes()
    return store().send(who.number, pixels, judgement(image, _judge()), generation(), prediction, shared_code(), in_round)


def _judge() -> AutoencoderDetector:
    """The detector that counts, at the threshold that it was made with: a visitor may have set his own."""
    chosen = detectors.choice()
    if chosen.run is not None and shared_code():
        made = detectors.runs()[chosen.run].detector
        assert made
        return made
    ours = the_classs_choice().shipped
    assert ours
    return detectors.shipped_checkpoint(ours).detector


def judgement(image: Tensor, detector: AutoencoderDetector) -> Judgement:
    """What this detector and those of all digits say of a drawing (1, 1, 28, 28)."""
    held = visitor().drawings.judged
    result = held[2] if held and held[0] is image and held[1] is detector else detector.infer(image)
    opinions = judging.opinions_of(image, "mnist")
    best = min(opinions, key=lambda each: each.ratio)
    return Judgement(
        float(result.scores[0]),
        result.threshold,
        float(result.p_values[0]),
        bool(result.verdicts[0]),
        int(best.name),
        best.ratio,
    )
