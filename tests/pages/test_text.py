"""Every text in every language: nothing missing, no placeholder lost, numbers as the language writes them."""

import re
from string import Formatter
from unittest.mock import Mock

import pytest
from babel.messages.catalog import Message
from streamlit.testing.v1 import AppTest

from core.data.datasets import SOURCES
from core.errors import SettingError
from core.photos import worksheet
from pages.sections import learn_teacher
from pages.shared.i18n import catalogues
from pages.shared.i18n.text import LANGUAGES, LOCALES, use_language
from tests.pages.conftest import NAMES, ROOT, checked, go_to, inside

TRANSLATED = sorted(LANGUAGES.keys() - {"en"})
TEXTS = {message.id: message for message in catalogues.texts() if message.id}


def both(message: Message) -> list[tuple[str, str]]:
    """Each English form beside its translation."""
    if isinstance(message.id, str):
        return [(message.id, str(message.string))]
    return list(zip(message.id, message.string, strict=True))


def placeholders(text: str) -> set[tuple[str, str, str]]:
    """Field, format and conversion of every placeholder."""
    return {(name, spec or "", conversion or "") for _, name, spec, conversion in Formatter().parse(text) if name is not None}


def marks(text: str) -> tuple[object, ...]:
    """What Markdown reads in a text: bold, code, lists; and whether it ends in a colon or dots, because more follows."""
    followed = re.search(r"[:…]?$", text.replace("...", "…").rstrip())
    assert followed
    return text.count("**"), text.count("`"), [line.startswith("- ") for line in text.split("\n")], followed[0]


@pytest.mark.parametrize("code", TRANSLATED)
def test_no_text_is_missing_and_none_is_left_over(code: str) -> None:
    assert {message.id for message in catalogues.read(code) if message.id} == TEXTS.keys()


@pytest.mark.parametrize("code", TRANSLATED)
def test_every_text_is_translated_with_its_placeholders(code: str) -> None:
    for message in catalogues.read(code):
        for english, translated in both(message) if message.id else []:
            assert translated.strip(), f"{english!r} is not translated"
            assert not message.fuzzy, english
            assert placeholders(english) == placeholders(translated), english
            assert marks(english) == marks(translated), english


QUOTES = {"de": "„“", "es": "«»", "fr": "«»", "pt": "“”"}


