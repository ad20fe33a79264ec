"""The arrows of the house (docs/architecture.md): who may import whom, read from the sources."""

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PREFIXES = ("core", "pages", "deploy", "app")

ALLOWED = {
    "core.errors": set[str](),
    "core.data": {"core.errors", "core.framing"},
    "core.photos": {"core.errors", "core.framing"},
    "core": {"core.errors", "core.data", "core.photos"},
    "core.jobs": {"core", "core.errors", "core.data", "core.server"},
    "core.server": {"core", "core.errors"},
    "core.experiments": {"core", "core.errors", "core.data", "core.jobs", "core.jobs.dask"},
    "core.jobs.dask": {"core", "core.errors", "core.data", "core.jobs"},
    "pages.shared": {"core", "core.errors", "core.data", "core.photos", "core.jobs", "core.jobs.dask", "core.server"}
    | {"core.experiments"},
    "pages": {"pages.shared", "core", "core.errors", "core.data", "core.photos", "core.jobs", "core.server"}
    | {"core.experiments"},
    "deploy": {"app", "pages.shared", "core", "core.errors", "core.server"},
    "app": {"deploy", "pages.shared"},
}
"""What the modules below a name may import beside each other; the longest name that fits a module counts."""


def modules() -> dict[str, Path]:
    folders = ("core", "pages", "deploy")
    paths = [ROOT / "app.py", *(path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


MODULES = modules()


def imports(path: Path, lazy: bool = True) -> Iterator[str]:
    """The modules of ours that a file imports; lazy: also inside of functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if lazy else tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def layer(name: str) -> str:
    return max((each for each in ALLOWED if name == each or name.startswith(each + ".")), key=len)


@pytest.mark.parametrize("name", MODULES)
def test_arrows_point_one_way(name: str) -> None:
    own = layer(name)
    for imported in imports(MODULES[name]):
        if imported.partition(".")[0] not in PREFIXES:
            continue
        allowed = {own, *ALLOWED[own]}
        assert imported in allowed or layer(imported) in allowed, f"{name} may not import {imported}: see docs/architecture.md"


def test_there_is_no_circle() -> None:
    graph = {name: {*imports(path, lazy=False)} & {*MODULES} - {name} for name, path in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(error.args[1]))


def test_the_state_of_a_visitor_is_told_in_the_order_of_its_imports() -> None:
    table = (ROOT / "docs/architecture.md").read_text(encoding="utf-8").partition("What pages ask for")[2].partition("## ")[0]
    rows = [re.findall(r"`(\w+)\.py`", line.split("|")[1]) for line in table.splitlines() if line.startswith("| `")]
    row_of = {f"pages.shared.state.{name}": number for number, row in enumerate(rows) for name in row}
    assert row_of.keys() == {name for name in MODULES if name.startswith("pages.shared.state.")}
    for name, number in row_of.items():
        for imported in {*imports(MODULES[name], lazy=False)} & row_of.keys():
            assert row_of[imported] <= number, f"{name} imports {imported}, which stands below it"


def spoken_when_loaded(source: str) -> list[int]:
    """Lines of calls of `_` and `ngettext` that run when a module is loaded, by nobody and in no language."""
    found: list[int] = []

    def look(node: ast.AST) -> None:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for each in (*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)):
                look(each)
            return
        if isinstance(node, ast.Lambda):
            return
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_", "ngettext"):
            found.append(node.lineno)
        for each in ast.iter_child_nodes(node):
            look(each)

    look(ast.parse(source))
    return found


def test_no_text_is_translated_when_a_page_is_loaded() -> None:
    """It would stay in one language for everybody."""
    assert spoken_when_loaded('@st.dialog(_("Image"))\ndef show(): _("later")\nname = lambda: _("later")\n') == [1]
    files = sorted((ROOT / "pages").rglob("*.py"))
    assert not [f"{file}:{line}" for file in files for line in spoken_when_loaded(file.read_text())]
