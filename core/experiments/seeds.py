"""What is chance, and what is not: presets trained with several seeds, for what the lesson says of them.

    python -m core.experiments.seeds     trains them and writes checkpoints/seeds.json

A seed chooses the weights at the start, which images are held out, and the order of the batches. Digit 5, MNIST.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from statistics import mean

import torch

from core.data.datasets import DataSet
from core.data.download import load_or_download
from core.detector import DetectorConfig
from core.errors import UserError
from core.experiments import markdown, options
from core.experiments.fit import fit
from core.presets import CHECKPOINTS, COURSE

PATH = CHECKPOINTS / "seeds.json"
COMPARED = ("course", "two-units", "narrow", "wide", "few-epochs", "denoising", "broadcasting", "convolutional")
SEEDS = ("1-5", str(COURSE.training.seed))
"""Five, and that of the shipped detectors: the lesson shows their figures beside what all gave."""


@dataclass(frozen=True)
class Trial:
    """One training. error_normal, error_others: mean squared error on the normal test images, and on all others.

    first, last: training and validation loss of the first epoch and of the last.
    """

    preset: str
    seed: int
    auroc: float
    false_alarm_rate: float
    catch_rate: float
    error_normal: float
    error_others: float
    first: tuple[float, float]
    last: tuple[float, float]


@dataclass(frozen=True)
class Range:
    """What several seeds gave."""

    least: float
    mean: float
    most: float


def trial(name: str, config: DetectorConfig, data: DataSet) -> Trial:
    """Train one preset with one seed."""
    made = fit(config, data)
    figures, test = made.evaluation, data.test
    assert figures is not None
    errors = (test.images - made.detector.reconstruct(test.images)).square().mean(dim=(1, 2, 3))
    is_normal = torch.isin(test.labels, torch.tensor(config.normal_classes))
    first, last = made.losses[0], made.losses[-1]
    return Trial(
        name,
        config.training.seed,
        round(figures.auroc, 5),
        round(figures.false_alarm_rate, 5),
        round(figures.catch_rate, 5),
        round(errors[is_normal].mean().item(), 5),
        round(errors[~is_normal].mean().item(), 5),
        (round(first.train, 5), round(first.validation, 5)),
        (round(last.train, 5), round(last.validation, 5)),
    )


@cache
def read(path: Path = PATH) -> tuple[Trial, ...]:
    entries = json.loads(path.read_text(encoding="utf-8"))
    return tuple(Trial(**{**entry, "first": tuple(entry["first"]), "last": tuple(entry["last"])}) for entry in entries)


def of_preset(trials: Sequence[Trial], name: str) -> list[Trial]:
    return [each for each in trials if each.preset == name]


def range_of(trials: Sequence[Trial], figure: str) -> Range:
    """Of one figure, by its field's name."""
    values = [float(getattr(each, figure)) for each in trials]
    return Range(min(values), mean(values), max(values))


def table(trials: Sequence[Trial]) -> str:
    """One line a preset: mean over the seeds, and from the least to the most."""
    head = ["preset", "AUROC", "from", "to", "caught", "error on 5s", "on others"]
    lines = []
    for name in dict.fromkeys(each.preset for each in trials):
        own = of_preset(trials, name)
        auroc, caught = range_of(own, "auroc"), range_of(own, "catch_rate")
        normal, others = range_of(own, "error_normal"), range_of(own, "error_others")
        numbers = [f"{number:.4f}" for number in (auroc.mean, auroc.least, auroc.most, normal.mean, others.mean)]
        lines.append([name, *numbers[:3], f"{caught.mean:.1%}", *numbers[3:]])
    return markdown.table(head, lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m core.experiments.seeds", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_settings(parser, several=["preset", "seed"], preset=list(COMPARED), seed=list(SEEDS))
    parser.add_argument("--file", type=options.file_to_write, default=PATH, help="a trial that is in it is not trained again")
    asked = parser.parse_args(arguments)
    try:
        data = load_or_download("mnist")
        done = list(read(asked.file)) if asked.file.exists() else []
        for name, config in options.combinations({"normal": ["5"]} | options.axes(asked)):
            config = replace(config, data_set=data.name)
            if not any((each.preset, each.seed) == (name, config.training.seed) for each in done):
                done.append(trial(name, config, data))
                options.write_json(asked.file, [asdict(each) for each in done])
    except UserError as error:
        raise SystemExit(str(error)) from None
    print(table(done))


if __name__ == "__main__":
    main()
