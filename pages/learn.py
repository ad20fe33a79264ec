"""Learn: the course in seven steps, each with the live thing beside it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import streamlit as st
import torch

from core.checkpoint import Checkpoint, CheckpointError
from core.data.datasets import data_directory
from core.detector import AutoencoderDetector, Result
from core.errors import UserError
from core.jobs.job import JobState
from core.metrics import evaluate, histogram
from core.model import ModelConfig, layers, outline, parameter_count
from core.presets import PRESETS, Shipped
from pages.shared import header
from pages.shared.charts import figures
from pages.shared.forms.slider import slider
from pages.shared.html import pictures
from pages.shared.i18n.glossary import about
from pages.shared.i18n.lessons import lessons
from pages.shared.i18n.text import _, formatted, translated
from pages.shared.navigation import page_of
from pages.shared.state import keys, link, session
from pages.shared.state.page_context import PageContext
from pages.shared.state.visitor import Choice, tab, visitor
from pages.shared.streamlit_internals import begin_again_with_app

TRAP = ("course", "broadcasting")
"""The presets that the trap compares: the right shapes and the wrong ones."""


def steps() -> tuple[tuple[str, Callable[[PageContext], None]], ...]:
    """Every step: its title, and what shows it."""
    return (
        (_("Two ways to learn"), two_ways),
        (_("The hourglass"), hourglass),
        (_("Redraw one digit"), redraw),
        (_("The error is the score"), error_is_score),
        (_("The threshold and its price"), threshold_and_price),
        (_("What goes wrong"), trap),
        (_("Experiments"), experiments),
    )


def show() -> None:
    """The page."""
    all_steps = steps()
    step = current_step()
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.title(_("Learn"), width="content")
        st.pagination(len(all_steps), key=keys.STEP, on_change=choose_step, persist_state="session")
    title, show_step = all_steps[step - 1]
    st.header(f"{step}. {title}", anchor=False)
    with st.container(key="lesson"):
        st.fragment(show_lesson)(show_step, PageContext.of_detector_in_use(may_download=False))
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.button(_("Back"), icon=":material/arrow_back:", on_click=go_to, args=(step - 1,), disabled=step == 1)
        st.button(
            _("Next"),
            icon=":material/arrow_forward:",
            icon_position="right",
            type="primary",
            on_click=go_to,
            args=(step + 1,),
            disabled=step == len(all_steps),
        )


def show_lesson(show_part: Callable[..., None], *context: PageContext) -> None:
    """A step or a fragment inside it, or which of the files that it needs cannot be used."""
    try:
        show_part(*context)
    except CheckpointError as error:
        st.error(translated(error), icon=":material/error:")


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


def ready(preset: str) -> Checkpoint:
    """The shipped detector of a preset, for 5."""
    return session.shipped_checkpoint(Shipped(preset, "mnist", 5))


def put_in_use(preset: str) -> None:
    session.use(Choice(shipped=Shipped(preset, "mnist", 5)))


def classes_there(context: PageContext) -> list[int]:
    """The classes of which the test set has images."""
    return [label for label in range(len(context.names)) if bool((context.labels == label).any())]


def first_of_each_class(context: PageContext) -> list[int]:
    """Index of the first test image of each class."""
    return [int((context.labels == label).nonzero()[0]) for label in classes_there(context)]


def show_row(context: PageContext, indices: list[int], captions: bool) -> None:
    """Test images side by side, with their class where captions are wanted."""
    labels = [context.names[int(context.labels[index])] for index in indices]
    images = context.test.images
    cells = [(pictures.picture(images[index], label), label) for index, label in zip(indices, labels, strict=True)]
    st.html(pictures.row(cells if captions else [(content, "") for content, _label in cells]))


# ---------------------------------------------------------------- the steps


def two_ways(context: PageContext) -> None:
    """Supervised against unsupervised."""
    supervised, unsupervised = st.columns(2, gap="large", border=True)
    with supervised:
        st.subheader(_("Supervised"), anchor=False)
        st.markdown(_("Somebody names **every** image. The program learns the names. What nobody named, it cannot know."))
        show_row(context, first_of_each_class(context)[:5], captions=True)
        show_row(context, first_of_each_class(context)[5:10], captions=True)
    with unsupervised:
        st.subheader(_("Unsupervised"), anchor=False)
        st.markdown(
            _(
                "Only **{normal}**, and no names. The program learns what is normal. All else is an anomaly, known or not.",
                normal=context.normal,
            )
        )
        usual = context.is_normal.nonzero().squeeze(1)
        show_row(context, usual[:5].tolist(), captions=False)
        show_row(context, usual[5:10].tolist(), captions=False)


def hourglass(_context: PageContext) -> None:
    """The network, with a bottleneck that one can turn."""
    st.markdown(_("The image is squeezed through a **bottleneck** and drawn again from the few numbers that came through."))
    latent = st.select_slider(
        _("Units in the bottleneck"), [2, 8, 32, 128, 784], 128, key="lesson-latent", help=about("bottleneck"), width=420
    )
    model = ModelConfig(latent_dim=latent) if latent < 512 else ModelConfig(hidden_sizes=(), latent_dim=latent)
    stages = layers(model)
    st.html(pictures.hourglass(stages))
    sizes = "-".join(str(stage.units) for stage in stages)
    count = parameter_count(outline(model))
    st.caption(_("{sizes}: {count:,} parameters", sizes=sizes, count=count))
    if latent < 784:
        st.markdown(
            _(
                "{latent} numbers instead of 784: this also **compresses** the image to {share:.1%}.",
                latent=latent,
                share=latent / 784,
            )
        )
    else:
        st.markdown(_("784 numbers for 784 pixels: nothing has to be left out. What will it learn then?"))


def choose_image(context: PageContext) -> Result:
    """A test image of the class that is chosen, and what the detector makes of it."""
    there = classes_there(context)
    names = context.names
    others = [label for label in [7, *there] if label in there and label not in context.normal_classes]
    other = (others or there)[0]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = st.pills(
            _("Show it a …"), there, default=other, required=True, format_func=names.__getitem__, key="lesson-class"
        )
        if st.button(_("Another one"), icon=":material/refresh:"):
            tab().lesson_image += 1
    kind = (context.labels == label).nonzero().squeeze(1)
    index = int(kind[tab().lesson_image % len(kind)])
    return context.detector.infer(context.test.images[index : index + 1])


def redraw(context: PageContext) -> None:
    """Reconstruct one digit."""
    st.markdown(_("The network has seen **{normal}** only. Whatever it is shown, it redraws as that.", normal=context.normal))
    result = choose_image(context)
    cells = [
        (pictures.picture(result.images[0], _("What the model sees")), _("What the model sees")),
        (pictures.picture(result.reconstructions[0], _("Its reconstruction")), _("Its reconstruction")),
    ]
    with st.container(width=600):
        st.html(pictures.row(cells))


def error_is_score(context: PageContext) -> None:
    """Error as score."""
    st.markdown(_("Image minus reconstruction is the **error map**; its size is the **anomaly score**. Higher is stranger."))
    result = choose_image(context)
    left, right = st.columns([1.2, 1], gap="large", vertical_alignment="center")
    with left:
        st.html(pictures.triple(result.images[0], result.reconstructions[0], result.error_maps[0]))
        st.html(pictures.error_legend())
    with right:
        st.html(pictures.gauge(float(result.scores[0]), result.threshold))
        st.html(pictures.badge(bool(result.verdicts[0])))
        st.metric(_("Anomaly score"), formatted(result.scores[0], ".4f"), help=about("anomaly score"))


def threshold_and_price(context: PageContext) -> None:
    """Threshold and its price."""
    st.markdown(
        _(
            "Where does strange begin? The **threshold** is set with held-out {normal} alone. It has a price.",
            normal=context.normal,
        )
    )
    st.session_state.setdefault(keys.LESSON_RATE, 5.0)
    rate = slider(_("False-alarm rate in %"), 0.5, 30.0, 0.5, keys.LESSON_RATE, help=about("false-alarm rate"), width=420)
    threshold = context.detector.at_false_alarm_rate(rate / 100).threshold_
    scores, labels, normal_classes = context.scores, context.labels, context.normal_classes
    if context.is_normal.all() or not context.is_normal.any():
        st.info(_("These test images are all normal, or all anomalies: nothing to compare."), icon=":material/info:")
        return
    measured = evaluate(scores, labels, normal_classes, threshold)
    left, right = st.columns(2)
    left.metric(_("False alarms"), formatted(measured.false_alarm_rate, ".1%"), help=about("false-alarm rate"))
    right.metric(_("Anomalies caught"), formatted(measured.catch_rate, ".1%"), help=about("recall"))
    chart = figures.score_histogram(histogram(scores, labels), normal_classes, threshold)
    st.plotly_chart(chart, key="lesson-scores", config={"displayModeBar": False}, alt=_("All scores"))


def trap(_context: PageContext) -> None:
    """What goes wrong: shapes that do not match."""
    st.markdown(
        _(
            "One forgotten dimension, and torch does not complain: it **broadcasts**, and compares all images with all others. "
            "The best the network can do then is to draw the **mean 5**, always."
        )
    )
    jobs = visitor().trap
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(_("Train both now"), icon=":material/play_arrow:", type="primary", on_click=start_trap)
        if problem := tab().trap_problem:
            st.error(translated(problem), icon=":material/error:")
        if not jobs:
            st.caption(_("Until then: both as they were trained before."))
    active = [snapshot for job in jobs if (snapshot := job.snapshot()).state.is_active]
    seconds = session.WAITING_POLL if any(snapshot.turn > 3 for snapshot in active) else 0.7
    st.fragment(show_lesson, run_every=seconds if active else None)(show_trap)
    with st.expander(_("How to notice it"), icon=":material/lightbulb:"):
        st.markdown(
            _(
                "- The loss stops early, at {stuck:.3f}, and nothing helps.\n"
                "- Every reconstruction is the same image.\n"
                "- torch warns of sizes that differ: read warnings.\n"
                "- Compare shapes before you subtract. This program raises an error instead.",
                stuck=ready("broadcasting").losses[-1].validation,
            )
        )


def start_trap() -> None:
    """Train the course's network twice, with the right shapes and the wrong ones."""
    at_hand = session.data_set("mnist", may_download=False).data
    jobs = []
    with visitor().lock:
        for job in visitor().trap:
            job.drop()
        visitor().trap, tab().trap_problem = (), None
        try:
            for preset in TRAP:
                settings = replace(PRESETS[preset], data_set=at_hand.name)
                split = session.split(at_hand.name, data_directory(), (5,), settings.training.seed)
                jobs.append(session.new_job(settings, split))
        except UserError as error:
            tab().trap_problem = error
            return
        visitor().trap = tuple(jobs)
    for job in jobs:
        job.resume()


