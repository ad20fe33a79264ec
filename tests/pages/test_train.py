"""Train: settings, refusals, and a training from Start to a run that is in use."""

import gc
import json
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from core.data.datasets import FALLBACK, load
from core.data.split import split_one_class
from core.detector import AutoencoderDetector, DetectorConfig
from core.errors import SettingError
from core.jobs.job import JobState, Snapshot, TrainingJob
from core.link import encode
from core.metrics import evaluate
from core.model import ModelConfig
from core.presets import PRESETS, Shipped, preset
from core.training import TrainConfig
from pages.sections.train_controls import pace
from pages.shared.forms import setting_widgets
from pages.shared.state import job_pool, judging, keys, training_job, visitors
from pages.shared.state.visitor import Choice, Tab, acting_for
from tests.conftest import PATIENCE
from tests.pages.conftest import (
    ROOT,
    checked,
    detector_box,
    detector_line,
    go_to,
    has,
    inside,
    number_in,
    open_page,
    switch_page,
    visitor_of,
)

if TYPE_CHECKING:
    from tests.conftest import WaitUntil

pytestmark = pytest.mark.usefixtures("without_data")


@pytest.fixture
def app() -> AppTest:
    """The page with the UCI digits and a network that trains in a moment."""
    app = open_page("train")
    app.selectbox(key="data-set").set_value(FALLBACK)
    app.text_input(key="hidden-sizes").set_value("16")
    app.number_input(key="latent-dim").set_value(4)
    app.slider(key="epochs").set_value(2)
    app.number_input(key="batch-size").set_value(16)
    return checked(app.run())


SMALL = DetectorConfig(
    data_set=FALLBACK, model=ModelConfig(hidden_sizes=(16,), latent_dim=4), training=TrainConfig(epochs=2, batch_size=16)
)
"""What the fixture `app` asks for."""


def open_link(**parts: str) -> AppTest:
    """A new visitor on the page by a link with these parts."""
    app = switch_page(AppTest.from_file(str(ROOT / "app.py"), default_timeout=60.0).run(), "train")
    for name, text in parts.items():
        app.query_params[name] = text
    return checked(app.run())


def press(app: AppTest, key: str) -> AppTest:
    return checked(app.button(key=key).click().run())


