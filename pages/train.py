"""Train: choose settings, watch the network learn, keep what it learnt."""

from dataclasses import replace

import streamlit as st

from pages.sections.train_controls import show_controls
from pages.sections.train_learning import show_live
from pages.sections.train_network import show_network
from pages.sections.train_runs import show_runs
from pages.sections.train_settings import show_settings
from pages.shared.forms import data_notice, settings
from pages.shared.i18n.text import _, translated
from pages.shared.state import data_sets, keys, own_data, training_job
from pages.shared.state.visitor import tab, visitor
from pages.shared.streamlit_internals import begin_again_with_app


def show() -> None:
    """The page."""
    st.title(_("Train a detector"))
    settings.follow_drawings()
    chosen = st.session_state.get(keys.DATA_SET, "mnist")
    at_hand = data_sets.at_hand(chosen)
    # Nothing else is trained on instead of deleted drawings: the settings say that they are not here.
    data_notice.show(replace(at_hand, notice="") if own_data.is_deleted(chosen) else at_hand)
    tab().was_active = training_job.is_active()  # as all that follows is drawn, until show_live finds it otherwise
    left, right = st.columns([1, 2.2], gap="large")
    with left:
        config, problem = show_settings()
    with right:
        show_controls(config)
        # A place of its own, or what follows would move, and stand there twice until the run ends.
        place = st.empty()
        if problem:
            place.error(translated(problem), icon=":material/error:")
        live = st.container()
        with st.container(key="log-scale-of-loss"):
            st.toggle(_("Logarithmic scale"), key=keys.LOG_SCALE, persist_state="session")
        with st.container(key="hideable-runs"):
            overlaid = show_runs()
        with live:
            st.fragment(show_live, run_every=training_job.poll(0.5))(overlaid, config)
            if config and visitor().job is None:
                show_network(config, at_hand.data)


if __name__ == "__main__":
    begin_again_with_app()
