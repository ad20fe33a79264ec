"""How a detector of one's own sign judges fresh drawings of it and of the others: fifteen of each kind are enough.

python -m tests.readme_own                      ten made-up signs, by unsteady hands
python -m tests.readme_own --canvas             five of them as the canvas sends them, kept as examples one by one as on Draw
python -m tests.readme_own FOLDER               the digits of people's hands, in a folder

The exit status is 1 where a bound is missed.
"""

import sys
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from core.data.folders import read_zip, to_zip
from core.data.own import OwnImages, nothing
from core.data.split import split_one_class
from core.detector import AutoencoderDetector
from core.drawing import PictureError, from_picture
from core.presets import preset
from tests.load.server import Row, show
from tests.signs import FIVE, SIGNS, many

KEPT, FRESH = 15, 40

MIN_AUROC, MAX_ALARMS = 0.98, 1 / 8
"""Of the mean of all signs."""

LONGEST = 20.0
"""Seconds of one processor core until the detector is there, for each sign."""


def main() -> None:
    torch.set_num_threads(1)
    is_canvas = sys.argv[1:] == ["--canvas"]
    images = hands(Path(sys.argv[1])) if sys.argv[1:] and not is_canvas else signs(is_canvas)
    kept = from_draw(images) if is_canvas else from_zip(images)
    print("| normal | AUROC | own sign is an alarm | others caught | seconds |\n|---|---|---|---|---|")
    rows = []
    for label, name in enumerate(kept.kinds):
        config = replace(preset("best", kept.name), class_names=kept.kinds, normal_classes=(label,))
        started = time.perf_counter()
        split = split_one_class(kept.data_set, (label,), config.training.seed, config.training.vary)
        detector = AutoencoderDetector(config).fit_split(split)
        seconds = time.perf_counter() - started
        own = detector.decision_function(images[name][KEPT:]).numpy()
        others = detector.decision_function(torch.cat([each[KEPT:] for kind, each in images.items() if kind != name])).numpy()
        area = float(roc_auc_score(np.repeat([0, 1], [len(own), len(others)]), np.concatenate([own, others])))
        threshold = detector.threshold_
        rows.append((area, float((own > threshold).mean()), float((others > threshold).mean()), seconds))
        print(row(name, rows[-1]))
    area, alarms, caught, seconds = np.mean(rows, axis=0)
    print(row("mean", (area, alarms, caught, seconds)))
    slowest = max(seconds for *_, seconds in rows)
    kept = show(
        f"Detectors of {len(rows)} signs, {KEPT} drawings of each",
        [
            Row("AUROC, mean", f">= {MIN_AUROC}", f"{area:.4f}", area >= MIN_AUROC),
            Row("own sign is an alarm, mean", f"<= {MAX_ALARMS:.1%}", f"{alarms:.1%}", alarms <= MAX_ALARMS),
            Row("ready, the slowest", f"<= {LONGEST:.0f} s", f"{slowest:.1f} s", slowest <= LONGEST),
        ],
    )
    raise SystemExit(0 if kept else 1)


def row(name: str, figures: tuple[float, ...]) -> str:
    area, alarms, caught, seconds = figures
    return f"| {name} | {area:.4f} | {alarms:.1%} | {caught:.1%} | {seconds:.1f} |"


def from_zip(images: dict[str, Tensor]) -> OwnImages:
    """As it is taken away and brought again."""
    kept = OwnImages.of(torch.cat([each[:KEPT] for each in images.values()]), [name for name in images for _ in range(KEPT)])
    return read_zip(to_zip(kept), from_picture)


def from_draw(images: dict[str, Tensor]) -> OwnImages:
    """As they are kept on Draw, one after the other."""
    kept = nothing()
    for name, drawn in images.items():
        for image in drawn[:KEPT]:
            kept = kept.with_more(image[None], [name])
    return kept


def signs(is_canvas: bool) -> dict[str, Tensor]:
    return {sign: many(sign, KEPT + FRESH, seed, is_canvas) for seed, sign in enumerate(FIVE if is_canvas else SIGNS)}


def hands(folder: Path) -> dict[str, Tensor]:
    """The digits in a folder by the first character of their names, shuffled; what cannot be read is left out."""
    found: dict[str, list[Tensor]] = defaultdict(list)
    for path in sorted(folder.glob("drawn/[0-9]*.png")):
        try:
            found[path.name[0]].append(from_picture(path.read_bytes()))
        except PictureError:
            continue
    random = np.random.default_rng(1)
    return {digit: torch.cat(every)[random.permutation(len(every))] for digit, every in sorted(found.items())}


if __name__ == "__main__":
    main()
