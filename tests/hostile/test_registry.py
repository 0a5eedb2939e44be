"""Without faults the registry keeps the OCI distribution spec 1.1, so that only faults differ."""

import json
from collections.abc import AsyncIterator

import pytest

from tests.hostile import Basic, HostileRegistry, LocationForm, digest_of
from tests.hostile.rawclient import Answered, ask, get, hear
from tests.hostile.store import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST

pytestmark = pytest.mark.anyio

LAYER = b"0123456789" * 10
DIGEST = digest_of(LAYER)


@pytest.fixture
async def registry() -> AsyncIterator[HostileRegistry]:
    """An empty registry."""
    async with HostileRegistry() as running:
        yield running


def code(answer: Answered) -> str:
    """The registry's own error code."""
    return str(json.loads(answer.body)["errors"][0]["code"])


async def test_manifests_are_served_by_tag_and_digest(registry: HostileRegistry) -> None:
    """GET and HEAD carry the digest, the type and the length of the same bytes."""
    digest = registry.store.put_image("a/b", "1", docker=True)
    for method in ("GET", "HEAD"):
        for reference in ("1", digest):
            answer = await ask(registry.host, method, f"/v2/a/b/manifests/{reference}")
            content = registry.store.content("a/b", digest)
            assert answer.body == (content if method == "GET" else b"")
            assert answer["Docker-Content-Digest"] == digest == digest_of(content)
            assert answer["Content-Type"] == DOCKER_MANIFEST
            assert answer["Content-Length"] == str(len(content))


async def test_a_manifest_that_is_not_accepted_is_unknown(registry: HostileRegistry) -> None:
    """Clients that leave out a media type do not find manifests of that type."""
    registry.store.put_platforms("a", "1")
    target = "/v2/a/manifests/1"
    refused = await ask(registry.host, "GET", target, fields={"Accept": OCI_MANIFEST})
    assert code(refused) == "MANIFEST_UNKNOWN"
    both = {"Accept": f"{OCI_MANIFEST}, {OCI_INDEX}"}
    assert (await ask(registry.host, "GET", target, fields=both)).status == 200


async def test_an_index_lists_children_that_are_there(registry: HostileRegistry) -> None:
    """Platforms, sizes and digests are true, in the order given."""
    digest = registry.store.put_platforms(
        "a", "1", platforms=["linux/amd64", "linux/arm/v7"], docker=True
    )
    index = json.loads(registry.store.content("a", digest))
    assert index["mediaType"] == DOCKER_LIST
    platforms = [entry["platform"] for entry in index["manifests"]]
    assert platforms == [
        {"os": "linux", "architecture": "amd64"},
        {"os": "linux", "architecture": "arm", "variant": "v7"},
    ]
    for entry in index["manifests"]:
        answer = await ask(registry.host, "GET", f"/v2/a/manifests/{entry['digest']}")
        assert len(answer.body) == entry["size"]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        pytest.param("/v2/none/manifests/1", "NAME_UNKNOWN", id="repository"),
        pytest.param("/v2/a/manifests/2", "MANIFEST_UNKNOWN", id="tag"),
        pytest.param(f"/v2/a/blobs/{digest_of(b'other')}", "BLOB_UNKNOWN", id="blob"),
        pytest.param("/v2/a/blobs/uploads/x", "BLOB_UPLOAD_UNKNOWN", id="upload"),
    ],
)
async def test_what_is_missing_has_its_code(
    registry: HostileRegistry, target: str, expected: str
) -> None:
    """404 with the code of the specification."""
    registry.store.put_image("a", "1")
    answer = await ask(registry.host, "GET", target)
    assert (answer.status, code(answer)) == (404, expected)


async def test_blobs_are_served_whole_and_in_ranges(registry: HostileRegistry) -> None:
    """206 with Content-Range, 416 past the end (RFC 9110, section 14)."""
    registry.store.put_blob("a", LAYER)
    target = f"/v2/a/blobs/{DIGEST}"
    assert (await ask(registry.host, "GET", target)).body == LAYER
    assert (await ask(registry.host, "HEAD", target))["Content-Length"] == "100"
    tail = await ask(registry.host, "GET", target, fields={"Range": "bytes=90-"})
    assert (tail.status, tail.body, tail["Content-Range"]) == (206, LAYER[90:], "bytes 90-99/100")
    middle = await ask(registry.host, "GET", target, fields={"Range": "bytes=3-4"})
    assert middle.body == b"34"
    beyond = await ask(registry.host, "GET", target, fields={"Range": "bytes=100-"})
    assert (beyond.status, beyond["Content-Range"]) == (416, "bytes */100")


