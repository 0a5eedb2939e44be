"""Every behaviour does on the wire what its docstring says."""

import gzip
import json
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial

import anyio
import pytest

from tests.hostile import (
    FORBIDDEN_AUTHORITIES,
    Answer,
    Behaviour,
    CdnDenial,
    Chunked,
    Composed,
    Document,
    Drip,
    Dropped,
    Endless,
    Fault,
    Gate,
    GzipBomb,
    Gzipped,
    Held,
    HostileRegistry,
    HtmlPage,
    HubAbuseLimit,
    HubQuota,
    HugeFields,
    Impatient,
    InformationalStorm,
    LargeRefused,
    MountIgnored,
    OnlyRanged,
    RangeIgnored,
    RawBytes,
    Redirect,
    RedirectChain,
    RedirectLoop,
    RedirectWithoutLocation,
    Refusal,
    Refused,
    Reset,
    ShiftedRange,
    Stalled,
    StreamsRefused,
    TagMoves,
    TooLong,
    TooManyRequests,
    Torn,
    Truncated,
    Unauthorized,
    Unread,
    UploadLost,
    WithExtraField,
    WithField,
    WithoutFields,
    WrongBytes,
    digest_of,
)
from tests.hostile.rawclient import Ending, ask, dial, get, hear

pytestmark = pytest.mark.anyio

LAYER = bytes(range(256)) * 4
BLOB = f"/v2/a/blobs/{digest_of(LAYER)}"
MANIFEST = "/v2/a/manifests/1"


@pytest.fixture
async def registry() -> AsyncIterator[HostileRegistry]:
    """A registry that holds `a:1` with one layer."""
    async with HostileRegistry() as running:
        running.store.put_image("a", "1", layers=[LAYER])
        yield running


@pytest.mark.parametrize(
    ("behaviour", "status", "part"),
    [
        pytest.param(Answer(418, b"short"), 418, b"short", id="fixed"),
        pytest.param(Refusal(403, "DENIED"), 403, b'"code": "DENIED"', id="registry error"),
        pytest.param(HtmlPage(502), 502, b"<html>", id="proxy page"),
        pytest.param(CdnDenial(), 403, b"AccessDenied", id="cdn"),
        pytest.param(Unauthorized(), 401, b"UNAUTHORIZED", id="no challenge"),
        pytest.param(TooManyRequests(), 429, b"TOOMANYREQUESTS", id="limit"),
        pytest.param(TooManyRequests(body=b"calm down"), 429, b"calm down", id="limit in words"),
        pytest.param(HubAbuseLimit(), 429, b"HAP429", id="abuse limit"),
        pytest.param(RedirectWithoutLocation(), 307, b"", id="redirect to nowhere"),
        pytest.param(Document(b'{"layers":1}'), 200, b'{"layers":1}', id="document"),
    ],
)
async def test_fixed_answers_replace_the_honest_one(
    registry: HostileRegistry, behaviour: Behaviour, status: int, part: bytes
) -> None:
    """Status and body are the behaviour's, with a true Content-Length."""
    registry.inject(Fault("GET", MANIFEST, behaviour))
    answer = await ask(registry.host, "GET", MANIFEST)
    assert answer.status == status
    assert part in answer.body
    assert answer["Content-Length"] == str(len(answer.body))


async def test_answers_to_head_have_no_body(registry: HostileRegistry) -> None:
    """An error to a HEAD leaves the client without a code (fault row 7)."""
    registry.inject(Fault("HEAD", "*", Refusal(403, "DENIED")))
    heard = await hear(registry.host, get(MANIFEST, method="HEAD"))
    assert heard.head.startswith(b"HTTP/1.1 403 Forbidden")
    assert heard.body == b""


async def test_retry_after_as_seconds_or_as_a_date_beside_the_answers_own(
    registry: HostileRegistry,
) -> None:
    """Both forms of RFC 9110, section 10.2.3 (fault rows 8 and 58)."""
    now, then = datetime(2031, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, 0, 2, tzinfo=UTC)
    registry.inject(Fault("GET", "*", TooManyRequests(120), times=1))
    registry.inject(Fault("GET", "*", TooManyRequests(then, date=now)))
    assert (await ask(registry.host, "GET", MANIFEST))["Retry-After"] == "120"
    dated = await ask(registry.host, "GET", MANIFEST)
    assert dated["Retry-After"] == "Wed, 01 Jan 2031 00:02:00 GMT"
    assert dated["Date"] == "Wed, 01 Jan 2031 00:00:00 GMT"


