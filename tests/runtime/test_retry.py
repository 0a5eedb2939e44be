"""Retries keep their rhythm and their bounds, in virtual time."""

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.runtime.retry import Backoff, retrying

pytestmark = pytest.mark.anyio


class Flaky:
    """Fails some times, then answers; notes how long the pauses between were."""

    def __init__(self, failures: int, error: type[Exception] = ConnectionError) -> None:
        self.tries: list[int] = []
        self.pauses: list[float] = []
        self._failures = failures
        self._error = error

    async def __call__(self, attempt: int) -> str:
        self.tries.append(attempt)
        if len(self.tries) <= self._failures:
            raise self._error(f"try {attempt}")
        return "answer"

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


def is_connection_error(error: BaseException) -> bool:
    return isinstance(error, ConnectionError)


@pytest.mark.parametrize("failures", [0, 1, 2, 3])
async def test_the_answer_comes_after_some_failures(failures: int) -> None:
    """Four tries are made, numbered from one, with a pause before each new one."""
    flaky = Flaky(failures)
    assert await retrying(flaky, retryable=is_connection_error, sleep=flaky.sleep) == "answer"
    assert flaky.tries == list(range(1, failures + 2))
    assert len(flaky.pauses) == failures


async def test_the_last_failure_is_raised_as_it_is() -> None:
    """When the tries are used up the caller sees the operation's own exception."""
    flaky = Flaky(99)
    with pytest.raises(ConnectionError, match="try 4"):
        await retrying(flaky, retryable=is_connection_error, sleep=flaky.sleep)
    assert len(flaky.pauses) == 3


async def test_what_is_not_retryable_is_raised_at_once() -> None:
    """A refusal is not asked again."""
    flaky = Flaky(99, KeyError)
    with pytest.raises(KeyError, match="try 1"):
        await retrying(flaky, retryable=is_connection_error, sleep=flaky.sleep)
    assert flaky.tries == [1]


async def test_pauses_stay_within_the_doubling_bound() -> None:
    """Each pause is between nothing and 0.5 s, 1 s, 2 s: full jitter."""
    for _ in range(50):
        flaky = Flaky(99)
        with pytest.raises(ConnectionError):
            await retrying(flaky, retryable=is_connection_error, sleep=flaky.sleep)
        bounds = (0.5, 1.0, 2.0)
        assert all(0 <= p <= bound for p, bound in zip(flaky.pauses, bounds, strict=True))
        assert len(set(flaky.pauses)) > 1


async def test_a_pause_is_as_long_as_the_failure_asks_for() -> None:
    """Every failure is asked; one that names no time leaves the jitter as it is."""
    flaky = Flaky(99)
    asked = {"try 1": 7.0, "try 2": 0.0, "try 3": 30.0, "try 4": 0.0}

    with pytest.raises(ConnectionError):
        await retrying(
            flaky,
            retryable=is_connection_error,
            at_least=lambda error: asked[str(error)],
            sleep=flaky.sleep,
        )
    assert flaky.pauses[0] == 7.0
    assert flaky.pauses[1] <= 1.0
    assert flaky.pauses[2] == 30.0


@pytest.mark.parametrize("last", [1, 2, 3])
async def test_a_cancelled_try_is_the_last(last: int) -> None:
    """Cancellation ends the operation, even for a caller who would retry everything."""
    tries = 0

    async def operation(attempt: int) -> None:
        nonlocal tries
        tries += 1
        if attempt >= last:
            scope.cancel()
            await anyio.sleep_forever()
        raise ConnectionError

    async def sleep(seconds: float) -> None:
        pass

    with anyio.CancelScope() as scope:
        await retrying(operation, retryable=lambda _: True, sleep=sleep)
    assert scope.cancelled_caught
    assert tries == last


async def test_a_cancelled_pause_is_followed_by_nothing() -> None:
    """Shutdown does not wait for a pause."""
    flaky = Flaky(99)

    async def sleep(seconds: float) -> None:
        scope.cancel()
        await anyio.sleep_forever()

    with anyio.CancelScope() as scope:
        await retrying(flaky, retryable=is_connection_error, sleep=sleep)
    assert scope.cancelled_caught
    assert flaky.tries == [1]


@given(st.integers(min_value=1, max_value=100_000))
def test_an_image_waits_longer_each_time_up_to_a_minute(attempt: int) -> None:
    """After attempt n: at least half, at most all of 1 s doubled n - 1 times, 60 s at most."""
    whole = min(2.0 ** min(attempt - 1, 10), 60.0)
    assert whole / 2 <= Backoff().delay(attempt) <= whole


def test_images_that_failed_together_come_back_apart() -> None:
    """Half of a delay is chance."""
    backoff = Backoff()
    assert len({backoff.delay(3) for _ in range(100)}) > 90
