"""Keeps the catalogues in pages/locales in step with the texts in the code.

python -m pages.shared.catalogues      takes in new texts, with empty translations, and drops those that are gone
"""

from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

import pages.shared.session  # noqa: F401  so that every kind of Sentence is known
from core import sentences
from pages.shared.text import LANGUAGES, catalogue_path

ROOT = Path(__file__).parent.parent.parent
KEYWORDS: dict[str, tuple[int, ...] | None] = {"_": None, "N_": None, "ngettext": (1, 2)}


def sentence_names(kind: type[sentences.Sentence] = sentences.Sentence) -> set[str]:
    """Names of every error whose first argument is a text for the user."""
    return {kind.__name__}.union(*(sentence_names(below) for below in kind.__subclasses__()))


def texts() -> Catalog:
    """Every text in the code that a person can read on screen."""
    catalogue = Catalog(charset="utf-8")
    keywords = KEYWORDS | dict.fromkeys(sentence_names())
    for path in (ROOT / "app.py", *sorted((ROOT / "core").rglob("*.py")), *sorted((ROOT / "pages").rglob("*.py"))):
        for _line, message, _comments, _context in extract_from_file("python", path, keywords=keywords):
            catalogue.add(message, locations=[(str(path.relative_to(ROOT)), 0)])
    return catalogue


def read(code: str) -> Catalog:
    """The catalogue of a language as it stands."""
    with catalogue_path(code).open("rb") as file:
        return read_po(file, locale=code)


def main() -> None:
    wanted = texts()
    for code in LANGUAGES:
        if code == "en":
            continue
        path = catalogue_path(code)
        path.parent.mkdir(parents=True, exist_ok=True)
        catalogue = read(code) if path.exists() else Catalog(locale=code, charset="utf-8", project="See the anomaly")
        catalogue.update(wanted, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        with path.open("wb") as file:
            write_po(file, catalogue, width=120, include_lineno=False, sort_output=False)
        missing = sum(1 for message in catalogue if message.id and not message.string)
        print(f"{path}: {len(catalogue)} texts, {missing} without translation")


if __name__ == "__main__":
    main()
