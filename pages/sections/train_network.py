"""Train, before a training: the network, and the first images it will learn from."""

import streamlit as st
import torch

from core.data.datasets import DataSet
from core.detector import DetectorConfig
from core.model import layers, meta_model, parameter_count
from pages.shared.html import diagrams, pictures
from pages.shared.i18n.text import _

FIRST_IMAGES = 5


def show_network(config: DetectorConfig, data: DataSet) -> None:
    """The hourglass, and the first images it will learn from."""
    stages = layers(config.model)
    st.html(diagrams.hourglass(stages))
    st.caption(
        _(
            "{sizes}: {count:,} parameters. The bottleneck passes on {latent} numbers of {pixels}.",
            sizes="-".join(str(stage.units) for stage in stages),
            count=parameter_count(meta_model(config.model)),
            latent=config.model.latent_dim,
            pixels=stages[0].units,
        )
    )
    if config.normal_classes:
        chosen = torch.isin(data.train_labels, torch.tensor(config.normal_classes)).nonzero().squeeze(1)[:FIRST_IMAGES]
        st.caption(_("The first {count} images of its kind", count=len(chosen)))
        cells = [pictures.picture(image.float() / 255, _("Training image")) for image in data.train_images[chosen]]
        st.html(f'<div class="pic-row first-five">{"".join(pictures.figure(cell, "") for cell in cells)}</div>')
