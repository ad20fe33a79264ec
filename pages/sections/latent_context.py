"""What the sections of Look inside share."""

from dataclasses import dataclass
from functools import cached_property

import streamlit as st
import torch
from torch import Tensor

from core.detector import DetectorConfig
from pages.shared.components import scatter_map
from pages.shared.i18n.text import _
from pages.shared.state import classroom, latent_space
from pages.shared.state.page_context import PageContext
from pages.shared.state.visitor import tab


@dataclass(frozen=True)
class LatentContext(PageContext):
    """What the sections share. An image's number is its place among the test images shown, then come the drawings."""

    @property
    def dimensions(self) -> int:
        return self.config.model.latent_dim

    @cached_property
    def inside(self) -> latent_space.LatentSpace:
        return latent_space.of_detector(self.detector, self.data, self.test, self.normal_classes)

    @cached_property
    def shown_labels(self) -> Tensor:
        """Labels (N,) of the test images shown."""
        return self.labels[self.inside.shown]

    @cached_property
    def classes_there(self) -> list[int]:
        """The classes of which images are shown."""
        return sorted(set(self.shown_labels.tolist()))

    @cached_property
    def drawn(self) -> list[Tensor]:
        """The visitor's drawings, each (1, 28, 28) in [0, 1]."""
        return [torch.from_numpy(entry.picture).view(1, 28, 28) / 255 for entry in classroom.visible_strip()]

    @cached_property
    def images(self) -> Tensor:
        """Every image of the page (N, 1, 28, 28), the drawings last."""
        return torch.stack([*self.test.images[self.inside.shown], *self.drawn])

    def name_of(self, number: int) -> str:
        """What an image is called."""
        count = len(self.shown_labels)
        if number < count:
            return self.names[int(self.shown_labels[number])]
        return _("Drawing {number}", number=number - count + 1)

    def kind_of(self, number: int) -> scatter_map.Kind:
        if number >= len(self.shown_labels):
            return "drawing"
        return "normal" if int(self.shown_labels[number]) in self.normal_classes else "anomaly"

    def axis_name(self, number: int) -> str:
        if self.dimensions <= 2:
            return _("Unit {number}", number=number + 1)
        return _("Direction {number}", number=number + 1)

    @property
    def chosen_number(self) -> int:
        """The image chosen on the plane."""
        return min(tab().chosen_image, len(self.images) - 1)


def explain_memory(config: DetectorConfig) -> None:
    """Why a reconstruction by this detector can look different from what its decoder draws."""
    if config.neighbours:
        st.caption(
            _(
                "The decoder draws freely here. "
                "To judge an image, the detector redraws the {count} training images most like it.",
                count=config.neighbours,
            )
        )
