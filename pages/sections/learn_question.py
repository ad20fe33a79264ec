"""A question of the lesson: asked, answered, kept; then what is so, and why."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.sections.learn_said import show_said
from pages.shared.html import signs
from pages.shared.i18n.text import _
from pages.shared.state import keys, link
from pages.shared.state.lesson import Answer, Value
from pages.shared.state.visitor import current_lesson, tab

LETTERS = ("A", "B", "C", "D")
PARTS = 5
"""Of a slider, for what a class has said."""


def two_columns() -> tuple[DeltaGenerator, DeltaGenerator]:
    """Left, what is asked and said; right, what is seen."""
    left, right = st.columns([1, 1.2], gap="large")
    return left, right


def show_chart(figure: go.Figure, key: str, alt: str) -> None:
    """A figure; on a projector the style sheet says how high it is."""
    height: Literal["stretch", "content"] = "stretch" if link.is_projector() else "content"
    with st.container(key="lesson-chart"):
        st.plotly_chart(figure, key=key, config={"displayModeBar": False}, alt=alt, height=height)


def round_of(question: str) -> int:
    """How often it was asked before, which chooses the images."""
    return current_lesson().round_of(question)


def choose(question: str, text: str, options: Sequence[str], right: int | None) -> Answer | None:
    """One of several; the answer is the option's number from 0."""
    given = _ask(question, text)
    key = _key(question)
    judge = partial(_give, question, key, lambda value: value == right if right is not None else None)
    show_options(text, options, key, given.value if given else None, judge)
    if given is None:
        show_said(question, options)
    return given


def show_options(text: str, options: Sequence[str], key: str, given: Value | None, on_change: Callable[[], None]) -> None:
    """One of several to choose; given: which one was, by its number, and no other can be any more."""
    if given is not None:
        st.session_state[key] = given
    st.pills(
        text,
        range(len(options)),
        format_func=lambda number: options[number],
        key=key,
        label_visibility="collapsed",
        wrap=True,
        disabled=given is not None,
        on_change=on_change,
    )


def choose_several(question: str, text: str, options: Sequence[str], right: Sequence[int]) -> Answer | None:
    """Any of several, then a button; the answer is the options' numbers."""
    given = _ask(question, text)
    key = _key(question)
    if given and isinstance(given.value, tuple):
        st.session_state[key] = list(given.value)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.pills(
            text,
            range(len(options)),
            selection_mode="multi",
            format_func=lambda number: options[number],
            key=key,
            label_visibility="collapsed",
            disabled=given is not None,
        )
        if given is None:
            st.button(
                _("Check"),
                type="primary",
                on_click=_give,
                args=(question, key, lambda value: sorted(value) == sorted(right)),
                disabled=not st.session_state.get(key),
            )
    if given is None:
        show_said(question, options)
    return given


def guess(
    question: str, text: str, values: Sequence[float], shown: Callable[[float], str], judge: Callable[[float], bool]
) -> Answer | None:
    """A place on a slider, which begins in the middle, then a button."""
    given = _ask(question, text)
    key = _key(question)
    if given:
        st.session_state[key] = given.value
    st.session_state.setdefault(key, values[len(values) // 2])
    st.select_slider(
        text, values, key=key, format_func=shown, label_visibility="collapsed", disabled=given is not None, width=420
    )
    if given is None:
        st.button(_("That is my guess"), type="primary", on_click=_give, args=(question, key, judge))
        parts = [values[len(values) * number // PARTS : len(values) * (number + 1) // PARTS] for number in range(PARTS)]
        names = [f"{shown(part[0])} – {shown(part[-1])}" for part in parts]
        show_said(question, names, lambda value: next(number for number, part in enumerate(parts) if value in part))
    return given


def placed(question: str) -> float:
    """Where the slider of a guess stands now."""
    return float(st.session_state[_key(question)])


def say(given: Answer, *sentences: str) -> None:
    """Whether it was right, and why things are as they are."""
    with st.container(key="lesson-answer"):
        told = [] if given.is_right is None else [right_or_wrong(given.is_right)]
        st.markdown(" ".join(filter(None, (*told, *sentences))))


def right_or_wrong(is_right: bool) -> str:
    """The word for it behind its sign, as Markdown."""
    return f"**{signs.of_truth(is_right).mark} {_('Right.') if is_right else _('Not quite.')}**"


def ask_again(question: str, label: str) -> None:
    """A button that asks anew, with other images."""
    st.button(label, icon=":material/refresh:", on_click=current_lesson().ask_again, args=(question,), key=f"again-{question}")


def _key(question: str) -> str:
    return keys.answer(question, round_of(question), tab().lesson_about)


def _ask(question: str, text: str) -> Answer | None:
    with st.container(key="lesson-question"):
        st.markdown(f"**{text}**")
    return current_lesson().answer_to(question)


def _give(question: str, key: str, judge: Callable[..., bool | None]) -> None:
    value: Value | list[int] | None = st.session_state.get(key)
    if value is None or value == []:
        return  # nothing is chosen any more
    if key != _key(question) or current_lesson().answer_to(question):
        return  # another tab has answered it, or asked anew
    current_lesson().give(question, tuple(value) if isinstance(value, list) else value, judge(value))
