"""A data set of one's own: images with the names of their kinds, a few of each.

It never changes: with another image it is another one. Its name is made of what it holds, so that whatever is remembered of a
data set by its name is right for this one too.
"""

import hashlib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from core.data.datasets import DataError, DataSet, LabelledImages, Source, as_bytes, as_images
from core.errors import N_
from core.framing import SIDE

MAX_KINDS, MAX_IMAGES = 20, 2000
MAX_NAME = 20
"""Characters of a kind's name."""

PREFIX, OWN_NAME = "own-", "own-[0-9a-f]{16}"
"""With which the names of these data sets begin, and what they look like (a regular expression)."""


TITLE, TITLE_OF_CLASS = N_("My drawings"), N_("Drawings of the class")
"""What a visitor's own is called, and the class's."""


class OwnDataError(DataError):
    """Something cannot become part of a data set of one's own; the message is a sentence for the user."""


def is_own(name: str) -> bool:
    """Whether a data set of this name is somebody's own."""
    return name.startswith(PREFIX)


def kind_name(text: str) -> str:
    """A kind's name as it is shown everywhere: letters, digits, symbols and emoji, in which no markup can hide.

    Raises OwnDataError where nothing is left of it, or it is too long.
    """
    if len(text) > 500:
        raise _too_long()
    harmless = "".join(map(_harmless, unicodedata.normalize("NFC", text))).replace("www.", "www ")
    name = " ".join(harmless.split()).lstrip(".-) ")
    # Markdown takes a plus sign at the beginning for an item of a list; the wide one looks the same.
    if name == "+" or name.startswith("+ "):
        name = f"\N{FULLWIDTH PLUS SIGN}{name[1:]}"
    if not name:
        raise OwnDataError("A kind needs a name, such as “star”: letters, digits or an emoji.")
    if len(name) > MAX_NAME:
        raise _too_long()
    return name


def _too_long() -> OwnDataError:
    return OwnDataError("A kind's name has at most {most} characters.", most=MAX_NAME)


SIGNS = ".()-'+=?!%" + "".join(map(chr, range(0x1F3FB, 0x1F400)))
"""Beside letters, digits and symbols; the last five are the skin tones of emoji."""


def _harmless(sign: str) -> str:
    category = unicodedata.category(sign)
    is_symbol = category == "So" or (category in ("Sm", "Sc") and not sign.isascii())
    return sign if category[0] in "LMN" or is_symbol or sign in SIGNS else " "


@dataclass(frozen=True, eq=False)
class OwnImages:
    """Images of some kinds, in the order in which they came.

    images: bytes (N, 28, 28), white ink on black; labels: int64 (N,), places in kinds; every kind has an image.
    """

    images: Tensor
    labels: Tensor
    kinds: tuple[str, ...]

    @classmethod
    def of(cls, images: Tensor, names: Sequence[str]) -> "OwnImages":
        """From bytes (N, 28, 28) or numbers in [0, 1] (N, 1, 28, 28), and the name of each one's kind. Raises OwnDataError."""
        if len(images) > MAX_IMAGES:
            raise OwnDataError("A data set of one's own has at most {most:,} images.", most=MAX_IMAGES)
        known = {name: kind_name(name) for name in dict.fromkeys(names)}
        kinds = tuple(dict.fromkeys(known.values()))
        if len(kinds) > MAX_KINDS:
            raise OwnDataError(
                "A data set of one's own has at most {most} kinds, not {count}.", most=MAX_KINDS, count=len(kinds)
            )
        places = {kind: place for place, kind in enumerate(kinds)}
        labels = torch.tensor([places[known[name]] for name in names], dtype=torch.int64)
        return cls(as_bytes(images), labels, kinds)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def names(self) -> list[str]:
        """The name of each image's kind."""
        return [self.kinds[label] for label in self.labels.tolist()]

    @property
    def counts(self) -> dict[str, int]:
        """How many images there are of each kind."""
        return dict(zip(self.kinds, torch.bincount(self.labels, minlength=len(self.kinds)).tolist(), strict=True))

    def with_more(self, images: Tensor, names: Sequence[str]) -> "OwnImages":
        """And these. Raises OwnDataError."""
        return self.of(torch.cat([self.images, as_bytes(images)]), [*self.names, *names])

    def without(self, places: Iterable[int]) -> "OwnImages":
        """All but those at these places."""
        gone = set(places)
        kept = [place for place in range(len(self)) if place not in gone]
        return self.of(self.images[kept], [self.names[place] for place in kept])

    @cached_property
    def name(self) -> str:
        """Of the data set: the same for the same images of the same kinds."""
        digest = hashlib.sha256(repr((self.kinds, self.labels.tolist())).encode())
        digest.update(self.images.numpy().tobytes())
        return f"{PREFIX}{digest.hexdigest()[:16]}"

    def source(self, title: str = TITLE) -> Source:
        """As a data set beside the others, by the name of what it holds."""
        return Source(self.name, title, self.kinds, read=lambda _directory: self.data_set)

    @cached_property
    def data_set(self) -> DataSet:
        """One pile: which of its images are for testing depends on what is normal (core.data.split.plan_split)."""
        every = LabelledImages(as_images(self.images), self.labels, self.name)
        return DataSet(self.name, self.images, self.labels, every, has_no_test_file=True)


def nothing() -> OwnImages:
    """No images yet."""
    return OwnImages(torch.empty(0, SIDE, SIDE, dtype=torch.uint8), torch.empty(0, dtype=torch.int64), ())
