"""Checkpoints, links and values of widgets that are allowed or can be sent, and that nobody chooses."""

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np
import torch
from streamlit.proto.WidgetStates_pb2 import WidgetState
from torch import Tensor

from core.checkpoint import Checkpoint, CheckpointError, from_bytes, to_bytes
from core.data.datasets import SOURCES
from core.data.own import MAX_KINDS, MAX_NAME, OwnDataError, kind_name
from core.detector import AutoencoderDetector, DetectorConfig
from core.errors import SettingError
from core.link import names
from core.metrics import Evaluation
from core.model import meta_model, parameter_count
from core.settings import SETTINGS, Choice, LayerSizes, Number, Switch, changed, written
from core.training import EpochLosses

Random = np.random.Generator

ODD_NUMBERS = (
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    5e-324,
    1e-30,
    1e9,
    1e300,
    sys.float_info.max,
    float("nan"),
    float("inf"),
    -float("inf"),
)
ODD_TEXTS = (
    "",
    " ",
    "\x00",
    "\u202eevil",
    "5",
    "0,1,2",
    "-1",
    "1e309",
    "nan",
    "None",
    "best",
    "<script>alert(1)</script>",
    "![a](https://evil.example/a.png)",
    "**b** :red[c] :material/home: $x$ `d`",
    "a\n\n# heading\n",
    "' OR 1=1 --",
    "{score:.3f}",
    "%s%n",
    "../../etc/passwd",
    "٥",
    "五",
    "🌟",
    "e\u0301" * 30,
    "\ud83d".encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
    "x" * 5000,
)
ODD_NAMES = (
    "نجمة",
    "כוכב",
    "星",
    "ดาว",
    "तारा",
    "🌟",
    "👩‍👩‍👧‍👦",
    "e\u0301\u0302\u0303\u0304",
    "\u0301",
    "\u3164",
    "\u2800",
    "ﷺ",
    "𝔖𝔱𝔢𝔯𝔫",
    "0",
    "10",
    "don't",
    "(a)",
    "normal",
    "x" * MAX_NAME,
    "ß",
    "Ǆ",
    "∞",
)


def picked(random: Random, values: Sequence[Any]) -> Any:
    """One of them, as it is; numpy would make it one of its own kinds."""
    return values[int(random.integers(len(values)))]


def text(random: Random) -> str:
    """One of the odd ones, or any signs at all."""
    if random.random() < 0.7:
        return str(picked(random, ODD_TEXTS))
    signs = random.integers(1, sys.maxunicode, int(random.integers(1, 40)))
    return "".join(chr(sign) for sign in signs.tolist() if not 0xD800 <= sign < 0xE000)


def allowed(random: Random, name: str) -> Any:
    """A value that a setting may have, most often one at the end of its range."""
    values = SETTINGS[name].values
    if isinstance(values, Choice):
        return picked(random, list(values.labels))
    if isinstance(values, Switch):
        return picked(random, (values.off, values.on))
    if isinstance(values, LayerSizes):
        sizes = (1, 1, 2, 7, 64, 300, values.most_units)
        return tuple(picked(random, sizes) for _ in range(int(random.integers(values.most_layers + 1))))
    assert isinstance(values, Number)
    if values.is_optional and random.random() < 0.5:
        return None
    if random.random() < 0.6:
        return values.kind(picked(random, (values.least, values.most)))
    between = values.least + (values.most - values.least) * random.random() ** 3
    return values.kind(between)


def settings(random: Random, share: float = 0.4) -> DetectorConfig:
    """Settings that are allowed together, each odd with this probability; few enough parameters for an upload."""
    while True:
        config = DetectorConfig()
        asked = {name: allowed(random, name) for name in SETTINGS if random.random() < share}
        if random.random() < 0.2:
            config = replace(config, class_names=kinds(random), data_set=f"own-{random.bytes(8).hex()}")
        else:
            config = replace(config, data_set=picked(random, list(SOURCES)))
        count = len(config.names)
        most = count if config.class_names else count - 1
        normal = random.permutation(count)[: int(random.integers(1, most + 1))]
        try:
            made = changed(replace(config, normal_classes=tuple(normal.tolist())), asked)
        except SettingError:
            continue
        if parameter_count(meta_model(made.model)) < 1_000_000:
            return made


def kinds(random: Random) -> tuple[str, ...]:
    """Names of kinds that a visitor may give."""
    found: dict[str, None] = {}
    for _ in range(int(random.integers(1, MAX_KINDS + 1))):
        raw = picked(random, ODD_NAMES) if random.random() < 0.7 else text(random)
        try:
            found[kind_name(raw)] = None
        except OwnDataError:
            continue
    return tuple(found) or ("0",)


