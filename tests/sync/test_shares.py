"""No source host holds all places while another has work, or may have some at any time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.sync.shares import CHECKS_PER_HOST, Shares


def shares(*unfinished: str, expected: str = "", checks: int = 8, copies: int = 4) -> Shares:
    made = Shares(checks, copies)
    made.expected = frozenset(expected)
    for host in unfinished:
        made.add(host)
    return made


@pytest.mark.parametrize(
    ("unfinished", "expected", "places"),
    [
        pytest.param("a", "", (8, 4), id="alone"),
        pytest.param("aa", "a", (8, 4), id="alone, and only it is expected"),
        pytest.param("ab", "", (5, 3), id="beside another"),
        pytest.param("a", "ab", (5, 3), id="another may come"),
        pytest.param("", "b", (5, 3), id="only another may come"),
    ],
)
def test_a_host_has_all_places_only_while_it_is_alone(
    unfinished: str, expected: str, places: tuple[int, int]
) -> None:
    """As many checks as it leaves free, and all but one of the copies, otherwise."""
    made = shares(*unfinished, expected=expected)
    assert (made.of_checks("a", free=5), made.of_copies("a")) == places


def test_some_places_are_left_however_many_hosts_hang() -> None:
    """Each takes what it may, and none gives anything back."""
    made, free = shares(*"abcde", checks=64), 64
    for host in "abcde":
        held = 0
        while held < made.of_checks(host, free):
            held, free = held + 1, free - 1
        assert held
    assert free >= 2


def test_one_place_is_anybodys() -> None:
    """There is nothing to share, and nobody is kept out."""
    made = shares("a", "b", checks=1, copies=1)
    assert (made.of_checks("a", free=1), made.of_copies("a")) == (1, 1)


def test_one_host_is_never_asked_more_than_so_often_at_once() -> None:
    """However many places there are."""
    assert shares("a", checks=500).of_checks("a", free=500) == CHECKS_PER_HOST
    assert shares("a", "b", checks=500).of_checks("a", free=500) == CHECKS_PER_HOST


@given(hosts=st.lists(st.sampled_from("abc"), max_size=12), expected=st.sets(st.sampled_from("ab")))
def test_shares_change_when_the_last_of_a_host_is_done_and_not_before(
    hosts: list[str], expected: set[str]
) -> None:
    """Whoever waits for a place is told exactly then."""
    made = shares(*hosts, expected="".join(expected))
    for number, host in enumerate(hosts, 1):
        assert made.remove(host) is (host not in hosts[number:])
    assert made.of_copies("a") == (4 if expected <= {"a"} else 3)
