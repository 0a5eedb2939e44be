"""What follows in a pass when an unchanged image is not whole, or its referrers came late; and when
a cache refuses manifests.

In virtual time, with scripted checks, copies and looks.
"""

from collections.abc import Callable

import pytest

from image_sync.errors import CopyError, ErrorKind, RegistryError, Side
from image_sync.model import Action, Reason, Verdict
from image_sync.oci import Digest
from image_sync.sync.failure import REFERRERS
from image_sync.sync.plan import Copy, Keep
from image_sync.sync.referrers import Referrer
from image_sync.sync.unchanged import Found
from tests.clock import VIRTUAL_TIME, Backend
from tests.sync.script import COPY, DONE, Script, Unbegun, X, a_pass, named, summary

pytestmark = pytest.mark.anyio

BAD = frozenset({Digest.of(b"bad")})
LATE = (Referrer(Digest.of(b"a signature"), X),)


@pytest.fixture
def anyio_backend() -> Backend:
    return VIRTUAL_TIME


def kept_but(found: Found | Exception) -> Script:
    """An image whose tag names the right digest, and what a closer look finds."""
    script = Script({"a": [Keep(X)]})
    script.looks["a"] = found
    return script


def refused() -> RegistryError:
    return RegistryError("415", ErrorKind.REFUSED_BY_TARGET, side=Side.TARGET)


async def test_an_unchanged_image_with_holes_is_repaired() -> None:
    """Its damaged parts are told to the copy, and the result says why there was one."""
    script = kept_but(Found(damaged=BAD))
    [result] = await a_pass(script, named("a")).run()
    assert summary(result) == (Action.PULLED, Reason.DAMAGED, None)
    assert result.verdict is Verdict.DAMAGED
    assert result.expected_digest == X
    assert script.damaged == [BAD]


async def test_a_repair_is_tried_again_as_any_copy_is() -> None:
    """The damaged parts are not forgotten from one attempt to the next."""
    script = kept_but(Found(damaged=BAD))
    script.copies["a"] = [RegistryError("", ErrorKind.NETWORK, side=Side.SOURCE), DONE]
    [result] = await a_pass(script, named("a")).run()
    assert (result.action, result.attempts) == (Action.PULLED, 2)
    assert script.damaged == [BAD, BAD]


async def test_late_referrers_are_brought_without_copying_the_image() -> None:
    """They are all that is copied."""
    script = kept_but(Found(referrers=LATE))
    [result] = await a_pass(script, named("a")).run()
    assert summary(result) == (Action.PULLED, Reason.REFERRERS, None)
    assert result.verdict is Verdict.UNCHANGED
    assert script.referred == [("a", LATE)]


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        pytest.param(Found(damaged=BAD), Reason.DAMAGED, id="damage"),
        pytest.param(Found(referrers=LATE), Reason.REFERRERS, id="referrers"),
    ],
)
async def test_a_dry_run_says_what_a_closer_look_found_and_copies_nothing(
    found: Found, reason: Reason
) -> None:
    """Drift, with its reason."""
    script = kept_but(found)
    [result] = await a_pass(script, named("a"), dry_run=True).run()
    assert summary(result) == (Action.SKIPPED, reason, None)
    assert script.damaged == []


@pytest.mark.parametrize(
    ("side", "reason"),
    [(Side.SOURCE, Reason.REFERRERS_FAILED), (Side.TARGET, Reason.TARGET_UNKNOWN)],
)
async def test_a_look_that_fails_fails_the_image(side: Side, reason: Reason) -> None:
    """What could not be found out is not taken for nothing."""
    error = RegistryError("down", ErrorKind.NETWORK, side=side)
    [result] = await a_pass(kept_but(error), named("a")).run()
    assert summary(result) == (Action.FAILED, reason, ErrorKind.NETWORK)


async def test_a_look_waits_for_a_host_that_asks_for_a_moment() -> None:
    """As a check does."""
    error = RegistryError("", ErrorKind.RATE_LIMITED, side=Side.SOURCE, retry_after=30.0)
    script = kept_but(error)
    await a_pass(script, named("a")).run()
    assert script.times("check", "a") == [0.0, 30.0, 60.0]