async def test_the_quota_counts_gets_and_not_heads(registry: HostileRegistry) -> None:
    """Figures stand on both; at zero GET is refused and HEAD is not (fault rows 9 and 10)."""
    registry.inject(Fault("GET|HEAD", "/v2/*/manifests/*", HubQuota(remaining=1)))
    steps = [await ask(registry.host, verb, MANIFEST) for verb in ("HEAD", "GET", "GET", "HEAD")]
    assert [step.status for step in steps] == [200, 200, 429, 200]
    assert [step["ratelimit-remaining"] for step in steps] == [
        "1;w=21600",
        "0;w=21600",
        "0;w=21600",
        "0;w=21600",
    ]
    assert steps[0]["ratelimit-limit"] == "100;w=21600"


async def test_fields_are_removed_replaced_repeated_and_huge(registry: HostileRegistry) -> None:
    """The body stays honest while its head does not (fault rows 29-31 and 62)."""
    registry.inject(
        Fault(
            "GET",
            BLOB,
            Composed(
                WithoutFields("docker-content-digest"),
                WithField("Content-Type", "text/html"),
                WithExtraField("Content-Length", "3"),
                HugeFields(200_000, fields=2),
            ),
        )
    )
    heard = await hear(registry.host, get(BLOB))
    assert b"Docker-Content-Digest" not in heard.head
    assert heard.head.count(b"Content-Type:") == 1
    assert b"Content-Type: text/html" in heard.head
    assert heard.head.count(b"Content-Length:") == 2
    assert len(heard.head) > 200_000
    assert heard.body == LAYER


async def test_bodies_that_belie_their_digest(registry: HostileRegistry) -> None:
    """Wrong bytes have the right length; too long ones admit it (fault rows 24 and 27)."""
    registry.inject(Fault("GET", BLOB, WrongBytes(), times=1))
    registry.inject(Fault("GET", BLOB, TooLong(5), times=1))
    registry.inject(Fault("GET", BLOB, Chunked(100), times=1))
    flipped = await ask(registry.host, "GET", BLOB)
    assert len(flipped.body) == len(LAYER)
    assert sum(a != b for a, b in zip(flipped.body, LAYER, strict=True)) == 1
    longer = await ask(registry.host, "GET", BLOB)
    assert longer["Content-Length"] == str(len(LAYER) + 5)
    assert longer.body == LAYER + bytes(5)
    assert (await ask(registry.host, "GET", BLOB)).body == LAYER


async def test_endless_bodies_end_with_the_client(registry: HostileRegistry) -> None:
    """Chunks come until the client hangs up, and the server survives that (rows 24 and 37)."""
    registry.inject(Fault("GET", BLOB, Endless()))
    heard = await hear(registry.host, get(BLOB), limit=3_000_000)
    assert b"Transfer-Encoding: chunked" in heard.head
    assert LAYER in heard.body
    assert len(heard.data) >= 3_000_000