def rerun_until(app: AppTest, condition: Callable[[AppTest], bool]) -> AppTest:
    """Rerun the page, as its fragment does twice a second, until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition(checked(app.run())):
        assert time.monotonic() < deadline, "The condition that this test waits for never came true."
        time.sleep(0.02)
    return app


def train(app: AppTest) -> AppTest:
    """Press Start and wait for the run."""
    press(app, "start")
    return rerun_until(app, lambda app: visitor_of(app).job is None)


def status(app: AppTest) -> str:
    """The sentence above the curves."""
    block = inside(app, "job-status")
    texts = [found.value for found in (*block.markdown, *block.error)]
    return texts[0] if texts else str(block.get("progress")[0].proto.text)


def disabled(app: AppTest) -> dict[str, bool]:
    keys = {"start": "start", "pause": "button-pause", "step": "button-skip_next", "stop": "button-stop"}
    return {name: app.button(key=key).disabled for name, key in keys.items()}


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(("wish", "device"), [(None, "cpu"), ("cpu", "cpu"), ("cuda", "cuda")], ids=["no wish", "cpu", "cuda"])
def test_where_there_are_two_devices_the_box_begins_with_that_of_the_environment(
    wish: str | None, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.delenv("DEVICE", raising=False)
    if wish:
        monkeypatch.setenv("DEVICE", wish)
    asked = Mock(side_effect=SettingError("enough"))
    monkeypatch.setattr(training_job, "start", asked)
    app = open_page("train")
    box = app.selectbox(key="device")
    assert (box.value, sorted(box.options)) == (device, ["CPU", "GPU (CUDA)"])
    press(app, "start")
    assert asked.call_args.args[-1] == torch.device(device)
    checked(app.selectbox(key="device").set_value("cpu").run())
    press(app, "start")
    assert asked.call_args.args[-1] == torch.device("cpu"), "what is chosen in the box comes first"


def test_opens_with_the_course_and_five() -> None:
    app = open_page("train")
    assert app.selectbox(key="preset").value == "course"
    assert app.button_group(key="normal-classes").value == [5]
    assert status(app) == "Ready. Press **Start** and watch."
    assert disabled(app) == {"start": False, "pause": True, "step": False, "stop": True}
    assert not app.error


def number(value: object) -> float:
    assert isinstance(value, (int, float))
    return float(value)


def shown(app: AppTest) -> dict[str, Any]:
    """What every widget of the settings holds."""
    return {
        "architecture": app.button_group(key="architecture").value,
        "hidden sizes": setting_widgets.hidden_sizes(app.text_input(key="hidden-sizes").value or ""),
        "latent dimension": app.number_input(key="latent-dim").value,
        "latent activation": "relu" if app.toggle(key="latent-activation").value else "none",
        "initialisation": "he" if app.toggle(key="initialisation").value else "torch",
        "epochs": app.slider(key="epochs").value,
        "batch size": app.number_input(key="batch-size").value,
        "learning rate": app.number_input(key="learning-rate").value,
        "schedule": "one-cycle" if app.toggle(key="schedule").value else "constant",
        "noise": app.select_slider(key="noise").value,
        "seed": app.number_input(key="seed").value,
        "preprocessing": app.selectbox(key="preprocessing").value,
        "smoothing": app.select_slider(key="smoothing").value,
        "power": app.select_slider(key="power").value,
        "ink exponent": app.select_slider(key="ink-exponent").value,
        "loop weight": app.select_slider(key="loop-weight").value,
        "neighbours": app.slider(key="neighbours").value,
        "turns": app.slider(key="turns").value,
        "false-alarm rate": pytest.approx(number(app.select_slider(key="false-alarm-rate").value) / 100),
    }


def meant(config: DetectorConfig) -> dict[str, Any]:
    return {
        "architecture": config.model.architecture,
        "hidden sizes": config.model.hidden_sizes,
        "latent dimension": config.model.latent_dim,
        "latent activation": config.model.latent_activation,
        "initialisation": config.model.initialisation,
        "epochs": config.training.epochs,
        "batch size": config.training.batch_size,
        "learning rate": config.training.learning_rate,
        "schedule": config.training.schedule,
        "noise": config.training.noise,
        "seed": config.training.seed,
        "preprocessing": config.preprocessing,
        "smoothing": config.score.smoothing,
        "power": config.score.power,
        "ink exponent": config.score.ink_exponent,
        "loop weight": config.score.loop_weight,
        "neighbours": config.neighbours,
        "turns": config.turns,
        "false-alarm rate": config.false_alarm_rate,
    }


def test_a_preset_fills_the_widgets() -> None:
    app = open_page("train")
    for name in ("best", "wide", "convolutional", "denoising", "two-units", "narrow", "course"):
        app.select_slider(key="noise").set_value(0.7)
        checked(app.selectbox(key="preset").set_value(name).run())
        assert shown(app) == meant(preset(name, "mnist")), name
        assert not app.error
        assert not app.button(key="start").disabled


def test_best_is_another_for_clothes() -> None:
    app = open_page("train")
    checked(app.selectbox(key="data-set").set_value("fashion-mnist").run())
    checked(app.selectbox(key="preset").set_value("best").run())
    assert shown(app) == meant(preset("best", "fashion-mnist"))
    assert preset("best", "fashion-mnist").score != preset("best", "mnist").score
    told = [caption.value for caption in app.caption]
    assert any(text.startswith("Images as they are") for text in told)
    assert not any("strokes" in text for text in told)


def test_best_becomes_another_where_clothes_are_chosen_after_it() -> None:
    app = open_page("train")
    checked(app.selectbox(key="preset").set_value("best").run())
    checked(app.selectbox(key="data-set").set_value("fashion-mnist").run())
    assert shown(app) == meant(preset("best", "fashion-mnist"))


def test_the_link_is_of_the_settings_that_stand_there_when_the_page_is_opened() -> None:
    (address,) = (each.value for each in open_page("train").code if "preset=" in each.value)
    assert "preset=course" in address


def test_a_preset_trains_with_that_preset() -> None:
    """From preset to widgets to the job's settings, nothing is lost on the way."""
    app = open_page("train")
    checked(app.selectbox(key="data-set").set_value(FALLBACK).run())
    for name in PRESETS:
        checked(app.selectbox(key="preset").set_value(name).run())
        press(app, "button-skip_next")
        assert visitor_of(app).job.config == preset(name, FALLBACK), name
        press(app, "button-restart_alt")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("512, many", "Hidden sizes are whole numbers with commas between them, such as 512, 256, not “512, many”."),
        ("12.5", "Hidden sizes are whole numbers with commas between them, such as 512, 256, not “12.5”."),
        ("0", "A layer has between 1 and 4096 units, not 0."),
        ("100000", "A layer has between 1 and 4096 units, not 100000."),
        ("8, 8, 8, 8, 8, 8, 8", "At most 6 hidden layers are allowed, not 7."),
    ],
    ids=["word", "fraction", "zero", "huge", "many"],
)
def test_bad_hidden_sizes_disable_start_with_a_sentence(app: AppTest, text: str, sentence: str) -> None:
    checked(app.text_input(key="hidden-sizes").set_value(text).run())
    assert [error.value for error in app.error] == [sentence]
    assert disabled(app) == {"start": True, "pause": True, "step": True, "stop": True}
    checked(app.text_input(key="hidden-sizes").set_value("16; 8").run())
    assert not app.error
    assert not app.button(key="start").disabled


