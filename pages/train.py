"""Train: choose settings, watch the network learn, keep what it learnt."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pandas as pd
import streamlit as st
import torch

from core import checkpoint
from core.data import SOURCES, EmptySplitError, data_directory
from core.detector import DetectorConfig
from core.device import available_devices, choose_device
from core.jobs import JobState, Snapshot
from core.model import ModelConfig, ModelConfigError, build, layers, parameter_count
from core.presets import PRESETS
from core.scoring import ScoreConfig
from core.training import MAX_EPOCHS, TrainConfig, TrainConfigError
from pages.shared import figures, header, pictures, session
from pages.shared.text import _

DENSE, CONVOLUTIONAL = "dense", "convolutional"


def preset_titles() -> dict[str, str]:
    return {
        "best": _("Best detector"),
        "course": _("The course"),
        "narrow": _("Narrow bottleneck"),
        "two-units": _("Two-unit bottleneck"),
        "wide": _("Bottleneck too wide"),
        "denoising": _("Denoising"),
        "convolutional": _("Convolutional"),
    }


def fill_from_preset() -> None:
    """Put a preset's values into the widgets."""
    config = PRESETS[st.session_state["preset"]]
    st.session_state.update(
        {
            "architecture": config.model.architecture,
            "hidden-sizes": ", ".join(str(size) for size in config.model.hidden_sizes),
            "latent-dim": config.model.latent_dim,
            "latent-relu": config.model.latent_activation == "relu",
            "epochs": config.training.epochs,
            "batch-size": config.training.batch_size,
            "learning-rate": config.training.learning_rate,
            "noise": config.training.noise,
            "seed": config.training.seed,
            "deskew": config.preprocessing == "deskew",
            "smoothing": config.score.smoothing,
            "ink-exponent": config.score.ink_exponent,
            "false-alarm-rate": config.false_alarm_rate * 100,
        }
    )


def ask_settings(disabled: bool) -> DetectorConfig:
    """All settings as widgets; raises ModelConfigError or TrainConfigError for what cannot be trained."""
    if "epochs" not in st.session_state:
        st.session_state["preset"] = "course"
        fill_from_preset()
    keep = {"persist_state": "session", "disabled": disabled}
    data_set = st.selectbox(
        _("Data set"), list(SOURCES), format_func=lambda name: SOURCES[name].title, key="data-set", **keep
    )
    names = SOURCES[data_set].class_names
    st.session_state.setdefault("normal-classes", [5])
    normal = st.pills(
        _("Normal class"),
        range(len(names)),
        selection_mode="multi",
        format_func=lambda label: names[label],
        key="normal-classes",
        wrap=True,
        help=_("The network learns these and nothing else. Everything else will be an anomaly."),
        **keep,
    )
    titles = preset_titles()
    st.selectbox(_("Preset"), list(PRESETS), format_func=titles.__getitem__, key="preset", on_change=fill_from_preset, **keep)
    st.slider(_("Epochs"), 1, MAX_EPOCHS if st.session_state["epochs"] > 50 else 50, key="epochs", **keep)
    with st.expander(_("Network"), icon=":material/hourglass_empty:"):
        st.segmented_control(
            _("Architecture"),
            [DENSE, CONVOLUTIONAL],
            format_func={DENSE: _("Dense"), CONVOLUTIONAL: _("Convolutional")}.__getitem__,
            required=True,
            key="architecture",
            **keep,
        )
        is_dense = st.session_state["architecture"] == DENSE
        st.text_input(
            _("Hidden sizes"),
            key="hidden-sizes",
            help=_("Units of each layer before the bottleneck, such as 512, 256. The decoder mirrors them."),
            persist_state="session",
            disabled=disabled or not is_dense,
        )
        st.number_input(
            _("Latent dimension"), 1, 4096, key="latent-dim", help=_("How many numbers the bottleneck passes on."), **keep
        )
        st.toggle(_("ReLU in the bottleneck"), key="latent-relu", **keep)
    with st.expander(_("Training"), icon=":material/tune:"):
        st.number_input(_("Batch size"), 1, 4096, key="batch-size", **keep)
        st.number_input(_("Learning rate"), 0.0, 10.0, step=0.0005, format="%g", key="learning-rate", **keep)
        st.slider(
            _("Noise"),
            0.0,
            1.0,
            step=0.05,
            key="noise",
            help=_("Added to the input only: the network has to clean it up (denoising autoencoder)."),
            **keep,
        )
        st.number_input(_("Seed"), 0, 2**31 - 1, key="seed", help=_("The same seed gives the same losses."), **keep)
        if len(available_devices()) > 1:
            st.selectbox(_("Device"), available_devices(), key="device", **keep)
    with st.expander(_("Score"), icon=":material/straighten:"):
        st.toggle(_("Straighten digits first"), key="deskew", help=_("Takes the slant out of every image."), **keep)
        st.slider(
            _("Smoothing in pixels"), 0.0, 3.0, step=0.1, key="smoothing",
            help=_("Blurs the error map: strokes that are off by a hair then do not count."), **keep,
        )
        st.slider(
            _("Ink exponent"), 0.0, 1.5, step=0.1, key="ink-exponent",
            help=_("Divides the score by the image's ink to this power: more ink has more to get wrong."), **keep,
        )
        st.slider(
            _("False-alarm rate in %"), 0.5, 30.0, step=0.5, key="false-alarm-rate",
            help=_("How many normal images in a hundred may be called anomalies. It sets the threshold."), **keep,
        )
    state = st.session_state
    return DetectorConfig(
        data_set=data_set,
        normal_classes=tuple(sorted(normal)),
        preprocessing="deskew" if state["deskew"] else "none",
        model=ModelConfig(
            state["architecture"],
            hidden_sizes(state["hidden-sizes"]) if is_dense else (),
            state["latent-dim"],
            "relu" if state["latent-relu"] else "none",
        ),
        training=TrainConfig(state["epochs"], state["batch-size"], state["learning-rate"], state["noise"], state["seed"]),
        score=ScoreConfig(state["smoothing"], state["ink-exponent"]),
        false_alarm_rate=state["false-alarm-rate"] / 100,
    )


