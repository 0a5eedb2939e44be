"""Manifests are what was asked for, or an error says what is wrong; HEAD spends nothing."""

from collections.abc import AsyncIterator

import pytest

from image_sync.errors import ErrorKind
from image_sync.events import Event, RequestFinished
from image_sync.oci import Digest, Reference, mediatypes
from image_sync.registry import ManifestHead
from tests.hostile import (
    Answer,
    Document,
    Dropped,
    Endless,
    Fault,
    Gzipped,
    HostileRegistry,
    HtmlPage,
    HubQuota,
    Redirect,
    RedirectLoop,
    RedirectWithoutLocation,
    Refusal,
    Refused,
    Reset,
    Stalled,
    TooManyRequests,
    Truncated,
    WithField,
    WithoutFields,
    WrongBytes,
    closed_port,
    digest_of,
)
from tests.hostile.behaviours.answer import CdnDenial
from tests.hostile.fault import Behaviour
from tests.hostile.store import OCI_MANIFEST
from tests.registry.asking import HASTY, REPOSITORY, Pauses, asking, failure, source, target, texts

pytestmark = pytest.mark.anyio

MANIFESTS = f"/v2/{REPOSITORY}/manifests/"


@pytest.fixture
async def registry() -> AsyncIterator[HostileRegistry]:
    """Wants to know nobody."""
    async with HostileRegistry() as running:
        yield running


@pytest.fixture
def digest(registry: HostileRegistry) -> Digest:
    """Of the one image it holds, under the tag `1`."""
    return Digest.parse(registry.store.put_image(REPOSITORY, "1"))


async def test_a_head_tells_digest_and_type(registry: HostileRegistry, digest: Digest) -> None:
    """By one request, which offers all four manifest types."""
    endpoint = source(registry.host)
    async with asking() as client:
        found = await client.head_manifest(endpoint, endpoint.repository.tag("1"))
    assert found == ManifestHead(digest, OCI_MANIFEST)
    (asked,) = registry.requests
    assert (asked.method, asked.target) == ("HEAD", f"{MANIFESTS}1")
    offered = {part.strip() for part in (asked.headers.get("Accept") or "").split(",")}
    assert offered == mediatypes.INDEXES | mediatypes.MANIFESTS


@pytest.mark.parametrize("repository", [REPOSITORY, "never/heard"])
async def test_a_missing_manifest_is_no_error(
    registry: HostileRegistry, digest: Digest, repository: str
) -> None:
    """404 for the tag or the repository is an answer: there is none (rows 12, 13)."""
    endpoint = source(registry.host, repository)
    async with asking() as client:
        assert await client.head_manifest(endpoint, endpoint.repository.tag("2")) is None
    assert len(registry.requests) == 1


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Refusal(405, "UNSUPPORTED"), id="HEAD is not allowed, row 18"),
        pytest.param(WithoutFields("Docker-Content-Digest"), id="no digest, row 29"),
        pytest.param(WithField("Docker-Content-Digest", "sha256:XYZ"), id="no real digest"),
        pytest.param(WithField("Docker-Content-Digest", "md5:" + "a" * 32), id="another algorithm"),
    ],
)
async def test_a_registry_without_head_is_asked_with_get(
    registry: HostileRegistry, digest: Digest, fault: Behaviour
) -> None:
    """The hash of the body is the digest, and the host is not asked with HEAD again."""
    registry.inject(Fault("HEAD", "*", fault))
    endpoint = source(registry.host)
    async with asking() as client:
        for _ in range(2):
            found = await client.head_manifest(endpoint, endpoint.repository.tag("1"))
            assert found == ManifestHead(digest, OCI_MANIFEST)
        assert await client.head_manifest(endpoint, endpoint.repository.tag("2")) is None
    assert [request.method for request in registry.requests] == ["HEAD", "GET", "GET", "GET"]


