"""Who is kept, for how long, and what a token is worth."""

import asyncio
import threading
import weakref
from dataclasses import dataclass, field
from unittest.mock import Mock

import pytest

from core.server.access import SignedTokens
from deploy import replica
from pages.shared.state import visitor as visitor_module
from pages.shared.state import visitors as visitors_module
from pages.shared.state.visitor import Visitor
from pages.shared.state.visitors import KEPT_SECONDS, MAX_DISCONNECTED, Visitors

TOKENS = SignedTokens(b"secret")


@dataclass
class Job:
    """Stands for a training, of which a visitor that is gone must let go."""

    dropped: int = 0

    def drop(self) -> None:
        self.dropped += 1


@dataclass
class World:
    """A clock that a test sets, and the sessions that are connected."""

    now: float = 0.0
    connected: set[str] = field(default_factory=set)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(now=1000.0)
    monkeypatch.setattr(visitor_module, "is_connected", lambda session: session in made.connected)
    return made


@pytest.fixture
def visitors(world: World) -> Visitors:
    return Visitors(TOKENS, lambda: world.now)


def come(world: World, visitors: Visitors, token: str, session: str) -> Visitor:
    world.connected.add(session)
    return visitors.find(token, session)


def wait(world: World, visitors: Visitors, seconds: float) -> None:
    """Let time pass as a server does, which looks every fifteen seconds."""
    until = world.now + seconds
    while world.now < until:
        world.now = min(until, world.now + 15.0)
        visitors.evict_disconnected()


def test_a_reload_finds_the_same_visitor(world: World, visitors: Visitors) -> None:
    token = TOKENS.new()
    first = come(world, visitors, token, "one")
    world.connected.clear()
    wait(world, visitors, KEPT_SECONDS - 1)
    assert come(world, visitors, token, "two") is first
    assert come(world, visitors, TOKENS.new(), "three") is not first


def test_who_is_gone_for_long_is_let_go_with_his_training(world: World, visitors: Visitors) -> None:
    token, job = TOKENS.new(), Job()
    first = come(world, visitors, token, "one")
    first.job = job  # type: ignore[assignment]
    wait(world, visitors, 10 * KEPT_SECONDS)
    assert len(visitors) == 1, "connected, and so kept for as long as it lasts"
    world.connected.clear()
    wait(world, visitors, KEPT_SECONDS - 15)
    assert (len(visitors), job.dropped) == (1, 0)
    wait(world, visitors, 30)
    assert (len(visitors), job.dropped, first.is_over) == (0, 1, True)
    gone = weakref.ref(first)
    del first
    assert gone() is None
    assert come(world, visitors, token, "two").job is None


def test_one_of_several_tabs_keeps_the_visitor(world: World, visitors: Visitors) -> None:
    token = TOKENS.new()
    first = come(world, visitors, token, "one")
    come(world, visitors, token, "two")
    world.connected.remove("one")
    wait(world, visitors, 2 * KEPT_SECONDS)
    assert first.presence.is_connected()
    world.connected.clear()
    assert not first.presence.is_connected()
    world.connected.add("one")
    assert not first.presence.is_connected(), "long forgotten by Streamlit too"
    world.connected.add("two")
    assert first.presence.is_connected(), "a bad Wi-Fi: the same session again"