def hidden_sizes(text: str) -> tuple[int, ...]:
    """Sizes from text such as “512, 256”; raises ModelConfigError."""
    try:
        return tuple(int(part) for part in text.replace(";", ",").split(",") if part.strip())
    except ValueError:
        raise ModelConfigError(
            _("Hidden sizes are whole numbers with commas between them, such as 512, 256, not “{text}”.").format(text=text[:40])
        ) from None


def start(config: DetectorConfig, single_step: bool = False) -> None:
    """Begin or go on."""
    training = session.job()
    if training is None:
        try:
            split = session.split(available.name, data_directory(), config.normal_classes, config.training.seed)
        except EmptySplitError as error:
            st.session_state["train-error"] = str(error)
            return
        config = replace(config, data_set=available.name)
        training = session.start_job(config, split, choose_device(st.session_state.get("device")))
    st.session_state["train-error"] = ""
    (training.step if single_step else training.resume)()


def show_controls(config: DetectorConfig | None) -> None:
    """Start, Pause, Step, Stop, Reset."""
    training = session.job()
    state = training.snapshot().state if training else JobState.READY
    can_start = config is not None and not state.is_active
    buttons: list[tuple[str, str, Callable[[], None] | None, bool]] = [
        (_("Pause"), ":material/pause:", training.pause if training else None, state.is_active),
        (_("Step"), ":material/skip_next:", lambda: start(config, True) if config else None, can_start),
        (_("Stop"), ":material/stop:", training.stop if training else None, training is not None),
        (_("Reset"), ":material/restart_alt:", session.drop_job, training is not None or session.last_snapshot() is not None),
    ]
    with st.container(horizontal=True, key="controls"):
        st.button(
            _("Resume") if training else _("Start"),
            icon=":material/play_arrow:",
            type="primary",
            disabled=not can_start,
            on_click=lambda: start(config) if config else None,
            key="start",
        )
        for label, icon, action, enabled in buttons:
            st.button(label, icon=icon, disabled=not enabled, on_click=action, key=f"button-{icon[10:-1]}")


