"""Reserved pulls: what may still be spent at a host."""

import pytest

from image_sync.model import HostPolicy
from image_sync.sync import Reserves
from tests.sync.scene import KnownHosts

HUB = "docker.io"


@pytest.mark.parametrize(
    ("remaining", "reserve", "pulls", "allowed"),
    [
        pytest.param(10, 0, 100, True, id="nothing reserved"),
        pytest.param(None, 5, 100, True, id="a host that counts none"),
        pytest.param(10, 5, 5, True, id="down to the reserve"),
        pytest.param(10, 5, 6, False, id="below the reserve"),
        pytest.param(0, 1, 1, False, id="nothing left"),
    ],
)
def test_pulls_are_allowed_as_long_as_the_reserve_stays(
    remaining: int | None, reserve: int, pulls: int, *, allowed: bool
) -> None:
    """The reserve itself is never touched; without one there is no bound of ours."""
    hosts = KnownHosts({} if remaining is None else {HUB: remaining})
    reserves = Reserves(hosts, {HUB: HostPolicy(reserve_pulls=reserve)})
    assert reserves.allows(HUB, pulls) is allowed


def test_pulls_that_a_copy_is_about_to_spend_are_not_given_away_twice() -> None:
    """Two copies at once cannot go below the reserve together, whatever a HEAD says meanwhile."""
    hosts = KnownHosts({HUB: 10})
    reserves = Reserves(hosts, {HUB: HostPolicy(reserve_pulls=5)})
    with reserves.spending(HUB, 4):
        assert reserves.allows(HUB, 1)
        assert not reserves.allows(HUB, 2)
        assert hosts.remaining[HUB] == 10
    assert hosts.remaining[HUB] == 6
    assert reserves.allows(HUB, 1)
    assert not reserves.allows(HUB, 2)


def test_pulls_that_requests_of_ours_spend_are_promised_but_not_counted_twice() -> None:
    """Their answers say what is left; until then nobody else gets the same pulls."""
    hosts = KnownHosts({HUB: 10})
    reserves = Reserves(hosts, {HUB: HostPolicy(reserve_pulls=5)})
    with reserves.promising(HUB, 5):
        assert not reserves.allows(HUB, 1)
    assert hosts.remaining[HUB] == 10
    assert reserves.allows(HUB, 5)
