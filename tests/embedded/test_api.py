"""The API on the wire: OCI distribution spec 1.1, for what is read, and for manifests."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import bcrypt
import pytest

from image_sync.embedded.accounts import Accounts
from image_sync.embedded.app import Access
from image_sync.oci import Digest
from image_sync.oci.manifest import MAX_MANIFEST
from image_sync.oci.mediatypes import OCI_INDEX, OCI_MANIFEST
from tests.embedded.content import CONFIG, ONE, image, index
from tests.embedded.served import Served, codes, served
from tests.embedded.test_accounts import basic
from tests.server.asking import Answer, exchange, request

pytestmark = pytest.mark.anyio

NOWHERE = Digest.of(b"nowhere")


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Served]:
    """A registry without images."""
    async with served(tmp_path / "root") as registry:
        yield registry


async def assert_head_is_get(registry: Served, path: str) -> Answer:
    """HEAD has what GET has, but the body: RFC 9110, section 9.3.2; tells the GET's."""
    head, get = await registry.ask("HEAD", path), await registry.get(path)
    assert (head.status, head.body) == (get.status, b"")
    kept = [{k: v for k, v in each.fields.items() if k != "date"} for each in (head, get)]
    assert kept[0] == kept[1]
    return get


@pytest.mark.parametrize("path", ["/v2/", "/v2"])
async def test_it_says_that_it_is_a_registry(registry: Served, path: str) -> None:
    """end-1."""
    answer = await registry.get(path)
    assert (answer.status, answer.body) == (200, b"{}")
    assert answer.fields["docker-distribution-api-version"] == "registry/2.0"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "UNSUPPORTED"),
        ("GET", "/v2/A/tags/list", 400, "NAME_INVALID"),
        ("GET", "/v2/x/tags/list", 404, "NAME_UNKNOWN"),
        ("GET", "/v2/x/manifests/1", 404, "NAME_UNKNOWN"),
        ("GET", "/v2/a/manifests/unknown", 404, "MANIFEST_UNKNOWN"),
        ("GET", f"/v2/a/manifests/{NOWHERE}", 404, "MANIFEST_UNKNOWN"),
        ("GET", "/v2/a/manifests/sha256:bad", 400, "DIGEST_INVALID"),
        ("GET", "/v2/a/manifests/-", 400, "MANIFEST_INVALID"),
        ("GET", f"/v2/a/blobs/{NOWHERE}", 404, "BLOB_UNKNOWN"),
        ("GET", "/v2/a/blobs/sha256:bad", 400, "DIGEST_INVALID"),
        ("GET", "/v2/a/blobs/uploads/unknown", 404, "BLOB_UPLOAD_UNKNOWN"),
        ("PATCH", "/v2/a/blobs/uploads/unknown", 404, "BLOB_UPLOAD_UNKNOWN"),
        ("GET", "/v2/a/blobs/uploads/", 405, "UNSUPPORTED"),
        ("GET", "/v2/a/referrers/1", 400, "DIGEST_INVALID"),
        ("DELETE", "/v2/a/manifests/unknown", 404, "MANIFEST_UNKNOWN"),
        ("DELETE", f"/v2/a/blobs/{NOWHERE}", 404, "BLOB_UNKNOWN"),
        ("DELETE", "/v2/a/tags/list", 405, "UNSUPPORTED"),
        ("POST", "/v2/a/manifests/1", 405, "UNSUPPORTED"),
        ("PUT", f"/v2/a/blobs/{NOWHERE}", 405, "UNSUPPORTED"),
        ("BREW", "/v2/", 405, "UNSUPPORTED"),
        ("POST", "/v2/blobs/blobs/uploads/", 400, "NAME_INVALID"),
        ("POST", "/v2/a/blobs/uploads/?mount=sha256:bad", 400, "DIGEST_INVALID"),
        ("POST", "/v2/a/blobs/uploads/?digest=sha256:bad", 400, "DIGEST_INVALID"),
        ("GET", "/v2/a/tags/list?n=-1", 400, "UNSUPPORTED"),
        ("GET", "/v2/a/tags/list?n=x", 400, "UNSUPPORTED"),
        ("PUT", f"/v2/a/manifests/{NOWHERE}?tag=-", 400, "MANIFEST_INVALID"),
    ],
)
async def test_what_is_refused_says_why(
    registry: Served, method: str, path: str, status: int, code: str
) -> None:
    """With a code of the specification, and nothing else is told."""
    await registry.push("1")
    answer = await registry.ask(method, path, body=None if method == "GET" else b"")
    assert (answer.status, codes(answer)) == (status, [code])
    assert registry.warnings == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/v2/a/manifests/1%3Fn=1", 400, id="question-mark"),
        pytest.param("/v2/a/manifests/1%23", 400, id="fragment"),
        pytest.param("/v2/%2e%2e/manifests/1", 400, id="upwards"),
        pytest.param("/v2/a%00/manifests/1", 400, id="nul"),
        pytest.param(f"/v2/a/manifests/{quote(str(Digest.of(image())))}", 200, id="colon"),
        pytest.param("/v2/a/manifests/1?ns=docker.io", 200, id="containerd"),
    ],
)
async def test_a_path_is_what_it_says_after_decoding(
    registry: Served, path: str, status: int
) -> None:
    """Not cut where a decoded character would cut a URL; unknown parameters do not count."""
    await registry.push("1")
    assert (await registry.get(path)).status == status


