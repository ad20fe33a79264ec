"""The class's page and Draw for a teacher and students, as AppTest runs them: one store, several visitors."""

import csv
import gc
import io
import json
import weakref
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock
from urllib.parse import parse_qs, urlsplit

import pytest
import streamlit as st
import torch
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.testing.v1 import AppTest

from core import checkpoint
from core.data.own import OwnImages
from core.detector import AutoencoderDetector, DetectorConfig
from core.presets import Shipped
from core.server.class_records import ClassError, ClassSnapshot, ClassUnavailableError, Drawing, NotTheTeacherError
from core.server.classroom import MAX_A_MINUTE, Classroom
from core.server.tasks import TASKS, Judgement, Task
from core.training import TrainConfig
from pages import draw
from pages.sections import class_archive, class_begin, class_tasks, class_wall, draw_class
from pages.shared.i18n.names import name_of
from pages.shared.i18n.text import use_language
from pages.shared.state import access, class_drawings, classroom, keys, latent_space, own_data, visitors
from pages.shared.state.lesson import Lesson
from pages.shared.state.visitor import Choice, Run, acting_for
from tests.conftest import WaitUntil
from tests.pages.conftest import checked, go_to, has, html_of, inside, noting_turns, open_page, plain, tab_of, visitor_of
from tests.pages.test_train import rerun_until

pytestmark = pytest.mark.usefixtures("without_data", "far_away")


@pytest.fixture
def far_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody sits at the server, and everybody has a browser of his own."""
    monkeypatch.setattr(access, "_sits_at_the_server", lambda: False)
    monkeypatch.setattr(access, "_browser", lambda: "one")


def begin(name: str = "4b") -> AppTest:
    """A teacher whose class has begun."""
    app = open_page("class")
    visitor_of(app).is_teacher = True
    checked(app.run())
    app.text_input(key="class-name").set_value(name)
    return checked(next(each for each in app.button if each.label == "Begin the class").click().run())


def join() -> AppTest:
    """A student on Draw."""
    app = open_page("class")
    checked(app.button(key="join-class").click().run())
    assert "You are **" in " ".join(each.value for each in app.markdown)
    return go_to(app, "draw")


def five() -> torch.Tensor:
    """An image that the detector for 5 redraws well: one of its own."""
    detector = checkpoint.read(Shipped("best", "mnist", 5).path).detector
    with torch.inference_mode():
        return detector.model.decoder(detector.memory_[:1]).reshape(1, 1, 28, 28).clone()


def scribble() -> torch.Tensor:
    return torch.eye(28).flip(0).clamp(max=1)[None, None].clone()


def put(app: AppTest, image: torch.Tensor, generation: int = 0) -> AppTest:
    """Draw it, on the canvas of this number."""
    canvas = visitor_of(app).drawings.canvas
    canvas.image = canvas.of_strokes = image
    canvas.generation = generation
    visitor_of(app).drawings.return_to_canvas()
    return checked(app.run())


def press(app: AppTest, key: str) -> AppTest:
    return checked(app.button(key=key).click().run())


def line(app: AppTest) -> str:
    """What the class's line on Draw says."""
    return plain(" ".join(html_of(inside(app, "class-task"))))


def now() -> ClassSnapshot:
    found = classroom.store().now(at_once=True)
    assert found
    return found


def test_a_student_may_speak_another_language() -> None:
    begin()
    app = join()
    app.text_input(key="shared-code").set_value("ZZ")
    language = WidgetState(id=next(node.proto.id for node in app.main if node.type == "menu_button"))
    language.string_trigger_value.data = "Deutsch"
    code = WidgetState(id=app.text_input(key="shared-code").proto.id, string_value="ZZ")
    checked(app._run(WidgetStates(widgets=[language, code])))
    assert app.title[0].value == "Zeichne eine Ziffer"
    assert app.text_input(key="shared-code").value == "ZZ"


def test_the_answers_of_the_lesson_are_counted_of_the_class_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitors.registry(), "_kept", {})
    question, about = "hourglass", "5-uci-digits"

    def told(app: AppTest) -> str:
        app.session_state["step"] = 2
        return plain(" ".join(html for html in html_of(checked(app.run())) if 'class="counts"' in html)).strip()

    teacher = begin()
    people = [visitor_of(join()), visitor_of(join()), visitor_of(open_page())]
    for number, who in enumerate(people):
        visitors.registry()._kept[str(number)] = who
        who.lessons[about] = Lesson()
        who.lessons[about].give(question, 0, None)
    go_to(teacher, "learn")
    assert told(teacher).startswith("2 answers"), "one is not of the class"
    people[0].student = None
    assert told(teacher).startswith("1 answer"), "one has left it"
    classroom.store().end(now().about.code)
    assert told(teacher).startswith("3 answers"), "without a class everybody counts"


def test_nobody_but_the_teacher_can_begin() -> None:
    app = open_page("class")
    assert not app.text_input
    assert "No class has begun yet" in app.info[0].value
    assert not has(go_to(app, "draw"), "class-task")