def numbers(random: Random, like: Tensor) -> Tensor:
    """Weights of this shape: as they are, none, tiny, equal, large, or a few very large ones."""
    way = int(random.integers(8))
    if way < 3:
        return like
    if way == 3:
        return torch.zeros_like(like)
    if way == 4:
        return torch.full_like(like, float(picked(random, (-1.0, 1e-38, 1e-3, 1.0, 1e4))))
    if way == 5:
        return like * float(picked(random, (1e-30, 10.0, 1e3, 1e5)))
    other = like.clone().flatten()
    other[int(random.integers(len(other)))] = float(picked(random, (-1e10, 1e6, 1e10, 1e30)))
    return other.view_as(like) if way == 6 else -like


def scores(random: Random) -> Tensor:
    """Calibration scores: one or many, equal, tiny, huge."""
    count = int(picked(random, (1, 1, 2, 19, 20, 1000, 60_000)))
    way = int(random.integers(5))
    if way == 0:
        return torch.full((count,), float(picked(random, (0.0, 1e-45, 1e-38, 0.1, 1e9))))
    drawn = torch.from_numpy(random.random(count)).float()
    return drawn * float(picked(random, (1e-38, 1e-3, 0.05, 1.0, 1e9))) if way < 4 else drawn.round()


def losses(random: Random) -> tuple[EpochLosses, ...]:
    """Losses of a training as nobody sees them; most often some that a reader accepts."""
    is_sound = random.random() < 0.9
    count = int(picked(random, (0, 1, 2, 10, 200) if is_sound else (1, 200, 201, 20_000)))
    odd = (0.0, 1e-45, 0.1, 1e9) if is_sound else ODD_NUMBERS
    return tuple(EpochLosses(float(picked(random, odd)), float(picked(random, odd))) for _ in range(count))


def figures(random: Random, config: DetectorConfig) -> Evaluation | None:
    """Figures at the ends of what they can be; of some of the classes."""
    if random.random() < 0.3:
        return None
    odd = (0.0, 1e-300, 0.5, 1.0) if random.random() < 0.9 else ODD_NUMBERS
    others = [label for label in range(len(config.names)) if label not in config.normal_classes]
    share = float(picked(random, (0.0, 0.3, 1.0)))
    by_class = {label: float(picked(random, odd)) for label in others if random.random() < share}
    one, two, three, four = (float(picked(random, odd)) for _ in range(4))
    return Evaluation(one, two, by_class, three, four)


MAX_BYTES = 5_000_000
"""Of an upload: a server closes the connection on more."""


def checkpoint(random: Random, refused: float = 0.1) -> bytes:
    """A file that the reader accepts and whose parts are as odd as can be; with this probability one that it may refuse."""
    while True:
        data = unread_checkpoint(random)
        if len(data) > MAX_BYTES:
            continue
        with suppress(CheckpointError):
            if random.random() >= refused:
                from_bytes(data)
            return data


def unread_checkpoint(random: Random) -> bytes:
    """A file whose parts fit together, whatever numbers are in them."""
    config = settings(random)
    detector = AutoencoderDetector(config)
    state = {name: numbers(random, weights) for name, weights in detector.model.state_dict().items()}
    detector.model.load_state_dict(state)
    if config.neighbours:
        rows = int(picked(random, (1, 2, 5, 300)))
        latents = torch.from_numpy(random.random((rows, config.model.latent_dim))).float()
        detector.memory_ = numbers(random, latents)
    if config.score.loop_weight:
        detector.usual_loops_ = torch.tensor(picked(random, ((0.0, 1e-8), (1e9, 1e9), (2.0, 1.0), (0.0, 1e9))))
    detector.set_calibration(scores(random))
    made = Checkpoint(detector, losses(random), figures(random, config))
    return to_bytes(made, picked(random, (torch.float32, torch.float32, torch.float16, torch.float64)))


PAGE_PARTS = {
    "lang": ("en", "de", "fr", "es", "pt", "xx"),
    "hide": ("settings", "network,training,score", "navigation", "detector,upload,language,share,help", "nothing"),
    "view": ("projector", "3d"),
    "step": ("1", "2", "3", "9", "0", "-1", "99", "1.5"),
    "token": ("", "x"),
    "utm_source": ("a",),
    "fbclid": ("a",),
}


def link(random: Random) -> str:
    """The part of an address after the question mark: settings, parts of pages, and what others write there."""
    if random.random() < 0.05:
        return quote(random.bytes(int(random.integers(1, 60))), safe="&=%;+,")
    known = (*names(), *PAGE_PARTS)
    parts = []
    for _ in range(int(random.integers(0, 7))):
        name = str(picked(random, known)) if random.random() < 0.93 else text(random)
        if random.random() < 0.15:
            value = text(random)
        elif name in SETTINGS:
            value = written(allowed(random, name))
        elif name == "normal":
            value = written(tuple(random.permutation(11)[: int(random.integers(1, 10))].tolist()))
        elif name == "data":
            value = str(picked(random, [*SOURCES, "own-0123456789abcdef"]))
        elif name == "preset":
            value = str(picked(random, ("best", "course", "wide", "narrow", "two-units", "convolutional", "denoising")))
        else:
            value = str(picked(random, PAGE_PARTS.get(name, ("1",))))
        parts.append((name, value))
    return urlencode(parts, errors="replace")


