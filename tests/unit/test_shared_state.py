"""What all visitors share, when several ask for it at once."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from unittest.mock import Mock

import pytest
import torch

from core.data.datasets import load
from pages.shared.state import baselines, data_sets, job_pool, own_data
from pages.shared.state.drawings import Canvas, CanvasOnScreen
from pages.shared.state.once import once
from pages.shared.state.own_data import ClassSources
from pages.shared.state.turns import Priority, PrioritySemaphore
from pages.shared.state.visitor import Choice, Tab, Visitor, acting_for


def test_what_is_forgotten_while_somebody_asks_for_it_is_given() -> None:
    class Key:
        """Is looked up by its hash; at the second look everything is forgotten, as by another thread."""

        looks = 0

        def __hash__(self) -> int:
            self.looks += 1
            if self.looks == 2:
                made.forget()
            return 5

    made = once(lambda key: str(type(key).__name__))
    key = Key()
    key.looks = 10
    assert made(key) == "Key"
    key.looks = 0
    assert made(key) == "Key"


def test_the_classs_drawings_are_let_go_of_when_nobody_goes_through_them(monkeypatch: pytest.MonkeyPatch) -> None:
    were_alone = []

    class Lately(dict[str, object]):
        def clear(self) -> None:
            were_alone.append(sources.lock.locked())
            super().clear()

    sources = ClassSources(lately=Lately(old=Mock()))  # type: ignore[arg-type]
    monkeypatch.setattr(own_data, "of_class", lambda: sources)
    with acting_for(Visitor(), Tab()):
        own_data.forget_class()
    assert were_alone == [True]
    assert not sources.lately


def on_screen_after(canvas: Canvas, *sent: str, opened: bool = False) -> str:
    """The key of the canvas that a tab shows whose browser has values of widgets with these keys."""
    on_screen = CanvasOnScreen()
    if opened:
        on_screen.show(canvas, 1)
    on_screen.resume(canvas, sent)
    on_screen.show(canvas, 1)
    return on_screen.key


def test_a_canvas_that_outlived_its_server_goes_on() -> None:
    before, canvas = CanvasOnScreen(), Canvas(generation=23)
    for visit in range(12):
        before.show(canvas, visit)
    assert before.key == "3-2"
    new = Canvas()
    assert on_screen_after(new, "3-2") == "3-2"
    assert new.generation == 3, "the pen's frames name it"
    assert on_screen_after(Canvas(), "0-0") == "0-0"
    assert on_screen_after(new, "7-1") == "3-2", "another tab came first"


@pytest.mark.parametrize("sent", [(), ("",), ("3",), ("3-2-1",), ("-3--2",), ("3" * 5000 + "-1",), ("³-1",)])
def test_what_no_canvas_is_called_is_no_canvas(sent: tuple[str, ...]) -> None:
    assert on_screen_after(Canvas(), *sent) == "0-1"


def test_a_canvas_that_was_opened_with_strokes_would_lose_them() -> None:
    assert on_screen_after(Canvas(), "3-2-with-strokes") == "0-3"
    assert on_screen_after(Canvas(generation=3, strokes={"objects": []}), "3-2-with-strokes") == "3-3-with-strokes"


def test_a_canvas_of_which_the_server_knows_is_not_another_one() -> None:
    assert on_screen_after(Canvas(strokes={"objects": []}), "3-2") == "0-3-with-strokes"
    assert on_screen_after(Canvas(image=torch.zeros(1, 1, 28, 28)), "3-2") == "0-3", "only the pen has told of it"
    assert on_screen_after(Canvas(generation=3), "3-2") == "3-3", "not the key of what the browser has"
    assert on_screen_after(Canvas(), "3-2", opened=True) == "0-1"


def test_a_verdict_on_a_drawing_that_outlived_its_server_may_have_been_seen() -> None:
    canvas = Canvas()
    on_screen_after(canvas, "3-2")
    assert not canvas.is_verdict_seen
    canvas.image = torch.zeros(1, 1, 28, 28)
    assert canvas.is_verdict_seen
    canvas.generation += 1
    assert not canvas.is_verdict_seen


def test_the_answers_of_a_new_session_are_later_than_those_of_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    before = CanvasOnScreen().answers + 60 * 50  # a minute of a pen that is answered at each frame of a screen
    later = time.time_ns() + 60 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: later)
    assert before < CanvasOnScreen().answers < 2**53, "and a number that JavaScript can count with"


def test_who_judges_by_a_detector_of_their_own_keeps_no_others_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    has_judged = threading.Event()

    def judge() -> None:
        with acting_for(Visitor(), Tab()), job_pool.turn_to_judge(Priority.PAGE):
            has_judged.set()

    monkeypatch.setattr(job_pool, "_turns", once(lambda _: PrioritySemaphore(1)))
    other = threading.Thread(target=judge)
    with acting_for(Visitor(choice=Choice(run=0)), Tab()), job_pool.turn_to_judge(Priority.PAGE):
        other.start()
        assert has_judged.wait(30)
    other.join()


def made_for_two(ask: Callable[[], object], module: ModuleType, name: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many there are where a second visitor asks while the first one's is being made."""
    made: list[Mock] = []
    is_second_made = threading.Event()

    def make(*_given: object) -> Mock:
        made.append(Mock(error=None, has_failed=False))
        if len(made) == 1:
            other.start()
            is_second_made.wait(0.3)
        else:
            is_second_made.set()
        return made[-1]

    def come() -> None:
        with acting_for(Visitor(), Tab()):
            ask()

    other = threading.Thread(target=come)
    monkeypatch.setattr(module, name, make)
    come()
    other.join()
    return len(made)


def test_two_who_ask_at_once_have_one_download(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setattr(data_sets, "_downloads", once(data_sets._downloads._make))
    assert made_for_two(lambda: data_sets.at_hand("mnist"), data_sets, "Download", monkeypatch) == 1


def test_two_who_ask_at_once_have_one_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_pool, "pool", Mock())
    monkeypatch.setattr(baselines, "_comparisons", once(baselines._comparisons._make))
    assert made_for_two(lambda: baselines.start(load("uci-digits"), (5,)), baselines, "Comparison", monkeypatch) == 1
