"""Blobs on the wire: OCI distribution spec 1.1, pull, push, mount; and what can go wrong."""

import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from image_sync.embedded.uploads import Uploads
from image_sync.oci import Digest
from tests.embedded.content import CONFIG, ONE, image
from tests.embedded.served import Served, codes, open_files, served
from tests.server.asking import Answer, connect, exchange, read_all, request

pytestmark = pytest.mark.anyio

BLOB = bytes(range(200))
DIGEST = Digest.of(BLOB)
PATH = f"/v2/a/blobs/{DIGEST}"
LARGE = os.urandom(3 << 20)  # more than is read at once, and than sockets hold


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Served]:
    """A registry with BLOB in the repository `a`."""
    async with served(tmp_path / "root") as registry:
        await registry.push_blob(BLOB)
        yield registry


# -- pull -----------------------------------------------------------------------------------------


async def test_a_blob_is_given_back_as_it_came(registry: Served) -> None:
    """HEAD has what GET has, but the body."""
    get, head = await registry.get(PATH), await registry.ask("HEAD", PATH)
    assert (get.status, get.body) == (200, BLOB)
    assert (head.status, head.body) == (200, b"")
    for answer in (get, head):
        assert answer.fields["content-length"] == "200"
        assert answer.fields["content-type"] == "application/octet-stream"
        assert answer.fields["docker-content-digest"] == str(DIGEST)
        assert answer.fields["accept-ranges"] == "bytes"
        assert answer.fields["etag"] == f'"{DIGEST}"'


async def test_an_empty_blob_is_one(registry: Served) -> None:
    """Some images have one."""
    digest = await registry.push_blob(b"")
    answer = await registry.get(f"/v2/a/blobs/{digest}")
    assert (answer.status, answer.fields["content-length"], answer.body) == (200, "0", b"")


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        pytest.param(["Range: bytes=5-9"], (5, 9), id="part"),
        pytest.param(["Range: bytes=190-"], (190, 199), id="rest"),
        pytest.param(["Range: bytes=-10"], (190, 199), id="last"),
        pytest.param(["Range: bytes=190-999"], (190, 199), id="beyond"),
        pytest.param([f'If-Range: "{DIGEST}"', "Range: bytes=5-9"], (5, 9), id="if-it-is-the-same"),
        pytest.param(['If-Range: "x"', "Range: bytes=5-9"], None, id="if-it-is-another"),
        pytest.param(["Range: bytes=0-1,5-9"], None, id="several"),
        pytest.param(["Range: pages=1-2"], None, id="other-unit"),
    ],
)
async def test_a_part_of_a_blob(
    registry: Served, fields: list[str], part: tuple[int, int] | None
) -> None:
    """206 with where it is; all of it where a Range does not count."""
    answer = await registry.get(PATH, *fields)
    if part is None:
        assert (answer.status, answer.body) == (200, BLOB)
        return
    first, last = part
    assert (answer.status, answer.body) == (206, BLOB[first : last + 1])
    assert answer.fields["content-range"] == f"bytes {first}-{last}/200"
    assert answer.fields["content-length"] == str(last - first + 1)


@pytest.mark.parametrize("asked", ["200-", "500-0", "-0"])
async def test_a_part_that_is_not_there(registry: Served, asked: str) -> None:
    """416 with the size."""
    answer = await registry.get(PATH, f"Range: bytes={asked}")
    assert (answer.status, codes(answer)) == (416, ["SIZE_INVALID"])
    assert answer.fields["content-range"] == "bytes */200"


@pytest.mark.parametrize("tag", [f'"{DIGEST}"', f'W/"{DIGEST}"', "*", f'"x", "{DIGEST}"'])
async def test_what_a_client_has_is_not_sent_again(registry: Served, tag: str) -> None:
    """304: RFC 9110, section 13.1.2; blobs and manifests."""
    answer = await registry.get(PATH, f"If-None-Match: {tag}")
    assert (answer.status, answer.body) == (304, b"")
    assert (await registry.get(PATH, 'If-None-Match: "x"')).status == 200
    manifest = await registry.push("1")
    answer = await registry.get("/v2/a/manifests/1", f'If-None-Match: "{manifest}"')
    assert (answer.status, answer.body) == (304, b"")


