"""The latent space's functions against numpy, the networks themselves, and pencil and paper."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from core import latent
from core.data.split import OneClassSplit
from core.detector import AutoencoderDetector, DetectorConfig
from core.model import ModelConfig
from core.preprocessing import preprocess

NETWORKS = {
    "dense": ModelConfig(hidden_sizes=(16,), latent_dim=4, latent_activation="none"),
    "relu": ModelConfig(hidden_sizes=(16,), latent_dim=4),
    "convolutional": ModelConfig("convolutional", (), 5),
    "one unit": ModelConfig(hidden_sizes=(16,), latent_dim=1, latent_activation="none"),
    "wide": ModelConfig(hidden_sizes=(), latent_dim=784),
}


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("preprocessing", ["none", "deskew", "standard-stroke"])
def test_decoding_what_was_encoded_is_the_networks_own_pass(
    network: ModelConfig, preprocessing: str, small: DetectorConfig, split: OneClassSplit
) -> None:
    detector = AutoencoderDetector(replace(small, model=network, preprocessing=preprocessing))
    images = split.test.images[:20]
    latents = latent.encode(detector, images)
    assert latents.shape == (20, network.latent_dim)
    with torch.inference_mode():
        expected = detector.model(preprocess(images, preprocessing))
    torch.testing.assert_close(latent.decode(detector, latents), expected)


def test_more_images_than_a_batch(fitted: AutoencoderDetector, split: OneClassSplit) -> None:
    images = split.test.images[:1].expand(1100, -1, -1, -1)
    latents = latent.encode(fitted, images)
    assert len(latents) == len(latent.decode(fitted, latents)) == 1100


def test_a_relu_bottleneck_is_never_decoded_at_negative_numbers(fitted: AutoencoderDetector) -> None:
    place = torch.tensor([[-3.0, 0.5, -0.1, 2.0]])
    assert torch.equal(latent.decode(fitted, place), latent.decode(fitted, place.clamp_min(0)))
    free = AutoencoderDetector(replace(fitted.config, model=NETWORKS["dense"]))
    assert not torch.equal(latent.decode(free, place), latent.decode(free, place.clamp_min(0)))


@pytest.fixture
def cloud() -> Tensor:
    """Latents (400, 5) that spread differently along slanted directions."""
    random = torch.Generator().manual_seed(3)
    slanted, _triangle = torch.linalg.qr(torch.randn(5, 5, generator=random))
    return torch.randn(400, 5, generator=random) * torch.tensor([4.0, 3.0, 1.0, 0.5, 0.1]) @ slanted + 7.0


def test_projection_is_what_the_covariance_says(cloud: Tensor) -> None:
    projection = latent.fit_projection(cloud, count=3)
    values, vectors = np.linalg.eigh(np.cov(cloud.numpy().astype(np.float64), rowvar=False))
    values, vectors = values[::-1], vectors[:, ::-1]
    np.testing.assert_allclose(projection.origin, cloud.mean(dim=0), rtol=1e-4)
    np.testing.assert_allclose(projection.scale, np.sqrt(values[:3]), rtol=1e-3)
    np.testing.assert_allclose(projection.explained_variance_ratio, values[:3] / values.sum(), rtol=1e-3)
    alike = np.abs(projection.directions.numpy() @ vectors[:, :3])
    np.testing.assert_allclose(alike, np.eye(3), atol=1e-2)
    coordinates = projection.transform(cloud)
    np.testing.assert_allclose(coordinates.mean(dim=0), np.zeros(3), atol=1e-4)
    np.testing.assert_allclose(coordinates.std(dim=0), np.ones(3), rtol=1e-3)


def test_coordinates_lead_back(cloud: Tensor) -> None:
    whole = latent.fit_projection(cloud, count=5)
    torch.testing.assert_close(whole.inverse_transform(whole.transform(cloud)), cloud, rtol=1e-3, atol=1e-3)
    part = latent.fit_projection(cloud, count=2)
    places = torch.tensor([[0.0, 0.0], [1.5, -2.0]])
    torch.testing.assert_close(part.transform(part.inverse_transform(places)), places, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(part.inverse_transform(places)[0], cloud.mean(dim=0), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("units", [1, 2])
def test_one_and_two_units_are_their_own_coordinates(units: int, cloud: Tensor) -> None:
    projection = latent.fit_projection(cloud[:, :units])
    assert torch.equal(projection.transform(cloud[:, :units]), cloud[:, :units])
    assert float(projection.explained_variance_ratio.sum()) == pytest.approx(1.0)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(50, 1), (50, 2), (50, 6), (3, 6), (2000, 900)])
def test_a_dead_bottleneck_still_has_a_frame(shape: tuple[int, int]) -> None:
    dead = torch.zeros(shape)
    projection = latent.fit_projection(dead)
    assert bool(projection.transform(dead).isfinite().all())
    assert bool(projection.explained_variance_ratio.isfinite().all())
    assert bool((projection.scale > 0).all())


def test_interpolation_begins_and_ends_at_its_ends(cloud: Tensor) -> None:
    way = latent.interpolate(cloud[0], cloud[1], 9)
    assert torch.equal(way[0], cloud[0])
    torch.testing.assert_close(way[-1], cloud[1])
    torch.testing.assert_close(way[4], (cloud[0] + cloud[1]) / 2)
    gaps = way.diff(dim=0)
    torch.testing.assert_close(gaps, gaps[:1].expand(8, -1), rtol=1e-3, atol=1e-5)


def test_grid_by_hand() -> None:
    expected = [[-0.5, 3.0], [0.5, 3.0], [1.5, 3.0], [-0.5, 1.0], [0.5, 1.0], [1.5, 1.0]]
    assert latent.grid((-1.0, 0.0), (2.0, 4.0), columns=3, rows=2).tolist() == expected


def test_neighbours_stay_neighbours_and_chance_is_the_same_each_time() -> None:
    random = torch.Generator().manual_seed(5)
    two_clumps = torch.randn(80, 10, generator=random)
    two_clumps[40:] += 30.0
    places = latent.neighbour_map(two_clumps)
    assert torch.equal(places, latent.neighbour_map(two_clumps))
    distances = torch.cdist(places, places).fill_diagonal_(torch.inf)
    nearest = distances.argmin(dim=1)
    assert bool(((nearest < 40) == (torch.arange(80) < 40)).all())


@pytest.mark.parametrize(
    "latents",
    [torch.zeros(40, 3), torch.full((40, 3), 0.5), torch.rand(40, 3) * 1e-30, 7e4 + torch.rand(40, 3) * 1e-2],
    ids=["dead units", "one value", "tiny", "equal in single precision"],
)
def test_latents_that_do_not_differ_lie_in_one_place(latents: Tensor) -> None:
    """With these scikit-learn's t-SNE divides by zero and ends the process."""
    assert torch.equal(latent.neighbour_map(latents), torch.zeros(40, 2))


