"""The lesson's third step: what will the network make of something that it has never seen? Draw it."""

import streamlit as st

from pages.sections.learn_canvas import show_canvas
from pages.sections.learn_context import cells, image_at, nth, other_classes
from pages.sections.learn_question import ask_again, choose, round_of, say, two_columns
from pages.shared.html import pictures
from pages.shared.i18n.text import _
from pages.shared.state.page_context import PageContext
from pages.shared.state.visitor import current_lesson

QUESTION = "redraw"
FIRST = 1
"""The class that is asked about first, where it is an anomaly."""


def asked_class(context: PageContext, number: int) -> int:
    others = other_classes(context)
    start = others.index(FIRST) if FIRST in others else 0
    return others[(start + 3 * number) % len(others)]


def show(context: PageContext) -> None:
    """Draw what will become of it, or say it."""
    number = round_of(QUESTION)
    label = asked_class(context, number)
    name = context.names[label]
    index = nth(context.labels == label, 4 + number)
    result = context.detector.infer(image_at(context, index))
    image, reconstruction = result.images[0], result.reconstructions[0]
    left, right = two_columns()
    with left:
        given = choose(
            QUESTION,
            _(
                "The network has seen {normal} only, and is shown this {other}. Draw what it will make of it; "
                "then say what you drew.",
                normal=context.normal,
                other=name,
            ),
            (_("The same image"), _("The digit {normal}", normal=context.normal), _("Something between"), _("Nothing")),
            None,
        )
        if given:
            drawn = current_lesson().canvas(QUESTION).image
            off = float((image - reconstruction).square().mean())
            own = float((drawn[0] - reconstruction).square().mean()) if drawn is not None else None
            say(
                given,
                _(
                    "It draws with the strokes that {normal} has, as far as they fit. The reconstruction "
                    "differs from the image by "
                    "{error:.3f} (mean squared error).",
                    normal=context.normal,
                    error=off,
                ),
                _("Your drawing differs from it by {error:.3f}.", error=own) if own is not None else "",
            )
            ask_again(QUESTION, _("Another digit"))
    with right:
        contents, captions = [pictures.picture(image, name)], [_("What the model sees")]
        if given:
            contents.append(pictures.picture(reconstruction, _("Its reconstruction")))
            captions.append(_("Its reconstruction"))
            if drawn is not None:
                contents.append(pictures.picture(drawn[0], _("Your drawing")))
                captions.append(_("Your drawing"))
        with st.container(key="lesson-redraw", horizontal=True, horizontal_alignment="left"):
            st.html(cells(contents, captions))
            if given is None:
                show_canvas(QUESTION)