async def test_a_damaged_blob_is_never_served_whole(registry: Served) -> None:
    """The answer is broken off before its end, and it is 404 until it is pushed again."""
    digest = await registry.push_blob(LARGE)
    path, file = f"/v2/a/blobs/{digest}", registry.store.find("a").blobs.path(digest)
    file.write_bytes(LARGE[:-1] + bytes([LARGE[-1] ^ 1]))
    answer = await registry.get(path)
    assert (answer.status, answer.fields["content-length"]) == (200, str(len(LARGE)))
    assert len(answer.body) < len(LARGE)
    for method in ("GET", "HEAD"):
        assert (await registry.ask(method, path)).status == 404
    (warning,) = registry.warnings
    assert str(digest) in warning
    file.write_bytes(LARGE)  # as somebody may mend it who has another copy
    assert (await registry.get(path)).body == LARGE


async def test_a_damaged_blob_that_is_pushed_again_is_served(registry: Served) -> None:
    """However often: new files come to have the number that the damaged one had."""
    registry.store.find("a").blobs.path(DIGEST).write_bytes(BLOB[::-1])
    await registry.get(PATH)
    assert (await registry.get(PATH)).status == 404
    for _ in range(3):
        await registry.push_blob(BLOB)
        assert (await registry.get(PATH)).body == BLOB


async def test_a_blob_that_is_cut_off_is_broken_off(registry: Served) -> None:
    """Also one that was seen whole before."""
    assert (await registry.get(PATH)).body == BLOB
    blob = registry.store.find("a").blobs.path(DIGEST)
    blob.write_bytes(BLOB[:50])
    answer = await registry.get(PATH, "Range: bytes=0-49")
    assert answer.body == BLOB[:50]
    digest = await registry.push_blob(b"")
    file = registry.store.find("a").blobs.path(digest)
    os.truncate(file, 1 << 40)
    async with await connect(registry.address) as stream:
        await stream.send(request(f"/v2/a/blobs/{digest}"))
        await stream.receive(100)
        os.truncate(file, 10)
        with anyio.fail_after(5):
            await read_all(stream)


async def test_a_damaged_blob_is_not_mounted(registry: Served) -> None:
    """The client is asked to push it instead."""
    registry.store.find("a").blobs.path(DIGEST).write_bytes(BLOB[::-1])
    await registry.get(PATH)
    answer = await registry.ask("POST", f"/v2/b/blobs/uploads/?mount={DIGEST}&from=a", body=b"")
    assert answer.status == 202
    assert (await finish(registry, answer.fields["location"], BLOB)).status == 201
    assert (await registry.get(PATH)).body == BLOB


async def test_a_client_that_goes_away_is_not_read_for(registry: Served) -> None:
    """Its file is closed at once, though there were gigabytes to read."""
    digest = await registry.push_blob(b"")
    file = registry.store.find("a").blobs.path(digest)
    os.truncate(file, 1 << 40)  # no bytes on the disk, and hours to read
    async with await connect(registry.address) as stream:
        await stream.send(request(f"/v2/a/blobs/{digest}"))
        await stream.receive(100)
        assert file in open_files()
    with anyio.fail_after(5):
        while file in open_files():
            await anyio.lowlevel.checkpoint()


# -- push -----------------------------------------------------------------------------------------


async def patch(registry: Served, where: str, content: bytes, *fields: str) -> Answer:
    """Send a piece of an upload."""
    return await registry.ask("PATCH", where, *fields, body=content)


async def finish(registry: Served, where: str, content: bytes) -> Answer:
    """Send all of an upload, and end it."""
    return await registry.ask("PUT", f"{where}?digest={Digest.of(content)}", body=content)


async def stands_at(registry: Served, where: str) -> str:
    """How far an upload came."""
    answer = await registry.get(where)
    assert answer.status == 204
    return answer.fields["range"]


