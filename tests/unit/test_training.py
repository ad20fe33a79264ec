"""Training, against a plain PyTorch loop, and to the last bit against itself with pauses."""

import copy
import json
import math
import subprocess
import sys
import threading
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from core.data.split import OneClassSplit
from core.errors import SettingError
from core.model import Autoencoder, ModelConfig, build
from core.training import DivergedError, TrainConfig, Trainer, broadcasting_error

ROOT = Path(__file__).parent.parent.parent
MODEL = ModelConfig(hidden_sizes=(32,), latent_dim=4)
CONFIG = TrainConfig(epochs=2, batch_size=16, learning_rate=1e-3, seed=3)


@pytest.fixture(params=[0.0, 0.2], ids=["plain", "denoising"])
def config(request: pytest.FixtureRequest) -> TrainConfig:
    return TrainConfig(epochs=2, batch_size=16, learning_rate=1e-3, noise=request.param, seed=3)


def trainer(split: OneClassSplit, config: TrainConfig = CONFIG) -> Trainer:
    return Trainer(build(MODEL, 0), split.train, split.calibration, config)


def losses(run: Trainer) -> list[float]:
    return [step.loss for step in run]


class Recorder:
    """Keeps what a network was given and what it answered while it was being trained."""

    def __init__(self, model: Autoencoder) -> None:
        self.given: list[Tensor] = []
        self.answered: list[Tensor] = []
        model.register_forward_hook(self)

    def __call__(self, module: Autoencoder, given: tuple[Tensor], answered: Tensor) -> None:
        if module.training:
            self.given.append(given[0].clone())
            self.answered.append(answered.detach().clone())


def reference(model: Autoencoder, train: Tensor, config: TrainConfig) -> list[float]:
    """The textbook loop: unfused Adam, slices of a permutation."""
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=False, foreach=False)
    random = torch.Generator().manual_seed(config.seed)
    found = []
    for _ in range(config.epochs):
        order = torch.randperm(len(train), generator=random)
        for start in range(0, len(train), config.batch_size):
            batch = train[order[start : start + config.batch_size]]
            given = batch
            if config.noise:
                given = torch.clamp(batch + config.noise * torch.randn(batch.shape, generator=random), 0, 1)
            optimizer.zero_grad()
            loss = ((model(given) - batch) ** 2).mean()
            loss.backward()
            optimizer.step()
            found.append(loss.item())
    return found


