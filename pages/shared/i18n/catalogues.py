"""Keeps the catalogues in pages/locales in step with the texts in the code.

python -m pages.shared.i18n.catalogues      takes in new texts, with empty translations, and drops those that are gone
"""

import ast
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

import core
from core.errors import UserError
from pages.shared.i18n.text import LANGUAGES, catalogue_path

ROOT = Path(__file__).parents[3]


def error_names(kind: type[UserError] = UserError) -> set[str]:
    """Names of every error whose first argument is a text for the user."""
    return {kind.__name__}.union(*(error_names(below) for below in kind.__subclasses__()))


def texts() -> Catalog:
    """Every text in the code that a person can read on screen.

    Babel's own extraction does not look into f-strings; Python's parser does.
    """
    for module in walk_packages(core.__path__, "core."):
        with suppress(ImportError):  # Dask need not be there; it brings no errors of its own
            import_module(module.name)
    one_text = {"_", "N_"} | error_names()
    catalogue = Catalog(charset="utf-8")
    for path in (ROOT / "app.py", *sorted((ROOT / "core").rglob("*.py")), *sorted((ROOT / "pages").rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            wanted = 2 if node.func.id == "ngettext" else int(node.func.id in one_text)
            found = [argument.value for argument in node.args[:wanted] if isinstance(argument, ast.Constant)]
            if found:
                message = tuple(map(str, found)) if wanted == 2 else str(found[0])
                catalogue.add(message, locations=[(str(path.relative_to(ROOT)), 0)])
    return catalogue


def read(code: str) -> Catalog:
    """The catalogue of a language as it stands; empty for a new one."""
    if not catalogue_path(code).exists():
        return Catalog(locale=code, project="See the anomaly", charset="utf-8", fuzzy=False)
    with catalogue_path(code).open("rb") as file:
        return read_po(file, locale=code)


def main() -> None:
    wanted = texts()
    for code in sorted(LANGUAGES.keys() - {"en"}):
        catalogue = read(code)
        catalogue.update(wanted, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        catalogue_path(code).parent.mkdir(parents=True, exist_ok=True)
        with catalogue_path(code).open("wb") as file:
            write_po(file, catalogue, width=120, include_lineno=False)
        missing = sum(not message.string or not all(message.string) for message in catalogue if message.id)
        print(f"{LANGUAGES[code]}: {len(catalogue)} texts, {missing} without translation")


if __name__ == "__main__":
    main()
