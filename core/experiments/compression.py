"""How small can the bottleneck be? The course's network at seven sizes, measured on the same images.

    python -m core.experiments.compression     trains them and writes checkpoints/compression.safetensors

Digit 5, MNIST and seed 1337 unless said otherwise, every other setting the course's; the bottleneck has no
ReLU, which would leave so few numbers half dead. The file holds figures and pictures, no networks.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from core.data.datasets import DataSet, as_bytes
from core.data.download import load_or_download
from core.detector import DetectorConfig
from core.errors import UserError
from core.experiments import markdown, options
from core.experiments.fit import fit
from core.files import write_whole
from core.model import PIXELS
from core.presets import CHECKPOINTS, COURSE
from core.training import mean_squared_error

PATH = CHECKPOINTS / "compression.safetensors"
SIZES = (2, 4, 8, 16, 32, 64, 128)
TENSORS = ("images", "labels", "reconstructions")
SHOWN_CLASSES = (5, 5, 5, 5, 3, 6, 8, 0, 7, 1)
"""Which ten test images are kept: for each entry the next image of its class."""


@dataclass(frozen=True)
class Measured:
    """One network. error: mean squared error on the normal test images; validation: on the held-out training images."""

    latent_dim: int
    error: float
    validation: float
    auroc: float

    @property
    def bytes(self) -> int:
        """What one image takes as latent numbers in float32."""
        return 4 * self.latent_dim


@dataclass(frozen=True)
class Compression:
    """Figures by size, and ten test images at every size.

    images: uint8 (10, 28, 28); labels: int64 (10,); reconstructions: uint8 (sizes, 10, 28, 28).
    """

    measured: tuple[Measured, ...]
    images: Tensor
    labels: Tensor
    reconstructions: Tensor


def shown_images(labels: Tensor, classes: Sequence[int] = SHOWN_CLASSES) -> Tensor:
    """Indices of the test images that are kept, one for each entry of classes."""
    seen: dict[int, int] = {}
    chosen = []
    for label in classes:
        number = seen[label] = seen.get(label, -1) + 1
        chosen.append((labels == label).nonzero()[number, 0])
    return torch.stack(chosen)


def measure(data: DataSet, course: DetectorConfig = COURSE, sizes: Sequence[int] = SIZES) -> Compression:
    """Train one network for each size and look at the test set."""
    test = data.test
    shown = shown_images(test.labels)
    normal = test.images[torch.isin(test.labels, torch.tensor(course.normal_classes))]
    measured, pictures = [], []
    for size in sizes:
        network = replace(course.model, latent_dim=size, latent_activation="none")
        made = fit(replace(course, data_set=data.name, model=network), data)
        assert made.evaluation is not None
        error = mean_squared_error(normal, made.detector.reconstruct(normal)).item()
        measured.append(Measured(size, error, made.losses[-1].validation, made.evaluation.auroc))
        pictures.append(as_bytes(made.detector.reconstruct(test.images[shown])))
    return Compression(tuple(measured), as_bytes(test.images[shown]), test.labels[shown], torch.stack(pictures))


def write(compression: Compression, path: Path = PATH) -> None:
    tensors = {name: getattr(compression, name) for name in TENSORS}
    write_whole(path, save(tensors, {"measured": json.dumps([asdict(entry) for entry in compression.measured])}))


@cache
def read(path: Path = PATH) -> Compression:
    with safe_open(path, framework="pt") as file:
        measured = tuple(Measured(**entry) for entry in json.loads(file.metadata()["measured"]))
        return Compression(measured, **{name: file.get_tensor(name) for name in TENSORS})


def table(compression: Compression) -> str:
    """One line a size, as in docs/method.md."""
    head = ["units", "bytes", "of the image's bytes", "error on 5s", "validation loss", "AUROC"]
    return markdown.table(head, map(_cells, compression.measured))


def _cells(each: Measured) -> list[object]:
    numbers = (each.error, each.validation, each.auroc)
    return [each.latent_dim, each.bytes, f"{each.bytes / PIXELS:.0%}", *(f"{number:.4f}" for number in numbers)]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m core.experiments.compression", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_settings(parser, single=["data", "seed"], data=["mnist"], seed=["1337"])
    parser.add_argument(
        "--file", type=options.file_to_write, default=PATH, help="where the figures go, unless into the file that Latent reads"
    )
    asked = parser.parse_args(arguments)
    try:
        ((_, course),) = options.combinations({"preset": ["course"]} | options.axes(asked))
        compression = measure(load_or_download(course.data_set), course)
    except UserError as error:
        raise SystemExit(str(error)) from None
    write(compression, asked.file)
    print(table(compression))


if __name__ == "__main__":
    main()