async def test_a_blob_in_one_request(registry: Served) -> None:
    """POST with the digest; and POST, then PUT with all of it."""
    answer = await registry.ask("POST", f"/v2/a/blobs/uploads/?digest={Digest.of(ONE)}", body=ONE)
    assert answer.status == 201
    assert answer.fields["location"] == f"/v2/a/blobs/{Digest.of(ONE)}"
    assert answer.fields["docker-content-digest"] == str(Digest.of(ONE))
    answer = await finish(registry, await registry.begin("b"), ONE)
    assert answer.status == 201
    assert (await registry.get(answer.fields["location"])).body == ONE


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_a_blob_in_chunks(registry: Served, algorithm: str) -> None:
    """Each goes on where the last ended; the last may come with the end."""
    digest, where = Digest.of(ONE, algorithm), await registry.begin()
    answer = await patch(registry, where, ONE[:3], "Content-Range: 0-2")
    assert (answer.status, answer.fields["range"]) == (202, "0-2")
    answer = await patch(registry, where, ONE[3:5], "Content-Range: bytes 3-4/*")
    assert (answer.status, await stands_at(registry, where)) == (202, "0-4")
    end = f"Content-Range: 5-{len(ONE) - 1}"
    answer = await registry.ask("PUT", f"{where}?digest={digest}", end, body=ONE[5:])
    assert answer.status == 201
    assert (await registry.get(f"/v2/a/blobs/{digest}")).body == ONE
    assert (await registry.get(where)).status == 404


async def test_a_stream_without_length(registry: Served) -> None:
    """Transfer-Encoding chunked, as Docker sends it."""
    where = await registry.begin()
    chunks = b"3\r\n" + ONE[:3] + b"\r\n%x\r\n" % len(ONE[3:]) + ONE[3:] + b"\r\n0\r\n\r\n"
    sent = request(where, "PATCH", "Transfer-Encoding: chunked") + chunks
    assert (await exchange(registry.address, sent)).fields["range"] == f"0-{len(ONE) - 1}"
    answer = await registry.ask("PUT", f"{where}?digest={Digest.of(ONE)}", body=b"")
    assert answer.status == 201


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("told", ["5-6", "0-1", "3-9"], ids=["ahead", "again", "other-length"])
async def test_a_chunk_out_of_order(registry: Served, method: str, told: str) -> None:
    """416 with where it stands; the upload lives on, and nothing of it came."""
    where = await registry.begin()
    await patch(registry, where, ONE[:3])
    target = f"{where}?digest={Digest.of(ONE)}" if method == "PUT" else where
    answer = await registry.ask(method, target, f"Content-Range: {told}", body=b"xx")
    assert (answer.status, codes(answer)) == (416, ["BLOB_UPLOAD_INVALID"])
    assert (answer.fields["range"], answer.fields["location"]) == ("0-2", where)
    assert await stands_at(registry, where) == "0-2"
    await patch(registry, where, ONE[3:], f"Content-Range: 3-{len(ONE) - 1}")
    answer = await registry.ask("PUT", f"{where}?digest={Digest.of(ONE)}", body=b"")
    assert answer.status == 201


@pytest.mark.parametrize("told", ["x", "5", "9-5"])
async def test_a_chunk_that_says_nothing_sensible(registry: Served, told: str) -> None:
    """400; the upload lives on."""
    where = await registry.begin()
    answer = await patch(registry, where, b"x", f"Content-Range: {told}")
    assert (answer.status, codes(answer)) == (400, ["BLOB_UPLOAD_INVALID"])
    assert (await registry.get(where)).status == 204


async def test_a_chunk_of_another_length_than_said(registry: Served) -> None:
    """It is seen too late: the upload is over."""
    where = await registry.begin()
    fields = ("Content-Range: 0-9", "Transfer-Encoding: chunked")
    sent = request(where, "PATCH", *fields) + b"1\r\nx\r\n0\r\n\r\n"
    answer = await exchange(registry.address, sent)
    assert (answer.status, codes(answer)) == (400, ["BLOB_UPLOAD_INVALID"])
    assert (await registry.get(where)).status == 404


async def test_other_bytes_than_said_are_refused(registry: Served) -> None:
    """400, nothing is there, and the upload is over."""
    where = await registry.begin()
    answer = await registry.ask("PUT", f"{where}?digest={Digest.of(ONE)}", body=b"x")
    assert (answer.status, codes(answer)) == (400, ["DIGEST_INVALID"])
    assert (await registry.get(where)).status == 404
    assert (await registry.get(f"/v2/a/blobs/{Digest.of(ONE)}")).status == 404


