"""How a verdict looks, and how right and wrong look: one sign and one colour for each, on every page, chart and picture.

A verdict is what the detector says; right and wrong compare it with the truth. The two share neither sign nor colour, so
that a missed anomaly is “● Normal” and “✗ missed”, and never a green tick.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sign:
    """name: of its style class and of its custom properties; colour: carries white text; bright: for charts and frames."""

    name: str
    mark: str
    colour: str
    bright: str


NORMAL = Sign("normal", "●", "#0b6e4f", "#17966c")
ANOMALY = Sign("anomaly", "▲", "#b3361b", "#d9542f")
RIGHT = Sign("right", "✓", "#2b62b8", "#4d86dd")
WRONG = Sign("wrong", "✗", "#8f2d86", "#b455ab")


def of_verdict(is_anomaly: bool) -> Sign:
    return ANOMALY if is_anomaly else NORMAL


def of_truth(is_right: bool) -> Sign:
    return RIGHT if is_right else WRONG


def properties() -> str:
    """The rule that gives style sheets the same signs and colours; components inherit it."""
    parts = (
        f'--{sign.name}: {sign.colour}; --{sign.name}-bright: {sign.bright}; --{sign.name}-mark: "{sign.mark}";'
        for sign in (NORMAL, ANOMALY, RIGHT, WRONG)
    )
    return f":root {{ {' '.join(parts)} }}"
