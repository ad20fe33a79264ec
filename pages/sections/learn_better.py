"""The lesson's eighth step: a better score, built up idea after idea."""

from collections.abc import Sequence

import streamlit as st

from core import ablation
from core.ablation import ABLATION_STEPS, AblationResult
from core.latent import sample
from core.metrics import evaluate
from core.presets import Shipped
from pages.sections.learn_context import cells, image_at, name_of, normal_class, nth, other_classes
from pages.sections.learn_question import choose, say, show_chart, two_columns
from pages.shared.charts import lesson as charts
from pages.shared.html import diagrams, pictures
from pages.shared.i18n.glossary import about
from pages.shared.i18n.text import _, formatted
from pages.shared.state import detectors
from pages.shared.state.page_context import PageContext
from pages.shared.state.visitor import current_lesson

QUESTION = "better"


def explained() -> dict[str, tuple[str, str]]:
    """Each idea: its name, and what it is for."""
    return {
        "course": (_("The course"), _("the mean of the squared errors")),
        "ink": (_("Divide by ink"), _("more ink has more to get wrong; what has little ink can no longer hide behind that")),
        "weigh": (
            _("Forgive a hair, weigh gaps"),
            _("blur the error map a little, let large errors count more, and divide by the ink twice"),
        ),
        "strokes": (
            _("Strokes of one width"),
            _("deskew each image, give all strokes one width, and train a better network on these"),
        ),
        "memory": (_("Remember"), _("instead of the image, redraw the training images that are most like it, and average")),
        "turns": (_("Turn"), _("look at each image turned a little, too; it helps what is written aslant")),
        "loops": (_("Mind loops"), _("what the ink encloses must be as usual")),
    }


@st.cache_resource(show_spinner=False)
def _measured(idea: str, label: int, data_set: str, hardest: int, _context: PageContext) -> AblationResult:
    course, best = (detectors.shipped_checkpoint(Shipped(preset, "mnist", label)).detector for preset in ("course", "best"))
    detector = ablation.detector_at_step(idea, course, best)
    return ablation.measure_step(detector, _context.data.test.images, _context.labels, hardest)


def measure_step(idea: str, context: PageContext, hardest: int) -> AblationResult:
    """Computed once for all visitors."""
    return _measured(idea, normal_class(context), context.data.name, hardest, context)


def show(context: PageContext) -> None:
    """Which class is missed most, and what helps."""
    looked_at = sample(context.labels, ablation.IMAGES)
    normal_classes, threshold = context.config.normal_classes, context.detector.threshold_
    by_class = evaluate(context.scores[looked_at], context.labels[looked_at], normal_classes, threshold).auroc_by_class
    others = other_classes(context)
    hardest = min(others, key=by_class.__getitem__)
    lesson = current_lesson()
    left, right = two_columns()
    with left:
        given = choose(
            QUESTION,
            _("Which digit does the course's detector find hardest to tell from {normal}?", normal=context.normal),
            [context.names[label] for label in others],
            others.index(hardest),
        )
        if given is None:
            st.caption(
                _("How well it tells them apart is measured by AUROC: 1 is perfect, 0.5 is a guess."), help=about("auroc")
            )
    if given is None:
        with right:
            show_examples(context, others)
        return
    with left:
        say(given, because(context, hardest, by_class[hardest]))
        names = explained()
        name, purpose = names[ABLATION_STEPS[lesson.ideas - 1]]
        st.markdown(_("{number}. **{name}**: {purpose}.", number=lesson.ideas, name=name, purpose=purpose))
        if lesson.ideas < len(ABLATION_STEPS):
            st.button(_("Next idea"), icon=":material/add:", on_click=next_idea)
    with right:
        labels = [context.names[label] for label in others]
        if lesson.ideas == 1:
            chart = charts.shares(labels, [by_class[label] for label in others], others.index(hardest))
            show_chart(chart, "lesson-by-class", _("AUROC by digit"))
        rows = [measure_step(idea, context, hardest) for idea in ABLATION_STEPS[: lesson.ideas]]
        head = (_("Idea"), _("AUROC"), _("AUROC, {name} alone", name=context.names[hardest]), _("Caught"))
        lines = [
            (names[idea][0], *(formatted(value, spec) for value, spec in zip(values, (".4f", ".4f", ".1%"), strict=True)))
            for idea, row in zip(ABLATION_STEPS, rows, strict=False)
            for values in [(row.auroc, row.auroc_of_hardest, row.caught)]
        ]
        st.html(diagrams.table(head, lines))
        st.caption(
            _(
                "Computed now on {count:,} test images; caught: where {rate:.0%} of the images of {normal} are alarms.",
                count=min(ablation.IMAGES, len(context.labels)),
                rate=context.config.false_alarm_rate,
                normal=context.normal,
            )
        )


def because(context: PageContext, hardest: int, auroc: float) -> str:
    """Why a class is hard, by what can be measured of it: its ink, or how well it is redrawn."""
    images, is_hard = context.data.test.images, context.labels == hardest
    ink, usual = float(images[is_hard].mean()), float(images[context.is_normal].mean())
    name, normal = context.names[hardest], context.normal
    if auroc < 0.5:
        return below_a_guess(name, normal, auroc)
    if ink < 0.75 * usual:
        return _(
            "{name} (AUROC {auroc:.3f}): it has {share:.0%} of the ink that {normal} has, so there is little to get wrong.",
            share=ink / usual,
            name=name,
            normal=normal,
            auroc=auroc,
        )
    return _(
        "{name} (AUROC {auroc:.3f}): whoever can draw {normal} has most of its strokes at hand.",
        name=name,
        normal=normal,
        auroc=auroc,
    )


def below_a_guess(name: str, normal: str, auroc: float) -> str:
    """What an AUROC below 0.5 means."""
    return _(
        "{name} (AUROC {auroc:.3f}, below 0.5): its images score lower than those of {normal}, as a rule; "
        "the detector finds them less strange than what it knows.",
        name=name,
        normal=normal,
        auroc=auroc,
    )


def show_examples(context: PageContext, others: Sequence[int]) -> None:
    """One image of each class."""
    for start in range(0, len(others), 5):
        chosen = [nth(context.labels == label, 1) for label in others[start : start + 5]]
        contents = [pictures.picture(image_at(context, index)[0], name_of(context, index)) for index in chosen]
        st.html(f'<div class="lesson-columns">{cells(contents, [name_of(context, index) for index in chosen])}</div>')


def next_idea() -> None:
    lesson = current_lesson()
    lesson.ideas = min(lesson.ideas + 1, len(ABLATION_STEPS))
