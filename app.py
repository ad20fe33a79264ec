"""Entry: page configuration, navigation, language, and the line that says which detector is in use."""

import streamlit as st

import core  # noqa: F401  settles torch's threads before anything computes
from core.checkpoint import CheckpointError
from pages.shared import door, header, link, monitor, session, style
from pages.shared.text import _, sentence, settle_language

# Before st.navigation, whose page icons would otherwise become the tab's icon and be fetched from the web.
st.set_page_config(page_icon="🔍", layout="wide")
monitor.last_errors()
settle_language()
pages = [
    st.Page("pages/home.py", title=_("Home"), icon=":material/home:", default=True),
    st.Page("pages/draw.py", title=_("Draw"), icon=":material/draw:", url_path="draw"),
    st.Page("pages/train.py", title=_("Train"), icon=":material/model_training:", url_path="train"),
    st.Page("pages/browse.py", title=_("Browse"), icon=":material/grid_view:", url_path="browse"),
    st.Page("pages/evaluate.py", title=_("Evaluate"), icon=":material/query_stats:", url_path="evaluate"),
    st.Page("pages/latent.py", title=_("Look inside"), icon=":material/hub:", url_path="latent"),
    st.Page("pages/learn.py", title=_("Learn"), icon=":material/school:", url_path="learn"),
]
if door.is_teacher():
    pages.append(st.Page("pages/status.py", title=_("Status"), url_path="status", visibility="hidden"))
link.read()
page = st.navigation(pages, position="top" if door.is_open() else "hidden")
st.set_page_config(page_title=f"{page.title} · {_('See the anomaly')}")
style.apply()
if not door.is_open():
    door.ask()
    st.stop()
session.note_page(page.url_path)
try:
    session.require_usable_choice()
except CheckpointError as error:
    st.error(sentence(error), icon=":material/error:")
    header.choose()
    st.stop()
header.show(page.url_path)
page.run()
