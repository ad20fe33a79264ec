"""Train a preset from the command line, print its losses and figures, and write checkpoints.

python -m core.experiments.fit --preset course --classes 5
python -m core.experiments.fit --preset best --classes 0-9 --write
"""

import argparse
import itertools
import time
from dataclasses import replace

import torch

from core import checkpoint
from core.data.datasets import SOURCES, DataError, DataSet, Download, MissingDataError, load, split_one_class
from core.detector import AutoencoderDetector, DetectorConfig
from core.device import choose_device
from core.metrics import evaluate
from core.presets import PRESETS, Shipped, preset
from core.training import EpochLosses


def parse_classes(text: str) -> list[int]:
    """Classes from text such as 5, 0-9 or 1,3,7-9."""
    classes: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        classes += range(int(first), int(last or first) + 1)
    return classes


def load_or_download(name: str) -> DataSet:
    """A data set from DATA_DIR, downloaded into it first where it is missing."""
    try:
        return load(name)
    except MissingDataError:
        Download(name).wait()
        return load(name)


def fit(config: DetectorConfig, data: DataSet, half_precision: bool = False) -> checkpoint.Checkpoint:
    """Train, calibrate and evaluate one detector, printing both losses of every epoch.

    half_precision: round the weights as a shipped file does, before calibrating, so that file
    and figures agree.
    """
    split = split_one_class(data, config.normal_classes, config.training.seed)
    detector = AutoencoderDetector(config, device=choose_device())
    losses: list[EpochLosses] = []
    for step in detector.trainer(split.train, split.calibration):
        if step.epoch_losses:
            losses.append(step.epoch_losses)
            print(f"epoch {step.epoch:3d}  train {step.epoch_losses.train:.6f}  validation {step.epoch_losses.validation:.6f}")
    if half_precision:
        detector.model.half().float()
    detector.fit_memory(split.train)
    if half_precision:
        detector.memory_ = detector.memory_.half().float()
    detector.calibrate(split.calibration)
    scores = detector.decision_function(split.test.images)
    figures = evaluate(scores, split.test.labels, config.normal_classes, detector.threshold_)
    return checkpoint.Checkpoint(detector, tuple(losses), figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=PRESETS, default=["best"], nargs="+")
    parser.add_argument("--data-set", choices=SOURCES, default="mnist")
    parser.add_argument("--classes", type=parse_classes, default=[5], help="one detector for each: 5, 0-9, 1,3,7-9")
    parser.add_argument("--seed", type=int, default=1337)
    parser.add_argument("--write", action="store_true", help="write into checkpoints/, weights in half precision")
    arguments = parser.parse_args()
    try:
        data = load_or_download(arguments.data_set)
    except DataError as error:
        raise SystemExit(str(error)) from None
    for name, label in itertools.product(arguments.preset, arguments.classes):
        settings = preset(name, arguments.data_set)
        config = replace(settings, normal_classes=(label,), training=replace(settings.training, seed=arguments.seed))
        started = time.perf_counter()
        made = fit(config, data, half_precision=arguments.write)
        figures, seconds = made.evaluation, time.perf_counter() - started
        assert figures is not None
        print(
            f"{arguments.data_set} {label} {name}: AUROC {figures.auroc:.4f}, "
            f"false alarms {figures.false_alarm_rate:.1%}, caught {figures.catch_rate:.1%}, {seconds:.1f} s"
        )
        if arguments.write:
            path = Shipped(name, arguments.data_set, label).path
            checkpoint.write(made, path, weights=torch.float16)
            print(f"wrote {path}")


if __name__ == "__main__":
    main()