async def test_encoded_bodies_unpack_to_the_content_or_to_a_bomb(
    registry: HostileRegistry,
) -> None:
    """Content-Encoding comes unasked for (fault row 28)."""
    registry.inject(Fault("GET", BLOB, Gzipped(), times=1))
    registry.inject(Fault("GET", BLOB, GzipBomb(8 * 1024 * 1024)))
    packed = await ask(registry.host, "GET", BLOB)
    assert packed["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == LAYER
    bomb = await ask(registry.host, "GET", BLOB)
    assert len(bomb.body) < 20_000
    assert len(gzip.decompress(bomb.body)) == 8 * 1024 * 1024


@pytest.mark.parametrize(
    ("behaviour", "ending", "declared", "body"),
    [
        pytest.param(Truncated(100), Ending.FIN, True, LAYER[:100], id="row 22"),
        pytest.param(Truncated(100, declared=False), Ending.FIN, False, LAYER[:100], id="row 23"),
        pytest.param(Reset(100), Ending.RST, True, LAYER[:100], id="row 20"),
        pytest.param(Reset(), Ending.RST, False, b"", id="row 19"),
        pytest.param(Refused(), Ending.RST, False, b"", id="row 19 without effect"),
        pytest.param(Dropped(), Ending.FIN, False, b"", id="row 54"),
        pytest.param(RawBytes(b"HTTP/9 200"), Ending.FIN, False, b"", id="row 62"),
    ],
)
async def test_answers_break_off(
    registry: HostileRegistry, *, behaviour: Behaviour, ending: Ending, declared: bool, body: bytes
) -> None:
    """The right bytes come, then FIN or RST."""
    registry.inject(Fault("GET", BLOB, behaviour))
    heard = await hear(registry.host, get(BLOB))
    assert heard.ending is ending
    assert heard.body == body
    assert (f"Content-Length: {len(LAYER)}".encode() in heard.head) is declared


@pytest.mark.parametrize(
    ("behaviour", "stored"),
    [
        pytest.param(Dropped(), True, id="answer lost"),
        pytest.param(Reset(), True, id="answer reset"),
        pytest.param(Refused(), False, id="request lost"),
    ],
)
async def test_a_lost_put_did_or_did_not_happen(
    registry: HostileRegistry, *, behaviour: Behaviour, stored: bool
) -> None:
    """The tag has moved although no answer came (fault row 54), or has not (fault row 19)."""
    digest = registry.store.tagged("a", "1")
    assert digest is not None
    content = registry.store.content("a", digest)
    registry.inject(Fault("PUT", "*", behaviour))
    length = f"Content-Length: {len(content)}"
    await hear(registry.host, get("/v2/a/manifests/2", length, method="PUT") + content)
    assert (registry.store.tagged("a", "2") == digest) is stored


@pytest.mark.parametrize("after", [None, 0, 100])
async def test_a_stall_lasts_until_its_gate_opens(
    registry: HostileRegistry, after: int | None
) -> None:
    """The first part comes, then nothing, then the rest (fault row 25)."""
    stalled = Stalled(after)
    registry.inject(Fault("GET", BLOB, stalled))
    with dial(registry.host) as connection:
        connection.sendall(get(BLOB))
        await stalled.gate.reached()
        connection.setblocking(False)
        if after is None:
            with pytest.raises(BlockingIOError):
                connection.recv(65536)
        else:
            assert connection.recv(65536).partition(b"\r\n\r\n")[2] == LAYER[:after]
        stalled.gate.open()
        await anyio.wait_readable(connection)
        assert connection.recv(65536).endswith(LAYER[after or 0 :])


async def test_a_stall_ends_when_the_client_hangs_up(registry: HostileRegistry) -> None:
    """Nobody needs to open the gate."""
    stalled = Stalled()
    registry.inject(Fault("GET", BLOB, stalled, times=1))
    with dial(registry.host) as connection:
        connection.sendall(get(BLOB))
        await stalled.gate.reached()
    while registry.connections:
        await anyio.lowlevel.checkpoint()
    assert (await ask(registry.host, "GET", BLOB)).body == LAYER


async def test_a_server_ends_at_once_with_stalled_clients() -> None:
    """Leaving the block cuts connections that stall, without an open gate."""
    stalled, unread = Stalled(3), Unread()
    async with HostileRegistry() as registry:
        registry.store.put_blob("a", LAYER)
        registry.inject(Fault("GET", "*", stalled))
        registry.inject(Fault("PUT", "*", unread))
        with dial(registry.host) as one, dial(registry.host) as two:
            one.sendall(get(BLOB))
            two.sendall(get("/v2/a/manifests/1", "Content-Length: 9", method="PUT"))
            await stalled.gate.reached()
            await unread.gate.reached()
    assert registry.connections == 0


async def test_a_drip_is_complete(registry: HostileRegistry) -> None:
    """All of it comes, in single bytes (fault row 25)."""
    registry.store.put_blob("a", b"slow")
    registry.inject(Fault("GET", "*", Drip(0.0, head=True)))
    heard = await hear(registry.host, get(f"/v2/a/blobs/{digest_of(b'slow')}"))
    assert heard.head.startswith(b"HTTP/1.1 200 OK")
    assert heard.body == b"slow"


async def test_an_unread_upload_is_answered_after_its_gate(registry: HostileRegistry) -> None:
    """The answer is honest once the body is read (fault row 26)."""
    unread = Unread()
    registry.inject(Fault("POST", "*", unread))
    target = f"/v2/a/blobs/uploads/?digest={digest_of(b'late')}"
    async with anyio.create_task_group() as group:

        async def push() -> None:
            assert (await ask(registry.host, "POST", target, b"late")).status == 201

        group.start_soon(push)
        await unread.gate.reached()
        assert registry.requests[-1].body == b""
        unread.gate.open()


async def test_patience_lasts_as_long_as_the_client_reads(registry: HostileRegistry) -> None:
    """Who takes nothing gets RST, who takes all gets all (fault row 26)."""
    large = bytes(16 * 1024 * 1024)  # more than the sockets hold
    path = f"/v2/a/blobs/{registry.store.put_blob('a', large)}"
    impatient = Impatient(0.1)
    registry.inject(Fault("GET", path, impatient))
    with dial(registry.host) as idle:
        idle.sendall(get(path))
        await impatient.lost.reached()
        with pytest.raises(ConnectionResetError):
            deque(iter(partial(idle.recv, 1024 * 1024), b""), maxlen=0)
    heard = await hear(registry.host, get(path))
    assert heard.body == large
    assert heard.ending is Ending.FIN


async def test_a_refusal_may_come_before_the_body(registry: HostileRegistry) -> None:
    """As of a registry that looks at the head alone (fault row 2)."""
    registry.inject(Fault("PUT", "*", Unauthorized('Bearer realm="x"', early=True)))
    unsent = get(MANIFEST, "Content-Length: 9", method="PUT")
    heard = await hear(registry.host, unsent, limit=200)
    assert heard.head.startswith(b"HTTP/1.1 401")


async def test_a_held_request_has_no_effect_before_its_gate(registry: HostileRegistry) -> None:
    """What it asks for is looked up afterwards, so tests can order two requests."""
    gate = Gate()
    registry.inject(Fault("GET", "*", Held(gate)))
    async with anyio.create_task_group() as group:

        async def read() -> None:
            assert (await ask(registry.host, "GET", "/v2/a/manifests/new")).status == 200

        group.start_soon(read)
        await gate.reached()
        registry.store.put_image("a", "new")
        gate.open()


async def test_redirects_keep_path_and_query_and_add_a_signature(
    registry: HostileRegistry,
) -> None:
    """As a CDN's do (fault rows 6, 33 and 34)."""
    registry.inject(Fault("GET", "*", Redirect("http://127.0.0.2:1", signed="sig=s3cret")))
    answer = await ask(registry.host, "GET", f"{BLOB}?ns=x")
    assert answer.status == 307
    assert answer["Location"] == f"http://127.0.0.2:1{BLOB}?ns=x&sig=s3cret"


@pytest.mark.parametrize("authority", FORBIDDEN_AUTHORITIES)
async def test_redirects_to_forbidden_addresses(registry: HostileRegistry, authority: str) -> None:
    """The Location is the address as given (fault row 36)."""
    registry.inject(Fault("GET", "*", Redirect(location=f"http://{authority}/x")))
    assert (await ask(registry.host, "GET", BLOB))["Location"] == f"http://{authority}/x"


async def test_redirect_chains_end_and_loops_do_not(registry: HostileRegistry) -> None:
    """A chain leads to the content after its hops; a loop names itself (fault row 35)."""
    registry.inject(Fault("GET", BLOB, RedirectChain(2), times=3))
    registry.inject(Fault("GET", BLOB, RedirectLoop()))
    target = BLOB
    for hop in ("1", "2"):
        target = (await ask(registry.host, "GET", target))["Location"]
        assert target == f"{BLOB}?hop={hop}"
    assert (await ask(registry.host, "GET", target)).body == LAYER
    assert (await ask(registry.host, "GET", target))["Location"] == target


async def test_ranges_are_ignored_shifted_or_refused(registry: HostileRegistry) -> None:
    """A resume does not get what it asked for (fault row 21)."""
    asked = {"Range": "bytes=1000-"}
    for behaviour in (RangeIgnored(), ShiftedRange(8), OnlyRanged(Refusal(416, "UNKNOWN"))):
        registry.inject(Fault("GET", BLOB, behaviour, times=1))
    whole = await ask(registry.host, "GET", BLOB, fields=asked)
    assert (whole.status, whole.body) == (200, LAYER)
    shifted = await ask(registry.host, "GET", BLOB, fields=asked)
    assert (shifted.status, shifted.body) == (206, LAYER[1008:])
    assert shifted["Content-Range"] == f"bytes 1008-1023/{len(LAYER)}"
    assert (await ask(registry.host, "GET", BLOB, fields=asked)).status == 416


async def test_only_ranged_leaves_other_requests_alone(registry: HostileRegistry) -> None:
    """The first GET is honest, the resume is not (fault row 21)."""
    registry.inject(Fault("GET", BLOB, OnlyRanged(Answer(400))))
    assert (await ask(registry.host, "GET", BLOB)).body == LAYER
    assert (await ask(registry.host, "GET", BLOB, fields={"Range": "bytes=1-"})).status == 400


async def test_a_storm_of_interim_answers_comes_before_the_answer(
    registry: HostileRegistry,
) -> None:
    """All of them, then the answer; without a count they never end (fault row 62)."""
    registry.inject(Fault("GET", BLOB, InformationalStorm(1000), times=1))
    registry.inject(Fault("GET", BLOB, InformationalStorm()))
    heard = await hear(registry.host, get(BLOB))
    assert heard.data.count(b"HTTP/1.1 103 Early Hints\r\n\r\n") == 1000
    assert heard.data.endswith(LAYER)
    endless = await hear(registry.host, get(BLOB), limit=1_000_000)
    assert b"200 OK" not in endless.data


async def test_uploads_are_lost_and_mounts_ignored(registry: HostileRegistry) -> None:
    """The session is unknown from then on; a mount becomes a session (fault rows 44 and 48)."""
    started = await ask(registry.host, "POST", "/v2/a/blobs/uploads/")
    registry.inject(Fault("PATCH", "*", UploadLost(registry.uploads)))
    lost = await ask(registry.host, "PATCH", started["Location"], b"x")
    assert lost.status == 404
    assert json.loads(lost.body)["errors"][0]["code"] == "BLOB_UPLOAD_UNKNOWN"
    registry.inject(Fault("POST", "*", MountIgnored(), query="mount=*"))
    mount = f"/v2/b/blobs/uploads/?mount={digest_of(LAYER)}&from=a"
    assert (await ask(registry.host, "POST", mount)).status == 202


async def test_a_tag_moves_or_goes_after_it_was_asked_for(registry: HostileRegistry) -> None:
    """HEAD tells of the old digest, and the next request does not (fault rows 55 and 56)."""
    old, new = registry.store.tagged("a", "1"), registry.store.put_image("a", layers=[b"new"])
    registry.inject(Fault("HEAD", "*", TagMoves(registry.store, "a", "1", new), times=1))
    registry.inject(Fault("HEAD", "*", TagMoves(registry.store, "a", "1", None), times=1))
    seen = [await ask(registry.host, "HEAD", MANIFEST) for _ in range(3)]
    assert [step["Docker-Content-Digest"] for step in seen[:2]] == [old, new]
    assert seen[2].status == 404


async def test_faults_come_in_order_and_run_out(registry: HostileRegistry) -> None:
    """The first that has shots left wins; `after` lets matches pass; hits are counted."""
    limited = registry.inject(Fault("GET", MANIFEST, Answer(429), times=1, after=1))
    broken = registry.inject(Fault("GET|HEAD", "/v2/*/manifests/*", Answer(503), times=2))
    statuses = [(await ask(registry.host, "GET", MANIFEST)).status for _ in range(5)]
    assert statuses == [503, 429, 503, 200, 200]
    assert (limited.hits, broken.hits) == (1, 2)


@pytest.mark.parametrize("after", [0, 3, 10])
async def test_a_torn_upload_keeps_what_arrived(after: int) -> None:
    """The session has as many bytes as the client is told when it asks (row 45)."""
    async with HostileRegistry() as registry:
        location = (await ask(registry.host, "POST", "/v2/a/blobs/uploads/"))["Location"]
        registry.inject(Fault("PATCH", "*", Torn(registry.uploads, after)))
        sent = get(location, "Content-Length: 10", method="PATCH") + b"0123456789"
        assert (await hear(registry.host, sent)).data == b""
        (session,) = registry.uploads.sessions.values()
        assert session.received == b"0123456789"[:after]


async def test_bodies_without_a_length_are_refused() -> None:
    """411, and those with one are taken (row 47)."""
    async with HostileRegistry() as registry:
        location = (await ask(registry.host, "POST", "/v2/a/blobs/uploads/"))["Location"]
        registry.inject(Fault("PATCH", "*", StreamsRefused()))
        sent = (
            get(location, "Transfer-Encoding: chunked", method="PATCH") + b"3\r\nabc\r\n0\r\n\r\n"
        )
        assert b" 411 " in (await hear(registry.host, sent)).head
        assert (await ask(registry.host, "PATCH", location, body=b"abc")).status == 202


async def test_bodies_that_are_too_large_are_refused() -> None:
    """413, and smaller ones are taken (row 47)."""
    async with HostileRegistry() as registry:
        location = (await ask(registry.host, "POST", "/v2/a/blobs/uploads/"))["Location"]
        registry.inject(Fault("PATCH", "*", LargeRefused(3)))
        assert (await ask(registry.host, "PATCH", location, body=b"abcd")).status == 413
        assert (await ask(registry.host, "PATCH", location, body=b"abc")).status == 202
