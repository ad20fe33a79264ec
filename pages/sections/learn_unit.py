"""The lesson's tenth step: what one number in the middle is worth."""

import streamlit as st
import torch
from torch import Tensor

from core.latent import decode, encode
from pages.sections.learn_context import cells, image_at, nth, shuffled
from pages.sections.learn_question import LETTERS, ask_again, choose, round_of, say, two_columns
from pages.shared.html import pictures
from pages.shared.i18n.text import _, formatted
from pages.shared.navigation import page_of
from pages.shared.state.page_context import PageContext

QUESTION = "unit"


def without_each(context: PageContext, latent: Tensor) -> tuple[Tensor, Tensor]:
    """The reconstruction (1, 28, 28) of a latent (D,), and those without one unit each, (D, 1, 28, 28)."""
    dimensions = len(latent)
    switched_off = latent.repeat(dimensions, 1) * (1 - torch.eye(dimensions))
    return decode(context.detector, latent[None])[0], decode(context.detector, switched_off)


def four_units(effects: Tensor, number: int) -> list[int]:
    """The unit that changes the picture most, two that change it less, and one that does next to nothing, shuffled."""
    order = effects.argsort(descending=True).tolist()
    chosen = [order[0], order[3], order[10 if len(order) > 12 else -2], order[-1]]
    return [chosen[place] for place in shuffled(len(chosen), number)]


def show(context: PageContext) -> None:
    """Which of four units changes the picture most when it is switched off?"""
    number = round_of(QUESTION)
    image = image_at(context, nth(context.is_normal, 3 + number))
    latent = encode(context.detector, image)[0]
    whole, without = without_each(context, latent)
    effects = (without - whole).square().mean(dim=(1, 2, 3))
    chosen = four_units(effects, number)
    least, *_between, most = sorted(range(len(chosen)), key=lambda place: float(effects[chosen[place]]))
    left, right = two_columns()
    with left:
        st.markdown(
            _(
                "The image of {normal} became {count} numbers, {zeros} of them 0; the reconstruction is "
                "drawn from these alone.",
                normal=context.normal,
                count=len(latent),
                zeros=int((latent == 0).sum()),
            )
        )
        values = [f"{letter}: {formatted(float(latent[unit]), '.2f')}" for letter, unit in zip(LETTERS, chosen, strict=True)]
        given = choose(QUESTION, _("Four of the numbers. Which of them, switched off, changes the picture most?"), values, most)
        off: list[int] = []
        if given:
            say(
                given,
                _(
                    "Without {letter} the picture changes by {most:.4f} (mean squared); without {other}, only by {least:.4f}.",
                    letter=LETTERS[most],
                    most=float(effects[chosen[most]]),
                    other=LETTERS[least],
                    least=float(effects[chosen[least]]),
                ),
            )
            off = st.pills(
                _("Switch off"), range(len(chosen)), selection_mode="multi", format_func=LETTERS.__getitem__, key="lesson-off"
            )
            with st.container(horizontal=True, vertical_alignment="center"):
                ask_again(QUESTION, _("Another image"))
                st.page_link(page_of("latent"), label=_("Turn the numbers yourself: Look inside"), icon=":material/hub:")
    with right:
        contents, captions = [pictures.picture(image[0], _("Image")), pictures.picture(whole, _("Its reconstruction"))], []
        captions += [_("Image"), _("Its reconstruction")]
        if given:
            kept = latent.clone()
            kept[[chosen[place] for place in off]] = 0
            left_over = decode(context.detector, kept[None])[0]
            contents += [
                pictures.picture(left_over, _("Without those that are off")),
                pictures.error_picture((whole - left_over)[0], _("What they drew")),
            ]
            captions += [_("Without those that are off"), _("What they drew")]
        st.html(cells(contents, captions))
        if given:
            contents = [pictures.error_picture((whole - without[unit])[0], _("What they drew")) for unit in chosen]
            captions = [
                _("{letter}: changes it by {effect:.4f}", letter=letter, effect=float(effects[unit]))
                for letter, unit in zip(LETTERS, chosen, strict=True)
            ]
            st.html(cells(contents, captions))
