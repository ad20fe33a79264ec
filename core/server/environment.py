"""Settings that the environment gives, and the memory that there is where it says nothing of that."""

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

from core.errors import SettingError

MEGABYTE = 2**20
SHARE_OF_MACHINE = 0.75
"""What the server takes of the machine's memory where MEMORY_LIMIT says nothing."""


def whole_number_from_environment(name: str, default: int, least: int = 1, most: int | None = None) -> int:
    """A setting between `least` and `most`, where there is one; raises SettingError for anything else."""
    text = os.environ.get(name) or str(default)
    if text.isdecimal() and least <= int(text) <= (most or math.inf):
        return int(text)
    if most is None:
        raise SettingError(
            "{name} in the environment is a whole number of at least {least}, not “{text}”.",
            name=name,
            least=least,
            text=text[:30],
        )
    raise SettingError(
        "{name} in the environment is a whole number between {least} and {most}, not “{text}”.",
        name=name,
        least=least,
        most=most,
        text=text[:30],
    )


def memory_limit() -> int:
    """Bytes that the server may take: MEMORY_LIMIT, as “2G”, “500M” or bytes, else three quarters of what there is.

    Raises SettingError.
    """
    text = os.environ.get("MEMORY_LIMIT", "").strip()
    if not text:
        return int(SHARE_OF_MACHINE * _memory_there())
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,3})?)\s*([KMGT]?)(?:i?B)?", text, re.ASCII | re.IGNORECASE)
    size = int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " ")) if match else 0
    if size < MEGABYTE:
        raise SettingError(
            "MEMORY_LIMIT in the environment is a size such as 2G or 500M, not “{text}”.",
            text=text[:30],
        )
    return size


def _memory_there() -> int:
    """Bytes of this machine, or of this process's container where that has less."""
    sizes = []
    try:
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):  # Windows
        sizes.append(4096 * MEGABYTE)
    for path in _container_limits(Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")):
        try:
            sizes.append(int(path.read_text()))
        except (OSError, ValueError):  # no such container, or one without a limit (“max”)
            continue
    return min(sizes)


def _container_limits(mount: Path, own: Path) -> Iterator[Path]:
    """Files with the limits of a container and of those around it, version 2 and 1; own: /proc/self/cgroup.

    A container sees itself at the top; a service of systemd sees the whole machine, and itself below.
    """
    try:
        groups = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:  # not Linux
        return
    for _, controllers, path in groups:
        if controllers == "" or "memory" in controllers.split(","):
            top, file = (mount / "memory", "memory.limit_in_bytes") if controllers else (mount, "memory.max")
            here = top / path.strip("/")
            yield from (each / file for each in (here, *here.parents) if each.is_relative_to(top))
