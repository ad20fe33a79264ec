"""The test images before the detector in use, and its scores of them."""

import time

import streamlit as st
import torch
from torch import Tensor

from core.data.datasets import DataSet, LabelledImages
from core.detector import AutoencoderDetector, DetectorConfig
from pages.shared.i18n.text import _
from pages.shared.state import data_sets, detectors, own_data
from pages.shared.state.visitor import visitor


def source(config: DetectorConfig) -> str:
    """The data set before the detector in use: its own, unless the visitor has chosen another that has images for it."""
    chosen = visitor().test_source
    if chosen is None or chosen[0] != detectors.choice() or chosen[1] == config.data_set:
        return config.data_set
    newest = own_data.newest_of(chosen[1])
    return newest if newest and has_images(config, newest) else config.data_set


def has_images(config: DetectorConfig, name: str) -> bool:
    """Whether there is an image of this data set to put before a detector with these settings: one that it has not seen."""
    own = own_data.own_source_of(name)
    return own is None or len(images(config, data_sets.source_data(own)).labels) > 0


def use_source(name: str) -> None:
    """Put the images of this data set before the detector in use."""
    own_data.remember(name)
    visitor().test_source = detectors.choice(), name


def images(config: DetectorConfig, data: DataSet) -> LabelledImages:
    """The images of a data set that neither trained a detector with these settings nor set its threshold."""
    if data.has_no_test_file and data.name == config.data_set:
        return data_sets.split_of(config, data).test
    trained_on = own_data.own_source_of(config.data_set)
    if trained_on is None or not data.has_no_test_file:
        return data.test
    own = data_sets.source_data(trained_on)
    plan = data_sets.split_of(config, own)
    trained = {image.tobytes() for image in own.train_images[torch.cat([plan.train, plan.calibration])].numpy()}
    new = torch.tensor([image.tobytes() not in trained for image in data.train_images.numpy()])
    return LabelledImages(data.test.images[new], data.test.labels[new], data.name)


@st.cache_resource(show_spinner=False, max_entries=32)
def _scores(key: str, data_set_name: str, _detector: AutoencoderDetector, _images: Tensor) -> tuple[Tensor, float]:
    started = time.perf_counter()
    scores = _detector.decision_function(_images)
    return scores, time.perf_counter() - started


def scores(in_use: AutoencoderDetector, test: LabelledImages) -> Tensor:
    """Scores (N,) of all test images, computed once for each detector, which is said meanwhile."""
    with st.spinner(_("Scoring the test images…")):
        return _scores(in_use.key, _key(test), in_use, test.images)[0]


def scoring_seconds(in_use: AutoencoderDetector, test: LabelledImages) -> float:
    """How long that took, for 10,000 images."""
    seconds = _scores(in_use.key, _key(test), in_use, test.images)[1]
    return seconds * 10_000 / max(len(test.labels), 1)


def _key(test: LabelledImages) -> str:
    """Name and number of images: of drawings, those by which a detector was trained are not among its test images."""
    return f"{test.name} {len(test.labels)}"
