"""Which call of the API a path is: OCI distribution spec 1.1, section Endpoints."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_sync.embedded.calls import (
    Base,
    Call,
    Catalog,
    NewUpload,
    OneBlob,
    OneManifest,
    OneUpload,
    Referrers,
    Tags,
    parse_call,
)
from image_sync.embedded.refusal import Code, RefusedError
from image_sync.oci import Digest
from image_sync.oci.reference import parse_path

DIGEST = Digest.of(b"content")
LONG = Digest.of(b"content", "sha512")

COMPONENT = st.from_regex(r"[a-z0-9]{1,8}([._-][a-z0-9]{1,8})?", fullmatch=True)
NAMES = st.lists(
    COMPONENT | st.sampled_from(["blobs", "uploads", "manifests", "tags", "list", "referrers"]),
    min_size=1,
    max_size=5,
).map("/".join)
TAGS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)
DIGESTS = st.binary(max_size=4).map(Digest.of) | st.just(LONG)


@pytest.mark.parametrize(
    ("path", "call"),
    [
        pytest.param("/v2/", Base(), id="end-1"),
        pytest.param("/v2", Base(), id="end-1-without-slash"),
        pytest.param("/v2/_catalog", Catalog(), id="catalog"),
        pytest.param("/v2/a/b/tags/list", Tags("a/b"), id="end-8"),
        pytest.param("/v2/a/manifests/1.0", OneManifest("a", "1.0"), id="by-tag"),
        pytest.param(f"/v2/a/manifests/{LONG}", OneManifest("a", LONG), id="by-digest"),
        pytest.param(f"/v2/a/blobs/{DIGEST}", OneBlob("a", DIGEST), id="blob"),
        pytest.param("/v2/a/blobs/uploads/", NewUpload("a"), id="end-4"),
        pytest.param("/v2/a/blobs/uploads", NewUpload("a"), id="end-4-without-slash"),
        pytest.param("/v2/a/blobs/uploads/x", OneUpload("a", "x"), id="end-5"),
        pytest.param(f"/v2/a/referrers/{DIGEST}", Referrers("a", DIGEST), id="end-12"),
        pytest.param("/v2/tags/list/tags/list", Tags("tags/list"), id="a-name-like-a-call"),
        pytest.param(
            "/v2/a/blobs/uploads/manifests/x",
            OneManifest("a/blobs/uploads", "x"),
            id="a-path-is-read-from-its-end",
        ),
    ],
)
def test_each_endpoint_is_known(path: str, call: Call) -> None:
    """Names have slashes, and may look like the parts of a call."""
    assert parse_call(path) == call


@pytest.mark.parametrize(
    ("path", "code", "status"),
    [
        pytest.param("/", Code.UNSUPPORTED, 404, id="no-registry"),
        pytest.param("/v1/a/tags/list", Code.UNSUPPORTED, 404, id="old-version"),
        pytest.param("/v2/tags/list", Code.UNSUPPORTED, 404, id="no-name"),
        pytest.param("/v2/a/tags", Code.UNSUPPORTED, 404, id="half-a-call"),
        pytest.param("/v2/A/tags/list", Code.NAME_INVALID, 400, id="capital"),
        pytest.param("/v2/../a/tags/list", Code.NAME_INVALID, 400, id="upwards"),
        pytest.param("/v2//a/tags/list", Code.NAME_INVALID, 400, id="empty-component"),
        pytest.param("/v2/.uploads/tags/list", Code.NAME_INVALID, 400, id="hidden"),
        pytest.param(f"/v2/{'a' * 256}/tags/list", Code.NAME_INVALID, 400, id="long-name"),
        pytest.param("/v2/a/manifests/-x", Code.MANIFEST_INVALID, 400, id="no-tag"),
        pytest.param(f"/v2/a/manifests/{'x' * 129}", Code.MANIFEST_INVALID, 400, id="long-tag"),
        pytest.param("/v2/a/manifests/sha256:bad", Code.DIGEST_INVALID, 400, id="no-digest"),
        pytest.param("/v2/a/blobs/sha256:../x", Code.UNSUPPORTED, 404, id="digest-upwards"),
        pytest.param("/v2/a/blobs/md5:00", Code.DIGEST_INVALID, 400, id="weak-digest"),
        pytest.param("/v2/a/referrers/1.0", Code.DIGEST_INVALID, 400, id="referrers-of-a-tag"),
    ],
)
def test_what_is_no_call_is_refused(path: str, code: Code, status: int) -> None:
    """With the specification's code; nothing of it reaches a file system."""
    with pytest.raises(RefusedError) as refused:
        parse_call(path)
    assert (refused.value.code, refused.value.status) == (code, status)


@given(name=NAMES, tag=TAGS, digest=DIGESTS)
def test_every_name_tag_and_digest_comes_through(name: str, tag: str, digest: Digest) -> None:
    """Also names whose components are those of calls."""
    try:
        parse_path(name)
    except ValueError:  # one that reads like a digest
        return
    assert parse_call(f"/v2/{name}/manifests/{tag}") == OneManifest(name, tag)
    assert parse_call(f"/v2/{name}/manifests/{digest}") == OneManifest(name, digest)
    assert parse_call(f"/v2/{name}/blobs/{digest}") == OneBlob(name, digest)
    assert parse_call(f"/v2/{name}/tags/list") == Tags(name)
    assert parse_call(f"/v2/{name}/referrers/{digest}") == Referrers(name, digest)
    assert parse_call(f"/v2/{name}/blobs/uploads/") == NewUpload(name)


PIECES = st.sampled_from(
    ["", ".", "..", "a", "blobs", "uploads", "manifests", "tags", "list", "referrers", "%2e", "\0"]
)


@given(
    path=st.text(max_size=60)
    | st.lists(PIECES | st.text(max_size=5), max_size=8).map(lambda parts: "/v2/" + "/".join(parts))
)
def test_any_path_is_a_call_or_refused(path: str) -> None:
    """What comes through has a valid name, so that it may become a path."""
    try:
        call = parse_call(path)
    except RefusedError:
        return
    if not isinstance(call, Base | Catalog):
        assert parse_path(call.name) == call.name
