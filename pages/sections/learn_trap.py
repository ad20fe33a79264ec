"""The lesson's twelfth step: shapes that do not match."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import streamlit as st
import torch

from core.checkpoint import Checkpoint
from core.data.datasets import data_directory
from core.detector import AutoencoderDetector, DetectorConfig
from core.jobs.job import JobState, Snapshot, TrainingJob
from core.presets import COURSE, PRESETS, Shipped
from pages.sections import learn_training
from pages.sections.learn_context import USUAL_CLASS, cells
from pages.sections.learn_question import choose, say, show_chart, two_columns
from pages.shared.charts import figures
from pages.shared.html import pictures
from pages.shared.i18n.glossary import about
from pages.shared.i18n.text import _
from pages.shared.state import data_sets, detectors, training_job
from pages.shared.state.page_context import PageContext

QUESTION = "trap"
PAIR = ("course", "broadcasting")
"""The presets that the trap compares: the right shapes and the wrong ones."""
BATCH = COURSE.training.batch_size
SHAPES = (f"({BATCH}, 1, 28, 28) − ({BATCH}, 1, 28, 28)", f"({BATCH}, 28, 28) − ({BATCH}, 1, 28, 28)")


def ready(preset: str) -> Checkpoint:
    """The shipped detector of a preset; those of all presets know 5."""
    return detectors.shipped_checkpoint(Shipped(preset, "mnist", USUAL_CLASS))


def show(context: PageContext) -> None:
    """What will a network draw that compares all images with all others?"""
    left, right = two_columns()
    jobs = learn_training.jobs_of("trap", context)
    with left:
        st.markdown(
            _(
                "One dimension is forgotten, and torch goes on: it **broadcasts** the difference, and "
                "compares every image of a batch "
                "with every reconstruction."
            )
        )
        given = choose(
            QUESTION,
            _("What will this network draw when it is shown a 5?"),
            (_("That 5"), _("A 5 that is always the same"), _("Noise")),
            1,
        )
        if given:
            say(
                given,
                _("What fits all images best is their mean."),
                where_it_stops(jobs),
                _("torch's own mse_loss warns, a plain minus does not; this program raises an error instead."),
            )
            st.button(_("Train both now"), icon=":material/play_arrow:", type="primary", on_click=begin)
            if not jobs:
                st.caption(_("Until then: both as they were trained before."))
            learn_training.show_problem()
    with right:
        if given:
            learn_training.look("trap", context, show_both)
        else:
            usual = context.data.test.images[context.labels == USUAL_CLASS][:4]
            st.html(cells([pictures.picture(image, _("Image")) for image in usual], [""] * len(usual)))


def where_it_stops(jobs: Sequence[TrainingJob]) -> str:
    """The loss of wrong shapes: of the visitor's own training once that is done, else of the one that was trained before."""
    own = jobs[PAIR.index("broadcasting")].snapshot() if jobs else None
    if own and own.state is JobState.DONE:
        return _("The loss stops at {stuck:.3f}.", stuck=own.losses[-1].validation)
    return _("On MNIST the loss stops at {stuck:.3f}.", stuck=ready("broadcasting").losses[-1].validation)


def begin() -> None:
    """Train the course's network twice, with the right shapes and the wrong ones."""

    def make() -> list[TrainingJob]:
        at_hand = data_sets.at_hand("mnist", may_download=False).data
        made = []
        for preset in PAIR:
            settings = replace(PRESETS[preset], data_set=at_hand.name)
            split = data_sets.split(at_hand.name, data_directory(), (USUAL_CLASS,), settings.training.seed)
            made.append(training_job.new(settings, split))
        return made

    learn_training.start("trap", make)


def show_both(jobs: Sequence[TrainingJob], snapshots: Sequence[Snapshot]) -> None:
    """Both networks as they stand, side by side: losses, reconstructions, AUROC."""
    titles = (_("Shapes match"), _("Shapes do not match"))
    losses = [snapshot.losses for snapshot in snapshots] or [ready(preset).losses for preset in PAIR]
    curves = dict(zip(titles, losses, strict=True))
    figure = figures.loss_curves(
        (), np.empty(0, dtype=np.float32), 1, PRESETS["course"].training.epochs, curves, log_scale=False
    )
    figure.update_layout(height=170, legend={"y": 1, "x": 1, "xanchor": "right", "orientation": "v"})
    figure.update_yaxes(title_text=_("Loss"), nticks=3)
    show_chart(figure, "trap-losses", _("Loss by epoch"))
    for number, column in enumerate(st.columns(2, gap="medium")):
        with column:
            st.markdown(f"**{titles[number]}**  \n`{SHAPES[number]}`")
            trained: AutoencoderDetector | TrainingJob | None
            if jobs:
                snapshot = snapshots[number]
                learn_training.progress(snapshot)
                made = snapshot.result
                trained = jobs[number] if snapshot.has_begun else None
            else:
                made = ready(PAIR[number])
                trained = made.detector
            if trained:
                st.html(f'<div class="lesson-pair">{three_and_three(trained)}</div>')
            if losses[number]:
                told = [_("validation loss {loss:.3f}", loss=losses[number][-1].validation)]
                told += [_("AUROC {auroc:.2f}", auroc=made.evaluation.auroc)] if made and made.evaluation else []
                st.caption(", ".join(told), help=about("auroc"))
    if snapshots and all(snapshot.state is JobState.DONE for snapshot in snapshots):
        st.info(_("Same network, same images, same seed. Only the shapes differ."), icon=":material/compare_arrows:")


def three_and_three(trained: AutoencoderDetector | TrainingJob) -> str:
    """Three normal images and three others, and below them what becomes of them."""
    return pictures.before_and_after(*trained.redraw(torch.cat(usual_and_others(trained.config, 3))))


def before_and_after(trained: AutoencoderDetector, each: int) -> tuple[str, str]:
    """So many images of the normal class, and so many others, and below them what becomes of them."""
    usual, others = (trained.redraw(images) for images in usual_and_others(trained.config, each))
    return pictures.before_and_after(*usual), pictures.before_and_after(*others)


def usual_and_others(config: DetectorConfig, each: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Test images (each, 1, 28, 28) of the normal class, and of other classes."""
    shown = data_sets.at_hand(config.data_set, may_download=False).data
    labels, own = shown.test.labels, config.normal_classes
    usual = torch.isin(labels, torch.tensor(own)).nonzero().squeeze(1)[:each]
    others = torch.stack([(labels == label).nonzero()[0, 0] for label in (7, 1, 3, 8, 0, 4, 6, 9) if label not in own][:each])
    return shown.test.images[usual], shown.test.images[others]
