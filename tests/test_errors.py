"""Every error says what happened, on which side, and what to do; one table says what follows."""

import re

import pytest

from image_sync.errors import (
    TRAITS,
    ConfigError,
    CopyError,
    EngineError,
    ErrorKind,
    ImageSyncError,
    Problem,
    RegistryError,
    Side,
    side_of,
)

NEVER_AGAIN = {
    ErrorKind.NOT_FOUND,
    ErrorKind.UNAUTHORIZED,
    ErrorKind.DENIED,
    ErrorKind.RATE_LIMITED,
    ErrorKind.TLS,
    ErrorKind.CONFIG,
    ErrorKind.INTERRUPTED,
    ErrorKind.INTERNAL,
}
ANOTHER_ENGINE = {ErrorKind.UNSUPPORTED, ErrorKind.TOOL}


def test_every_kind_has_a_row() -> None:
    """Retry policy, report and metrics find an answer for each, and for nothing else."""
    assert {*TRAITS} == {*ErrorKind}


@pytest.mark.parametrize("kind", ErrorKind)
def test_every_hint_is_advice(kind: ErrorKind) -> None:
    """One line of words that ends without a full stop, as it stands in brackets."""
    hint = TRAITS[kind].hint
    assert len(hint.split()) >= 3
    assert hint.isprintable()
    assert not hint.endswith((".", " "))
    assert hint == ImageSyncError("x", kind).hint


@pytest.mark.parametrize("kind", sorted(NEVER_AGAIN))
def test_what_another_attempt_cannot_help_is_not_tried_again(kind: ErrorKind) -> None:
    """A refusal is an answer; asking again costs quota, locks accounts, or hides a bug."""
    assert not TRAITS[kind].retryable


@pytest.mark.parametrize("kind", ErrorKind)
def test_another_engine_is_tried_only_where_the_engine_failed(kind: ErrorKind) -> None:
    """Never after a registry's own answer, and never after a network's."""
    assert TRAITS[kind].next_engine == (kind in ANOTHER_ENGINE)


PASSING = {
    ErrorKind.UNAVAILABLE,
    ErrorKind.NETWORK,
    ErrorKind.TIMEOUT,
    ErrorKind.TRUNCATED,
    ErrorKind.BLOB_MISSING,
    ErrorKind.TOOL,
}


@pytest.mark.parametrize("kind", ErrorKind)
def test_only_what_may_pass_by_itself_is_tried_again(kind: ErrorKind) -> None:
    """What waits for an operator's change is not retried, but for a tool, which may fail by
    chance; and a limit is waited for, never retried."""
    assert TRAITS[kind].retryable == (kind in PASSING)


def test_kinds_read_as_they_are_written() -> None:
    """The names in report, logs and metrics are stable: lower case, underscores."""
    for kind in ErrorKind:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind)
        assert kind == kind.name.lower()


@pytest.mark.parametrize("side", Side)
def test_a_registry_error_names_side_request_and_answer(side: Side) -> None:
    """Enough to find the request in the registry's own log."""
    error = RegistryError(
        "a/b: manifest unknown",
        ErrorKind.NOT_FOUND,
        side=side,
        method="HEAD",
        url="https://ghcr.io/v2/a/b/manifests/1",
        status=404,
        codes=("MANIFEST_UNKNOWN",),
    )
    assert str(error) == (
        f"{side}: a/b: manifest unknown | HEAD https://ghcr.io/v2/a/b/manifests/1 "
        "| 404 MANIFEST_UNKNOWN"
    )
    assert error.message == "a/b: manifest unknown"
    assert side_of(error) is side


def test_a_registry_error_without_request_is_not_padded() -> None:
    """What was never asked is not shown as empty."""
    error = RegistryError("refused", ErrorKind.UNSAFE, side=Side.SOURCE)
    assert str(error) == "source: refused"


def test_an_answer_without_codes_is_its_status() -> None:
    """Proxies send none."""
    error = RegistryError("bad", ErrorKind.UNAVAILABLE, side=Side.TARGET, method="GET", status=502)
    assert str(error) == "target: bad | GET | 502"


def test_the_specific_hint_wins() -> None:
    """A registry error may know better than the table; empty words are no advice."""
    kind = ErrorKind.DENIED
    known = RegistryError("x", kind, side=Side.TARGET, hint="grant create and update")
    assert known.hint == "grant create and update"
    assert RegistryError("x", kind, side=Side.TARGET).hint == TRAITS[kind].hint
    assert RegistryError("x", kind, side=Side.TARGET, hint="").hint == TRAITS[kind].hint


@pytest.mark.parametrize("side", Side)
def test_a_copy_error_names_side_and_operation(side: Side) -> None:
    """Where the fault lies, and what was being done."""
    error = CopyError("a blob is missing", ErrorKind.BLOB_MISSING, operation="verify", side=side)
    assert str(error) == f"{side}: verify: a blob is missing"
    assert side_of(error) is side


@pytest.mark.parametrize("side", [None, *Side])
def test_an_engine_error_tells_its_side_where_it_is_known(side: Side | None) -> None:
    """A tool does not always say which registry it failed at."""
    error = EngineError("exit 1", ErrorKind.TOOL, engine="crane", side=side)
    assert str(error) == (f"{side}: crane: exit 1" if side else "crane: exit 1")
    assert side_of(error) is side


def test_an_engine_error_of_no_engine_names_none() -> None:
    """Where none could be used, there is no name to show."""
    assert str(EngineError("none is set up", ErrorKind.TOOL, engine="")) == "none is set up"


def test_a_config_error_shows_every_problem() -> None:
    """One line each, with place, key and words, where there are any."""
    problems = (
        Problem("expected a whole number", "a.yaml:3:5", "settings.concurrency"),
        Problem("unknown variable", "IMAGE_SYNC_X"),
        Problem("no image matches"),
    )
    error = ConfigError(problems)
    assert str(error).splitlines() == [
        "a.yaml:3:5: settings.concurrency: expected a whole number",
        "IMAGE_SYNC_X: unknown variable",
        "no image matches",
    ]
    assert error.problems == problems
    assert error.kind is ErrorKind.CONFIG
    assert side_of(error) is None


def test_all_errors_are_of_one_tree() -> None:
    """Whoever catches the base catches every error that is raised on purpose."""
    classes = (ConfigError, RegistryError, EngineError, CopyError)
    assert all(issubclass(cls, ImageSyncError) for cls in classes)
    assert not issubclass(ImageSyncError, OSError | ValueError | RuntimeError)
