"""The door: right answers in, wrong ones wait, and nobody waits for somebody else."""

import hmac
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as some

from core.server import access
from core.server.access import (
    FIRST_PAUSE,
    FREE,
    MAX_KNOWN,
    MAX_PAUSE,
    MAX_QUEUE,
    PACE,
    REMEMBERED,
    AdmittedSessions,
    MinuteLimit,
    PasswordGate,
    network,
)

HERE = "10.0.0.1"


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


def looked_at(door: PasswordGate, clock: Clock, browser: str, answer: str, address: str = HERE) -> bool | None:
    """What becomes of an answer, as the page asks it; None where it is not looked at. The clock goes on meanwhile."""
    if door.wait(browser, address):
        return None
    turn = door.turn(browser, address)
    if turn is None:
        return None
    clock.now += turn
    return door.verify(browser, address, answer)


@given(some.text(), some.text())
def test_only_the_secret_opens(secret: str, answer: str) -> None:
    assert PasswordGate(secret).verify("a", HERE, answer) is (answer == secret)


def test_each_wrong_answer_doubles_the_pause_up_to_a_limit(door: PasswordGate, clock: Clock) -> None:
    pauses = []
    for _ in range(6):
        assert not door.verify("a", HERE, "wrong")
        pauses.append(door.wait("a", HERE))
        clock.now += pauses[-1]
    assert pauses == [1, 2, 4, 8, MAX_PAUSE, MAX_PAUSE]


def test_nothing_is_looked_at_during_a_pause(door: PasswordGate, clock: Clock) -> None:
    door.verify("a", HERE, "wrong")
    assert not door.verify("a", HERE, "secret")
    clock.now += door.wait("a", HERE)
    assert door.verify("a", HERE, "secret")
    assert door.wait("a", HERE) == 0


def test_one_guesser_does_not_lock_out_a_class_behind_the_same_address(door: PasswordGate, clock: Clock) -> None:
    let_in = []
    for number in range(15):
        looked_at(door, clock, "guesser", f"guess {number}")
        let_in.append(looked_at(door, clock, f"student {number}", "secret"))
    assert let_in == [True] * 15
    assert clock.now == 1000.0, "at once"


def test_a_new_browser_for_each_guess_does_not_make_guessing_quick_and_the_class_comes_in(
    door: PasswordGate, clock: Clock
) -> None:
    for number in range(100):
        assert looked_at(door, clock, f"browser {number}", "wrong") is False
    assert clock.now - 1000 >= (100 - FREE) * PACE * 0.9
    before = clock.now
    assert looked_at(door, clock, "student", "secret") is True
    assert clock.now - before <= 2 * PACE


def test_many_guesses_at_a_time_are_looked_at_one_after_another(door: PasswordGate) -> None:
    turns = [door.turn(f"browser {number}", HERE) for number in range(100)]
    assert [turn for turn in turns if turn == 0] == [0] * FREE
    paced = [turn for turn in turns[FREE:] if turn is not None]
    assert paced == [PACE * number for number in range(1, len(paced) + 1)]
    assert paced[-1] <= MAX_QUEUE
    assert turns[-1] is None, "who waits too long is told"
    assert door.turn("browser 0", "10.0.0.2") == 0, "another address waits for nobody"


def test_who_presses_again_while_he_waits_takes_no_second_place(door: PasswordGate) -> None:
    for number in range(FREE):
        door.turn(f"guesser {number}", HERE)
    assert [door.turn("impatient", HERE) for _ in range(100)] == [PACE] * 100
    assert door.turn("student", HERE) == 2 * PACE


def test_a_right_answer_opens_no_second_queue(door: PasswordGate, clock: Clock) -> None:
    turns = [door.turn(f"guesser {number}", HERE) for number in range(FREE + 20)]
    assert turns[-1] == 20 * PACE
    clock.now += PACE
    assert door.verify("student", HERE, "secret")
    assert [door.turn(f"other {number}", HERE) for number in range(3)] == [20 * PACE, 21 * PACE, 22 * PACE]


