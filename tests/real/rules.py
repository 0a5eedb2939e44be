"""What a test tells a recorder to do with some requests."""

import re
import threading
from collections.abc import Mapping
from typing import Final, NamedTuple

import anyio
import msgspec

# Seconds a test waits for a request that it knows will come.
PATIENCE: Final = 60.0

# Seconds between two looks at a flag that another thread sets.
_LOOK: Final = 0.01


class Hold:
    """Requests that wait at the recorder until the test lets them go on."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._released = threading.Event()

    def wait(self) -> None:
        """Block until a request is being held.

        Raises:
            TimeoutError: none came.
        """
        if not self._reached.wait(PATIENCE):
            raise TimeoutError(f"no request to hold came within {PATIENCE} s")

    @property
    def reached(self) -> bool:
        """Whether a request has been held."""
        return self._reached.is_set()

    def release(self) -> None:
        """Let held requests go on; later ones are not held."""
        self._released.set()

    async def pass_through(self) -> None:
        """Wait for `release`; for the recorder."""
        if self._released.is_set():
            return
        self._reached.set()
        while not self._released.is_set():  # noqa: ASYNC110 - set by another thread
            await anyio.sleep(_LOOK)


class Scripted(NamedTuple):
    """An answer in the registry's place."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def encode(self, method: str) -> bytes:
        """The response to that method as it goes over the wire."""
        fields = {"Content-Length": str(len(self.body)), **self.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        head = f"HTTP/1.1 {self.status} Answered by the test\r\n{lines}\r\n".encode("latin-1")
        return head if method == "HEAD" else head + self.body


class Rule(msgspec.Struct):
    """Requests of one kind, and what happens to them."""

    method: str | None
    path: re.Pattern[str]
    action: Scripted | Hold
    times: int | None = None  # None: for ever
    after_bytes: int = 0  # of the answer's body, for a Hold

    def fits(self, method: str, path: str) -> bool:
        """Whether this request is one of them."""
        return (
            self.times != 0 and self.method in {None, method} and self.path.search(path) is not None
        )


class Rules:
    """The rules of one recorder; the newest that fits wins. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Rule] = []

    def add(self, rule: Rule) -> None:
        """Put a rule before those that are there."""
        with self._lock:
            self._rules.insert(0, rule)

    def take(self, method: str, path: str) -> Rule | None:
        """The rule for this request, with one use of it spent."""
        with self._lock:
            rule = next((rule for rule in self._rules if rule.fits(method, path)), None)
            if rule is not None and rule.times is not None:
                rule.times -= 1
            return rule

    def drop_all(self) -> None:
        """Remove every rule, and let go what is held."""
        with self._lock:
            dropped, self._rules = self._rules, []
        for rule in dropped:
            if isinstance(rule.action, Hold):
                rule.action.release()
