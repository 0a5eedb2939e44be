"""What is said of an exception that nobody foresaw."""

import anyio
import pytest

from image_sync.runtime.unforeseen import place_of, unwrapped


@pytest.mark.anyio
async def test_a_failure_is_taken_out_of_the_groups_around_it() -> None:
    """However many task groups it came through; an error that none wrapped is what it is."""
    failure = KeyError("nobody thought of this")

    async def fail() -> None:
        raise failure

    async def fail_deeper() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fail)

    with pytest.raises(ExceptionGroup) as caught:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fail_deeper)
    assert unwrapped(caught.value) is failure
    assert unwrapped(failure) is failure


def test_the_place_of_an_error_is_where_it_was_raised() -> None:
    """File and line of the innermost frame; none if it was never raised."""

    def fail() -> None:
        raise KeyError("nobody thought of this")

    with pytest.raises(KeyError) as caught:
        fail()
    line = caught.tb.tb_next.tb_lineno if caught.tb.tb_next else 0
    assert place_of(caught.value) == f"test_unforeseen.py:{line}"
    assert place_of(KeyError()) == ""
