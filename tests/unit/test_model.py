"""The networks: sizes by hand, weights by seed, bounds."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from core.errors import SettingError
from core.model import Autoencoder, ModelConfig, build, layers, parameter_count

SENTENCE = r"\A[A-Z][^\n]+ [^\n]+\.\Z"
CONVOLUTIONAL = ModelConfig("convolutional", (), 10)


@pytest.fixture(params=[ModelConfig(), CONVOLUTIONAL, ModelConfig(hidden_sizes=())], ids=["dense", "convolutional", "flat"])
def config(request: pytest.FixtureRequest) -> ModelConfig:
    return request.param


def same_weights(first: Autoencoder, second: Autoencoder) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_the_courses_network_has_its_parameters() -> None:
    assert parameter_count(build(ModelConfig(), 0)) == 1_132_944


def test_the_courses_network_is_the_hourglass_of_its_name() -> None:
    linear = [module for module in build(ModelConfig(), 0).modules() if isinstance(module, nn.Linear)]
    sizes = [784, 512, 256, 128, 256, 512, 784]
    assert [(layer.in_features, layer.out_features) for layer in linear] == list(pairwise(sizes))
    stages = layers(ModelConfig())
    assert [stage.units for stage in stages] == sizes
    assert [stage.units for stage in stages if stage.is_latent] == [128]


def test_the_convolutional_stages_by_hand() -> None:
    stages = [(stage.shape, stage.is_latent) for stage in layers(CONVOLUTIONAL)]
    assert stages == [
        ((1, 28, 28), False),
        ((16, 14, 14), False),
        ((32, 7, 7), False),
        ((10,), True),
        ((1568,), False),
        ((16, 14, 14), False),
        ((1, 28, 28), False),
    ]


def test_images_come_out_in_shape_and_strictly_between_0_and_1(config: ModelConfig) -> None:
    out = build(config, 0)(torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))).detach()
    assert out.shape == (3, 1, 28, 28)
    assert 0 < float(out.min()) < float(out.max()) < 1


def test_the_latent_has_its_units(config: ModelConfig) -> None:
    assert build(config, 0).encoder(torch.rand(3, 1, 28, 28)).shape == (3, config.latent_dim)


@pytest.mark.parametrize("architecture", ["dense", "convolutional"])
def test_latent_activation_decides_whether_latents_are_negative(architecture: str) -> None:
    images = torch.rand(8, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    assert float(build(ModelConfig(architecture, (32,), 8, "relu"), 0).encoder(images).detach().min()) >= 0
    assert float(build(ModelConfig(architecture, (32,), 8, "none"), 0).encoder(images).detach().min()) < 0


def test_seed_decides_the_weights(config: ModelConfig) -> None:
    assert same_weights(build(config, 1), build(config, 1))
    assert not same_weights(build(config, 1), build(config, 2))


def test_weights_are_the_same_when_eight_threads_build_at_once() -> None:
    config = ModelConfig(hidden_sizes=(64,), latent_dim=16)
    seeds = [seed % 4 for seed in range(64)]
    with ThreadPoolExecutor(8) as threads:
        built = list(threads.map(lambda seed: build(config, seed), seeds))
    alone = [build(config, seed) for seed in range(4)]
    assert all(same_weights(model, alone[seed]) for model, seed in zip(built, seeds, strict=True))


def test_building_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    build(ModelConfig(), 3)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "wrong",
    [
        {"architecture": "transformer"},
        {"latent_activation": "tanh"},
        {"latent_dim": 0},
        {"latent_dim": -3},
        {"latent_dim": 4097},
        {"latent_dim": 2.0},
        {"latent_dim": True},
        {"hidden_sizes": (0,)},
        {"hidden_sizes": (512, 4097)},
        {"hidden_sizes": (512, "256")},
        {"hidden_sizes": (8,) * 7},
    ],
    ids=str,
)
def test_impossible_networks_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=SENTENCE):
        ModelConfig(**wrong)


@pytest.mark.parametrize("right", [{"latent_dim": 1}, {"latent_dim": 4096}, {"hidden_sizes": (1,) * 6}], ids=str)
def test_networks_at_the_bounds_are_allowed(right: dict[str, Any]) -> None:
    assert layers(ModelConfig(**right))[-1].units == 784


def test_hidden_sizes_may_be_a_list_and_compare_equal() -> None:
    assert ModelConfig(hidden_sizes=[8, 4]) == ModelConfig(hidden_sizes=(8, 4))  # type: ignore[arg-type]


def test_he_initialisation_keeps_the_size_of_signals() -> None:
    config = ModelConfig(hidden_sizes=(512, 512, 512), latent_dim=512)
    plain, he = (build(replace(config, initialisation=kind), 0).encoder for kind in ("torch", "he"))
    images = torch.rand(64, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        spread = [float(encoder(images).square().mean() / images.square().mean()) for encoder in (plain, he)]
    assert 0.2 < spread[1] < 5
    assert spread[0] < 0.05
