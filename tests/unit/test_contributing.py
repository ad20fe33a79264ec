"""CONTRIBUTING's table of faults names guards that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Faults and their guards")[2].splitlines()
GUARDS = {name for row in ROWS if row.startswith("| ") for name in re.findall(r"`(?!st\.)([\w.]+\.\w+)`", row.split("|")[2])}
SOURCES = [path for folder in ("core", "pages", "deploy") for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("guard", sorted(GUARDS))
def test_a_guard_exists(guard: str) -> None:
    *_, owner, name = guard.split(".")
    # The owner is a module, or a class of whichever module.
    texts = [path.read_text(encoding="utf-8") for path in SOURCES]
    owners = [text for path, text in zip(SOURCES, texts, strict=True) if path.stem == owner]
    owners += [text for text in texts if re.search(rf"^class {owner}\b", text, re.MULTILINE)]
    definition = re.compile(rf"^\s*((async )?def {name}\(|class {name}\b|{name}(: .+)? = |{name}: )", re.MULTILINE)
    assert any(definition.search(text) for text in owners)
