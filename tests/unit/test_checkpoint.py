"""Checkpoints: what is written comes back, and what is not a checkpoint is told so in a sentence."""

import io
import json
import os
import pickle
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from core import checkpoint, latent
from core.checkpoint import (
    Checkpoint,
    CheckpointError,
    CheckpointMismatchError,
    CheckpointVersionError,
    NotACheckpointError,
    from_bytes,
    read,
    to_bytes,
    write,
)
from core.data.split import OneClassSplit
from core.detector import AutoencoderDetector, DetectorConfig
from core.metrics import Evaluation
from core.model import ModelConfig
from core.scoring import ScoreConfig
from core.training import EpochLosses, TrainConfig

SENTENCE = r"(?s)\A[A-Z/].+ .+\.\Z"
NAME = "digit-anomaly-detector"
FIGURES = Evaluation(0.91, 0.99, {0: 0.9, 7: 0.8}, 0.04, 0.5)
LOSSES = (EpochLosses(0.2, 0.25), EpochLosses(0.1, 0.15))

# No setting is at its default, so that none can be forgotten and go unnoticed.
UNUSUAL = DetectorConfig(
    data_set="uci-digits",
    normal_classes=(3, 8),
    preprocessing="deskew",
    model=ModelConfig("dense", (12, 9), 3, "none", "he"),
    training=TrainConfig(
        epochs=7, batch_size=33, learning_rate=0.0021, schedule="one-cycle", noise=0.15, seed=99, broadcasting=True, vary=True
    ),
    score=ScoreConfig(smoothing=0.7, power=3.0, ink_exponent=0.3, loop_weight=0.4),
    neighbours=4,
    turns=3,
    false_alarm_rate=0.11,
    threshold=0.037,
)
PARTS = {"model": ModelConfig, "training": TrainConfig, "score": ScoreConfig}
NETWORKS = [UNUSUAL.model, ModelConfig("convolutional", (5,), 6, "none", "he")]


def make(config: DetectorConfig = UNUSUAL) -> Checkpoint:
    """A checkpoint of an untrained network with made-up calibration scores and figures."""
    random = torch.Generator().manual_seed(0)
    detector = AutoencoderDetector(config).fit_memory(torch.rand(20, 1, 28, 28, generator=random))
    return Checkpoint(detector.set_calibration(torch.rand(40, generator=random)), LOSSES, FIGURES)


VALID = to_bytes(make())


def forge(
    change: Callable[[dict[str, Any]], object] = lambda header: None,
    tensors: Callable[[dict[str, Tensor]], object] = lambda tensors: None,
) -> bytes:
    """The valid file with its settings or its tensors changed, in a sound safetensors file."""
    length = int.from_bytes(VALID[:8], "little")
    header = json.loads(json.loads(VALID[8 : 8 + length])["__metadata__"][NAME])
    weights = load_tensors(VALID)
    change(header)
    tensors(weights)
    return save_tensors(weights, {NAME: json.dumps(header)})


def outer(text: str, rest: bytes = b"") -> bytes:
    """A file with this text where safetensors has its header."""
    return struct.pack("<Q", len(text)) + text.encode() + rest


def with_first_dtype(kind: str) -> bytes:
    """The valid file whose calibration scores claim to be of another type."""
    length = int.from_bytes(VALID[:8], "little")
    head = json.loads(VALID[8 : 8 + length])
    count = head["calibration_scores"]["data_offsets"]
    sizes = {"F4": 0.5, "F6_E2M3": 0.75, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "C64": 8, "BOOL": 1, "I64": 8, "U16": 2}
    elements = int((count[1] - count[0]) / sizes[kind])
    head["calibration_scores"] |= {"dtype": kind, "shape": [elements]}
    return outer(json.dumps(head), VALID[8 + length :])


# Round trips


def test_no_setting_of_the_unusual_detector_is_a_default() -> None:
    for unusual, usual in ((UNUSUAL, DetectorConfig()), *((getattr(UNUSUAL, n), k()) for n, k in PARTS.items())):
        same = [each.name for each in fields(unusual) if getattr(unusual, each.name) == getattr(usual, each.name)]
        assert same in ([], ["architecture"], ["class_names"])  # MNIST's own names are in no file