@pytest.mark.parametrize(
    "form", [form for form in LocationForm if form is not LocationForm.ELSEWHERE]
)
async def test_uploads_go_on_at_their_location_in_every_form(
    registry: HostileRegistry, form: LocationForm
) -> None:
    """POST, two PATCHes and PUT store the blob; the state in a query is demanded (row 46)."""
    registry.uploads.location_form = form
    start = "/v2/a/b/blobs/uploads/"
    location = (await ask(registry.host, "POST", start))["Location"]
    expected = {
        LocationForm.PATH: f"{start}upload-1",
        LocationForm.ABSOLUTE: f"{registry.url}{start}upload-1",
        LocationForm.QUERY: f"{registry.url}{start}upload-1?_state=state-of-upload-1",
        LocationForm.RELATIVE: "upload-1",
    }
    assert location == expected[form]
    target = f"{start}upload-1"
    query = "?_state=state-of-upload-1" if form is LocationForm.QUERY else ""
    if query:
        assert (await ask(registry.host, "PATCH", target, b"x")).status == 404
    for part in (LAYER[:40], LAYER[40:]):
        assert (await ask(registry.host, "PATCH", target + query, part)).status == 202
    finish = f"{target}{query}{'&' if query else '?'}digest={DIGEST}"
    done = await ask(registry.host, "PUT", finish, b"")
    assert (done.status, done["Docker-Content-Digest"]) == (201, DIGEST)
    assert registry.store.content("a/b", DIGEST) == LAYER
    assert registry.uploads.sessions == {}


async def test_a_location_may_lie_elsewhere(registry: HostileRegistry) -> None:
    """Another origin is named, for tests that no credential goes there (fault row 46)."""
    registry.uploads.location_form = LocationForm.ELSEWHERE
    registry.uploads.location_origin = "http://127.0.0.3:1"
    answer = await ask(registry.host, "POST", "/v2/a/blobs/uploads/")
    assert answer["Location"] == "http://127.0.0.3:1/v2/a/blobs/uploads/upload-1"


async def test_chunks_out_of_order_are_refused_and_can_be_resumed(
    registry: HostileRegistry,
) -> None:
    """416 names what was received; so does a GET of the session (fault row 45)."""
    target = (await ask(registry.host, "POST", "/v2/a/blobs/uploads/"))["Location"]
    await ask(registry.host, "PATCH", target, LAYER[:10], {"Content-Range": "0-9"})
    wrong = await ask(registry.host, "PATCH", target, LAYER[:10], {"Content-Range": "50-59"})
    assert (wrong.status, wrong["Range"]) == (416, "0-9")
    state = await ask(registry.host, "GET", target)
    assert (state.status, state["Range"]) == (204, "0-9")


async def test_an_upload_can_be_cancelled(registry: HostileRegistry) -> None:
    """DELETE forgets the session."""
    target = (await ask(registry.host, "POST", "/v2/a/blobs/uploads/"))["Location"]
    assert (await ask(registry.host, "DELETE", target)).status == 204
    assert registry.uploads.sessions == {}


async def test_one_post_pushes_or_mounts_a_blob(registry: HostileRegistry) -> None:
    """A mount of a blob that the other repository does not hold becomes a session."""
    post = "/v2/a/blobs/uploads/"
    assert (await ask(registry.host, "POST", f"{post}?digest={DIGEST}", LAYER)).status == 201
    mounted = f"/v2/b/blobs/uploads/?mount={DIGEST}&from=a"
    assert (await ask(registry.host, "POST", mounted)).status == 201
    assert registry.store.content("b", DIGEST) == LAYER
    unknown = f"/v2/b/blobs/uploads/?mount={digest_of(b'no')}&from=a"
    assert (await ask(registry.host, "POST", unknown)).status == 202


async def test_wrong_digests_are_refused(registry: HostileRegistry) -> None:
    """Neither a blob nor a manifest is stored under a digest that is not its own."""
    wrong = digest_of(b"other")
    answer = await ask(registry.host, "POST", f"/v2/a/blobs/uploads/?digest={wrong}", LAYER)
    assert code(answer) == "DIGEST_INVALID"
    answer = await ask(registry.host, "PUT", f"/v2/a/manifests/{wrong}", b"{}")
    assert code(answer) == "DIGEST_INVALID"
    assert registry.store.repository("a").blobs == {}
    assert registry.store.repository("a").manifests == {}


async def test_a_manifest_needs_what_it_names(registry: HostileRegistry) -> None:
    """Blobs and children first, then the manifest, then the tag."""
    other = HostileRegistry()
    digest = other.store.put_image("a", "1")
    content = other.store.content("a", digest)
    put = {"Content-Type": OCI_MANIFEST}
    refused = await ask(registry.host, "PUT", "/v2/a/manifests/1", content, put)
    assert code(refused) == "MANIFEST_BLOB_UNKNOWN"
    for blob in other.store.repository("a").blobs.values():
        registry.store.put_blob("a", blob)
    assert (await ask(registry.host, "PUT", "/v2/a/manifests/1", content, put)).status == 201
    assert registry.store.tagged("a", "1") == digest
    invalid = await ask(registry.host, "PUT", "/v2/a/manifests/1", b"[]", put)
    assert code(invalid) == "MANIFEST_INVALID"


