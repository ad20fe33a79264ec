"""Whose test images are put before the detector: its own data set's, or others', to see what another hand or pen does."""

import streamlit as st

from core.data.datasets import FALLBACK
from core.data.own import is_own
from pages.shared.i18n.text import _
from pages.shared.state import data_sets, keys, own_data, test_set
from pages.shared.state.page_context import PageContext


def ask(context: PageContext) -> None:
    """A box, where there are drawings of people's own to choose; and a sentence where others' images are shown."""
    own, offered = context.config.data_set, own_data.offered()
    others = (name for name in offered if is_own(name) and test_set.has_images(context.config, name))
    names = dict.fromkeys([own, *others, "mnist", FALLBACK])
    if not any(map(is_own, names)):
        return
    shown = test_set.source(context.config)
    titles = [data_sets.title_of(name) for name in names]

    def titled(name: str) -> str:
        """Each by a title of its own: a browser tells by the title what is chosen."""
        title = data_sets.title_of(name)
        return _("{title}, as in training", title=title) if name == own and titles.count(title) > 1 else title

    st.session_state[keys.TEST_SOURCE] = shown
    st.selectbox(
        _("Test images"),
        list(names),
        format_func=titled,
        key=keys.TEST_SOURCE,
        on_change=lambda: test_set.use_source(st.session_state[keys.TEST_SOURCE]),
        help=_("The same kinds by other hands and pens: a class with a normal one's name is normal, all others are anomalies."),
        width=260,
    )
    if shown == own and context.data.has_no_test_file:
        st.caption(
            _(
                "Of {normal} these are the few drawings that neither trained the network nor set its threshold; of the other "
                "kinds, all.",
                normal=context.normal,
            )
        )
    elif shown != own:
        st.caption(_("These are not the images it was made for: does its threshold still hold?"))
