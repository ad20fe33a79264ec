"""Learn: every step asks first, answers from what is at hand, and keeps what was said."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from sklearn.metrics import roc_auc_score
from streamlit.testing.v1 import AppTest

from core.checkpoint import read
from core.data.datasets import DataSet
from core.data.split import split_one_class
from core.errors import UserError
from core.jobs.job import IDLE_TIMEOUT, JobState, TrainingJob
from core.presets import PRESETS, Shipped
from core.quiz import KINDS, questions
from pages.learn import steps
from pages.sections.learn_unit import four_units, without_each
from pages.shared.html.pictures import picture
from pages.shared.i18n.preset_texts import preset_texts
from pages.shared.state import keys
from pages.shared.state.lesson import QUESTIONS_OF_QUIZ, STEPS, Lesson
from pages.shared.state.visitor import Choice, Visitor
from pages.shared.state.visitors import registry
from pages.status import PAUSED
from tests.conftest import REAL_DATA, WaitUntil
from tests.pages.conftest import (
    ROOT,
    checked,
    detector_line,
    go_to,
    has,
    html_of,
    inside,
    lesson_of,
    open_page,
    plain,
    tab_of,
    visitor_of,
)

NUMBERS = range(1, STEPS + 1)
DATA = ["without_data", pytest.param("with_mnist", marks=pytest.mark.mnist)]
COURSE = read(Shipped("course", "mnist", 5).path)


def at_step(step: int, app: AppTest | None = None) -> AppTest:
    app = app or open_page("learn")
    app.session_state["step"] = step
    return checked(app.run())


def press(app: AppTest, label: str) -> AppTest:
    return checked(next(button for button in app.button if button.label == label).click().run())


def say(app: AppTest, question: str, value: object, number: int = 0) -> AppTest:
    """Answer as a browser does that presses a pill or moves a slider."""
    key = keys.answer(question, number, tab_of(app).lesson_about)
    widget = next(each for each in (*app.button_group, *app.select_slider) if each.key == key)
    return checked(widget.set_value(value).run())


def answered(app: AppTest) -> str:
    return " ".join(element.value for element in inside(app, "lesson-answer").markdown)


@pytest.fixture
def without_the_server() -> Iterator[None]:
    yield
    registry()._kept.clear()


def test_links_lead_to_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pages.learn._", lambda text: text)
    assert len(steps()) == STEPS
    assert len({title for title, _show in steps()}) == STEPS


@pytest.mark.parametrize("step", NUMBERS)
@pytest.mark.parametrize("data", DATA)
def test_every_step_asks_something_and_shows_something(step: int, data: str, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(data)
    app = at_step(step)
    assert app.header[0].value.startswith(f"{step}. ")
    assert not app.error
    assert inside(app, "lesson-question").markdown[0].value.rstrip("*").endswith(("?", "drew.")), "a question comes first"
    assert not has(app, "lesson-answer"), "and no answer before it"
    assert len(app.button_group) + len(app.select_slider) == 1, "it can be answered in place"
    assert any("<img" in html or "hourglass" in html for html in html_of(app)) or len(app.get("plotly_chart")) == 1


@pytest.mark.usefixtures("without_data")
def test_next_and_back_walk_through_the_lesson() -> None:
    app = open_page("learn")
    seen = [app.header[0].value]
    for _step in NUMBERS[1:]:
        press(app, "Next")
        seen.append(app.header[0].value)
    assert [int(title.split(".")[0]) for title in seen] == list(NUMBERS)
    assert next(button for button in app.button if button.label == "Next").disabled
    press(app, "Back")
    assert app.header[0].value == seen[-2]


CHOICES = {
    1: ("one-class", [0]),
    2: ("hourglass", 0),
    3: ("redraw", 1),
    4: ("score", 2),
    5: ("threshold", None),
    6: ("price", None),
    7: ("own", 1),
    8: ("better", 0),
    9: ("batch", 1),
    10: ("unit", 1),
    11: ("overfitting", 1),
    12: ("trap", 1),
    13: ("experiment-wide", 1),
}


@pytest.mark.parametrize("step", CHOICES)
@pytest.mark.parametrize("data", DATA)
def test_an_answer_brings_what_is_so_and_stays(step: int, data: str, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(data)
    app = at_step(step)
    question, value = CHOICES[step]
    if value is not None:
        say(app, question, value)
    for label in ("Check", "That is my guess"):
        if any(button.label == label for button in app.button):
            press(app, label)
    told = answered(app)
    assert len(told) > 20
    assert not app.error
    given = lesson_of(app).answers[question, 0]
    if isinstance(value, int):
        assert given.value == value
    at_step(step % STEPS + 1, app)
    assert answered(at_step(step, app)) == told, "who comes back finds the answer"


@pytest.mark.usefixtures("with_mnist")
def test_numbers_of_the_score_can_be_recomputed_from_what_is_shown(mnist: DataSet) -> None:
    app = say(at_step(4), "score", 0)
    shown = [float(text.split(": ")[1]) for html in html_of(app) for text in plain_captions(html) if ": " in text]
    assert len(shown) == 4
    squares = float(answered(app).split("sum to ")[1].split(";")[0])
    assert squares / 784 == pytest.approx(max(shown), abs=1e-4)
    scores = COURSE.detector.decision_function(mnist.test.images)
    assert all(float((scores - each).abs().min()) < 6e-5 for each in shown), "the course's detector scores these images so"


def plain_captions(html: str) -> list[str]:
    return [plain(part.split("</figcaption>")[0]) for part in html.split("<figcaption>")[1:]]


@pytest.mark.usefixtures("with_mnist")
def test_alarms_are_those_of_the_courses_detector() -> None:
    app = at_step(1)
    say(app, "one-class", [0, 1, 2, 3])
    press(app, "Check")
    badges = [word for html in html_of(app) for word in html.split('class="badge ')[1:]]
    assert len(badges) == 4
    is_right = lesson_of(app).answers["one-class", 0].is_right
    assert is_right == all(word.startswith("anomaly") for word in badges)
    press(app, "Four others")
    assert not has(app, "lesson-answer")


@pytest.mark.usefixtures("without_data")
def test_the_four_images_of_the_first_step_are_four_of_every_digit() -> None:
    app = open_page("learn")
    for label in range(10):
        put_in_use(app, label)
        (asked,) = [html for html in html_of(at_step(1, app)) if html.startswith('<div class="lesson-row"')]
        assert len(set(re.findall(r'src="([^"]+)"', asked))) == 4, label


@pytest.mark.usefixtures("without_data")
def test_nothing_is_checked_before_something_is_chosen() -> None:
    app = at_step(1)

    def can_check() -> bool:
        return not next(button for button in app.button if button.label == "Check").disabled

    assert not can_check()
    say(app, "one-class", [0])
    assert can_check()
    say(app, "one-class", [])
    assert not can_check()


@pytest.mark.usefixtures("without_data")
@pytest.mark.parametrize(("step", "again"), [(3, "Another digit"), (7, "Draw again")])
def test_who_is_asked_anew_draws_anew(step: int, again: str) -> None:
    app, (question, value) = at_step(step), CHOICES[step]
    canvas = lesson_of(app).canvas(question)
    canvas.strokes, canvas.image = {"objects": []}, COURSE.detector.reconstruct(torch.zeros(1, 1, 28, 28))
    drawn = picture(canvas.image[0], "").split('src="')[1].split('"')[0]
    say(app, question, value)
    assert any(drawn in html for html in html_of(app))
    press(app, again)
    say(app, question, value, number=1)
    assert not any(drawn in html for html in html_of(app))


def another_tab(app: AppTest) -> AppTest:
    """Of the same browser, on Learn."""
    other = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60.0)
    other.session_state[keys.VISITOR] = visitor_of(app)
    return go_to(checked(other.run()), "learn")


@pytest.mark.usefixtures("without_data")
def test_a_press_in_a_tab_that_is_behind_is_no_answer_to_a_later_question_of_the_quiz() -> None:
    app = at_step(STEPS)
    behind = at_step(STEPS, another_tab(app))
    checked(app.button_group[0].set_value(0).run())
    press(app, "Next question")
    checked(behind.button_group[0].set_value(1).run())
    quiz = lesson_of(app).quiz
    assert quiz.given == [0]
    checked(behind.button_group[0].set_value(1).run())
    assert quiz.given == [0, 1], "it shows the later question now"
    press(checked(app.run()), "Next question")
    press(behind, "Next question")
    assert quiz.number == 2, "once, whoever pressed it"


@pytest.mark.usefixtures("without_data")
def test_a_press_in_a_tab_that_is_behind_is_no_answer_about_other_images() -> None:
    app = at_step(2)
    behind = at_step(2, another_tab(app))
    press(say(app, "hourglass", 0), "Another image")
    say(behind, "hourglass", 1)
    assert [given.value for given in lesson_of(app).answers.values()] == [0]


@pytest.mark.usefixtures("without_data")
def test_a_slider_shows_what_was_guessed_in_another_tab() -> None:
    app = at_step(6)
    behind = at_step(6, another_tab(app))
    say(behind, "price", 0)
    press(say(app, "price", 100), "That is my guess")
    checked(behind.run())
    (slider,) = [each for each in behind.select_slider if each.key and "price" in each.key]
    assert slider.value == 100


@pytest.mark.usefixtures("with_mnist")
def test_what_the_network_has_seen_are_images_it_was_trained_on(mnist: DataSet) -> None:
    app = at_step(1)
    seen = next(html for html in html_of(app) if "lesson-seen" in html).split("<img ")[1:]
    trained = split_one_class(mnist, COURSE.config.normal_classes, COURSE.config.training.seed).train
    pixels = {picture(image, "5").removeprefix("<img ") for image in trained[:100]}
    assert len(seen) == 8
    assert all(each.split(">")[0] + ">" in pixels for each in seen)


@pytest.mark.usefixtures("with_mnist")
def test_the_threshold_falls_where_the_text_says() -> None:
    app = press(at_step(5), "That is my guess")
    scores, told = COURSE.detector.calibration_scores_, answered(app)
    guess = float(str(lesson_of(app).answers["threshold", 0].value))
    assert f"{int((scores > guess).sum()):,} of {len(scores):,}" in told
    assert f"lie {int((scores > COURSE.detector.threshold_).sum())}: it is" in told


@pytest.mark.usefixtures("with_mnist")
def test_ideas_are_added_one_after_the_other_with_what_each_wins(mnist: DataSet) -> None:
    app = say(at_step(8), "better", 0)
    assert "58%" in answered(app)
    ink = [float(mnist.test.images[mnist.test.labels == label].mean()) for label in (1, 5)]
    assert f"{ink[0] / ink[1]:.0%}" == "58%"
    press(app, "Next idea")
    table = next(html for html in html_of(app) if 'class="figures"' in html)
    assert table.count("<tr>") == 3
    from core.latent import sample

    chosen = sample(mnist.test.labels, 2000)
    scores, labels = COURSE.detector.decision_function(mnist.test.images[chosen]), mnist.test.labels[chosen]
    alone = (labels == 1) | (labels == 5)
    assert f"<td>{roc_auc_score(labels != 5, scores):.4f}</td>" in table
    assert f"<td>{roc_auc_score((labels == 1)[alone], scores[alone]):.4f}</td>" in table


@pytest.mark.usefixtures("without_data")
def test_what_is_said_survives_a_reload_and_can_be_counted() -> None:
    app = say(at_step(2), "hourglass", 0)
    from core.server.access import SignedTokens
    from pages.shared.state.visitors import Visitors

    visitors = Visitors(SignedTokens(b"secret"))
    visitors._kept["a"], about = visitor_of(app), tab_of(app).lesson_about
    assert [answer.value for answer in visitors.answers("hourglass", about)] == [0]
    assert visitors.answers("score", about) == []
    press(app, "Another image")
    say(app, "hourglass", 1, number=1)
    assert [answer.value for answer in visitors.answers("hourglass", about)] == [0], "all saw the same images"


@pytest.mark.usefixtures("without_data")
def test_the_lesson_runs_the_course_whatever_is_in_use() -> None:
    app = open_page("learn")
    visitor_of(app).choice = Choice(shipped=Shipped("best", "fashion-mnist", 3))
    at_step(4, app)
    assert any("the course's detector of 5" in caption.value for caption in app.caption)
    visitor_of(app).choice = Choice(shipped=Shipped("best", "mnist", 3))
    at_step(1, app)
    assert any("the course's detector of 3" in caption.value for caption in app.caption)
    assert "**3**" in " ".join(element.value for element in app.main.markdown)


def put_in_use(app: AppTest, label: int) -> None:
    visitor_of(app).choice = Choice(shipped=Shipped("course", "mnist", label))


@pytest.mark.usefixtures("without_data")
@pytest.mark.parametrize(("step", "images"), [(2, "MNIST"), (12, "UCI digits"), (13, "MNIST")])
def test_steps_whose_networks_know_5s_say_so(step: int, images: str) -> None:
    app = open_page("learn")
    put_in_use(app, 3)
    at_step(step, app)
    assert inside(app, "lesson-about").caption[0].value == f"This step: networks of 5, {images}."


@pytest.mark.usefixtures("without_data")
def test_a_projector_says_of_which_images_a_step_is_where_they_are_not_mnists() -> None:
    app = open_page("learn")
    tab_of(app).view = "projector"
    said = [step for step in NUMBERS if has(at_step(step, app), "lesson-images")]
    assert said == [step for step in NUMBERS if step not in (2, 13)], "these two show what was shipped"
    assert inside(app, "lesson-images").caption[0].value == "Images: UCI digits"


@pytest.mark.usefixtures("without_data")
def test_what_was_said_of_one_digit_is_not_said_of_another() -> None:
    app = say(at_step(4), "score", 1)
    told = answered(app)
    put_in_use(app, 3)
    at_step(4, app)
    assert not has(app, "lesson-answer"), "of 3 nothing was said"
    say(app, "score", 2)
    put_in_use(app, 5)
    at_step(4, app)
    assert answered(app) == told


def test_what_was_said_of_one_data_set_is_not_said_of_another(
    without_data: Path, mnist: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = say(at_step(4), "score", 1)
    monkeypatch.setenv("DATA_DIR", str(REAL_DATA))
    at_step(4, app)
    assert any("with the images of MNIST" in caption.value for caption in app.caption)
    assert not has(app, "lesson-answer")


@pytest.mark.usefixtures("without_data")
def test_another_digit_has_another_quiz() -> None:
    app = at_step(STEPS)
    checked(app.button_group[0].set_value(0).run())
    put_in_use(app, 3)
    at_step(STEPS, app)
    assert not has(app, "lesson-answer")
    assert lesson_of(app).quiz.given == []


def overfitted(epochs: int, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch) -> tuple[AppTest, TrainingJob]:
    """The step on overfitting after its training of so many epochs."""
    monkeypatch.setattr("pages.sections.learn_overfitting.EPOCHS", epochs)
    app = say(at_step(11), "overfitting", 2)
    assert any("lesson-few" in each for each in html_of(app)), "the images stay until they are trained on"
    press(app, "Train now")
    (job,) = visitor_of(app).overfitting
    wait_until(lambda: job.snapshot().state is JobState.DONE)
    return checked(app.run()), job


@pytest.mark.usefixtures("without_data")
def test_a_training_on_one_digit_is_not_shown_below_another(wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch) -> None:
    app, _job = overfitted(1, wait_until, monkeypatch)
    assert len(app.get("plotly_chart")) == 1
    put_in_use(app, 3)
    say(at_step(11, app), "overfitting", 2)
    assert len(app.get("plotly_chart")) == 0
    assert "As a rule it falls, then rises" in answered(app)


def training_of(app: AppTest, step: int, wait_until: WaitUntil) -> TrainingJob:
    """One that has begun, and is long; the first of those that the step trains."""
    press(say(at_step(step, app), *CHOICES[step]), "Train now" if step == 11 else "Train both now")
    job = next(visitor_of(app).jobs())
    wait_until(lambda: job.snapshot().has_begun)
    return job


@pytest.fixture
def long_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pages.sections.learn_overfitting.BATCH", 1)
    for name in ("course", "broadcasting"):
        longer = replace(PRESETS[name].training, epochs=200, batch_size=1)
        monkeypatch.setitem(PRESETS, name, replace(PRESETS[name], training=longer))


@pytest.mark.usefixtures("without_data", "long_trainings")
@pytest.mark.parametrize("step", [11, 12])
def test_a_training_that_nobody_looked_at_goes_on_when_somebody_does(step: int, wait_until: WaitUntil) -> None:
    app = open_page("learn")
    job = training_of(app, step, wait_until)
    job.idle_timeout = 0.0
    wait_until(lambda: job.peek().state is JobState.PAUSED)
    assert job.peek().paused_unattended
    job.idle_timeout = IDLE_TIMEOUT
    checked(app.run())
    wait_until(lambda: job.peek().state is JobState.RUNNING)
    visitor_of(app).end()


@pytest.mark.usefixtures("without_data", "long_trainings")
@pytest.mark.parametrize("step", [11, 12])
def test_a_training_that_the_teacher_paused_can_be_resumed(step: int, wait_until: WaitUntil) -> None:
    app = open_page("learn")
    job = training_of(app, step, wait_until)
    assert not any(button.label == "Resume" for button in app.button)
    job.pause(UserError(PAUSED))
    wait_until(lambda: job.peek().state is JobState.PAUSED)
    checked(app.run())
    assert job.peek().state is JobState.PAUSED, "it does not go on by itself"
    press(app, "Resume")
    wait_until(lambda: job.peek().state is JobState.RUNNING)
    assert not any(button.label == "Resume" for button in app.button)
    visitor_of(app).end()


@pytest.mark.usefixtures("without_data")
def test_ten_questions_each_with_its_why_and_new_ones_after() -> None:
    app = at_step(STEPS)
    quiz = lesson_of(app).quiz
    first = quiz.seed
    for number in range(QUESTIONS_OF_QUIZ):
        (pills,) = app.button_group
        checked(pills.set_value(0).run())
        assert len(answered(app)) > 20
        assert quiz.given[number] == 0
        press(app, "How did it go?" if number == QUESTIONS_OF_QUIZ - 1 else "Next question")
    (counted,) = [element.value for element in app.markdown if " of 10 right." in element.value]
    right = int(counted.strip("*").split(" ")[0])
    (again,) = app.button_group
    assert len(again.options) == 10 - right, "every wrong one can be looked at again"
    told = set()
    for number in map(int, again.options):
        checked(app.button_group[0].set_value(number - 1).run())
        told.add((number, answered(app)))
    assert len(told) == 10 - right
    assert all(len(text) > 20 for _number, text in told), "with its why"
    press(app, "Ten new questions")
    assert lesson_of(app).quiz.seed != first


@pytest.mark.usefixtures("with_mnist")
def test_an_experiment_shows_the_figures_of_its_file_and_can_be_used_everywhere() -> None:
    app = at_step(13)
    app.session_state["experiment"] = "broadcasting"
    checked(app.run())
    say(app, "experiment-broadcasting", 2)
    made = read(Shipped("broadcasting", "mnist", 5).path)
    assert made.evaluation is not None
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["AUROC"] == f"{made.evaluation.auroc:.4f}"
    assert shown["Validation loss"] == f"{made.losses[-1].validation:.4f}"
    below = made.evaluation.auroc_by_class[1]
    assert below < 0.5
    assert any(f"AUROC {below:.3f}, below 0.5" in caption.value for caption in app.caption)
    press(app, "Use it on every page")
    assert detector_line(app) == "Detector: 5 · MNIST · The broadcasting trap"


def test_every_preset_has_its_lesson(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pages.shared.i18n.preset_texts._", lambda text, **_values: text)
    assert preset_texts().keys() == PRESETS.keys()
    assert len({lesson.text for lesson in preset_texts().values()}) == len(PRESETS)


@pytest.mark.usefixtures("without_data")
def test_the_trap_trains_both_networks_side_by_side_and_only_one_learns(
    wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("course", "broadcasting"):  # a hundred images need more steps than thousands do
        longer = replace(PRESETS[name].training, epochs=25, batch_size=16)
        monkeypatch.setitem(PRESETS, name, replace(PRESETS[name], training=longer))
    app = say(at_step(12), "trap", 1)
    assert "On MNIST the loss stops at 0.061." in answered(app)
    assert any("validation loss 0.061" in caption.value for caption in app.caption), "until then the shipped ones are shown"
    press(app, "Train both now")
    right, wrong = visitor_of(app).trap
    assert (right.config.training.broadcasting, wrong.config.training.broadcasting) == (False, True)
    wait_until(lambda: right.snapshot().state is JobState.DONE and wrong.snapshot().state is JobState.DONE)
    checked(app.run())
    assert [info.value for info in app.info] == ["Same network, same images, same seed. Only the shapes differ."]
    made = [job.snapshot().result for job in (right, wrong)]
    aurocs = [each.evaluation.auroc for each in made if each and each.evaluation]
    assert aurocs[0] > aurocs[1]
    assert f"The loss stops at {wrong.snapshot().losses[-1].validation:.3f}." in answered(app), "the own training's"
    assert right.snapshot().losses[-1].validation < wrong.snapshot().losses[-1].validation


@pytest.mark.usefixtures("without_data")
def test_overfitting_is_trained_live_and_told_as_it_was(wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch) -> None:
    app, job = overfitted(20, wait_until, monkeypatch)
    assert job.config.training.epochs == 20
    losses = job.snapshot().losses
    assert f"{losses[-1].train:.3f}" in answered(app)
    assert f"{min(each.validation for each in losses):.3f}" in answered(app)
    # As it stands where the teacher has ended it.
    monkeypatch.setattr(
        job, "_snapshot", replace(job.snapshot(), state=JobState.FAILED, error=UserError("Ended."), result=None)
    )
    assert "As a rule it falls, then rises" in answered(checked(app.run()))


def test_the_courses_figures_of_one_unit_are_the_decoders(uci: DataSet) -> None:
    """The share of a number is what changes when it alone is 0."""
    image = uci.test.images[:1]
    model = COURSE.detector.model
    with torch.inference_mode():
        latent = model.encoder(image)
        off = latent.clone()
        unit = int(latent.argmax())
        off[0, unit] = 0
        expected = (model.decoder(off) - model.decoder(latent)).square().mean()
    whole, without = without_each(Mock(detector=COURSE.detector), latent[0])
    assert len(without) == latent.shape[1]
    assert float((without - whole)[unit].square().mean()) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.usefixtures("without_data")
@pytest.mark.parametrize("given", range(4))
def test_the_why_of_an_error_map_speaks_of_the_map_and_that_of_a_reconstruction_of_its_image(given: int, uci: DataSet) -> None:
    app = at_step(STEPS)
    scores = COURSE.detector.decision_function(uci.test.images)
    asked = questions(COURSE.detector, uci.test.images, uci.test.labels, scores, lesson_of(app).quiz.seed)
    for question in asked[: KINDS.index("map") + 1]:
        (pills,) = app.button_group
        checked(pills.set_value(min(given, len(pills.options) - 1)).run())
        letter, told = "ABCD"[question.right], answered(app)
        if question.kind == "map":
            score = float(scores[question.images[question.right]])
            right = f"Orange is where {letter} has ink that was not redrawn; its score is {score:.4f}."
            wrong = f"It is of {letter}: orange is where {letter} has ink that was not redrawn."
            assert told.endswith(right if given == question.right else wrong)
            assert any(f"Of {letter}" in html for html in html_of(app)), "what was asked about stays in sight"
        elif question.kind == "redrawn" and given != question.right:
            own, others = map(float, re.findall(r"\d\.\d{4}", told))
            assert told.split("It is of ")[1][0] == letter
            assert own < others
        press(app, "Next question")


@pytest.mark.usefixtures("without_data")
def test_whoever_does_not_draw_sees_the_image_to_judge() -> None:
    app = at_step(7)
    (image,) = [html for html in html_of(app) if "<img" in html]
    assert "Test image" in image
    say(app, "own", 1)
    source = re.search(r'src="([^"]+)"', image)
    assert source
    assert any(source[1] in html for html in html_of(app)), "it is the one that was judged"


@pytest.mark.usefixtures("without_data")
def test_the_answer_is_compared_with_the_image_that_is_shown(uci: DataSet) -> None:
    verdicts = COURSE.detector.predict(uci.test.images)
    normal, anomaly = (uci.test.images[verdicts == verdict][:1] for verdict in (0, 1))
    for before, shown, word in ((normal, anomaly, "Right."), (anomaly, normal, "Not quite.")):
        app = at_step(7)
        lesson_of(app).canvas("own").image = before
        checked(app.run())
        lesson_of(app).canvas("own").image = shown  # drawn since, here or in another tab
        say(app, "own", 1)
        assert word in answered(app)


def test_the_unit_that_changes_most_is_not_always_in_the_same_place() -> None:
    effects = torch.arange(32.0)
    assert len({four_units(effects, number).index(31) for number in range(12)}) == 4
    assert {frozenset(four_units(effects, number)) for number in range(12)} == {frozenset(four_units(effects, 0))}


def test_every_experiment_in_the_list_was_repeated() -> None:
    app = at_step(13)
    (box,) = [each for each in app.selectbox if each.key == "experiment"]
    assert "The course" in box.options
    assert "Best detector" not in box.options


def said_by_others(app: AppTest, *answers: tuple[str, object]) -> None:
    """What other browsers on this server have said of the same."""
    about = tab_of(app).lesson_about
    for question, value in answers:
        other = Visitor()
        other.lessons[about] = Lesson()
        other.lessons[about].give(question, value, None)
        registry()._kept[f"other {len(registry()._kept)}"] = other


def teacher_at(step: int) -> AppTest:
    app = open_page("learn")
    visitor_of(app).is_teacher = True
    return at_step(step, app)


def told_of_others(app: AppTest) -> str:
    return " ".join(plain(html.replace("</", " </")) for html in html_of(app) if 'class="counts"' in html).strip()


@pytest.mark.usefixtures("without_data", "without_the_server")
@pytest.mark.parametrize(
    ("step", "answers", "told"),
    [
        (2, [("hourglass", 0), ("hourglass", 2), ("hourglass", 2)], "3 answers A 1 B 0 C 2"),
        (1, [("one-class", (0, 1)), ("one-class", (1,))], "2 answers A 1 B 2 C 0 D 0"),
        (6, [("price", 0), ("price", 15), ("price", 100)], "3 answers 0 – 15 2 20 – 35 0 40 – 55 0 60 – 75 0 80 – 100 1"),
        (3, [("redraw", 1)], "1 answer The same image 0 The digit 5 1 Something between 0 Nothing 0"),
    ],
)
def test_a_teacher_sees_what_the_class_has_said_until_it_is_revealed(
    step: int, answers: list[tuple[str, object]], told: str
) -> None:
    app = teacher_at(step)
    assert told_of_others(app) == ""
    said_by_others(app, *answers)
    at_step(step, app)
    assert " ".join(told_of_others(app).split()) == told
    question, value = CHOICES[step]
    if value is not None:
        say(app, question, value)
    for label in ("Check", "That is my guess"):
        if any(button.label == label for button in app.button):
            press(app, label)
    assert has(app, "lesson-answer")
    assert told_of_others(app) == ""


@pytest.mark.usefixtures("without_data", "without_the_server")
def test_students_do_not_see_what_others_have_said() -> None:
    app = at_step(2)
    said_by_others(app, ("hourglass", 0))
    assert told_of_others(at_step(2, app)) == ""
    visitor_of(app).is_teacher = True
    assert told_of_others(at_step(2, app)).startswith("1 answer")


@pytest.mark.usefixtures("without_data", "without_the_server")
def test_answers_of_others_about_another_digit_or_other_images_are_not_counted() -> None:
    app = teacher_at(4)
    said_by_others(app, ("score", 0))
    assert told_of_others(at_step(4, app)).startswith("1 answer")
    put_in_use(app, 3)
    assert told_of_others(at_step(4, app)) == ""
    put_in_use(app, 5)
    at_step(4, app)
    say(app, "score", 1)
    press(app, "Four others")
    assert told_of_others(app) == ""


def test_the_link_is_to_the_step_that_is_shown() -> None:
    app = open_page("learn")
    checked(next(button for button in app.button if button.label == "Next").click().run())
    step = visitor_of(app).step
    assert step == 2
    (address,) = (each.value for each in app.code if "step=" in each.value)
    assert f"step={step}" in address
