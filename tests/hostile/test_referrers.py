"""Without faults the referrers API keeps the specification; it is there only where wanted."""

import json
from collections.abc import AsyncIterator

import pytest

from tests.hostile import HostileRegistry, ReferrersApi
from tests.hostile.rawclient import ask
from tests.hostile.referrers import put_referrer
from tests.hostile.store import OCI_INDEX, OCI_MANIFEST

pytestmark = pytest.mark.anyio


@pytest.fixture
async def registry() -> AsyncIterator[HostileRegistry]:
    """An empty registry with the API."""
    async with HostileRegistry() as running:
        running.referrers = ReferrersApi()
        yield running


def listed(body: bytes) -> list[str]:
    """The digests of a page."""
    return [entry["digest"] for entry in json.loads(body)["manifests"]]


async def test_referrers_are_listed_in_an_index(registry: HostileRegistry) -> None:
    """With type and annotations; what refers to something else is not among them."""
    image = registry.store.put_image("a")
    digest = put_referrer(registry.store, "a", image)
    put_referrer(registry.store, "a", digest)
    answer = await ask(registry.host, "GET", f"/v2/a/referrers/{image}")
    assert answer["Content-Type"] == OCI_INDEX
    [entry] = json.loads(answer.body)["manifests"]
    assert entry["digest"] == digest
    assert entry["artifactType"] == "application/vnd.example.signature"
    assert entry["annotations"] == {"org.example.note": "a signature"}


async def test_nobody_refers_to_what_is_not_there(registry: HostileRegistry) -> None:
    """An empty list, not a 404."""
    answer = await ask(registry.host, "GET", f"/v2/none/referrers/sha256:{'0' * 64}")
    assert (answer.status, listed(answer.body)) == (200, [])


async def test_a_list_can_be_filtered(registry: HostileRegistry) -> None:
    """By artifact type, and it says so."""
    image = registry.store.put_image("a")
    put_referrer(registry.store, "a", image)
    wanted = put_referrer(registry.store, "a", image, b"sbom", artifact_type="text/spdx")
    answer = await ask(registry.host, "GET", f"/v2/a/referrers/{image}?artifactType=text/spdx")
    assert listed(answer.body) == [wanted]
    assert answer["OCI-Filters-Applied"] == "artifactType"


async def test_a_list_can_come_in_pages(registry: HostileRegistry) -> None:
    """Each names the next."""
    registry.referrers = ReferrersApi(page=2)
    image = registry.store.put_image("a")
    all_of_them = [put_referrer(registry.store, "a", image, b"%d" % n) for n in range(3)]
    first = await ask(registry.host, "GET", f"/v2/a/referrers/{image}")
    following = first["Link"].partition(">")[0].lstrip("<")
    second = await ask(registry.host, "GET", following)
    assert listed(first.body) + listed(second.body) == all_of_them
    assert "Link" not in dict(second.fields)


async def test_a_push_is_told_whose_referrer_it_is(registry: HostileRegistry) -> None:
    """`OCI-Subject`, only where the API is there."""
    image = registry.store.put_image("a")
    digest = put_referrer(registry.store, "a", image)
    content = registry.store.content("a", digest)
    target, fields = f"/v2/a/manifests/{digest}", {"Content-Type": OCI_MANIFEST}
    answer = await ask(registry.host, "PUT", target, content, fields=fields)
    assert answer["OCI-Subject"] == image
    registry.referrers = None
    answer = await ask(registry.host, "PUT", target, content, fields=fields)
    assert "OCI-Subject" not in dict(answer.fields)
    assert (await ask(registry.host, "GET", f"/v2/a/referrers/{image}")).status == 404
