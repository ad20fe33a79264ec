"""The entry. A server imports this file once, before it answers; then Streamlit runs it for every run of every visitor."""

import streamlit as st

from deploy import pen, replica
from pages.shared.streamlit_internals import is_served

if is_served():
    from pages.shared import entry

    entry.run()
else:
    replica.load()
    # `streamlit run` looks for this name and serves it.
    app = st.App(__file__, lifespan=replica.lifespan, middleware=replica.middleware(), routes=pen.routes())
