"""Home: two judged images and six doors."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import PageLink
from torch import Tensor

from core.checkpoint import Checkpoint
from core.data.datasets import FALLBACK, DataSet, LabelledImages, load
from core.detector import AutoencoderDetector, DetectorConfig
from core.training import TrainConfig
from pages.shared.state import data_sets
from pages.shared.state.visitor import Choice, Run
from tests.pages.conftest import NAMES, checked, html_of, open_page, plain, verdicts, visitor_of


def judged(app: AppTest) -> list[tuple[float, float]]:
    """Score and threshold as both cards say them."""
    text = " ".join(map(plain, html_of(app)))
    found = re.findall(r"anomaly score ([\d.]+), threshold ([\d.]+)", text)
    return [(float(score), float(threshold)) for score, threshold in found]


def pixels(html: str) -> list[NDArray[np.uint8]]:
    """The pictures in a piece of HTML."""
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(png)))) for png in found]


def typical(test: LabelledImages, label: int) -> Tensor:
    """Among the first hundred of a class, the image nearest to their mean, found one by one; (1, 1, 28, 28)."""
    images = test.images[test.labels == label][:100].numpy()
    distances = [float(np.square(image - images.mean(axis=0)).sum()) for image in images]
    return torch.from_numpy(images[[int(np.argmin(distances))]])


def test_first_is_normal_and_second_an_anomaly(with_mnist: DataSet, best: AutoencoderDetector) -> None:
    app = open_page()
    assert verdicts(app) == ["Normal", "Anomaly"]
    expected = [(float(best.decision_function(typical(with_mnist.test, label))), best.threshold_) for label in (5, 7)]
    assert judged(app) == [pytest.approx(pair, abs=6e-4) for pair in expected]


def test_words_agree_with_numbers_without_mnist(without_data: Path, best: AutoencoderDetector) -> None:
    app = open_page()
    test = load(FALLBACK).test
    expected = [float(best.decision_function(typical(test, label))) for label in (5, 7)]
    assert [score for score, _ in judged(app)] == pytest.approx(expected, abs=6e-4)
    assert verdicts(app) == ["Anomaly" if score > best.threshold_ else "Normal" for score in expected]


@pytest.mark.usefixtures("without_data")
def test_a_detector_of_several_kinds_is_spoken_of_as_such(uci: DataSet) -> None:
    app = open_page()
    assert any("one kind of image, **5**," in each.value for each in app.markdown)
    config = DetectorConfig(data_set=FALLBACK, normal_classes=(3, 5), training=TrainConfig(epochs=1))
    made = Checkpoint(AutoencoderDetector(config).fit_split(config.split(uci)))
    visitor_of(app).runs.append(Run.of("run 1", "trained", made))
    visitor_of(app).choice = Choice(run=0)
    assert any("a few kinds of image, **3, 5**," in each.value for each in checked(app.run()).markdown)


def test_home_downloads_nothing(without_data: Path) -> None:
    open_page()
    assert not any(directory == without_data for _, directory in data_sets._downloads()[1])
    assert list(without_data.iterdir()) == []


def test_names_the_normal_digit_and_opens_a_door_to_every_page(without_data: Path) -> None:
    app = open_page()
    assert app.title[0].value == "See an autoencoder detect anomalies"
    assert any("**5**" in text.value for text in app.markdown)
    assert [link.proto.page for link in app.get("page_link") if isinstance(link, PageLink)] == [
        name for name in NAMES if name != "home"
    ]


def test_pictures_are_the_images_judged(without_data: Path, best: AutoencoderDetector) -> None:
    """Each card has the image as the network sees it, then its reconstruction, grey level by grey level."""
    app = open_page()
    cards = [found for html in html_of(app) if (found := pixels(html))]
    test = load(FALLBACK).test
    for card, label in zip(cards, (5, 7), strict=True):
        result = best.infer(typical(test, label))
        for shown, meant in zip(card, (result.images, result.reconstructions), strict=False):
            assert np.abs(shown / 255 - meant[0, 0].numpy()).max() <= 0.5 / 255 + 1e-6
