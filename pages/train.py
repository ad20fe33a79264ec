"""Train: choose settings, watch the network learn, keep what it learnt."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import streamlit as st
import torch

from core import checkpoint
from core.data.datasets import DataSet
from core.detector import AutoencoderDetector, DetectorConfig
from core.device import choose_device
from core.errors import UserError
from core.jobs.job import JobState, Snapshot
from core.model import layers, outline, parameter_count
from core.presets import shipped_as
from pages.shared import header
from pages.shared.charts import figures
from pages.shared.forms import settings
from pages.shared.html import pictures
from pages.shared.i18n.glossary import about
from pages.shared.i18n.text import _, formatted, translated
from pages.shared.state import keys, own_data, session
from pages.shared.state.visitor import Choice, Run, tab
from pages.shared.streamlit_internals import begin_again_with_app


def show() -> None:
    """The page."""
    st.title(_("Train a detector"))
    settings.follow_drawings()
    at_hand = session.data_set(st.session_state.get(keys.DATA_SET, "mnist"))
    session.show_data_notice(at_hand)
    left, right = st.columns([1, 2.2], gap="large")
    with left:
        config, problem = show_settings()
    with right:
        show_controls(config)
        if problem:
            st.error(translated(problem), icon=":material/error:")
        live = st.container()
        st.toggle(_("Logarithmic scale"), key=keys.LOG_SCALE, persist_state="session")
        with st.container(key="hideable-runs"):
            overlaid = show_runs()
        with live:
            st.fragment(show_live, run_every=session.poll(0.5))(overlaid, config)
            if config and session.job() is None:
                show_network(config, at_hand.data)


def show_settings() -> tuple[DetectorConfig | None, UserError | None]:
    """The settings; returns them as they stand, None where they cannot be trained, and what is wrong."""
    problem = tab().job_problem
    try:
        with st.container(key="hideable-settings"):
            settings.ask(disabled=session.job() is not None)
        config = settings.read()
        if session.scheduler():
            st.caption(_("Runs on: cluster"))
        else:
            device = choose_device(st.session_state.get(keys.DEVICE))
            st.caption(_("Runs on: {device}", device=settings.device_title(device.type)))
    except UserError as error:
        return None, error
    return config, problem


def start(single_step: bool = False) -> None:
    """Begin or go on."""
    training = session.job()
    if training is None:
        try:
            config = settings.read()
            # The data at hand, which is the UCI digits where the wanted set is still on its way.
            data = session.data_set(config.data_set).data
            config = replace(config, data_set=data.name)
            split = session.split_of(config, data)
            own_data.remember(data.name)
            device = None if session.scheduler() else choose_device(st.session_state.get(keys.DEVICE))
            training = session.start_job(config, split, device)
        except UserError as error:
            tab().job_problem = error
            return
    tab().job_problem = None
    (training.step if single_step else training.resume)()


def show_controls(config: DetectorConfig | None) -> None:
    """Start, Pause, Step, Stop, Reset."""
    training = session.job()
    state = training.snapshot().state if training else JobState.READY
    can_start = config is not None and not state.is_active
    buttons: list[tuple[str, str, str | None, Callable[[], None], bool]] = [
        (_("Pause"), ":material/pause:", "P", session.pause_job, state.is_active),
        (_("Step"), ":material/skip_next:", "N", lambda: start(single_step=True), can_start),
        (_("Stop"), ":material/stop:", None, session.stop_job, training is not None),
        (
            _("Reset"),
            ":material/restart_alt:",
            None,
            session.drop_job,
            training is not None or session.last_snapshot() is not None,
        ),
    ]
    with st.container(horizontal=True, key="controls"):
        st.button(
            _("Resume") if training else _("Start"),
            icon=":material/play_arrow:",
            type="primary",
            disabled=not can_start,
            on_click=start,
            key="start",
            shortcut="S",
        )
        for label, icon, shortcut, action, enabled in buttons:
            st.button(label, icon=icon, disabled=not enabled, on_click=action, key=f"button-{icon[10:-1]}", shortcut=shortcut)


def ready_in_use(config: DetectorConfig | None) -> checkpoint.Checkpoint | None:
    """The shipped detector with these settings, if there is one and it is in use."""
    made = shipped_as(config) if config else None
    return session.shipped_checkpoint(made) if made and session.choice() == Choice(shipped=made) else None


def show_status(snapshot: Snapshot | None, is_ready: bool) -> None:
    """One sentence and a bar."""
    with st.container(key="job-status"):
        if snapshot is None:
            st.markdown(
                _("This is the detector that ships with the program. Press **Start** to train it yourself.")
                if is_ready
                else _("Ready. Press **Start** and watch.")
            )
            return
        if snapshot.state is JobState.FAILED:
            st.error(translated(snapshot.error) if snapshot.error else "", icon=":material/error:")
            return
        if snapshot.state is JobState.DONE:
            ended = _("Stopped early") if snapshot.stopped_early else _("Done")
            st.markdown(
                _(
                    "**{ended}** after {batches:,} batches. The detector is in use on the other pages.",
                    ended=ended,
                    batches=len(snapshot.batch_losses),
                )
            )
            return
        if snapshot.error:
            st.warning(translated(snapshot.error), icon=":material/pause_circle:")
            st.progress(snapshot.progress)
            return
        st.progress(snapshot.progress, header.job_sentence(snapshot))
        if snapshot.images_per_second:
            speed, seconds = snapshot.images_per_second, snapshot.seconds_left
            if snapshot.turn < 1.5:
                st.caption(_("{speed:,.0f} images per second · {seconds:.0f} s left", speed=speed, seconds=seconds))
            else:
                st.caption(
                    _(
                        "{speed:,.0f} images per second in its turns · one turn in {turn:.0f} is yours · "
                        "about {seconds:,.0f} s left",
                        speed=speed,
                        turn=snapshot.turn,
                        seconds=seconds,
                    )
                )


def show_losses(snapshot: Snapshot | None, made: checkpoint.Checkpoint | None, overlaid: Sequence[Run]) -> None:
    """The live curves, or those of a ready detector, with those of earlier runs behind them."""
    earlier = {run.name: run.losses for run in overlaid if run.losses}
    losses = snapshot.losses if snapshot else made.losses if made else ()
    batch_losses, batches = (snapshot.batch_losses, snapshot.batches) if snapshot else (np.empty(0, dtype=np.float32), 1)
    epochs = max(map(len, (losses, *earlier.values()))) if snapshot is None else snapshot.epochs
    if epochs == 0:
        return
    log_scale = bool(st.session_state.get(keys.LOG_SCALE, False))
    figure = figures.loss_curves(losses, batch_losses, batches, epochs, earlier, log_scale)
    st.plotly_chart(figure, key="loss-curves", config={"displayModeBar": False}, alt=_("Loss by epoch"))
    if losses:
        st.caption(
            _(
                "Epoch {epoch}: training loss {train:.4f}, validation loss {validation:.4f}",
                epoch=len(losses),
                train=losses[-1].train,
                validation=losses[-1].validation,
            )
        )


def show_reconstructions(detector: AutoencoderDetector) -> None:
    """Eight held-out normal images and eight others, as the network redraws them now."""
    config = detector.config
    data = session.data_set(config.data_set, may_download=False).data
    split = session.split_of(config, data)
    labels = split.test.labels
    is_other = ~torch.isin(labels, torch.tensor(config.normal_classes))
    first = [(labels == label).nonzero()[0, 0] for label in sorted(set(labels[is_other].tolist()))]
    others = torch.stack([*first, *is_other.nonzero().squeeze(1)[:8]])[:8] if first else torch.empty(0, dtype=torch.int64)
    names = session.normal_names(config)
    for column, title, images in zip(
        st.columns(2),
        (_("Held-out {names}, and below it its reconstruction", names=names), _("Other classes: what becomes of them?")),
        (split.first_held_out(8), split.test.images[others]),
        strict=True,
    ):
        if len(images) == 0:
            continue
        result = detector.infer(images)
        with column:
            st.caption(title)
            st.html(pictures.before_and_after(result.images, result.reconstructions))


def show_held_out(made: checkpoint.Checkpoint) -> None:
    """Of few held-out images: which false-alarm rates they can keep; and of one kind alone, what is missing."""
    count, rate = len(made.detector.calibration_scores_), made.config.false_alarm_rate
    if made.config.threshold is None and rate < 1 / (count + 1):
        st.info(
            _(
                "{count:,} held-out images can keep a false-alarm rate of {possible:.1%} at least: 1 of {all:,}, the new image "
                "counted in. {wanted:.1%} were asked for, which takes {needed:,} held-out images.",
                count=count,
                possible=1 / (count + 1),
                all=count + 1,
                wanted=rate,
                needed=math.ceil(round(1 / rate, 6)) - 1,
            ),
            icon=":material/straighten:",
        )
    if made.config.class_names and made.evaluation is None:
        st.info(
            _("Every drawing is of the normal kind, so there is no AUROC. Keep drawings of another kind to measure with."),
            icon=":material/info:",
        )


def show_result(made: checkpoint.Checkpoint) -> None:
    """What came of a finished training."""
    show_held_out(made)
    figures_ = made.evaluation
    if figures_ is None:
        return
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        for name, value, word in (
            (_("AUROC"), formatted(figures_.auroc, ".4f"), "auroc"),
            (_("Threshold"), formatted(made.detector.threshold_, ".4f"), "threshold"),
            (_("False alarms"), formatted(figures_.false_alarm_rate, ".1%"), "false-alarm rate"),
            (_("Anomalies caught"), formatted(figures_.catch_rate, ".1%"), "recall"),
        ):
            st.metric(name, value, help=about(word), width="content")
    by_class = {
        session.names_in(made.config)[label]: formatted(value, ".3f") for label, value in figures_.auroc_by_class.items()
    }
    st.caption(_("AUROC against each other class"))
    st.dataframe([by_class], hide_index=True)


def show_live(overlaid: Sequence[Run], config: DetectorConfig | None) -> None:
    """Everything that moves while a job runs; when it ends or pauses, the whole page runs once more."""
    if session.collect_job() or session.has_news():
        st.rerun()
    training = session.job()
    snapshot = training.snapshot() if training else session.last_snapshot()
    is_active = snapshot is not None and snapshot.state.is_active
    was_active, tab().was_active = tab().was_active, is_active
    if was_active and not is_active:
        st.rerun()  # the buttons change
    made = snapshot.result if snapshot else ready_in_use(config)
    show_status(snapshot, is_ready=made is not None)
    if made:
        show_result(made)
    show_losses(snapshot, made, overlaid)
    if training and snapshot and snapshot.has_begun:
        show_reconstructions(training.detector())
    elif made:
        show_reconstructions(made.detector)


def as_file(made: checkpoint.Checkpoint) -> bytes:
    """The checkpoint in full precision, or in half where only that can be uploaded again."""
    whole = checkpoint.to_bytes(made)
    # A larger max_upload_size of the widget would be accepted by the page and refused by the server.
    most = int(st.get_option("server.maxUploadSize")) * 2**20
    return whole if len(whole) <= most else checkpoint.to_bytes(made, torch.float16)


def show_runs() -> list[Run]:
    """The session's runs; returns those whose curves are to be laid over."""
    runs = session.runs()
    if not runs:
        return []
    st.subheader(_("Runs of this session"))
    rows = [
        {
            _("Run"): run.name,
            _("Normal"): session.normal_names(run.config),
            _("Data set"): session.title_of(run.config.data_set),
            _("Layers"): "-".join(str(stage.units) for stage in layers(run.config.model)),
            _("Epochs"): len(run.losses),
            _("Validation loss"): run.losses[-1].validation if run.losses else None,
            _("Threshold"): run.threshold,
            _("AUROC"): run.evaluation.auroc if run.evaluation else None,
        }
        for run in runs
    ]
    st.dataframe(rows, hide_index=True)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = [run.name for run in runs]
        overlaid = st.multiselect(_("Curves to lay over"), names, placeholder=_("Nothing"), key="overlaid", width=260)
        ready = [number for number, run in enumerate(runs) if run.detector]
        chosen = st.selectbox(_("Run to keep"), ready, index=len(ready) - 1, format_func=names.__getitem__, width=200)
        kept = session.checkpoint_of_run(chosen)
        st.download_button(
            _("Download checkpoint"),
            lambda: as_file(kept),
            f"detector-{'-'.join(map(str, kept.config.normal_classes))}.safetensors",
            icon=":material/download:",
            on_click="ignore",
        )
    newest = runs[-1].detector
    if newest and session.kept_numbers() + newest.size > session.most_kept():
        st.caption(
            _(
                "Only the latest detectors are kept: together they have at most {most:,} parameters. Of older runs the "
                "curves and figures stay. Download a detector that you want to use later.",
                most=session.most_kept(),
            )
        )
    return [run for run in runs if run.name in overlaid]


def show_network(config: DetectorConfig, data: DataSet) -> None:
    """The hourglass, and the first images it will learn from."""
    stages = layers(config.model)
    st.html(pictures.hourglass(stages))
    st.caption(
        _(
            "{sizes}: {count:,} parameters. The bottleneck passes on {latent} numbers of {pixels}.",
            sizes="-".join(str(stage.units) for stage in stages),
            count=parameter_count(outline(config.model)),
            latent=config.model.latent_dim,
            pixels=stages[0].units,
        )
    )
    if config.normal_classes:
        chosen = torch.isin(data.train_labels, torch.tensor(config.normal_classes)).nonzero().squeeze(1)[:5]
        st.caption(_("The first five images of its kind"))
        cells = [pictures.picture(image.float() / 255, _("Training image")) for image in data.train_images[chosen]]
        st.html(f'<div class="pic-row first-five">{"".join(pictures.figure(cell, "") for cell in cells)}</div>')


if __name__ == "__main__":
    begin_again_with_app()
