"""What the order of MNIST's training file tells of writers; docs/method.md quotes it for core.detector.SAME_WRITER_NEIGHBOURS.

python -m tests.readme_writers

MNIST's training file goes from writer to writer. Every fifth stretch of 200 images of a digit is set
aside: other writers. Of the rest a fifth, at random, is held out from training and calibrates. Printed
are how many of a held-out digit's ten nearest remembered ones stand within 25 places of it in the
file, and how many of the other writers' digits are alarms when calibration leaves 0 to 5 out.
"""

from dataclasses import replace

import torch

from core.conformal import conformal_threshold
from core.data.datasets import as_images
from core.detector import AutoencoderDetector
from core.experiments.fit import load_or_download
from core.preprocessing import preprocess
from core.presets import preset

STRETCH, PLACES, FOLDS = 200, 25, 3


def main() -> None:
    data = load_or_download("mnist")
    found: list[torch.Tensor] = []
    alarms: dict[int, list[float]] = {number: [] for number in range(6)}
    for digit in range(10):
        images = as_images(data.train_images[data.train_labels == digit])
        place = torch.arange(len(images))
        for fold in range(FOLDS):
            aside = place // STRETCH % 5 == fold
            rest = place[~aside][torch.randperm(int((~aside).sum()), generator=torch.Generator().manual_seed(fold))]
            held_out, train = rest[: len(rest) // 5], rest[len(rest) // 5 :]
            config = preset("best", "mnist")
            config = replace(config, normal_classes=(digit,), training=replace(config.training, seed=fold))
            detector = AutoencoderDetector(config)
            for _ in detector.trainer(images[train], images[held_out]):
                pass
            detector.fit_memory(images[train])
            with torch.inference_mode():
                latents = detector.model.encoder(preprocess(images[held_out], config.preprocessing))
            nearest = torch.cdist(latents, detector.memory_).topk(10, largest=False).indices  # (H, 10)
            found.append(((train[nearest] - held_out[:, None]).abs() <= PLACES).sum(dim=1))
            strangers = detector.decision_function(images[aside])
            for skip_nearest, rates in alarms.items():
                threshold = conformal_threshold(detector.calibration_scores(images[held_out], skip_nearest), 0.05)
                rates.append(float((strangers > threshold).double().mean()))
    counts = torch.cat(found)
    print(
        "within 25 places among the ten nearest: " + ", ".join(f"<= {n}: {(counts <= n).double().mean():.1%}" for n in range(4))
    )
    for skip_nearest, rates in alarms.items():
        print(f"alarms among other writers' digits, {skip_nearest} left out: {sum(rates) / len(rates):.1%}")


if __name__ == "__main__":
    main()
