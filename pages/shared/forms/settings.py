"""The settings of a training, as widgets that read and write one DetectorConfig."""

from dataclasses import replace
from typing import Any

import streamlit as st

from core.data.datasets import SOURCES
from core.detector import DetectorConfig
from core.device import available_devices, choose_device
from core.errors import SettingError
from core.jobs.job import require_allowed
from core.model import ModelConfig
from core.preprocessing import PREPROCESSINGS
from core.presets import preset
from core.scoring import ScoreConfig
from core.training import MAX_EPOCHS, TrainConfig
from pages.shared.forms.slider import slider
from pages.shared.i18n.glossary import about
from pages.shared.i18n.lessons import lessons
from pages.shared.i18n.text import _
from pages.shared.state import session

DENSE, CONVOLUTIONAL = "dense", "convolutional"


def fill_from_preset() -> None:
    """Put a preset's values into the widgets; data set and normal classes stay what they are."""
    config = preset(st.session_state["preset"], st.session_state.get("data-set", "mnist"))
    fill(replace(config, normal_classes=tuple(st.session_state.get("normal-classes", config.normal_classes))))


def fill(config: DetectorConfig) -> None:
    """Put settings into the widgets."""
    st.session_state.update(
        {
            "data-set": config.data_set,
            "normal-classes": list(config.normal_classes),
            "broadcasting": config.training.broadcasting,
            "architecture": config.model.architecture,
            "hidden-sizes": ", ".join(str(size) for size in config.model.hidden_sizes),
            "latent-dim": config.model.latent_dim,
            "latent-relu": config.model.latent_activation == "relu",
            "he": config.model.initialisation == "he",
            "epochs": config.training.epochs,
            "batch-size": config.training.batch_size,
            "learning-rate": config.training.learning_rate,
            "one-cycle": config.training.schedule == "one-cycle",
            "noise": config.training.noise,
            "seed": config.training.seed,
            "preprocessing": config.preprocessing,
            "smoothing": config.score.smoothing,
            "power": config.score.power,
            "ink-exponent": config.score.ink_exponent,
            "loop-weight": config.score.loop_weight,
            "neighbours": config.neighbours,
            "turns": config.turns,
            "false-alarm-rate": round(config.false_alarm_rate * 100, 9),
        }
    )


