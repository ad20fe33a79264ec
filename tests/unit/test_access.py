"""The door: right answers in, wrong ones wait, and nobody waits for somebody else."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as some

from core.server import access
from core.server.access import LONGEST_PAUSE, PasswordGate


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def door(clock: Clock) -> PasswordGate:
    return PasswordGate("secret", clock)


@given(some.text(), some.text())
def test_only_the_secret_opens(secret: str, answer: str) -> None:
    assert PasswordGate(secret).verify("a", answer) is (answer == secret)


def test_each_wrong_answer_doubles_the_pause_up_to_a_limit(door: PasswordGate, clock: Clock) -> None:
    pauses = []
    for _ in range(6):
        assert not door.verify("a", "wrong")
        pauses.append(door.wait("a"))
        clock.now += pauses[-1]
    assert pauses == [1, 2, 4, 8, LONGEST_PAUSE, LONGEST_PAUSE]


def test_nothing_is_looked_at_during_a_pause(door: PasswordGate, clock: Clock) -> None:
    door.verify("a", "wrong")
    assert not door.verify("a", "secret")
    clock.now += door.wait("a")
    assert door.verify("a", "secret")
    assert door.wait("a") == 0


def test_others_do_not_wait(door: PasswordGate) -> None:
    door.verify("a", "wrong")
    assert (door.wait("b"), door.verify("b", "secret")) == (0, True)


def test_wrong_answers_are_forgotten_and_do_not_pile_up(door: PasswordGate, clock: Clock) -> None:
    for number in range(1000):
        door.verify(str(number), "wrong")
    clock.now += access.REMEMBERED + 1
    door.verify("last", "wrong")
    assert set(door._wrong) == {"last"}


def test_the_comparison_takes_constant_time(door: PasswordGate, monkeypatch: pytest.MonkeyPatch) -> None:
    compared, compare = [], hmac.compare_digest

    def spy(first: bytes, second: bytes) -> bool:
        compared.append((len(first), len(second)))
        return compare(first, second)

    monkeypatch.setattr(hmac, "compare_digest", spy)
    door.verify("a", "a very much longer answer")
    assert compared == [(32, 32)]
