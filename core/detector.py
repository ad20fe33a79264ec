"""A detector: network, score and threshold together; what the pages ask about an image."""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.conformal import at_least_as_high, conformal_threshold, p_value
from core.data.augmentation import augment, copies_per_image
from core.data.datasets import SOURCES, DataSet
from core.data.split import OneClassSplit, shuffled_split, split_one_class
from core.errors import UserError
from core.memory import decode_each_once, reconstruct_from_memory, squared_norms
from core.model import Autoencoder, ModelConfig, build, layers, parameter_count
from core.preprocessing import Preprocessing, enclosed_side, pose_angles, poses, preprocess
from core.scoring import ScoreConfig, anomaly_score, error_map, loop_factor, usual_loops
from core.settings import require_valid
from core.training import EpochLosses, TrainConfig, Trainer

BATCH = 512
"""Images scored at a time; more would not fit into a processor's cache."""

MAX_NUMBERS = 2**23
"""Numbers in one block of distances to remembered images, or of what is redrawn of them; four bytes each."""

SAME_WRITER_NEIGHBOURS = 4
"""Nearest remembered images that calibration leaves out.

MNIST's training file goes from writer to writer, so a held-out digit finds others by its own hand
among the remembered ones; a stranger's does not. Few find more than two among their ten nearest:
tests/readme_writers.py counts them.
"""


VARIED_NEIGHBOURS = 2
"""The same where images are varied: all are by few hands, and each is left out with its copies (tests/readme_own.py)."""


class NotFittedError(UserError, RuntimeError):
    """A detector was asked for a verdict before it was calibrated."""


@dataclass(frozen=True)
class DetectorConfig:
    """Every setting of a detector, with the course's values as defaults.

    class_names: of a data set of somebody's own, which not everybody knows; empty for the others.
    neighbours: 0 lets the network redraw whatever its bottleneck can express. Otherwise the
        reconstruction is the mean of this many remembered images, redrawn: those training images
        whose latents are nearest. Only what was seen can then be redrawn (after MemAE, Gong et al. 2019).
    turns: each image is also looked at turned, so many steps of 8 degrees either way, and judged in
        the pose that is least strange.
    threshold: set by hand; None is calibrated for the false-alarm rate.
    """

    data_set: str = "mnist"
    class_names: tuple[str, ...] = ()
    normal_classes: tuple[int, ...] = (5,)
    preprocessing: Preprocessing = "none"
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainConfig = field(default_factory=TrainConfig)
    score: ScoreConfig = field(default_factory=ScoreConfig)
    neighbours: int = 0
    turns: int = 0
    false_alarm_rate: float = 0.05
    threshold: float | None = None

    def __post_init__(self) -> None:
        """Raises SettingError."""
        require_valid(self)
        object.__setattr__(self, "normal_classes", tuple(sorted(self.normal_classes)))
        object.__setattr__(self, "class_names", tuple(self.class_names))

    @property
    def names(self) -> tuple[str, ...]:
        """The name of every class of its data set, as it was given."""
        return self.class_names or SOURCES[self.data_set].class_names

    @property
    def remembers(self) -> bool:
        """Whether a detector keeps something of its training images, beside the weights of its network."""
        return bool(self.neighbours or self.score.loop_weight)

    def split(self, data: DataSet) -> OneClassSplit:
        """The split of a data set that these settings ask for. Raises EmptySplitError."""
        return split_one_class(data, self.normal_classes, self.training.seed, self.training.vary)


def config_from(values: Mapping[str, Any]) -> DetectorConfig:
    """The settings that dataclasses.asdict, or JSON after it, made a mapping of.

    Raises SettingError for values out of range, TypeError and the like for something else.
    """
    parts = {"model": ModelConfig, "training": TrainConfig, "score": ScoreConfig}
    return DetectorConfig(**{**values, **{name: kind(**values[name]) for name, kind in parts.items()}})


