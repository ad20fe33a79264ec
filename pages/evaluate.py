"""Evaluate: in the making."""

import streamlit as st

from pages.shared.text import _

st.title(_("Evaluate"))
