"""The class's tasks in words: what is asked, by which rule it is ranked, and what became of a drawing."""

from core.server.class_records import ClassSnapshot, Drawing
from core.server.tasks import BLIND_TRIES, CLOSE_POINTS, TASKS, Task, counts, points
from pages.shared.html import verdicts
from pages.shared.i18n.text import _, ngettext


def title(task: Task, digit: int) -> str:
    """What is asked, in a few words."""
    match task:
        case "draw":
            return _("Draw an {eight}", eight=8) if digit == 8 else _("Draw a {numeral}", numeral=digit)
        case "anything":
            return _("Anything but an {eight}", eight=8) if digit == 8 else _("Anything but a {numeral}", numeral=digit)
        case "fool":
            return _("Fool it")
        case "edge":
            return _("On the edge")
        case "blind":
            return _("Blind")
        case "free":
            return _("Draw what you like")


def rule(task: Task, digit: int) -> str:
    """What counts, and who wins."""
    match task:
        case "draw":
            return _("The detector must take it for the digit {digit}. The lowest score wins.", digit=digit)
        case "anything":
            return _("It must be an anomaly. The highest score wins.")
        case "fool":
            return _(
                "Draw another digit that the detector takes for “{digit}”. "
                "It counts if that digit's own detector knows it best. The lowest score wins.",
                digit=digit,
            )
        case "edge":
            return _(
                "The strangest {digit} that still passes: the highest score below the threshold wins. "
                "It counts if no other digit's detector knows it better.",
                digit=digit,
            )
        case "blind":
            return _(
                "Draw, and predict the verdict, which you do not see. A right prediction is 1 point, or {points} points near "
                "the threshold. Only your first {tries} drawings count.",
                points=CLOSE_POINTS,
                tries=BLIND_TRIES,
            )
        case "free":
            return _("Nothing is ranked.")


def brief_rule(task: Task, digit: int) -> str:
    """The same in the two short lines that a phone has for it."""
    match task:
        case "draw":
            return _("The lowest score wins.")
        case "anything":
            return _("The highest score wins.")
        case "fool":
            return _("Another digit that it takes for “{digit}”: the lowest score wins.", digit=digit)
        case "edge":
            return _("The strangest {digit} that passes wins.", digit=digit)
        case "blind":
            return _("Right guess: 1 point, near the threshold {points}.", points=CLOSE_POINTS)
        case "free":
            return rule(task, digit)


def common_rule(task: Task) -> str:
    """What holds for every list."""
    if task == "free":
        return ""
    if task == "blind":
        return _("Equal points share a place.")
    return _(
        "Try as often as you like, each time on a clear canvas: your best drawing stands. What is sent again without clearing "
        "replaces itself. The same score shares a place."
    )


def titles(digit: int) -> dict[Task, str]:
    """Every task, in order."""
    return {task: title(task, digit) for task in TASKS}


def outcome(drawing: Drawing, digit: int, is_beyond_tries: bool) -> str:
    """What became of a drawing that was sent, in one sentence.

    digit: the class's. is_beyond_tries: in Blind the drawing counts for nothing, as it came after the first BLIND_TRIES.
    """
    judged = drawing.judgement
    if drawing.detector:
        return _("It is on the wall.")
    if drawing.task == "blind":
        gained = points(judged, drawing.prediction)
        verdict = verdicts.verdict_word(judged.is_anomaly)
        if is_beyond_tries:
            return _("{verdict}. Only your first {tries} drawings count.", verdict=verdict, tries=BLIND_TRIES)
        if gained:
            won = ngettext("{count} point.", "{count} points.", gained)
            return _("{verdict}: you were right. {points}", verdict=verdict, points=won)
        return _("{verdict}: you were wrong.", verdict=verdict)
    if counts(drawing.task, digit, judged):
        return _("It is on the wall.")
    if drawing.task == "anything":
        return _("On the wall, but it does not count: the detector takes it for the digit {digit}.", digit=digit)
    if judged.is_anomaly:
        return _("On the wall, but it does not count: the detector calls it an anomaly.")
    if drawing.task == "fool":
        return _("On the wall, but it does not count: no other digit's detector knows it better.")
    return _("On the wall, but it does not count: the detector for {other} knows it better.", other=judged.best_digit)


def place(now: ClassSnapshot, student: int) -> str:
    """Where a student stands in the list; empty where he does not."""
    own = now.places.get(student)
    if own is None:
        return ""
    return _("Place {place} of {count}", place=own.place, count=len(now.places))
