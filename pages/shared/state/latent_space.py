"""The latent space of the detector in use, computed once for each detector and shared by all visitors."""

from dataclasses import dataclass

import streamlit as st
import torch
from torch import Tensor

from core import latent
from core.data.datasets import DataSet, LabelledImages, as_images
from core.detector import AutoencoderDetector
from core.latent import LatentProjection
from pages.shared.html import pictures
from pages.shared.i18n.text import _
from pages.shared.state import class_drawings

TEST_IMAGES, NORMAL_IMAGES, NEIGHBOUR_IMAGES = 1000, 2000, 600
MAP_CELLS = 15

FEWEST_NORMAL = 3
"""Normal images by which the space is laid out; of fewer it is laid out by all."""


@dataclass(frozen=True)
class LatentSpace:
    """Where images lie, and how far normal ones reach.

    key: equal for equal spaces. shown: (N,) numbers of test images of every class; latents: (N, D), scores: (N,), theirs.
    low, middle, high: (K,), the reach of normal images along the projection's directions.
    """

    key: str
    projection: LatentProjection
    shown: Tensor
    latents: Tensor
    scores: Tensor
    low: Tensor
    middle: Tensor
    high: Tensor
    is_of_normal: bool


def of_detector(
    detector: AutoencoderDetector, data: DataSet, test: LabelledImages, normal_classes: tuple[int, ...]
) -> LatentSpace:
    """The space as this detector's encoder lays it out, with a data set's images in it: test, and which classes are normal."""
    with st.spinner(_("Encoding the test images…")):
        return _of_detector(detector.key, f"{data.name} {len(test.labels)}", detector, data, test, normal_classes)


@st.cache_resource(show_spinner=False, max_entries=16)
def _of_detector(
    key: str, data_name: str, _detector: AutoencoderDetector, _data: DataSet, _test: LabelledImages, _normal: tuple[int, ...]
) -> LatentSpace:
    is_normal = torch.isin(_data.train_labels, torch.tensor(_normal, dtype=torch.int64))
    is_of_normal = bool(is_normal.sum() >= FEWEST_NORMAL)
    if not is_of_normal:  # of another data set, which has hardly anything of the normal kind
        is_normal = torch.ones_like(is_normal)
    normal = latent.encode(_detector, as_images(_data.train_images[is_normal][:NORMAL_IMAGES]))
    projection = latent.fit_projection(normal)
    if normal.shape[1] > 2:
        low, middle, high = (torch.full_like(projection.scale, reach) for reach in (-3.0, 0.0, 3.0))
    else:
        low, middle, high = projection.transform(normal).quantile(torch.tensor([0.002, 0.5, 0.998]), dim=0)
    shown = latent.sample(_test.labels, TEST_IMAGES)
    images = _test.images[shown]
    scores = _detector.decision_function(images)
    latents, high = latent.encode(_detector, images), torch.maximum(high, low + 1e-3)
    return LatentSpace(f"{key} {data_name}", projection, shown, latents, scores, low, middle, high, is_of_normal)


def neighbours(latents: Tensor) -> Tensor:
    """t-SNE's places (N, 2) of latents (N, D)."""
    return _neighbours(latents.numpy().tobytes(), latents)


@st.cache_resource(show_spinner=False, max_entries=32)
def _neighbours(key: bytes, _latents: Tensor) -> Tensor:
    return latent.neighbour_map(_latents)


def sprite(space: LatentSpace, images: Tensor, drawings: int) -> str:
    """Images (N, 1, 28, 28), those of the space and at the end so many drawings, as tiles of one picture."""
    return _sprite(space.key, images[len(images) - drawings :].numpy().tobytes(), images)


# st.cache_data cannot hash a tensor: the key is the detector's, or bytes, and tensors have an underscore.
@st.cache_data(show_spinner=False, max_entries=32)
def _sprite(key: str, drawings: bytes, _images: Tensor) -> str:
    return pictures.tiles(_images, columns=32)


def decoded_map(detector: AutoencoderDetector, space: LatentSpace, place: list[float]) -> tuple[str, float]:
    """What the decoder draws all over the first two directions, with the others where `place` has them; and its aspect."""
    return _decoded_map(space.key, tuple(place[2:]), detector, space)


@st.cache_data(show_spinner=False, max_entries=64)
def _decoded_map(key: str, others: tuple[float, ...], _detector: AutoencoderDetector, _space: LatentSpace) -> tuple[str, float]:
    low, high = (values[:2].tolist() for values in (_space.low, _space.high))
    rows = 1 if len(low) == 1 else MAP_CELLS
    cells = latent.grid((*low, 0.0)[:2], (*high, 1.0)[:2], MAP_CELLS, rows)
    coordinates = torch.cat([cells[:, : len(low)], torch.tensor(others).expand(len(cells), -1)], dim=1)
    drawn = latent.decode(_detector, _space.projection.inverse_transform(coordinates))
    return pictures.tiles(drawn, columns=MAP_CELLS), MAP_CELLS / rows


class_drawings.cleared_with_drawings(_sprite.clear)
