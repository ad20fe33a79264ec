"""Named settings, each with a purpose, and the detectors that ship with the program."""

from dataclasses import dataclass, replace
from pathlib import Path

from core import checkpoint
from core.checkpoint import Checkpoint, CheckpointError, CheckpointMismatchError
from core.data.datasets import SOURCES
from core.data.own import is_own
from core.detector import DetectorConfig
from core.model import ModelConfig
from core.scoring import ScoreConfig
from core.training import TrainConfig

CHECKPOINTS = Path(__file__).parent.parent / "checkpoints"

COURSE = DetectorConfig()
"""The course's network, training and mean squared error, with matching shapes."""

BEST = DetectorConfig(
    preprocessing="standard-stroke",
    model=ModelConfig(hidden_sizes=(256, 128), latent_dim=32, latent_activation="none", initialisation="he"),
    training=TrainConfig(epochs=15, batch_size=128, learning_rate=2e-3, schedule="one-cycle"),
    score=ScoreConfig(smoothing=0.7, power=4.0, ink_exponent=2.0, loop_weight=0.12),
    neighbours=10,
    turns=2,
)
"""Deskewed digits with strokes of one width, a narrow bottleneck that may only recall what it has seen, and a score that
forgives a hair's breadth and a turn, weighs large errors more, allows more ink more error, and minds unusual loops."""

PRESETS: dict[str, DetectorConfig] = {
    "best": BEST,
    "course": COURSE,
    "narrow": replace(COURSE, model=ModelConfig(latent_dim=8, latent_activation="none")),
    "two-units": replace(COURSE, model=ModelConfig(latent_dim=2, latent_activation="none")),
    "wide": replace(COURSE, model=ModelConfig(hidden_sizes=(), latent_dim=784)),
    "few-epochs": replace(COURSE, training=TrainConfig(epochs=1)),
    "denoising": replace(COURSE, training=TrainConfig(noise=0.3)),
    "broadcasting": replace(COURSE, training=TrainConfig(broadcasting=True)),
    "convolutional": replace(COURSE, model=ModelConfig("convolutional", (), 32)),
}


def preset(name: str, data_set: str) -> DetectorConfig:
    """A preset's settings for a data set.

    Clothes have no strokes and no slant, and stand upright; they differ more, and their texture is many small errors. Of
    one's own drawings there are few, which are varied.
    """
    config = replace(PRESETS[name], data_set=data_set)
    if is_own(data_set):
        return replace(config, training=replace(config.training, vary=True))
    if name == "best" and data_set == "fashion-mnist":
        return replace(
            config,
            preprocessing="none",
            score=ScoreConfig(smoothing=1.0, power=2.0, ink_exponent=0.5),
            neighbours=20,
            turns=0,
        )
    return config


@dataclass(frozen=True)
class Shipped:
    """A checkpoint that comes with the program."""

    preset: str
    data_set: str
    normal_class: int

    @property
    def path(self) -> Path:
        return CHECKPOINTS / f"{self.data_set}-{self.normal_class}-{self.preset}.safetensors"


def preset_of(config: DetectorConfig) -> str | None:
    """The preset that a detector was made with, whatever its classes and threshold; None where it is of no preset."""
    config = replace(config, threshold=None)
    for name in PRESETS:
        usual = preset(name, config.data_set)
        if replace(usual, normal_classes=config.normal_classes, class_names=config.class_names) == config:
            return name
    return None


def shipped_as(config: DetectorConfig) -> Shipped | None:
    """The shipped checkpoint with exactly these settings but for the threshold, if there is one."""
    name = preset_of(config)
    if name is None or len(config.normal_classes) != 1 or config.class_names:
        return None
    made = Shipped(name, config.data_set, config.normal_classes[0])
    return made if made.path.exists() else None


def shipped(data_set: str = "mnist", preset: str = "best") -> list[Shipped]:
    """The shipped checkpoints of a data set and preset, by class, those that are there."""
    if data_set not in SOURCES:
        return []
    every = (Shipped(preset, data_set, label) for label in range(len(SOURCES[data_set].class_names)))
    return [checkpoint for checkpoint in every if checkpoint.path.exists()]


def read(made: Shipped) -> Checkpoint:
    """What a shipped file holds; raises CheckpointError where it is damaged, or is not what its name says."""
    try:
        found = checkpoint.read(made.path)
        if (found.config.data_set, found.config.normal_classes) != (made.data_set, (made.normal_class,)):
            raise CheckpointMismatchError("It holds another detector than its name says.")
    except CheckpointError as error:
        raise CheckpointError(
            "{file}, which ships with the program, cannot be used. {reason}", file=made.path.name, reason=error
        ) from error
    return found