@dataclass(frozen=True)
class Result:
    """Everything there is to say about N images.

    images (N, 1, 28, 28): as the network sees them, in the pose they are judged in; reconstructions the same shape;
    error_maps (N, 28, 28), signed; scores (N,). loop_factors (N,), at least 1: what unusual loops made of the score.
    calibration_scores (n,): sorted, at least one.
    """

    images: Tensor
    reconstructions: Tensor
    error_maps: Tensor
    scores: Tensor
    loop_factors: Tensor
    threshold: float
    calibration_scores: Tensor

    @cached_property
    def verdicts(self) -> Tensor:
        """int64 (N,), 1 for an anomaly: score > threshold."""
        return (self.scores.double() > self.threshold).long()

    @cached_property
    def at_least_as_high(self) -> Tensor:
        """How many calibration scores are, (N,)."""
        return at_least_as_high(self.calibration_scores, self.scores)

    @cached_property
    def p_values(self) -> Tensor:
        """Conformal p-values, float64 (N,): see core/conformal.py."""
        return p_value(self.at_least_as_high, len(self.calibration_scores))


def skipped_neighbours(copies: int) -> int:
    """How many of the nearest remembered images do not count for a held-out one, with so many copies of each."""
    return VARIED_NEIGHBOURS * (1 + copies) if copies else SAME_WRITER_NEIGHBOURS


@lru_cache(maxsize=64)
def _widest(model: ModelConfig) -> int:
    """The most numbers that a stage of the network has for one image."""
    return max(stage.units for stage in layers(model))