def test_all_or_no_classes_normal_is_refused_beside_the_field(app: AppTest) -> None:
    checked(app.toggle(key="several-classes").set_value(True).run())
    for classes, sentence in (
        (list(range(10)), "Every class is normal, so nothing is left to be an anomaly. Take one class away."),
        ([], "Choose at least one normal class: the network has to learn something."),
    ):
        checked(app.button_group(key="normal-classes").set_value(classes).run())
        assert [error.value for error in app.error] == [sentence]
        assert [error.value for error in inside(app, "hideable-settings").error] == [sentence]
        assert app.button(key="start").disabled
        assert visitor_of(app).job is None

    checked(app.button_group(key="normal-classes").set_value([3]).run())
    assert not app.error, "what was wrong is right now"
    train(app)
    assert "3 · UCI digits · run 1" in detector_line(app)


def test_a_click_on_a_class_replaces_and_adding_is_asked_for(app: AppTest) -> None:
    """The browser reports all pills that are on: the one before, and the one that was clicked."""

    def click(*now: int) -> list[int]:
        checked(app.button_group(key="normal-classes").set_value(list(now)).run())
        return list(app.button_group(key="normal-classes").value)

    assert click(5, 3) == [3]
    assert click() == [3], "one class stays chosen"
    checked(app.toggle(key="several-classes").set_value(True).run())
    assert click(3, 7) == [3, 7]
    checked(app.toggle(key="several-classes").set_value(False).run())
    assert app.button_group(key="normal-classes").value == [3]


def test_a_link_with_several_classes_has_asked_for_them() -> None:
    app = open_link(normal="3,5")
    assert app.toggle(key="several-classes").value
    assert app.button_group(key="normal-classes").value == [3, 5]


def train_what_the_link_asks_for(app: AppTest) -> None:
    """A step of it, then all."""
    assert any("not trained yet" in warning.value for warning in app.warning)
    press(app, "button-skip_next")
    rerun_until(app, lambda app: not app.button(key="start").disabled)
    assert not any("not trained yet" in warning.value for warning in app.warning)
    press(app, "start")
    rerun_until(app, lambda app: visitor_of(app).job is None)


def test_what_a_link_asks_for_is_not_called_untrained_once_it_is_trained() -> None:
    app = open_link(data=FALLBACK, hidden="16", latent="4", epochs="1", batch="16")
    train_what_the_link_asks_for(app)
    assert not any("not trained yet" in warning.value for warning in checked(app.run()).warning)