def show_status(snapshot: Snapshot | None, config: DetectorConfig | None) -> None:
    """One sentence and a bar."""
    with st.container(key="job-status"):
        if snapshot is None:
            st.markdown(_("Ready. Press **Start** and watch."))
            return
        if snapshot.state is JobState.FAILED:
            st.error(snapshot.error or "", icon=":material/error:")
            return
        if snapshot.state is JobState.DONE:
            ended = _("Stopped early") if snapshot.stopped_early else _("Done")
            st.markdown(
                _("**{ended}** after {batches:,} batches. The detector is in use on the other pages.").format(
                    ended=ended, batches=len(snapshot.batch_losses)
                )
            )
            return
        st.progress(snapshot.progress, header.job_sentence(snapshot))
        if snapshot.images_per_second:
            st.caption(
                _("{speed:,.0f} images per second · {seconds:.0f} s left").format(
                    speed=snapshot.images_per_second, seconds=snapshot.seconds_left
                )
            )


def show_losses(snapshot: Snapshot | None, chosen_runs: Sequence[session.Run]) -> None:
    """The live curves."""
    earlier = {run.name: run.checkpoint.losses for run in chosen_runs if run.checkpoint.losses}
    log_scale = bool(st.session_state.get("log-scale", False))
    if snapshot is None and not earlier:
        return
    empty = snapshot is None
    figure = figures.loss_curves(
        () if empty else snapshot.losses,  # type: ignore[union-attr]
        torch.empty(0).numpy() if empty else snapshot.batch_losses,  # type: ignore[union-attr]
        1 if empty else snapshot.batches,  # type: ignore[union-attr]
        earlier,
        log_scale,
    )
    st.plotly_chart(figure, key="loss-curves", config={"displayModeBar": False}, alt=_("Loss by epoch"))
    if snapshot and snapshot.losses:
        last = snapshot.losses[-1]
        st.caption(
            _("Epoch {epoch}: training loss {train:.4f}, validation loss {validation:.4f}").format(
                epoch=len(snapshot.losses), train=last.train, validation=last.validation
            )
        )


def show_reconstructions() -> None:
    """Eight held-out normal images and eight others, as the network redraws them now."""
    training = session.job()
    detector = training.detector() if training else session.detector()
    config = detector.config
    data = session.data_set(config.data_set, may_download=False).data
    split = session.split(data.name, data_directory(), config.normal_classes, config.training.seed)
    is_normal = torch.isin(data.test.labels, torch.tensor(config.normal_classes))
    others = torch.stack(
        [
            (data.test.labels == label).nonzero()[0, 0]
            for label in data.test.labels.unique().tolist()
            if label not in config.normal_classes
        ]
    )[:8]
    others = torch.cat([others, (~is_normal).nonzero().squeeze(1)[: 8 - len(others)]])
    names = session.class_names(data.name, config.normal_classes)
    for column, title, images in (
        (0, _("Held-out {names}: the image, and below it the reconstruction").format(names=names), split.calibration[:8]),
        (1, _("Never seen in training: what becomes of them?"), data.test.images[others]),
    ):
        result = detector.infer(images)
        st.caption(title)
        st.html(pictures.before_and_after(result.images, result.reconstructions))


def show_result(snapshot: Snapshot) -> None:
    """What came of a finished training."""
    made = snapshot.result
    if made is None or made.evaluation is None:
        return
    figures_ = made.evaluation
    columns = st.columns(4)
    columns[0].metric(_("AUROC"), f"{figures_.auroc:.4f}", help=_("Chance that an anomaly scores higher than a normal image."))
    columns[1].metric(_("Threshold"), f"{made.detector.threshold_:.4f}")
    columns[2].metric(_("False alarms"), f"{figures_.false_alarm_rate:.1%}")
    columns[3].metric(_("Anomalies caught"), f"{figures_.catch_rate:.1%}")
    by_class = {
        SOURCES[made.config.data_set].class_names[label]: f"{value:.3f}" for label, value in figures_.auroc_by_class.items()
    }
    st.caption(_("AUROC against each other class"))
    st.dataframe(pd.DataFrame([by_class]), hide_index=True)


