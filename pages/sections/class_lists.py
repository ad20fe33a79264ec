"""Class: who stands where in the task, and whose detector was fooled least."""

from html import escape

from core.server.class_records import ClassSnapshot
from core.server.tasks import fooled
from pages.shared.i18n.names import name_of
from pages.shared.i18n.text import _, formatted, ngettext
from pages.shared.state import class_drawings


def as_list(now: ClassSnapshot, most: int) -> str:
    """Who stands where in this task."""
    about = now.about
    lines = []
    for each in list(now.places.values())[:most]:
        drawing, who = now.drawings[each.drawing], name_of(now.students.get(each.student))
        value = formatted(abs(each.worth), ".4f")
        if about.task == "blind":
            value = ngettext("{count} point", "{count} points", int(each.worth))
        picture = f'<img class="pic" alt="" src="{class_drawings.data_url(drawing.image)}">'
        lines.append(
            f'<li><b>{each.place}</b>{picture}<span>{escape(who)}</span><span class="value">{escape(value)}</span></li>'
        )
    more = len(now.places) - len(lines)
    rest = f'<p class="label">{escape(_("and {count} more", count=more))}</p>' if more > 0 else ""
    body = (
        f'<ol class="class-list">{"".join(lines)}</ol>{rest}' if lines else f"<p>{escape(_('Nobody is in the list yet.'))}</p>"
    )
    return f"<h3>{escape(_('The list'))}</h3>{body}"


def detectors_fooled_least(now: ClassSnapshot, most: int) -> str:
    """Whose detector was fooled least."""
    lines = []
    for each in fooled(now.detectors.values(), now.shown())[:most]:
        who = name_of(now.students.get(now.detectors[each.code].student))
        tried = ngettext("fooled {fooled} of {count} time", "fooled {fooled} of {count} times", each.tries, fooled=each.fooled)
        lines.append(
            f"<li><b>{escape(each.code)}</b><span>{escape(who)} · {now.detectors[each.code].digit}</span>"
            f'<span class="value">{escape(tried)}</span></li>'
        )
    title = escape(_("Detectors of the class"))
    return f'<h3>{title}</h3><ol class="class-list">{"".join(lines)}</ol>'
