"""A detector as one safetensors file, and back.

The file holds the weights, the calibration scores, and a JSON header with everything that rebuilds
and describes the detector. Nothing in it is ever executed. A file is checked from the outside in:
size, safetensors structure, header, settings, shapes, finite numbers; only then is a detector made.
What is accepted, every page can show: whatever image comes, all that the network computes of it is a number.
"""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from core.data.datasets import LARGEST, SOURCES
from core.data.own import MAX_KINDS, OWN_NAME, OwnDataError, is_own, kind_name
from core.detector import AutoencoderDetector, DetectorConfig, config_from
from core.errors import UserError, megabytes
from core.files import write_whole
from core.metrics import Evaluation
from core.model import Autoencoder, activation_bounds, meta_model
from core.settings import SETTINGS, Number
from core.training import EpochLosses

FORMAT = "digit-anomaly-detector"
VERSION = 1
MAX_BYTES = 64 * 2**20
MAX_HEADER_BYTES = 2**20
CALIBRATION_SCORES = "calibration_scores"
MEMORY = "memory"
USUAL_LOOPS = "usual_loops"

MAX_LATENT, MAX_NUMBER = 1e16, 1e36
"""What a network may compute at most: the sum of thousands of latents' squares is still a number, and every sum on the way."""

MAX_SCORE = 1e9
"""Losses and scores are means of at most 1, divided by little ink: none is larger."""


class CheckpointError(UserError):
    """A file cannot be used as a checkpoint; the message is a sentence for the user."""


class NotACheckpointError(CheckpointError):
    """The file is something else, or is cut off."""


class CheckpointVersionError(CheckpointError):
    """The file was written by another version of this program."""


class CheckpointMismatchError(CheckpointError):
    """The file's parts contradict each other, or hold numbers that no detector can have."""


@dataclass(frozen=True)
class Checkpoint:
    """A calibrated detector with how it came about: losses by epoch and, where measured, its figures."""

    detector: AutoencoderDetector
    losses: tuple[EpochLosses, ...] = ()
    evaluation: Evaluation | None = None

    @property
    def config(self) -> DetectorConfig:
        return self.detector.config


def to_bytes(checkpoint: Checkpoint, weights: torch.dtype = torch.float32) -> bytes:
    """The checkpoint as a safetensors file. weights: torch.float16 halves the size."""
    detector = checkpoint.detector
    header = {
        "format": FORMAT,
        "version": VERSION,
        "detector": asdict(detector.config),
        "threshold": detector.threshold_,
        "losses": [asdict(losses) for losses in checkpoint.losses],
        "evaluation": asdict(checkpoint.evaluation) if checkpoint.evaluation else None,
    }
    tensors = {name: tensor.detach().cpu().to(weights).contiguous() for name, tensor in detector.model.state_dict().items()}
    if detector.config.neighbours:
        tensors[MEMORY] = detector.memory_.to(weights).contiguous()
    if detector.config.score.loop_weight:
        tensors[USUAL_LOOPS] = detector.usual_loops_.float()
    tensors[CALIBRATION_SCORES] = detector.calibration_scores_.float()
    return save_tensors(tensors, {FORMAT: json.dumps(header)})


def write(checkpoint: Checkpoint, path: Path, weights: torch.dtype = torch.float32) -> None:
    """Write the file; no half file is ever found there."""
    write_whole(path, to_bytes(checkpoint, weights))