async def test_the_host_that_a_client_says_does_not_count(registry: Served) -> None:
    """It must not become a part of the path (CVE-2026-48710)."""
    sent = b"GET /v2/ HTTP/1.1\r\nHost: a/v2/_catalog?\r\nConnection: close\r\n\r\n"
    answer = await exchange(registry.address, sent)
    assert b"repositories" not in answer.body


# -- manifests ------------------------------------------------------------------------------------


async def test_a_manifest_is_given_back_as_it_came(registry: Served) -> None:
    """By tag and by digest, with its type."""
    digest = await registry.push("1")
    for reference in ("1", digest):
        answer = await assert_head_is_get(registry, f"/v2/a/manifests/{reference}")
        assert (answer.status, answer.body) == (200, image())
        assert answer.fields["content-type"] == OCI_MANIFEST
        assert answer.fields["content-length"] == str(len(image()))
        assert answer.fields["docker-content-digest"] == str(digest)


async def test_a_push_says_what_was_stored(registry: Served) -> None:
    """Where it is, its digest, its subject."""
    await registry.push("1")
    answer = await registry.put(image(subject=image()), "2")
    digest = Digest.of(image(subject=image()))
    assert answer.status == 201
    assert answer.fields["location"] == f"/v2/a/manifests/{digest}"
    assert answer.fields["docker-content-digest"] == str(digest)
    assert answer.fields["oci-subject"] == str(Digest.of(image()))
    assert "oci-tag" not in answer.fields


async def test_a_push_by_digest_may_name_tags(registry: Served) -> None:
    """`tag`, repeated; each answers with the digest that it was pushed by."""
    await registry.push()
    digest = Digest.of(image(), "sha512")
    answer = await registry.put(image(), digest, query="?tag=x&tag=y")
    assert (answer.status, answer.fields["oci-tag"]) == (201, "x, y")
    for tag in ("x", "y"):
        fields = (await registry.ask("HEAD", f"/v2/a/manifests/{tag}")).fields
        assert fields["docker-content-digest"] == str(digest)


async def test_a_push_of_other_bytes_than_said_is_refused(registry: Served) -> None:
    """400, and nothing is there."""
    await registry.push()
    answer = await registry.put(image() + b"  ", Digest.of(image()))
    assert (answer.status, codes(answer)) == (400, ["DIGEST_INVALID"])
    assert (await registry.get(f"/v2/a/manifests/{Digest.of(image())}")).status == 404


async def test_a_manifest_may_be_large_and_not_larger(registry: Served) -> None:
    """4 MiB, with its length told or not; the connection ends in order."""
    await registry.push()
    space = MAX_MANIFEST - len(image())
    assert (await registry.put(image() + b" " * space, "1")).status == 201
    answer = await registry.put(image() + b" " * (space + 1), "2")
    assert (answer.status, codes(answer)) == (413, ["SIZE_INVALID"])
    chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (MAX_MANIFEST, image() + b" " * space)
    sent = request("/v2/a/manifests/3", "PUT", "Transfer-Encoding: chunked") + chunk
    assert (await exchange(registry.address, sent)).status == 201


async def test_a_manifest_whose_parts_are_missing_is_refused(registry: Served) -> None:
    """404 with the specification's code: it could not be pulled."""
    answer = await registry.put(image(ONE), "1")
    assert (answer.status, codes(answer)) == (404, ["MANIFEST_BLOB_UNKNOWN"])


