"""What is true of the source as a whole."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SOURCES = [ROOT / "app.py", *sorted((ROOT / "core").rglob("*.py")), *sorted((ROOT / "pages").rglob("*.py"))]
CONFIG = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())


@pytest.mark.parametrize(
    "pattern",
    [
        r"\bpickle\b",
        r"\btorch\.load\b",
        r"\btorch\.save\b",
        r"\bjoblib\b",
        r"\bshelve\b",
        r"\bmarshal\b",
        r"\beval\(",
        r"\bexec\(",
    ],
)
def test_nothing_that_is_read_can_be_code(pattern: str) -> None:
    # A network's model.eval() is no eval.
    found = [path.name for path in SOURCES if re.search(pattern, re.sub(r"\.eval\(\)", "", path.read_text()))]
    # The server and the processes that it starts talk over a pair of sockets that nobody else has.
    assert found == (["training_process.py"] if "pickle" in pattern else [])


def test_no_markdown_is_allowed_to_be_html() -> None:
    assert [path.name for path in SOURCES if "unsafe_allow_html" in path.read_text()] == []


def test_the_server_is_closed_until_it_is_opened() -> None:
    server = CONFIG["server"]
    assert (server["address"], server["enableXsrfProtection"], server["enableCORS"]) == ("localhost", True, True)
    assert server["maxUploadSize"] == 5
    assert CONFIG["client"]["showErrorDetails"] == "none"
    assert CONFIG["browser"]["gatherUsageStats"] is False


def test_a_page_does_not_search_the_whole_heap_after_every_run() -> None:
    assert CONFIG["runner"]["postScriptGC"] is False
