"""The time that one attempt at an image may take: rest does not count, and work ends in order.

Not here: how often an image is attempted, and when (`sync/runner.py`).
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

import anyio

T = TypeVar("T")

GRACE = 10.0
"""Seconds in which the target may acknowledge what was sent when the time was over; after that the
next attempt asks what it kept. A third of what an answer may take otherwise."""


class OutOfTime(Exception):  # noqa: N818 - says what is the matter
    """The attempt's time is over; what was reached is kept for the next one."""


class Allowance:
    """Seconds of work.

    Args:
        seconds: How many, from now on.
    """

    def __init__(self, seconds: float) -> None:
        self._ends = anyio.current_time() + seconds
        self._scopes: dict[anyio.CancelScope, float] = {}  # with their grace

    @property
    def is_over(self) -> bool:
        """True if nothing new is to be begun."""
        return anyio.current_time() >= self._ends

    async def within(self, operation: Callable[[], Awaitable[T]], grace: float = 0.0) -> T:
        """What an operation returns.

        Args:
            operation: Cancelled when the time is over.
            grace: Seconds that it may take longer.

        Raises:
            OutOfTime: It was cancelled, or not even begun.
        """
        if self.is_over:
            raise OutOfTime
        with anyio.CancelScope(deadline=self._ends + grace) as scope:
            self._scopes[scope] = grace
            try:
                return await operation()
            finally:
                del self._scopes[scope]
        raise OutOfTime

    def end(self) -> None:
        """Let the time be over now."""
        self._ends = min(self._ends, anyio.current_time())
        for scope, grace in self._scopes.items():
            scope.deadline = min(scope.deadline, self._ends + grace)

    @asynccontextmanager
    async def resting(self, rest: AbstractAsyncContextManager[None]) -> AsyncGenerator[None, None]:
        """Stop the clock while another's place is waited for; nothing else of the attempt runs."""
        began = anyio.current_time()
        async with rest:
            yield
        self._ends += anyio.current_time() - began
