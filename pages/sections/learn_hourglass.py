"""The lesson's second step: how much of an image can pass the middle?"""

import streamlit as st

from core.experiments import compression
from core.model import PIXELS, layers, meta_model, parameter_count
from pages.sections.learn_context import cells, shuffled
from pages.sections.learn_question import LETTERS, ask_again, choose, round_of, say, two_columns
from pages.shared.html import diagrams, pictures
from pages.shared.i18n.text import _
from pages.shared.state.page_context import PageContext

QUESTION = "hourglass"
COMPARED = (2, 8, 32)
"""Units of the networks whose reconstructions are compared."""


def show(context: PageContext) -> None:
    """Which reconstruction has passed through the fewest numbers?"""
    model = context.config.model
    left, right = two_columns()
    made, number = compression.read(), round_of(QUESTION)
    fewest, more, most = COMPARED
    order = [COMPARED[place] for place in shuffled(len(COMPARED), number)]
    place = number % sum((made.labels == made.labels[0]).tolist())
    image = made.images[place] / 255
    redrawn = {
        each.latent_dim: reconstructions[place] / 255
        for each, reconstructions in zip(made.measured, made.reconstructions, strict=True)
    }
    errors = {each.latent_dim: each.error for each in made.measured}
    with left:
        st.markdown(
            _(
                "{pixels} numbers go in, one for each pixel; {latent} pass through the middle: {share:.0%} of as many. "
                "From these the image is drawn again.",
                pixels=PIXELS,
                latent=model.latent_dim,
                share=model.latent_dim / PIXELS,
            )
        )
        given = choose(
            QUESTION,
            _(
                "Three networks that know 5s, with {fewest}, {more} and {most} numbers in the middle, have redrawn "
                "the same image. Which of them had {fewest}?",
                fewest=fewest,
                more=more,
                most=most,
            ),
            LETTERS[: len(order)],
            order.index(fewest),
        )
        if given:
            say(
                given,
                _(
                    "With {fewest} numbers there is room for a typical image only; with {more} more of its own is kept. "
                    "Over all 5s of the test set the errors are {first:.3f}, {second:.3f} and {third:.3f}.",
                    fewest=fewest,
                    more=more,
                    first=errors[fewest],
                    second=errors[more],
                    third=errors[most],
                ),
            )
            ask_again(QUESTION, _("Another image"))
    with right:
        st.html(diagrams.hourglass(layers(model)))
        st.caption(_("The course's network: {count:,} parameters", count=parameter_count(meta_model(model))))
        contents, captions = [pictures.picture(image, _("Test image"))], [_("the image")]
        for letter, units in zip(LETTERS, order, strict=False):
            error = float((image - redrawn[units]).square().mean())
            contents.append(pictures.picture(redrawn[units], _("Reconstruction")))
            captions.append(
                _("{letter}: {units} numbers, error {error:.3f}", letter=letter, units=units, error=error) if given else letter
            )
        st.html(cells(contents, captions))