@pytest.mark.parametrize("network", NETWORKS, ids=["dense", "convolutional"])
def test_round_trip_keeps_every_bit(network: ModelConfig, split: OneClassSplit, tmp_path: Path) -> None:
    made = make(replace(UNUSUAL, model=network))
    write(made, tmp_path / "new" / "detector.safetensors")
    found = read(tmp_path / "new" / "detector.safetensors")
    assert found.config == made.config == replace(UNUSUAL, model=network)
    assert (found.losses, found.evaluation) == (LOSSES, FIGURES)
    assert found.detector.threshold_ == made.detector.threshold_
    assert torch.equal(found.detector.calibration_scores_, made.detector.calibration_scores_)
    images = split.test.images[:30]
    assert torch.equal(found.detector.decision_function(images), made.detector.decision_function(images))
    assert torch.equal(found.detector.predict(images), made.detector.predict(images))
    assert found.detector.key == made.detector.key


def test_trained_detector_comes_back(fitted: AutoencoderDetector, split: OneClassSplit) -> None:
    found = from_bytes(to_bytes(Checkpoint(fitted)))
    assert torch.equal(found.detector.p_value(split.test.images), fitted.p_value(split.test.images))
    assert (found.losses, found.evaluation) == ((), None)


def test_detector_that_came_back_can_be_trained_on(split: OneClassSplit) -> None:
    detector = from_bytes(VALID).detector
    before = next(detector.model.parameters()).clone()
    detector.trainer(split.train, split.calibration).step()
    assert not torch.equal(next(detector.model.parameters()), before)


def test_half_precision_halves_the_weights(split: OneClassSplit) -> None:
    made = make(replace(UNUSUAL, model=ModelConfig(hidden_sizes=(128,), latent_dim=8)))
    parameters = 2 * 784 * 128 + 2 * 128 * 8 + 128 + 8 + 128 + 784
    whole, half = to_bytes(made), to_bytes(made, torch.float16)
    assert len(whole) == pytest.approx(4 * parameters, abs=4000)
    assert len(half) == pytest.approx(2 * parameters, abs=4000)
    images = split.test.images[:30]
    assert torch.allclose(
        from_bytes(half).detector.decision_function(images), made.detector.decision_function(images), rtol=1e-2
    )


def test_the_deepest_network_that_can_be_trained_comes_back() -> None:
    deep = ModelConfig("dense", (620,) * 6, 620, "none", "he")
    assert from_bytes(to_bytes(make(replace(UNUSUAL, model=deep)))).config.model == deep


# Files that are not checkpoints


def png() -> bytes:
    file = io.BytesIO()
    Image.new("L", (28, 28)).save(file, "PNG")
    return file.getvalue()


def torch_file() -> bytes:
    file = io.BytesIO()
    torch.save({"weight": torch.zeros(3)}, file)
    return file.getvalue()


NOT_CHECKPOINTS = {
    "empty": b"",
    "one byte": b"{",
    "text": b"epoch, loss\n1, 0.5\n",
    "pickle": pickle.dumps({"weights": [1.0, 2.0]}),
    "torch.save": torch_file(),
    "png": png(),
    "zeros": bytes(500),
    "foreign": save_tensors({"weight": torch.zeros(2, 2)}),
    "foreign with metadata": save_tensors({"weight": torch.zeros(2, 2)}, {"format": "pt"}),
    "foreign under our name": save_tensors({"weight": torch.zeros(2)}, {NAME: json.dumps({"format": "other"})}),
    "list under our name": save_tensors({"weight": torch.zeros(2)}, {NAME: "[]"}),
    "no JSON under our name": save_tensors({"weight": torch.zeros(2)}, {NAME: "{"}),
    "deep JSON under our name": save_tensors({"weight": torch.zeros(2)}, {NAME: "[" * 100_000}),
    "long number under our name": save_tensors({"weight": torch.zeros(2)}, {NAME: "9" * 10_000}),
    "deep JSON": outer('{"a":' * 50_000),
    "empty JSON": outer("{}"),
    "metadata is a list": outer('{"__metadata__": ["' + NAME + '"]}'),
    "not UTF-8": struct.pack("<Q", 4) + b"{\xff\xff}",
    "header of megabytes": forge(lambda header: header.update(padding="x" * 2**21)),
    "header of terabytes": struct.pack("<Q", 2**42) + VALID[8:],
    "header of 2**64": b"\xff" * 8 + VALID[8:],
    "tensor of terabytes": outer(
        json.dumps(
            json.loads(VALID[8 : 8 + int.from_bytes(VALID[:8], "little")])
            | {"decoder.0.bias": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}
        ),
        bytes(1000),
    ),
}