async def test_what_is_deleted_is_gone_at_once(registry: Served) -> None:
    """A tag, then the manifest, then its blob; in another order it is refused."""
    digest = await registry.push("1", "2")
    blob = f"/v2/a/blobs/{Digest.of(CONFIG)}"
    assert (await registry.ask("DELETE", "/v2/a/manifests/1")).status == 202
    assert (await registry.get("/v2/a/manifests/1")).status == 404
    answer = await registry.ask("DELETE", blob)
    assert (answer.status, codes(answer)) == (409, ["DENIED"])
    assert (await registry.ask("DELETE", f"/v2/a/manifests/{digest}")).status == 202
    for gone in ("2", digest):
        assert (await registry.get(f"/v2/a/manifests/{gone}")).status == 404
    assert (await registry.ask("DELETE", blob)).status == 202
    assert (await registry.get(blob)).status == 404


async def test_a_damaged_manifest_is_not_served_and_mended_by_a_push(registry: Served) -> None:
    """An operator is told."""
    digest = await registry.push("1")
    registry.store.find("a").blobs.path(digest).write_bytes(b"{}")
    assert (await registry.get("/v2/a/manifests/1")).status == 404
    assert str(digest) in registry.warnings[0]
    await registry.put(image(), "1")
    assert (await registry.get("/v2/a/manifests/1")).body == image()


@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_who_asks_for_a_digest_counts_on_it(registry: Served, method: str) -> None:
    """A push asks before it leaves something out, and collecting must not come between."""
    digest = await registry.push("1")
    blobs = registry.store.find("a").blobs
    for path, kept in (("manifests", digest), ("blobs", Digest.of(CONFIG))):
        os.utime(blobs.path(kept), (1, 1))
        await registry.ask(method, f"/v2/a/{path}/{kept}")
        assert (blobs.age(kept) < 1000) is (method == "HEAD")


# -- lists ----------------------------------------------------------------------------------------


async def tags(registry: Served, query: str) -> tuple[list[str], str | None]:
    """Tags, and where there are more."""
    answer = await assert_head_is_get(registry, f"/v2/a/tags/list{query}")
    document = json.loads(answer.body)
    assert (answer.status, document["name"]) == (200, "a")
    return document["tags"], answer.fields.get("link")


async def test_tags_come_in_pages(registry: Served) -> None:
    """In the order of their bytes; Link says where there are more, and only then."""
    await registry.push("b", "a", "B", "_")
    every = ["B", "_", "a", "b"]
    assert await tags(registry, "") == (every, None)
    assert await tags(registry, "?n=4") == (every, None)
    assert await tags(registry, "?n=999999999999999999999") == (every, None)
    assert await tags(registry, "?last=_") == (["a", "b"], None)
    assert await tags(registry, "?last=Z") == (["_", "a", "b"], None)
    assert await tags(registry, "?last=zz&n=2") == ([], None)
    assert await tags(registry, "?n=0") == ([], None)
    found, link = await tags(registry, "?n=3")
    assert found == every[:3]
    assert link == '</v2/a/tags/list?n=3&last=a>; rel="next"'
    assert await tags(registry, "?n=3&last=a") == (["b"], None)


async def test_a_repository_without_tags_has_a_list_of_none(registry: Served) -> None:
    """Not null, which clients stumble over."""
    await registry.push()
    assert await tags(registry, "") == ([], None)


async def test_the_catalog_has_repositories_with_manifests(registry: Served) -> None:
    """In pages, too."""
    await registry.push("1", name="b")
    await registry.push("1", name="a/c")
    await registry.begin("empty")
    answer = await registry.get("/v2/_catalog?n=1")
    assert json.loads(answer.body) == {"repositories": ["a/c"]}
    assert answer.fields["link"] == '</v2/_catalog?n=1&last=a%2Fc>; rel="next"'
    assert json.loads((await registry.get("/v2/_catalog")).body)["repositories"] == ["a/c", "b"]


@pytest.mark.parametrize("name", ["a", "unknown"])
async def test_referrers_of_what_nobody_knows_are_an_empty_index(
    registry: Served, name: str
) -> None:
    """200: end-12a."""
    await registry.push()
    answer = await assert_head_is_get(registry, f"/v2/{name}/referrers/{NOWHERE}")
    assert (answer.status, answer.fields["content-type"]) == (200, OCI_INDEX)
    assert json.loads(answer.body) == {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [],
    }