async def test_a_page_in_between_does_not_make_a_host_headless(
    registry: HostileRegistry, digest: Digest
) -> None:
    """A login page answers 200 to everything: it teaches nothing about the registry behind it."""
    registry.inject(Fault("*", "*", Answer(200, b"<html>", media_type="text/html"), times=2))
    endpoint = source(registry.host)
    async with asking() as client:
        error = await failure(client.head_manifest(endpoint, endpoint.repository.tag("1")))
        assert error.kind is ErrorKind.BAD_CONTENT
        assert await client.head_manifest(endpoint, endpoint.repository.tag("1"))
    assert [request.method for request in registry.requests] == ["HEAD", "GET", "HEAD"]


async def test_what_is_asked_by_digest_has_that_digest(
    registry: HostileRegistry, digest: Digest
) -> None:
    """No header, and no lack of one, makes it another (rows 29, 30)."""
    fault = WithField("Docker-Content-Digest", digest_of(b"other"))
    registry.inject(Fault("HEAD", "*", fault, times=1))
    registry.inject(Fault("HEAD", "*", WithoutFields("Docker-Content-Digest")))
    endpoint = source(registry.host)
    async with asking() as client:
        for _ in range(2):
            found = await client.head_manifest(endpoint, endpoint.repository.digest(digest))
            assert found == ManifestHead(digest, OCI_MANIFEST)
    assert len(registry.asked("GET")) == 0


async def test_a_head_that_a_get_disproved_is_not_believed_again(
    registry: HostileRegistry, digest: Digest
) -> None:
    """Our hash wins over the header, from then on without a HEAD (row 30)."""
    lie = WithField("Docker-Content-Digest", digest_of(b"other"))
    registry.inject(Fault("*", "*", lie))
    endpoint = source(registry.host)
    async with asking() as client:
        manifest = await client.get_manifest(endpoint, endpoint.repository.tag("1"))
        assert manifest.digest == digest
        found = await client.head_manifest(endpoint, endpoint.repository.tag("1"))
        assert found
        assert found.digest == digest
    assert registry.asked("HEAD") == []


async def test_a_manifest_comes_with_its_bytes(registry: HostileRegistry) -> None:
    """By tag and by digest, sha512 included (row 42)."""
    content = registry.store.content(REPOSITORY, registry.store.put_image(REPOSITORY, "1"))
    long = Digest.of(content, "sha512")
    held = registry.store.repository(REPOSITORY)
    held.manifests[str(long)] = held.manifests[held.tags["1"]]
    endpoint = source(registry.host)
    async with asking() as client:
        for reference in (
            endpoint.repository.tag("1"),
            endpoint.repository.digest(Digest.of(content)),
            endpoint.repository.digest(long),
        ):
            manifest = await client.get_manifest(endpoint, reference)
            assert manifest.content == content
            assert manifest.digest == (reference.digest or Digest.of(content))


async def test_a_get_is_marked_as_one_that_costs(registry: HostileRegistry, digest: Digest) -> None:
    """While the pull quota is used up no manifest is fetched, and HEADs go on (rows 9, 10)."""
    registry.inject(Fault("GET|HEAD", f"{MANIFESTS}*", HubQuota(limit=100, remaining=1)))
    endpoint = source(registry.host)
    reference = endpoint.repository.tag("1")
    async with asking() as client:
        await client.get_manifest(endpoint, reference)
        for _ in range(2):
            error = await failure(client.get_manifest(endpoint, reference))
            assert error.kind is ErrorKind.RATE_LIMITED
        assert await client.head_manifest(endpoint, reference)
    assert len(registry.asked("GET")) == 2


