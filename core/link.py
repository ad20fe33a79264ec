"""A detector's settings as the parts of a link, and back; whatever a link holds, only sound settings come of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from core.data.datasets import SOURCES, Source
from core.data.own import is_own
from core.detector import DetectorConfig
from core.errors import UserError
from core.presets import PRESETS, preset
from core.settings import SETTINGS, changed, written

MAX_PART = 100
"""Characters; no sound part of a link is longer."""


class LinkError(UserError, ValueError):
    """A link asks for something that there is not; the sentence says which part."""


def names() -> tuple[str, ...]:
    """Every part's name."""
    return ("data", "normal", "preset", *SETTINGS)


def encode(config: DetectorConfig, name: str) -> dict[str, str]:
    """The parts that say these settings: data set, normal classes, a preset, and what differs from that."""
    usual = preset(name, config.data_set)
    differing = {part: written(row.of(config)) for part, row in SETTINGS.items() if row.of(config) != row.of(usual)}
    return {"data": config.data_set, "normal": written(config.normal_classes), "preset": name, **differing}


def decode(parts: Mapping[str, str], sources: Mapping[str, Source] = SOURCES) -> tuple[str, DetectorConfig]:
    """The preset's name and the settings that these parts say; what is not said is as in the preset “best” for 5.

    sources: the data sets that there are, by name.
    Raises LinkError for a part that is unknown or malformed, SettingError where it asks for the impossible.
    """
    for part, text in parts.items():
        if part not in names():
            raise LinkError("There is no setting “{part}”.", part=part[:30])
        if len(text) > MAX_PART:
            raise LinkError("“{part}” has {count:,} characters.", part=part, count=len(text))
    data_set, name = parts.get("data", "mnist"), parts.get("preset", "best")
    if data_set not in sources and is_own(data_set):
        raise LinkError("It is about drawings that are not here: whoever made them can give them away as a zip.")
    if data_set not in sources:
        raise _unusable("data", data_set)
    if name not in PRESETS:
        raise _unusable("preset", name)
    source = sources[data_set]
    usual = "5" if len(source.class_names) > 5 and not is_own(data_set) else "0"
    config = replace(preset(name, data_set), normal_classes=_normal_classes(source, parts.get("normal", usual)))
    if is_own(data_set):
        config = replace(config, class_names=source.class_names)
    return name, changed(config, {part: _read(part, text) for part, text in parts.items() if part in SETTINGS})


def _unusable(part: str, text: str) -> LinkError:
    return LinkError("“{part}” cannot be “{text}”.", part=part, text=text[:30])


def _normal_classes(source: Source, text: str) -> tuple[int, ...]:
    """At least one class, not every class unless the data set is somebody's own, none twice. Raises LinkError."""
    try:
        classes = tuple(map(int, text.split(",")))
    except ValueError:
        raise _unusable("normal", text) from None
    there = set(range(len(source.class_names)))
    is_all = set(classes) == there and not is_own(source.name)
    if not set(classes) <= there or is_all or len(set(classes)) != len(classes):
        raise _unusable("normal", text)
    return classes


def _read(part: str, text: str) -> Any:
    try:
        return SETTINGS[part].values.parse(text)
    except ValueError:
        raise _unusable(part, text) from None
