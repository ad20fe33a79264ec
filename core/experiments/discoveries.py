"""The false discoveries that Benjamini and Hochberg's rule really makes, over many splits of the normal images.

python -m core.experiments.discoveries              both shipped detectors of every digit
python -m core.experiments.discoveries --preset best --splits 100

The normal test images of a digit are split by chance into calibration and test; the anomalies beside them are drawn too. With
conformal p-values the expected share of false alarms is at most the wanted one times the share of normal images
(Bates et al. 2023).
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.conformal import at_least_as_high, benjamini_hochberg, p_value
from core.data.datasets import LabelledImages
from core.data.download import load_or_download
from core.errors import UserError
from core.experiments import markdown, options
from core.presets import Shipped, read


@dataclass(frozen=True)
class Realised:
    """Over splits: shares of alarms that are false (S,), shares of anomalies caught (S,). normal: share of what was tested."""

    false_shares: Tensor
    caught: Tensor
    normal: float

    @property
    def mean(self) -> float:
        return float(self.false_shares.mean())

    @property
    def error(self) -> float:
        """Standard error of the mean."""
        return float(self.false_shares.std() / len(self.false_shares) ** 0.5) if len(self.false_shares) > 1 else math.inf


def realised(scores: Tensor, is_normal: Tensor, share: float, anomalies: float, splits: int, seed: int = 0) -> Realised:
    """Alarms at the wanted share of false ones among images with scores (N,).

    Half of the normal images calibrate; the other half is tested together with so many anomalies that they are the given
    share of what is tested, or with all that there are.
    """
    random = torch.Generator().manual_seed(seed)
    normal, strange = scores[is_normal], scores[~is_normal]
    half = len(normal) // 2
    wanted = min(len(strange), drawn_beside(len(normal) - half, anomalies))
    false_shares, caught = [], []
    for _ in range(splits):
        order = normal[torch.randperm(len(normal), generator=random)]
        drawn = strange[torch.randperm(len(strange), generator=random)[:wanted]]
        calibration, tested = order[:half].sort().values, torch.cat([order[half:], drawn])
        is_alarm = benjamini_hochberg(p_value(at_least_as_high(calibration, tested), half), share)
        false_alarms = int(is_alarm[: len(normal) - half].sum())
        false_shares.append(false_alarms / max(int(is_alarm.sum()), 1))
        caught.append(int(is_alarm[len(normal) - half :].sum()) / wanted)
    tested_normal = (len(normal) - half) / (len(normal) - half + wanted)
    return Realised(torch.tensor(false_shares, dtype=torch.float64), torch.tensor(caught, dtype=torch.float64), tested_normal)


def drawn_beside(normal: int, anomalies: float) -> int:
    """How many anomalies are this share of what is tested together with so many normal images; one at least."""
    return max(1, round(normal * anomalies / (1 - anomalies)))


def rows(made: Sequence[Shipped], test: LabelledImages, share: float, anomalies: float, splits: int) -> dict[int, Realised]:
    """Shipped detectors, by their digits."""
    found = {}
    for entry in made:
        is_normal = test.labels == entry.normal_class
        normal, strange = is_normal.nonzero().flatten(), (~is_normal).nonzero().flatten()
        # Few anomalies are drawn at a time; every ninth of them is mostly more than enough.
        step = min(9, max(1, len(strange) // drawn_beside(len(normal) - len(normal) // 2, anomalies)))
        chosen = torch.cat([normal, strange[::step]])
        scores = read(entry).detector.decision_function(test.images[chosen])
        found[entry.normal_class] = realised(scores, is_normal[chosen], share, anomalies, splits)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m core.experiments.discoveries",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_settings(parser, several=["normal", "preset"], normal=["0-9"], preset=["best", "course"])
    parser.add_argument("--share", type=options.share, default=0.05, help="of the alarms at most so many shall be false")
    parser.add_argument("--anomalies", type=options.share, default=0.2, help="share of the tested images that are anomalies")
    parser.add_argument("--splits", type=options.at_least_one, default=20)
    asked = parser.parse_args(arguments)
    try:
        wanted = options.shipped_of(parser, options.axes(asked))
        test = load_or_download("mnist").test
        print(markdown.beginning(["detector", *map(str, range(10)), "mean", "bound", "anomalies caught"]))
        for preset, made in wanted.items():
            found = rows(made, test, asked.share, asked.anomalies, asked.splits)
            every = list(found.values())
            cells = [f"{found[digit].mean:.1%} ± {found[digit].error:.1%}" if digit in found else "" for digit in range(10)]
            mean, error = np.mean([each.mean for each in every]), np.hypot.reduce([each.error for each in every]) / len(every)
            bound = asked.share * np.mean([each.normal for each in every])
            caught = np.mean([float(each.caught.mean()) for each in every])
            print(markdown.row([preset, *cells, f"{mean:.1%} ± {error:.1%}", f"{bound:.1%}", f"{caught:.1%}"]), flush=True)
    except UserError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