@pytest.mark.parametrize("times", [1, 2])
async def test_wrong_bytes_are_fetched_afresh_once(
    registry: HostileRegistry, digest: Digest, times: int
) -> None:
    """A CDN's bad copy may be gone the second time; bytes that stay wrong are an error (row 27)."""
    registry.inject(Fault("GET", "*", WrongBytes(), times=times))
    endpoint = source(registry.host)
    asked = endpoint.repository.digest(digest)
    async with asking() as client:
        if times == 1:
            assert (await client.get_manifest(endpoint, asked)).digest == digest
        else:
            error = await failure(client.get_manifest(endpoint, asked))
            assert error.kind is ErrorKind.BAD_CONTENT
            assert "other bytes" in error.message
    assert len(registry.requests) == 2


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Document(b'{"a":1,"a":2}'), id="duplicate keys, row 32"),
        pytest.param(Document(b"not JSON"), id="no JSON"),
        pytest.param(WithField("Content-Type", mediatypes.OCI_INDEX), id="type, row 31"),
        pytest.param(Gzipped(), id="encoded, row 28"),
        pytest.param(Endless(), id="endless, rows 24 and 37"),
        pytest.param(Answer(200, b"x" * (4 * 1024 * 1024 + 1)), id="too large, row 37"),
        pytest.param(Truncated(20, declared=False), id="cut without a length, row 23"),
        pytest.param(Answer(204), id="no content"),
    ],
)
async def test_what_is_no_manifest_is_refused(
    registry: HostileRegistry, digest: Digest, fault: Behaviour
) -> None:
    """Whatever comes in place of one, nothing is made of it."""
    registry.inject(Fault("GET", "*", fault))
    endpoint = source(registry.host)
    async with asking() as client:
        error = await failure(client.get_manifest(endpoint, endpoint.repository.tag("1")))
    assert error.kind is ErrorKind.BAD_CONTENT
    assert len(registry.requests) <= 2


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(HtmlPage(500), id="500"),
        pytest.param(HtmlPage(502), id="502"),
        pytest.param(HtmlPage(503), id="503"),
        pytest.param(HtmlPage(504), id="504"),
        pytest.param(HtmlPage(522), id="522"),
        pytest.param(HtmlPage(408), id="408"),
        pytest.param(HtmlPage(499), id="499"),
        pytest.param(Reset(), id="reset before headers, row 19"),
        pytest.param(Refused(), id="closed before headers, row 19"),
        pytest.param(Dropped(), id="no answer, row 19"),
        pytest.param(Reset(10), id="reset inside the body, row 20"),
        pytest.param(Truncated(10), id="cut inside the body, row 22"),
    ],
)
async def test_what_passes_is_asked_again(
    registry: HostileRegistry, digest: Digest, fault: Behaviour
) -> None:
    """Three failures are survived, with a growing pause before each new try (row 16)."""
    registry.inject(Fault("GET", "*", fault, times=3))
    pauses = Pauses()
    endpoint = source(registry.host)
    async with asking(pauses=pauses) as client:
        manifest = await client.get_manifest(endpoint, endpoint.repository.tag("1"))
    assert manifest.digest == digest
    assert len(registry.requests) == 4
    assert all(p <= bound for p, bound in zip(pauses.seconds, (0.5, 1.0, 2.0), strict=True))


async def test_four_tries_are_all(registry: HostileRegistry, digest: Digest) -> None:
    """Then the last refusal is the error."""
    registry.inject(Fault("*", "*", Refusal(503, "UNAVAILABLE", "later")))
    endpoint = source(registry.host)
    async with asking() as client:
        error = await failure(client.head_manifest(endpoint, endpoint.repository.tag("1")))
    assert (error.kind, error.status) == (ErrorKind.UNAVAILABLE, 503)
    assert len(registry.requests) == 4


@pytest.mark.parametrize("status", [400, 403, 404, 406, 410, 418, 451, 501, 505])
async def test_a_refusal_is_not_asked_again(
    registry: HostileRegistry, digest: Digest, status: int
) -> None:
    """What will not pass by itself is told at once."""
    registry.inject(Fault("*", "*", HtmlPage(status)))
    endpoint = source(registry.host)
    async with asking() as client:
        error = await failure(client.get_manifest(endpoint, endpoint.repository.tag("1")))
    assert error.status == status
    assert len(registry.requests) == 1