async def test_tags_come_in_pages(registry: HostileRegistry) -> None:
    """A Link leads to the next page, and the last page has none."""
    for tag in ("c", "a", "b"):
        registry.store.put_image("x/y", tag)
    first = await ask(registry.host, "GET", "/v2/x/y/tags/list?n=2")
    assert json.loads(first.body) == {"name": "x/y", "tags": ["a", "b"]}
    assert first["Link"] == '</v2/x/y/tags/list?n=2&last=b>; rel="next"'
    last = await ask(registry.host, "GET", "/v2/x/y/tags/list?n=2&last=b")
    assert json.loads(last.body)["tags"] == ["c"]
    assert "link" not in {name.lower() for name, _ in last.fields}


async def test_deleted_things_are_gone(registry: HostileRegistry) -> None:
    """A manifest goes with its tags; a tag goes alone."""
    digest = registry.store.put_image("a", "1")
    registry.store.tag("a", "2", digest)
    assert (await ask(registry.host, "DELETE", "/v2/a/manifests/2")).status == 202
    assert registry.store.tagged("a", "1") == digest
    assert (await ask(registry.host, "DELETE", f"/v2/a/manifests/{digest}")).status == 202
    assert registry.store.tagged("a", "1") is None


async def test_basic_authorization_is_demanded(registry: HostileRegistry) -> None:
    """401 with a challenge until user and password are right, on every request."""
    registry.authorization = Basic({"ann": "pass:word"})
    refused = await ask(registry.host, "GET", "/v2/")
    assert (refused.status, refused["WWW-Authenticate"]) == (401, 'Basic realm="hostile"')
    right = {"Authorization": "Basic YW5uOnBhc3M6d29yZA=="}
    assert (await ask(registry.host, "GET", "/v2/", fields=right)).status == 200
    wrong = {"Authorization": "Basic YW5uOndyb25n"}
    assert (await ask(registry.host, "GET", "/v2/", fields=wrong)).status == 401


async def test_requests_are_recorded_as_sent(registry: HostileRegistry) -> None:
    """Paths are not normalised, and a connection that is kept keeps its number."""
    first = b"GET /v2/a/../b/%2e%2e HTTP/1.1\r\nhOst: x\r\n\r\n"
    body = b"PUT /v2/a/manifests/1?q=%201 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    await hear(registry.host, first + body + b"3\r\nabc\r\n0\r\n\r\n" + get("/v2/"))
    one, two, three = registry.requests
    assert (one.path, one.headers.get("Host")) == ("/v2/a/../b/%2e%2e", "x")
    assert (two.query, two.parameters, bytes(two.body)) == ("q=%201", {"q": " 1"}, b"abc")
    assert one.connection == two.connection == three.connection == 1
    assert registry.asked("PUT", "/v2/*/manifests/*") == [two]


async def test_expect_100_continue_is_answered_before_the_body(registry: HostileRegistry) -> None:
    """Clients that wait for the interim answer go on (RFC 9110, section 10.1.1)."""
    expect = get("/v2/", "Expect: 100-continue", "Content-Length: 1")
    heard = await hear(registry.host, expect + b"x")
    assert heard.data.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


async def test_a_registry_that_was_down_comes_back_on_its_port(registry: HostileRegistry) -> None:
    """Connections are refused meanwhile; contents survive (fault row 50)."""
    registry.store.put_image("a", "1")
    host = registry.host
    async with registry.down():
        with pytest.raises(ConnectionRefusedError):
            await ask(host, "GET", "/v2/")
    assert registry.host == host
    assert (await ask(host, "GET", "/v2/a/manifests/1")).status == 200


async def test_a_least_chunk_is_told_and_held_to(registry: HostileRegistry) -> None:
    """Only the last chunk may be shorter (row 47)."""
    registry.uploads.least_chunk = 10
    started = await ask(registry.host, "POST", "/v2/a/blobs/uploads/")
    assert started["OCI-Chunk-Min-Length"] == "10"
    location = started["Location"]
    assert (await ask(registry.host, "PATCH", location, body=b"0123456789")).status == 202
    assert (await ask(registry.host, "PATCH", location, body=b"short")).status == 202
    refused = await ask(registry.host, "PATCH", location, body=b"more")
    assert (refused.status, code(refused)) == (400, "SIZE_INVALID")


async def test_a_mount_without_a_name_is_done_only_where_it_is_said(
    registry: HostileRegistry,
) -> None:
    """As at Zot, which looks in every repository (row 48)."""
    registry.store.put_blob("holder", LAYER)
    target = f"/v2/a/blobs/uploads/?mount={DIGEST}"
    assert (await ask(registry.host, "POST", target)).status == 202
    registry.uploads.mounts_unnamed = True
    assert (await ask(registry.host, "POST", target)).status == 201
