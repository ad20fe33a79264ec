"""The tools that put a server under load can fail on what is wanted of it."""

import asyncio
from collections import Counter
from unittest.mock import AsyncMock, Mock

import numpy as np
import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState

from tests.load import fuzz, soak
from tests.load.visitor import NoAnswerError


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


def test_teachers_and_students_see_every_page() -> None:
    seen = {
        (fuzz.PAGES[number // fuzz.OF_ONE_VISITOR % len(fuzz.PAGES)], fuzz.is_student(number))
        for number in range(0, 2 * len(fuzz.PAGES) * fuzz.OF_ONE_VISITOR, fuzz.OF_ONE_VISITOR)
    }
    assert len(seen) == 2 * len(fuzz.PAGES)


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
