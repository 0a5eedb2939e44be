"""When a host is left alone because it is down."""

from image_sync.errors import ErrorKind
from image_sync.http.circuit import FIRST_PAUSE, LONGEST_PAUSE, Cause, Circuits
from tests.http.virtual import VirtualClock

DOWN = Cause(ErrorKind.NETWORK, "cannot connect: connection refused")


def opened(clock: VirtualClock) -> Circuits:
    circuits = Circuits(clock)
    assert [circuits.failed("h", name, DOWN) for name in "abc"] == [False, False, True]
    return circuits


def test_three_repositories_open_it() -> None:
    """One broken repository, however often it fails, does not take its host away."""
    circuits = Circuits(VirtualClock())
    assert not any(circuits.failed("h", "a", DOWN) for _ in range(50))
    assert not any(circuits.failed("h", "", DOWN) for _ in range(50))
    assert circuits.enter("h") == 0.0
    assert not circuits.failed("h", "b", DOWN)
    assert circuits.failed("h", "c", DOWN)
    assert circuits.enter("h") == FIRST_PAUSE


def test_an_answer_in_between_starts_the_count_again() -> None:
    """Failures count in a row only."""
    circuits = Circuits(VirtualClock())
    circuits.failed("h", "a", DOWN)
    circuits.failed("h", "b", DOWN)
    circuits.succeeded("h")
    assert not circuits.failed("h", "c", DOWN)


def test_an_open_circuit_lets_single_probes_through_ever_more_rarely() -> None:
    """A registry that restarts is back soon; one that is down for long is asked twice a minute."""
    clock = VirtualClock()
    circuits = opened(clock)
    waited = []
    for _ in range(5):
        waited.append(circuits.enter("h"))
        clock.now += waited[-1]
        assert circuits.left("h") == 0.0
        assert circuits.enter("h") == 0.0  # the probe; its fate is not awaited
    assert waited == [FIRST_PAUSE, 10.0, 20.0, LONGEST_PAUSE, LONGEST_PAUSE]


def test_a_probe_that_fails_keeps_it_open_and_one_that_is_answered_closes_it() -> None:
    """Half-open, as in the textbook; it is told once that it opened."""
    clock = VirtualClock()
    circuits = opened(clock)
    clock.now += FIRST_PAUSE
    circuits.enter("h")
    clock.now += 3.0
    assert not circuits.failed("h", "z", DOWN)
    assert circuits.enter("h") == 2 * FIRST_PAUSE
    circuits.succeeded("h")
    assert circuits.enter("h") == 0.0
    assert circuits.enter("h") == 0.0


def test_a_circuit_that_opens_again_begins_with_the_first_pause() -> None:
    """What was learnt of one outage says nothing of the next."""
    clock = VirtualClock()
    circuits = opened(clock)
    clock.now += FIRST_PAUSE
    circuits.enter("h")
    circuits.succeeded("h")
    for name in "abc":
        circuits.failed("h", name, DOWN)
    assert circuits.enter("h") == FIRST_PAUSE


def test_hosts_do_not_share_a_circuit() -> None:
    """A dead registry costs the others nothing."""
    circuits = opened(VirtualClock())
    assert circuits.enter("other") == 0.0


def test_it_tells_what_the_host_failed_with_last() -> None:
    """An operator is told the cause, not that others failed before."""
    circuits = opened(VirtualClock())
    assert circuits.cause("h") == DOWN
    busy = Cause(ErrorKind.UNAVAILABLE, "it answers 503")
    circuits.failed("h", "z", busy)
    assert circuits.cause("h") == busy
