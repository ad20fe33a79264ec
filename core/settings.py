"""THE table of settings: one row each, from which links, Train's form, and the sweep's options and columns are made.

A setting's default and meaning stand at its field in ModelConfig, TrainConfig, ScoreConfig or DetectorConfig; which values
it can have, and what it is called on screen, stand here. The configs check themselves against this table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from core.errors import N_, SettingError, UserError, require_choice, require_range

Config = TypeVar("Config")


# ---------------------------------------------------------------- which values there are


@dataclass(frozen=True)
class Number:
    """A number between two others, both included.

    step: of its widget. is_optional: None is allowed too. usual: what a slider offers, everything unless given; a value
    beyond is shown all the same.
    """

    kind: type[int] | type[float]
    least: float
    most: float
    step: float | None = None
    usual: tuple[float, float] | None = None
    in_percent: bool = False
    is_optional: bool = False

    def require(self, setting: "Setting", value: object) -> None:
        """Raises SettingError."""
        if self.is_optional and value is None:
            return
        require_range(UserError(setting.label), value, self.kind, self.least, self.most, in_percent=self.in_percent)

    def parse(self, text: str) -> float | None:
        """What `written` wrote; raises ValueError for what is no number; a Choice leaves that to `require`."""
        return None if self.is_optional and not text else self.kind(text)


@dataclass(frozen=True)
class Choice:
    """One of several words; labels: what each is called on screen."""

    labels: Mapping[str, str]

    def require(self, setting: "Setting", value: object) -> None:
        require_choice(setting.place[-1], value, tuple(self.labels))

    def parse(self, text: str) -> str:
        return text


@dataclass(frozen=True)
class Switch:
    """One of two values."""

    off: str | bool
    on: str | bool

    def require(self, setting: "Setting", value: object) -> None:
        require_choice(setting.place[-1], value, (self.off, self.on))

    def parse(self, text: str) -> str | bool:
        for value in (self.off, self.on):
            if written(value) == text:
                return value
        raise ValueError(text)


@dataclass(frozen=True)
class LayerSizes:
    """Units of each of several layers."""

    most_layers: int
    most_units: int

    def require(self, _setting: "Setting", value: tuple[int, ...]) -> None:
        if len(value) > self.most_layers:
            raise SettingError(
                "At most {most} hidden layers are allowed, not {count}.", most=self.most_layers, count=len(value)
            )
        for size in value:
            if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= self.most_units:
                raise SettingError("A layer has between 1 and {most} units, not {size!r}.", most=self.most_units, size=size)

    def parse(self, text: str) -> tuple[int, ...]:
        return tuple(int(number) for number in text.split(",")) if text else ()


def written(value: object) -> str:
    """A setting's value in links and tables."""
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(int(value)) if isinstance(value, bool) else str(value)


# ---------------------------------------------------------------- the table


@dataclass(frozen=True)
class Setting:
    """One row. label and help are English texts that pages translate; term: a word of the glossary, instead of help.

    name: in links and in the sweep. place: where it stands in a DetectorConfig. section: of Train's form, "" for its top.
    widget: in Train's form; “none”: the form does not ask for it. only_for: another setting's name and the value beside
    which this one means something.
    """

    name: str
    place: tuple[str, ...]
    values: Number | Choice | Switch | LayerSizes
    widget: Literal["slider", "number", "buttons", "list", "toggle", "text", "none"]
    section: Literal["", "network", "training", "score"]
    label: str
    help: str = ""
    term: str = ""
    only_for: tuple[str, str] | None = None

    def of(self, config: Any) -> Any:
        """Its value in a DetectorConfig."""
        for field in self.place:
            config = getattr(config, field)
        return config


