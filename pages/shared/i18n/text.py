"""Every text on screen goes through gettext, with numbers in the language's own format; English is the source."""

import gettext
import io
import re
import string
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, partial
from pathlib import Path
from typing import Any, SupportsFloat

import streamlit as st
from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import get_decimal_symbol, get_group_symbol

from core.errors import UserError
from pages.shared.state import keys
from pages.shared.streamlit_internals import session_id

LOCALES = Path(__file__).parents[2] / "locales"
LANGUAGES = {"en": "English", "de": "Deutsch", "es": "Español", "fr": "Français", "pt": "Português"}


_spoken = ContextVar("spoken", default="")
"""Empty where it is to be looked up."""


@contextmanager
def use_language(code: str) -> Iterator[None]:
    """In this language, whatever the session's is, also where no page runs."""
    before = _spoken.set(code)
    try:
        yield
    finally:
        _spoken.reset(before)


def resolve_language() -> None:
    """The visitor's language is what the link asks for, else what was chosen before, else the browser's, else English."""
    asked = st.query_params.get("lang", "")
    if asked in LANGUAGES:
        st.session_state[keys.LANGUAGE] = asked
    if keys.LANGUAGE not in st.session_state:
        browser = (st.context.locale or "en").partition("-")[0]
        st.session_state[keys.LANGUAGE] = browser if browser in LANGUAGES else "en"
    _spoken.set("")


def language() -> str:
    """The visitor's language, which a thread that runs his pages looks up once: a page asks a hundred times a run."""
    if code := _spoken.get():
        return code
    if keys.LANGUAGE not in st.session_state:
        resolve_language()
    code = str(st.session_state[keys.LANGUAGE])
    if session_id():
        _spoken.set(code)
    return code


def set_language(code: str) -> None:
    """Change the visitor's language; the choice stays in the address."""
    st.session_state[keys.LANGUAGE] = code
    st.query_params["lang"] = code
    _spoken.set("")


def catalogue_path(code: str) -> Path:
    return LOCALES / code / "LC_MESSAGES" / "messages.po"


@cache
def _catalogue(code: str) -> gettext.NullTranslations:
    if code == "en" or not catalogue_path(code).exists():  # a new language is English until `make messages`
        return gettext.NullTranslations()
    compiled = io.BytesIO()
    with catalogue_path(code).open("rb") as file:
        write_mo(compiled, read_po(file, locale=code))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


@cache
def separators(code: str) -> tuple[str, str]:
    """The language's decimal and group separators, by Unicode's CLDR."""
    locale = Locale.parse(code)
    return get_decimal_symbol(locale), get_group_symbol(locale)


@cache
def percent_sign(code: str) -> str:
    """What stands after a number in percent, by Unicode's CLDR: many languages leave a space before the sign."""
    return str(Locale.parse(code).percent_formats[None].suffix[0])


class _Formatter(string.Formatter):
    """str.format with the language's separators and percent sign in every formatted number."""

    def __init__(self, code: str) -> None:
        decimal, group = separators(code)
        self._marks = str.maketrans({".": decimal, ",": group, "%": percent_sign(code)})

    def format_field(self, value: Any, format_spec: str) -> str:
        text = format(value, format_spec)
        return text.translate(self._marks) if format_spec and isinstance(value, SupportsFloat) else text  # tensors' too


_formatter = cache(_Formatter)


def formatted(value: Any, spec: str) -> str:
    """A number in the language's format; spec as in str.format: .4f, .1% or , for whole numbers."""
    return _formatter(language()).format_field(value, spec)


def _filled(message: str, values: dict[str, Any]) -> str:
    return _formatter(language()).vformat(message, (), values) if values else message


def _(message: str, **values: Any) -> str:
    """The message in the visitor's language, its named fields filled with the values."""
    return _filled(_catalogue(language()).gettext(message), values)


def ngettext(one: str, many: str, count: int, **values: Any) -> str:
    """The message for this count in the visitor's language; the field {count} is the count."""
    return _filled(_catalogue(language()).ngettext(one, many, count), {"count": count, **values})


def translated_into(code: str, message: str) -> str:
    """The message where no visitor is, in a language that may not be one of ours."""
    return _catalogue(code if code in LANGUAGES else "en").gettext(message)


Told = Callable[[], str]
"""A text, worded when it is shown: its visitor may have chosen another language since there was something to tell."""


def told(error: UserError) -> Told:
    """What an error says; nothing else is kept of it."""
    return partial(translated, error.detached())


def translated(error: UserError) -> str:
    """An error of core in the visitor's language; what it quotes is shown as it is written."""
    return _(error.template, **{name: _shown(value) for name, value in error.values.items()})


MAX_QUOTED = 200
"""Characters of a text from outside that are shown."""

_WORD = r"[^\W_](?:\w*[^\W_])?"
_HARMLESS = re.compile(rf"{_WORD}(?:(?:, | |-){_WORD})*|[-+]?\d+(?:\.\d+)?")
"""Words and numbers, in which Markdown sees nothing."""


def plain(text: str) -> str:
    """Text from outside, a link's, a file's or its name, as Markdown that shows it and does nothing else.

    Escapes do not do: Streamlit looks for addresses, emoji, icons and colours after they are gone. Inside of code it looks
    for nothing.
    """
    line = " ".join(text.split())
    line = line if len(line) <= MAX_QUOTED else line[: MAX_QUOTED - 1] + "…"
    line = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in line)
    if not line or _HARMLESS.fullmatch(line):
        return line
    # An icon's address is rewritten before anything is read as code.
    line = line.replace(":material/", ":material\N{WORD JOINER}/")
    # Code ends with as many backquotes as it began with, and a space next to them is not shown.
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    space = " " if "`" in (line[0], line[-1]) else ""
    return f"{fence}{space}{line}{space}{fence}"


def words(text: str) -> str:
    """A name from outside for labels and legends, where code has no place: its letters, digits, dots and hyphens."""
    return " ".join(re.sub(r"[^\w .()-]|_|(?<=www)\.", " ", text, flags=re.IGNORECASE).split())[:40]


class _Quoted:
    """A value that may come from outside, however a message formats it."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __format__(self, spec: str) -> str:
        return plain(format(self._value, spec))

    def __repr__(self) -> str:
        return plain(repr(self._value))


def _shown(value: Any) -> Any:
    if isinstance(value, UserError):
        return translated(value)
    return value if value is None or isinstance(value, (bool, int, float)) else _Quoted(value)