def test_a_link_opened_during_a_training_says_that_it_was_not_taken_up(app: AppTest) -> None:
    press(app, "button-skip_next")
    before = app.session_state[keys.NORMAL_CLASSES]
    app.query_params.update(encode(replace(SMALL, normal_classes=(7,)), "course") | {"hide": "share"})
    told = inside(checked(app.run()), "link-problem").warning[0].value
    assert "your training is not over" in told
    assert app.session_state[keys.NORMAL_CLASSES] == before
    assert app.session_state[keys.TAB].hidden == ("share",), "what is about the page is taken up"
    app.query_params.update(encode(visitor_of(app).job.config, "course"))
    assert not has(checked(app.run()), "link-problem"), "what the link asks for is being trained"


def test_a_links_threshold_is_kept_on_the_way_to_train() -> None:
    """The navigation's links have none of what an address says of a detector."""
    app = go_to(open_page(), "evaluate")
    app.query_params.update(encode(replace(SMALL, threshold=0.0321), "course"))
    checked(app.run())
    assert any("not trained yet" in warning.value for warning in app.warning)
    app.query_params.clear()
    press(go_to(app, "train"), "start")
    rerun_until(app, lambda app: visitor_of(app).job is None)
    assert detector_line(app).endswith("own threshold 0.0321")


def test_only_of_the_detector_in_use_it_is_said_that_it_is() -> None:
    app = open_link(data=FALLBACK, hidden="16", latent="4", epochs="1", batch="16")
    press(app, "start")
    rerun_until(app, lambda app: visitor_of(app).job is None)

    def says_so() -> bool:
        return any("in use on the other pages" in text.value for text in inside(app, "job-status").markdown)

    assert says_so()
    visitor_of(app).choice = Choice(shipped=Shipped("best", "mnist", 3))
    checked(app.run())
    assert not says_so()


def test_what_a_link_asks_for_judges_by_the_links_threshold_once_it_is_trained() -> None:
    app = open_link(data=FALLBACK, hidden="16", latent="4", epochs="1", batch="16", threshold="0.0321")
    train_what_the_link_asks_for(app)
    assert detector_line(app).endswith("run 1 · own threshold 0.0321")
    assert visitor_of(app).runs[0].config.threshold is None
    visitor_of(app).thresholds.clear()
    assert detector_line(checked(app.run())).endswith("run 1"), "it can be put back, once and for all"

    # The same link later, when another detector is in use.
    visitor_of(app).choice = Choice(shipped=Shipped("best", "mnist", 3))
    app.query_params.update(encode(replace(visitor_of(app).runs[0].config, threshold=0.0456), "course"))
    assert not has(checked(app.run()), "link-problem")
    assert detector_line(app).endswith("run 1 · own threshold 0.0456")


def test_a_training_that_has_ended_unseen_stands_in_no_links_way(app: AppTest, wait_until: "WaitUntil") -> None:
    press(app, "button-skip_next")
    job = visitor_of(app).job
    job.stop()
    wait_until(lambda: job.snapshot().state.is_over)
    visitor_of(app).is_job_wanted = True  # nobody has looked since Start
    app.query_params.update({"data": "mnist", "normal": "7", "preset": "best"})
    assert not has(checked(app.run()), "link-problem")
    assert visitor_of(app).choice == Choice(shipped=Shipped("best", "mnist", 7))
    assert visitor_of(app).job is None


def test_old_results_do_not_stand_under_new_settings(app: AppTest) -> None:
    train(app)
    assert status(app).startswith("**Done**")
    assert charts(app) == 1
    checked(app.button_group(key="normal-classes").set_value([5, 3]).run())
    assert status(app) == "Ready. Press **Start** and watch."
    assert charts(app) == 0
    assert not app.metric
    checked(app.button_group(key="normal-classes").set_value([5, 3]).run())
    assert status(app).startswith("**Done**"), "the same settings have the same result"


def charts(app: AppTest) -> int:
    """How many charts the page has; the curves are the only one."""
    return len(app.get("plotly_chart"))


