"""What another configuration changes: how images are treated, when, or only which they are."""

import pytest

from image_sync.config import Scope, Shard
from tests.config.support import resolved

_TEXT = "cache_registry: zot.svc:5000\nimages: [quay.io/a/b:1]\n"


def scope(more: str = "", *, text: str = _TEXT, shards: int = 1) -> Scope:
    found = resolved(text + more, shards=shards)
    return Scope(resolved=found, specs=found.specs, shard=Shard(0, shards))


@pytest.mark.parametrize(
    "more",
    [
        pytest.param("", id="nothing"),
        pytest.param("settings: {interval_secs: 60, jitter_secs: 5}", id="the interval"),
        pytest.param("settings: {schedule: '0 3 * * *', time_zone: Asia/Tokyo}", id="a schedule"),
        pytest.param("settings: {shutdown_grace_secs: 5}", id="the grace"),
        pytest.param("settings: {server: {listen: ':8080'}}", id="the server"),
        pytest.param("settings: {lease: {name: a}}", id="the lease"),
        pytest.param("settings: {concurrency: 2}", id="a default, written down"),
    ],
)
def test_what_is_outside_of_checks_and_copies_lets_them_go_on(more: str) -> None:
    """Nothing is put together anew, no connection is lost."""
    assert scope(more).works_like(scope())
    assert scope().works_like(scope(more))


def test_other_images_are_checked_and_copied_like_the_ones_before() -> None:
    """Which they are is no matter of how."""
    other = "cache_registry: zot.svc:5000\nimages: [ghcr.io/c/d:2, quay.io/a/b:1]\n"
    assert scope(text=other).works_like(scope())


@pytest.mark.parametrize(
    "more",
    [
        pytest.param("settings: {concurrency: 3}", id="places"),
        pytest.param("settings: {ledger: none}", id="the ledger"),
        pytest.param("settings: {preferred_tool: builtin}", id="the engine"),
        pytest.param("settings: {verify_interval_secs: 60}", id="verification"),
        pytest.param("settings: {pull_timeout_secs: 60}", id="a deadline"),
        pytest.param("settings: {pass_timeout_secs: 5}", id="the time of a pass"),
        pytest.param("registries: {quay.io: {concurrency: 1}}", id="a registry"),
    ],
)
def test_what_decides_how_images_are_treated_is_put_together_anew(more: str) -> None:
    """Each of these is read only when that is done."""
    assert not scope(more).works_like(scope())
    assert not scope().works_like(scope(more))


def test_another_cache_or_shard_is_another_way_to_work() -> None:
    """Limits are divided by the number of shards."""
    assert not scope(text=_TEXT.replace("zot", "other")).works_like(scope())
    assert not scope(shards=2).works_like(scope())


def test_a_tool_that_is_named_is_not_the_same_as_the_default() -> None:
    """It is used below its safe version then."""
    assert not scope("settings: {preferred_tool: crane}").works_like(scope())


@pytest.mark.parametrize(
    ("more", "same"),
    [
        ("settings: {server: {listen: none}}", False),
        ("settings: {lease: {name: a}}", False),
        ("settings: {interval_secs: 60, concurrency: 3}", True),
    ],
)
def test_some_settings_hold_from_the_start_of_a_process(more: str, *, same: bool) -> None:
    """The server and the lease."""
    assert (scope(more).fixed == scope().fixed) is same
