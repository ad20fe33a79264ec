"""Train, in the middle: the curves, and images before and after, while the network learns."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from core.checkpoint import Checkpoint
from core.detector import AutoencoderDetector, DetectorConfig
from core.jobs.job import Snapshot, TrainingJob
from core.presets import shipped_as
from pages.sections.train_controls import show_status
from pages.sections.train_result import show_result
from pages.shared.charts import figures
from pages.shared.html import pictures
from pages.shared.i18n.text import _
from pages.shared.state import data_sets, detectors, keys, link, training_job
from pages.shared.state.visitor import Choice, Run, tab, visitor

SHOWN = 4
"""Images of each kind whose reconstruction is shown, large."""


def show_live(overlaid: Sequence[Run], config: DetectorConfig | None) -> None:
    """Everything that moves while a job runs; when it ends or pauses, the whole page runs once more.

    Without a job it is what these settings gave, and never what others did.
    """
    if training_job.collect() or training_job.needs_rerun():
        st.rerun()
    training = visitor().job
    config = config and replace(config, data_set=data_sets.at_hand(config.data_set).data.name)
    snapshot = training.snapshot() if training else training_job.last_ended(config) if config else None
    if training and snapshot:
        training_job.look_again_once_changed(training, snapshot)
    is_active = snapshot is not None and snapshot.state.is_active
    was_active, tab().was_active = tab().was_active, is_active
    if was_active is not is_active:
        st.rerun()  # the buttons change
    made = snapshot.result if snapshot else ready_in_use(config)
    show_status(snapshot, made)
    if snapshot or made or overlaid:
        with st.container(key="learning"):
            left, right = st.columns([1.1, 1], gap="medium")
        with left:
            show_losses(snapshot, made, overlaid)
        with right:
            if training and snapshot and snapshot.has_begun:
                show_reconstructions(training)
            elif made:
                show_reconstructions(made.detector)
    if made:
        show_result(made)


def ready_in_use(config: DetectorConfig | None) -> Checkpoint | None:
    """The shipped detector with these settings, if there is one and it is in use."""
    made = shipped_as(config) if config else None
    return detectors.shipped_checkpoint(made) if made and detectors.choice() == Choice(shipped=made) else None


def show_losses(snapshot: Snapshot | None, made: Checkpoint | None, overlaid: Sequence[Run]) -> None:
    """The live curves, or those of a ready detector, with those of earlier runs behind them."""
    earlier = {run.name: run.losses for run in overlaid if run.losses}
    losses = snapshot.losses if snapshot else made.losses if made else ()
    batch_losses, batches = (snapshot.batch_losses, snapshot.batches) if snapshot else (np.empty(0, dtype=np.float32), 1)
    epochs = max(map(len, (losses, *earlier.values()))) if snapshot is None else snapshot.epochs
    if epochs == 0:
        return
    figure = figures.loss_curves(
        losses,
        batch_losses,
        batches,
        epochs,
        earlier,
        log_scale=bool(st.session_state.get(keys.LOG_SCALE, False)),
        rate_changes=snapshot.rate_changes if snapshot else (),
    )
    with st.container(key="loss-chart"):
        height: Literal["stretch", "content"] = "stretch" if link.is_projector() else "content"
        st.plotly_chart(figure, key="loss-curves", config={"displayModeBar": False}, alt=_("Loss by epoch"), height=height)
    if losses:
        st.caption(
            _(
                "Epoch {epoch}: training loss {train:.4f}, validation loss {validation:.4f}",
                epoch=len(losses),
                train=losses[-1].train,
                validation=losses[-1].validation,
            )
        )


def first_of(labels: Tensor, normal_classes: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Numbers of the first normal images, and of the first of as many other classes, evenly chosen; fewer where there are."""
    is_normal = torch.isin(labels, torch.tensor(normal_classes))
    normals = is_normal.nonzero().squeeze(1)[:SHOWN]
    if is_normal.all():
        return normals, normals[:0]
    others = torch.unique(labels[~is_normal])
    chosen = others[torch.linspace(0, len(others) - 1, min(SHOWN, len(others))).round().long()]
    first = torch.stack([(labels == label).nonzero()[0, 0] for label in chosen.tolist()])
    more = (~is_normal).nonzero().squeeze(1)
    more = more[~torch.isin(more, first)][: SHOWN - len(first)]
    return normals, torch.cat([first, more])


def show_reconstructions(made: AutoencoderDetector | TrainingJob) -> None:
    """Normal test images and others, as the network redraws them now."""
    config = made.config
    data = data_sets.at_hand(config.data_set, may_download=False).data
    if data.name != config.data_set:
        return  # its drawings are gone, and what is here instead has other classes
    test, names = data_sets.split_of(config, data).test, data_sets.joined_normal_names(config)
    for title, chosen in zip(
        (
            _("Test images of {names}, and below each its reconstruction", names=names),
            _("Other classes: what becomes of them?"),
        ),
        first_of(test.labels, config.normal_classes),
        strict=True,
    ):
        if len(chosen) == 0:
            continue
        st.caption(title)
        st.html(pictures.before_and_after(*made.redraw(test.images[chosen])))