def test_the_learning_rate_may_change_in_a_pause_and_the_curve_tells_it(app: AppTest) -> None:
    assert not app.number_input(key="learning-rate").disabled
    press(app, "button-skip_next")
    rerun_until(app, lambda app: not app.button(key="start").disabled)
    assert not app.number_input(key="learning-rate").disabled
    assert app.number_input(key="batch-size").disabled
    checked(app.number_input(key="learning-rate").set_value(0.02).run())
    assert visitor_of(app).job.snapshot().rate_changes == ((1, 0.02),)
    figure = json.loads(app.get("plotly_chart")[0].proto.spec)
    assert [note["text"] for note in figure["layout"]["annotations"]] == ["learning rate 0.02"]
    press(app, "start")
    rerun_until(app, lambda app: visitor_of(app).job is None)
    assert status(app).startswith("**Done**"), "the result stands under the learning rate with which it ended"


def test_at_rest_nothing_is_said_of_speed(app: AppTest) -> None:
    press(app, "button-skip_next")
    rerun_until(app, lambda app: not app.button(key="start").disabled)
    texts = [caption.value for caption in inside(app, "job-status").caption]
    assert texts == ["While it rests, the learning rate may be changed, under Training."]


@pytest.mark.parametrize(
    ("trained", "seconds", "says"),
    [(1, 0.2, "1,000 images per second · 1 s left"), (2, 0.0, "the threshold is being calibrated")],
    ids=["nearly over", "over"],
)
def test_a_training_that_still_lasts_never_has_no_seconds_left(trained: int, seconds: float, says: str) -> None:
    losses = np.ones(trained, dtype=np.float32)
    snapshot = Snapshot(JobState.RUNNING, 1, 1, 1, trained, 2, losses, (), 1000.0, seconds, {})
    assert says in pace(snapshot)


# ---------------------------------------------------------------- training


def table(app: AppTest) -> list[dict[str, Any]]:
    """The rows of the runs' table."""
    frame = next(frame.value for frame in app.dataframe if "Run" in frame.value.columns)
    rows: list[dict[str, Any]] = frame.to_dict("records")
    return rows


@pytest.fixture(scope="module")
def expected() -> AutoencoderDetector:
    """The same training without any page."""
    return AutoencoderDetector(SMALL).fit_split(split_one_class(load(FALLBACK), (5,), SMALL.training.seed))


def test_a_short_training_ends_as_a_run_in_use(app: AppTest, expected: AutoencoderDetector) -> None:
    train(app)
    assert status(app).startswith("**Done** after 14 batches.")
    assert "5 · UCI digits · run 1" in detector_line(app)
    test = load(FALLBACK).test
    figures = evaluate(expected.decision_function(test.images), test.labels, (5,), expected.threshold_)
    assert {metric.label: metric.value for metric in app.metric} == {
        "AUROC": f"{figures.auroc:.4f}",
        "Threshold": f"{expected.threshold_:.4f}",
        "False alarms": f"{figures.false_alarm_rate:.1%}",
        "Anomalies caught": f"{figures.catch_rate:.1%}",
    }
    (row,) = table(app)
    assert (row["Run"], row["Normal"], row["Data set"], row["Layers"]) == ("run 1", "5", "UCI digits", "784-16-4-16-784")
    assert row["Epochs"] == 2
    assert row["Validation loss"] == f"{expected.losses_[-1].validation:.4f}"
    assert row["AUROC"] == f"{figures.auroc:.4f}"
    assert disabled(app) == {"start": False, "pause": True, "step": False, "stop": True}


def test_the_run_judges_on_the_other_pages(app: AppTest, expected: AutoencoderDetector) -> None:
    train(app)
    go_to(app, "draw")
    checked(next(button for button in app.button if button.label == "Random test image").click().run())
    image = visitor_of(app).drawings.image
    assert number_in(app, "threshold") == pytest.approx(expected.threshold_, abs=5.1e-5)
    assert number_in(app, "score") == pytest.approx(float(expected.decision_function(image)), abs=5.1e-5)


