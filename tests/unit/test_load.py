"""The tools that put a server under load can fail on what is wanted of it."""

import asyncio
import math
import random
from collections import Counter
from importlib import import_module
from itertools import islice
from pathlib import Path
from unittest.mock import AsyncMock, Mock

import numpy as np
import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

from tests.load import fuzz, load, soak
from tests.load.visitor import EARLY, FINISHED, FRAGMENT_FINISHED, NoAnswerError, Visitor


@pytest.mark.parametrize("tool", sorted(path.stem for path in Path(load.__file__).parent.glob("*.py")))
def test_every_tool_can_be_started(tool: str) -> None:
    import_module(f"tests.load.{tool}")


@pytest.mark.parametrize(("ended", "wanted", "is_kept"), [(10, 10, True), (9, 10, False)])
def test_a_part_that_ends_early_is_missed(ended: int, wanted: int, is_kept: bool) -> None:
    rows = fuzz.rows_of("links", fuzz.Ends(Counter({"a page": ended})), Counter(), wanted, 1.0)
    assert [row.kept is not False for row in rows] == [is_kept, True, True, True]


def test_a_widget_that_never_answers_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = Mock(pages=fuzz.PAGES, page="draw", run_again=AsyncMock())
    content = Mock(slider=Mock(id="1-one", label="one"), spec=["slider"])
    silent.parts = {number: Mock(widget=f"{number}-one", kind="slider", content=content) for number in range(3)}

    async def never(_state: WidgetState) -> None:
        raise NoAnswerError("Not within 50 s")

    async def begin(*_asked: object) -> Mock:
        return silent

    silent.set = never
    monkeypatch.setattr(fuzz, "begin", begin)
    monkeypatch.setattr(fuzz.odd, "value", lambda *_asked: WidgetState(id="1-one"))
    ends = fuzz.Ends()
    asyncio.run(fuzz.widgets("", 0, ends))
    assert ends.counts["something else"] == len(ends.failed) == fuzz.OF_ONE_VISITOR


@pytest.mark.parametrize("case", [fuzz.widgets, fuzz.checkpoints])
def test_a_visitor_who_cannot_come_is_a_fault_of_his_case_only(case: fuzz.Case, monkeypatch: pytest.MonkeyPatch) -> None:
    never = AsyncMock(side_effect=NoAnswerError("Not within 50 s"))
    monkeypatch.setattr(fuzz, "begin", never)
    monkeypatch.setattr(fuzz, "newcomer", lambda *_asked: Mock(open=never))
    monkeypatch.setattr(fuzz.odd, "checkpoint", lambda _random: b"")
    ends = fuzz.Ends()
    asyncio.run(case("", 0, ends))
    assert ends.counts["something else"] == len(ends.failed) == fuzz.OF_ONE_VISITOR


def page(*pressable: str, says: str = "") -> Mock:
    """A visitor on a page with these buttons and this text."""
    return Mock(parts={}, press=AsyncMock(), wait=AsyncMock(), can_press=pressable.__contains__, texts=lambda: says)


@pytest.mark.parametrize(
    ("button", "seen", "noted"),
    [
        ("Train now", page(), {}),
        ("Train now", page("Train now"), {"begun: Train now": 1}),
        ("Train now", page("Train now", says="takes 9 MB of memory"), {"refused: memory": 1}),
        ("Start", page("Start", "Stop"), {"begun": 1}),
        ("Start", page(says="At most 200"), {"refused: settings": 1}),
        ("Start", page("Stop", says="nothing"), {"neither: nothing": 1}),
    ],
)
def test_what_counts_as_a_training_that_has_begun(button: str, seen: Mock, noted: dict[str, int]) -> None:
    greedy = load.Greedy(0, 0, Counter(), [])
    asyncio.run(greedy.start(seen, button))
    assert greedy.ends == noted


def test_a_page_that_asks_for_no_file_is_a_fault() -> None:
    greedy = load.Greedy(0, 0, Counter(), [])
    over = asyncio.Event()

    async def train(_url: str, _chance: random.Random) -> None:
        over.set()
        await greedy.send(page(), load.ZIP, "signs.zip", b"")

    greedy.train = train  # type: ignore[method-assign]
    asyncio.run(greedy.attend("", over))
    assert [end.partition(": ")[0] for end in greedy.ends] == ["neither"]


def test_a_student_comes_into_another_class_where_one_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = AsyncMock()
    monkeypatch.setattr(fuzz, "begin_class", begun)
    student = page("Join the class", says="The class is full: 200 have joined.")
    student.run_again = AsyncMock()
    asyncio.run(fuzz.join(student, "here"))
    begun.assert_awaited_once_with("here", is_full=True)
    assert student.press.await_count == 2


def test_a_connection_whose_answer_is_late_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = Visitor("http://localhost:1")
    monkeypatch.setattr(visitor, "_post", Mock(side_effect=[{}, TimeoutError, ConnectionError, {}]))
    assert visitor._ask_pen("/pen", b"") == {}
    assert len(visitor._to_pen) == 1
    with pytest.raises(TimeoutError):
        visitor._ask_pen("/pen", b"")
    assert not visitor._to_pen
    assert visitor._ask_pen("/pen", b"") == {}