def show_trap() -> None:
    """Both networks as they stand: losses, reconstructions, AUROC."""
    jobs = visitor().trap
    snapshots = [job.snapshot() for job in jobs]
    is_active = any(snapshot.state.is_active for snapshot in snapshots)
    was_active, tab().trap_was_active = tab().trap_was_active, is_active
    if was_active and not is_active:
        st.rerun()
    titles = (_("Shapes match"), _("Shapes do not match"))
    shapes = ("(64, 1, 28, 28) − (64, 1, 28, 28)", "(64, 28, 28) − (64, 1, 28, 28)")
    losses = [snapshot.losses for snapshot in snapshots] or [ready(preset).losses for preset in TRAP]
    curves = dict(zip(titles, losses, strict=True))
    figure = figures.loss_curves(
        (), np.empty(0, dtype=np.float32), 1, PRESETS["course"].training.epochs, curves, log_scale=False
    )
    st.plotly_chart(figure, key="trap-losses", config={"displayModeBar": False}, alt=_("Loss by epoch"))
    for number, column in enumerate(st.columns(2, gap="large", border=True)):
        with column:
            st.markdown(f"**{titles[number]}**  \n`{shapes[number]}`")
            if jobs:
                snapshot = snapshots[number]
                if not snapshot.state.is_over:
                    st.progress(snapshot.progress, header.job_sentence(snapshot))
                elif snapshot.error:
                    st.error(translated(snapshot.error), icon=":material/error:")
                made = snapshot.result
                trained = jobs[number].detector() if snapshot.has_begun else None
            else:
                made = ready(TRAP[number])
                trained = made.detector
            if trained:
                st.html("".join(before_and_after(trained, 6)))
            validation, auroc = st.columns(2)
            if losses[number]:
                validation.metric(
                    _("Validation loss"), formatted(losses[number][-1].validation, ".3f"), help=about("validation loss")
                )
            if made and made.evaluation:
                auroc.metric(_("AUROC"), formatted(made.evaluation.auroc, ".2f"), help=about("auroc"))
    if snapshots and all(snapshot.state is JobState.DONE for snapshot in snapshots):
        st.success(_("Same network, same images, same seed. Only the shapes differ."), icon=":material/check:")


