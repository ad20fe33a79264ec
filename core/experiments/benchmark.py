"""Detectors and baselines on the same images: one normal class, the whole test set, AUROC and rates.

python -m core.experiments.benchmark --normal 0-9 --seeds 3 --methods best course --json results.json
python -m core.experiments.benchmark --methods best no-recall no-blur no-ink square no-straightening --normal 0-9
python -m core.experiments.benchmark --select --normal 2,3,5,8
python -m core.experiments.benchmark --shifts

--select never opens the test file: it compares settings on held-out normal images against other
classes of the training file. The threshold is set by the same held-out images, so their rate of false alarms says nothing
there.
--shifts changes the test images in many ways, one at a time, and says what is still told apart.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from core.data.datasets import SOURCES, DataSet, LabelledImages, as_images
from core.data.download import load_or_download
from core.data.split import OneClassSplit
from core.detector import AutoencoderDetector, DetectorConfig
from core.errors import UserError
from core.experiments import markdown, options
from core.experiments.baselines import BASELINES, Method, fitted
from core.experiments.baselines import measure as trial_of
from core.experiments.shifts import SHIFTS
from core.metrics import measure
from core.presets import preset

OTHERS_PER_CLASS = 500
"""Images of each other class of the training file that --select compares with."""


@dataclass(frozen=True)
class Row:
    """One method on one normal class (or set of classes, joined by +) with one seed."""

    dataset: str
    method: str
    # `class` is a keyword; the JSON calls it so.
    normal: str
    seed: int
    auroc: float
    average_precision: float
    false_alarm_rate: float
    catch_rate: float
    fit_seconds: float
    score_seconds: float

    def as_json(self) -> dict[str, object]:
        values = asdict(self)
        normal = values.pop("normal")
        return {"class": int(normal) if normal.isdigit() else normal, **values}


# ---------------------------------------------------------------- methods


def autoencoder(change: Callable[[DetectorConfig], DetectorConfig], name: str = "best") -> Method:
    """A preset's detector with some settings changed."""

    def fit(asked: DetectorConfig, train: Tensor) -> AutoencoderDetector:
        config = change(preset(name, asked.data_set))
        config = replace(
            config, normal_classes=asked.normal_classes, training=replace(config.training, seed=asked.training.seed)
        )
        detector = AutoencoderDetector(config)
        for _ in detector.trainer(train, train[:1]):
            pass
        return detector.fit_memory(train)

    return fit


METHODS: dict[str, Method] = {
    "best": autoencoder(lambda config: config),
    "course": autoencoder(lambda config: config, "course"),
    "broadcasting": autoencoder(lambda config: config, "broadcasting"),
    **BASELINES,
    # The best detector with one idea taken away.
    "no-standard-stroke": autoencoder(lambda config: replace(config, preprocessing="deskew")),
    "no-straightening": autoencoder(lambda config: replace(config, preprocessing="none")),
    "no-recall": autoencoder(lambda config: replace(config, neighbours=0)),
    "no-turns": autoencoder(lambda config: replace(config, turns=0)),
    "no-blur": autoencoder(lambda config: replace(config, score=replace(config.score, smoothing=0.0))),
    "no-loops": autoencoder(lambda config: replace(config, score=replace(config.score, loop_weight=0.0))),
    "no-ink": autoencoder(lambda config: replace(config, score=replace(config.score, ink_exponent=0.0))),
    "cube": autoencoder(lambda config: replace(config, score=replace(config.score, power=3.0, ink_exponent=1.5))),
    "square": autoencoder(lambda config: replace(config, score=replace(config.score, power=2.0, ink_exponent=1.0))),
    "torch-initialisation": autoencoder(lambda config: replace(config, model=replace(config.model, initialisation="torch"))),
    "constant-rate": autoencoder(lambda config: replace(config, training=replace(config.training, schedule="constant"))),
}

