"""When a host is left alone because it is down."""

from image_sync.errors import ErrorKind
from image_sync.http.circuit import PAUSE, Cause, Circuits
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
    assert circuits.enter("h") == PAUSE


def test_an_answer_in_between_starts_the_count_again() -> None:
    """Failures count in a row only."""
    circuits = Circuits(VirtualClock())
    circuits.failed("h", "a", DOWN)
    circuits.failed("h", "b", DOWN)
    circuits.succeeded("h")
    assert not circuits.failed("h", "c", DOWN)


def test_an_open_circuit_lets_one_probe_through_every_half_minute() -> None:
    """The probe's fate is not awaited: a second one waits for the next half minute."""
    clock = VirtualClock()
    circuits = opened(clock)
    clock.now += PAUSE
    assert circuits.left("h") == 0.0
    assert circuits.enter("h") == 0.0
    assert circuits.enter("h") == PAUSE
    clock.now += PAUSE
    assert circuits.enter("h") == 0.0


def test_a_probe_that_fails_keeps_it_open_and_one_that_is_answered_closes_it() -> None:
    """Half-open, as in the textbook; it is told once that it opened."""
    clock = VirtualClock()
    circuits = opened(clock)
    clock.now += PAUSE
    circuits.enter("h")
    clock.now += 5.0
    assert not circuits.failed("h", "z", DOWN)
    assert circuits.enter("h") == PAUSE
    circuits.succeeded("h")
    assert circuits.enter("h") == 0.0
    assert circuits.enter("h") == 0.0


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
