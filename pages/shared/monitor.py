"""The server as a whole: its log, its last errors, its memory, how many visit it."""

import streamlit as st
import streamlit.runtime
from streamlit.runtime.stats import ACTIVE_SESSIONS_FAMILY, GaugeStat

from core.health import LastErrors, keep_giving_back_memory, keep_no_large_blocks, log_as_json


@st.cache_resource(show_spinner=False)
def last_errors() -> LastErrors:
    """Settles the server at its first call: the log is JSON lines, and memory of sessions that are gone goes back."""
    keep_no_large_blocks()
    keep_giving_back_memory()
    return log_as_json()


def sessions() -> int:
    """How many tabs are connected; 0 without a server."""
    if not streamlit.runtime.exists():
        return 0
    stats = streamlit.runtime.get_instance().stats_mgr.get_stats([ACTIVE_SESSIONS_FAMILY])
    return sum(int(stat.value) for stat in stats[ACTIVE_SESSIONS_FAMILY] if isinstance(stat, GaugeStat))