def test_training_equals_a_plain_pytorch_loop(split: OneClassSplit, config: TrainConfig) -> None:
    run = trainer(split, config)
    plain = copy.deepcopy(run.model)
    assert losses(run) == pytest.approx(reference(plain, split.train, config), rel=1e-4)
    for found, expected in zip(run.model.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(found, expected, atol=1e-4)


def test_training_learns(split: OneClassSplit) -> None:
    found = losses(trainer(split, TrainConfig(epochs=10, batch_size=16, learning_rate=3e-3)))
    assert found[-1] < 0.6 * found[0]


def test_pauses_change_no_bit(split: OneClassSplit, config: TrainConfig) -> None:
    straight = losses(trainer(split, config))
    run, paused = trainer(split, config), []
    for step in run:  # leave the loop in the middle of an epoch
        paused.append(step.loss)
        if len(paused) == 3:
            break
    while not run.done:
        torch.manual_seed(len(paused))  # others draw from the global generator meanwhile
        torch.rand(5)
        run.validation_loss()
        paused.append(run.step().loss)
    assert paused == straight


GO_ON = """
import json, sys
from pathlib import Path
import core
from core.model import meta_model
from core.training import TrainConfig, Trainer
from safetensors.torch import load_file
from tests.unit.test_training import MODEL

folder = Path(sys.argv[1])
images = load_file(folder / "images")
model = meta_model(MODEL)
model.load_state_dict(load_file(folder / "weights"), assign=True)
run = Trainer(model, images["train"], images["calibration"], TrainConfig(**json.loads(sys.argv[2])))
run.restore(load_file(folder / "state"))
print(json.dumps([[step.loss, step.epoch_losses and [step.epoch_losses.train, step.epoch_losses.validation]] for step in run]))
"""


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(0, id="the beginning", marks=pytest.mark.slow),
        pytest.param(3, id="the middle"),
        pytest.param(7, id="an epoch's end", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("schedule", [pytest.param("constant", marks=pytest.mark.slow), "one-cycle"])
def test_another_process_goes_on_to_the_last_bit(split: OneClassSplit, tmp_path: Path, schedule: Any, before: int) -> None:
    config = replace(CONFIG, noise=0.2, schedule=schedule)
    run = trainer(split, config)
    for _ in range(before):
        run.step()
    save_file({"train": split.train, "calibration": split.calibration}, tmp_path / "images")
    save_file(run.model.state_dict(), tmp_path / "weights")
    state = run.state()
    save_file(state, tmp_path / "state")
    kept = {name: value.clone() for name, value in state.items()}
    rest = [[step.loss, step.epoch_losses and [step.epoch_losses.train, step.epoch_losses.validation]] for step in run]
    assert len(rest) == 14 - before
    command = [sys.executable, "-c", GO_ON, str(tmp_path), json.dumps(asdict(config))]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == rest
    assert all(torch.equal(state[name], kept[name]) for name in kept), "a state is a copy"


def test_a_thread_changes_no_bit(split: OneClassSplit, config: TrainConfig) -> None:
    found: list[float] = []
    thread = threading.Thread(target=lambda: found.extend(losses(trainer(split, config))))
    thread.start()
    thread.join()
    assert found == losses(trainer(split, config))


def test_each_thread_computes_alone() -> None:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert [torch.get_num_threads(), *found] == [1, 1]


def test_no_gradient_is_kept_between_two_batches(split: OneClassSplit) -> None:
    run = trainer(split)
    run.step()
    assert all(parameter.grad is None for parameter in run.model.parameters())


def test_seed_decides_the_losses(split: OneClassSplit) -> None:
    assert losses(trainer(split)) != losses(trainer(split, TrainConfig(epochs=2, batch_size=16, seed=4)))


def test_validation_images_are_only_looked_at(split: OneClassSplit) -> None:
    other = Trainer(build(MODEL, 0), split.train, torch.ones(3, 1, 28, 28), CONFIG)
    assert losses(trainer(split)) == losses(other)


def test_last_batch_is_what_is_left() -> None:
    images = torch.rand(10, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    run = Trainer(build(MODEL, 0), images, images[:2], TrainConfig(epochs=2, batch_size=4))
    steps = [(step.epoch, step.batch, step.batches, step.images) for step in run]
    assert steps == [(1, 1, 3, 4), (1, 2, 3, 4), (1, 3, 3, 2), (2, 1, 3, 4), (2, 2, 3, 4), (2, 3, 3, 2)]


def test_every_image_is_seen_once_an_epoch_in_a_new_order() -> None:
    images = torch.zeros(10, 1, 28, 28)
    images[:, 0, 0, 0] = torch.arange(10) / 10
    model = build(MODEL, 0)
    recorder = Recorder(model)
    losses(Trainer(model, images, images[:1], TrainConfig(epochs=2, batch_size=4)))
    seen = (torch.cat(recorder.given)[:, 0, 0, 0] * 10).round().int().tolist()
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]


def test_epoch_losses_by_a_slow_loop(split: OneClassSplit) -> None:
    run, total = trainer(split), 0.0
    for step in run:
        total += step.loss * step.images
        if step.epoch_losses is None:
            continue
        squares = [float((image - run.model(image[None])[0]).double().square().mean()) for image in split.calibration.unbind()]
        assert step.epoch_losses.validation == pytest.approx(sum(squares) / len(squares), rel=1e-5)
        assert step.epoch_losses.train == pytest.approx(total / len(split.train), rel=1e-6)
        assert step.batch == step.batches
        total = 0.0


def test_noise_is_on_the_input_and_not_on_the_target() -> None:
    clean = torch.full((8, 1, 28, 28), 0.5)
    model = build(MODEL, 0)
    recorder = Recorder(model)
    (step,) = Trainer(model, clean, clean, TrainConfig(epochs=1, batch_size=8, noise=0.1))
    given, answered = recorder.given[0], recorder.answered[0]
    assert float(given.std()) == pytest.approx(0.1, rel=0.05)
    assert 0 <= float(given.min()) < 0.5 < float(given.max()) <= 1
    assert step.loss == pytest.approx(float(F.mse_loss(answered, clean)), rel=1e-6)
    assert step.loss != pytest.approx(float(F.mse_loss(answered, given)), rel=1e-3)


def test_divergence_names_the_learning_rate(split: OneClassSplit) -> None:
    broken = split.train.clone()
    broken[0, 0, 0, 0] = math.nan
    run = Trainer(build(MODEL, 0), broken, split.calibration, TrainConfig(epochs=1, learning_rate=0.025))
    with pytest.raises(DivergedError, match=r"learning rate 0\.025\b.*\.\Z"):
        losses(run)


def test_divergence_in_the_very_last_step_is_told_too(split: OneClassSplit) -> None:
    # The loss is measured before the weights move, so only the validation loss can show this.
    run = trainer(split, TrainConfig(epochs=1, batch_size=4096))
    next(run.model.parameters()).register_hook(lambda gradient: gradient * math.nan)
    with pytest.raises(DivergedError, match="learning rate"):
        run.step()


def test_a_finished_trainer_does_not_go_on(split: OneClassSplit) -> None:
    run = trainer(split)
    losses(run)
    assert run.done
    with pytest.raises(RuntimeError, match=r"All epochs are trained\."):
        run.step()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("epochs", 0),
        ("epochs", 201),
        ("epochs", 2.0),
        ("epochs", True),
        ("batch_size", 0),
        ("batch_size", 4097),
        ("learning_rate", 0.0),
        ("learning_rate", -1e-3),
        ("learning_rate", 10.1),
        ("learning_rate", math.nan),
        ("learning_rate", math.inf),
        ("learning_rate", "0.001"),
        ("noise", -0.1),
        ("noise", 1.1),
        ("seed", -1),
        ("seed", 2**31),
        pytest.param("seed", 10**400, id="seed-huge"),
        ("seed", None),
    ],
)
def test_settings_out_of_range_are_refused(setting: str, value: Any) -> None:
    label = {"epochs": "Epochs", "batch_size": "Batch size", "learning_rate": "Learning rate", "noise": "Noise", "seed": "Seed"}
    with pytest.raises(SettingError, match=rf"\A{label[setting]} is between .*\.\Z"):
        TrainConfig(**{setting: value})


