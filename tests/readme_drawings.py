"""How the shipped detector for 5 judges digits drawn on the canvas.

python -m tests.readme_drawings

Every digit, in every way of writing it that strokes.py knows, is drawn 160 times by unsteady hands.
"""

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from core.checkpoint import read
from core.drawing import from_canvas
from core.presets import Shipped
from tests.strokes import WAYS, Stroke, on_canvas, rgba, shaken

BRUSHES = (8, 16, 24, 32, 40)
TIMES = 160


def main() -> None:
    detector = read(Shipped("best", "mnist", 5).path).detector
    print("| brush | AUROC | 5s that are alarms | others caught | the digit missed most |\n|---|---|---|---|---|")
    for brush in BRUSHES:
        random = np.random.default_rng(0)
        scores = {
            digit: detector.decision_function(
                torch.cat([drawn(shaken(ways[turn % len(ways)], random), brush) for turn in range(TIMES)])
            ).numpy()
            for digit, ways in WAYS.items()
        }
        others = np.concatenate([values for digit, values in scores.items() if digit != 5])
        area = roc_auc_score(np.repeat([0, 1], [TIMES, len(others)]), np.concatenate([scores[5], others]))
        caught = {digit: float((values > detector.threshold_).mean()) for digit, values in scores.items()}
        missed = min((digit for digit in WAYS if digit != 5), key=caught.__getitem__)
        rest = float((others > detector.threshold_).mean())
        print(f"| {brush} | {area:.4f} | {caught[5]:.1%} | {rest:.1%} | {missed}: {caught[missed]:.0%} caught |")


def drawn(strokes: list[Stroke], brush: int) -> torch.Tensor:
    image = from_canvas(rgba(on_canvas(strokes), width=brush))
    assert image is not None
    return image


if __name__ == "__main__":
    main()
