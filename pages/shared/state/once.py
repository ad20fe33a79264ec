"""What is made once for all visitors and lasts as long as the server, unlike Streamlit's caches, which can be cleared."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Made = TypeVar("Made")


class once(Generic[Made]):
    """Of a function without arguments: its first result, for everybody. An exception is not kept."""

    def __init__(self, make: Callable[[], Made]) -> None:
        self.__doc__ = make.__doc__
        self._make = make
        self._made: list[Made] = []
        self._lock = threading.RLock()

    def __call__(self) -> Made:
        if not self._made:
            with self._lock:
                if not self._made:
                    self._made.append(self._make())
        return self._made[0]

    def forget(self) -> None:
        """Make it anew when it is asked for next."""
        self._made.clear()
