"""Learn: the lesson in small steps, each with a question first."""

from collections.abc import Callable

import streamlit as st

from core.checkpoint import CheckpointError
from pages.sections import (
    learn_batch,
    learn_better,
    learn_experiments,
    learn_hourglass,
    learn_one_class,
    learn_overfitting,
    learn_own,
    learn_quiz,
    learn_redraw,
    learn_score,
    learn_threshold,
    learn_trap,
    learn_unit,
)
from pages.sections.learn_context import USUAL_CLASS, is_of_another_data_set, lesson_context
from pages.sections.learn_teacher import show_teacher
from pages.shared.i18n.text import _, translated
from pages.shared.state import data_sets, keys, link
from pages.shared.state.page_context import PageContext
from pages.shared.state.visitor import tab, visitor
from pages.shared.streamlit_internals import begin_again_with_app

OF_FIVES = (learn_hourglass.show, learn_trap.show, learn_experiments.show)
"""Steps about what comes trained on 5s only, whatever the detector in use knows."""


def steps() -> tuple[tuple[str, Callable[[PageContext], None]], ...]:
    """Every step: its title, and what shows it."""
    return (
        (_("Learn one class"), learn_one_class.show),
        (_("The hourglass"), learn_hourglass.show),
        (_("Redraw one digit"), learn_redraw.show),
        (_("The error is the score"), learn_score.show),
        (_("The threshold"), learn_threshold.show_threshold),
        (_("Its price"), learn_threshold.show_price),
        (_("Your own digit"), learn_own.show),
        (_("A better score"), learn_better.show),
        (_("One batch in slow motion"), learn_batch.show),
        (_("One number in the middle"), learn_unit.show),
        (_("Learnt by heart"), learn_overfitting.show),
        (_("What goes wrong"), learn_trap.show),
        (_("Experiments"), learn_experiments.show),
        (_("Ten questions"), learn_quiz.show),
    )


def show() -> None:
    """The page."""
    all_steps = steps()
    step = current_step()
    title, show_step = all_steps[step - 1]
    with st.container(key="lesson-title", horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.title(_("Learn"), width="content")
        st.header(f"{step}. {title}", anchor=False, width="stretch")
        if not link.is_projector():
            show_teacher()
    with st.container(key="lesson"):
        st.fragment(show_lesson)(show_step)
    with st.container(key="lesson-steps", horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.button(_("Back"), icon=":material/arrow_back:", on_click=go_to, args=(step - 1,), disabled=step == 1)
        st.pagination(len(all_steps), key=keys.STEP, on_change=choose_step, persist_state="session")
        st.button(
            _("Next"),
            icon=":material/arrow_forward:",
            icon_position="right",
            type="primary",
            on_click=go_to,
            args=(step + 1,),
            disabled=step == len(all_steps),
        )


def show_lesson(show_step: Callable[[PageContext], None]) -> None:
    """A step, or which of the files that it needs cannot be used."""
    try:
        context = lesson_context(USUAL_CLASS if show_step in OF_FIVES else None)
        show_step(context)
    except CheckpointError as error:
        st.error(translated(error), icon=":material/error:")
        return
    with st.container(key="lesson-about"):
        st.caption(about_step(show_step, context))
    if link.is_projector() and is_of_another_data_set(context) and shows_images_at_hand(show_step):
        with st.container(key="lesson-images"):  # the projector has no room for more
            st.caption(f"{_('Images')}: {data_sets.title_of(context.data.name)}")


def shows_images_at_hand(show_step: Callable[[PageContext], None]) -> bool:
    """Whether a step runs on what is at hand; two of those about 5s show what was shipped, and the trap trains."""
    return show_step not in OF_FIVES or show_step is learn_trap.show


def about_step(show_step: Callable[[PageContext], None], context: PageContext) -> str:
    """Of which digit and data set a step's networks are."""
    at_hand = data_sets.title_of(context.data.name)
    if show_step not in OF_FIVES:
        return _(
            "This lesson runs the course's detector of {normal}, with the images of {data}.",
            normal=context.normal,
            data=at_hand,
        )
    data = at_hand if shows_images_at_hand(show_step) else data_sets.title_of(context.config.data_set)
    return _("This step: networks of {normal}, {data}.", normal=context.normal, data=data)


def current_step() -> int:
    """What was chosen just now, else what the address has (a link, a reload, Back and Forward), else where this tab was."""
    own, here = visitor(), tab()
    if here.is_step_chosen:  # the address may be older than the click
        here.is_step_chosen = False
        own.step = int(st.session_state[keys.STEP])
        link.write_step(own.step)
    elif asked := st.query_params.get("step"):
        own.step = int(asked)
    elif here.is_step_in_address:  # Back to where Learn was opened
        own.step = own.first_step
    else:
        own.step = own.first_step = int(st.session_state.get(keys.STEP, own.step))
    here.is_step_in_address = "step" in st.query_params
    st.session_state[keys.STEP] = own.step
    return own.step


def go_to(step: int) -> None:
    st.session_state[keys.STEP] = step
    choose_step()


def choose_step() -> None:
    tab().is_step_chosen = True


if __name__ == "__main__":
    begin_again_with_app()
