"""Streamlit's own words, which are English in every language: the ones that stand on our pages, and the script that puts ours
in their place."""

import json

from core.errors import N_
from pages.shared.i18n.text import translated_into

WORDS = (
    N_("Select all"),
    N_("No results"),
    N_("No options to select"),
    N_("Choose an option"),
    N_("Choose options"),
    N_("Clear all"),
    N_("Clear value"),
    N_("Close"),
    N_("Help"),
    N_("Search"),
    N_("Fullscreen"),
    N_("Close fullscreen"),
    N_("Download as CSV"),
    N_("Show/hide columns"),
    N_("Increment"),
    N_("Decrement"),
    N_("Take Photo"),
    N_("Previous page"),
    N_("Next page"),
    N_("Page not found"),
    N_("Main menu"),
    N_("App pages"),
    N_("Pagination"),
    N_("Selected values"),
    N_("Open"),
)

_SCRIPT = """
    const page = document.documentElement;
    page.words = WORDS;
    page.translate ??= node => {
        const ours = text => Object.hasOwn(page.words, text?.trim() ?? "") ? page.words[text.trim()] : null;
        if (node.nodeType === Node.TEXT_NODE) {
            const text = node.parentElement?.closest("input, textarea, code") ? null : ours(node.nodeValue);
            if (text) node.nodeValue = text;
        } else if (node.nodeType === Node.ELEMENT_NODE) {
            for (const name of ["aria-label", "title", "placeholder"]) {
                const text = ours(node.getAttribute(name));
                if (text) node.setAttribute(name, text);
            }
            node.childNodes.forEach(page.translate);
        }
    };
    page.watch ??= new MutationObserver(changes => {
        for (const change of changes) {
            if (change.type === "childList") change.addedNodes.forEach(page.translate);
            else page.translate(change.target);
        }
    });
    page.watch.observe(document.body, { childList: true, subtree: true, characterData: true, attributes: true,
        attributeFilter: ["aria-label", "title", "placeholder"] });
    page.translate(document.body);
"""


def script(code: str) -> str:
    """What the page's script does for a language; for English it takes the other words away."""
    words = {} if code == "en" else {word: translated_into(code, word) for word in WORDS}
    return _SCRIPT.replace("WORDS", json.dumps(words, ensure_ascii=False))
