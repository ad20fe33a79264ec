"""Learn: seven steps, each with something to see; the trap trained live."""

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from core.checkpoint import read
from core.jobs.job import JobState
from core.presets import PRESETS, Shipped
from pages.shared.i18n.lessons import lessons
from tests.conftest import WaitUntil
from tests.pages.conftest import checked, detector_line, html_of, open_page, visitor_of

STEPS = range(1, 8)


def at_step(step: int) -> AppTest:
    app = open_page("learn")
    app.session_state["step"] = step
    return checked(app.run())


@pytest.mark.usefixtures("with_mnist")
@pytest.mark.parametrize("step", STEPS)
def test_every_step_shows_something(step: int) -> None:
    app = at_step(step)
    assert app.header[0].value.startswith(f"{step}. ")
    assert any("<img" in html or "hourglass" in html for html in html_of(app)) or len(app.get("plotly_chart")) == 1
    assert not app.error


@pytest.mark.usefixtures("without_data")
@pytest.mark.parametrize("step", STEPS)
def test_every_step_works_without_data_and_network(step: int) -> None:
    assert not at_step(step).error


@pytest.mark.usefixtures("without_data")
def test_next_and_back_walk_through_the_lesson() -> None:
    app = open_page("learn")
    seen = [app.header[0].value]
    for _step in STEPS[1:]:
        checked(next(button for button in app.button if button.label == "Next").click().run())
        seen.append(app.header[0].value)
    assert [title[0] for title in seen] == list("1234567")
    assert next(button for button in app.button if button.label == "Next").disabled
    checked(next(button for button in app.button if button.label == "Back").click().run())
    assert app.header[0].value == seen[-2]


@pytest.mark.usefixtures("with_mnist")
def test_an_experiment_shows_the_figures_of_its_file_and_can_be_used_everywhere() -> None:
    app = at_step(7)
    app.session_state["experiment"] = "broadcasting"
    checked(app.run())
    made = read(Shipped("broadcasting", "mnist", 5).path)
    assert made.evaluation is not None
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["AUROC"] == f"{made.evaluation.auroc:.4f}"
    assert shown["Validation loss"] == f"{made.losses[-1].validation:.4f}"
    checked(next(button for button in app.button if button.label == "Use it on every page").click().run())
    assert detector_line(app) == "Detector: 5 · MNIST · The broadcasting trap"


def test_every_preset_has_its_lesson(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pages.shared.i18n.lessons._", lambda text: text)
    assert lessons().keys() == PRESETS.keys()
    assert len({lesson.text for lesson in lessons().values()}) == len(PRESETS)


@pytest.mark.usefixtures("without_data")
def test_the_trap_trains_both_networks_live_and_only_one_learns(wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("course", "broadcasting"):  # a hundred images need more steps than thousands do
        longer = replace(PRESETS[name].training, epochs=25, batch_size=16)
        monkeypatch.setitem(PRESETS, name, replace(PRESETS[name], training=longer))
    app = at_step(6)
    ready = {metric.label: metric.value for metric in app.metric}
    assert ready["Validation loss"] == "0.061", "until then the shipped ones are shown; the last metric is the trap's"
    checked(next(button for button in app.button if button.label == "Train both now").click().run())
    right, wrong = visitor_of(app).trap
    assert (right.config.training.broadcasting, wrong.config.training.broadcasting) == (False, True)
    wait_until(lambda: right.snapshot().state is JobState.DONE and wrong.snapshot().state is JobState.DONE)
    checked(app.run())
    losses = [float(metric.value) for metric in app.metric if metric.label == "Validation loss"]
    aurocs = [float(metric.value) for metric in app.metric if metric.label == "AUROC"]
    assert losses[0] < losses[1]
    assert aurocs[0] > aurocs[1]
    assert [success.value for success in app.success] == ["Same network, same images, same seed. Only the shapes differ."]