def ask(disabled: bool) -> None:
    """All settings as widgets."""
    if "epochs" not in st.session_state:
        st.session_state["preset"] = "course"
        fill_from_preset()
    keep: dict[str, Any] = {"persist_state": "session", "disabled": disabled}
    data_set = st.selectbox(_("Data set"), list(SOURCES), format_func=session.title_of, key="data-set", **keep)
    names = session.names_of(data_set)
    st.pills(
        _("Normal class"),
        range(len(names)),
        selection_mode="multi",
        format_func=lambda label: names[label],
        key="normal-classes",
        wrap=True,
        help=about("normal digit"),
        **keep,
    )
    presets = lessons()
    st.selectbox(
        _("Preset"),
        list(presets),
        format_func=lambda name: presets[name].title,
        key="preset",
        on_change=fill_from_preset,
        **keep,
    )
    st.caption(presets[st.session_state["preset"]].text)
    st.slider(_("Epochs"), 1, MAX_EPOCHS if st.session_state["epochs"] > 50 else 50, key="epochs", help=about("epoch"), **keep)
    with st.expander(_("Network"), icon=":material/hourglass_empty:", key="hideable-network"):
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
        st.number_input(_("Latent dimension"), 1, 4096, key="latent-dim", help=about("latent"), **keep)
        st.toggle(_("ReLU in the bottleneck"), key="latent-relu", **keep)
        st.toggle(
            _("He's initialisation"),
            key="he",
            help=_("Weights that keep signals the same size from layer to layer: more is learnt in the same time."),
            **keep,
        )
    with st.expander(_("Training"), icon=":material/tune:", key="hideable-training"):
        st.number_input(_("Batch size"), 1, 4096, key="batch-size", help=about("batch"), **keep)
        st.number_input(
            _("Learning rate"), 0.0, 10.0, step=0.0005, format="%g", key="learning-rate", help=about("learning rate"), **keep
        )
        st.toggle(
            _("One-cycle learning rate"),
            key="one-cycle",
            help=_("The learning rate rises and falls once over the training, instead of staying the same."),
            **keep,
        )
        slider(
            _("Noise"),
            0.0,
            1.0,
            0.05,
            "noise",
            help=_("Added to the input only: the network has to clean it up (denoising autoencoder)."),
            **keep,
        )
        st.toggle(
            _("Broadcasting trap"),
            key="broadcasting",
            help=_("The course's mistake: compares every image of a batch with every reconstruction."),
            **keep,
        )
        st.number_input(_("Seed"), 0, 2**31 - 1, key="seed", help=about("seed"), **keep)
        if len(devices := available_devices()) > 1 and not session.scheduler():
            usual = devices.index(choose_device().type)
            st.selectbox(_("Device"), devices, usual, format_func=device_title, key="device", **keep)
    with st.expander(_("Score"), icon=":material/straighten:", key="hideable-score"):
        st.selectbox(
            _("Before the network"),
            list(PREPROCESSINGS),
            format_func={
                "none": _("Images as they are"),
                "deskew": _("Straightened"),
                "standard-stroke": _("Straightened, strokes of one width"),
            }.__getitem__,
            key="preprocessing",
            help=_("Takes the slant out of every image, or also how thick and how faint the pen was. For digits only."),
            **keep,
        )
        slider(
            _("Smoothing in pixels"),
            0.0,
            3.0,
            0.1,
            "smoothing",
            help=_("Blurs the error map: strokes that are off by a hair then do not count."),
            **keep,
        )
        st.slider(
            _("Remembered neighbours"),
            0,
            30,
            key="neighbours",
            help=_(
                "0: the network redraws freely. Else it redraws this many training images that are most alike, and averages."
            ),
            **keep,
        )
        st.slider(
            _("Turns either way"),
            0,
            4,
            key="turns",
            help=_("Each image is also looked at turned, in steps of 8 degrees, and judged where it is least strange."),
            **keep,
        )
        slider(
            _("Power of an error"),
            1.0,
            4.0,
            0.5,
            "power",
            help=_("2 squares each pixel's error. Higher: a few large errors count more than many small ones."),
            **keep,
        )
        slider(
            _("Ink exponent"),
            0.0,
            3.0,
            0.1,
            "ink-exponent",
            help=_("Divides the score by the image's ink to this power: more ink has more to get wrong."),
            **keep,
        )
        slider(
            _("Loop weight"),
            0.0,
            1.0,
            0.02,
            "loop-weight",
            help=_(
                "Raises the score where the ink encloses more or less than in training images: a 6 has a loop, a 5 has none."
            ),
            **keep,
        )
        slider(
            _("False-alarm rate in %"),
            0.5,
            30.0,
            0.5,
            "false-alarm-rate",
            help=about("false-alarm rate"),
            **keep,
        )


def read() -> DetectorConfig:
    """The settings as they stand; a ValueError with a sentence for what cannot be trained.

    Buttons call this when they are pressed: what the page knew when it drew them may be older.
    """
    state = st.session_state
    is_dense = state["architecture"] == DENSE
    config = DetectorConfig(
        data_set=state["data-set"],
        normal_classes=tuple(sorted(state["normal-classes"])),
        preprocessing=state["preprocessing"],
        model=ModelConfig(
            state["architecture"],
            hidden_sizes(state["hidden-sizes"]) if is_dense else (),
            state["latent-dim"],
            "relu" if state["latent-relu"] else "none",
            "he" if state["he"] else "torch",
        ),
        training=TrainConfig(
            state["epochs"],
            state["batch-size"],
            state["learning-rate"],
            "one-cycle" if state["one-cycle"] else "constant",
            state["noise"],
            state["seed"],
            state["broadcasting"],
        ),
        score=ScoreConfig(state["smoothing"], state["power"], state["ink-exponent"], state["loop-weight"]),
        neighbours=state["neighbours"],
        turns=state["turns"],
        false_alarm_rate=state["false-alarm-rate"] / 100,
    )
    require_allowed(config)
    return config


def device_title(name: str) -> str:
    """What a device is called on screen."""
    return _("CPU") if name == "cpu" else _("GPU ({name})", name=name.upper())


def hidden_sizes(text: str) -> tuple[int, ...]:
    """Sizes from text such as “512, 256”; raises SettingError."""
    try:
        return tuple(int(part) for part in text.replace(";", ",").split(",") if part.strip())
    except ValueError:
        raise SettingError(
            "Hidden sizes are whole numbers with commas between them, such as 512, 256, not “{text}”.", text=text[:40]
        ) from None
