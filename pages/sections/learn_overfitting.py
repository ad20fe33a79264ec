"""The lesson's eleventh step: a network that learns by heart."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st
import torch

from core.data.datasets import data_directory
from core.data.split import PlannedSplit
from core.jobs.job import JobState, Snapshot, TrainingJob
from core.presets import COURSE
from core.training import EpochLosses
from pages.sections import learn_training
from pages.sections.learn_context import normal_class
from pages.sections.learn_question import choose, say, show_chart, two_columns
from pages.shared.charts import lesson as charts
from pages.shared.html import pictures
from pages.shared.i18n.text import _
from pages.shared.state import data_sets, training_job
from pages.shared.state.page_context import PageContext

QUESTION = "overfitting"
IMAGES, HELD_OUT, EPOCHS, BATCH = 50, 200, 200, 10
RISES = 1.05
"""Times the least validation loss: at its end a training that has overfitted is at least so far above."""


def show(context: PageContext) -> None:
    """Two hundred epochs on fifty images: what will become of the error on others?"""
    left, right = two_columns()
    with left:
        st.markdown(
            _(
                "{count} images of {normal} to learn from, {epochs} epochs. After each one the error on "
                "images that were held out is measured.",
                count=IMAGES,
                normal=context.normal,
                epochs=EPOCHS,
            )
        )
        given = choose(
            QUESTION,
            _("What will the error on held-out images do?"),
            (_("Fall to the end"), _("Fall, then stay level"), _("Fall, then rise")),
            2,
        )
    jobs = learn_training.jobs_of("overfitting", context) if given else ()
    if not jobs:
        with right:
            st.html(f'<div class="lesson-few">{pictures.png_picture(few(context), _("The images to learn from"))}</div>')
    if given is None:
        return
    with left:
        result = jobs[0].snapshot().losses if jobs and jobs[0].snapshot().state is JobState.DONE else ()
        say(given, describe_curve(result) if result else expected())
        st.button(_("Train now"), icon=":material/play_arrow:", type="primary", on_click=begin, args=(normal_class(context),))
        learn_training.show_problem()
    if jobs:
        with right:
            learn_training.look("overfitting", context, show_curves)


def few(context: PageContext) -> bytes:
    """The images to learn from, as one picture."""
    images = _few(context.data.name, normal_class(context)).materialize().train
    rows = [torch.cat(list(row.squeeze(1)), dim=1) for row in torch.split(images, IMAGES // 5)]
    return pictures.png((torch.cat(rows) * 255).round().to(torch.uint8).numpy())


def _few(data_set: str, label: int) -> PlannedSplit:
    """The split of which the first images only are trained on."""
    return data_sets.split(data_set, data_directory(), (label,), COURSE.training.seed).first(IMAGES, HELD_OUT)


def expected() -> str:
    """What the curves will show, as a rule."""
    return _(
        "As a rule it falls, then rises: the network learns so few images by heart, and draws others worse. The training "
        "shows it."
    )


def describe_curve(curve: Sequence[EpochLosses]) -> str:
    """What the curves show, as they are."""
    least = min(curve, key=lambda each: each.validation)
    values = {
        "epoch": curve.index(least) + 1,
        "least": least.validation,
        "last": curve[-1].validation,
        "train": curve[-1].train,
    }
    if values["last"] < RISES * values["least"]:
        return _(
            "This time it fell to {least:.3f} and ended at {last:.3f}; the error on the {count} images ended at {train:.3f}.",
            count=IMAGES,
            **values,
        )
    return _(
        "It was lowest after {epoch} epochs ({least:.3f}) and rose to {last:.3f}, while the error on the {count} "
        "images fell to {train:.3f}: "
        "the network learns these by heart. That is **overfitting**.",
        count=IMAGES,
        **values,
    )


def begin(label: int) -> None:
    """Train on the first of the images only."""

    def make() -> list[TrainingJob]:
        at_hand = data_sets.at_hand("mnist", may_download=False).data
        training = replace(COURSE.training, epochs=EPOCHS, batch_size=BATCH)
        config = replace(COURSE, data_set=at_hand.name, normal_classes=(label,), training=training)
        return [training_job.new(config, _few(at_hand.name, label))]

    learn_training.start("overfitting", make)


def show_curves(_jobs: Sequence[TrainingJob], snapshots: Sequence[Snapshot]) -> None:
    """Both losses as they stand."""
    for snapshot in snapshots:
        learn_training.progress(snapshot)
        show_chart(charts.losses(snapshot.losses, EPOCHS), "lesson-overfitting", _("Loss by epoch"))