@pytest.mark.parametrize("right", [{"epochs": 200}, {"batch_size": 4096}, {"learning_rate": 1}, {"noise": 1.0}, {"seed": 0}])
def test_settings_at_the_bounds_are_allowed(right: dict[str, Any]) -> None:
    assert TrainConfig(**right) != TrainConfig()


def test_one_cycle_rises_then_falls_and_keeps_its_place_over_pauses(split: OneClassSplit) -> None:
    config = TrainConfig(epochs=4, batch_size=16, learning_rate=0.01, schedule="one-cycle")
    trainer = Trainer(build(ModelConfig(hidden_sizes=(8,), latent_dim=2), 0), split.train, split.calibration, config)
    rates = []
    while not trainer.done:
        rates.append(trainer._optimizer.param_groups[0]["lr"])
        trainer.step()
    peak = rates.index(max(rates))
    assert max(rates) == pytest.approx(0.01, rel=0.05)
    assert 0 < peak < len(rates) / 2
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)


def test_the_broadcasting_error_compares_every_image_with_every_other() -> None:
    images, reconstructions = torch.rand(2, 5, 1, 28, 28, generator=torch.Generator().manual_seed(0)).unbind()
    slow = sum(
        float((reconstruction - image).double().square().mean()) for reconstruction in reconstructions for image in images
    )
    assert broadcasting_error(images, reconstructions).item() == pytest.approx(slow / 25, rel=1e-5)


def test_with_the_mistake_the_best_reconstruction_is_the_mean_image() -> None:
    images = torch.rand(8, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    mean = images.mean(dim=0, keepdim=True).expand_as(images)
    assert broadcasting_error(images, mean) < broadcasting_error(images, images)


def test_validation_with_the_mistake_goes_batch_by_batch(split: OneClassSplit) -> None:
    config = TrainConfig(epochs=1, batch_size=8, broadcasting=True)
    run = Trainer(build(ModelConfig(hidden_sizes=(16,), latent_dim=4), 1), split.train, split.calibration, config)
    with torch.inference_mode():
        slow = sum(
            float(broadcasting_error(images, run.model(images))) * len(images) for images in split.calibration.split(8)
        ) / len(split.calibration)
    assert run.validation_loss() == pytest.approx(slow, rel=1e-6)


def test_another_learning_rate_in_the_middle_is_adams_with_another_rate(split: OneClassSplit) -> None:
    """Against the textbook loop, whose optimiser is given the other rate after three batches."""
    run = trainer(split)
    found = [run.step().loss for _ in range(3)]
    assert run.learning_rate == pytest.approx(1e-3)
    run.learning_rate = 1e-4
    found += [run.step().loss for _ in range(3)]

    model, random = build(MODEL, 0), torch.Generator().manual_seed(CONFIG.seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=False, foreach=False)
    order, expected = torch.randperm(len(split.train), generator=random), []
    for number in range(6):
        optimizer.param_groups[0]["lr"] = 1e-3 if number < 3 else 1e-4
        batch = split.train[order[16 * number : 16 * (number + 1)]]
        optimizer.zero_grad()
        loss = ((model(batch) - batch) ** 2).mean()
        loss.backward()
        optimizer.step()
        expected.append(loss.item())
    assert found == pytest.approx(expected, rel=1e-5)
    with pytest.raises(SettingError):
        run.learning_rate = 0.0


def test_a_schedule_keeps_its_own_learning_rate(split: OneClassSplit) -> None:
    scheduled = replace(CONFIG, schedule="one-cycle")
    left_alone, meddled_with = trainer(split, scheduled), trainer(split, scheduled)
    left_alone.step()
    meddled_with.step()
    meddled_with.learning_rate = 0.5
    assert meddled_with.step().loss == left_alone.step().loss
