"""What is said where a page does not show the data set asked for."""

import streamlit as st

from core.data.download import Download
from pages.shared.i18n.text import _
from pages.shared.state import data_sets
from pages.shared.state.data_sets import DataAtHand


def show(at_hand: DataAtHand) -> None:
    """One line where the page does not show the data set asked for, with the download's progress."""
    with st.container(key="data-notice"):
        if at_hand.notice:
            instead = _("Meanwhile this page uses the UCI handwritten digits, which come with the program.")
            st.info(f"{at_hand.notice} {instead}", icon=":material/download:")
        download = at_hand.download
        if download is None:
            return
        if download.error:
            if st.button(_("Try the download again"), icon=":material/refresh:"):
                data_sets.forget_download(download)
                st.rerun()
        else:
            st.fragment(_show_download, run_every=0.5)(download)


def _show_download(download: Download) -> None:
    if not download.running:
        if not download.error:
            data_sets.forget_download(download)
        st.rerun()
    share = download.progress
    st.progress(
        share,
        _(
            "{title}: {share:.0%} of {size:.0f} MB",
            title=download.source.title,
            share=share,
            size=download.source.archive_bytes / 1e6,
        ),
    )
