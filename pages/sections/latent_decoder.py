"""Move: a map and sliders, and what the decoder draws at that place."""

from collections.abc import Sequence

import streamlit as st
import torch

from core import latent
from pages.sections.latent_context import LatentContext, explain_memory
from pages.shared.components import scatter_map
from pages.shared.html import pictures
from pages.shared.i18n import glossary
from pages.shared.i18n.text import _
from pages.shared.state import keys, latent_space


def slider_title(context: LatentContext, number: int) -> str:
    if context.dimensions <= 2:
        return context.axis_name(number)
    share = float(context.inside.projection.explained_variance_ratio[number])
    return _("{axis}: {share:.0%} of the variance", axis=context.axis_name(number), share=share)


def move_to(place: list[float]) -> None:
    """Put the sliders to coordinates, as many as are given."""
    for number, value in enumerate(place):
        st.session_state[keys.direction(number)] = float(value)


@st.fragment
def show_decoder(context: LatentContext) -> None:
    """A map to click and drag in, sliders, and the image that the decoder draws at that place."""
    detector, inside = context.detector, context.inside
    low, middle, high = (values.tolist() for values in (inside.low, inside.middle, inside.high))

    def within(place: Sequence[float]) -> list[float]:
        return [min(max(value, least), most) for value, least, most in zip(place, low, high, strict=False)]

    # Another detector's space may reach less far.
    move_to(within([float(st.session_state.get(keys.direction(number), value)) for number, value in enumerate(middle)]))
    left, middle_column, right = st.columns([2.1, 1, 1.8], gap="medium")
    with right:
        place = [
            st.slider(
                slider_title(context, number),
                low[number],
                high[number],
                step=(high[number] - low[number]) / 120,
                format="localized",
                key=keys.direction(number),
                persist_state="session",
                help=glossary.about("latent" if context.dimensions <= 2 else "principal direction"),
            )
            for number in range(len(low))
        ]
    with middle_column, st.container(key="decoded"):
        image = latent.decode(detector, inside.projection.inverse_transform(torch.tensor([place])))[0]
        title = _("What the decoder draws here")
        st.html(pictures.figure(pictures.picture(image, title), title))
        st.button(_("Back to the middle"), on_click=lambda: move_to(middle), icon=":material/center_focus_strong:")
        explain_memory(context.config)
    with left:
        st.caption(_("Click or drag: the decoder draws what lies there."), help=glossary.about("decoder"))
        picture, aspect = latent_space.decoded_map(detector, inside, place)
        # One unit has a map of one row, from 0 to 1.
        x, y = (*place, 0.5)[:2]
        (left_end, bottom), (right_end, top) = (*low, 0.0)[:2], (*high, 1.0)[:2]
        extent = scatter_map.Extent(left_end, right_end, bottom, top)
        axes = (context.axis_name(0), context.axis_name(1) if len(low) > 1 else "")

        def move() -> None:
            move_to(within(scatter_map.place_of(keys.IMAGE_MAP)))

        label = _("Map of decoded images; arrow keys move in it")
        scatter_map.choose_place(keys.IMAGE_MAP, label, axes, extent, aspect, picture, (x, y), move)
