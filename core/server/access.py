"""A shared secret at the door, compared in constant time with a pause after wrong answers; and tokens that nobody can forge."""

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 10.0
"""Seconds. Each wrong answer doubles the pause; it stays short, since a class may share one address."""

REMEMBERED = 60.0
"""Seconds after which a wrong answer is forgotten."""


class PasswordGate:
    """Opens to whoever knows the secret. After a wrong answer the same address has to wait, and nobody else does.

    clock: seconds, as time.monotonic gives them.
    """

    def __init__(self, secret: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._secret = _digest(secret)
        self._clock = clock
        self._wrong: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def wait(self, address: str) -> float:
        """Seconds until an answer from this address is looked at again; 0 for at once."""
        count, last = self._wrong.get(address, (0, 0.0))
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(count - 1, 10)) if count else 0.0
        return max(0.0, last + pause - self._clock())

    def verify(self, address: str, answer: str) -> bool:
        """Whether the answer is right; an answer during a pause is not looked at and counts as wrong."""
        with self._lock:
            if self.wait(address) > 0:
                return False
            now = self._clock()
            self._wrong = {known: wrong for known, wrong in self._wrong.items() if now - wrong[1] < REMEMBERED}
            # Digests are of one length, so that the time tells nothing of the secret's.
            if hmac.compare_digest(_digest(answer), self._secret):
                self._wrong.pop(address, None)
                return True
            self._wrong[address] = self._wrong.get(address, (0, 0.0))[0] + 1, now
            return False


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


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
