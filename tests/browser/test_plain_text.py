"""Text from outside is text: every construct that Streamlit's Markdown knows, in a browser, in messages and in labels."""

import json
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.conftest import ROOT, Server, start_server

CONSTRUCTS = (
    "https://evil.example/login",
    "www.evil.example",
    "someone@evil.example",
    "[x](https://evil.example)",
    "<https://evil.example>",
    "![x](https://evil.example/a.png)",
    "[x][y]",
    "[x]: https://evil.example",
    "[^1]",
    "<b>x</b>",
    "<img src=x onerror=alert(1)>",
    "&copy; &lt;b&gt;",
    "# heading",
    "a\n# heading",
    "a\n===",
    "a\n\nb",
    "a  \nb",
    "a\\\nb",
    "**bold**",
    "__bold__",
    "*em*",
    "_em_",
    "~~gone~~",
    "`code`",
    "``a`b``",
    "`",
    "a`",
    "```\nx\n```",
    "    indented",
    "$x^2$",
    "$$x$$",
    "\\(x\\)",
    ":material/home:",
    ":streamlit:",
    ":smile:",
    ":red[x]",
    ":blue-background[x]",
    ":green-badge[x]",
    ":rainbow[x]",
    ":small[x]",
    ":shimmer[x]",
    "::leaf[x]",
    ":::note\nx\n:::",
    "- item",
    "+ item",
    "1. item",
    "1) item",
    "> quote",
    "- [ ] task",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "---",
    "***",
    "a -> b <- c -- d >= e",
    "\\*",
    "x\\",
    "a]b[c",
    "\u202eabc",
    "plain words, and 3.5",
    "T-shirt",
    "3.5",
    "",
)

PAGE = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import streamlit as st
from core.errors import SettingError
from pages.shared.i18n.text import plain, translated
for number, text in enumerate({json.dumps(CONSTRUCTS)}):
    with st.container(key=f"case-{{number}}"):
        st.error("(" + plain(text) + ")")
        st.caption("(" + plain(text) + ")")
        st.button("(" + plain(text) + ")", key=number)
        st.warning("(" + translated(SettingError("{{value}}", value=text)) + ")")
"""

FORBIDDEN = (
    "a, img, svg, h1, h2, h3, strong, em, del, ul, ol, table, blockquote, hr, br, pre, input, sup, .katex, b, [style*=color]"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("text")
    (folder / "page.py").write_text(PAGE)

    def way(port: int) -> list[str]:
        return [sys.executable, "-m", "streamlit", "run", str(folder / "page.py"), "--server.port", str(port)]

    running = start_server(folder, folder / "log.txt", way=way)
    yield running
    running.process.terminate()
    running.process.wait()


def test_no_construct_is_obeyed(context: BrowserContext, server: Server) -> None:
    page = context.new_page()
    page.goto(server.url)
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    for number, text in enumerate(CONSTRUCTS):
        shown = " ".join(text.split()).replace(":material/", ":material\N{WORD JOINER}/").replace("\u202e", "\ufffd")
        places = page.locator(f".st-key-case-{number}").locator(
            "[data-testid=stMarkdownContainer], [data-testid=stCaptionContainer]"
        )
        expect(places).to_have_count(4)
        for place in places.all():
            assert place.locator(FORBIDDEN).count() == 0, (text, place.inner_html())
            assert " ".join(place.inner_text().split()) == f"({shown})", (text, place.inner_html())


def test_the_harmless_is_not_dressed_up(context: BrowserContext, server: Server) -> None:
    page = context.new_page()
    page.goto(server.url)
    for text in ("T-shirt", "3.5"):
        case = page.locator(f".st-key-case-{CONSTRUCTS.index(text)}")
        expect(case.get_by_role("button")).to_be_visible()
        expect(case.locator("code")).to_have_count(0)
