"""Look inside: where images lie in the bottleneck, what the decoder draws there, and how small it can be."""

from collections.abc import Callable

import streamlit as st

from pages.sections.latent_compression import show_compression
from pages.sections.latent_context import LatentContext
from pages.sections.latent_decoder import show_decoder
from pages.sections.latent_images import show_images
from pages.sections.latent_walk import show_walk
from pages.shared.forms import data_notice
from pages.shared.i18n.text import _
from pages.shared.state import keys
from pages.shared.state.visitor import tab
from pages.shared.streamlit_internals import begin_again_with_app


def show() -> None:
    """The page."""
    st.title(_("Look inside"))
    context = LatentContext.of_detector_in_use()
    data_notice.show(context.at_hand)
    sections: dict[str, Callable[[LatentContext], None]] = {
        _("Where images lie"): show_images,
        _("Move"): show_decoder,
        _("Walk"): show_walk,
        _("Compression"): show_compression,
    }
    titles = list(sections)
    # By its title of another language nobody finds the section that is open.
    if st.session_state.get(keys.LATENT_SECTION, titles[0]) not in titles:
        st.session_state[keys.LATENT_SECTION] = titles[tab().latent_section]
    tabs = st.tabs(titles, key=keys.LATENT_SECTION, on_change="rerun")
    for number, (opened, show_section) in enumerate(zip(tabs, sections.values(), strict=True)):
        if opened.open:
            tab().latent_section = number
            with opened:
                show_section(context)


if __name__ == "__main__":
    begin_again_with_app()