PUBLISHED = (
    ("OC-SVM", "0.913", "Ruff et al. 2018"),
    ("Deep convolutional autoencoder", "0.897", "Ruff et al. 2018"),
    ("Deep SVDD", "0.948", "Ruff et al. 2018"),
    ("VAE", "0.970", "Abati et al. 2019"),
    ("OCGAN", "0.975", "Perera et al. 2019"),
    ("LSA", "0.975", "Abati et al. 2019"),
    ("ARNet", "0.983", "Fei et al. 2020"),
    ("pretrained on ImageNet: student–teacher, RD4AD, IGD", "about 0.993", "Salehi 2021; Deng and Li 2022; Chen 2022"),
)
"""Mean AUROC on MNIST, one class normal, as the papers report it; from scratch but for the last."""


# ---------------------------------------------------------------- running


def run(method: str, config: DetectorConfig, split: OneClassSplit) -> Row:
    """One method's row."""
    trial = trial_of(METHODS[method], config, split)
    figures = trial.evaluation
    return Row(
        dataset=config.data_set,
        method=method,
        normal="+".join(map(str, config.normal_classes)),
        seed=config.training.seed,
        auroc=figures.auroc,
        average_precision=figures.average_precision,
        false_alarm_rate=figures.false_alarm_rate,
        catch_rate=figures.catch_rate,
        fit_seconds=trial.fit_seconds,
        score_seconds=trial.score_seconds,
    )


def selection_split(data: DataSet, split: OneClassSplit, normal: tuple[int, ...]) -> OneClassSplit:
    """The same split with a test set from the training file: the held-out normals and some of every other class."""
    random = torch.Generator().manual_seed(0)
    chosen = [
        (data.train_labels == label)
        .nonzero()
        .squeeze(1)[torch.randperm(int((data.train_labels == label).sum()), generator=random)[:OTHERS_PER_CLASS]]
        for label in range(len(SOURCES[data.name].class_names))
        if label not in normal
    ]
    others = torch.cat(chosen)
    images = torch.cat([split.calibration, as_images(data.train_images[others])])
    labels = torch.cat([torch.full((len(split.calibration),), normal[0]), data.train_labels[others]])
    return replace(split, test=LabelledImages(images, labels, data.name))


def run_all(data: DataSet, methods: list[str], configs: Sequence[DetectorConfig], selecting: bool) -> Iterator[Row]:
    """Every method on every normal set with every seed."""
    with tqdm(total=len(methods) * len(configs), unit="fit") as bar:
        for config in configs:
            split = config.split(data)
            if selecting:
                split = selection_split(data, split, config.normal_classes)
            for method in methods:
                bar.set_description(f"{method} {'+'.join(map(str, config.normal_classes))}")
                yield run(method, config, split)
                bar.update()


@dataclass(frozen=True)
class ShiftRow:
    """What one method makes of test images that were changed in one way."""

    method: str
    normal: str
    shift: str
    auroc: float
    false_alarm_rate: float
    catch_rate: float


def run_shifts(data: DataSet, methods: list[str], configs: Sequence[DetectorConfig]) -> Iterator[ShiftRow]:
    """Every method on every normal set, fitted and calibrated on unchanged images, then judging changed ones."""
    for config in configs:
        split = config.split(data)
        for method in methods:
            detector = fitted(METHODS[method], config, split.train)
            detector.calibrate(split.calibration, split.copies)
            for name, shift in SHIFTS.items():
                figures = measure(detector, replace(split.test, images=shift(split.test.images)))
                normal = "+".join(map(str, config.normal_classes))
                yield ShiftRow(method, normal, name, figures.auroc, figures.false_alarm_rate, figures.catch_rate)


def shift_table(rows: list[ShiftRow]) -> str:
    """One line a shift, with AUROC, false alarms and caught for each method, means over the normal classes."""
    methods = list(dict.fromkeys(row.method for row in rows))
    head = ["images", *(f"{method}: {what}" for method in methods for what in ("AUROC", "false alarms", "caught"))]
    lines = []
    for shift in dict.fromkeys(row.shift for row in rows):
        cells = [shift]
        for method in methods:
            own = [row for row in rows if (row.shift, row.method) == (shift, method)]
            cells.append(f"{np.mean([row.auroc for row in own]):.4f}")
            cells += [f"{np.mean([getattr(row, name) for row in own]):.1%}" for name in ("false_alarm_rate", "catch_rate")]
        lines.append(cells)
    return markdown.table(head, lines)