def test_neighbours_are_the_same_at_any_scale() -> None:
    latents = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    places = latent.neighbour_map(latents)
    assert torch.allclose(latent.neighbour_map(latents * 2.0**10), places, atol=1e-3)
    assert places.std() > 0


def test_neighbour_map_of_a_handful() -> None:
    assert latent.neighbour_map(torch.randn(5, 3, generator=torch.Generator().manual_seed(0))).shape == (5, 2)


def test_sample_is_balanced_in_every_first_part() -> None:
    labels = torch.tensor([0] * 300 + [1] * 50 + [2] * 10)
    chosen = latent.sample(labels, 90)
    assert len(chosen.unique()) == 90
    assert labels[chosen].bincount().tolist() == [40, 40, 10]
    assert labels[chosen[:30]].bincount().tolist() == [10, 10, 10]
    assert torch.equal(chosen, latent.sample(labels, 90))
    assert sorted(latent.sample(labels, 1000).tolist()) == list(range(360))


def test_one_latent_has_directions_too_and_one_or_two_lie_in_one_place() -> None:
    for dimensions in (1, 2, 8):
        latents = torch.rand(1, dimensions)
        projection = latent.fit_projection(latents)
        assert len(projection.directions) == min(dimensions, 2)
        for values in (projection.transform(latents), projection.scale, projection.explained_variance_ratio):
            assert values.isfinite().all()
    for count in (1, 2):
        assert torch.equal(latent.neighbour_map(torch.rand(count, 8)), torch.zeros(count, 2))
