"""What the pages have in common: the session, figures, pictures, text."""

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

# Until st.navigation is called for the first time in a server's life, Streamlit runs a file of
# pages/ that is asked for by its address on its own, without app.py: no navigation, no titles, no
# style. Whoever opens /draw first would get that. So the first import turns this discovery off, as
# st.navigation does, and begins again with app.py.
if PagesManager.uses_pages_directory:
    PagesManager.uses_pages_directory = False
    st.rerun()