@pytest.mark.parametrize("name", NOT_CHECKPOINTS)
def test_other_files_are_told_apart(name: str) -> None:
    with pytest.raises(NotACheckpointError, match=SENTENCE):
        from_bytes(NOT_CHECKPOINTS[name])


@pytest.mark.parametrize("name", ["empty", "text", "pickle", "torch.save", "png"])
def test_a_file_of_another_kind_is_not_called_damaged(name: str) -> None:
    with pytest.raises(NotACheckpointError, match="This is not a checkpoint"):
        from_bytes(NOT_CHECKPOINTS[name])


@pytest.mark.parametrize("length", sorted({*range(24), *np.linspace(24, len(VALID) - 1, 80, dtype=int).tolist()}))
def test_cut_off_file_is_told(length: int) -> None:
    with pytest.raises(NotACheckpointError, match=SENTENCE):
        from_bytes(VALID[:length])


@pytest.mark.parametrize("version", [0, 2, "1", None, [1], 10**30], ids=str)
def test_other_version_is_told(version: object) -> None:
    with pytest.raises(CheckpointVersionError, match=SENTENCE):
        from_bytes(forge(lambda header: header.update(version=version)))


# Checkpoints whose parts contradict each other


def setting(*path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(header: dict[str, Any]) -> None:
        for name in path[:-1]:
            header = header[name]
        header[path[-1]] = value

    return change


BAD_SETTINGS = {
    "no detector": lambda header: header.pop("detector"),
    "no losses": lambda header: header.pop("losses"),
    "no model": lambda header: header["detector"].pop("model"),
    "detector is a list": setting("detector", value=[1]),
    "unknown setting": setting("detector", "colour", value=1),
    "model is a list": setting("detector", "model", value=[1]),
    "absurd layer": setting("detector", "model", "hidden_sizes", value=[10**9]),
    "endless layer": setting("detector", "model", "hidden_sizes", value=[10**30]),
    "too many layers": setting("detector", "model", "hidden_sizes", value=[8] * 10_000),
    "largest network": setting("detector", "model", "hidden_sizes", value=[4096] * 6),
    "other latent": setting("detector", "model", "latent_dim", value=4),
    "other architecture": setting("detector", "model", "architecture", value="convolutional"),
    "unknown architecture": setting("detector", "model", "architecture", value={"a": 1}),
    "epochs as text": setting("detector", "training", "epochs", value="ten"),
    "endless seed": setting("detector", "training", "seed", value=10**400),
    "smoothing too wide": setting("detector", "score", "smoothing", value=1e9),
    "unknown preprocessing": setting("detector", "preprocessing", value="rotate"),
    "unknown data set": setting("detector", "data_set", value="emnist"),
    "data set is a list": setting("detector", "data_set", value=["mnist"]),
    "no normal class": setting("detector", "normal_classes", value=[]),
    "unknown class": setting("detector", "normal_classes", value=[10]),
    "class as text": setting("detector", "normal_classes", value="5"),
    "class is a number": setting("detector", "normal_classes", value=5),
    "rate of 0": setting("detector", "false_alarm_rate", value=0.0),
    "rate of 1": setting("detector", "false_alarm_rate", value=1.0),
    "rate is NaN": setting("detector", "false_alarm_rate", value=float("nan")),
    "rate as text": setting("detector", "false_alarm_rate", value="0.05"),
    "losses are numbers": setting("losses", value=[0.1]),
    "loss as text": setting("losses", value=[{"train": "low", "validation": 0.1}]),
    "evaluation is a list": setting("evaluation", value=[1]),
    "evaluation incomplete": setting("evaluation", value={"auroc_by_class": {}, "auroc": 1.0}),
    "evaluation of no class": setting("evaluation", "auroc_by_class", value={"five": 1.0}),
    "class that is a float": setting("detector", "normal_classes", value=[5.0]),
    "class that is true": setting("detector", "normal_classes", value=[True]),
    "class named twice": setting("detector", "normal_classes", value=[5, 5]),
    "every class": setting("detector", "normal_classes", value=list(range(10))),
    "loss is NaN": setting("losses", value=[{"train": float("nan"), "validation": 0.1}]),
    "loss is infinite": setting("losses", value=[{"train": 0.1, "validation": float("inf")}]),
    "loss below 0": setting("losses", value=[{"train": -0.1, "validation": 0.1}]),
    "20,000 losses": setting("losses", value=[{"train": 0.1, "validation": 0.1}] * 20_000),
    "infinite AUROC": setting("evaluation", "auroc", value=float("inf")),
    "AUROC is NaN": setting("evaluation", "auroc", value=float("nan")),
    "infinite AUROC of a class": setting("evaluation", "auroc_by_class", value={"0": float("inf")}),
    "AUROC of a class that is not there": setting("evaluation", "auroc_by_class", value={"12": 0.5}),
    "AUROC of a normal class": setting("evaluation", "auroc_by_class", value={"3": 0.5}),
}


@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_impossible_settings_are_told(name: str) -> None:
    with pytest.raises(CheckpointMismatchError, match=SENTENCE):
        from_bytes(forge(BAD_SETTINGS[name]))


WEIGHT = "encoder.1.weight"


def large(weights: Tensor, value: float) -> Tensor:
    return torch.full_like(weights, value) if weights.ndim == 2 else weights


BAD_TENSORS = {
    "NaN weight": lambda tensors: tensors[WEIGHT][3, 4].fill_(float("nan")),
    "infinite weight": lambda tensors: tensors[WEIGHT][3, 4].fill_(float("inf")),
    "weight beyond float32": lambda tensors: tensors.update({WEIGHT: torch.full((12, 784), 1e300, dtype=torch.float64)}),
    "huge weights": lambda tensors: tensors.update({name: large(weights, 3e38) for name, weights in tensors.items()}),
    "huge weights below 0": lambda tensors: tensors.update({name: large(weights, -3e38) for name, weights in tensors.items()}),
    "one huge weight": lambda tensors: tensors[WEIGHT][3, 4].fill_(3e38),
    "huge remembered latents": lambda tensors: tensors["memory"].fill_(1e30),
    "more remembered images than there are": lambda tensors: tensors.update(memory=torch.zeros(120_001, 3)),
    "huge calibration score": lambda tensors: tensors["calibration_scores"].fill_(3e38),
    "transposed weight": lambda tensors: tensors.update({WEIGHT: tensors[WEIGHT].T.contiguous()}),
    "swapped weights": lambda tensors: tensors.update(
        {"encoder.1.bias": tensors["encoder.3.bias"].clone(), "encoder.3.bias": tensors["encoder.1.bias"].clone()}
    ),
    "whole numbers": lambda tensors: tensors.update({WEIGHT: tensors[WEIGHT].int()}),
    "missing weight": lambda tensors: tensors.pop(WEIGHT),
    "surplus weight": lambda tensors: tensors.update({"x" * 10_000: torch.zeros(1)}),
    "no usual loops": lambda tensors: tensors.pop("usual_loops"),
    "three usual loops": lambda tensors: tensors.update(usual_loops=torch.ones(3)),
    "NaN usual loop": lambda tensors: tensors.update(usual_loops=torch.tensor([1.0, float("nan")])),
    "negative usual loop": lambda tensors: tensors.update(usual_loops=torch.tensor([-1.0, 1.0])),
    "loops without deviation": lambda tensors: tensors.update(usual_loops=torch.tensor([1.0, 0.0])),
    "no calibration scores": lambda tensors: tensors.pop("calibration_scores"),
    "empty calibration scores": lambda tensors: tensors.update(calibration_scores=torch.zeros(0)),
    "square calibration scores": lambda tensors: tensors.update(calibration_scores=torch.zeros(2, 2)),
    "whole calibration scores": lambda tensors: tensors.update(calibration_scores=torch.ones(4, dtype=torch.int64)),
    "NaN calibration score": lambda tensors: tensors.update(calibration_scores=torch.tensor([0.1, float("nan")])),
    "infinite calibration score": lambda tensors: tensors.update(calibration_scores=torch.tensor([0.1, float("inf")])),
    "negative calibration score": lambda tensors: tensors.update(calibration_scores=torch.tensor([0.1, -0.1])),
    "calibration score beyond float32": lambda tensors: tensors.update(
        calibration_scores=torch.tensor([0.1, 1e300], dtype=torch.float64)
    ),
}


@pytest.mark.parametrize("name", BAD_TENSORS)
def test_impossible_tensors_are_told(name: str) -> None:
    with pytest.raises(CheckpointMismatchError, match=SENTENCE):
        from_bytes(forge(tensors=BAD_TENSORS[name]))


@pytest.mark.parametrize("kind", ["F4", "F6_E2M3", "F8_E4M3", "F8_E5M2", "F8_E8M0", "C64", "BOOL", "I64", "U16"])
def test_odd_kinds_of_number_are_told_or_read(kind: str) -> None:
    try:
        found = from_bytes(with_first_dtype(kind))
    except CheckpointError:
        return
    assert kind.startswith("F8")
    assert found.detector.calibration_scores_.dtype == torch.float32


PROBES = torch.cat([torch.zeros(1, 1, 28, 28), torch.ones(1, 1, 28, 28), torch.rand(6, 1, 28, 28)])


def usable(found: Checkpoint) -> bool:
    """Whether all that pages read of a detector is a number."""
    result = found.detector.infer(PROBES)
    latents = latent.encode(found.detector, PROBES)
    projection = latent.fit_projection(latents)
    drawn = latent.decode(found.detector, projection.inverse_transform(torch.full((1, len(projection.scale)), 3.0)))
    numbers = [result.scores, result.reconstructions, result.error_maps, latents, projection.transform(latents), drawn]
    figures = [loss for each in found.losses for loss in astuple(each)]
    figures += [value for value in asdict(found.evaluation).values() if isinstance(value, float)] if found.evaluation else []
    figures += found.evaluation.auroc_by_class.values() if found.evaluation else []
    classes = found.config.normal_classes
    return (
        all(bool(each.isfinite().all()) for each in numbers)
        and bool(np.isfinite([result.threshold, *figures]).all())
        and bool(((result.p_values >= 0) & (result.p_values <= 1)).all())
        and len(found.losses) <= 200
        and {type(label) for label in classes} == {int}
        and 0 < len(set(classes)) == len(classes) < 10
    )


def told_or_usable(data: bytes) -> bool:
    """Whether bytes either make a detector that works, or are refused as they should be."""
    try:
        return usable(from_bytes(data))
    except CheckpointError as error:
        return len(str(error)) > 20


HEADER_BITS = 8 * (8 + int.from_bytes(VALID[:8], "little"))


@given(st.lists(st.integers(0, HEADER_BITS - 1) | st.integers(0, 8 * len(VALID) - 1), min_size=1, max_size=8))
@settings(max_examples=500)
def test_flipped_bits_never_escape(bits: list[int]) -> None:
    data = bytearray(VALID)
    for bit in bits:
        data[bit // 8] ^= 1 << bit % 8
    assert told_or_usable(bytes(data))


@given(st.binary(max_size=300))
def test_random_bytes_are_never_a_checkpoint(data: bytes) -> None:
    with pytest.raises(NotACheckpointError):
        from_bytes(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PATHS = [
    *[("detector", each.name) for each in fields(DetectorConfig)],
    *[("detector", part, each.name) for part, kind in PARTS.items() for each in fields(kind)],
    *[("evaluation", each.name) for each in fields(Evaluation)],
    *[(name,) for name in ("format", "version", "detector", "threshold", "losses", "evaluation")],
]


@given(st.sampled_from(PATHS), JSON)
@settings(max_examples=400)
def test_any_value_in_any_setting_never_escapes(path: tuple[str, ...], value: object) -> None:
    assert told_or_usable(forge(setting(*path, value=value)))


SIZES = st.sampled_from([0.0, 1e-30, 1.0, 1e3, 1e10, 1e20, 1e30, 3e38, float("inf"), float("nan")]) | st.floats(width=32)
NUMBERS = st.floats() | st.sampled_from([0.0, 0.5, 1.0, float("nan"), float("inf"), 1e300])


@given(
    weights=st.dictionaries(st.sampled_from(sorted(load_tensors(VALID))), SIZES, max_size=3),
    is_filled=st.booleans(),
    remembered=st.integers(1, 5) | st.just(70_000),
    classes=st.lists(st.integers(-1, 11) | st.just(5.0) | st.booleans(), max_size=11),
    losses=st.lists(st.tuples(NUMBERS, NUMBERS), max_size=3),
    count=st.sampled_from([1, 50, 5000]),
    rates=st.tuples(NUMBERS, NUMBERS),
    by_class=st.dictionaries(st.integers(-1, 11).map(str), NUMBERS, max_size=3),
)
@settings(max_examples=80, deadline=None)
def test_whatever_is_accepted_can_be_shown(
    weights: dict[str, float],
    is_filled: bool,
    remembered: int,
    classes: list[object],
    losses: list[tuple[float, float]],
    count: int,
    rates: tuple[float, float],
    by_class: dict[str, float],
) -> None:
    def change(header: dict[str, Any]) -> None:
        header["detector"]["normal_classes"] = classes or [3, 8]
        header["losses"] = [{"train": train, "validation": validation} for train, validation in losses] * count
        header["evaluation"] |= {"auroc": rates[0], "catch_rate": rates[1], "auroc_by_class": by_class}

    def tensors(found: dict[str, Tensor]) -> None:
        for name, size in weights.items():
            found[name] = torch.full_like(found[name], size) if is_filled else found[name] * size
        found["memory"] = found["memory"][:1].repeat(remembered, 1)

    for data in (forge(change, tensors), forge(change), forge(tensors=tensors)):
        assert told_or_usable(data)


# Memory


@contextmanager
def little_memory() -> Iterator[None]:
    """Fails where Python or torch takes more than 8 MB for what happens inside."""
    tracemalloc.start()
    try:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profiler:
            yield
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
        assert sum(max(0, event.self_cpu_memory_usage) for event in profiler.events()) < 8 * 2**20
    finally:
        tracemalloc.stop()


HUGE = {
    "tensor of terabytes": NOT_CHECKPOINTS["tensor of terabytes"],
    "header of terabytes": NOT_CHECKPOINTS["header of terabytes"],
    "network of 700 MB": forge(setting("detector", "model", "hidden_sizes", value=[4096] * 6)),
}


@pytest.mark.parametrize("name", HUGE)
def test_claims_of_huge_tensors_cost_no_memory(name: str) -> None:
    with little_memory(), pytest.raises(CheckpointError):
        from_bytes(HUGE[name])


# Files


def test_large_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(200 * 2**20)
    with little_memory(), pytest.raises(NotACheckpointError, match=SENTENCE):
        read(path)


def test_large_upload_is_refused() -> None:
    with pytest.raises(NotACheckpointError, match=SENTENCE):
        from_bytes(VALID + bytes(64 * 2**20))


def test_path_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(NotACheckpointError, match=SENTENCE):
            read(path)


def test_write_replaces_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "detector.safetensors"
    write(make(), path)
    write(make(replace(UNUSUAL, false_alarm_rate=0.2)), path)
    assert read(path).config.false_alarm_rate == 0.2
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("fails", ["replace", "to_bytes"])
def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    def fail(*_: object) -> None:
        raise OSError("No space left on device")

    path = tmp_path / "detector.safetensors"
    path.write_bytes(VALID)
    monkeypatch.setattr(os if fails == "replace" else checkpoint, fails, fail)
    with pytest.raises(OSError, match="No space left"):
        write(make(), path)
    assert path.read_bytes() == VALID
    assert list(tmp_path.iterdir()) == [path]
