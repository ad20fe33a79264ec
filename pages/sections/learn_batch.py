"""The lesson's ninth step: training in slow motion."""

from dataclasses import replace
from pathlib import Path

import streamlit as st

from core.data.datasets import data_directory
from core.one_batch import BATCHES_SEEN, NetworkState, slow_motion
from core.presets import COURSE
from pages.sections.learn_context import normal_class
from pages.sections.learn_question import choose, say, two_columns
from pages.shared.html import pictures
from pages.shared.i18n.text import _
from pages.shared.state import data_sets
from pages.shared.state.page_context import PageContext

QUESTION = "batch"
SHOWN = 4


@st.cache_resource(show_spinner=False, max_entries=4)
def _states(data_set: str, _directory: Path, label: int) -> tuple[NetworkState, ...]:
    # Many epochs: a hundred batches are three epochs of few images.
    config = replace(COURSE, data_set=data_set, normal_classes=(label,), training=replace(COURSE.training, epochs=100))
    images = data_sets.split(data_set, _directory, (label,), config.training.seed).materialize()
    return slow_motion(config, images.train, images.calibration[:SHOWN])


def show(context: PageContext) -> None:
    """After how many batches is the error halved? Then each state as a picture."""
    states = _states(context.data.name, data_directory(), normal_class(context))
    left, right = two_columns()
    halved = next(number for number, state in enumerate(states[1:]) if state.loss <= states[0].loss / 2)
    with left:
        st.markdown(
            _(
                "A **batch** is {size} images: in, out, error; then all {count:,} weights move a little, so "
                "that the error gets smaller.",
                size=COURSE.training.batch_size,
                count=sum(parameter.numel() for parameter in context.detector.model.parameters()),
            )
        )
        given = choose(
            QUESTION,
            _(
                "Before the first batch the error is {loss:.3f}. After how many batches is it less than half of that?",
                loss=states[0].loss,
            ),
            [str(number) for number in BATCHES_SEEN[1:]],
            halved,
        )
        chosen = 0
        if given:
            say(
                given,
                _(
                    "After {batches} it is {loss:.3f}: first the image gets black where all are black, the strokes come later.",
                    batches=BATCHES_SEEN[halved + 1],
                    loss=states[halved + 1].loss,
                ),
            )
            chosen = st.select_slider(
                _("Batches"),
                range(len(BATCHES_SEEN)),
                1,
                format_func=lambda number: str(BATCHES_SEEN[number]),
                key="lesson-moment",
                width=320,
            )
    with right:
        st.html(picture_of(states[chosen], states[0]))
        st.caption(
            _(
                "Mean squared error {loss:.3f}. Weights have moved by {moved:.4f} on average.",
                loss=states[chosen].loss,
                moved=states[chosen].moved,
            )
        )


def picture_of(state: NetworkState, start: NetworkState) -> str:
    """Images in, out, error, and the weights into four units with how they have moved."""
    largest = float(start.weights.abs().max()) * 2
    rows: list[tuple[str, list[str]]] = [
        (_("In"), [pictures.picture(image, _("Image")) for image in state.images]),
        (_("Out"), [pictures.picture(image, _("Its reconstruction")) for image in state.reconstructions]),
        (
            _("Error"),
            [pictures.error_picture(error, _("Error map")) for error in (state.images - state.reconstructions).squeeze(1)],
        ),
        (_("Weights"), [pictures.error_picture(weights / largest, _("Weights")) for weights in state.weights]),
    ]
    lines = (f'<div class="lesson-line"><b>{name}</b>{"".join(cells)}</div>' for name, cells in rows)
    return f'<div class="lesson-batch">{"".join(lines)}</div>'
