"""Retries and back-off: the only user of tenacity.

Two rhythms: a request is repeated in place (`retrying`), an image waits for its next attempt
without holding anything (`Backoff` says how long, its caller waits). What may be repeated is the
caller's to say; the table is `errors.TRAITS`.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
    wait_random_exponential,
)

T = TypeVar("T")

TRIES = 4
"""Of one request, the first included: docs/design.md, section Registry client."""
_FIRST_PAUSE = 0.5
"""Seconds between two tries of a request, at most: doubled with each. Full jitter, any length up
to that, spreads the tries of many images best (Brooker, Exponential Backoff And Jitter, AWS
2015)."""
LONGEST_PAUSE = 30.0
"""Seconds that a request may wait in place because it was asked to: as long as for an answer."""
_FIRST_DELAY = 1.0
_LONGEST_DELAY = 60.0
"""Seconds between attempts at an image."""


async def retrying(
    operation: Callable[[int], Awaitable[T]],
    *,
    retryable: Callable[[BaseException], bool],
    at_least: Callable[[BaseException], float] = lambda _: 0.0,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> T:
    """What the operation returns, in at most `TRIES` tries.

    Args:
        operation: Gets the number of the try, from 1.
        retryable: Whether another try may help after this exception. Cancellation never gets here.
        at_least: Seconds to wait before it, where the exception says so.
        sleep: Waits some seconds.

    Raises:
        Exception: The operation's own, from the last try.
    """
    try:
        return await operation(1)
    except Exception as error:
        if not retryable(error):
            raise
        first = error
    # The first try runs outside of tenacity, which costs 35 µs (measured) before it begins: a tenth
    # of a request, and nearly all succeed at once. Its failure is handed to tenacity as number 1.
    attempts = AsyncRetrying(
        stop=stop_after_attempt(TRIES),
        wait=_wait(at_least),
        retry=retry_if_exception(lambda error: isinstance(error, Exception) and retryable(error)),
        sleep=sleep,
        reraise=True,
    )
    async for attempt in attempts:
        number = attempt.retry_state.attempt_number
        with attempt:
            if number == 1:
                raise first
            result = await operation(number)
        if not attempt.retry_state.outcome or not attempt.retry_state.outcome.failed:
            return result
    raise AssertionError("tenacity ends by returning or raising")


def _wait(at_least: Callable[[BaseException], float]) -> Callable[[RetryCallState], float]:
    jitter = wait_random_exponential(multiplier=_FIRST_PAUSE)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return max(jitter(state), at_least(error) if error else 0.0)

    return wait


class Backoff:
    """How long an image waits after a failed attempt: 1 s doubling to 60 s, half of it jitter."""

    def __init__(self, first: float = _FIRST_DELAY, longest: float = _LONGEST_DELAY) -> None:
        self._wait = wait_exponential(multiplier=first / 2, max=longest / 2) + (
            wait_random_exponential(multiplier=first / 2, max=longest / 2)
        )
        self._controller = Retrying()  # to which a state belongs; no wait looks at it

    def delay(self, attempt: int) -> float:
        """Seconds to wait after this attempt failed; attempts count from 1."""
        state = RetryCallState(self._controller, None, (), {})
        state.attempt_number = attempt
        return self._wait(state)
