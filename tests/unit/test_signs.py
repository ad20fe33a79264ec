"""The verdict has one sign and one colour, right and wrong have others, and both are written down once."""

from pathlib import Path

import pytest

from pages.shared.html import signs, verdicts

PAGES = Path(__file__).parent.parent.parent / "pages"
SOURCES = [path for kind in ("py", "css", "js") for path in PAGES.rglob(f"*.{kind}") if path.name != "signs.py"]
ALL = (signs.NORMAL, signs.ANOMALY, signs.RIGHT, signs.WRONG)


def test_no_two_share_a_mark_or_a_colour() -> None:
    for looks in ([sign.mark for sign in ALL], [shade for sign in ALL for shade in (sign.colour, sign.bright)]):
        assert len(set(looks)) == len(looks)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PAGES)))
def test_colours_and_ticks_stand_in_one_place(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    once = [shade for sign in ALL for shade in (sign.colour, sign.bright)] + ["✓", "✔", "✕", "✗", "st.success("]
    once += [f":material/{name}:" for name in ("check", "star", "lightbulb", "done", "task_alt", "cancel")]
    assert [look for look in once if look in text] == []


@pytest.mark.parametrize(
    ("is_normal", "is_alarm", "mark", "word"),
    [
        (True, False, "✓", "passed"),
        (True, True, "✗", "false alarm"),
        (False, False, "✗", "missed"),
        (False, True, "✓", "caught"),
    ],
)
def test_an_outcome_has_the_sign_of_truth_and_the_badge_that_of_the_verdict(
    is_normal: bool, is_alarm: bool, mark: str, word: str
) -> None:
    assert f"{mark} {word}" in verdicts.outcome(is_normal, is_alarm)
    badge = verdicts.badge(is_alarm)
    assert ("▲" if is_alarm else "●") in badge
    assert not {"✓", "✗"} & set(badge)


def white_on(colour: str) -> float:
    """Contrast of white text on a colour (WCAG 2.2)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


@pytest.mark.parametrize("sign", ALL, ids=lambda sign: sign.name)
def test_white_text_can_be_read_on_every_colour(sign: signs.Sign) -> None:
    assert white_on(sign.colour) > 4.5
