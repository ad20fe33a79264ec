"""What the teacher sees and does on /status, what becomes of it for a student, and limits of memory and work."""

from typing import TYPE_CHECKING

import pytest
from streamlit.testing.v1 import AppTest

from core.data.datasets import load
from core.data.split import split_one_class
from core.detector import DetectorConfig
from core.errors import UserError
from core.jobs.job import JobState, TrainingJob
from core.training import TrainConfig
from pages.shared.state import access, job_pool
from tests.pages.conftest import checked, go_to, visitor_of
from tests.pages.test_class import open_status

if TYPE_CHECKING:
    from tests.conftest import WaitUntil


def training(work: float = 1.0) -> TrainingJob:
    """Somebody's training, which is under way."""
    config = DetectorConfig(data_set="uci-digits", training=TrainConfig(epochs=50, batch_size=1))
    job = TrainingJob(config, split_one_class(load("uci-digits"), (5,), 1), job_pool.pool())
    job.work = work
    job.resume()
    return job


def press(app: AppTest, label: str) -> AppTest:
    return checked(next(button for button in app.button if button.label == label).click().run())


def test_the_teacher_sees_and_ends_and_holds_the_trainings(monkeypatch: pytest.MonkeyPatch, wait_until: "WaitUntil") -> None:
    monkeypatch.setenv("STATUS_TOKEN", "open sesame")
    monkeypatch.setattr(access, "_browser", lambda: "one")
    student, hogs = training(), [training(1e6) for _ in range(3)]
    app = go_to(open_status({"token": "open sesame"}), "status")
    lines = [each.value for each in app.markdown if each.value.startswith("**Visitor")]
    assert [f"**Visitor {job.owner.number}** · 5 · " in "".join(lines) for job in (student, *hogs)] == [True] * 4
    assert "784-512-256-128-256-512-784" in lines[0]
    press(app, "End the long ones")
    wait_until(lambda: all(hog.snapshot().state is JobState.FAILED for hog in hogs))
    assert "teacher ended" in str(hogs[0].snapshot().error)
    assert student.snapshot().state.is_active
    press(app, "Hold all")
    assert job_pool.pool().is_held
    press(app, "Go on with all")
    assert not job_pool.pool().is_held
    press(app, "Pause")
    wait_until(lambda: student.snapshot().state is JobState.PAUSED)
    press(app, "End all")
    assert student.snapshot().state is JobState.FAILED
    assert job_pool.pool().jobs() == []


def test_a_student_reads_that_the_teacher_ended_the_training_and_can_begin_anew(wait_until: "WaitUntil") -> None:
    app = open_status({"data": "uci-digits", "epochs": "50", "batch": "1"})
    app = press(go_to(app, "train"), "Start")
    job = visitor_of(app).job
    assert job
    wait_until(lambda: job.snapshot().has_begun)
    job.end(UserError("The teacher ended this training. You can start a new one."))
    wait_until(lambda: job.snapshot().state.is_over)
    checked(app.run())
    assert any("The teacher ended this training" in error.value for error in app.error)
    assert not next(button for button in app.button if button.label == "Start").disabled


def test_a_training_for_which_there_is_no_memory_is_refused_with_a_sentence() -> None:
    app = go_to(open_status({"data": "uci-digits"}), "train")
    budget = job_pool.pool().budget
    before, budget.size = budget.size, budget.used() + 1_000_000
    try:
        press(app, "Start")
        assert visitor_of(app).job is None
        assert any("MB of memory" in error.value for error in app.error)
    finally:
        budget.size = before


def test_a_page_of_the_teacher_that_stayed_open_ends_and_holds_nothing(
    monkeypatch: pytest.MonkeyPatch, wait_until: "WaitUntil"
) -> None:
    """He started afresh in another tab; at a classroom's machine the next one sits there."""
    monkeypatch.setenv("STATUS_TOKEN", "open sesame")
    monkeypatch.setattr(access, "_browser", lambda: "one")
    student = training()
    app = go_to(open_status({"token": "open sesame"}), "status")
    monkeypatch.setattr(access, "is_teacher", lambda: False)
    for label in ("End all", "Hold all", "Pause"):
        next(button for button in app.button if button.label == label).click()
    app.run()
    assert student.snapshot().state.is_active
    assert not job_pool.pool().is_held
    student.drop()
    wait_until(lambda: job_pool.pool().jobs() == [])