def before_and_after(trained: AutoencoderDetector, each: int) -> tuple[str, str]:
    """So many images of the normal class, and so many others, and below them what becomes of them."""
    shown = session.data_set(trained.config.data_set, may_download=False).data
    usual = torch.isin(shown.test.labels, torch.tensor(trained.config.normal_classes)).nonzero().squeeze(1)[:each]
    others = torch.stack([(shown.test.labels == label).nonzero()[0, 0] for label in (7, 1, 3, 8, 0, 4, 6, 9)[:each]])
    first, second = (trained.infer(shown.test.images[chosen]) for chosen in (usual, others))
    return (
        pictures.before_and_after(first.images, first.reconstructions),
        pictures.before_and_after(second.images, second.reconstructions),
    )


def experiments(_context: PageContext) -> None:
    """Every preset, ready: its lesson, and what becomes of 5s and others."""
    known = lessons()
    chosen = st.pills(
        _("Experiment"),
        list(known),
        default="course",
        required=True,
        format_func=lambda name: known[name].title,
        key="experiment",
    )
    st.markdown(known[chosen].text)
    if not Shipped(chosen, "mnist", 5).path.exists():
        st.info(
            _("No trained detector comes with this preset. Choose it on the page Train and press Start there."),
            icon=":material/model_training:",
        )
        st.page_link(page_of("train"), icon=":material/model_training:")
        return
    made = ready(chosen)
    for column, part in zip(st.columns(2), before_and_after(made.detector, 8), strict=True):
        column.html(part)
    figures_ = made.evaluation
    assert figures_ is not None
    columns = st.columns(4)
    columns[0].metric(_("Validation loss"), formatted(made.losses[-1].validation, ".4f"), help=about("validation loss"))
    columns[1].metric(_("AUROC"), formatted(figures_.auroc, ".4f"), help=about("auroc"))
    columns[2].metric(_("False alarms"), formatted(figures_.false_alarm_rate, ".1%"), help=about("false-alarm rate"))
    columns[3].metric(_("Anomalies caught"), formatted(figures_.catch_rate, ".1%"), help=about("recall"))
    st.button(_("Use it on every page"), on_click=put_in_use, args=(chosen,), icon=":material/troubleshoot:")
    st.subheader(_("Try it"), anchor=False)
    for question, answer in questions():
        with st.expander(question, icon=":material/help:"):
            st.markdown(answer)
    st.page_link(page_of("draw"), label=_("To the canvas"), icon=":material/draw:")