async def test_referrers_that_could_not_be_brought_fail_the_image_by_name() -> None:
    """The reason tells them from the image itself."""
    script = Script()
    error = CopyError("gone", ErrorKind.NOT_FOUND, operation="referrers", side=Side.TARGET)
    script.copies["a"] = [error]
    [result] = await a_pass(script, named("a")).run()
    assert summary(result) == (Action.FAILED, Reason.REFERRERS_FAILED, ErrorKind.NOT_FOUND)


@pytest.mark.parametrize(
    ("kind", "side"),
    [
        pytest.param(ErrorKind.REFUSED_BY_TARGET, Side.TARGET, id="refused"),
        pytest.param(ErrorKind.NOT_FOUND, Side.SOURCE, id="gone"),
    ],
)
@pytest.mark.parametrize(
    "script",
    [
        pytest.param(Script, id="with its image"),
        pytest.param(lambda: kept_but(Found(referrers=LATE)), id="late"),
    ],
)
async def test_what_becomes_of_a_referrer_says_nothing_of_its_image(
    script: Callable[[], Script], kind: ErrorKind, side: Side
) -> None:
    """Neither that the cache refuses it, nor that the tag moved: nothing is checked anew."""
    scripted = script()
    scripted.convertible = True
    scripted.copies["a"] = [CopyError("", kind, operation=REFERRERS, side=side)]
    [result] = await a_pass(scripted, named("a")).run()
    assert summary(result) == (Action.FAILED, Reason.REFERRERS_FAILED, kind)
    assert (scripted.refusals, scripted.doubted) == (0, [None])


async def test_an_image_that_the_cache_refuses_is_checked_again_where_that_may_help() -> None:
    """Another Y, as of converted manifests, is copied at once and costs no pause."""
    script = Script({"a": [COPY, Copy(X, Verdict.MISSING)]}, {"a": [refused(), DONE]})
    script.checks["a"][0] = Copy(Digest.of(b"docker"), Verdict.MISSING)
    script.convertible = True
    script.expects = None
    [result] = await a_pass(script, named("a")).run()
    assert summary(result) == (Action.PULLED, Reason.MISSING, None)
    assert script.times("copy", "a") == [0.0, 0.0]
    assert script.settlements == 1


async def test_a_refusal_stands_where_the_next_check_decides_the_same() -> None:
    """Nothing is copied twice for it, and the words are those of the first time."""
    script = Script(copies={"a": [refused(), DONE]})
    script.convertible = True
    [result] = await a_pass(script, named("a")).run()
    assert (result.action, result.error_kind) == (Action.FAILED, ErrorKind.REFUSED_BY_TARGET)
    assert script.times("copy", "a") == [0.0]


async def test_a_refusal_that_nothing_helps_against_fails_at_once() -> None:
    """The check has nothing else to offer."""
    script = Script(copies={"a": [refused()]})
    [result] = await a_pass(script, named("a")).run()
    assert result.error_kind is ErrorKind.REFUSED_BY_TARGET
    assert script.refusals == 1
    assert len(script.times("check", "a")) == 1


async def test_a_refused_blob_says_nothing_of_what_the_cache_takes() -> None:
    """Its image is not tried in another form."""
    error = RegistryError("413", ErrorKind.BLOB_REFUSED, side=Side.TARGET)
    script = Script(copies={"a": [error]})
    script.convertible = True
    [result] = await a_pass(script, named("a")).run()
    assert summary(result) == (Action.FAILED, Reason.COMMIT_FAILED, ErrorKind.BLOB_REFUSED)
    assert (script.refusals, script.times("copy", "a")) == (0, [0.0])


async def test_a_decision_that_was_overtaken_is_made_again_before_the_copy() -> None:
    """No attempt is spent on what is known to be refused."""
    script = Script()
    script.overtakes = [False, True]
    [result] = await a_pass(script, named("a")).run()
    assert result.action is Action.PULLED
    assert len(script.times("check", "a")) == 2
    assert len(script.times("copy", "a")) == 1


async def test_only_what_is_in_the_cache_is_settled() -> None:
    """A failed copy settles nothing."""
    script = Script(copies={"a": [Unbegun(refused())]})
    await a_pass(script, named("a")).run()
    assert script.settlements == 0
