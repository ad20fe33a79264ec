"""Class: all of it to take away, as folders of images, as a table and as one page."""

from collections.abc import Callable, Iterator
from functools import partial
from html import escape

import streamlit as st

from core.data.folders import zip_of
from core.server.class_records import ClassSnapshot, Drawing
from core.server.tasks import counts, figures, kind_of, points
from pages.sections import class_tasks
from pages.shared import csv_file
from pages.shared.html import pictures, report, verdicts
from pages.shared.i18n.names import name_of
from pages.shared.i18n.text import _, formatted, language, use_language
from pages.shared.state import class_drawings, classroom


def show_take_away(now: ClassSnapshot) -> None:
    """Three files, each of the class as it is when its button is pressed."""
    st.markdown(f"**{_('Take away')}**")
    with st.container(horizontal=True):
        for label, make, name, mime, icon in (
            (_("Images"), as_folders, "class.zip", "application/zip", ":material/folder_zip:"),
            (_("Table"), as_csv, "class.csv", "text/csv", ":material/table:"),
            (_("Report"), as_report, "class.html", "text/html", ":material/description:"),
        ):
            st.download_button(label, partial(made_now, make, now, language()), name, mime, icon=icon, on_click="ignore")


def made_now(make: Callable[[ClassSnapshot], bytes | str], shown: ClassSnapshot, code: str) -> bytes | str:
    """A file in a language; it is made outside of the session. shown: the class as the page has it, for when it is over."""
    now = classroom.last_known()
    if now is None or (now.about.begun, now.about.code) != (shown.about.begun, shown.about.code):
        now = shown  # another class is not for whoever had this one
    with use_language(code):
        return make(now)


def names_of(now: ClassSnapshot) -> dict[int, str]:
    """The students' names by their numbers."""
    return {number: name_of(student) for number, student in now.students.items()}


def as_folders(now: ClassSnapshot) -> bytes:
    """A zip in torchvision's ImageFolder layout: a folder for each kind; what a shared detector judged is of none."""
    return zip_of(
        (f"{kind_of(each.task, now.about.digit)}/{each.number:05d}", class_drawings.as_pixels(each.image))
        for each in now.judged_by_the_class()
    )


COLUMNS = (
    *(
        "drawing",
        "time",
        "student",
        "task",
        "round",
        "kind",
        "score",
        "threshold",
        "p_value",
        "verdict",
        "best_digit",
        "counts",
    ),
    *("prediction", "points", "detector"),
)


def rows(now: ClassSnapshot) -> Iterator[tuple[str | int | float, ...]]:
    """One row a drawing that is not hidden; what a shared detector judged has no kind and does not count."""
    words, names = {None: "", True: "anomaly", False: "normal"}, names_of(now)
    for each in now.shown():
        judged, digit = each.judgement, now.about.digit
        kind = "" if each.detector else kind_of(each.task, digit)
        is_beyond = each.number in now.beyond_blind_tries
        does_count = "" if each.detector else int(not is_beyond and counts(each.task, digit, judged))
        gained = 0 if is_beyond else points(judged, each.prediction)
        yield (
            *(each.number, f"{each.time:.0f}", names.get(each.student, ""), each.task, each.round, kind),
            *(round(judged.score, 6), round(judged.threshold, 6), round(judged.p_value, 6), words[judged.is_anomaly]),
            *(judged.best_digit, does_count, words[each.prediction]),
            *(gained, each.detector),
        )


def as_csv(now: ClassSnapshot) -> bytes:
    """The table, as a spreadsheet of this language opens it."""
    return csv_file.as_csv(language(), COLUMNS, rows(now))


def as_report(now: ClassSnapshot) -> str:
    """One page that needs no network: the class's figures, and all drawings by task."""
    about, found, names = now.about, figures(now.about.digit, now.judged_by_the_class()), names_of(now)
    nothing = "–"

    def share(value: float | None) -> str:
        return nothing if value is None else formatted(value, ".1%")

    table = [
        (_("Drawings of {digit} that were called anomalies", digit=about.digit), share(found.alarms)),
        (_("Others that were called anomalies"), share(found.caught)),
        (_("AUROC"), nothing if found.auroc is None else formatted(found.auroc, ".3f")),
        (_("What passed most often"), ", ".join(f"{digit} ({count})" for digit, count in found.passed) or nothing),
    ]
    parts = [
        report.paragraph(
            _(
                "Of the tasks “{draw}” and “{anything}”, and for what passed also of “{fool}”.",
                draw=class_tasks.title("draw", about.digit),
                anything=class_tasks.title("anything", about.digit),
                fool=class_tasks.title("fool", about.digit),
            )
        ),
        report.table([{_("Measure"): name, _("Value"): value} for name, value in table]),
    ]
    rounds: dict[int, list[Drawing]] = {}
    for each in now.shown():
        rounds.setdefault(each.round, []).append(each)
    for drawn in rounds.values():
        parts.append(report.heading(class_tasks.title(drawn[0].task, about.digit)))
        cells = "".join(
            '<div class="opinion">'
            + pictures.png_picture(pictures.png(class_drawings.as_pixels(each.image)), names.get(each.student, ""))
            + f'<div class="label">{escape(names.get(each.student, ""))}</div>'
            + (f'<div class="label">{escape(_("against {code}", code=each.detector))}</div>' if each.detector else "")
            + f'<div class="label">{formatted(each.judgement.score, ".4f")}</div>'
            + f"{verdicts.badge(each.judgement.is_anomaly)}</div>"
            for each in drawn
        )
        parts.append(f'<div class="cards">{cells}</div>')
    return report.document(language(), about.name, parts)
