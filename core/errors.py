"""Errors whose message is a sentence for the user, kept apart from its values so that a page can translate it."""

import math
import traceback
from collections.abc import Callable
from functools import partial
from typing import Self

N_ = str
"""Marks a text for translation where it is defined; whoever shows it translates it."""


class UserError(Exception):
    """Base of every error that a page shows.

    template: the English sentence with named fields in braces; values: what fills them, other
    UserErrors included. str() is the English sentence.
    """

    def __init__(self, template: str, **values: object) -> None:
        super().__init__(template, values)
        self.template = template
        self.values = values

    def __str__(self) -> str:
        return self.template.format(**self.values)

    def detached(self) -> Self:
        """The same sentence without what led to it: a traceback keeps all that it passed, such as an unpacked picture."""
        parts = {name: each.detached() if isinstance(each, UserError) else each for name, each in self.values.items()}
        return type(self)(self.template, **parts)

    def __reduce__(self) -> tuple[Callable[[], "UserError"], tuple[()]]:
        """It can travel from one process to another."""
        return partial(type(self), self.template, **self.values), ()


class SettingError(UserError, ValueError):
    """A setting that is malformed or out of range; the sentence says which and what is allowed."""


def is_raised_in(error: Exception, *packages: str) -> bool:
    """Whether these packages raised it: readers of files raise whatever a damaged one makes them stumble over."""
    *_, (frame, _line) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).partition(".")[0] in packages


def megabytes(size: int) -> int:
    """So many bytes in megabytes (2**20 bytes), rounded up: a file that is too large has more than it may have."""
    return math.ceil(size / 2**20)


def require_range(name: UserError, value: object, kind: type, low: float, high: float, in_percent: bool = False) -> None:
    """Raises SettingError unless the value is a finite number of this kind (int or float) in [low, high].

    in_percent: how the error says all three.
    """
    if isinstance(value, (int, kind)) and not isinstance(value, bool):
        if low <= value <= high:  # type: ignore[operator]
            return
        if in_percent:
            value, low, high = (round(each * 100, 9) for each in (value, low, high))  # type: ignore[operator]
    raise SettingError(
        "{name} is between {low:.10g} and {high:.10g}, not {value!r}.", name=name, low=low, high=high, value=value
    )


def require_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    """Raises SettingError unless the value is one of the choices."""
    if value not in choices:
        raise SettingError(
            "There is no {name} {value!r}; choose one of: {choices}.",
            name=name,
            choices=", ".join(map(str, choices)),
            value=value,
        )
