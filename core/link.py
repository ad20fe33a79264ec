"""A detector's settings as the parts of a link, and back; whatever a link holds, only sound settings come of it."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from core.data.datasets import SOURCES
from core.detector import DetectorConfig
from core.errors import UserError
from core.presets import PRESETS, preset

LONGEST_PART = 100
"""Characters; no sound part of a link is longer."""

FIELDS = {
    "architecture": ("model", "architecture"),
    "hidden": ("model", "hidden_sizes"),
    "latent": ("model", "latent_dim"),
    "activation": ("model", "latent_activation"),
    "initialisation": ("model", "initialisation"),
    "epochs": ("training", "epochs"),
    "batch": ("training", "batch_size"),
    "rate": ("training", "learning_rate"),
    "schedule": ("training", "schedule"),
    "noise": ("training", "noise"),
    "seed": ("training", "seed"),
    "broadcasting": ("training", "broadcasting"),
    "smoothing": ("score", "smoothing"),
    "power": ("score", "power"),
    "ink": ("score", "ink_exponent"),
    "loops": ("score", "loop_weight"),
    "preprocessing": ("preprocessing",),
    "neighbours": ("neighbours",),
    "turns": ("turns",),
    "alarms": ("false_alarm_rate",),
}
"""Each part's name, and where its setting stands in a DetectorConfig."""

PARTS = ("data", "normal", "preset", *FIELDS)


class LinkError(UserError, ValueError):
    """A link asks for something that there is not; the sentence says which part."""


def encode(config: DetectorConfig, name: str) -> dict[str, str]:
    """The parts that say these settings: data set, normal classes, a preset, and what differs from that."""
    parts = {"data": config.data_set, "normal": _written(config.normal_classes), "preset": name}
    usual = preset(name, config.data_set)
    for part, place in FIELDS.items():
        value = _at(config, place)
        if value != _at(usual, place):
            parts[part] = _written(value)
    return parts


def decode(parts: Mapping[str, str]) -> tuple[str, DetectorConfig]:
    """The preset's name and the settings that these parts say; what is not said is as in the preset “best” for 5.

    Raises LinkError for a part that is unknown, malformed, or asks for the impossible.
    """
    for part, text in parts.items():
        if part not in PARTS:
            raise LinkError("There is no setting “{part}”.", part=part[:30])
        if len(text) > LONGEST_PART:
            raise LinkError("“{part}” has {count:,} characters.", part=part, count=len(text))
    data_set, name = parts.get("data", "mnist"), parts.get("preset", "best")
    if data_set not in SOURCES:
        raise _unusable("data", data_set)
    if name not in PRESETS:
        raise _unusable("preset", name)
    config = replace(preset(name, data_set), normal_classes=_read("normal", parts.get("normal", "5"), (5,)))
    classes = set(range(len(SOURCES[data_set].class_names)))
    # At least one class, not every class, none twice.
    if not set() < set(config.normal_classes) < classes or len(set(config.normal_classes)) != len(config.normal_classes):
        raise _unusable("normal", parts.get("normal", ""))
    for part, place in FIELDS.items():
        if part in parts:
            config = _with(config, place, _read(part, parts[part], _at(config, place)))
    if not 0.005 <= config.false_alarm_rate <= 0.3:
        raise _unusable("alarms", parts["alarms"])
    return name, config


def _unusable(part: str, text: str) -> LinkError:
    return LinkError("“{part}” cannot be “{text}”.", part=part, text=text[:30])


def _at(config: Any, place: tuple[str, ...]) -> Any:
    for attribute in place:
        config = getattr(config, attribute)
    return config


def _with(config: Any, place: tuple[str, ...], value: Any) -> Any:
    first, *rest = place
    return replace(config, **{first: _with(getattr(config, first), tuple(rest), value) if rest else value})


def _written(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(int(value)) if isinstance(value, bool) else str(value)


def _read(part: str, text: str, like: Any) -> Any:
    """The text as a value of the same type as another; raises LinkError."""
    try:
        if isinstance(like, bool):
            return {"0": False, "1": True}[text]
        if isinstance(like, tuple):
            return tuple(int(number) for number in text.split(",")) if text else ()
        value = type(like)(text)
    except (KeyError, ValueError):
        raise _unusable(part, text) from None
    if isinstance(value, float) and not math.isfinite(value):
        raise _unusable(part, text)
    return value
