"""What the lesson is about: the course's detector, and the test images before it."""

from collections.abc import Sequence

import torch
from torch import Tensor

from core.presets import Shipped
from pages.shared.html import pictures
from pages.shared.i18n.text import _
from pages.shared.state import data_sets, detectors
from pages.shared.state.page_context import PageContext
from pages.shared.state.visitor import Choice, tab

USUAL_CLASS = 5


def lesson_context(label: int | None = None) -> PageContext:
    """The course's detector before the images at hand; the tab then knows what its lesson is about.

    label: the digit; None is that of the detector in use, where it is one of MNIST, else USUAL_CLASS.
    """
    if label is None:
        in_use = detectors.detector_config()
        label = in_use.normal_classes[0] if in_use.data_set == "mnist" and len(in_use.normal_classes) == 1 else USUAL_CLASS
    made = Shipped("course", "mnist", label)
    if not made.path.exists():
        made = Shipped("course", "mnist", USUAL_CLASS)
    detector = detectors.shipped_checkpoint(made).detector
    context = PageContext(Choice(shipped=made), detector, data_sets.at_hand("mnist", may_download=False))
    tab().lesson_about = f"{made.normal_class}-{context.data.name}"
    return context


def normal_class(context: PageContext) -> int:
    """The one class that the lesson's detector knows."""
    return context.config.normal_classes[0]


def is_of_another_data_set(context: PageContext) -> bool:
    """Whether the images are of another data set than the detector was trained and calibrated with."""
    return context.data.name != context.config.data_set


def other_classes(context: PageContext) -> list[int]:
    """The classes that are anomalies, and of which the test set has images."""
    own = context.config.normal_classes
    return [label for label in range(len(context.names)) if label not in own and bool((context.labels == label).any())]


def nth(chosen: Tensor, number: int) -> int:
    """Of indices, or of a mask (N,), the one with this number, counted around."""
    indices = chosen.nonzero().squeeze(1) if chosen.dtype == torch.bool else chosen
    return int(indices[number % len(indices)])


def image_at(context: PageContext, index: int) -> Tensor:
    """A test image, (1, 1, 28, 28)."""
    return context.data.test.images[index : index + 1]


def shuffled(count: int, seed: int) -> list[int]:
    """The numbers from 0, in an order that the seed chooses."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed)).tolist()


def cells(contents: Sequence[str], captions: Sequence[str]) -> str:
    """Pictures side by side, small enough that a step fits on a screen."""
    return f'<div class="lesson-row">{pictures.row(list(zip(contents, captions, strict=True)))}</div>'


def name_of(context: PageContext, index: int) -> str:
    """The name of a test image's class."""
    return context.names[int(context.labels[index])]


def other_data_set_note(context: PageContext) -> str:
    """Where the images are of another data set, what that means for the detector's rates; else nothing."""
    if not is_of_another_data_set(context):
        return ""
    return _(
        "These images are of another data set ({images}) than the detector was calibrated with ({own}), so its rates differ.",
        images=data_sets.title_of(context.data.name),
        own=data_sets.title_of(context.config.data_set),
    )