def test_who_waits_for_no_turn_takes_no_place_from_those_who_do(door: PasswordGate, clock: Clock) -> None:
    for number in range(1000):
        if door.turn(f"program {number}", HERE, 0.0) == 0:
            door.verify(f"program {number}", HERE, "wrong")
    before = clock.now
    assert looked_at(door, clock, "teacher", "secret") is True
    assert clock.now - before <= PACE
    clock.now += PACE
    assert door.turn("program", HERE, 0.0) == 0, "a program has its look too"


def test_a_class_that_comes_at_once_waits_for_nothing(door: PasswordGate, clock: Clock) -> None:
    assert all(looked_at(door, clock, f"student {number}", "secret") for number in range(60))
    assert clock.now == 1000.0


def test_wrong_answers_are_forgotten_and_do_not_pile_up(door: PasswordGate, clock: Clock) -> None:
    for number in range(MAX_KNOWN + 100):
        door.turn(f"browser {number}", f"10.1.{number // 256}.{number % 256}")
        door.verify(f"browser {number}", HERE, "wrong")
    assert len(door._wrong) == len(door._answers) == len(door._due) == MAX_KNOWN
    clock.now += REMEMBERED + 1
    assert door.turn("last", HERE) == 0
    assert not door.verify("last", HERE, "wrong")
    assert door.wait("last", HERE) == access.FIRST_PAUSE


def test_long_answers_and_addresses_are_not_remembered_in_full(door: PasswordGate, clock: Clock) -> None:
    long = "x" * 100_000
    for address in (HERE, long, f"fe80::1%{long}"):
        assert door.turn("a", address) == 0
        assert not door.verify(long, address, long)
        assert door.wait(long, address) == FIRST_PAUSE
        assert door.wait(f"{long}y", address) == 0, "told from another one that begins in the same way"
    assert len(pickle.dumps((door._wrong, door._answers, door._due))) < 2000


def test_the_comparison_takes_constant_time(door: PasswordGate, monkeypatch: pytest.MonkeyPatch) -> None:
    compared, compare = [], hmac.compare_digest

    def spy(first: bytes, second: bytes) -> bool:
        compared.append((len(first), len(second)))
        return compare(first, second)

    monkeypatch.setattr(hmac, "compare_digest", spy)
    door.verify("a", HERE, "a very much longer answer")
    assert compared == [(32, 32)]


@pytest.mark.parametrize(
    ("address", "other", "is_one"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("this machine", "this machine", True),
    ],
)
def test_whoever_has_many_addresses_of_ipv6_is_one(address: str, other: str, is_one: bool) -> None:
    assert (network(address) == network(other)) is is_one


def test_who_was_let_in_is_known_by_either_key_and_nobody_by_none() -> None:
    let_in = AdmittedSessions()
    let_in.add("session", "")
    let_in.add("other session", "browser")
    assert let_in.holds("session", "unknown")
    assert let_in.holds("", "browser")
    assert not let_in.holds("", "")
    for number in range(MAX_KNOWN):
        let_in.add(str(number))
    assert not let_in.holds("session"), "the oldest are forgotten"


def test_what_is_made_once_is_made_once_by_many_threads() -> None:
    from pages.shared.state.once import once

    made = []

    @once
    def slow() -> int:
        made.append(1)
        return len(made)

    with ThreadPoolExecutor(16) as threads:
        assert set(threads.map(lambda _: slow(), range(200))) == {1}
    slow.forget()
    assert slow() == 2


def test_each_of_many_may_do_something_so_often_within_a_minute(clock: Clock) -> None:
    limit = MinuteLimit[str](2, clock)
    assert limit.take("fox") == 0
    clock.now += 20
    assert limit.take("fox") == 0
    clock.now += 10
    assert limit.take("fox") == 30, "seconds until the first is a minute old"
    assert limit.take("owl") == 0, "nobody waits for somebody else"
    clock.now += 30
    assert limit.take("fox") == 0
    assert limit.take("fox") == 20, "a refused one is not counted"
    clock.now += 60
    assert limit.take("hen") == 0
    assert len(limit._times) == 1, "who did nothing for a minute is forgotten"


def test_a_clock_that_is_set_back_keeps_nobody_waiting(clock: Clock) -> None:
    limit = MinuteLimit[str](1, clock)
    limit.take("fox")
    clock.now -= 3600
    assert limit.take("fox") == 0
    assert limit.take("fox") == 60