def test_a_drawing_goes_to_the_wall_with_the_servers_score() -> None:
    teacher, app = begin(), join()
    put(app, five())
    press(app, "send-drawing")
    (drawing,) = now().drawings.values()
    expected = checkpoint.read(Shipped("best", "mnist", 5).path).detector.infer(five())
    assert drawing.judgement.score == pytest.approx(float(expected.scores[0]), abs=1e-6)
    assert (drawing.judgement.is_anomaly, drawing.judgement.best_digit) == (False, 5)
    assert "It is on the wall." in line(app)
    assert "Place 1 of 1" in line(app)
    checked(teacher.run())
    assert "1 drawing" in " ".join(map(plain, html_of(teacher)))


NOT_COUNTED = "On the wall, but it does not count: the detector calls it an anomaly."
SAID: dict[Task, tuple[str, str]] = {
    "draw": ("Draw a 5", NOT_COUNTED),
    "anything": ("Anything but a 5", "It is on the wall."),
    "fool": ("Fool it", NOT_COUNTED),
    "edge": ("On the edge", NOT_COUNTED),
    "blind": ("Blind", "Anomaly: you were wrong."),
    "free": ("Draw what you like", "It is on the wall."),
}
"""What is asked, and what is said of a scribble."""


@pytest.mark.parametrize("task", TASKS)
def test_every_task_is_told_and_answered(task: Task) -> None:
    asked, answer = SAID[task]
    teacher, app = begin(), join()
    press(teacher, f"task-{task}")
    put(app, scribble())
    assert asked in line(app)
    press(app, "predict-normal" if task == "blind" else "send-drawing")
    (drawing,) = now().drawings.values()
    assert drawing.judgement.is_anomaly
    assert answer in line(app)


def test_blind_shows_no_verdict_before_the_guess() -> None:
    teacher, app = begin(), join()
    put(app, five())
    assert has(app, "score")
    press(teacher, "task-blind")
    checked(app.run())
    assert not has(app, "score")
    assert "You have seen a verdict on this drawing" in line(app)
    assert app.button(key="predict-normal").disabled, "what was seen before it is predicted does not count"
    with acting_for(visitor_of(app), tab_of(app)), pytest.raises(ClassError, match="You have seen"):
        classroom.send(now().about.round, False)
    for image, is_known in ((scribble(), False), (five(), True)):
        put(app, image)
        assert not has(app, "score")
        assert app.button(key="predict-normal").disabled is is_known, "redone, it is the same drawing, as another image"
    checked(next(each for each in app.button if each.label == "Clear").click().run())
    put(app, five(), 1)
    assert not has(app, "score")
    assert "What will the verdict be?" in " ".join(html_of(app))
    press(app, "predict-normal")
    assert has(app, "score")
    assert "Normal: you were right." in line(app)
    assert app.button(key="predict-normal").disabled
    assert app.button(key="predict-anomaly").disabled
    with acting_for(visitor_of(app), tab_of(app)):
        draw_class.send(now().about.round, True)  # a second tap that was on its way
    assert "Normal: you were right." in line(checked(app.run()))
    assert len(now().drawings) == 1


def test_what_was_drawn_for_another_task_is_not_sent_to_the_new_one() -> None:
    """A phone shows the old task until it looks again."""
    begin()
    app = put(join(), five())
    press(app, "send-drawing")
    for task in ("anything", "blind"):
        classroom.store().choose(now().about.code, task)
        press(app, "send-drawing")
        assert "The task has changed" in line(app)
        assert [each.round for each in now().drawings.values()] == [1]
        classroom.store().choose(now().about.code, "draw")
        checked(app.run())


def test_a_threshold_of_ones_own_forges_no_rank() -> None:
    begin()
    app = put(join(), scribble())
    visitor_of(app).thresholds[visitor_of(app).choice] = 1000.0
    checked(app.run())
    press(app, "send-drawing")
    (drawing,) = now().drawings.values()
    assert drawing.judgement.is_anomaly
    assert now().places == {}


def test_another_detector_is_told_before_anything_is_sent() -> None:
    begin()
    app = put(join(), five())
    visitor_of(app).choice = Choice(shipped=Shipped("best", "mnist", 3))
    checked(app.run())
    assert not has(app, "send-drawing")
    press(app, "class-detector")
    assert has(app, "send-drawing")


def test_a_student_has_none_of_the_teachers_buttons_and_what_they_call_refuses_him(caplog: pytest.LogCaptureFixture) -> None:
    from pages.sections import class_teacher

    begin()
    app = open_page("class")
    assert not has(app, "class-teacher")
    assert not [each for each in app.button if str(each.key).startswith(("task-", "end-", "clear-", "open-wall", "wall-"))]
    before = now()
    for do in ("choose('fool')", "set_open(False)", "show_to('teacher')", "clear()", "end()"):
        body = f"from pages.sections import class_teacher\nclass_teacher.{do}"
        forged = AppTest.from_string(body, default_timeout=60.0).run()
        assert len(forged.exception) == 1
        assert "Only the teacher can do this." in caplog.text
        caplog.clear()
    with pytest.raises(NotTheTeacherError):
        classroom.store().choose("", "fool")
    assert now() is before
    assert class_teacher.choose