def begun(page: str, *fragments: str) -> ForwardMsg:
    """What the server tells as it begins to run a page, or some of its fragments."""
    message = ForwardMsg()
    message.new_session.page_script_hash = page
    message.metadata.run.fragment_ids.extend(fragments)
    return message


def ended(status: int) -> ForwardMsg:
    return ForwardMsg(script_finished=status)  # type: ignore[arg-type]


TIMER = [begun("learn", "timer"), ended(FRAGMENT_FINISHED)]
BUTTON = [begun("learn", "button"), ended(FRAGMENT_FINISHED)]
LEFT, ASKED = [begun("learn"), ended(FINISHED)], [begun("draw"), ended(FINISHED)]


@pytest.mark.parametrize(
    ("fragment", "earlier", "later"),
    [
        ("", TIMER, ASKED),
        ("", LEFT, ASKED),
        ("", LEFT[1:], ASKED),
        ("", [begun("draw"), ended(EARLY), begun("draw")], [ended(FINISHED)]),
        ("button", TIMER, BUTTON),
        ("button", [begun("learn", "button"), ended(EARLY), begun("learn")], [ended(FINISHED)]),
        ("button", [begun("learn", "button"), ended(EARLY), begun("learn", "timer")], [ended(FRAGMENT_FINISHED)]),
    ],
    ids=["timer", "page that is left", "in progress", "again", "beside a timer", "whole page", "before a timer"],
)
def test_a_visitor_waits_for_the_run_that_he_asked_for(
    fragment: str, earlier: list[ForwardMsg], later: list[ForwardMsg]
) -> None:
    """He saw a canvas of the page that he had left, drew on it, and waited for a verdict that nobody owed him."""
    visitor = Visitor("http://localhost:1", patience=10)
    visitor.pages = {"learn": "learn", "draw": "draw"}
    sent: list[object] = []

    async def send(state: object) -> None:
        sent.append(state)

    async def told(messages: list[ForwardMsg]) -> None:
        async with visitor._changed:
            for message in messages:
                visitor._take(message)
            visitor._changed.notify_all()

    async def follow() -> None:
        await told([*LEFT, LEFT[0]])
        going = asyncio.create_task(visitor._ask(visitor._state(fragment)) if fragment else visitor.go_to("draw"))
        while not sent:
            await asyncio.sleep(0)
        await told(earlier)
        for _ in range(5):
            await asyncio.sleep(0)
        assert not going.done()
        await told(later)
        await going

    visitor._send = send  # type: ignore[method-assign]
    asyncio.run(follow())


def test_teachers_and_students_see_every_page() -> None:
    seen = {
        (fuzz.PAGES[number // fuzz.OF_ONE_VISITOR % len(fuzz.PAGES)], fuzz.is_student(number))
        for number in range(0, 2 * len(fuzz.PAGES) * fuzz.OF_ONE_VISITOR, fuzz.OF_ONE_VISITOR)
    }
    assert len(seen) == 2 * len(fuzz.PAGES)


def test_the_server_keeps_who_is_there_and_of_those_who_left_the_last_hundred() -> None:
    def left(seconds: float) -> soak.Visit:
        return soak.Visit(Mock(), 0.0, soak.COURSE, seconds)

    there, long_ago, gone = left(math.inf), left(1.0), [left(1000.0 + number) for number in range(150)]
    assert soak.kept_of([long_ago, *gone, there], 1200.0) == [there, *gone[50:]]
    assert soak.kept_of([long_ago, *gone, there], 1700.0) == [there, *gone[101:]], "ten minutes after they left"


def test_every_eight_visitors_of_the_soak_train_the_same_things() -> None:
    settings = soak.dealt(random.Random(1))
    for _ in range(3):
        assert Counter(islice(settings, 8)) == Counter(soak.TRAINED)


def samples(climb: float, scatter: float) -> list[soak.Sample]:
    """Forty minutes of a server whose memory climbs by so many MB a minute, and scatters about that."""
    random = np.random.default_rng(0)
    return [
        soak.Sample(minute, 1000 + climb * minute + scatter * random.normal(), 13, 90, *random.integers(1, 9, 4).tolist())
        for minute in np.arange(0, 40, 0.5).tolist()
    ]


@pytest.mark.parametrize(
    ("climb", "scatter", "is_kept"),
    [(0.0, 10.0, True), (0.5, 10.0, True), (5.0, 10.0, False), (-5.0, 10.0, False), (0.0, 300.0, False)],
    ids=["flat", "nearly flat", "climbs", "falls", "says nothing"],
)
def test_a_slope_is_flat_only_where_its_error_is_small(climb: float, scatter: float, is_kept: bool) -> None:
    assert soak.report(samples(climb, scatter), 40, 8) is is_kept
