"""The lesson's first step: one class is learnt; what is strange to it?"""

import streamlit as st
import torch

from core.data.datasets import as_images
from pages.sections.learn_context import cells, image_at, name_of, nth, shuffled
from pages.sections.learn_question import LETTERS, ask_again, choose_several, round_of, say, two_columns
from pages.shared.html import pictures, verdicts
from pages.shared.i18n.text import _
from pages.shared.state import data_sets
from pages.shared.state.page_context import PageContext

QUESTION = "one-class"
SEEN = 8


def four_images(context: PageContext, number: int) -> list[int]:
    """One image that the network knows, and three others, one of which passes where one does."""
    passes, alarm = ~context.is_normal & ~context.is_alarm, ~context.is_normal & context.is_alarm
    start = 7 * number
    second = nth(passes, start) if bool(passes.any()) else nth(alarm, start + 1)
    chosen = [nth(context.is_normal, start), second, nth(alarm, start)]
    fourth = next(
        index
        for turn in range(100)
        if (index := nth(alarm, start + 3 + turn)) not in chosen and context.labels[index] != context.labels[chosen[2]]
    )
    chosen.append(fourth)
    return [chosen[place] for place in shuffled(4, number)]


def seen_images(context: PageContext) -> torch.Tensor:
    """Images on which the network was trained, (N, 1, 28, 28); where those are not at hand, on which it would be."""
    trained = data_sets.split_of(context.config, context.data).train
    return as_images(context.data.train_images[trained[:SEEN]])


def show(context: PageContext) -> None:
    """Which of these four will be alarms?"""
    number = round_of(QUESTION)
    chosen = four_images(context, number)
    result = context.detector.infer(context.data.test.images[chosen])
    alarms = [place for place, verdict in enumerate(result.verdicts.tolist()) if verdict]
    left, right = two_columns()
    with left:
        st.markdown(
            _(
                "Somebody chose one class, **{normal}**, and the network has seen images of that class only, such as these. "
                "This is **one-class learning**.",
                normal=context.normal,
            )
        )
        given = choose_several(QUESTION, _("Which of the four will be alarms?"), LETTERS, alarms)
        if given:
            say(given, reason(context, chosen, result.verdicts), _("The names of the others are never needed."))
            ask_again(QUESTION, _("Four others"))
    with right:
        contents = [pictures.picture(image, context.normal) for image in seen_images(context)]
        st.html(f'<div class="lesson-seen">{pictures.row([(content, "") for content in contents])}</div>')
        contents, captions = [], []
        for place, index in enumerate(chosen):
            badge = f"<div>{verdicts.badge(bool(result.verdicts[place]))}</div>" if given else ""
            name = name_of(context, index)
            contents.append(pictures.picture(image_at(context, index)[0], name if given else LETTERS[place]) + badge)
            captions.append(f"{LETTERS[place]}: {name}" if given else LETTERS[place])
        st.html(cells(contents, captions))


def reason(context: PageContext, chosen: list[int], verdicts: torch.Tensor) -> str:
    """What passed although it is none, or was an alarm although it is one; else that the network redraws one class only."""
    for index, verdict in zip(chosen, verdicts.tolist(), strict=True):
        name = name_of(context, index)
        if not verdict and not context.is_normal[index]:
            return _("“{name}” passes: redrawn, it is wrong by so little that no alarm is raised.", name=name)
        if verdict and context.is_normal[index]:
            return _("“{name}” is a false alarm: it is written unlike those that the network has seen.", name=name)
    return _("What the network has not learnt, it redraws badly.")