def test_the_teachers_code_opens_the_buttons_elsewhere_and_guesses_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    begin()
    app = open_page("class")
    app.text_input(key="class-code").set_value("AAAAAAAA")
    press(app, "class-code-given")
    assert "not the teacher's code" in app.error[0].value
    app.text_input(key="class-code").set_value(now().about.code)
    with monkeypatch.context() as patch:
        patch.setattr(access, "_waits", lambda _gate: 3.0)
        press(app, "class-code-given")
    assert "Wait 3 s" in app.error[0].value
    assert not has(app, "class-teacher")
    press(app, "class-code-given")
    assert has(app, "class-teacher")


def test_a_page_runs_again_only_when_something_is_new_on_it() -> None:
    """The teacher's wall with each drawing, a student's line with the task, the place and the canvas only."""
    begin()
    ada, bob = join(), join()
    mine = classroom.store()
    numbers = [visitor_of(app).student.number for app in (ada, bob)]
    of_ada = partial(draw_class.shown, visitor_of(ada), numbers[0])
    before = of_ada(now())
    mine.send(numbers[1], bytes(784), Judgement(0.5, 0.1, 0.01, True), 1)
    assert of_ada(now()) == before, "a drawing of somebody else that does not count"
    mine.send(numbers[0], bytes(784), Judgement(0.05, 0.1, 0.4, False), 1)
    first = of_ada(now())
    assert first != before, "she has a place now"
    mine.send(numbers[1], bytes(784), Judgement(0.04, 0.1, 0.4, False), 2)
    second = of_ada(now())
    assert second != first, "Bob is before her"
    visitor_of(ada).drawings.canvas.generation += 1
    third = of_ada(now())
    assert third != second, "her canvas is clear"
    mine.choose(now().about.code, "edge")
    assert of_ada(now()) != third
    assert of_ada(None) is not None


