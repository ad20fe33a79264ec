"""THE table of pages; app.py, Home, the tests and the screenshots read it."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import cast

import streamlit as st

from core.errors import N_
from pages.shared.i18n.text import _


@dataclass(frozen=True)
class PageEntry:
    """One page. Its code is the function `show` of the module pages/<name>.py.

    name: also the path in the address, but for the first page, which has none. icon: a Material symbol. invitation,
    promise: what Home says of it. for_teacher: in no navigation, and only there for whoever may see the server's state.
    """

    name: str
    title: str
    icon: str = ""
    invitation: str = ""
    promise: str = ""
    for_teacher: bool = False

    @property
    def path(self) -> str:
        return "" if self is PAGES[0] else self.name

    @property
    def show(self) -> Callable[[], None]:
        """By its name, as the pages themselves read this table."""
        return cast(Callable[[], None], import_module(f"pages.{self.name}").show)

    def as_page(self, instead: Callable[[], None] | None = None) -> st.Page:
        """The page as st.navigation and st.page_link take it; `instead` is run in its place where one is given."""
        return st.Page(
            instead or self.show,
            title=_(self.title),
            icon=self.icon or None,
            url_path=self.name,
            default=self is PAGES[0],
            visibility="hidden" if self.for_teacher else "visible",
        )


PAGES = (
    PageEntry("home", N_("Home"), ":material/home:"),
    PageEntry(
        "draw",
        N_("Draw"),
        ":material/draw:",
        N_("**Draw** your own digit"),
        N_("Is your 5 a 5? And what does the network make of your 7?"),
    ),
    PageEntry(
        "train",
        N_("Train"),
        ":material/model_training:",
        N_("**Train** a detector"),
        N_("Pick a digit and watch the network learn it."),
    ),
    PageEntry(
        "browse",
        N_("Browse"),
        ":material/grid_view:",
        N_("**Browse** test images"),
        N_("Digits it has never seen, with every verdict."),
    ),
    PageEntry(
        "evaluate",
        N_("Evaluate"),
        ":material/query_stats:",
        N_("**Evaluate** the detector"),
        N_("Drag the threshold and see what it costs."),
    ),
    PageEntry(
        "latent",
        N_("Look inside"),
        ":material/hub:",
        N_("**Look inside**"),
        N_("Where images lie in the bottleneck, and what lies between."),
    ),
    PageEntry(
        "learn",
        N_("Learn"),
        ":material/school:",
        N_("**Learn** step by step"),
        N_("The lesson in small steps: guess first, then see."),
    ),
    PageEntry(
        "class",
        N_("Class"),
        ":material/groups:",
        N_("**The class** together"),
        N_("Everybody's drawings on one wall, and a game against the detector."),
    ),
    PageEntry("status", N_("Status"), for_teacher=True),
)


def page_of(name: str) -> st.Page:
    """The page with this name, for a link to it."""
    return next(entry for entry in PAGES if entry.name == name).as_page()
