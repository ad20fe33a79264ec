"""Core, imported from an installed app by others; the wheel holds this file as see_the_anomaly/app/__init__.py.

Core's modules call each other `core`, as they lie in the repository; others may have a `core` of their own. So whoever imports
see_the_anomaly.app.core gets modules of that name, for which alone `core` means it; pickles find them by it again.
"""

import builtins
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

CORE = f"{__name__}.core"


def import_for_core(
    name: str,
    of: Mapping[str, Any] | None = None,
    local: Mapping[str, Any] | None = None,
    wanted: Sequence[str] | None = (),
    level: int = 0,
) -> ModuleType:
    """Python's `__import__` for core's modules, which import each other by `from core.… import …` only."""
    if level == 0 and name.partition(".")[0] == "core":
        name = f"{__name__}.{name}"
    return builtins.__import__(name, of, local, wanted or (), level)


class Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        # CPython looks for __import__ here before anything else of the module runs.
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": import_for_core}
        super().exec_module(module)


class Finder(MetaPathFinder):
    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != CORE and not name.startswith(f"{CORE}."):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec and spec.origin and isinstance(spec.loader, SourceFileLoader):
            spec.loader = Loader(name, spec.origin)
        return spec


sys.meta_path.insert(0, Finder())
