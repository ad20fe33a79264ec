"""The latent space of the detector in use, computed once for each detector and shared by all visitors."""

from dataclasses import dataclass

import streamlit as st
import torch
from torch import Tensor

from core import latent
from core.data import DataSet, as_images
from core.detector import AutoencoderDetector
from core.latent import Frame
from pages.shared import pictures, session

TEST_IMAGES, NORMAL_IMAGES, NEIGHBOUR_IMAGES = 1000, 2000, 600
MAP_CELLS = 15


@dataclass(frozen=True)
class Space:
    """Where images lie, and how far normal ones reach.

    shown: (N,) numbers of test images of every class; latents: (N, D), scores: (N,), theirs.
    low, middle, high: (K,), the reach of normal images along the frame's directions.
    """

    frame: Frame
    shown: Tensor
    latents: Tensor
    scores: Tensor
    low: Tensor
    middle: Tensor
    high: Tensor


def look(detector: AutoencoderDetector, data: DataSet) -> Space:
    """The space as this detector's encoder lays it out."""
    return _look(detector.key, data.name, detector, data)


@st.cache_resource(show_spinner=False, max_entries=16)
def _look(key: str, data_name: str, _detector: AutoencoderDetector, _data: DataSet) -> Space:
    is_normal = torch.isin(_data.train_labels, torch.tensor(_detector.config.normal_classes))
    normal = latent.encode(_detector, as_images(_data.train_images[is_normal][:NORMAL_IMAGES]))
    frame = latent.frame_of(normal)
    if normal.shape[1] > 2:
        low, middle, high = (torch.full_like(frame.steps, reach) for reach in (-3.0, 0.0, 3.0))
    else:
        low, middle, high = frame.coordinates(normal).quantile(torch.tensor([0.002, 0.5, 0.998]), dim=0)
    shown = latent.sample(_data.test.labels, TEST_IMAGES)
    images = _data.test.images[shown]
    scores = _detector.decision_function(images)
    return Space(frame, shown, latent.encode(_detector, images), scores, low, middle, torch.maximum(high, low + 1e-3))


def neighbours(latents: Tensor) -> Tensor:
    """t-SNE's places (N, 2) of latents (N, D)."""
    return torch.from_numpy(_neighbours(latents.numpy()))


@st.cache_data(show_spinner=False, max_entries=32)
def _neighbours(latents):  # type: ignore[no-untyped-def]
    return latent.neighbour_map(torch.from_numpy(latents)).numpy()


def sprite(space: Space, data: DataSet, drawings: list[session.Drawing]) -> str:
    """The shown test images and then the drawings, as tiles of one picture."""
    return _sprite(data.name, tuple(drawing.picture.tobytes() for drawing in drawings), data.test.images[space.shown])


@st.cache_data(show_spinner=False, max_entries=32)
def _sprite(data_name: str, drawings: tuple[bytes, ...], _images: Tensor) -> str:
    drawn = [torch.frombuffer(bytearray(pixels), dtype=torch.uint8).view(1, 28, 28) / 255 for pixels in drawings]
    return pictures.tiles(torch.cat([_images, torch.stack(drawn)]) if drawn else _images, columns=32)


def decoded_map(detector: AutoencoderDetector, space: Space, place: list[float]) -> tuple[str, float]:
    """What the decoder draws all over the first two directions, with the others where `place` has them; and its aspect."""
    return _decoded_map(detector.key, tuple(place[2:]), detector, space)


@st.cache_data(show_spinner=False, max_entries=64)
def _decoded_map(key: str, others: tuple[float, ...], _detector: AutoencoderDetector, _space: Space) -> tuple[str, float]:
    low, high = (values[:2].tolist() for values in (_space.low, _space.high))
    is_line = len(low) == 1
    rows = 1 if is_line else MAP_CELLS
    cells = latent.grid((*low, 0.0)[:2], (*high, 1.0)[:2], MAP_CELLS, rows)
    coordinates = torch.cat([cells[:, : len(low)], torch.tensor(others).expand(len(cells), -1)], dim=1)
    drawn = latent.decode(_detector, _space.frame.latents(coordinates))
    return pictures.tiles(drawn, columns=MAP_CELLS), MAP_CELLS / rows
