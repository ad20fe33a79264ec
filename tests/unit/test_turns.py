"""PrioritySemaphore: as many at a time as there are places, the most urgent first."""

import threading

from pages.shared.state.turns import Priority, PrioritySemaphore
from tests.conftest import WaitUntil


def test_the_most_urgent_is_next_and_of_equals_who_came_first(wait_until: WaitUntil) -> None:
    turns, served, threads = PrioritySemaphore(1), list[tuple[Priority, int]](), list[threading.Thread]()

    def ask(priority: Priority, number: int) -> None:
        with turns.turn(priority):
            served.append((priority, number))

    asked = [(priority, number) for number in range(3) for priority in reversed(Priority)]
    with turns.turn(Priority.PEN_MOVING):
        assert not turns.is_crowded
        for count, each in enumerate(asked, start=1):
            threads.append(threading.Thread(target=ask, args=each))
            threads[-1].start()
            wait_until(lambda count=count: len(turns._waiting) == count)
        assert turns.is_crowded
        assert not served
    for thread in threads:
        thread.join()
    assert served == sorted(asked)
    assert not turns.is_crowded


def test_never_more_at_a_time_than_places_and_never_fewer_where_somebody_waits() -> None:
    turns, together = PrioritySemaphore(2), threading.Barrier(2)
    inside, most = [0], [0]
    lock = threading.Lock()

    def ask(number: int) -> None:
        with turns.turn(Priority(number % 3)):
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            together.wait(timeout=60)  # a second one must be there
            with lock:
                inside[0] -= 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [2]
    assert not together.broken


def test_whoever_fails_gives_the_place_back() -> None:
    turns = PrioritySemaphore(1)
    for _ in range(2):
        try:
            with turns.turn(Priority.PAGE):
                raise ValueError
        except ValueError:
            pass
    with turns.turn(Priority.PAGE):
        assert not turns.is_crowded
