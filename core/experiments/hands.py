"""Shipped detectors before a folder of people's digits: each picture's scores, and what they amount to.

python -m core.experiments.hands FOLDER --json FILE
python -m core.experiments.hands FOLDER --preset course

The label of a picture is the first character of its name. Pictures are grouped by the folder they lie in.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from core.drawing import PictureError, from_picture
from core.ensemble import Ensemble
from core.errors import UserError
from core.experiments import markdown, options
from core.presets import read, shipped
from core.scoring import score_ratio


@dataclass(frozen=True)
class Row:
    """What ten detectors say of one picture.

    file: path below the folder. scores, thresholds: by the detector's digit; a score above the
    threshold is an anomaly. error: why the picture could not be read, else empty; there are no
    scores then.
    """

    file: str
    label: int
    scores: dict[str, float] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    error: str = ""

    @property
    def is_own_strange(self) -> bool:
        """Whether the detector of the very digit calls it an anomaly."""
        own = str(self.label)
        return self.scores[own] > self.thresholds[own]

    @property
    def best(self) -> int:
        """The digit whose detector finds it least strange."""
        return int(min(self.scores, key=lambda digit: score_ratio(self.scores[digit], self.thresholds[digit])))


def pictures(folder: Path) -> list[Path]:
    """Files at any depth whose names begin with a digit, sorted."""
    return sorted(path for path in folder.rglob("[0-9]*") if path.is_file())


def judge(folder: Path, digits: Sequence[str], ensemble: Ensemble) -> Iterator[Row]:
    """One row a picture; digits names the detectors in their order."""
    for path in pictures(folder):
        file, label = path.relative_to(folder).as_posix(), int(path.name[0])
        try:
            results = ensemble.infer(from_picture(path.read_bytes()))
        except PictureError as error:
            yield Row(file, label, error=str(error))
            continue
        except OSError as error:
            yield Row(file, label, error=f"The file cannot be read: {error.strerror or error}.")
            continue
        scores = {digit: float(result.scores[0]) for digit, result in zip(digits, results, strict=True)}
        thresholds = {digit: result.threshold for digit, result in zip(digits, results, strict=True)}
        yield Row(file, label, scores, thresholds)


def mean_auroc(rows: Sequence[Row]) -> float:
    """Mean over detectors of the AUROC of their own digits against all others; NaN where no digit has both."""
    labels = np.array([row.label for row in rows])
    areas = []
    for digit in rows[0].scores if rows else ():
        is_anomaly = labels != int(digit)
        if is_anomaly.any() and not is_anomaly.all():
            areas.append(float(roc_auc_score(is_anomaly, [row.scores[digit] for row in rows])))
    return float(np.mean(areas)) if areas else float("nan")


def _share(answers: Sequence[bool]) -> str:
    return f"{np.mean(answers):.1%}" if answers else ""


def table(rows: Sequence[Row]) -> str:
    """One line a folder."""
    head = ["folder", "pictures", "mean AUROC", "own digit called strange", "without 1s", "best of ten right"]
    head += ["6s that pass for a 5", "unreadable"]
    lines = []
    by_folder: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_folder[Path(row.file).parent.as_posix()].append(row)
    for folder, every in by_folder.items():
        judged = [row for row in every if not row.error]
        cells = [folder, str(len(every)), f"{mean_auroc(judged):.4f}"]
        cells.append(_share([row.is_own_strange for row in judged]))
        cells.append(_share([row.is_own_strange for row in judged if row.label != 1]))
        cells.append(_share([row.best == row.label for row in judged]))
        cells.append(_share([row.scores["5"] <= row.thresholds["5"] for row in judged if row.label == 6]))
        cells.append(str(len(every) - len(judged)))
        lines.append(cells)
    return markdown.table(head, lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    options.add_settings(parser, single=["data", "preset"], data=["mnist"], preset=["best"])
    parser.add_argument("--json", type=options.file_to_write, help="write one object a picture to this file")
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        parser.error(f"{arguments.folder} is not a folder.")
    try:
        (preset, config), *_ = options.combinations(options.axes(arguments))
        made = shipped(config.data_set, preset)
        if len(made) < len(config.names):
            parser.error(f"The preset {preset} does not ship with a detector of each digit of {config.data_set}.")
        ensemble = Ensemble([read(each).detector for each in made])
    except UserError as error:
        raise SystemExit(str(error)) from None
    rows = list(judge(arguments.folder, [str(each.normal_class) for each in made], ensemble))
    if arguments.json:
        options.write_json(arguments.json, [asdict(row) for row in rows])
    print(table(rows))


if __name__ == "__main__":
    main()
