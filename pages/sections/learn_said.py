"""What a class has said to a question of the lesson: for its teacher, before the answer is there."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from pages.shared.html import diagrams
from pages.shared.i18n.text import ngettext
from pages.shared.state import access, classroom, visitors
from pages.shared.state.visitor import current_lesson, tab, visitor
from pages.shared.streamlit_internals import run_by_timer_only_if


def show_said(question: str, options: Sequence[str], option_of: Callable[[Any], int] = int) -> None:
    """How many have said what, of the class where there is one; nothing for a student, nor while nobody has said anything.

    option_of: the number of the option that a value stands for.
    """
    if current_lesson().round_of(question) == 0 and is_for_a_teacher():
        st.fragment(_show, run_every=2)(question, options, option_of, tab().lesson_about)


def is_for_a_teacher() -> bool:
    """Whether the page runs for a teacher: at the server, by the token, or by the class's code."""
    return access.is_teacher() or bool(visitor().class_code and classroom.teachers_code())


def _show(question: str, options: Sequence[str], option_of: Callable[[Any], int], about: str) -> None:
    room = classroom.store()
    classroom.about()  # looked at here, and by whoever is in the class

    def answers() -> Sequence[Any]:
        return visitors.registry().answers(question, about, room.seen.about.begun if room.seen else 0.0)

    said = answers()
    run_by_timer_only_if(lambda: answers() != said)
    if not said:
        return
    values = [value for answer in said for value in (answer.value if isinstance(answer.value, tuple) else (answer.value,))]
    counts = Counter(map(option_of, values))
    st.html(
        diagrams.counts(
            ngettext("{count} answer", "{count} answers", len(said)),
            [(option, counts[number]) for number, option in enumerate(options)],
        )
    )
