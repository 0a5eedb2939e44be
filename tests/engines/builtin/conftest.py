"""What tests of the builtin engine are run with, one after the other."""

import pytest

from tests.engines.builtin.support import AT_ONCE, STREAMED, Sending


@pytest.fixture(params=[STREAMED, AT_ONCE], ids=["streamed", "at-once"])
def sending(request: pytest.FixtureRequest) -> Sending:
    """Both ways in which a small blob may get to the cache."""
    way = request.param
    assert isinstance(way, Sending)
    return way