async def test_a_limited_host_is_left_alone(registry: HostileRegistry, digest: Digest) -> None:
    """429 is no reason to try again, nor is the pause that follows (row 8)."""
    registry.inject(Fault("*", "*", TooManyRequests(120)))
    endpoint = source(registry.host)
    async with asking() as client:
        for _ in range(3):
            error = await failure(client.head_manifest(endpoint, endpoint.repository.tag("1")))
            assert error.kind is ErrorKind.RATE_LIMITED
    assert len(registry.requests) == 1


async def test_a_port_that_refuses_is_a_network_error() -> None:
    """Tried four times (row 19)."""
    pauses = Pauses()
    endpoint = source(closed_port("127.0.0.1"))
    async with asking(pauses=pauses) as client:
        error = await failure(client.head_manifest(endpoint, endpoint.repository.tag("1")))
    assert error.kind is ErrorKind.NETWORK
    assert len(pauses.seconds) == 3


async def test_silence_ends(registry: HostileRegistry, digest: Digest) -> None:
    """A registry that says nothing is a time-out, after as many tries (row 25)."""
    registry.inject(Fault("*", "*", Stalled()))
    endpoint = source(registry.host)
    async with asking(deadlines=HASTY) as client:
        error = await failure(client.head_manifest(endpoint, endpoint.repository.tag("1")))
    assert error.kind is ErrorKind.TIMEOUT
    assert len(registry.requests) == 4


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        pytest.param(RedirectLoop(), ErrorKind.UNSAFE, id="loop, row 35"),
        pytest.param(RedirectWithoutLocation(), ErrorKind.BAD_CONTENT, id="to nowhere, row 35"),
    ],
)
async def test_redirects_that_lead_nowhere_end(
    registry: HostileRegistry, digest: Digest, fault: Behaviour, kind: ErrorKind
) -> None:
    """They are an error, not a hang."""
    registry.inject(Fault("*", "*", fault))
    endpoint = source(registry.host)
    async with asking() as client:
        error = await failure(client.get_manifest(endpoint, endpoint.repository.tag("1")))
    assert error.kind is kind


async def test_an_expired_link_of_a_cdn_is_renewed(
    digest: Digest, registry: HostileRegistry
) -> None:
    """A CDN's 403 is no word about our credentials: the registry makes a new link (row 6)."""
    async with HostileRegistry("127.0.0.2") as cdn:
        cdn.store.put_image(REPOSITORY, "1")
        cdn.inject(Fault("GET", "*", CdnDenial(), times=1))
        registry.inject(Fault("GET", "*", Redirect(cdn.url, signed="sig=secret")))
        endpoint = source(registry.host)
        async with asking() as client:
            manifest = await client.get_manifest(endpoint, endpoint.repository.tag("1"))
            assert manifest.digest == digest
            assert len(registry.requests) == 2
            cdn.inject(Fault("GET", "*", CdnDenial()))
            error = await failure(client.get_manifest(endpoint, endpoint.repository.tag("1")))
        assert error.kind is ErrorKind.DENIED
        assert "secret" not in texts(error)
        assert len(registry.requests) == 4


@pytest.mark.parametrize("by", ["tag", "digest", "both"])
async def test_a_manifest_is_put(registry: HostileRegistry, digest: Digest, by: str) -> None:
    """Under a tag where there is one, else under its own digest; the bytes are the same."""
    content = registry.store.content(REPOSITORY, str(digest))
    registry.store.repositories[REPOSITORY].manifests.clear()
    registry.store.repositories[REPOSITORY].tags.clear()
    endpoint = target(registry.host)
    tag = None if by == "digest" else "2"
    reference = Reference(endpoint.repository, tag, None if by == "tag" else digest)
    async with asking() as client:
        await client.put_manifest(endpoint, reference, content, OCI_MANIFEST)
    assert registry.store.content(REPOSITORY, str(digest)) == content
    assert registry.store.tagged(REPOSITORY, "2") == (str(digest) if tag else None)


