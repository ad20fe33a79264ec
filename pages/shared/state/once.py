"""What is made once for all visitors and lasts as long as the server, unlike Streamlit's caches, which can be cleared."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, ParamSpec, TypeVar

Given = ParamSpec("Given")
Made = TypeVar("Made")


class once(Generic[Given, Made]):
    """Of a function: its first result for the same arguments, for everybody. An exception is not kept.

    Quicker than Streamlit's caches, which take a millisecond to find what they have.
    """

    def __init__(self, make: Callable[Given, Made]) -> None:
        self.__doc__ = make.__doc__
        self._make = make
        self._made: dict[object, Made] = {}
        self._lock = threading.RLock()

    def __call__(self, *args: Given.args, **kwargs: Given.kwargs) -> Made:
        key = args, tuple(kwargs.items())
        with suppress(KeyError):
            return self._made[key]
        with self._lock:
            if key not in self._made:
                self._made[key] = self._make(*args, **kwargs)
            return self._made[key]

    def forget(self) -> None:
        """Make it anew when it is asked for next."""
        with self._lock:
            self._made.clear()