def read(path: Path) -> Checkpoint:
    """The checkpoint in a file; raises CheckpointError's kinds."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _too_large(path.stat().st_size)
        return from_bytes(path.read_bytes())
    except OSError as error:
        raise NotACheckpointError("{path} cannot be read: {reason}.", path=path, reason=error.strerror or str(error)) from error


def from_bytes(data: bytes) -> Checkpoint:
    """The checkpoint in these bytes.

    Raises NotACheckpointError, CheckpointVersionError or CheckpointMismatchError, each with a
    sentence, before any of it is used.
    """
    header = _header(data)
    config, losses, evaluation = _settings(header)
    try:
        tensors = load_tensors(data)
    except KeyError as error:
        raise CheckpointMismatchError(
            "The file holds numbers of a kind that cannot be read ({kind}).", kind=_short(error)
        ) from error
    except (SafetensorError, ValueError, RuntimeError, OverflowError, MemoryError) as error:
        raise NotACheckpointError("The file is cut off or damaged: its size does not match what it announces.") from error
    scores = tensors.pop(CALIBRATION_SCORES, None)
    model = meta_model(config.model)
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    if config.neighbours:
        remembered = tensors[MEMORY].shape[0] if MEMORY in tensors and tensors[MEMORY].ndim else 1
        most = 2 * LARGEST if config.training.vary else LARGEST  # varied images are remembered beside those that they are of
        if remembered > most:
            raise CheckpointMismatchError(
                "The file remembers {count:,} images; no data set has more than {most:,}.", count=remembered, most=most
            )
        expected[MEMORY] = (max(remembered, 1), config.model.latent_dim)
    if config.score.loop_weight:
        expected[USUAL_LOOPS] = (2,)
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if expected != found:
        odd = sorted(set(expected.items()) ^ set(found.items()))[0][0]
        raise CheckpointMismatchError(
            "The weights do not fit the network that the file describes (first at “{name}”).", name=_short(odd)
        )
    if any(not tensor.is_floating_point() for tensor in tensors.values()):
        raise CheckpointMismatchError("The weights are not floating-point numbers.")
    weights = {name: tensor.float() for name, tensor in tensors.items()}
    if not all(bool(tensor.isfinite().all()) for tensor in weights.values()):
        raise CheckpointMismatchError("The weights hold NaN or infinite numbers; the training that made them failed.")
    if scores is None or scores.ndim != 1 or len(scores) == 0 or not scores.is_floating_point():
        raise CheckpointMismatchError("The calibration scores are missing, so the detector would have no threshold.")
    scores = scores.float()
    if not bool(scores.isfinite().all()) or bool((scores < 0).any()):
        raise CheckpointMismatchError("The calibration scores are not finite numbers of at least 0.")
    if len(scores) > LARGEST or float(scores.max()) > MAX_SCORE:
        raise CheckpointMismatchError("The calibration scores are more or larger than any detector's.")
    memory, loops = weights.pop(MEMORY, None), weights.pop(USUAL_LOOPS, None)
    if loops is not None and not (0 <= float(loops[0]) <= MAX_SCORE and 1 / MAX_SCORE <= float(loops[1]) <= MAX_SCORE):
        raise CheckpointMismatchError("The usual size of loops is not a mean of at least 0 and a deviation above 0.")
    model.load_state_dict(weights, assign=True)
    _require_numbers(model, memory)
    detector = AutoencoderDetector(config, model)
    if memory is not None:
        detector.memory_ = memory
    if loops is not None:
        detector.usual_loops_ = loops
    detector.set_calibration(scores)
    return Checkpoint(detector, losses, evaluation)


def _require_numbers(model: Autoencoder, memory: Tensor | None) -> None:
    """Raises CheckpointMismatchError where some image, or what is remembered, could give a number that is none."""
    latents = [memory.abs().amax(dim=0, keepdim=True)] if memory is not None else []
    latent, number = activation_bounds(model, *latents)
    if latent > MAX_LATENT or number > MAX_NUMBER:
        raise CheckpointMismatchError("The weights are so large that the network's numbers overflow; its training failed.")


def _header(data: bytes) -> dict[str, Any]:
    """The JSON header, after the file's outer structure was checked."""
    if len(data) > MAX_BYTES:
        raise _too_large(len(data))
    length = int.from_bytes(data[:8], "little")
    if len(data) < 10 or data[8:9] != b"{":
        raise NotACheckpointError("This is not a checkpoint: the file is not in the safetensors format.")
    if length > MAX_HEADER_BYTES or length + 8 > len(data):
        raise NotACheckpointError("The file is cut off or damaged: its header is longer than the file.")
    try:
        metadata = json.loads(data[8 : 8 + length]).get("__metadata__") or {}
        header = json.loads(metadata[FORMAT])
    except (ValueError, RecursionError, AttributeError, TypeError) as error:
        raise NotACheckpointError("The file's header is damaged: it is not valid JSON.") from error
    except KeyError as error:
        raise NotACheckpointError("This safetensors file holds some other model, not a detector of this program.") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise NotACheckpointError("This safetensors file holds some other model, not a detector of this program.")
    if header.get("version") != VERSION:
        raise CheckpointVersionError(
            "The file has format version {found}; this program reads version {version}.",
            found=_short(header.get("version")),
            version=VERSION,
        )
    return header