def test_a_second_run_joins_the_table_and_the_first_can_be_chosen_back(app: AppTest) -> None:
    train(app)
    checked(app.toggle(key="several-classes").set_value(True).run())
    checked(app.button_group(key="normal-classes").set_value([1, 7]).run())
    train(app)
    assert [(row["Run"], row["Normal"]) for row in table(app)] == [("run 1", "5"), ("run 2", "1, 7")]
    assert "1, 7 · UCI digits · run 2" in detector_line(app)
    for choice, title in (
        (Choice(run=0), "5 · UCI digits · run 1"),
        (Choice(shipped=Shipped("course", "mnist", 5)), "5 · MNIST · The course"),
        (Choice(run=1), "1, 7 · UCI digits · run 2"),
    ):
        checked(detector_box(app).set_value(choice).run())
        assert detector_line(app) == f"Detector: {title}"
        assert visitor_of(app).choice == choice
    assert len(table(app)) == 2


def test_a_choice_made_during_a_training_is_kept_when_it_ends(app: AppTest) -> None:
    press(app, "button-skip_next")
    rerun_until(app, lambda app: "Paused" in status(app))
    shipped = Choice(shipped=Shipped("best", "mnist", 5))
    checked(detector_box(app).set_value(shipped).run())
    train(app)
    assert len(table(app)) == 1
    assert detector_line(app) == "Detector: 5 · MNIST · Best detector"


def test_one_step_is_one_batch_and_pauses(app: AppTest) -> None:
    press(app, "button-skip_next")
    rerun_until(app, lambda app: "Paused" in status(app))
    assert status(app) == "Paused: epoch 1 of 2, batch 1 of 7"
    assert disabled(app) == {"start": False, "pause": True, "step": False, "stop": False}
    assert app.button(key="start").label == "Resume"
    assert app.slider(key="epochs").disabled, "settings of a training do not change under it"
    assert "5 · UCI digits · in training" in detector_line(app)
    press(app, "button-skip_next")
    rerun_until(app, lambda app: status(app) == "Paused: epoch 1 of 2, batch 2 of 7")


def test_resume_after_steps_ends_where_an_uninterrupted_training_ends(app: AppTest, expected: AutoencoderDetector) -> None:
    press(app, "button-skip_next")
    rerun_until(app, lambda app: "batch 1 of 7" in status(app) and "Paused" in status(app))
    train(app)
    assert visitor_of(app).runs[0].threshold == pytest.approx(expected.threshold_, rel=1e-9)


def test_stop_keeps_what_was_learnt(app: AppTest) -> None:
    press(app, "button-skip_next")
    rerun_until(app, lambda app: "Paused" in status(app))
    press(app, "button-stop")
    rerun_until(app, lambda app: visitor_of(app).job is None)
    assert status(app).startswith("**Stopped early** after 1 batches.")
    assert [row["Run"] for row in table(app)] == ["run 1"]
    assert "run 1" in detector_line(app)


def test_reset_forgets_the_training(app: AppTest) -> None:
    press(app, "button-skip_next")
    rerun_until(app, lambda app: "Paused" in status(app))
    press(app, "button-restart_alt")
    assert status(app) == "Ready. Press **Start** and watch."
    assert detector_line(app) == "Detector: 5 · MNIST · Best detector"
    assert not app.dataframe
    assert not app.slider(key="epochs").disabled


def test_other_pages_tell_of_a_paused_training(app: AppTest) -> None:
    press(app, "button-skip_next")
    rerun_until(app, lambda app: "Paused" in status(app))
    go_to(app, "home")
    (line,) = inside(app, "job-line").get("progress")
    assert line.proto.text == "Paused: epoch 1 of 2, batch 1 of 7"
    assert "5 · UCI digits · in training" in detector_line(app)
    go_to(app, "train")
    assert status(app) == "Paused: epoch 1 of 2, batch 1 of 7"
    assert app.text_input(key="hidden-sizes").value == "16", "settings survive a visit to another page"


