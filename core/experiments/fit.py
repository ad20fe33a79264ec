"""Train presets from the command line, print losses and figures, and write checkpoints.

python -m core.experiments.fit --preset course --normal 5
python -m core.experiments.fit --preset best --normal 0-9 --write
"""

import argparse
import time
from collections.abc import Sequence

import torch

from core import checkpoint
from core.data.datasets import DataSet
from core.data.download import load_or_download
from core.detector import AutoencoderDetector, DetectorConfig
from core.device import choose_device
from core.errors import UserError
from core.experiments import options
from core.metrics import measure
from core.presets import Shipped
from core.training import EpochLosses


def fit(config: DetectorConfig, data: DataSet, half_precision: bool = False) -> checkpoint.Checkpoint:
    """Train, calibrate and evaluate one detector, printing both losses of every epoch.

    half_precision: round the weights as a shipped file does, before calibrating, so that file
    and figures agree.
    """
    split = config.split(data)
    losses: list[EpochLosses] = []

    def tell(epoch: EpochLosses) -> None:
        losses.append(epoch)
        print(f"epoch {len(losses):3d}  train {epoch.train:.6f}  validation {epoch.validation:.6f}")

    detector = AutoencoderDetector(config, device=choose_device()).fit_split(split, tell)
    if half_precision:
        detector.model.half().float()
        detector.fit_memory(split.train)
        detector.memory_ = detector.memory_.half().float()
        detector.calibrate(split.calibration, split.copies)
    return checkpoint.Checkpoint(detector, tuple(losses), measure(detector, split.test))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m core.experiments.fit", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    usual = {"data": ["mnist"], "normal": ["5"], "preset": ["best"], "seed": ["1337"]}
    options.add_settings(parser, several=list(usual), **usual)
    options.add_older_name(parser, "--data-set", "data")
    options.add_older_name(parser, "--classes", "normal")
    parser.add_argument("--write", action="store_true", help="write into checkpoints/, weights in half precision")
    asked = parser.parse_args(arguments)
    try:
        wanted = list(options.combinations(options.axes(asked)))
        if asked.write and any(len(config.normal_classes) > 1 for _, config in wanted):
            parser.error("A checkpoint in checkpoints/ has one normal class.")
        data = {name: load_or_download(name) for name in dict.fromkeys(config.data_set for _, config in wanted)}
        for name, config in wanted:
            fit_and_tell(name, config, data[config.data_set], asked.write)
    except UserError as error:
        raise SystemExit(str(error)) from None


def fit_and_tell(name: str, config: DetectorConfig, data: DataSet, write: bool) -> None:
    """Train one detector of a preset, print its figures, and write its file where that is wanted."""
    started = time.perf_counter()
    made = fit(config, data, half_precision=write)
    figures, seconds = made.evaluation, time.perf_counter() - started
    assert figures is not None
    print(
        f"{data.name} {'+'.join(map(str, config.normal_classes))} {name}: AUROC {figures.auroc:.4f}, "
        f"false alarms {figures.false_alarm_rate:.1%}, caught {figures.catch_rate:.1%}, {seconds:.1f} s"
    )
    if write:
        path = Shipped(name, data.name, config.normal_classes[0]).path
        checkpoint.write(made, path, weights=torch.float16)
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