def questions() -> Sequence[tuple[str, str]]:
    """Questions with their answers; every number is read from a shipped detector."""

    def auroc(preset: str, label: int) -> float:
        made = session.shipped_checkpoint(Shipped(preset, "mnist", label)).evaluation
        assert made is not None
        return made.auroc

    return (
        (
            _("What if the bottleneck is 784?"),
            _(
                "Then the network can copy, and 7s come out well too. It still tells many of them (AUROC {auroc:.3f}), "
                "because it learnt to copy 5s only. But the gap is gone that made the verdict easy to see.",
                auroc=auroc("wide", 5),
            ),
        ),
        (
            _("Train on 1: why is nearly everything caught?"),
            _(
                "All 1s look alike: one stroke. Any other digit has ink where no 1 ever had any (AUROC {auroc:.3f}).",
                auroc=auroc("course", 1),
            ),
        ),
        (
            _("Why is an 8 hard?"),
            _(
                "Whoever can draw an 8 has the strokes of a 3, a 5, a 6 and a 9 at hand, so those come out well too "
                "(AUROC {auroc:.3f}, with the best detector {best:.3f}).",
                auroc=auroc("course", 8),
                best=auroc("best", 8),
            ),
        ),
        (
            _("Can you draw a 3 that passes for a 5?"),
            _("Try it. Hint: what is the difference between them? Only the side of the upper bend."),
        ),
    )


if __name__ == "__main__":
    begin_again_with_app()
