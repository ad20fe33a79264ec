"""Settings that the environment gives."""

import os

from core.errors import SettingError


def whole_number_from_environment(name: str, default: int, least: int = 1) -> int:
    """A setting of at least `least`; raises SettingError for anything else."""
    text = os.environ.get(name) or str(default)
    if not text.isdecimal() or int(text) < least:
        raise SettingError(
            "{name} in the environment is a whole number of at least {least}, not “{text}”.",
            name=name,
            least=least,
            text=text[:30],
        )
    return int(text)
