"""Which of MNIST's test images the tasks of a class count; docs/class.md quotes it.

python -m tests.readme_tasks            the first 1,500 images, the class's digit 5
"""

import torch

from core.checkpoint import read
from core.experiments.fit import load_or_download
from core.presets import shipped
from core.server.tasks import Judgement, counts

DIGIT, COUNT = 5, 1500


def main() -> None:
    test = load_or_download("mnist").test
    labels = test.labels[:COUNT]
    results = [read(entry.path).detector.infer(test.images[:COUNT]) for entry in shipped("mnist", "best")]
    own = results[DIGIT]
    ratios = torch.stack([result.scores / result.threshold for result in results])  # (10, COUNT)
    best_ratios, best_digits = ratios.min(dim=0)
    judged = [
        Judgement(float(own.scores[n]), own.threshold, float(own.p_values[n]), bool(own.verdicts[n]), digit, ratio)
        for n, (digit, ratio) in enumerate(zip(best_digits.tolist(), best_ratios.tolist(), strict=True))
    ]
    is_own = labels == DIGIT
    print(f"{COUNT:,} images, {int(is_own.sum())} of them are a {DIGIT}")
    for task, says in (("draw", f"the detector for {DIGIT} takes"), ("fool", "Fool it counts"), ("edge", "On the edge counts")):
        counted = torch.tensor([counts(task, DIGIT, each) for each in judged])
        print(f"{says} {int((counted & is_own).sum())} of a {DIGIT} and {int((counted & ~is_own).sum())} others", end="")
        right = counted & ~is_own & (best_digits == labels)
        print(f", {int(right.sum())} of these known best by their own digit's detector")


if __name__ == "__main__":
    main()
