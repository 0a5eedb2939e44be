"""The client speaks with CNCF distribution 3.1 and 2.8, with htpasswd and with tokens."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import anyio
import pytest

from image_sync.credentials import Credential
from image_sync.errors import ErrorKind
from image_sync.model import Endpoint, HostPolicy, TlsPolicy
from image_sync.oci import Descriptor, Digest
from image_sync.registry import RegistryClient, list_tags, push_blob
from image_sync.registry.urls import next_link
from tests.real.accounts import OPERATOR, SECOND, Account
from tests.real.content import Image, index, layer, manifest
from tests.real.registries import distribution
from tests.real.running import RunningRegistry, Serving
from tests.registry.asking import Wallet, asking, failure, target, texts
from tests.registry.asking import source as read_at

pytestmark = pytest.mark.anyio

REPOSITORY = "lab/app"
IMAGE = index(
    [
        manifest([layer({"program": b"one"})], "linux/amd64"),
        manifest([layer({"program": b"two"})], "linux/arm64"),
    ]
)
SHAPES = {
    "htpasswd": Serving(accounts=(OPERATOR,)),
    "token": Serving(accounts=(OPERATOR,), token_auth=True),
    "anonymous token": Serving(token_auth=True),
}


@pytest.fixture(params=[3, 2], ids=["3.1", "2.8"])
def version(request: pytest.FixtureRequest) -> int:
    """Of distribution."""
    number: int = request.param
    return number


@pytest.fixture(params=SHAPES)
def guarded(
    request: pytest.FixtureRequest, tmp_path: Path, version: int
) -> Iterator[RunningRegistry]:
    """A registry that asks who we are."""
    with distribution(tmp_path / "registry", SHAPES[request.param], version=version) as running:
        yield running


def configured(account: Account) -> Credential:
    """An account as a docker config file has it."""
    return Credential(account.username, account.password)


def trusting(registry: RunningRegistry) -> Mapping[str, HostPolicy]:
    """What an operator says who has its CA."""
    return {registry.host: HostPolicy(ca_file=str(registry.ca_file))}


async def _round_trip(client: RegistryClient, endpoint: Endpoint) -> None:
    """Push an image, read it back, and ask for what is not there."""
    await _push(client, endpoint, IMAGE)
    repository = endpoint.repository
    top = Digest.parse(IMAGE.digest)
    for reference in (repository.tag("1"), repository.digest(top)):
        head = await client.head_manifest(endpoint, reference)
        assert head
        assert (head.digest, head.media_type) == (top, IMAGE.media_type)
        found = await client.get_manifest(endpoint, reference)
        assert (found.digest, found.content) == (top, IMAGE.data)
    for blob in IMAGE.all_blobs:
        digest = Digest.parse(blob.digest)
        assert await client.head_blob(endpoint, digest) == len(blob.data)
        descriptor = Descriptor(blob.media_type, digest, len(blob.data))
        assert await client.get_blob(endpoint, descriptor, 1 << 20) == blob.data
    assert await list_tags(client, endpoint) == ["1"]
    nothing = Digest.of(b"never pushed")
    assert await client.head_manifest(endpoint, repository.tag("2")) is None
    assert await client.head_blob(endpoint, nothing) is None
    missing = await failure(client.get_manifest(endpoint, repository.digest(nothing)))
    assert missing.kind is ErrorKind.NOT_FOUND
    lost = await failure(client.get_blob(endpoint, Descriptor("a/b", nothing, 3), 10))
    assert lost.kind is ErrorKind.BLOB_MISSING


async def _push(client: RegistryClient, endpoint: Endpoint, image: Image) -> None:
    for blob in image.all_blobs:
        assert str(await push_blob(client, endpoint, blob.data)) == blob.digest
    for part in image.manifests():
        reference = endpoint.repository.digest(Digest.parse(part.digest))
        if part is image:
            reference = endpoint.repository.tag("1")
        await client.put_manifest(endpoint, reference, part.data, part.media_type)


async def test_an_image_makes_the_round_trip(any_registry: RunningRegistry) -> None:
    """Every kind of registry takes, keeps and serves it byte for byte."""
    async with asking() as client:
        await _round_trip(client, target(any_registry.host, REPOSITORY))


async def test_an_image_makes_the_round_trip_behind_a_login(guarded: RunningRegistry) -> None:
    """With Basic, with a token, and with an anonymous one."""
    wallet = Wallet(configured(guarded.account) if guarded.accounts else None)
    async with asking(wallet) as client:
        await _round_trip(client, target(guarded.host, REPOSITORY))


async def test_an_image_makes_the_round_trip_over_tls(source: RunningRegistry) -> None:
    """With the CA that the operator named and htpasswd."""
    async with asking(configured(OPERATOR), policies=trusting(source)) as client:
        await _round_trip(client, target(source.host, REPOSITORY, TlsPolicy.VERIFY))


async def test_a_token_over_tls_is_asked_for_once_per_scope(token_source: RunningRegistry) -> None:
    """A hundred HEADs at the same time: one token request, a hundred answers."""
    token_source.push(REPOSITORY, "1", IMAGE)
    endpoint = read_at(token_source.host, REPOSITORY, TlsPolicy.VERIFY)
    async with (
        asking(configured(OPERATOR), policies=trusting(token_source)) as client,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(100):
            tasks.start_soon(client.head_manifest, endpoint, endpoint.repository.tag("1"))
    (asked,) = token_source.tokens.requests
    assert (asked.username, asked.scopes, asked.status) == (
        OPERATOR.username,
        (f"repository:{REPOSITORY}:pull",),
        200,
    )
    answered = [r for r in token_source.recorder.matching("HEAD", ".*") if r.status == 200]
    assert len(answered) == 100


@pytest.mark.parametrize("guarded", ["htpasswd", "token"], indirect=True)
async def test_a_wrong_password_ends_in_advice(guarded: RunningRegistry) -> None:
    """An account that the registry does not know gets one clear error, without the password."""
    endpoint = read_at(guarded.host, REPOSITORY)
    async with asking(configured(SECOND)) as client:
        error = await failure(client.head_manifest(endpoint, endpoint.repository.tag("1")))
    assert (error.kind, error.status) == (ErrorKind.UNAUTHORIZED, 401)
    assert "check those it has" in error.hint
    assert SECOND.password not in texts(error)


async def test_a_certificate_of_a_stranger_is_refused(source: RunningRegistry) -> None:
    """Once, and as what it is: no try after that would end differently."""
    endpoint = target(source.host, REPOSITORY, TlsPolicy.VERIFY)
    async with asking(configured(OPERATOR)) as client:
        error = await failure(client.head_manifest(endpoint, endpoint.repository.tag("1")))
    assert error.kind is ErrorKind.TLS
    assert source.recorder.requests == []


async def test_a_manifest_without_its_parts_is_refused(guarded: RunningRegistry) -> None:
    """The kind says that pushing the parts comes first (row 53)."""
    wallet = Wallet(configured(guarded.account) if guarded.accounts else None)
    endpoint, child = target(guarded.host, REPOSITORY), IMAGE.children[0]
    async with asking(wallet) as client:
        putting = client.put_manifest(
            endpoint, endpoint.repository.tag("1"), child.data, child.media_type
        )
        error = await failure(putting)
    assert error.kind is ErrorKind.BLOB_MISSING


async def test_links_of_a_real_registry_lead_through_all_pages(tmp_path: Path) -> None:
    """What distribution writes into Link is found, page by page (row 80)."""
    with distribution(tmp_path / "registry") as registry:
        tags = [f"tag-{number:03}" for number in range(7)]
        for tag in tags:
            registry.push(REPOSITORY, tag, IMAGE)
        found: list[str] = []
        path: str | None = f"/v2/{REPOSITORY}/tags/list?n=3"
        for _ in range(10):
            if path is None:
                break
            answer = registry.api.request("GET", path)
            found += [tag for tag in tags if f'"{tag}"' in answer.body.decode()]
            path = next_link(answer.headers.get("link", ""))
        assert found == tags


async def test_many_tags_are_listed(any_registry: RunningRegistry) -> None:
    """Whether on one page or on several."""
    any_registry.push(REPOSITORY, "tag-000", IMAGE)
    tags = [f"tag-{number:03}" for number in range(120)]
    for tag in tags[1:]:
        any_registry.api.put_manifest(REPOSITORY, tag, IMAGE.data, IMAGE.media_type)
    async with asking() as client:
        assert sorted(await list_tags(client, target(any_registry.host, REPOSITORY))) == tags


async def test_a_restarted_registry_is_asked_on(any_registry: RunningRegistry) -> None:
    """A pooled connection that died with it costs a try, not an image (row 50)."""
    any_registry.push(REPOSITORY, "1", IMAGE)
    endpoint = target(any_registry.host, REPOSITORY)
    async with asking() as client:
        assert await client.head_manifest(endpoint, endpoint.repository.tag("1"))
        await anyio.to_thread.run_sync(any_registry.restart)
        found = await client.head_manifest(endpoint, endpoint.repository.tag("never"))
    assert found is None