@st.fragment
def show_live(config: DetectorConfig | None, chosen_runs: Sequence[session.Run]) -> None:
    """Everything that moves while a job runs; ends with a run of the whole page, once."""
    if session.settle_job():
        st.rerun()
    training = session.job()
    snapshot = training.snapshot() if training else session.last_snapshot()
    if training and not snapshot.state.is_active and st.session_state.get("was-active"):  # type: ignore[union-attr]
        st.session_state["was-active"] = False
        st.rerun()
    st.session_state["was-active"] = bool(training and snapshot and snapshot.state.is_active)
    show_status(snapshot, config)
    if snapshot and snapshot.state is JobState.DONE:
        show_result(snapshot)
    show_losses(snapshot, chosen_runs)
    if training:
        show_reconstructions()


def show_runs() -> list[session.Run]:
    """The session's runs; returns those whose curves are to be laid over."""
    runs = session.runs()
    if not runs:
        return []
    st.subheader(_("Runs of this session"))
    rows = [
        {
            _("Run"): run.name,
            _("Normal"): session.class_names(run.checkpoint.config.data_set, run.checkpoint.config.normal_classes),
            _("Data set"): SOURCES[run.checkpoint.config.data_set].title,
            _("Layers"): "-".join(str(stage.units) for stage in layers(run.checkpoint.config.model)),
            _("Epochs"): len(run.checkpoint.losses),
            _("Validation loss"): run.checkpoint.losses[-1].validation if run.checkpoint.losses else None,
            _("Threshold"): run.checkpoint.detector.threshold_,
            _("AUROC"): run.checkpoint.evaluation.auroc if run.checkpoint.evaluation else None,
        }
        for run in runs
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = [run.name for run in runs]
        overlaid = st.multiselect(_("Curves to lay over"), names, key="overlaid", width=320)
        chosen = st.selectbox(_("Run to keep"), range(len(runs)), index=len(runs) - 1, format_func=names.__getitem__, width=220)
        kept = runs[chosen]
        st.download_button(
            _("Download checkpoint"),
            lambda: checkpoint.to_bytes(kept.checkpoint),
            f"detector-{'-'.join(map(str, kept.checkpoint.config.normal_classes))}.safetensors",
            icon=":material/download:",
            on_click="ignore",
        )
    return [run for run in runs if run.name in overlaid]


st.title(_("Train a detector"))
session.settle_job()
current = session.job()
busy = current is not None
at_hand = session.data_set(st.session_state.get("data-set", "mnist"))
available = at_hand.data
session.show_data_notice(at_hand)
left, right = st.columns([1, 2.2], gap="large")
config: DetectorConfig | None = None
problem = ""
with left:
    try:
        config = ask_settings(disabled=busy)
    except (ModelConfigError, TrainConfigError, ValueError) as error:
        problem = str(error)
    device = choose_device(st.session_state.get("device"))
    st.caption(_("Runs on: {device}").format(device={"cpu": "CPU", "cuda": "CUDA", "mps": "MPS"}[device.type]))
with right:
    show_controls(config)
    if problem or st.session_state.get("train-error"):
        st.error(problem or st.session_state["train-error"], icon=":material/error:")
    live = st.container()
    with st.container(horizontal=True):
        st.toggle(_("Logarithmic scale"), key="log-scale", persist_state="session")
    chosen_runs = show_runs()
    with live:
        running = current is not None and current.snapshot().state.is_active
        st.fragment(show_live, run_every=0.5 if running else None)(config, chosen_runs)
        if config and not busy:
            stages = layers(config.model)
            st.html(pictures.hourglass(stages))
            count = parameter_count(build(config.model, config.training.seed))
            st.caption(
                _("{sizes}: {count:,} parameters. The bottleneck passes on {latent} numbers of {pixels}.").format(
                    sizes="-".join(str(stage.units) for stage in stages),
                    count=count,
                    latent=config.model.latent_dim,
                    pixels=stages[0].units,
                )
            )
            if config.normal_classes:
                chosen = torch.isin(available.train_labels, torch.tensor(config.normal_classes)).nonzero().squeeze(1)[:5]
                st.caption(_("The first five images it will learn from"))
                cells = "".join(
                    pictures.figure(pictures.picture(image.float() / 255, _("Training image")), "")
                    for image in available.train_images[chosen]
                )
                st.html(f'<div class="pic-row" style="max-width:26rem">{cells}</div>')
