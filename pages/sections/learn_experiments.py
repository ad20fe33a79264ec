"""The lesson's thirteenth step: every preset, guessed at first; then what is so, over several seeds."""

import streamlit as st

from core.experiments import seeds
from core.experiments.seeds import Range
from core.model import layers, meta_model, parameter_count
from core.presets import COURSE, PRESETS, Shipped
from pages.sections.learn_better import below_a_guess
from pages.sections.learn_context import USUAL_CLASS
from pages.sections.learn_question import choose, say, two_columns
from pages.sections.learn_trap import before_and_after, ready
from pages.shared.html import diagrams
from pages.shared.i18n.glossary import about
from pages.shared.i18n.preset_texts import preset_texts
from pages.shared.i18n.text import _, formatted
from pages.shared.navigation import page_of
from pages.shared.state import data_sets, detectors
from pages.shared.state.page_context import PageContext
from pages.shared.state.visitor import Choice

FIRST = "wide"
BETTER, SAME, WORSE = range(3)


def compared(name: str) -> int:
    """How a preset's AUROC compares with the course's: better or worse where no seed of one reaches those of the other."""
    own, course = (seeds.range_of(seeds.of_preset(seeds.read(), each), "auroc") for each in (name, "course"))
    return BETTER if own.least > course.most else WORSE if own.most < course.least else SAME


def show(_context: PageContext) -> None:
    """Choose an experiment, guess how it compares, and see."""
    known, trials = preset_texts(), seeds.read()
    names = [name for name in known if seeds.of_preset(trials, name)]
    left, right = two_columns()
    with left:
        chosen = st.selectbox(
            _("Experiment"), names, index=names.index(FIRST), format_func=lambda name: known[name].title, key="experiment"
        )
        if not Shipped(chosen, "mnist", USUAL_CLASS).path.exists():
            st.info(
                _("No trained detector comes with this preset. Choose it on the page Train and press Start there."),
                icon=":material/model_training:",
            )
            st.page_link(page_of("train"), icon=":material/model_training:")
            return
        st.markdown(known[chosen].text)
        is_open = True
        if chosen == "course":
            st.markdown(remark(chosen))
        else:
            given = choose(
                f"experiment-{chosen}",
                _(
                    "This network and the course's were each trained {count} times, with different seeds. How well does it "
                    "tell 5s from other digits, compared with the course's?",
                    count=len(seeds.of_preset(trials, chosen)),
                ),
                (_("Better than the course"), _("About as well"), _("Worse")),
                compared(chosen),
            )
            is_open = given is not None
            if given:
                say(given, in_numbers(chosen), remark(chosen))
    with right:
        if is_open:
            show_figures(chosen)
            if st.button(_("Use it on every page"), on_click=put_in_use, args=(chosen,), icon=":material/troubleshoot:"):
                st.rerun()  # the page's header names it
        else:
            st.html(diagrams.hourglass(layers(PRESETS[chosen].model)))


def show_figures(name: str) -> None:
    """The shipped detector of a preset: images and what becomes of them, and its figures on the test set."""
    made = ready(name)
    for column, part in zip(st.columns(2), before_and_after(made.detector, 5), strict=True):
        column.html(part)
    measured = made.evaluation
    assert measured is not None
    for row in (
        (
            (_("Training loss"), made.losses[-1].train, ".4f", "loss"),
            (_("Validation loss"), made.losses[-1].validation, ".4f", "validation loss"),
        ),
        ((_("AUROC"), measured.auroc, ".4f", "auroc"), (_("Anomalies caught"), measured.catch_rate, ".1%", "recall")),
    ):
        for column, (label, value, spec, word) in zip(st.columns(2), row, strict=True):
            column.metric(label, formatted(value, spec), help=about(word))
    least = min(measured.auroc_by_class, key=measured.auroc_by_class.__getitem__)
    if measured.auroc_by_class[least] < 0.5:
        st.caption(
            below_a_guess(
                data_sets.names_of("mnist")[least], data_sets.names_of("mnist")[USUAL_CLASS], measured.auroc_by_class[least]
            )
        )


def in_numbers(name: str) -> str:
    """Its AUROC and the course's, from the least to the most over the seeds."""
    own, course = (seeds.range_of(seeds.of_preset(seeds.read(), each), "auroc") for each in (name, "course"))
    return _(
        "AUROC {least:.3f} to {most:.3f}; the course {course_least:.3f} to {course_most:.3f}.",
        least=own.least,
        most=own.most,
        course_least=course.least,
        course_most=course.most,
    )


def remark(name: str) -> str:
    """What is to be seen in this experiment, mostly in numbers; empty where its text says all."""
    trials = seeds.of_preset(seeds.read(), name)

    def mean_of(figure: str, of: str = name) -> float:
        found: Range = seeds.range_of(seeds.of_preset(seeds.read(), of), figure)
        return found.mean

    if name == "wide":
        return _(
            "It copies: its error is {others:.4f} on others instead of {course_others:.4f}, and {own:.4f} on 5s instead of "
            "{course_own:.4f}. The 5s still come out better.",
            others=mean_of("error_others"),
            course_others=mean_of("error_others", "course"),
            own=mean_of("error_normal"),
            course_own=mean_of("error_normal", "course"),
        )
    if name == "course":
        first, last = (
            tuple(sum(pair) / len(trials) for pair in zip(*(getattr(each, when) for each in trials), strict=True))
            for when in ("first", "last")
        )
        return _(
            "In the first epoch the training loss ({train:.3f}) is above the validation loss "
            "({validation:.3f}): it is the mean over the epoch, "
            "in which the network was still learning; validation comes at its end. In the last they are "
            "alike ({last_train:.3f}, {last_validation:.3f}).",
            train=first[0],
            validation=first[1],
            last_train=last[0],
            last_validation=last[1],
        )
    if name == "denoising":
        last = tuple(sum(pair) / len(trials) for pair in zip(*(each.last for each in trials), strict=True))
        return _(
            "Its validation loss ({validation:.3f}) stays above its training loss ({train:.3f}): held-out "
            "images come without noise, "
            "and that it was never shown.",
            train=last[0],
            validation=last[1],
        )
    if name == "narrow":
        return _("So few numbers are enough.")
    if name == "few-epochs":
        return _("What has learnt little cannot tell much apart.")
    if name == "convolutional":
        return _(
            "{own:,} parameters instead of {course:,}, and about as good.",
            own=parameter_count(meta_model(PRESETS[name].model)),
            course=parameter_count(meta_model(COURSE.model)),
        )
    return ""


def put_in_use(preset: str) -> None:
    detectors.use(Choice(shipped=Shipped(preset, "mnist", USUAL_CLASS)))
