"""Evaluate: what passes best."""

import streamlit as st

from pages.sections.evaluate_context import EvaluateContext
from pages.sections.evaluate_others import say_all
from pages.shared.charts.figures import below_half
from pages.shared.html import pictures, report, verdicts
from pages.shared.i18n import glossary
from pages.shared.i18n.text import _, formatted
from pages.shared.state import keys

WORST = 10


def question_of(context: EvaluateContext) -> str:
    """What passes for a normal image."""
    return _("What passes for “{normal}”?", normal=context.normal)


def show_hardest(context: EvaluateContext) -> tuple[str, ...]:
    """AUROC against each class, and the images of one that pass best; returns what a report shows of it."""
    names = context.names
    question = question_of(context)
    say_all(context)
    by_class = dict(sorted(context.auroc_by_class.items(), key=lambda item: item[1]))
    if st.session_state.get(keys.HARDEST_CLASS) not in by_class:
        st.session_state[keys.HARDEST_CLASS] = next(iter(by_class))
    label = st.pills(
        _("AUROC against each, the hardest first"),
        list(by_class),
        format_func=lambda each: f"{names[each]} · {formatted(by_class[each], '.4f')}",
        key=keys.HARDEST_CLASS,
        required=True,
        wrap=True,
        persist_state="session",
        help=glossary.about("auroc"),
    )
    assert label is not None
    if below := [names[each] for each, auroc in by_class.items() if auroc < 0.5]:
        st.caption(below_half(", ".join(below)))
    chosen = (context.labels == label).nonzero().squeeze(1)
    lowest = chosen[context.scores[chosen].argsort(stable=True)[:WORST]]
    caption = _("The least strange of “{name}”: image, reconstruction, error map, score.", name=names[label])
    result = context.detector.infer(context.test.images[lowest])
    cards = verdicts.judged(result, context.working.value, is_normal=False)
    st.caption(caption)
    st.html(cards)
    st.html(pictures.error_legend())
    return report.heading(question), report.paragraph(caption), cards, pictures.error_legend()