def _settings(header: dict[str, Any]) -> tuple[DetectorConfig, tuple[EpochLosses, ...], Evaluation | None]:
    try:
        config = config_from(header["detector"])
        losses = tuple(EpochLosses(float(entry["train"]), float(entry["validation"])) for entry in header["losses"])
        evaluation = header.get("evaluation")
        if evaluation is not None:
            by_class = {int(label): float(value) for label, value in evaluation.pop("auroc_by_class").items()}
            evaluation = Evaluation(auroc_by_class=by_class, **{name: float(value) for name, value in evaluation.items()})
    except UserError as error:
        raise CheckpointMismatchError("The file's settings cannot be used. {reason}", reason=error) from error
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CheckpointMismatchError("The file's settings cannot be used ({reason}).", reason=_short(error)) from error
    _require_usable(config)
    epochs = SETTINGS["epochs"].values
    assert isinstance(epochs, Number)
    if len(losses) > epochs.most:
        raise CheckpointMismatchError(
            "The file holds the losses of {count:,} epochs; a training has at most {most}.", count=len(losses), most=epochs.most
        )
    if not all(0 <= loss <= MAX_SCORE for each in losses for loss in (each.train, each.validation)):
        raise CheckpointMismatchError("The file's losses are not finite numbers of at least 0.")
    if evaluation is not None:
        others = set(range(len(config.names))) - set(config.normal_classes)
        rates = [value for value in asdict(evaluation).values() if isinstance(value, float)]
        if not all(0 <= rate <= 1 for rate in (*rates, *by_class.values())) or not set(by_class) <= others:
            raise CheckpointMismatchError("The file's figures are not shares between 0 and 1 of the classes that it has.")
    return config, losses, evaluation


def _require_usable(config: DetectorConfig) -> None:
    is_owned = isinstance(config.data_set, str) and is_own(config.data_set)
    if not is_owned and (not isinstance(config.data_set, str) or config.data_set not in SOURCES):
        raise CheckpointMismatchError(
            "The file names a data set that this program does not have: “{name}”.", name=_short(config.data_set)
        )
    if is_owned != bool(config.class_names) or (is_owned and not _are_kinds(config)):
        raise CheckpointMismatchError("The file's names of kinds cannot be used.")
    normal, classes = config.normal_classes, range(len(config.names))
    # 5.0 and True are equal to numbers of classes, and are none.
    if not normal or any(type(label) is not int or label not in classes for label in normal) or len(set(normal)) < len(normal):
        raise CheckpointMismatchError("The file's normal classes are not classes of its data set.")
    if len(normal) == len(classes) and not is_owned:
        raise CheckpointMismatchError("In this file every class is normal, so nothing is left to be an anomaly.")


def _are_kinds(config: DetectorConfig) -> bool:
    """Whether the names are some that this program gives, each once, and the data set's name too."""
    names = config.class_names
    if re.fullmatch(OWN_NAME, config.data_set) is None or len(names) > MAX_KINDS:
        return False
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        return False
    try:
        return all(kind_name(name) == name for name in names)
    except OwnDataError:
        return False


def _too_large(size: int) -> NotACheckpointError:
    return NotACheckpointError(
        "The file has {size:.0f} MB; a checkpoint has at most {most} MB.", size=megabytes(size), most=MAX_BYTES // 2**20
    )


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:79] + "…"