def table(rows: list[Row], is_selection: bool = False) -> str:
    """One line a method: AUROC by class and mean, spread of the mean over seeds, and the means of the rest.

    is_selection: without false alarms, of the images that set the threshold.
    """
    normals = list(dict.fromkeys(row.normal for row in rows))
    head = ["method", *normals, "mean", "spread", "AP", "false alarms", "caught", "fit s", "score 10,000 s"]
    lines = []
    by_method: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_method[row.method].append(row)
    for method, own in by_method.items():
        by_class = [np.mean([row.auroc for row in own if row.normal == normal]) for normal in normals]
        by_seed = [np.mean([row.auroc for row in own if row.seed == seed]) for seed in dict.fromkeys(row.seed for row in own)]
        cells = [method, *(f"{value:.4f}" for value in by_class), f"{np.mean(by_class):.4f}", f"{np.std(by_seed):.4f}"]
        cells.append(f"{np.mean([row.average_precision for row in own]):.4f}")
        cells.append("" if is_selection else f"{np.mean([row.false_alarm_rate for row in own]):.1%}")
        cells.append(f"{np.mean([row.catch_rate for row in own]):.1%}")
        cells += [f"{np.mean([getattr(row, name) for row in own]):.1f}" for name in ("fit_seconds", "score_seconds")]
        lines.append(cells)
    return markdown.table(head, lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_settings(parser, several=["normal"], single=["data", "seed"], data=["mnist"], seed=["1337"])
    options.add_older_name(parser, "--dataset", "data")
    options.add_older_name(parser, "--digits", "normal")
    parser.add_argument("--methods", nargs="+", help=", ".join(METHODS))
    parser.add_argument("--seeds", type=options.at_least_one, default=1, help="how many, from --seed on")
    other_tables = parser.add_mutually_exclusive_group()
    other_tables.add_argument("--select", action="store_true", help="compare on the training file only")
    other_tables.add_argument("--shifts", action="store_true", help="the table of robustness: changed test images, one seed")
    parser.add_argument("--json", type=options.file_to_write, help="write one object a row to this file")
    arguments = parser.parse_args()
    arguments.normal = arguments.normal or (["5"] if arguments.shifts else ["0-9"])
    arguments.methods = arguments.methods or (["best", "course"] if arguments.shifts else list(METHODS)[:7])
    methods = [name for part in arguments.methods for name in part.split(",")]
    if unknown := set(methods) - set(METHODS):
        parser.error(f"There is no method {', '.join(sorted(unknown))}. Choose from: {', '.join(METHODS)}.")
    try:
        run_command(arguments, methods)
    except UserError as error:
        raise SystemExit(str(error)) from None


def run_command(arguments: argparse.Namespace, methods: list[str]) -> None:
    """What the command line asks for. Raises DataError, LinkError and SettingError."""
    ((_, first),) = options.combinations({"seed": arguments.seed})
    seeds = [str(first.training.seed + number) for number in range(1 if arguments.shifts else arguments.seeds)]
    # A method brings its own settings; of these only data set, classes, seed and false-alarm rate count.
    axes = {"preset": ["course"]} | options.axes(arguments) | {"seed": seeds}
    configs = [config for _, config in options.combinations(axes)]
    data = load_or_download(configs[0].data_set)
    if arguments.shifts:
        shift_rows = list(run_shifts(data, methods, configs))
        if arguments.json:
            options.write_json(arguments.json, [asdict(row) for row in shift_rows])
        print(shift_table(shift_rows))
        return
    rows = list(run_all(data, methods, configs, arguments.select))
    if arguments.json:
        options.write_json(arguments.json, [row.as_json() for row in rows])
    print(table(rows, is_selection=arguments.select))
    if data.name == "mnist" and not arguments.select:
        print("\n" + markdown.table(("published, mean over ten digits", "AUROC", "source"), PUBLISHED))


if __name__ == "__main__":
    main()
