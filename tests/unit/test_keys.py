"""Keys of st.session_state are declared in one module: whoever renames a widget finds all that read it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.settings import SETTINGS
from pages.shared.state import keys

ROOT = Path(__file__).parent.parent.parent
SOURCES = [path for path in (ROOT / "pages").rglob("*.py") if path.name != "keys.py"]
DECLARED = {value for name, value in vars(keys).items() if name.isupper() and isinstance(value, str)}
OF_SETTINGS = {keys.of_setting(setting) for setting in SETTINGS.values()}
READS = {"get", "setdefault", "pop"}


def is_session_state(node: ast.expr, names: set[str]) -> bool:
    return (isinstance(node, ast.Attribute) and node.attr == "session_state") or (
        isinstance(node, ast.Name) and node.id in names
    )


def keys_in(tree: ast.AST) -> Iterator[ast.expr]:
    """What stands for a key, wherever st.session_state, or a name given to it, is asked or changed."""
    names = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and is_session_state(node.value, set())
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and is_session_state(node.value, names):
            yield node.slice
        elif isinstance(node, ast.Compare) and any(is_session_state(side, names) for side in node.comparators):
            yield node.left
        elif (
            isinstance(node, ast.Attribute)
            and is_session_state(node.value, names)
            and node.attr not in {*READS, "update", "items", "_state"}  # the last one is Streamlit's own
        ):
            yield ast.Constant(node.attr)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and is_session_state(node.func.value, names):
            if node.func.attr in READS:
                yield node.args[0]
            elif node.func.attr == "update":
                for argument in node.args:
                    yield from (key for key in getattr(argument, "keys", ()) if key)


def undeclared(source: str) -> list[str]:
    """The keys of a module that are written out and stand nowhere in keys.py."""
    found = []
    for key in keys_in(ast.parse(source)):
        if isinstance(key, ast.JoinedStr) or (isinstance(key, ast.Constant) and key.value not in DECLARED):
            found.append(ast.unparse(key))
        elif isinstance(key, ast.Attribute) and ast.unparse(key.value) == "keys":
            assert hasattr(keys, key.attr)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_key_that_is_read_is_declared(path: Path) -> None:
    assert undeclared(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "st.session_state['mine']",
        "st.session_state['mine'] = 1",
        "st.session_state.get('mine', 0)",
        "st.session_state.setdefault(f'mine-{number}', 0)",
        "'mine' in st.session_state",
        "'mine' not in st.session_state",
        "state = st.session_state\nstate['mine']",
        "st.session_state.update({'mine': 1})",
        "st.session_state.mine",
    ],
)
def test_an_undeclared_key_is_found(source: str) -> None:
    assert len(undeclared(source)) == 1
    assert undeclared("st.session_state['brush'], st.session_state[keys.BRUSH], st.session_state[key]") == []


def test_what_is_restored_is_declared() -> None:
    assert set(keys.RESTORED) <= DECLARED | OF_SETTINGS
    assert len(set(keys.RESTORED)) == len(keys.RESTORED)


def test_only_what_the_visitor_may_have_again_is_restored() -> None:
    """A button's value cannot be set, and an upload lies in the session that has it."""
    assert not set(keys.RESTORED) & {
        keys.UPLOADED_CHECKPOINT,
        keys.PEN,
        keys.VISITOR,
        keys.TAB,
        keys.LANGUAGE,
    }