@pytest.mark.parametrize(
    "fault", [pytest.param(Dropped(), id="closed"), pytest.param(Reset(), id="reset")]
)
async def test_a_lost_answer_to_a_put_is_settled_by_a_head(
    registry: HostileRegistry, digest: Digest, fault: Behaviour
) -> None:
    """The tag names the digest: it was stored, and is not put again (row 54)."""
    content = registry.store.content(REPOSITORY, str(digest))
    registry.inject(Fault("PUT", "*", fault))
    endpoint = target(registry.host)
    async with asking() as client:
        await client.put_manifest(endpoint, endpoint.repository.tag("2"), content, OCI_MANIFEST)
    assert [request.method for request in registry.requests] == ["PUT", "HEAD"]
    assert registry.store.tagged(REPOSITORY, "2") == str(digest)


async def test_a_put_that_never_arrived_is_put_again(
    registry: HostileRegistry, digest: Digest
) -> None:
    """The tag names something else, so nothing was stored (rows 19, 54)."""
    other = registry.store.put_image(REPOSITORY, "2", layers=(b"old",))
    content = registry.store.content(REPOSITORY, str(digest))
    registry.inject(Fault("PUT", "*", Refused(), times=2))
    endpoint = target(registry.host)
    async with asking() as client:
        await client.put_manifest(endpoint, endpoint.repository.tag("2"), content, OCI_MANIFEST)
    assert [request.method for request in registry.requests] == ["PUT", "HEAD"] * 2 + ["PUT"]
    assert registry.store.tagged(REPOSITORY, "2") == str(digest) != other


async def test_a_put_that_cannot_be_settled_fails(
    registry: HostileRegistry, digest: Digest
) -> None:
    """When neither PUT nor HEAD is answered, the error is that of the PUT (row 50)."""
    registry.inject(Fault("*", "*", Refused()))
    endpoint = target(registry.host)
    async with asking() as client:
        error = await failure(
            client.put_manifest(endpoint, endpoint.repository.tag("2"), b"{}", OCI_MANIFEST)
        )
    assert (error.kind, error.method) == (ErrorKind.NETWORK, "PUT")
    assert len(registry.asked("PUT")) == 4


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "MANIFEST_INVALID", ErrorKind.REFUSED_BY_TARGET),
        (400, "MANIFEST_BLOB_UNKNOWN", ErrorKind.BLOB_MISSING),
        (403, "DENIED", ErrorKind.DENIED),
        (405, "UNSUPPORTED", ErrorKind.DENIED),
        (500, "UNKNOWN no space left on device", ErrorKind.TARGET_FULL),
    ],
)
async def test_a_put_that_is_refused_is_told_at_once(
    registry: HostileRegistry, digest: Digest, status: int, code: str, kind: ErrorKind
) -> None:
    """Nothing to settle, and nothing to repeat (rows 49 and 51 to 53)."""
    name, _, message = code.partition(" ")
    registry.inject(Fault("PUT", "*", Refusal(status, name, message)))
    endpoint = target(registry.host)
    async with asking() as client:
        error = await failure(
            client.put_manifest(endpoint, endpoint.repository.tag("2"), b"{}", OCI_MANIFEST)
        )
    assert (error.kind, error.codes) == (kind, (name,))
    assert [request.method for request in registry.requests] == ["PUT"]


async def test_each_try_says_which_it_is(registry: HostileRegistry, digest: Digest) -> None:
    """Whoever counts retries can tell them from first requests."""
    events: list[Event] = []
    registry.inject(Fault("*", "*", HtmlPage(503), times=2))
    endpoint = source(registry.host)
    async with asking(emit=events.append) as client:
        assert await client.head_manifest(endpoint, endpoint.repository.tag("1"))
    finished = [event for event in events if isinstance(event, RequestFinished)]
    assert [(event.status, event.tries) for event in finished] == [(503, 1), (503, 2), (200, 3)]
