"""Pull quotas as registries tell them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.events import Event, PullQuota
from image_sync.http.quota import Quota, Quotas, is_pull_quota, parse_quota
from image_sync.oci.wire import WireErrors

HUB = WireErrors(
    ("TOOMANYREQUESTS",),
    "You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-limit",
)


@pytest.mark.parametrize(
    ("limit", "remaining", "quota"),
    [
        pytest.param("100;w=21600", "20;w=21600", Quota(100, 20), id="docker-hub"),
        pytest.param("100", "20", Quota(100, 20), id="no-window"),
        pytest.param("200, 200;w=60", "0", Quota(200, 0), id="list"),
        pytest.param("100;w=21600", "", None, id="no-remaining"),
        pytest.param("unlimited", "9", None, id="words"),
        pytest.param("-1", "-1", None, id="negative"),
        pytest.param("9" * 30, "1", None, id="absurd"),
    ],
)
def test_quota_headers_are_read(limit: str, remaining: str, quota: Quota | None) -> None:
    """Fault row 9; what makes no sense is no quota."""
    assert parse_quota(limit, remaining) == quota


@given(st.text(), st.text())
def test_any_header_gives_a_quota_or_none(limit: str, remaining: str) -> None:
    """A value or nothing."""
    quota = parse_quota(limit, remaining)
    assert quota is None or quota.limit >= 0


@pytest.mark.parametrize(
    ("headers", "errors", "expected"),
    [
        pytest.param(
            {"ratelimit-limit": "1", "ratelimit-remaining": "0"}, WireErrors(), True, id="headers"
        ),
        pytest.param(
            {"ratelimit-limit": "1", "ratelimit-remaining": "9"}, WireErrors(), False, id="left"
        ),
        pytest.param({}, HUB, True, id="body"),
        pytest.param({}, WireErrors(("TOOMANYREQUESTS",), "slow down"), False, id="other-limit"),
        pytest.param({}, WireErrors((), HUB.message), False, id="plain-text"),
    ],
)
def test_a_used_up_quota_is_told_from_an_abuse_limit(
    headers: dict[str, str], errors: WireErrors, *, expected: bool
) -> None:
    """Fault row 10: by headers or by code and words; never by plain text."""
    assert is_pull_quota(headers, errors) is expected


def test_a_quota_is_told_when_it_changes() -> None:
    """Once for each number, also when a tool's pulls are charged; never below zero."""
    told: list[Event] = []
    quotas = Quotas(told.append)
    for _ in range(3):
        quotas.read("h", "100;w=9", "5;w=9")
    quotas.charge("h", 2)
    quotas.charge("h", 9)
    quotas.charge("unknown", 1)
    assert told == [PullQuota("h", 100, left) for left in (5, 3, 0)]
    assert quotas.get("h") == Quota(100, 0)
    assert quotas.get("unknown") is None
