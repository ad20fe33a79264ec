"""Settings on the command line: every part of a link is an option that takes the same values, and several of them.

a-b is all whole numbers from a to b. The options that all commands share are --data, --normal, --preset and --seed.
"""

import argparse
import errno
import itertools
import json
import math
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from core import link
from core.data.datasets import SOURCES
from core.detector import DetectorConfig
from core.files import write_whole
from core.presets import PRESETS, Shipped, shipped
from core.settings import SETTINGS

HELP = {
    "data": f"data set: {', '.join(SOURCES)}",
    "normal": "normal classes: 5; 0-9 for one detector each; 0,2,4 for one whose normal class is a set",
    "preset": f"named settings: {', '.join(PRESETS)}",
    "seed": "a whole number",
}


def add_settings(
    parser: argparse.ArgumentParser, several: Sequence[str] = (), single: Sequence[str] = (), **usual: Sequence[str]
) -> None:
    """Options of these names, with several values or a single one each; usual: the values where an option is not given."""
    for name in (*several, *single):
        row = SETTINGS.get(name)
        about = HELP.get(name) or (row.label.replace("%", "%%") if row else None)
        parser.add_argument(
            f"--{name}",
            nargs="+" if name in several else 1,
            type=str if name in several else one_alone,
            metavar=name.upper(),
            default=usual.get(name),
            help=f"{about}; 1-5 for five of them" if name == "seed" and name in several else about,
        )


def add_older_name(parser: argparse.ArgumentParser, older: str, name: str) -> None:
    """Another option for the one value of a setting; for normal classes with commas between several, and + inside a set."""
    kind = one_each if name == "normal" else lambda text: [text]
    parser.add_argument(older, dest=name, type=kind, default=argparse.SUPPRESS, help=f"the older name of --{name}")


def one_alone(text: str) -> str:
    """The text of an option that takes a single value."""
    if len(_expanded(text)) > 1:
        raise argparse.ArgumentTypeError(f"takes one value, not all of {text}.")
    return text


def at_least_one(text: str) -> int:
    """A number of things, of an option."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"is a whole number from 1 on, not “{text}”.")
    return int(text)


def share(text: str) -> float:
    """A number between 0 and 1, of an option."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"is a number between 0 and 1, not “{text}”.")
    return value


def file_to_write(text: str) -> Path:
    """A file that an option names. That it cannot be written is told before hours of work; its folder is made."""
    path = Path(text)
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path.parent):
                pass
        elif not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text} cannot be written: {error.strerror or error}.") from None
    return path


def write_json(path: Path, rows: Sequence[object]) -> None:
    """Write one object a row to a file that `file_to_write` has let pass: whole, or not at all. Raises OSError.

    What is no file of a folder, such as /dev/stdout or a link, is written to as it is.
    """
    text = json.dumps(rows, indent=1)
    if path.exists() and (path.is_symlink() or not path.is_file()):
        path.write_text(text)
        return
    try:
        write_whole(path, text.encode())
    except OSError:  # a file that may be written lies in a folder that may not, or is mounted by itself
        if not path.exists():
            raise
        path.write_text(text)


def one_each(text: str) -> list[str]:
    """“0+1,3,7-9” as the values 0,1 and 3 and 7-9."""
    return [part.replace("+", ",") for part in text.split(",")]


def axes(arguments: argparse.Namespace) -> dict[str, list[str]]:
    """The values of every setting that has some."""
    return {name: values for name in link.names() if (values := getattr(arguments, name, None))}


def combinations(values: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, DetectorConfig]]:
    """Every combination of values: the preset's name and the settings. Raises LinkError, SettingError."""
    each = [[value for text in texts for value in _expanded(text)] for texts in values.values()]
    for combination in itertools.product(*each):
        yield link.decode(dict(zip(values, combination, strict=True)))


def shipped_of(parser: argparse.ArgumentParser, values: Mapping[str, Sequence[str]]) -> dict[str, list[Shipped]]:
    """The shipped detectors of every combination of values, by preset; ends the program where a preset has none of them."""
    found: dict[str, list[Shipped]] = {}
    for name, config in combinations(values):
        every = found.setdefault(name, [])
        every += [made for made in shipped(config.data_set, name) if (made.normal_class,) == config.normal_classes]
    for name, every in found.items():
        if not every:
            parser.error(f"No detector ships with the preset {name} for these normal classes.")
    return found


def _expanded(text: str) -> list[str]:
    """“0-9” as its ten numbers; anything else as it is."""
    if not re.fullmatch(r"\d{1,9}-\d{1,9}", text):
        return [text]
    first, last = map(int, text.split("-"))
    return [str(number) for number in range(first, last + 1)] or [text]