@pytest.mark.parametrize("code", sorted(QUOTES))
def test_each_language_has_its_quotation_marks(code: str) -> None:
    opening, closing = QUOTES[code]
    for message in catalogues.read(code):
        for _, translated in both(message) if message.id else []:
            found = [sign for sign in translated if sign in '„“”«»"']
            assert found == [opening, closing] * (len(found) // 2), translated


@pytest.mark.parametrize("code", TRANSLATED)
def test_each_language_has_one_kind_of_apostrophe(code: str) -> None:
    assert [
        ours
        for message in catalogues.read(code)
        if message.id
        for _, ours in both(message)
        if "\N{RIGHT SINGLE QUOTATION MARK}" in ours
    ] == []


def test_french_punctuation_begins_no_line() -> None:
    """French leaves a space before these signs, at which no line may be broken."""
    said = [ours for message in catalogues.read("fr") if message.id for _, ours in both(message)]
    assert [text for text in said if re.search("« | [:;?!»]", text)] == []


TERMS = {
    "threshold": {"de": "schwelle", "es": "umbral", "fr": "seuil", "pt": "limiar"},
    "reconstruction": {"de": "rekonstruktion", "es": "reconstrucci", "fr": "reconstruction", "pt": "reconstru"},
    "error map": {"de": "fehlerkarte", "es": "mapa de error", "fr": "carte d'erreur", "pt": "mapa de erro"},
    "false alarm": {"de": "fehlalarm", "es": "falsas? alarmas?", "fr": "fausses? alertes?", "pt": "falsos? alarmes?"},
    "calibration": {"de": "kalibrierung", "es": "calibración", "fr": "calibrage", "pt": "calibração"},
    "bottleneck": {"de": "flaschenhals", "es": "cuellos? de botella", "fr": "goulot", "pt": "gargalo"},
    "seed": {"de": "startwert", "es": "semilla", "fr": "graine", "pt": "semente"},
    "latent": {"de": "latent", "es": "latente", "fr": "latent", "pt": "latente"},
    "epoch": {"de": "epoche", "es": "época", "fr": "époque", "pt": "época"},
    "batch": {"de": "batch", "es": "lote", "fr": "lot", "pt": "lote"},
    "loss": {"de": "verlust", "es": "pérdida", "fr": "perte", "pt": "perda"},
}
"""What words of the field are in each language: one word each, wherever it stands."""


@pytest.mark.parametrize("term", TERMS)
def test_a_term_is_the_same_word_everywhere(term: str) -> None:
    for code, word in TERMS[term].items():
        for message in catalogues.read(code):
            for english, translated in both(message) if message.id else []:
                text = re.sub(r"{[^}]*}", "", english)  # a placeholder's name is no word
                if re.search(rf"\b{term}(e?s)?\b", text, re.IGNORECASE):
                    assert re.search(word, translated, re.IGNORECASE), (code, english, translated)


CLASSES = "{(normal|digit|name|names|kind|kinds|other)}"
"""Placeholders for a class: a digit, “Ankle boot”, a kind that somebody has drawn, or several of these."""

ARTICLES = {
    "en": "an?",
    "de": "eine?[nmrs]?|d(er|ie|as|en|em|es)",
    "es": "una?|el|la|los|las|del|al",
    "fr": "une?|le|la|les|du|des|au|aux",
    "pt": "uma?|[ao]s?|[dn][ao]s?|aos?|às?|pel[ao]s?",
}
DIGITS_ONLY = re.compile(r"pages/(sections/)?(learn|class)\w*\.py")
"""Where classes are digits, before which four of the languages write the same article; English writes “a 5” and “an 8”."""


@pytest.mark.parametrize("code", ARTICLES)
def test_no_article_stands_before_a_class(code: str) -> None:
    names = [name for source in ("mnist", "fashion-mnist") for name in SOURCES[source].class_names]
    for message in TEXTS.values() if code == "en" else catalogues.read(code):
        if code != "en" and all(DIGITS_ONLY.fullmatch(path) for path, _ in message.locations):
            continue
        texts = message.id if code == "en" else message.string
        for text in [texts] if isinstance(texts, str) else texts:
            for name in names if re.search(CLASSES, text) else []:
                shown = re.sub(CLASSES, name, text)
                assert not re.search(rf"\b({ARTICLES[code]}) \W*{name}\b", shown, re.IGNORECASE), shown


def test_texts_are_gathered_from_everywhere() -> None:
    assert {"Home", "Clear", "Anomaly", "Keyboard", "normal"} <= TEXTS.keys(), "pages, also inside f-strings"
    assert "This file is not a picture. Use a PNG or JPEG file." in TEXTS, "errors of core"
    assert ("{count:,} image", "{count:,} images") in TEXTS
    assert "T-shirt" in TEXTS


def test_every_catalogue_is_a_language_on_offer() -> None:
    assert sorted(path.name for path in LOCALES.iterdir() if path.is_dir()) == TRANSLATED


def spoken(code: str, body: str) -> list[str]:
    """What a page in a language says that runs this code."""
    app = AppTest.from_string(
        f"import streamlit as st\nfrom pages.shared.i18n.text import *\nfrom pages.shared.i18n.text import _\n{body}"
    )
    app.query_params["lang"] = code
    return [element.value for element in checked(app.run()).text]


@pytest.mark.parametrize(
    ("code", "numbers"),
    [
        ("en", ["1,234.50", "12.3%", "1,132,944", "7"]),
        ("de", ["1.234,50", "12,3\N{NO-BREAK SPACE}%", "1.132.944", "7"]),
        ("es", ["1.234,50", "12,3\N{NO-BREAK SPACE}%", "1.132.944", "7"]),
        ("fr", ["1\u202f234,50", "12,3\N{NO-BREAK SPACE}%", "1\u202f132\u202f944", "7"]),
        ("pt", ["1.234,50", "12,3%", "1.132.944", "7"]),
    ],
)
def test_numbers_are_written_as_the_language_writes_them(code: str, numbers: list[str]) -> None:
    values = "(1234.5, ',.2f'), (0.123, '.1%'), (1132944, ','), (7, '')"
    assert spoken(code, f"for value, spec in ({values}): st.text(formatted(value, spec))") == numbers


def test_a_number_of_a_tensor_is_written_so_too() -> None:
    body = "import numpy, torch\nfor value in (numpy.float32(0.25), torch.tensor(0.25)): st.text(_('{score:.3f}', score=value))"
    assert spoken("de", body) == ["0,250", "0,250"]


def test_an_error_of_core_is_told_in_the_language_with_its_values() -> None:
    sentence = "{name} is between {low:.10g} and {high:.10g}, not {value!r}."
    error = SettingError(sentence, name="noise", low=0.5, high=1.0, value=7)
    assert str(error) == "noise is between 0.5 and 1, not 7."
    body = (
        "from core.errors import SettingError\n"
        "text = '{name} is between {low:.10g} and {high:.10g}, not {value!r}.'\n"
        "st.text(translated(SettingError(text, name='noise', low=0.5, high=1.0, value=7)))"
    )
    (told,) = spoken("es", body)
    assert "0,5" in told
    assert told != str(error)
    assert "noise" in told
    assert "7" in told


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("page", NAMES)
def test_every_page_speaks_the_language(code: str, page: str) -> None:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60.0)
    app.query_params["lang"] = code
    checked(app.run())
    if page != "home":
        go_to(app, page)
    title = app.title[0].value
    languages = [known for known in LANGUAGES if title in _titles(known)]
    assert code in languages
    assert code == "en" or "en" not in languages, "related languages share a title, and none has the English one"
    assert not app.error
    assert inside(app, "page-tools")


