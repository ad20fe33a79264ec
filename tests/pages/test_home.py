"""Home: two judged images and three doors."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import PageLink

from core.data import FALLBACK, DataSet, load
from core.detector import AutoencoderDetector
from pages.shared import session
from tests.pages.conftest import html_of, open_page, plain, verdicts


def judged(app: AppTest) -> list[tuple[float, float]]:
    """Score and threshold as both cards say them."""
    text = " ".join(map(plain, html_of(app)))
    found = re.findall(r"anomaly score ([\d.]+), threshold ([\d.]+)", text)
    return [(float(score), float(threshold)) for score, threshold in found]


def pixels(html: str) -> list[NDArray[np.uint8]]:
    """The pictures in a piece of HTML."""
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(png)))) for png in found]


def median_score(scores: list[float], labels: list[int], label: int) -> float:
    """Of the first hundred images of a class."""
    of_class = sorted([score for score, own in zip(scores, labels, strict=True) if own == label][:100])
    return of_class[len(of_class) // 2]


def test_first_is_normal_and_second_an_anomaly(with_mnist: DataSet, best: AutoencoderDetector) -> None:
    app = open_page()
    assert verdicts(app) == ["Normal", "Anomaly"]
    scores = best.decision_function(with_mnist.test.images).tolist()
    labels = with_mnist.test.labels.tolist()
    expected = [(median_score(scores, labels, label), best.threshold_) for label in (5, 7)]
    assert judged(app) == [pytest.approx(pair, abs=6e-4) for pair in expected]


def test_words_agree_with_numbers_without_mnist(without_data: Path, best: AutoencoderDetector) -> None:
    app = open_page()
    images, labels = (test := load(FALLBACK).test).images, test.labels
    scores = best.decision_function(images)
    expected = [float(scores[labels == label].sort().values[int((labels == label).sum()) // 2]) for label in (5, 7)]
    assert [score for score, _ in judged(app)] == pytest.approx(expected, abs=6e-4)
    assert verdicts(app) == ["Anomaly" if score > best.threshold_ else "Normal" for score in expected]


def test_home_downloads_nothing(without_data: Path) -> None:
    open_page()
    assert not any(directory == without_data for _, directory in session._downloads())
    assert list(without_data.iterdir()) == []


def test_names_the_normal_digit_and_opens_three_doors(without_data: Path) -> None:
    app = open_page()
    assert app.title[0].value == "See an autoencoder detect anomalies"
    assert any("**5**" in text.value for text in app.markdown)
    assert [link.proto.page for link in app.get("page_link") if isinstance(link, PageLink)] == ["draw", "train", "browse"]


def test_pictures_are_the_images_judged(without_data: Path, best: AutoencoderDetector) -> None:
    """Each card has the image as the network sees it, then its reconstruction, grey level by grey level."""
    app = open_page()
    cards = [found for html in html_of(app) if (found := pixels(html))]
    test = load(FALLBACK).test
    scores = best.decision_function(test.images)
    for card, label in zip(cards, (5, 7), strict=True):
        of_class = (test.labels == label).nonzero().squeeze(1)
        median = of_class[scores[of_class].argsort()[len(of_class) // 2]]
        result = best.infer(test.images[median : median + 1])
        for shown, meant in zip(card, (result.images, result.reconstructions), strict=False):
            assert np.abs(shown / 255 - meant[0, 0].numpy()).max() <= 0.5 / 255 + 1e-6