VALUE_OF = {
    "button": "trigger_value",
    "download_button": "trigger_value",
    "checkbox": "bool_value",
    "slider": "double_array_value",
    "text_input": "string_value",
    "text_area": "string_value",
    "selectbox": "string_value",
    "multiselect": "string_array_value",
    "radio": "string_value",
    "button_group": "string_array_value",
    "menu_button": "string_trigger_value",
    "pagination": "int_value",
    "plotly_chart": "string_value",
    "arrow_data_frame": "string_value",
    "file_uploader": "file_uploader_state_value",
    "bidi_component": "json_value",
    "tab_container": "string_value",
    "popover": "bool_value",
    "expandable": "bool_value",
}
"""The kind of value that a browser sends for a widget, by the widget's own kind."""


def value(random: Random, kind: str, widget: Any) -> WidgetState:
    """A value for a widget of a page: one that its page offers, most often the last; one beyond; or one of another kind."""
    state = WidgetState(id=widget.id)
    fields = [field.name for field in WidgetState.DESCRIPTOR.fields if field.name not in ("id", "arrow_value", "bytes_value")]
    is_usual, field = random.random() < 0.6, VALUE_OF.get(kind, "")
    if kind == "number_input":
        field = "int_value" if widget.data_type == widget.INT else "double_value"
    if not field or random.random() < 0.12:
        field, is_usual = str(picked(random, fields)), False
    options = [getattr(each, "content", each) for each in getattr(widget, "options", ())]
    if field in ("trigger_value", "bool_value"):
        setattr(state, field, bool(field == "trigger_value" or random.random() < 0.5))
    elif field in ("double_value", "int_value", "double_array_value", "int_array_value"):
        _fill_number(random, state, field, kind, widget, is_usual)
    elif field in ("string_value", "string_array_value", "string_trigger_value"):
        chosen = [str(picked(random, options)) if options and is_usual else text(random) for _ in range(random.integers(0, 4))]
        if field == "string_array_value":
            state.string_array_value.data.extend(chosen)
        elif field == "string_value":
            state.string_value = chosen[0] if chosen else json.dumps(odd_json(random))
        else:
            state.string_trigger_value.data = chosen[0] if chosen else ""
        if not state.WhichOneof("value"):
            getattr(state, field).SetInParent()
    elif field in ("json_value", "json_trigger_value"):
        setattr(state, field, json.dumps(odd_json(random)) if random.random() < 0.9 else text(random))
    else:
        getattr(state, field).SetInParent()
        if field == "file_uploader_state_value" and random.random() < 0.5:
            state.file_uploader_state_value.uploaded_file_info.add(file_id=text(random), name=text(random), size=3)
    return state


def _fill_number(random: Random, state: WidgetState, field: str, kind: str, widget: Any, is_usual: bool) -> None:
    ends = [getattr(widget, "min", 0.0), getattr(widget, "max", getattr(widget, "num_pages", 1.0))]
    count = len(widget.default) if kind == "slider" and is_usual else 1 if "array" not in field else int(random.integers(0, 4))
    beyond = (*ODD_NUMBERS, *(2 * end + 1 for end in ends))
    drawn = [float(picked(random, ends if is_usual else beyond)) for _ in range(count)]
    if "int" in field:
        drawn = [int(min(max(number, -(2**53)), 2**53)) if np.isfinite(number) else 0 for number in drawn]
    if "array" in field:
        getattr(state, field).SetInParent()
        getattr(state, field).data.extend(sorted(drawn) if is_usual else drawn)
    else:
        setattr(state, field, drawn[0])


MESSAGES: dict[str, tuple[str, ...]] = {
    "frame": ("turn", "generation", "is_whole", "seconds", "png"),
    "drawing": ("raw", "data"),
    "move": ("turn", "position"),
    "place": ("turn", "at"),
    "look": ("turn", "frame", "position"),
    "chosen": ("turn", "tile"),
    "open": (),
}
"""What the pages' components send: names, and the parts of each, if it has any."""


def odd_json(random: Random, depth: int = 0) -> Any:
    """A message of a component: the words that ours use, with values that they do not."""
    if depth == 0 and random.random() < 0.8:
        name = picked(random, list(MESSAGES))
        inside = {part: odd_json(random, 2) for part in MESSAGES[name] if random.random() < 0.9}
        if "turn" in inside and random.random() < 0.8:
            inside["turn"] = 1
        return {name: inside if MESSAGES[name] else odd_json(random, 2)}
    way = int(random.integers(6 if depth < 3 else 3))
    if way == 0:
        return text(random)
    if way == 1:
        return picked(random, (*ODD_NUMBERS, 0, 1, -1, 2**70))
    if way == 2:
        return picked(random, (None, True, False))
    if way == 3:
        return [odd_json(random, depth + 1) for _ in range(int(random.integers(4)))]
    return {text(random)[:20]: odd_json(random, depth + 1) for _ in range(int(random.integers(1, 4)))}