async def test_an_end_without_digest_is_no_end(registry: Served) -> None:
    """The upload lives on."""
    where = await registry.begin()
    answer = await registry.ask("PUT", where, body=ONE)
    assert (answer.status, codes(answer)) == (400, ["DIGEST_INVALID"])
    assert (await finish(registry, where, ONE)).status == 201


async def broken_off(registry: Served, method: str, path: str, content: bytes) -> None:
    """Send a part of a request, and go away."""
    length = f"Content-Length: {len(content) + 100}"
    async with await connect(registry.address) as stream:
        await stream.send(request(path, method, length) + content)


async def test_what_came_before_a_connection_broke_stays(registry: Served) -> None:
    """The client asks how far it came, and goes on there."""
    where = await registry.begin()
    await broken_off(registry, "PATCH", where, LARGE[:1_000_000])
    came = int((await stands_at(registry, where)).partition("-")[2]) + 1
    assert 1 < came <= 1_000_000
    rest = f"Content-Range: {came}-{len(LARGE) - 1}"
    answer = await patch(registry, where, LARGE[came:], rest)
    assert answer.status == 202
    answer = await registry.ask("PUT", f"{where}?digest={Digest.of(LARGE)}", body=b"")
    assert answer.status == 201


async def test_requests_on_one_upload_wait_for_each_other(registry: Served) -> None:
    """Or their bytes would mix."""
    where = await registry.begin()
    head = request(where, "PATCH", f"Content-Length: {len(ONE)}")
    async with await connect(registry.address) as first:
        await first.send(head + ONE[:3])
        with anyio.move_on_after(0.2):
            await stands_at(registry, where)
            pytest.fail("it did not wait")
        await first.send(ONE[3:])
        with anyio.fail_after(5):
            assert Answer(await read_all(first)).status == 202
    assert await stands_at(registry, where) == f"0-{len(ONE) - 1}"


async def test_an_upload_is_cancelled(registry: Served) -> None:
    """And leaves nothing."""
    where = await registry.begin()
    await patch(registry, where, ONE)
    assert (await registry.ask("DELETE", where)).status == 204
    for method in ("GET", "PATCH", "DELETE"):
        answer = await registry.ask(method, where, body=b"")
        assert (answer.status, codes(answer)) == (404, ["BLOB_UPLOAD_UNKNOWN"])
    assert list(registry.store.find("a").blobs.uploads.iterdir()) == []


async def test_uploads_that_nobody_can_go_on_with_take_no_place(tmp_path: Path) -> None:
    """A whole one that failed or broke off: its name was never told."""
    async with served(tmp_path, uploads=Uploads(most=1)) as registry:
        path = f"/v2/a/blobs/uploads/?digest={Digest.of(ONE)}"
        assert (await registry.ask("POST", path, body=b"x")).status == 400
        assert (await registry.ask("POST", f"{path[:-1]}", body=ONE)).status == 400
        answer = await registry.ask("POST", path, "Content-Range: 5-9", body=b"x")
        assert answer.status == 416
        await broken_off(registry, "POST", path, b"x")
        await registry.begin()
        answer = await registry.ask("POST", "/v2/a/blobs/uploads/", body=b"")
        assert (answer.status, codes(answer)) == (429, ["TOOMANYREQUESTS"])
        assert answer.fields["retry-after"] == "60"


def assert_one_file(registry: Served) -> None:
    """The repositories `a` and `b` hold BLOB once."""
    one, other = (registry.store.find(name).blobs.path(DIGEST) for name in "ab")
    assert one.samefile(other)


# -- mount ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["&from=a", "", "&from=unknown"])
async def test_a_blob_of_another_repository_is_mounted(registry: Served, query: str) -> None:
    """201, and it is the same file."""
    answer = await registry.ask("POST", f"/v2/b/blobs/uploads/?mount={DIGEST}{query}", body=b"")
    assert answer.status == 201
    assert answer.fields["location"] == f"/v2/b/blobs/{DIGEST}"
    assert answer.fields["docker-content-digest"] == str(DIGEST)
    assert (await registry.get(f"/v2/b/blobs/{DIGEST}")).body == BLOB
    assert_one_file(registry)