def test_other_pages_run_again_only_once_the_training_has_gone_on(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, wait_until: "WaitUntil"
) -> None:
    """Thirty pages that judge their drawings again every second keep new drawings waiting, and most trainings stand in line."""
    press(app, "button-skip_next")
    rerun_until(app, lambda app: "Paused" in status(app))
    fragments = [Mock(), Mock()]
    for module, fragment in zip((training_job, judging), fragments, strict=True):
        monkeypatch.setattr(module, "run_by_timer_only_if", fragment)
    mine = visitor_of(app)
    go_to(app, "draw")
    mine.drawings.canvas.image = mine.drawings.canvas.of_strokes = torch.eye(28)[None, None]
    checked(app.run())
    line, verdict = (fragment.call_args.args[0] for fragment in fragments)
    assert not line()
    assert not verdict()
    mine.job.step()
    wait_until(lambda: mine.job.snapshot().state is JobState.PAUSED)
    assert line()
    assert verdict()
    checked(app.run())
    assert not fragments[1].call_args.args[0]()
    is_due = fragments[1].call_args.args[0]
    chosen, mine.choice = mine.choice, Choice(shipped=Shipped("best", "mnist", 5))
    assert is_due(), "another tab has put another detector in use"
    mine.choice, gone = chosen, weakref.ref(mine.job)
    mine.job.drop()
    mine.job = None
    wait_until(lambda: gc.collect() >= 0 and gone() is None)
    assert is_due(), "another tab has ended the training"