_ROWS = (
    Setting(
        "architecture",
        ("model", "architecture"),
        Choice({"dense": N_("Dense"), "convolutional": N_("Convolutional")}),
        "buttons",
        "network",
        N_("Architecture"),
    ),
    Setting(
        "hidden",
        ("model", "hidden_sizes"),
        LayerSizes(most_layers=6, most_units=4096),
        "text",
        "network",
        N_("Hidden sizes"),
        help=N_("Units of each layer before the bottleneck, such as 512, 256. The decoder mirrors them."),
        only_for=("architecture", "dense"),
    ),
    Setting(
        "latent", ("model", "latent_dim"), Number(int, 1, 4096), "number", "network", N_("Latent dimension"), term="latent"
    ),
    Setting(
        "activation",
        ("model", "latent_activation"),
        Switch(off="none", on="relu"),
        "toggle",
        "network",
        N_("ReLU in the bottleneck"),
    ),
    Setting(
        "initialisation",
        ("model", "initialisation"),
        Switch(off="torch", on="he"),
        "toggle",
        "network",
        N_("He (Kaiming) initialisation"),
        help=N_("Weights that keep signals the same size from layer to layer: more is learnt in the same time."),
    ),
    Setting("epochs", ("training", "epochs"), Number(int, 1, 200, usual=(1, 50)), "slider", "", N_("Epochs"), term="epoch"),
    Setting("batch", ("training", "batch_size"), Number(int, 1, 4096), "number", "training", N_("Batch size"), term="batch"),
    Setting(
        "rate",
        ("training", "learning_rate"),
        Number(float, 1e-6, 10.0, step=0.0005),
        "number",
        "training",
        N_("Learning rate"),
        term="learning rate",
    ),
    Setting(
        "schedule",
        ("training", "schedule"),
        Switch(off="constant", on="one-cycle"),
        "toggle",
        "training",
        N_("One-cycle learning rate"),
        help=N_("The learning rate rises and falls once over the training, instead of staying the same."),
    ),
    Setting(
        "noise",
        ("training", "noise"),
        Number(float, 0.0, 1.0, step=0.05),
        "slider",
        "training",
        N_("Noise"),
        help=N_("Added to the input only: the network has to clean it up (denoising autoencoder)."),
    ),
    Setting(
        "vary",
        ("training", "vary"),
        Switch(off=False, on=True),
        "toggle",
        "training",
        N_("Vary the images"),
        help=N_("Trains on copies too: turned, moved, stretched, thinner and thicker. For few images; the held-out ones stay."),
    ),
    Setting("seed", ("training", "seed"), Number(int, 0, 2**31 - 1), "number", "training", N_("Seed"), term="seed"),
    Setting(
        "broadcasting",
        ("training", "broadcasting"),
        Switch(off=False, on=True),
        "toggle",
        "training",
        N_("Broadcasting trap"),
        help=N_("The course's mistake: compares every image of a batch with every reconstruction."),
    ),
    Setting(
        "preprocessing",
        ("preprocessing",),
        Choice(
            {
                "none": N_("Images as they are"),
                "deskew": N_("Deskewed"),
                "standard-stroke": N_("Deskewed, strokes of one width"),
            }
        ),
        "list",
        "score",
        N_("Before the network"),
        help=N_("Takes the slant out of every image, or also how thick and how faint the pen was. For digits only."),
    ),
    Setting(
        "smoothing",
        ("score", "smoothing"),
        Number(float, 0.0, 5.0, step=0.1),
        "slider",
        "score",
        N_("Smoothing in pixels"),
        help=N_("Blurs the error map: strokes that are off by a hair then do not count."),
    ),
    Setting(
        "neighbours",
        ("neighbours",),
        Number(int, 0, 100),
        "slider",
        "score",
        N_("Remembered neighbours"),
        help=N_(
            "0: the network redraws freely. Else k-nearest reconstruction: the k training images most alike, redrawn and "
            "averaged."
        ),
    ),
    Setting(
        "turns",
        ("turns",),
        Number(int, 0, 4),
        "slider",
        "score",
        N_("Turns either way"),
        help=N_("Each image is also looked at turned, in steps of 8 degrees, and judged where it is least strange."),
    ),
    Setting(
        "power",
        ("score", "power"),
        Number(float, 1.0, 4.0, step=0.5),
        "slider",
        "score",
        N_("Power of an error"),
        help=N_("2 squares each pixel's error. Higher: a few large errors count more than many small ones."),
    ),
    Setting(
        "ink",
        ("score", "ink_exponent"),
        Number(float, 0.0, 3.0, step=0.1),
        "slider",
        "score",
        N_("Ink exponent"),
        help=N_("Ink-normalised error: the score divided by the image's ink to this power, as more ink has more to get wrong."),
    ),
    Setting(
        "loops",
        ("score", "loop_weight"),
        Number(float, 0.0, 1.0, step=0.02),
        "slider",
        "score",
        N_("Loop weight"),
        help=N_("Raises the score where the ink encloses more or less than in training images: a 6 has a loop, a 5 has none."),
    ),
    Setting(
        "alarms",
        ("false_alarm_rate",),
        Number(float, 0.0001, 0.9999, step=0.005, usual=(0.005, 0.3), in_percent=True),
        "slider",
        "score",
        N_("False-alarm rate in %"),
        term="false-alarm rate",
    ),
    Setting(
        "threshold",
        ("threshold",),
        Number(float, 0.0, 1e9, is_optional=True),
        "none",
        "score",
        N_("Threshold"),
        term="threshold",
    ),
)

SETTINGS: dict[str, Setting] = {row.name: row for row in _ROWS}
"""Every setting by its name, but for data set and normal classes."""


def require_valid(config: object, *part: str) -> None:
    """Check each setting that stands in a DetectorConfig, or in the part of it with this name. Raises SettingError."""
    for setting in SETTINGS.values():
        *inside, field = setting.place
        if tuple(inside) == part:
            setting.values.require(setting, getattr(config, field))


def changed(config: Config, values: Mapping[str, Any]) -> Config:
    """A DetectorConfig with these settings, by name, changed all at once: some are allowed only beside others.

    Raises SettingError.
    """
    parts: dict[str, dict[str, Any]] = {}
    top: dict[str, Any] = {}
    for name, value in values.items():
        *inside, field = SETTINGS[name].place
        (parts.setdefault(inside[0], {}) if inside else top)[field] = value
    top |= {part: replace(getattr(config, part), **fields) for part, fields in parts.items()}
    return replace(config, **top)  # type: ignore[type-var]
