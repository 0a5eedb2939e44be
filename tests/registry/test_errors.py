"""What a refusal means: one table from status and code to kind, and the advice beside it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.errors import ErrorKind, RegistryError, Side
from image_sync.model import Endpoint, TlsPolicy
from image_sync.oci import Repository
from image_sync.registry.errors import RefusedRequest, error_from, is_transient, requested_pause

SOURCE = Endpoint(Side.SOURCE, Repository("r.example", "a/b"), TlsPolicy.VERIFY)
TARGET = Endpoint(Side.TARGET, Repository("c.example", "a/b"), TlsPolicy.VERIFY)


def refused(
    endpoint: Endpoint,
    method: str,
    status: int,
    code: str = "",
    message: str = "",
    *,
    path: str = "/v2/a/b/manifests/1",
) -> RegistryError:
    """The error for an answer with one error in its body."""
    body = json.dumps({"errors": [{"code": code, "message": message}]}) if code else message
    return error_from(endpoint, RefusedRequest(method, f"https://x{path}", status, body.encode()))


@pytest.mark.parametrize(
    ("method", "status", "code", "kind"),
    [
        pytest.param("GET", 401, "UNAUTHORIZED", ErrorKind.UNAUTHORIZED, id="row 1"),
        pytest.param("GET", 403, "DENIED", ErrorKind.DENIED, id="row 5"),
        pytest.param("GET", 404, "MANIFEST_UNKNOWN", ErrorKind.NOT_FOUND, id="row 12"),
        pytest.param("GET", 404, "NAME_UNKNOWN", ErrorKind.NOT_FOUND, id="row 13"),
        pytest.param("GET", 404, "", ErrorKind.NOT_FOUND, id="row 14"),
        pytest.param("GET", 404, "BLOB_UNKNOWN", ErrorKind.BLOB_MISSING, id="row 15"),
        *(
            pytest.param("GET", status, "", ErrorKind.UNAVAILABLE, id=f"row 16, {status}")
            for status in (408, 499, 500, 501, 502, 503, 504, 505, 507, 522, 599)
        ),
        pytest.param("PUT", 404, "BLOB_UPLOAD_UNKNOWN", ErrorKind.UNAVAILABLE, id="row 44"),
        pytest.param(
            "PUT", 404, "BLOB_UPLOAD_INVALID", ErrorKind.UNAVAILABLE, id="row 44 after restart"
        ),
        pytest.param("PUT", 405, "UNSUPPORTED", ErrorKind.DENIED, id="row 51"),
        pytest.param("PUT", 401, "UNAUTHORIZED", ErrorKind.UNAUTHORIZED, id="row 51, login"),
        pytest.param("PUT", 400, "MANIFEST_INVALID", ErrorKind.REFUSED_BY_TARGET, id="row 52"),
        pytest.param(
            "PUT", 413, "MANIFEST_INVALID", ErrorKind.REFUSED_BY_TARGET, id="row 52, size"
        ),
        pytest.param(
            "PUT", 415, "MANIFEST_INVALID", ErrorKind.REFUSED_BY_TARGET, id="row 52, type"
        ),
        pytest.param("PUT", 400, "MANIFEST_BLOB_UNKNOWN", ErrorKind.BLOB_MISSING, id="row 53"),
        pytest.param("PUT", 404, "BLOB_UNKNOWN", ErrorKind.BLOB_MISSING, id="row 53, 404"),
        pytest.param("PUT", 404, "NAME_UNKNOWN", ErrorKind.NOT_FOUND, id="no repository"),
        pytest.param("GET", 400, "NAME_INVALID", ErrorKind.CONFIG, id="a name it does not like"),
        pytest.param("GET", 204, "", ErrorKind.BAD_CONTENT, id="a success without content"),
        pytest.param("GET", 304, "", ErrorKind.BAD_CONTENT, id="a redirect to nowhere"),
        pytest.param("GET", 418, "", ErrorKind.UNSUPPORTED, id="a status nobody knows"),
        pytest.param("GET", 999, "", ErrorKind.UNSUPPORTED, id="a status that does not exist"),
    ],
)
def test_status_and_code_decide(method: str, status: int, code: str, kind: ErrorKind) -> None:
    """Each row of the fault table gets its kind, at the side that answered."""
    error = refused(TARGET, method, status, code)
    assert (error.kind, error.status, error.side) == (kind, status, Side.TARGET)
    assert error.codes == ((code,) if code else ())


@pytest.mark.parametrize("status", [400, 413, 415, 422])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("POST", "/v2/a/b/blobs/uploads/", id="beginning"),
        pytest.param("PATCH", "/v2/a/b/blobs/uploads/1", id="bytes"),
        pytest.param("PUT", "/v2/a/b/blobs/uploads/1", id="end"),
        pytest.param("PUT", "/v2/a/manifests/blobs/uploads/1", id="a repository by that name"),
        pytest.param("PATCH", "/elsewhere/1", id="another place"),
    ],
)
def test_a_refused_blob_says_nothing_of_manifests(method: str, path: str, status: int) -> None:
    """No conversion helps with it, and none is advised; a source's word is about a request."""
    error = refused(TARGET, method, status, path=path)
    assert error.kind is ErrorKind.BLOB_REFUSED
    assert "convert" not in error.hint
    assert refused(SOURCE, method, status, path=path).kind is not ErrorKind.BLOB_REFUSED