@pytest.mark.parametrize("page", ["class", "draw"])
def test_what_changes_while_a_page_is_drawn_is_not_missed(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else sees it first, before the page has said what it shows."""
    begin()
    app = go_to(join(), page)
    generations = iter(range(100))
    asked, is_due = ("teachers_code", "student")[page == "draw"], Mock()
    answer = getattr(classroom, asked)

    def meanwhile() -> object:
        found = answer()
        if page == "draw":
            classroom.store().choose(now().about.code, "edge")
        else:
            send(five(), next(generations))
        assert now()
        return found

    send(five(), next(generations))
    monkeypatch.setattr(classroom, "run_by_timer_only_if", is_due)
    monkeypatch.setattr(Classroom, "look", lambda _room: None)
    checked(app.run())
    assert not is_due.call_args.args[0](), "nothing has changed"
    monkeypatch.setattr(classroom, asked, meanwhile)
    checked(app.run())
    assert is_due.call_args.args[0]()


def test_no_old_number_can_stay_after_clear() -> None:
    """What a browser overwrites it need not take away: without numbers there is as much on the page as with them."""

    def places(app: AppTest) -> int:
        return len([*inside(app, "numbers")])

    begin()
    app = join()
    empty = places(app)
    put(app, five())
    assert places(app) == empty
    put(app, scribble())
    visitor_of(app).drawings.canvas.image = None
    visitor_of(app).drawings.return_to_canvas()
    assert places(checked(app.run())) == empty
    assert not has(app, "score")


def test_who_floods_the_wall_gets_a_sentence() -> None:
    begin()
    app = put(join(), five())
    for generation in range(1, MAX_A_MINUTE + 1):
        put(app, five(), generation)
        press(app, "send-drawing")
    put(app, five(), 100)
    press(app, "send-drawing")
    assert f"{MAX_A_MINUTE} drawings within a minute" in line(app)


def speak(app: AppTest, language: str) -> AppTest:
    menu = WidgetState(id=next(node.proto.id for node in app.main if node.type == "menu_button"))
    menu.string_trigger_value.data = language
    return checked(app._run(WidgetStates(widgets=[menu])))


def test_what_became_of_a_drawing_is_told_in_the_language_that_is_spoken_now() -> None:
    begin()
    app = press(put(join(), five()), "send-drawing")
    assert "It is on the wall." in line(app)
    assert "Sie ist an der Wand." in line(speak(app, "Deutsch"))


def test_a_page_that_is_open_when_the_next_class_begins_shows_its_verdicts() -> None:
    begin()
    app = join()
    classroom.store().end(now().about.code)
    checked(app.run())
    assert not has(app, "class-task")
    begin("4c")
    with acting_for(visitor_of(app), tab_of(app)):  # as a stroke asks, for which the whole page does not run
        assert not classroom.hides_verdict()


def test_who_joins_in_another_tab_is_asked_for_his_guess_in_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    teacher, app = begin(), open_page("draw")
    press(teacher, "task-blind")
    who, show = visitor_of(app), draw.show_class_task
    who.student, who.class_begun = classroom.store().join("one"), now().about.begun
    runs: list[None] = []

    def first_as_in_a_stroke_then_whole() -> None:
        runs.append(None)
        if len(runs) > 1:
            show()

    monkeypatch.setattr(draw, "show_class_task", first_as_in_a_stroke_then_whole)
    put(app, five())
    assert len(runs) == 2
    assert has(app, "predict-normal")


def test_a_database_that_is_away_when_one_sends_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    begin()
    app = put(join(), five())
    away = Mock(side_effect=ClassUnavailableError("The class cannot be reached now."))
    monkeypatch.setattr(Classroom, "now", away)
    body = "from pages.sections import draw_class\ndraw_class.send(1)"
    sender = AppTest.from_string(body, default_timeout=60.0)
    sender.session_state[keys.VISITOR] = visitor_of(app)
    checked(sender.run())
    (answer,) = [tab_of(sender).class_answer]
    assert answer
    assert (answer.text(), answer.is_refused) == ("The class cannot be reached now.", True)


def test_a_database_that_is_away_shows_no_verdict_in_blind(monkeypatch: pytest.MonkeyPatch) -> None:
    teacher, app = begin(), join()
    press(teacher, "task-blind")
    put(app, five())
    away = Mock(side_effect=ClassUnavailableError("The class cannot be reached now."))
    monkeypatch.setattr(Classroom, "now", away)
    checked(app.run())
    assert "cannot be reached" in inside(app, "class-task").caption[0].value
    assert not has(app, "score")
    assert "What will the verdict be?" in " ".join(html_of(app))


def test_a_database_that_fails_in_the_middle_of_a_page_breaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    begin()
    app = join()
    monkeypatch.setattr(Classroom, "is_teacher", Mock(side_effect=ClassUnavailableError("Away.")))
    assert has(go_to(app, "class"), "class-wall")


def test_without_its_database_the_class_keeps_its_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    classroom.store().begin("4b", 3)
    assert now()
    monkeypatch.setattr(Classroom, "now", Mock(side_effect=ClassUnavailableError("Away.")))
    assert classroom.the_classs_choice() == Choice(shipped=Shipped("best", "mnist", 3))


@pytest.mark.parametrize("page", ["class", "draw"])
def test_a_page_comes_back_with_the_database(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though somebody else, whom this page does not ask, is the first to see that it is back."""
    begin()
    app, is_due = go_to(join(), page), Mock()
    monkeypatch.setattr(classroom, "run_by_timer_only_if", is_due)
    monkeypatch.setattr(Classroom, "look", lambda _room: None)
    with monkeypatch.context() as patch:
        patch.setattr(Classroom, "now", Mock(side_effect=ClassUnavailableError("Away.")))
        checked(app.run())
    found = now()
    assert is_due.call_args.args[0]()
    if page == "class":
        assert tab_of(app).class_seen != class_wall.seen(found), "then the whole page runs anew"
    checked(app.run())
    assert not is_due.call_args.args[0]()


@pytest.mark.parametrize("page", ["class", "draw"])
def test_a_page_that_cannot_see_the_class_rests_until_its_database_answers(
    page: str, without_data: Path, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of somebody who is in no class, as nobody knows whether he is."""
    database, is_due = without_data / "class.sqlite", Mock()
    database.write_bytes(b"this is no database" * 100)
    monkeypatch.setattr(classroom, "run_by_timer_only_if", is_due)
    app = open_page(page)
    for _tick in range(3):
        assert not is_due.call_args.args[0]()
    database.unlink()
    monkeypatch.setattr("core.server.classroom.RETRY_SECONDS", 0.0)
    monkeypatch.setattr("core.server.classroom.LOOK_SECONDS", 0.0)
    wait_until(is_due.call_args.args[0])
    is_due.reset_mock()
    checked(app.run())
    assert not app.error
    assert not has(app, "class-task")
    assert is_due.called == (page == "class"), "without a class Draw has nothing to look at"


def test_a_cleared_wall_has_nothing_open() -> None:
    teacher = begin()
    send(five(), 1)
    tab_of(teacher).class_opened = 1
    checked(teacher.run())
    teacher.session_state["class-more"] = True
    checked(teacher.run())
    checked(teacher.checkbox(key="sure").check().run())
    press(teacher, "clear-wall")
    assert now().drawings == {}
    assert tab_of(teacher).class_opened == 0


def test_a_hidden_drawing_is_seen_by_the_teacher_and_not_on_the_projector() -> None:
    teacher, app = begin(), join()
    put(app, five())
    press(app, "send-drawing")
    (drawing,) = now().drawings.values()
    tab_of(teacher).class_opened = drawing.number
    checked(teacher.run())
    press(teacher, "hide-drawing")
    assert has(teacher, "class-opened"), "it can be shown again"
    tab_of(teacher).view = "projector"
    checked(teacher.run())
    assert not has(teacher, "class-opened")
    assert class_wall.in_order(now(), class_wall.NEWEST, sees_hidden=False) == []


def test_a_wall_that_only_the_teacher_sees_is_not_on_the_projector_nor_is_the_code() -> None:
    teacher, app = begin(), join()
    put(app, five())
    press(app, "send-drawing")
    classroom.store().show_wall_to(now().about.code, "teacher")
    teacher.session_state["class-more"] = True
    checked(teacher.run())
    assert cards(teacher) == [1]
    assert now().about.code in " ".join(each.value for each in teacher.markdown)
    tab_of(teacher).view = "projector"
    checked(teacher.run())
    assert [each.value for each in teacher.info] == ["The teacher shows the wall."]
    assert cards(teacher) == []
    assert now().about.code not in " ".join(each.value for each in teacher.markdown)


def test_a_detector_is_given_to_the_class_and_fooled(monkeypatch: pytest.MonkeyPatch) -> None:
    had_turn = noting_turns(monkeypatch, classroom, "from_bytes")
    teacher, giver = begin(), join()
    made = checkpoint.read(Shipped("best", "mnist", 3).path)
    visitor_of(giver).runs.append(Run.of("run 1", "trained", made))
    visitor_of(giver).choice = Choice(run=0)
    checked(giver.run())
    press(giver, "give-detector")
    press(giver, "give-detector")  # a double click
    (shared,) = now().detectors.values()
    assert shared.digit == 3
    assert f"Its code is **{shared.code}**" in " ".join(each.value for each in giver.info)
    visitor_of(giver).thresholds[Choice(run=0)] = 1.5 * made.detector.threshold_
    checked(giver.run())
    press(giver, "give-detector")
    assert len(now().detectors) == 2, "at another threshold it is another detector"
    app = join()
    app.text_input(key="shared-code").set_value("ZZZZ")
    press(app, "take-detector")
    assert "No detector of the class has the code" in app.error[0].value
    app.text_input(key="shared-code").set_value(shared.code.lower())
    press(app, "take-detector")
    assert had_turn == [True]
    assert f"Against the detector {shared.code}" in line(app)
    put(app, five())
    press(app, "send-drawing")
    (drawing,) = now().drawings.values()
    expected = made.detector.infer(five())
    assert drawing.detector == shared.code
    assert drawing.judgement.score == pytest.approx(float(expected.scores[0]), abs=1e-6)
    assert now().places == {}, "the task's list is of the class's detector"
    checked(teacher.run())
    assert f"{shared.code}" in " ".join(html_of(teacher))


OWN = {"data_set": "own-0123456789abcdef", "class_names": ("star", "5")}
NO_DIGIT = {
    "two digits": {"normal_classes": (3, 8)},
    "clothes": {"data_set": "fashion-mnist"},
    "stars": {**OWN, "normal_classes": (0,)},
}


@pytest.mark.parametrize("kind", NO_DIGIT.values(), ids=NO_DIGIT)
def test_a_detector_of_anything_but_one_digit_is_not_given(kind: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    begin()
    app = join()
    made = checkpoint.read(Shipped("best", "mnist", 3).path)
    visitor_of(app).runs.append(Run.of("run 1", "trained", made))
    visitor_of(app).choice = Choice(run=0)
    monkeypatch.setattr(made.detector, "config", replace(made.detector.config, **kind))
    monkeypatch.setattr(st, "session_state", {keys.VISITOR: visitor_of(app)})
    with pytest.raises(ClassError, match="detectors of one digit"):
        classroom.give_detector()
    assert now().detectors == {}


def test_a_detector_of_the_class_s_own_fives_is_given_and_judges_the_drawings_of_others() -> None:
    begin()
    giver, app = join(), join()
    config = DetectorConfig(**OWN, normal_classes=(1,), training=TrainConfig(epochs=1))
    made = AutoencoderDetector(config).fit(five().repeat(10, 1, 1, 1), five().repeat(5, 1, 1, 1))
    visitor_of(giver).runs.append(Run.of("run 1", "trained", checkpoint.Checkpoint(made)))
    visitor_of(giver).choice = Choice(run=0)
    checked(giver.run())
    press(giver, "give-detector")
    (shared,) = now().detectors.values()
    assert shared.digit == 5
    app.text_input(key="shared-code").set_value(shared.code)
    press(app, "take-detector")
    put(app, five())
    press(app, "send-drawing")
    (drawing,) = now().drawings.values()
    assert drawing.detector == shared.code
    assert drawing.judgement.score == pytest.approx(float(made.infer(five()).scores[0]), abs=1e-6)


def test_a_detector_that_lets_nothing_pass_is_not_given() -> None:
    """It would never be fooled."""
    begin()
    app = join()
    made = checkpoint.read(Shipped("best", "mnist", 3).path)
    visitor_of(app).runs.append(Run.of("run 1", "trained", made))
    visitor_of(app).choice = Choice(run=0)
    visitor_of(app).thresholds[visitor_of(app).choice] = 0.0
    checked(app.run())
    press(app, "give-detector")
    total = len(made.detector.calibration_scores_)
    assert f"calls {total:,} of {total:,} held-out images" in " ".join(each.value for each in app.error)
    assert now().detectors == {}


def test_the_best_come_first_and_no_two_drawings_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of hundreds from each of thirty that would take longer than the time between two looks."""
    begin()
    mine = classroom.store()
    ada, bob = (mine.join(name).number for name in ("ada", "bob"))
    for generation, (who, score) in enumerate([(ada, 0.05), (ada, 0.03), (bob, 0.02), (bob, 0.04)]):
        mine.send(who, bytes(784), Judgement(score, 0.1, 0.4, False), generation)
    monkeypatch.setattr(Drawing, "__eq__", Mock(side_effect=AssertionError))
    assert [each.number for each in class_wall.in_order(now(), class_wall.RANKED, False)] == [3, 2, 4, 1]


def test_what_is_sent_again_is_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    begin()
    mine = classroom.store()
    ada, begun = mine.join("ada").number, now().about.begun
    for seconds, generation in enumerate((0, 1, 0), start=1):
        monkeypatch.setattr(mine, "_clock", lambda seconds=seconds: begun + seconds)
        mine.send(ada, bytes(784), Judgement(0.1, 0.2, 0.4, False), generation)
    assert [each.number for each in class_wall.in_order(now(), class_wall.NEWEST, False)] == [1, 2]


def test_the_teacher_reaches_every_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_wall, "MAX_IN_SIGHT", 2)
    teacher = begin()
    for generation in range(5):
        send(five(), generation)
    assert cards(checked(teacher.run())) == [5, 4]
    teacher.session_state[keys.WALL_PART] = 3
    assert cards(checked(teacher.run())) == [1]
    assert beyond(teacher) == 0
    student = open_page("class")
    assert (cards(student), beyond(student)) == ([5, 4], 3)


def cards(app: AppTest) -> list[int]:
    """The numbers of the drawings on a wall."""
    return [card["number"] for wall in walls(app) for card in wall["cards"]]


def beyond(app: AppTest) -> int:
    """How many more there are, as a wall says."""
    return sum(wall["beyond"] for wall in walls(app))


def walls(app: AppTest) -> list[dict[str, Any]]:
    shown = (element.proto for element in app.get("bidi_component"))
    return [json.loads(proto.json) for proto in shown if "wall" in proto.component_name]


def test_a_link_to_the_classs_drawings_means_them_as_they_are() -> None:
    begin()
    code = now().about.code
    for task, count in (("anything", 7), ("draw", 12)):
        classroom.store().choose(code, cast(Task, task))
        for generation in range(count):
            send((five() if task == "draw" else scribble()).roll(generation, 3), generation)
    app = open_page("train")
    (source,) = own_data.of_class().lately.values()
    checked(app.selectbox(key="data-set").set_value(source.name).run())
    (address,) = (each.value for each in app.code if "data=own" in each.value)
    send(five().roll(1, 2), 0, browser="a third")
    other = open_page("home")
    for name, (text,) in parse_qs(urlsplit(address).query).items():
        other.query_params[name] = text
    go_to(other, "train")
    assert "not trained yet" in other.warning[0].value
    newest = list(own_data.of_class().lately.values())[-1]
    assert other.selectbox(key="data-set").value == newest.name != source.name


def test_an_empty_canvas_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    begin()
    app = join()
    monkeypatch.setattr(st, "session_state", {keys.VISITOR: visitor_of(app)})
    with pytest.raises(ClassError, match="The canvas is empty"):
        classroom.send(1)
    assert now().drawings == {}


@pytest.mark.parametrize("name", ["<b>x</b>", "[a](http://b.cd) :red[x]", "عربي \u202e", "🦊 *x*"])
def test_a_hostile_name_is_shown_as_it_is(name: str) -> None:
    app = begin(name)
    assert app.title[0].value.strip("` ") == name.replace("\u202e", "").strip()


def test_the_report_shows_a_name_and_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    begin("<script>alert(1)</script>")
    monkeypatch.setattr(class_archive, "language", lambda: "en")
    page = class_archive.as_report(now())
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_what_is_taken_away_has_a_folder_for_each_kind_and_nothing_hidden() -> None:
    teacher = begin()
    app = put(join(), five())
    press(app, "send-drawing")
    press(teacher, "task-anything")
    put(app, scribble(), 1)
    press(app, "send-drawing")
    put(app, scribble(), 2)
    press(app, "send-drawing")
    classroom.store().hide(now().about.code, 3)
    names = zipfile.ZipFile(io.BytesIO(class_archive.as_folders(now()))).namelist()
    assert names == ["5/00001.png", "not 5/00002.png"]
    table = taken_away(class_archive.as_csv).splitlines()
    assert len(table) == 3
    assert f",{name_in('en')},draw,1,5," in table[1]
    german = [line.replace(name_in("de"), name_in("en")) for line in taken_away(class_archive.as_csv, "de").splitlines()]
    assert german == [line.replace(",", ";").replace(".", ",") for line in table], "as a German spreadsheet reads it"


def taken_away(make: Callable[[ClassSnapshot], bytes | str], code: str = "en", shown: ClassSnapshot | None = None) -> str:
    """A file as its button gives it. shown: the class as the page had it."""
    file = class_archive.made_now(make, shown or now(), code)
    return file if isinstance(file, str) else file.decode("utf-8-sig")


def name_in(code: str) -> str:
    """Of the student who joined first."""
    with use_language(code):
        return name_of(now().students[1])


def test_what_is_taken_away_is_the_class_as_it_is_when_the_button_is_pressed() -> None:
    begin()
    shown = now()
    send(five(), 1)
    assert len(taken_away(class_archive.as_csv, shown=shown).splitlines()) == 2
    assert taken_away(class_archive.as_report, shown=shown).count('class="opinion"') == 1


def test_another_class_is_not_taken_away_by_whoever_had_the_last_one() -> None:
    begin("4b")
    shown = now()
    classroom.store().end(shown.about.code)
    classroom.store().begin("5c")
    send(five(), 1)
    assert len(taken_away(class_archive.as_csv, shown=shown).splitlines()) == 1
    assert "5c" not in taken_away(class_archive.as_report, shown=shown)


def outcome_of(drawing: Drawing) -> str:
    return class_tasks.outcome(drawing, now().about.digit, drawing.number in now().beyond_blind_tries)


def test_in_blind_what_comes_after_the_first_ten_is_told_and_worth_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    begin()
    classroom.store().choose(now().about.code, "blind")
    fox = classroom.store().join("fox").number
    sure = Judgement(0.1, 1.0, 0.5, False, 5, 0.1)
    sent = [classroom.store().send(fox, pixels(five()), sure, number, prediction=False) for number in range(11)]
    told = [outcome_of(drawing) for drawing in sent]
    assert told == [*["Normal: you were right. 1 point."] * 10, "Normal. Only your first 10 drawings count."]
    rows = csv.DictReader(io.StringIO(taken_away(class_archive.as_csv)))
    assert [(row["counts"], row["points"]) for row in rows] == [*[("1", "1")] * 10, ("0", "0")]
    assert now().places[fox].worth == 10
    against = classroom.store().send(fox, pixels(five()), sure, 12, detector="ABCD")
    assert outcome_of(against) == "It is on the wall.", "nothing was predicted"
    assert "against ABCD" in taken_away(class_archive.as_report)


def test_what_a_shared_detector_judged_is_of_no_kind() -> None:
    begin()
    send(five(), 1)
    send(scribble(), 2, detector="ABCD")
    assert zipfile.ZipFile(io.BytesIO(class_archive.as_folders(now()))).namelist() == ["5/00001.png"]
    rows = list(csv.DictReader(io.StringIO(taken_away(class_archive.as_csv))))
    assert [(row["detector"], row["kind"], row["counts"]) for row in rows] == [("", "5", "1"), ("ABCD", "", "")]
    source = class_drawings.ClassDataSet().of(now())
    assert source
    assert source.read
    assert [bytes(image.flatten().tolist()) for image in source.read(Path()).train_images] == [pixels(five())]


def send(image: torch.Tensor, generation: int, detector: str = "", browser: str = "another") -> None:
    """As a browser of its own would, with figures that do not matter here."""
    who = classroom.store().join(browser)
    classroom.store().send(who.number, pixels(image), Judgement(0.1, 0.2, 0.5, False, 5, 0.5), generation, detector=detector)


def pixels(image: torch.Tensor) -> bytes:
    return bytes((255 * image).round().to(torch.uint8).flatten().tolist())


def test_the_classs_drawings_are_a_data_set_for_whoever_may_see_the_wall() -> None:
    title = "Drawings of the class"
    teacher, app = begin(), open_page("train")
    assert title not in app.selectbox(key="data-set").options, "nothing was drawn"
    code = now().about.code
    for task, count in (("anything", 7), ("draw", 12)):
        classroom.store().choose(code, cast(Task, task))
        for generation in range(count):
            send((five() if task == "draw" else scribble()).roll(generation, 3), generation)
    checked(app.run())
    assert title in app.selectbox(key="data-set").options
    (source,) = own_data.of_class().lately.values()
    assert source.read
    data = source.read(Path())
    assert source.class_names == ("5", "not 5"), "what is usually normal comes first"
    assert torch.bincount(data.train_labels).tolist() == [12, 7]
    assert bytes(data.train_images[0].flatten().tolist()) == pixels(five())
    checked(app.run())
    assert list(own_data.of_class().lately.values()) == [source], "made once"

    # It is chosen, and stays what it is while the page is open; opened again, it has what was drawn and hidden since.
    checked(app.selectbox(key="data-set").set_value(source.name).run())
    classroom.store().hide(code, max(now().drawings))
    checked(app.run())
    assert app.selectbox(key="data-set").value == source.name
    assert app.selectbox(key="data-set").options.count(title) == 1
    go_to(app, "home")
    go_to(app, "train")
    later = list(own_data.of_class().lately.values())[-1]
    assert app.selectbox(key="data-set").value == later.name != source.name
    press(app, "start")
    visitor_of(app).job.drop()
    visitor_of(app).job = None
    checked(app.run())
    assert later.name in visitor_of(app).sources, "it stays what the detector was trained on"

    # Only the teacher sees the wall: nobody else has its drawings.
    classroom.store().show_wall_to(code, "teacher")
    go_to(app, "home")
    assert title not in go_to(app, "train").selectbox(key="data-set").options
    assert title in go_to(teacher, "train").selectbox(key="data-set").options
    # Nobody has them when the wall is cleared, or the class is over.
    classroom.store().show_wall_to(code, "everybody")
    assert title in checked(app.run()).selectbox(key="data-set").options
    classroom.store().clear(code)
    assert title not in checked(app.run()).selectbox(key="data-set").options
    assert not visitor_of(app).sources
    assert not own_data.of_class().lately
    send(five(), 100)
    go_to(teacher, "train")
    assert own_data.of_class().lately
    go_to(teacher, "class")
    card = weakref.ref(class_wall.card(now(), next(iter(now().drawings.values()))))
    assert card() is not None, "made once for all who look"
    classroom.store().end(code)
    go_to(teacher, "class")
    gc.collect()
    assert card() is None
    assert not own_data.of_class().lately


def draw_as_the_class(column: int = 0) -> None:
    """Twelve drawings of the digit, by somebody else; with another column they are others."""
    for sheet in range(12):
        send(five().roll((sheet, column), (2, 3)), sheet, browser=f"browser {column}")


def as_the_browser_of(app: AppTest) -> AbstractContextManager[None]:
    """While AppTest asks again what options are called, which a browser has been told."""
    return acting_for(visitor_of(app), tab_of(app))


def choose_the_classs() -> AppTest:
    """Train, where the class's drawings are chosen."""
    app = open_page("train")
    (source,) = own_data.of_class().lately.values()
    return checked(app.selectbox(key="data-set").set_value(source.name).run())


@pytest.mark.parametrize("page", ["train", "home"])
def test_the_classs_drawings_stay_chosen_when_the_wall_is_cleared(page: str) -> None:
    """Also where another page is open then."""
    begin()
    draw_as_the_class()
    app = choose_the_classs()
    name = app.selectbox(key="data-set").value
    visitor_of(app).own = OwnImages.of(five().repeat(12, 1, 1, 1), ["mine"] * 12)
    go_to(app, page)
    classroom.store().clear(now().about.code)
    assert not now().drawings
    with as_the_browser_of(app):
        for opened in (page, "train"):
            go_to(app, opened)
    chosen = app.selectbox(key="data-set")
    assert (chosen.value, chosen.options.count("Drawings of the class")) == (name, 1)
    said = [error.value for error in app.error]
    assert said == ["The drawings that were chosen are not here any more. Choose another data set."]
    assert not [info.value for info in app.info], "nothing is used instead"
    assert app.button(key="start").disabled
    assert not visitor_of(app).sources

    # The class draws again: its data set is still what is chosen, with the same normal kind.
    draw_as_the_class(column=1)
    with as_the_browser_of(app):
        checked(app.run())
    (later,) = own_data.of_class().lately.values()
    assert app.selectbox(key="data-set").value == later.name != name
    assert app.button_group(key="normal-classes").value == [0]
    assert not app.error
    assert not app.button(key="start").disabled


def test_a_training_on_the_classs_drawings_goes_on_when_the_wall_is_cleared() -> None:
    begin()
    draw_as_the_class()
    app = choose_the_classs()
    name = app.selectbox(key="data-set").value
    press(app, "start")
    job = visitor_of(app).job
    job.pause()
    classroom.store().clear(now().about.code)
    assert not now().drawings
    with as_the_browser_of(app):
        rerun_until(app, lambda app: not app.button(key="start").disabled)
    assert app.button(key="start").label == "Resume"
    assert app.selectbox(key="data-set").value == name
    assert not app.error
    assert visitor_of(app).job is job
    job.drop()


def test_pictures_of_the_classs_drawings_are_not_kept_and_others_are(monkeypatch: pytest.MonkeyPatch) -> None:
    begin()
    send(five(), 1)
    app = open_page("train")
    made: list[torch.Tensor] = []
    monkeypatch.setattr(latent_space.pictures, "tiles", lambda images, columns: made.append(images) or "")
    latent_space._sprite("made while there is a class", b"", five())
    checked(app.run())
    latent_space._sprite("made while there is a class", b"", five())
    assert len(made) == 1, "kept, while the class is there"
    classroom.store().end(now().about.code)
    checked(app.run())
    latent_space._sprite("made while there is a class", b"", five())
    assert len(made) == 2, "gone with the class"
    checked(app.run())
    latent_space._sprite("made while there is a class", b"", five())
    assert len(made) == 2, "kept, where there is none"


def test_of_a_class_that_is_over_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither to its teacher, who pressed Begin twice, nor to the students of the next one."""
    teacher = begin()
    with monkeypatch.context() as patch, acting_for(visitor_of(teacher), tab_of(teacher)):
        patch.setattr(st, "session_state", {})
        class_begin.begin()
    checked(teacher.run())
    app, other = put(join(), five()), join()
    press(app, "send-drawing")
    assert "It is on the wall." in line(app)
    other.text_input(key="shared-code").set_value("ZZZZ")
    press(other, "take-detector")
    assert "No detector of the class has the code" in other.error[0].value

    classroom.store().end(now().about.code)
    checked(teacher.run())
    assert teacher.text_input(key="class-name")
    assert not teacher.error
    classroom.store().begin("5c")
    for student in (app, other):
        press(go_to(student, "class"), "join-class")
        go_to(student, "draw")
        assert "Draw a 5" in line(student)
        assert "It is on the wall." not in line(student)
        assert not student.error


def test_the_end_is_seen_by_everybody(without_data: Path) -> None:
    teacher, app = begin(), join()
    classroom.store().end(now().about.code)
    checked(app.run())
    assert not has(app, "class-task")
    checked(teacher.run())
    assert teacher.text_input(key="class-name")
    assert not list(without_data.glob("class*"))
