"""Home: what this is, one picture that moves the idea across, and a door to every page."""

import streamlit as st
import torch

from core.data.datasets import LabelledImages
from pages.shared.html import pictures, verdicts
from pages.shared.i18n.glossary import about
from pages.shared.i18n.text import _
from pages.shared.navigation import PAGES
from pages.shared.state.page_context import PageContext
from pages.shared.streamlit_internals import begin_again_with_app

FIRST = 100
"""Images of each kind among which the typical one is looked for."""

DOORS_IN_A_ROW = 3


def show() -> None:
    """The page."""
    context = PageContext.of_detector_in_use(may_download=False)
    st.title(_("See an autoencoder detect anomalies"), help=about("autoencoder"))
    st.markdown(
        _(
            "This network has learnt to redraw one kind of image, **{normal}**, and has never seen any other. "
            "Show it something else and it redraws that as best it can, badly. "
            "**What it cannot redraw is an anomaly.**",
            normal=context.normal,
        )
        if len(context.config.normal_classes) == 1
        else _(
            "This network has learnt to redraw a few kinds of image, **{normal}**, and has never seen any other. "
            "Show it something else and it redraws that as best it can, badly. "
            "**What it cannot redraw is an anomaly.**",
            normal=context.normal,
        )
    )
    show_example(context)
    show_doors()


def typical(test: LabelledImages, is_normal: torch.Tensor, wanted: torch.Tensor) -> int:
    """The test image nearest to the mean of the first of the wanted kind (N,), else of an anomaly, else of any."""
    kind = next((kind for kind in (wanted, ~is_normal) if kind.any()), is_normal)
    chosen = kind.nonzero().squeeze(1)[:FIRST]
    images = test.images[chosen]
    return int(chosen[(images - images.mean(dim=0)).square().sum(dim=(1, 2, 3)).argmin()])


def show_example(context: PageContext) -> None:
    """A normal image and an anomaly, a 7 where it is one, each with reconstruction, error map and score."""
    test, is_normal = context.test, context.is_normal
    chosen = [typical(test, is_normal, wanted) for wanted in (is_normal, (test.labels == 7) & ~is_normal)]
    result = context.detector.infer(test.images[chosen])
    for number, column in enumerate(st.columns(2, gap="large", border=True)):
        with column:
            st.html(pictures.triple(result.images[number], result.reconstructions[number], result.error_maps[number]))
            score = _(
                "anomaly score {score:.3f}, threshold {threshold:.3f}", score=result.scores[number], threshold=result.threshold
            )
            badge = verdicts.badge(bool(result.verdicts[number]))
            st.html(f'{badge} &nbsp; <span class="label">{score}</span>')
    st.html(pictures.error_legend())


def show_doors() -> None:
    """Every page that a visitor is invited to."""
    doors = [entry for entry in PAGES if entry.invitation]
    for start in range(0, len(doors), DOORS_IN_A_ROW):
        for column, entry in zip(st.columns(DOORS_IN_A_ROW), doors[start : start + DOORS_IN_A_ROW], strict=False):
            with column, st.container(border=True, height="stretch"):
                st.page_link(entry.as_page(), label=_(entry.invitation), icon=entry.icon)
                st.caption(_(entry.promise))


if __name__ == "__main__":
    begin_again_with_app()