def test_buttons_follow_a_batch_that_ends_while_the_page_is_drawn(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    press(app, "button-skip_next")
    rerun_until(app, lambda app: "Paused" in status(app))
    look, poll, has_ended = TrainingJob.snapshot, training_job.poll, threading.Event()

    def end(seconds: float) -> float | None:
        if seconds == 0.5:  # asked by Train, below the buttons
            has_ended.set()
        return poll(seconds)

    def snapshot(job: TrainingJob) -> Snapshot:
        return look(job) if has_ended.is_set() else replace(look(job), state=JobState.RUNNING)

    monkeypatch.setattr(TrainingJob, "snapshot", snapshot)
    monkeypatch.setattr(training_job, "poll", end)
    checked(app.run())
    assert not app.button(key="start").disabled
    assert not app.button(key="button-skip_next").disabled


def test_while_all_are_held_no_seconds_are_told(app: AppTest) -> None:
    press(app, "button-skip_next")
    rerun_until(app, lambda app: "Paused" in status(app))
    job = visitor_of(app).job
    assert job
    running = replace(job.snapshot(), state=JobState.RUNNING, images_per_second=5000.0, seconds_left=12.0, turn=1.0)
    assert "12 s" in pace(running)
    assert pace(replace(running, is_held=True)) == "\N{NO-BREAK SPACE}"


def test_another_page_of_another_tab_leaves_the_form_as_it_was_sent(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    checked(app.slider(key="epochs").set_value(7).run())
    with acting_for(visitor_of(app), Tab()), monkeypatch.context() as patch:
        patch.setattr(visitors.st, "session_state", {"language": "en"})
        visitors.remember_widgets()
    assert visitor_of(app).restored["epochs"] == 7


def test_train_itself_runs_again_only_once_the_training_has_gone_on(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, wait_until: "WaitUntil"
) -> None:
    press(app, "button-skip_next")
    rerun_until(app, lambda app: "Paused" in status(app))
    fragment = Mock()
    monkeypatch.setattr(training_job, "run_by_timer_only_if", fragment)
    mine = visitor_of(app)
    checked(app.run())
    is_due = fragment.call_args.args[0]
    assert not is_due()
    mine.job.step()
    wait_until(lambda: mine.job.snapshot().state is JobState.PAUSED)
    assert is_due()
    gone = weakref.ref(mine.job)
    press(app, "button-restart_alt")
    assert is_due()
    rerun_until(app, lambda _: gc.collect() >= 0 and gone() is None)


def test_a_diverging_training_says_so_and_leaves_no_run(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.training.mean_squared_error", lambda images, made: (images - made).square().mean() / 0)
    press(app, "start")
    rerun_until(app, lambda app: visitor_of(app).job is None)
    assert "diverged" in status(app)
    assert "learning rate" in status(app)
    assert visitor_of(app).runs == []
    assert not has(app, "overlaid")
    assert "Best detector" in detector_line(app)


def start_behind_the_page(app: AppTest) -> None:
    """Start a training that does not begin before its page has run, however busy the machine is."""
    job_pool.pool().hold(True)
    try:
        press(app, "start")
    finally:
        job_pool.pool().hold(False)


@pytest.mark.parametrize("page", ["home", "draw", "browse"])
def test_a_training_that_ends_between_two_pages_is_a_run_on_the_next(app: AppTest, page: str, wait_until: "WaitUntil") -> None:
    start_behind_the_page(app)
    job = visitor_of(app).job
    wait_until(lambda: job.snapshot().state.is_over)
    go_to(app, page)
    assert "5 · UCI digits · run 1" in detector_line(app)
    assert len(visitor_of(app).runs) == 1


def test_a_job_that_is_over_is_freed_wherever_the_visitor_is_then(app: AppTest) -> None:
    start_behind_the_page(app)
    gone = weakref.ref(visitor_of(app).job)
    go_to(app, "draw")
    rerun_until(app, lambda app: visitor_of(app).job is None)
    # Streamlit still has the buttons of Train. What they call must not hold the optimiser and the images.
    rerun_until(app, lambda _: gc.collect() >= 0 and gone() is None)


def test_a_job_that_is_over_is_freed_although_the_page_rests(app: AppTest, wait_until: "WaitUntil") -> None:
    start_behind_the_page(app)
    gone = weakref.ref(visitor_of(app).job)
    rerun_until(app, lambda app: visitor_of(app).job is None)
    wait_until(lambda: gc.collect() >= 0 and gone() is None)


def size(config: DetectorConfig) -> int:
    return sum(layer.numel() for layer in AutoencoderDetector(config).model.state_dict().values())


def test_older_runs_lose_their_detector_and_keep_everything_else(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_KEPT_PARAMETERS", str(2 * size(SMALL)))
    train(app)
    first = weakref.ref(visitor_of(app).runs[0].detector)
    row = table(app)[0]
    assert not captions_of_kept(app)
    train(app)
    assert any("run 1" in option for option in detector_box(app).options)
    assert captions_of_kept(app), "told before it happens"
    train(app)
    assert table(app)[0] == row
    assert [run.detector is None for run in visitor_of(app).runs] == [True, False, False]
    assert not any("run 1" in option for option in detector_box(app).options)
    (box,) = [box for box in app.selectbox if box.label == "Run to keep"]
    assert box.options == ["run 2", "run 3"]
    checked(app.multiselect(key="overlaid").set_value(["run 1"]).run())
    rerun_until(app, lambda _: gc.collect() >= 0 and first() is None)


def captions_of_kept(app: AppTest) -> list[str]:
    return [caption.value for caption in app.caption if caption.value.startswith("Only the latest detectors are kept")]


def test_the_detector_in_use_stays_whatever_its_age(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_KEPT_PARAMETERS", str(2 * size(SMALL)))
    train(app)
    train(app)
    press(app, "button-skip_next")
    rerun_until(app, lambda app: "Paused" in status(app))
    checked(detector_box(app).set_value(Choice(run=0)).run())
    train(app)
    assert [run.detector is None for run in visitor_of(app).runs] == [False, True, False]
    assert "run 1" in detector_line(app)
    go_to(app, "draw")
    checked(next(button for button in app.button if button.label == "Random test image").click().run())
    assert has(app, "score")


def test_a_detector_that_was_let_go_is_no_second_one_any_more(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_KEPT_PARAMETERS", str(2 * size(SMALL)))
    train(app)
    train(app)
    go_to(app, "evaluate")
    checked(app.selectbox(key="second-detector").set_value(Choice(run=0)).run())
    assert app.table[-1].value.iloc[0].tolist() == ["Normal", "5", "5"]
    train(go_to(app, "train"))
    assert visitor_of(app).runs[0].detector is None
    go_to(app, "evaluate")
    assert app.selectbox(key="second-detector").value is None


def test_a_training_that_ends_while_a_page_is_drawn_is_a_run_on_it(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, wait_until: "WaitUntil"
) -> None:
    start_behind_the_page(app)
    job = visitor_of(app).job
    wait_until(lambda: job.snapshot().state.is_over)
    settle, looks = training_job.collect, iter([False])
    monkeypatch.setattr(training_job, "collect", lambda: next(looks, None) is None and settle())
    go_to(app, "draw")
    assert visitor_of(app).job is None
    assert "run 1" in detector_line(app)