async def test_referrers_are_filtered_by_type(registry: Served) -> None:
    """And it is said that they are."""
    await registry.push("1")
    await registry.put(image(subject=image(), artifactType="a/x+y"), "x")
    await registry.put(index(subject={"digest": str(Digest.of(image()))}), "y")
    path = f"/v2/a/referrers/{Digest.of(image())}"
    answer = await registry.get(path)
    assert len(json.loads(answer.body)["manifests"]) == 2
    assert "oci-filters-applied" not in answer.fields
    answer = await registry.get(f"{path}?artifactType=a/x%2By")
    (found,) = json.loads(answer.body)["manifests"]
    assert found["artifactType"] == "a/x+y"
    assert answer.fields["oci-filters-applied"] == "artifactType"


# -- who may what ---------------------------------------------------------------------------------


async def test_with_accounts_nobody_else_gets_anything(tmp_path: Path) -> None:
    """401 with a challenge, before anything is said of what there is."""
    accounts = Accounts({"ann": bcrypt.hashpw(b"secret", bcrypt.gensalt(4))})
    async with served(tmp_path, Access(accounts=accounts)) as registry:
        for field in ("X: y", f"Authorization: {basic('ann', 'wrong')}", "Authorization: Bearer x"):
            for method, path in (("GET", "/v2/"), ("GET", "/v2/A"), ("PUT", "/v2/a/manifests/1")):
                answer = await registry.ask(method, path, field)
                assert (answer.status, codes(answer)) == (401, ["UNAUTHORIZED"])
                challenge = 'Basic realm="image-sync", charset="UTF-8"'
                assert answer.fields["www-authenticate"] == challenge
                assert answer.fields["docker-distribution-api-version"] == "registry/2.0"
        answer = await registry.get("/v2/", f"Authorization: {basic('ann', 'secret')}")
        assert answer.status == 200


async def test_read_only_means_that_nothing_changes(tmp_path: Path) -> None:
    """Neither by a push nor by a look."""
    async with served(tmp_path) as registry:
        digest = await registry.push("1")
    blob = Digest.of(CONFIG)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "a").rglob("*")}
    async with served(tmp_path, Access(read_only=True)) as registry:
        for method, path in (
            ("PUT", "/v2/a/manifests/2"),
            ("DELETE", "/v2/a/manifests/1"),
            ("DELETE", f"/v2/a/blobs/{blob}"),
            ("POST", "/v2/b/blobs/uploads/"),
        ):
            answer = await registry.ask(method, path, body=b"")
            assert (answer.status, codes(answer)) == (405, ["UNSUPPORTED"])
        assert (await registry.get("/v2/a/manifests/1")).body == image()
        for path in (f"/v2/a/manifests/{digest}", f"/v2/a/blobs/{blob}"):
            await assert_head_is_get(registry, path)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "a").rglob("*")} == before


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_web_pages_are_kept_out(registry: Served, method: str) -> None:
    """A page from anywhere may ask the browser on this machine to write to it."""
    for path in ("/v2/", "/v2/a/blobs/uploads/"):
        answer = await registry.ask(method, path, "Origin: http://pages.test", body=b"")
        assert (answer.status, codes(answer)) == (403, ["DENIED"])


@pytest.mark.parametrize(
    ("host", "status"),
    [
        pytest.param("127.0.0.1:5050", 200, id="address"),
        pytest.param("[::1]:5050", 200, id="ipv6"),
        pytest.param("localhost:5050", 200, id="localhost"),
        pytest.param("zot:5000", 200, id="no-dot"),
        pytest.param("host.docker.internal:5050", 200, id="from-a-container"),
        pytest.param("pages.test:5050", 403, id="rented"),
        pytest.param("127.0.0.1.pages.test", 403, id="rented-and-clever"),
        pytest.param("a b", 403, id="no-name"),
    ],
)
async def test_pages_cannot_read_under_a_name_that_they_rent(
    tmp_path: Path, host: str, status: int
) -> None:
    """DNS rebinding: the page's own name leads to this machine, and the browser sees one site."""
    async with served(tmp_path, Access(local=True)) as registry:
        sent = f"GET /v2/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        assert (await exchange(registry.address, sent.encode())).status == status


async def test_a_damaged_manifest_is_told_once_and_not_for_every_request(
    registry: Served,
) -> None:
    """Whoever asks again and again could fill the log."""
    digest = await registry.push("1")
    path = registry.store.find("a").blobs.path(digest)
    path.write_bytes(b"x" * path.stat().st_size)
    for _ in range(3):
        assert (await registry.get("/v2/a/manifests/1")).status == 404
    assert len(registry.events) == 1
