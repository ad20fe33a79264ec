"""The estimator against scikit-learn's own checks, and against the detector below it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from core import checkpoint
from core.checkpoint import Checkpoint
from core.data.datasets import DataSet
from core.data.split import OneClassSplit, split_one_class
from core.detector import AutoencoderDetector, DetectorConfig
from core.estimator import OneClassAutoencoder
from core.settings import changed

QUICK = {"epochs": 2, "hidden": (16,), "latent": 4, "batch": 16, "rate": 3e-3}


@parametrize_with_checks([OneClassAutoencoder(settings=QUICK)])
def test_what_scikit_learn_asks_of_an_estimator(estimator: OneClassAutoencoder, check: Any) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def fitted_estimator(split: OneClassSplit) -> OneClassAutoencoder:
    return OneClassAutoencoder(settings=QUICK).fit(split.train.squeeze(1).numpy())


def test_it_is_the_detector_of_the_pages(fitted_estimator: OneClassAutoencoder, split: OneClassSplit) -> None:
    detector = AutoencoderDetector(changed(DetectorConfig(), QUICK)).fit(split.train)
    images = split.test.images
    assert np.array_equal(
        fitted_estimator.score_samples(images.flatten(1).numpy()), -detector.decision_function(images).double()
    )
    # PyOD's 1 is scikit-learn's -1, and PyOD's 0 its +1.
    assert np.array_equal(fitted_estimator.predict(images.squeeze(1).numpy()), 1 - 2 * detector.predict(images).numpy())
    assert np.array_equal(fitted_estimator.p_values(images.squeeze(1).numpy()), detector.p_value(images).numpy())


def test_it_makes_the_varied_copies_that_a_split_has(uci: DataSet) -> None:
    fives = (uci.train_labels == 5).nonzero().flatten()[:60]  # of them a fifth is as many for both
    images = uci.train_images[fives]
    data = replace(uci, train_images=images, train_labels=uci.train_labels[fives])
    settings = {**QUICK, "vary": True, "neighbours": 2}
    config = changed(DetectorConfig(), settings)
    split = split_one_class(data, (5,), config.training.seed, vary=True)
    assert split.copies > 1
    expected = AutoencoderDetector(config).fit_split(split)
    made = OneClassAutoencoder(settings=settings).fit(images.numpy()).detector_
    assert made.key == expected.key
    assert torch.equal(made.calibration_scores_, expected.calibration_scores_)


def test_decision_is_negative_exactly_for_anomalies(fitted_estimator: OneClassAutoencoder, split: OneClassSplit) -> None:
    images = split.test.images.flatten(1).numpy()
    decision = fitted_estimator.decision_function(images)
    assert np.array_equal(decision < 0, fitted_estimator.predict(images) == -1)
    assert np.array_equal(decision, fitted_estimator.score_samples(images) - fitted_estimator.offset_)
    assert {-1, 1} == set(fitted_estimator.predict(images))


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float64])
def test_bytes_and_shares_are_the_same_images(uci: DataSet, kind: type) -> None:
    pixels = uci.train_images[uci.train_labels == 5].numpy()
    of_shares = OneClassAutoencoder(settings=QUICK).fit(pixels / 255.0)
    of_bytes = OneClassAutoencoder(settings=QUICK).fit(pixels.astype(kind))
    assert np.allclose(of_shares.score_samples(pixels[:9] / 255.0), of_bytes.score_samples(pixels[:9].astype(kind)), rtol=1e-5)


def test_numbers_of_numpy_are_settings_too(split: OneClassSplit) -> None:
    settings = {**QUICK, "latent": np.int64(3), "hidden": np.array([8]), "rate": np.float32(0.01)}
    made = OneClassAutoencoder(settings=settings, false_alarm_rate=np.float64(0.1)).fit(split.train.squeeze(1).numpy())
    config = made.detector_.config
    assert (config.model.latent_dim, config.model.hidden_sizes, config.false_alarm_rate) == (3, (8,), 0.1)
    assert checkpoint.from_bytes(checkpoint.to_bytes(Checkpoint(made.detector_))).config == config


def test_it_stands_in_a_pipeline(split: OneClassSplit) -> None:
    images = split.train.flatten(1).numpy()
    brighter = make_pipeline(FunctionTransformer(np.sqrt), OneClassAutoencoder(settings=QUICK)).fit(images)
    assert brighter.predict(images).shape == (len(images),)
    assert brighter.set_params(oneclassautoencoder__false_alarm_rate=0.3).fit(images).decision_function(images).min() < 0
    # A few numbers of any size are no picture, and are judged all the same.
    components = make_pipeline(PCA(8, random_state=0), OneClassAutoencoder(settings=QUICK)).fit(images)
    assert np.isfinite(components.score_samples(images)).all()


def test_a_wrapper_can_calibrate_it_anew(split: OneClassSplit) -> None:
    """What conformal wrappers do: clone, set a seed, fit on one part, rank the scores of another."""
    longer = OneClassAutoencoder(settings={**QUICK, "epochs": 60})
    detector = clone(longer).set_params(random_state=7).fit(split.train.flatten(1).numpy())
    calibration = detector.decision_function(split.calibration.flatten(1).numpy())
    test = detector.decision_function(split.test.images.flatten(1).numpy())
    p_values = (1 + (calibration[None] <= test[:, None]).sum(axis=1)) / (len(calibration) + 1)
    is_normal = (split.test.labels == 5).numpy()
    assert p_values[is_normal].mean() > p_values[~is_normal].mean() + 0.2


def test_what_cannot_be_fitted_is_told(split: OneClassSplit) -> None:
    with pytest.raises(ValueError, match="784 pixels"):
        OneClassAutoencoder().fit(np.zeros((4, 785)))
    with pytest.raises(ValueError, match="no preset 'nothing'"):
        OneClassAutoencoder("nothing").fit(np.zeros((4, 784)))
    with pytest.raises(ValueError, match="no setting 'layers'"):
        OneClassAutoencoder(settings={"layers": 3}).fit(np.zeros((4, 784)))
    with pytest.raises(ValueError, match="between"):
        OneClassAutoencoder(settings={"epochs": 0}).fit(np.zeros((4, 784)))


@pytest.mark.parametrize(
    ("setting", "argument"),
    [({"threshold": 0.05}, "false_alarm_rate"), ({"alarms": 0.1}, "false_alarm_rate"), ({"seed": 3}, "random_state")],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_an_argument_says_is_no_setting(setting: dict[str, float], argument: str) -> None:
    with pytest.raises(ValueError, match=f"argument {argument} says what '{next(iter(setting))}'"):
        OneClassAutoencoder(settings={**QUICK, **setting}).fit(np.zeros((4, 784)))
