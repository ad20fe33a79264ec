"""Compression: networks that differ in the bottleneck only, before the same images."""

from typing import Literal

import streamlit as st

from core.experiments import compression
from core.model import PIXELS
from pages.sections.latent_context import LatentContext
from pages.shared.charts import bottleneck
from pages.shared.html import pictures
from pages.shared.i18n import glossary
from pages.shared.i18n.text import _
from pages.shared.state import link


@st.fragment
def show_compression(_context: LatentContext) -> None:
    """Networks that differ in the bottleneck only, before the same images."""
    made = compression.read()
    st.caption(
        _(
            "{count} networks that know 5s, alike but for the bottleneck. Smallest error: {closest} units. "
            "Highest AUROC: {keenest} units.",
            count=len(made.measured),
            closest=min(made.measured, key=lambda each: each.error).latent_dim,
            keenest=max(made.measured, key=lambda each: each.auroc).latent_dim,
        ),
        help=glossary.about("bottleneck"),
    )
    labels_of = made.labels.tolist()
    captions = [
        _("{label} · {number}", label=label, number=labels_of[:place].count(label) + 1) for place, label in enumerate(labels_of)
    ]
    chosen = st.pills(
        _("Test image"),
        range(len(captions)),
        default=1,
        required=True,
        format_func=captions.__getitem__,
        key="compression-image",
        wrap=True,
        persist_state="session",
    )
    image = made.images[chosen] / 255
    cells = [(image, _("Test image"), _("the image\n{pixels} numbers", pixels=PIXELS))]
    for each, reconstructions in zip(made.measured, made.reconstructions, strict=True):
        reconstruction = reconstructions[chosen] / 255
        caption = _(
            "{units} numbers\nof {pixels}\nerror {error:.3f}",
            units=each.latent_dim,
            pixels=PIXELS,
            error=(image - reconstruction).square().mean(),
        )
        cells.append((reconstruction, _("Reconstruction"), caption))
    st.html(pictures.strip(cells))
    height: Literal["stretch", "content"] = "stretch" if link.is_projector() else "content"
    for column, key, title, figure in zip(
        st.columns(2),
        ("bottleneck-error", "bottleneck-auroc"),
        (_("Error on normal images"), _("AUROC")),
        (bottleneck.error_by_size(made.measured), bottleneck.auroc_by_size(made.measured)),
        strict=True,
    ):
        with column, st.container(key=key):
            st.plotly_chart(figure, key=title, config={"displayModeBar": False}, alt=title, height=height)