async def test_a_blob_is_mounted_where_it_is(registry: Served) -> None:
    """Nothing happens to it."""
    answer = await registry.ask("POST", f"/v2/a/blobs/uploads/?mount={DIGEST}&from=a", body=b"")
    assert answer.status == 201
    assert (await registry.get(PATH)).body == BLOB


async def test_what_is_nowhere_is_to_be_pushed(registry: Served) -> None:
    """202 with an upload; a digest beside it does not end it."""
    digest = Digest.of(ONE)
    for more in ("&from=a", "", f"&digest={digest}"):
        path = f"/v2/b/blobs/uploads/?mount={digest}{more}"
        answer = await registry.ask("POST", path, body=b"")
        assert answer.status == 202
        assert (await registry.get(answer.fields["location"])).status == 204


async def test_a_blob_that_is_pushed_twice_is_one_file(registry: Served) -> None:
    """Whichever repositories have it."""
    await registry.push_blob(BLOB, "b")
    assert_one_file(registry)


# -- what can go wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "status"), [(errno.ENOSPC, 507), (errno.EDQUOT, 507), (errno.EIO, 500)]
)
async def test_a_disk_that_fails_is_told(
    registry: Served, monkeypatch: pytest.MonkeyPatch, number: int, status: int
) -> None:
    """To the client without details, to the operator with the folder; what is there stays."""
    await registry.push("1")
    where = await registry.begin()

    def failing(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    for step in ("write", "fsync", "replace"):
        with monkeypatch.context() as patching:
            patching.setattr(os, step, failing)
            answer = await finish(registry, where, ONE)
            assert (answer.status, codes(answer)) == (status, ["DENIED"]), step
            assert str(registry.store.root).encode() not in answer.body
        where = await registry.begin()
    with monkeypatch.context() as patching:
        patching.setattr(os, "replace", failing)
        assert (await registry.put(image(annotations={"a": "b"}), "1")).status == status
    assert len(registry.warnings) == 1  # the same within a minute is told once
    assert all(str(registry.store.root) in warning for warning in registry.warnings)
    assert (await registry.get("/v2/a/manifests/1")).body == image()
    await finish(registry, where, ONE)
    assert (await registry.get(f"/v2/a/blobs/{Digest.of(ONE)}")).body == ONE
    assert list(registry.store.find("a").blobs.uploads.iterdir()) == []


async def test_a_refusal_reaches_a_client_that_is_still_sending(registry: Served) -> None:
    """It says why, though nobody reads the rest."""
    body = b" " * (8 << 20)
    head = f"PUT /v2/a/manifests/1 HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
    async with await connect(registry.address) as stream:
        await stream.send(head.encode() + body)
        with anyio.fail_after(5):
            answer = Answer(await stream.receive())
    assert (answer.status, codes(answer)) == (413, ["SIZE_INVALID"])


async def test_a_bug_of_ours_ends_one_request(
    registry: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 without details, and where it is for a report."""

    def failing(*_: object) -> None:
        raise ZeroDivisionError("planted")

    with monkeypatch.context() as patching:
        patching.setattr(os, "replace", failing)
        answer = await finish(registry, await registry.begin(), ONE)
    assert (answer.status, answer.body) == (500, b"")
    (warning,) = registry.warnings
    assert "ZeroDivisionError at " in warning
    assert "please report it" in warning
    assert (await registry.get(PATH)).body == BLOB


async def test_it_holds_no_files_open(registry: Served) -> None:
    """Whatever was asked for."""
    await registry.push("1")
    before = len(open_files())
    for method, path, *fields in (
        ("GET", PATH),
        ("HEAD", PATH),
        ("GET", PATH, "Range: bytes=0-1"),
        ("GET", PATH, "Range: bytes=900-"),
        ("GET", PATH, "If-None-Match: *"),
        ("GET", f"/v2/a/blobs/{Digest.of(CONFIG)}"),
        ("POST", f"/v2/b/blobs/uploads/?mount={DIGEST}"),
        ("POST", "/v2/b/blobs/uploads/?digest=x"),
    ):
        await registry.ask(method, path, *fields)
    assert len(open_files()) == before