def _titles(code: str) -> set[str]:
    """All texts of a language."""
    if code == "en":
        return {text for text in TEXTS if isinstance(text, str)}
    return {str(message.string) for message in catalogues.read(code) if isinstance(message.id, str)}


def test_every_word_that_is_explained_is_in_the_glossary() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "pages").rglob("*.py"))
    asked = set(re.findall(r'about\("([^"]+)"\)', source))
    assert asked
    body = "from pages.shared.i18n import glossary\nfor word in glossary.entries(): st.text(word)"
    assert asked <= set(spoken("en", body))


def test_french_says_tu() -> None:
    polite = re.compile(r"\b(vous|votre|vos|(?!assez|chez)\w+ez)\b", re.IGNORECASE)
    said = [ours for message in catalogues.read("fr") if message.id for _, ours in both(message)]
    assert [text for text in said if polite.search(text)] == []


def test_the_tens_names_are_each_visitors_own() -> None:
    """What the server keeps of the ten has no language: whoever came first had them in his."""
    script = """
import streamlit as st
from pages.shared.i18n.text import resolve_language
from pages.shared.state import detectors
resolve_language()
st.session_state["names"] = detectors.ensemble("fashion-mnist")[0]
"""
    named = {}
    for code in ("en", "de"):
        app = AppTest.from_string(script)
        app.query_params["lang"] = code
        named[code] = app.run().session_state["names"]
    assert named["en"][1] == "Trouser"
    assert named["de"][1] == next(message.string for message in catalogues.read("de") if message.id == "Trouser")


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_worksheet_has_a_sign_for_every_letter(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Mock(return_value=b"%PDF")
    monkeypatch.setattr(learn_teacher, "worksheet", drawn)
    with use_language(code):
        texts = learn_teacher.worksheet_texts()
    learn_teacher._worksheet.__wrapped__(*texts)  # type: ignore[attr-defined]
    *letters, file = drawn.call_args.args
    font = worksheet.sized(file, 32)
    missing = bytes(font.getmask("\ue777"))
    assert not {letter for letter in "".join(letters) if bytes(font.getmask(letter)) == missing}
