"""Who comes in by a shared secret: compared in constant time, with pauses after wrong answers; and who was let in.

A wrong answer makes its own browser wait, which a class behind one address does not feel. Whoever takes a new browser
for each guess is slowed by his address: after FREE wrong answers within a minute, answers from there are looked at one
after another, each PACE seconds after the last. A right one has its turn among them and is let in.
"""

import hashlib
import hmac
import ipaddress
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

FIRST_PAUSE = 1.0
MAX_PAUSE = 10.0
"""Seconds that a browser waits. Each wrong answer doubles the pause."""

REMEMBERED = 60.0
"""Seconds after which a wrong answer is forgotten."""

FREE = 10
"""Wrong answers of an address within REMEMBERED that slow nobody: a class mistypes."""

PACE = 1.0
"""Seconds between two looks at answers from an address with more: 86,400 guesses a day."""

MAX_QUEUE = 30.0
"""Seconds; with so many answers waiting, further ones are refused."""

MAX_KNOWN = 10_000
"""Browsers and addresses that are remembered; the oldest are forgotten first."""

MAX_ADDRESS = 64
"""Characters; the longest of IPv6 has 45, and a proxy hands on what it was told."""

Key = TypeVar("Key")


class PasswordGate:
    """Opens to whoever knows the secret: `wait`, then `turn`, then `verify`.

    browser: what tells one browser of an address from another, "" for those that cannot be told.
    clock: seconds, as time.monotonic gives them.
    """

    def __init__(self, secret: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._secret = _digest(secret)
        self._clock = clock
        self._wrong: OrderedDict[tuple[bytes, str], tuple[int, float]] = OrderedDict()
        self._answers: OrderedDict[str, deque[float]] = OrderedDict()
        self._due: OrderedDict[tuple[bytes, str], float] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, browser: str, address: str) -> float:
        """Seconds until this browser's answers are looked at again; 0 for at once."""
        count, last = self._wrong.get((_digest(browser), network(address)), (0, 0.0))
        pause = min(MAX_PAUSE, FIRST_PAUSE * 2 ** min(count - 1, 10)) if count else 0.0
        return max(0.0, last + pause - self._clock())

    def turn(self, browser: str, address: str, longest: float = MAX_QUEUE) -> float | None:
        """Take a place among the answers of an address; seconds until it is looked at.

        A browser that waits already has no second place: its answers are looked at together. None, and no place is taken,
        where it would be more than longest.
        """
        place = network(address)
        known = _digest(browser), place
        with self._lock:
            now = self._clock()
            if (due := self._due.get(known, now)) > now:
                return due - now
            # An answer counts as wrong until it was right, or many at a time would all be the first.
            looks = self._answers.pop(place, deque(maxlen=FREE))
            self._answers[place] = looks
            keep_newest(self._answers)
            is_slowed = len(looks) == FREE and looks[0] > now - REMEMBERED
            are_waiting = bool(looks) and looks[-1] > now  # also after a right answer, which makes one look fewer
            due = max(now, looks[-1] + PACE) if is_slowed or are_waiting else now
            if due > now + longest:
                return None
            looks.append(due)
            self._due.pop(known, None)
            self._due[known] = due
            keep_newest(self._due)
            return due - now

    def verify(self, browser: str, address: str, answer: str) -> bool:
        """Whether the answer is right; an answer during its browser's pause is not looked at."""
        known = _digest(browser), network(address)  # a stranger's text may be as long as a request's headers
        with self._lock:
            if self.wait(browser, address) > 0:
                return False
            # Digests are of one length, so that the time tells nothing of the secret's.
            if hmac.compare_digest(_digest(answer), self._secret):
                self._wrong.pop(known, None)
                if looks := self._answers.get(known[1]):
                    looks.popleft()
                return True
            now = self._clock()
            count, last = self._wrong.pop(known, (0, now))
            self._wrong[known] = (count + 1 if now - last < REMEMBERED else 1), now
            keep_newest(self._wrong)
            return False


class MinuteLimit(Generic[Key]):
    """Lets each of many do something `most` times within a minute.

    It has a lock of its own, which nobody holds while waiting for something else. clock: seconds, as time.time gives them.
    """

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._times: OrderedDict[Key, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: Key) -> float:
        """0, and counted; or the seconds until this one may again, and nothing is counted."""
        with self._lock:
            now = self._clock()
            # What lies ahead was counted before somebody set the clock back.
            for other in [other for other, times in self._times.items() if not now - 60 < times[-1] <= now]:
                del self._times[other]
            times = self._times.pop(key, deque(maxlen=self._most))
            self._times[key] = times
            keep_newest(self._times)
            if len(times) == self._most and (wait := times[0] + 60 - now) > 0:
                return wait
            times.append(now)
            return 0.0


class SignedTokens:
    """Random tokens that only this secret makes: one that was not handed out is told from one that was."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def new(self) -> str:
        token = secrets.token_urlsafe(24)
        return f"{token}.{self._signature(token)}"

    def is_ours(self, text: str) -> bool:
        token, _, signature = text.rpartition(".")
        return hmac.compare_digest(signature.encode("utf-8", "surrogatepass"), self._signature(token).encode())

    def _signature(self, token: str) -> str:
        return hmac.new(self._secret, token.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


class AdmittedSessions:
    """Sessions in which the password was given, by their numbers, which nobody can guess."""

    def __init__(self) -> None:
        self._keys: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, *keys: str) -> None:
        with self._lock:
            for key in filter(None, keys):
                self._keys.pop(key, None)
                self._keys[key] = None
            keep_newest(self._keys)

    def holds(self, *keys: str) -> bool:
        """Whether one of the keys is known."""
        return any(key in self._keys for key in keys)


def network(address: str) -> str:
    """What one visitor has for himself: an address of IPv4, 64 bits of IPv6; of other text the beginning."""
    try:
        parsed = ipaddress.ip_address(address[:MAX_ADDRESS])
    except ValueError:
        return address[:MAX_ADDRESS]
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def keep_newest(known: dict[Any, Any], most: int = MAX_KNOWN) -> None:
    """Forget the oldest beyond so many."""
    while len(known) > most:
        del known[next(iter(known))]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