class AutoencoderDetector:
    """Scores images by how badly an autoencoder of the normal class reconstructs them.

    Higher score = stranger. predict is 1 where score > threshold_, strictly. A detector that is
    shared is never changed: at_false_alarm_rate and at_threshold give copies.
    """

    def __init__(self, config: DetectorConfig, model: Autoencoder | None = None, device: torch.device | None = None) -> None:
        self.config = config
        self.device = device or torch.device("cpu")
        self.model = (model or build(config.model, config.training.seed)).to(self.device)
        self.threshold_: float = math.nan
        self.calibration_scores_: Tensor = torch.empty(0)
        self.memory_: Tensor = torch.empty(0, config.model.latent_dim)
        self.usual_loops_: Tensor = torch.empty(0)

    def trainer(self, train: Tensor, validation: Tensor) -> Trainer:
        """The Trainer of this detector's network, on raw images (N, 1, 28, 28)."""
        seen_train, seen_validation = (preprocess(images, self.config.preprocessing) for images in (train, validation))
        return Trainer(self.model, seen_train, seen_validation, self.config.training)

    losses_: list[EpochLosses]

    def fit(
        self,
        images: Tensor,
        calibration: Tensor | None = None,
        after_epoch: Callable[[EpochLosses], None] = lambda _: None,
    ) -> "AutoencoderDetector":
        """Train on normal images (N, 1, 28, 28), and on augmented copies where config says so, then calibrate; returns self.

        Without calibration images, a fifth of the images, chosen by seed, is held out for that.
        """
        seed, copies = self.config.training.seed, 0
        if calibration is None:
            train, held_out = shuffled_split(len(images), seed)
            images, calibration = images[train], images[held_out]
        if self.config.training.vary:
            copies = copies_per_image(len(images))
            images = augment(images, copies, seed)
        return self._fit(images, calibration, after_epoch, copies)

    def fit_split(
        self, split: OneClassSplit, after_epoch: Callable[[EpochLosses], None] = lambda _: None
    ) -> "AutoencoderDetector":
        """fit with the split's own calibration images, and its copies."""
        return self._fit(split.train, split.calibration, after_epoch, split.copies)

    def _fit(
        self, images: Tensor, calibration: Tensor, after_epoch: Callable[[EpochLosses], None], copies: int
    ) -> "AutoencoderDetector":
        """Images with their copies; copies: as for `calibrate`."""
        self.losses_ = []
        for step in self.trainer(images, calibration):
            if step.epoch_losses:
                self.losses_.append(step.epoch_losses)
                after_epoch(step.epoch_losses)
        return self.fit_memory(images).calibrate(calibration, copies)

    @torch.inference_mode()
    def fit_memory(self, images: Tensor) -> "AutoencoderDetector":
        """Keep what the detector uses of training images (N, 1, 28, 28), their latents and usual loops; returns self."""
        has_loops, has_memory = bool(self.config.score.loop_weight), bool(self.config.neighbours)
        if not self.config.remembers:
            return self
        self.model.eval()
        sides, latents = [], []
        for part in torch.split(images, BATCH):
            seen = preprocess(part.to(self.device), self.config.preprocessing)
            if has_loops:
                sides.append(enclosed_side(seen).cpu())
            if has_memory:
                latents.append(self.model.encoder(seen).cpu())
        if has_loops:
            self.usual_loops_ = usual_loops(torch.cat(sides))
        if has_memory:
            self.memory_ = torch.cat(latents)
        return self

    def calibrate(self, images: Tensor, copies: int = 0) -> "AutoencoderDetector":
        """Set threshold_ from held-out normal images (N, 1, 28, 28); returns self.

        copies: so many augmented copies of each training image are remembered too, and are left out together with it.
        """
        return self.set_calibration(self.calibration_scores(images, skipped_neighbours(copies)))

    def calibration_scores(self, images: Tensor, skip_nearest: int = SAME_WRITER_NEIGHBOURS) -> Tensor:
        """Scores (N,) of held-out normal images (N, 1, 28, 28), as if the nearest in memory were not there."""
        return self._scores(images, skip_nearest)

    def set_calibration(self, scores: Tensor) -> "AutoencoderDetector":
        """Set threshold_ from the scores (N,) of held-out normal images; returns self."""
        self.__dict__.pop("key", None)
        self.calibration_scores_ = scores.sort().values
        self.threshold_ = self.calibrated_threshold if self.config.threshold is None else self.config.threshold
        return self

    @property
    def calibrated_threshold(self) -> float:
        """The threshold for the false-alarm rate, whatever was set by hand. Raises CalibrationError."""
        return conformal_threshold(self.calibration_scores_, self.config.false_alarm_rate)

    def at_false_alarm_rate(self, rate: float) -> "AutoencoderDetector":
        """A copy with another threshold, sharing the network."""
        return self._as(replace(self.config, false_alarm_rate=rate, threshold=None))

    def at_threshold(self, threshold: float | None) -> "AutoencoderDetector":
        """A copy with a threshold set by hand, or None for the calibrated one, sharing the network. Raises SettingError."""
        return self._as(replace(self.config, threshold=threshold))

    def _as(self, config: DetectorConfig) -> "AutoencoderDetector":
        other = copy(self)
        other.config = config
        return other.set_calibration(self.calibration_scores_)

    def _run(
        self, images: Tensor, skip_nearest: int = 0, preprocessed: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Images as the network sees them, reconstructions, error maps, scores, loop factors; all on the CPU."""
        blocks = list(self._blocks(images, skip_nearest, preprocessed))
        if len(blocks) == 1:
            return blocks[0]
        seen, reconstructions, maps, scores, factors = (torch.cat(part) for part in zip(*blocks, strict=True))
        return seen, reconstructions, maps, scores, factors

    def score_blocks(self, images: Tensor, skip_nearest: int = 0) -> Iterator[Tensor]:
        """decision_function of some images (N, 1, 28, 28) after the others, for who has other things to do in between.

        The scores alone: images, reconstructions and maps of 10,000 would take 94 MB, and as much again to join. skip_nearest:
        as for calibration_scores.
        """
        for _, _, _, scores, _ in self._blocks(images, skip_nearest):
            yield scores

    def _scores(self, images: Tensor, skip_nearest: int = 0) -> Tensor:
        return torch.cat(list(self.score_blocks(images, skip_nearest)))

    @torch.inference_mode()
    def _blocks(
        self, images: Tensor, skip_nearest: int = 0, preprocessed: Tensor | None = None
    ) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]]:
        """What `_run` returns, of as many images at a time as the network is given; at least one block."""
        self.model.eval()
        score, turns = self.config.score, self.config.turns
        at_once = max(1, self._at_once // len(pose_angles(turns)))
        for batch in torch.split(images if preprocessed is None else preprocessed, at_once):
            batch = batch.to(self.device)
            upright = preprocess(batch, self.config.preprocessing) if preprocessed is None else batch
            seen = poses(upright, turns)
            reconstructions = self.reconstruct_preprocessed(seen, skip_nearest)
            maps = error_map(seen, reconstructions, score)
            factors = self.loop_factors(upright)
            judged = anomaly_score(seen, reconstructions, maps, factors, turns, score)
            seen, reconstructions, maps, scores, factors = (each.cpu() for each in (*judged, factors))
            yield seen, reconstructions, maps, scores, factors

    def loop_factors(self, images: Tensor) -> Tensor:
        """What the scores (N,) of preprocessed images (N, 1, 28, 28) are multiplied by, at least 1. Raises NotFittedError."""
        if self.config.score.loop_weight == 0:
            return torch.ones(len(images), device=images.device)
        if len(self.usual_loops_) == 0:
            raise NotFittedError("The detector remembers no training images yet: fit it first.")
        return loop_factor(enclosed_side(images), self.usual_loops_.to(images.device), self.config.score)

    @property
    def _at_once(self) -> int:
        """Poses that are judged at a time: BATCH, or fewer where the memory would need too many numbers for each."""
        if not self.config.neighbours:
            return BATCH
        each = max(len(self.memory_), self.config.neighbours * _widest(self.config.model))
        return max(1, min(BATCH, MAX_NUMBERS // each))

    def reconstruct_preprocessed(self, seen: Tensor, skip_nearest: int = 0) -> Tensor:
        """Reconstructions (N, 1, 28, 28) of preprocessed images, from memory where the detector has one.

        skip_nearest: how many of the nearest remembered images do not count; one always remains.
        """
        reconstructions: Tensor
        if not self.config.neighbours:
            reconstructions = self.model(seen)
            return reconstructions
        if len(self.memory_) == 0:
            raise NotFittedError("The detector remembers no training images yet: fit it first.")
        memory = self.memory_.to(seen.device)  # (M, latent_dim)
        latents = self.model.encoder(seen)  # (N, latent_dim)
        decode = decode_each_once(memory, self.model.decoder)
        return reconstruct_from_memory(latents, memory, squared_norms(memory), self.config.neighbours, decode, skip_nearest)

    def reconstruct(self, images: Tensor) -> Tensor:
        """(N, 1, 28, 28) in and out, in (0, 1)."""
        return self.redraw(images)[1]

    def redraw(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Raw images (N, 1, 28, 28) as the network sees them, and their reconstructions; needs no calibration."""
        seen, reconstructions, *_ = self._run(images)
        return seen, reconstructions

    def error_map(self, images: Tensor) -> Tensor:
        """(N, 28, 28), signed; positive where the reconstruction lacks ink."""
        return self._run(images)[2]

    def decision_function(self, images: Tensor) -> Tensor:
        """Anomaly scores (N,) of raw images (N, 1, 28, 28); higher is stranger."""
        return self._scores(images)

    def predict(self, images: Tensor) -> Tensor:
        """int64 (N,), 1 for an anomaly: score > threshold_. Raises NotFittedError."""
        return self.infer(images).verdicts

    def p_value(self, images: Tensor) -> Tensor:
        """Conformal p-values, float64 (N,), of raw images (N, 1, 28, 28): see core/conformal.py. Raises NotFittedError."""
        return self.infer(images).p_values

    def infer(self, images: Tensor, preprocessed: Tensor | None = None) -> Result:
        """Everything about raw images (N, 1, 28, 28) from one pass. Raises NotFittedError.

        preprocessed: what preprocess makes of them, where it is known.
        """
        return self.result(*self._run(images, preprocessed=preprocessed))

    def result(self, seen: Tensor, reconstructions: Tensor, maps: Tensor, scores: Tensor, factors: Tensor) -> Result:
        """The verdict on images that were preprocessed, redrawn, compared and scored elsewhere. Raises NotFittedError."""
        if len(self.calibration_scores_) == 0:
            raise NotFittedError("The detector has no threshold yet: fit or calibrate it first.")
        return Result(seen, reconstructions, maps, scores, factors, self.threshold_, self.calibration_scores_)

    @property
    def size(self) -> int:
        """Numbers in its network and its memory."""
        return parameter_count(self.model) + self.memory_.numel()

    @cached_property
    def key(self) -> str:
        """A short hash of settings and weights; equal keys give equal scores."""
        digest = hashlib.sha256(repr(replace(self.config, threshold=None)).encode())
        for parameter in (*self.model.state_dict().values(), self.memory_, self.usual_loops_):
            digest.update(np.ascontiguousarray(parameter.detach().cpu().numpy()).tobytes())
        return digest.hexdigest()[:16]
