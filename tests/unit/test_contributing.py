"""CONTRIBUTING's table of faults names guards and tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Faults and their guards")[2].splitlines()
GUARDS = {name for row in ROWS if row.startswith("| ") for name in re.findall(r"`(?!st\.)([\w.]+\.\w+)`", row.split("|")[2])}
TESTS = {
    (cell.partition("`: ")[0].strip(" `"), name)
    for row in ROWS
    if row.startswith("| ")
    for cell in row.split("|")[3].split(";")
    if re.match(r" ?`[\w/]*test_\w+`", cell)
    for name in re.findall(r"`(\w+)`", cell.partition("`: ")[2]) or [""]
}
"""Files under tests/, and parts of names of tests in them; none where the whole file is meant."""
SOURCES = [path for folder in ("core", "pages", "deploy") for path in sorted((ROOT / folder).rglob("*.py"))]


def test_the_table_is_found() -> None:
    assert len(GUARDS) > 50
    assert len(TESTS) > 50


@pytest.mark.parametrize(("file", "name"), sorted(TESTS))
def test_a_test_exists(file: str, name: str) -> None:
    path = ROOT / "tests" / (file if "/" in file else f"unit/{file}")
    assert re.search(rf"def (?=test_)\w*{name}\w*\(", path.with_suffix(".py").read_text(encoding="utf-8"))


@pytest.mark.parametrize("guard", sorted(GUARDS))
def test_a_guard_exists(guard: str) -> None:
    *_, owner, name = guard.split(".")
    # The owner is a module, or a class of whichever module.
    texts = [path.read_text(encoding="utf-8") for path in SOURCES]
    owners = [text for path, text in zip(SOURCES, texts, strict=True) if path.stem == owner]
    owners += [text for text in texts if re.search(rf"^class {owner}\b", text, re.MULTILINE)]
    definition = re.compile(rf"^\s*((async )?def {name}\(|class {name}\b|{name}(: .+)? = |{name}: )", re.MULTILINE)
    assert any(definition.search(text) for text in owners)