def test_who_starts_afresh_is_nobody_in_his_other_tabs_either(
    world: World, visitors: Visitors, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(visitors_module, "run_again", ran.extend)
    monkeypatch.setattr(visitors_module, "session_id", lambda: "two")
    token = TOKENS.new()
    first = come(world, visitors, token, "one")
    come(world, visitors, token, "two")
    first.is_admitted, first.is_teacher, first.class_code = True, True, "code"
    visitors.forget(first)
    assert (first.is_over, first.is_admitted, first.is_teacher, first.class_code) == (True, False, False, "")
    assert ran == ["one"]


def test_the_tabs_of_a_browser_are_known_together(world: World, visitors: Visitors) -> None:
    token = TOKENS.new()
    for session in ("one", "two"):
        come(world, visitors, token, session)
    come(world, visitors, TOKENS.new(), "another's")
    assert visitors.sessions_with("two") == ("one", "two")
    assert visitors.sessions_with("another's") == ("another's",)
    assert visitors.sessions_with("nobody's") == ("nobody's",)


def test_many_reloads_leave_one_visitor_and_few_sessions(world: World, visitors: Visitors) -> None:
    token = TOKENS.new()
    for number in range(1000):
        world.connected = {f"session {number}"}
        visitors.find(token, f"session {number}")
        wait(world, visitors, 15)
    [kept] = visitors._kept.values()
    assert len(kept.presence._seen) < 20


def test_of_too_many_who_are_gone_those_who_left_first_are_let_go(world: World, visitors: Visitors) -> None:
    stays = come(world, visitors, TOKENS.new(), "stays")
    left = []
    for number in range(MAX_DISCONNECTED + 5):
        left.append(come(world, visitors, TOKENS.new(), str(number)))
        world.connected.remove(str(number))
        world.now += 1
    visitors.evict_disconnected()
    assert [visitor.is_over for visitor in left] == [True] * 5 + [False] * MAX_DISCONNECTED
    assert not stays.is_over


def leave(world: World, visitors: Visitors, count: int, address: str) -> list[Visitor]:
    """So many come from an address, and close their tabs a second later."""
    left = []
    for _ in range(count):
        token = TOKENS.new()
        world.connected.add(token)
        left.append(visitors.find(token, token, address))
        world.connected.remove(token)
        world.now += 1
    return left


def test_strangers_of_one_address_push_only_each_other_out(world: World, visitors: Visitors) -> None:
    students = leave(world, visitors, 35, "203.0.113.7")
    strangers = leave(world, visitors, 2 * MAX_DISCONNECTED, "198.51.100.1")
    visitors.evict_disconnected()
    assert not any(student.is_over for student in students)
    assert sum(not stranger.is_over for stranger in strangers) == MAX_DISCONNECTED - len(students)


def test_who_has_not_given_the_password_is_let_go_with_his_connection(
    world: World, visitors: Visitors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLASS_PASSWORD", "secret")
    students = leave(world, visitors, MAX_DISCONNECTED, "203.0.113.7")
    for student in students:
        student.is_admitted = True
    waits = come(world, visitors, TOKENS.new(), "at the door")
    strangers = leave(world, visitors, 2 * MAX_DISCONNECTED, "203.0.113.7")
    visitors.evict_disconnected()
    assert not any(student.is_over for student in students)
    assert all(stranger.is_over for stranger in strangers)
    assert not waits.is_over


def test_who_comes_back_while_others_are_let_go_is_kept(world: World, visitors: Visitors) -> None:
    tokens = TOKENS.new(), TOKENS.new()
    returns, goes = (come(world, visitors, token, token) for token in tokens)

    class Last(Job):
        def drop(self) -> None:
            assert come(world, visitors, tokens[0], "again") is returns

    goes.job = Last()  # type: ignore[assignment]
    world.connected.remove(tokens[0])
    world.now += 1
    visitors.evict_disconnected()
    world.connected.remove(tokens[1])
    world.now += 2 * KEPT_SECONDS
    visitors.evict_disconnected()
    assert (goes.is_over, returns.is_over) == (True, False)
    assert come(world, visitors, tokens[0], "again") is returns


def test_nobody_is_let_go_in_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []
    looks = Mock(evict_disconnected=lambda: threads.append(threading.current_thread()))
    monkeypatch.setattr(visitors_module, "registry", lambda: looks)

    async def look_once() -> None:
        looking = asyncio.create_task(replica.forget_the_gone(0.0))
        while not threads:
            await asyncio.sleep(0)
        looking.cancel()

    asyncio.run(look_once())
    assert threading.current_thread() not in threads


def test_the_gone_are_looked_for_again_after_a_fault(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    looks = Mock(side_effect=[OSError("The network's home is away."), None, None])
    monkeypatch.setattr(visitors_module, "registry", lambda: Mock(evict_disconnected=looks))

    async def look_twice() -> None:
        looking = asyncio.create_task(replica.forget_the_gone(0.0))
        while looks.call_count < 2 and not looking.done():
            await asyncio.sleep(0)
        looking.cancel()

    asyncio.run(look_twice())
    assert looks.call_count >= 2
    assert "home is away" in caplog.text


def test_whoever_starts_afresh_is_another_visitor(world: World, visitors: Visitors) -> None:
    token, job = TOKENS.new(), Job()
    first = come(world, visitors, token, "one")
    first.is_admitted, first.trap = True, (job,)  # type: ignore[assignment]
    visitors.forget(first)
    assert (first.is_over, job.dropped, len(visitors)) == (True, 1, 0)
    assert not come(world, visitors, token, "two").is_admitted


@pytest.mark.parametrize(
    "text",
    ["", ".", "a", "a.b", "ü.ü", "\udcff", "x" * 10_000, SignedTokens(b"another").new()],
    ids=["empty", "dot", "word", "signed", "umlauts", "surrogate", "long", "foreign"],
)
def test_a_token_that_was_not_handed_out_is_nobodys_and_keeps_nobody(text: str, world: World, visitors: Visitors) -> None:
    assert not TOKENS.is_ours(text)
    assert come(world, visitors, text, "one") is not come(world, visitors, text, "two")
    assert len(visitors) == 0


def test_tokens_are_long_and_never_the_same() -> None:
    made = {TOKENS.new() for _ in range(1000)}
    assert len(made) == 1000
    assert all(TOKENS.is_ours(token) for token in made)
    token = made.pop()
    for place in range(len(token)):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        assert not TOKENS.is_ours(changed)