@pytest.mark.parametrize("status", [500, 507])
def test_a_full_disk_is_the_caches(status: int) -> None:
    """Only a write to the cache can find it full (fault row 49); elsewhere it is a fault."""
    words = "no space left on device"
    assert refused(TARGET, "PUT", status, "UNKNOWN", words).kind is ErrorKind.TARGET_FULL
    assert refused(SOURCE, "GET", status, "UNKNOWN", words).kind is ErrorKind.UNAVAILABLE


@pytest.mark.parametrize(
    ("endpoint", "method", "status", "code", "message", "advice"),
    [
        (TARGET, "PUT", 415, "MANIFEST_INVALID", "application/vnd.docker.x", "docker2s2"),
        (TARGET, "PUT", 403, "DENIED", "", "create and update"),
        (TARGET, "POST", 404, "NAME_UNKNOWN", "", "create this one"),
        (SOURCE, "GET", 404, "NAME_UNKNOWN", "", "private"),
        (SOURCE, "GET", 403, "DENIED", "", "lack the permission"),
    ],
)
def test_advice_fits_the_case(
    endpoint: Endpoint, method: str, status: int, code: str, message: str, advice: str
) -> None:
    """Where the table knows more than the kind's own hint, it says so (rows 13, 51, 52)."""
    assert advice in refused(endpoint, method, status, code, message).hint


def test_a_foreign_body_is_an_excerpt() -> None:
    """HTML, control characters and length do not get into one line for people (row 14)."""
    page = "<html>\x1b[2J\n" + "x" * 10_000
    message = refused(SOURCE, "GET", 404, message=page).message
    assert message.isprintable()
    assert len(message) < 300


def test_only_what_passes_by_itself_is_asked_again() -> None:
    """Faults, broken connections and silence; never a refusal, nor a host that asked for peace."""
    kinds = {kind for kind in ErrorKind if is_transient(RegistryError("x", kind, side=Side.SOURCE))}
    network = {ErrorKind.UNAVAILABLE, ErrorKind.NETWORK, ErrorKind.TIMEOUT, ErrorKind.TRUNCATED}
    assert kinds == network | {ErrorKind.TOOL}
    paused = RegistryError("x", ErrorKind.UNAVAILABLE, side=Side.SOURCE, retry_after=3.0)
    assert not is_transient(paused)
    soon = RegistryError("x", ErrorKind.UNAVAILABLE, side=Side.SOURCE, status=503, retry_after=3.0)
    assert is_transient(soon)
    assert [requested_pause(error) for error in (soon, paused, ValueError())] == [3.0, 0.0, 0.0]
    assert not is_transient(ValueError())


@given(
    st.sampled_from([SOURCE, TARGET]),
    st.sampled_from(["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"]),
    st.integers(min_value=100, max_value=999),
    st.binary(max_size=400),
)
def test_every_answer_has_a_meaning(
    endpoint: Endpoint, method: str, status: int, body: bytes
) -> None:
    """Any status with any body is an error that people can read."""
    error = error_from(endpoint, RefusedRequest(method, "https://x/y", status, body))
    assert str(error).isprintable()
    assert error.hint
