"""Who refers to a manifest: by the API and by the tag schema, bounded, and on one registry only."""

import json
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from image_sync.errors import ErrorKind, RegistryError
from image_sync.oci import Digest, Manifest
from image_sync.registry.referrers import MAX_PAGES, Listed, ReferrerLists
from tests.hostile import (
    Answer,
    Bearer,
    Fault,
    HostileRegistry,
    HtmlPage,
    ReferrersApi,
    Refusal,
    Sink,
    TokenServer,
    WithField,
)
from tests.hostile.referrers import fallback_tag, put_fallback, put_referrer
from tests.hostile.store import DOCKER_MANIFEST, OCI_INDEX, document
from tests.registry.asking import REPOSITORY, asking, failure, source, target

pytestmark = pytest.mark.anyio


@pytest.fixture
async def registry() -> AsyncIterator[HostileRegistry]:
    """Has the API, and no images."""
    async with HostileRegistry() as running:
        running.referrers = ReferrersApi()
        yield running


@pytest.fixture
async def old() -> AsyncIterator[HostileRegistry]:
    """Has no API, and no images."""
    async with HostileRegistry() as running:
        yield running


def signed(registry: HostileRegistry, *signatures: bytes) -> tuple[Digest, list[str]]:
    """An image, and what refers to it."""
    image = registry.store.put_image(REPOSITORY)
    referrers = [put_referrer(registry.store, REPOSITORY, image, text) for text in signatures]
    return Digest.parse(image), referrers


def digests(listed: Listed) -> list[str]:
    return [str(each.digest) for each in listed.referrers]


def manifests(registry: HostileRegistry, referrers: Sequence[str]) -> tuple[Manifest, ...]:
    """Some manifests as they are stored."""
    contents = [registry.store.content(REPOSITORY, digest) for digest in referrers]
    return tuple(Manifest.parse(content) for content in contents)


def listed_under_tag(registry: HostileRegistry, image: Digest) -> list[dict[str, object]]:
    """The entries of the index under the fallback tag."""
    digest = registry.store.tagged(REPOSITORY, fallback_tag(str(image)))
    assert digest
    entries: list[dict[str, object]] = json.loads(registry.store.content(REPOSITORY, digest))[
        "manifests"
    ]
    return entries


async def test_the_api_is_asked_once(registry: HostileRegistry) -> None:
    """One GET, and no tag."""
    image, referrers = signed(registry, b"one", b"two")
    async with asking() as client:
        listed = await ReferrerLists(client).read(source(registry.host), image)
    assert (digests(listed), listed.by_api, listed.cut_off) == (referrers, True, False)
    [request] = registry.requests
    assert request.target == f"/v2/{REPOSITORY}/referrers/{image}"
    assert request.headers.get("Accept") == OCI_INDEX


async def test_an_empty_list_is_an_answer(registry: HostileRegistry) -> None:
    """A registry with the API has no tags for it."""
    image, _ = signed(registry)
    async with asking() as client:
        listed = await ReferrerLists(client).read(source(registry.host), image)
    assert listed == Listed((), by_api=True)
    assert len(registry.requests) == 1


async def test_all_pages_are_read(registry: HostileRegistry) -> None:
    """With the same token."""
    registry.referrers = ReferrersApi(page=2)
    async with TokenServer() as tokens:
        registry.authorization = Bearer(tokens)
        image, referrers = signed(registry, b"1", b"2", b"3", b"4", b"5")
        async with asking() as client:
            listed = await ReferrerLists(client).read(source(registry.host), image)
        assert digests(listed) == referrers
        assert len(tokens.requests) == 1


async def test_no_page_is_read_once_there_are_enough(registry: HostileRegistry) -> None:
    """Fault row 80: what was cut off is told."""
    registry.referrers = ReferrersApi(page=2)
    image, referrers = signed(registry, b"1", b"2", b"3", b"4", b"5")
    async with asking() as client:
        listed = await ReferrerLists(client).read(source(registry.host), image, 3)
    assert digests(listed) == referrers[:4]
    assert listed.cut_off
    assert not listed.lacks(Digest.parse(referrers[4]))


async def test_pages_without_end_are_cut_off(registry: HostileRegistry) -> None:
    """Fault row 80: ten are read, and each referrer counts once."""
    image, referrers = signed(registry, b"one")
    again = f'</v2/{REPOSITORY}/referrers/{image}?again>; rel="next"'
    registry.inject(Fault("GET", "*/referrers/*", WithField("Link", again)))
    async with asking() as client:
        listed = await ReferrerLists(client).read(source(registry.host), image)
    assert (digests(listed), listed.cut_off) == (referrers, True)
    assert len(registry.requests) == MAX_PAGES


@pytest.mark.parametrize("link", ['<{sink}/v2/x>; rel="next"', '<//{authority}/x>; rel="next"'])
async def test_a_next_page_elsewhere_is_refused(registry: HostileRegistry, link: str) -> None:
    """Fault row 80: nobody else is asked, and the list is not taken for whole."""
    image, _ = signed(registry, b"one")
    async with Sink() as sink:
        where = link.format(sink=sink.url, authority=sink.host)
        registry.inject(Fault("GET", "*/referrers/*", WithField("Link", where)))
        async with asking() as client:
            lists = ReferrerLists(client)
            error = await failure(lists.read(source(registry.host), image))
        assert error.kind is ErrorKind.UNSAFE
        assert sink.received == b""


async def test_a_page_that_is_missing_is_an_error(registry: HostileRegistry) -> None:
    """404 in the middle is not the lack of an API."""
    registry.referrers = ReferrersApi(page=1)
    image, _ = signed(registry, b"1", b"2")
    registry.inject(Fault("GET", "*/referrers/*", HtmlPage(404), after=1))
    async with asking() as client:
        error = await failure(ReferrerLists(client).read(source(registry.host), image))
    assert error.kind is ErrorKind.NOT_FOUND


async def test_without_the_api_the_tag_is_read(old: HostileRegistry) -> None:
    """And its repository is not asked for the API again, for any image."""
    image, referrers = signed(old, b"one", b"two")
    put_fallback(old.store, REPOSITORY, str(image), referrers)
    async with asking() as client:
        lists = ReferrerLists(client)
        for _ in range(2):
            listed = await lists.read(source(old.host), image)
            assert (digests(listed), listed.by_api) == (referrers, False)
        assert (await lists.read(source(old.host), Digest.of(b"another"))).referrers == ()
        assert len(old.asked("GET", "*/referrers/*")) == 1
        assert (await lists.read(source(old.host, "other"), image)).referrers == ()
    assert len(old.asked("GET", "*/referrers/*")) == 2


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(HtmlPage(404), id="404"),
        pytest.param(Refusal(400, "UNSUPPORTED"), id="400"),
        pytest.param(HtmlPage(200), id="a page for people"),
    ],
)
async def test_what_one_repository_answers_keeps_no_other_from_the_api(
    registry: HostileRegistry, answer: Answer
) -> None:
    """It is believed of that one only, and not even there once the host has shown its API."""
    image, referrers = signed(registry, b"one")
    registry.inject(Fault("GET", "/v2/other/referrers/*", answer, times=1))
    registry.inject(Fault("GET", f"/v2/{REPOSITORY}/referrers/*", answer, after=1, times=1))
    async with asking() as client:
        lists = ReferrerLists(client)
        assert not (await lists.read(source(registry.host, "other"), image)).by_api
        assert digests(await lists.read(source(registry.host), image)) == referrers
        assert not (await lists.read(source(registry.host), image)).by_api
        assert digests(await lists.read(source(registry.host), image)) == referrers
        assert (await lists.read(source(registry.host, "other"), image)).by_api


async def test_a_bad_request_is_not_taken_for_the_lack_of_the_api(
    registry: HostileRegistry,
) -> None:
    """It may be about that one request."""
    image, referrers = signed(registry, b"one")
    registry.inject(Fault("GET", "*/referrers/*", Refusal(400, "UNSUPPORTED"), times=1))
    async with asking() as client:
        lists = ReferrerLists(client)
        assert not (await lists.read(source(registry.host), image)).by_api
        assert digests(await lists.read(source(registry.host), image)) == referrers


async def test_a_list_under_a_tag_is_paid_for_once(old: HostileRegistry) -> None:
    """What was read a short while ago costs a HEAD, until the tag moves."""
    image, referrers = signed(old, b"one", b"two")
    put_fallback(old.store, REPOSITORY, str(image), referrers[:1])
    async with asking() as client:
        lists = ReferrerLists(client)
        for _ in range(3):
            assert digests(await lists.read(source(old.host), image)) == referrers[:1]
        assert len(old.asked("GET", "*/manifests/*")) == 1
        put_fallback(old.store, REPOSITORY, str(image), referrers)
        assert digests(await lists.read(source(old.host), image)) == referrers
    assert len(old.asked("GET", "*/manifests/*")) == 2


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Refusal(400, "UNSUPPORTED"), id="400"),
        pytest.param(HtmlPage(405), id="405"),
        pytest.param(Refusal(501, "UNSUPPORTED"), id="501"),
        pytest.param(HtmlPage(200), id="a page for people"),
    ],
)
async def test_other_ways_to_lack_the_api_are_known(old: HostileRegistry, answer: Answer) -> None:
    """As other clients have found them in the field."""
    image, referrers = signed(old, b"one")
    put_fallback(old.store, REPOSITORY, str(image), referrers)
    old.inject(Fault("GET", "*/referrers/*", answer))
    async with asking() as client:
        assert digests(await ReferrerLists(client).read(source(old.host), image)) == referrers


@pytest.mark.parametrize("code", ["NAME_UNKNOWN", "MANIFEST_UNKNOWN"])
async def test_what_is_not_there_says_nothing_of_the_api(
    registry: HostileRegistry, code: str
) -> None:
    """One repository's 404 does not keep others from the API of their host."""
    image, referrers = signed(registry, b"one")
    registry.inject(Fault("GET", "*/referrers/*", Refusal(404, code), times=1))
    async with asking() as client:
        lists = ReferrerLists(client)
        assert (await lists.read(source(registry.host), image)).referrers == ()
        assert digests(await lists.read(source(registry.host), image)) == referrers


@pytest.mark.parametrize("status", [401, 403, 500])
async def test_a_registry_that_does_not_say_is_an_error(
    registry: HostileRegistry, status: int
) -> None:
    """It is never an empty list."""
    image, _ = signed(registry, b"one")
    registry.inject(Fault("GET", "*/referrers/*", HtmlPage(status)))
    async with asking() as client:
        error = await failure(ReferrerLists(client).read(source(registry.host), image))
    assert error.status == status


async def test_a_tag_that_names_no_list_lists_nobody(old: HostileRegistry) -> None:
    """The image itself, by a registry that reads the tag as a digest, or any other image."""
    index = old.store.put_platforms(REPOSITORY)
    single = old.store.put_image(REPOSITORY, layers=[b"another"])
    async with asking() as client:
        lists = ReferrerLists(client)
        for named in (index, single):
            old.store.tag(REPOSITORY, fallback_tag(index), named)
            listed = await lists.read(source(old.host), Digest.parse(index))
            assert listed.referrers == ()


async def test_a_long_digest_has_a_tag_of_its_own(old: HostileRegistry) -> None:
    """64 characters of it: Referrers Tag Schema."""
    image = Digest.of(b"whatever", "sha512")
    referrer = put_referrer(old.store, REPOSITORY, str(image))
    index = put_fallback(old.store, REPOSITORY, str(image), [referrer])
    old.store.repository(REPOSITORY).tags.clear()
    old.store.tag(REPOSITORY, f"sha512-{image.hex[:64]}", index)
    async with asking() as client:
        assert digests(await ReferrerLists(client).read(source(old.host), image)) == [referrer]


async def test_a_list_is_begun_and_extended(old: HostileRegistry) -> None:
    """With type and annotations; what others wrote stays as it is, and order says nothing."""
    image, referrers = signed(old, b"one", b"two", b"three")
    put_fallback(old.store, REPOSITORY, str(image), referrers[:1], custom="kept")
    async with asking() as client:
        lists = ReferrerLists(client)
        for some in (referrers[:2], referrers[1:], referrers):
            await lists.extend(target(old.host), image, manifests(old, some))
    entries = listed_under_tag(old, image)
    assert [entry["digest"] for entry in entries] == sorted(referrers)
    assert {entry["artifactType"] for entry in entries} == {"application/vnd.example.signature"}
    notes = [entry["annotations"] for entry in entries if entry["digest"] == referrers[2]]
    assert notes == [{"org.example.note": "three"}]
    assert [entry.get("custom") for entry in entries].count("kept") == 1
    assert len(old.asked("PUT", "*")) == 2


async def test_the_same_referrers_make_the_same_list(old: HostileRegistry) -> None:
    """Two writers who know the same end up with the same bytes."""
    image, referrers = signed(old, b"one", b"two")
    found = []
    for order in (referrers, referrers[::-1]):
        old.store.repository(REPOSITORY).tags.clear()
        async with asking() as client:
            for each in order:
                [manifest] = manifests(old, [each])
                await ReferrerLists(client).extend(target(old.host), image, (manifest,))
        found.append(old.store.tagged(REPOSITORY, fallback_tag(str(image))))
    assert found[0] == found[1] is not None


async def test_a_list_of_what_was_lost_can_be_extended(old: HostileRegistry) -> None:
    """The registry takes no index whose children it lacks: they leave it."""
    image, referrers = signed(old, b"one", b"two")
    put_fallback(old.store, REPOSITORY, str(image), referrers[:1])
    del old.store.repository(REPOSITORY).manifests[referrers[0]]
    async with asking() as client:
        added = manifests(old, referrers[1:])
        await ReferrerLists(client).extend(target(old.host), image, added)
    assert [entry["digest"] for entry in listed_under_tag(old, image)] == referrers[1:]


async def test_something_else_under_the_tag_stays_there(old: HostileRegistry) -> None:
    """It is an error, and not overwritten."""
    image, referrers = signed(old, b"one")
    other = old.store.put_image(REPOSITORY, fallback_tag(str(image)), layers=[b"theirs"])
    async with asking() as client:
        lists = ReferrerLists(client)
        error = await failure(lists.extend(target(old.host), image, manifests(old, referrers)))
    assert error.kind is ErrorKind.BAD_CONTENT
    assert old.store.tagged(REPOSITORY, fallback_tag(str(image))) == other


async def test_a_list_that_is_refused_is_an_error(old: HostileRegistry) -> None:
    """With the registry's own words."""
    image, referrers = signed(old, b"one")
    old.inject(Fault("PUT", "*", Refusal(400, "MANIFEST_INVALID", "no lists here")))
    async with asking() as client:
        lists = ReferrerLists(client)
        error = await failure(lists.extend(target(old.host), image, manifests(old, referrers)))
    assert "no lists here" in error.message


ENTRY = {"mediaType": DOCKER_MANIFEST, "digest": f"sha256:{'a' * 64}", "size": 1}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    body=st.binary(max_size=60)
    | st.sampled_from(
        [
            document({"manifests": [ENTRY | {"digest": "../x"}]}),
            document({"manifests": [ENTRY | {"size": -1}]}),
            document({"manifests": {}}),
            document({"manifests": [], "layers": []}),
            b'{"manifests":[],"manifests":[]}',
            b'{"manifests":[],"Manifests":[]}',
            b"[" * 5000,
        ]
    )
)
async def test_any_page_is_a_list_or_an_error(registry: HostileRegistry, body: bytes) -> None:
    """No body makes anything but referrers with digests, or one of our errors."""
    injected = registry.inject(
        Fault("GET", "*/referrers/*", Answer(200, body, media_type=OCI_INDEX))
    )
    async with asking() as client:
        try:
            found = await ReferrerLists(client).read(source(registry.host), Digest.of(b""))
        except RegistryError as error:
            assert error.kind is ErrorKind.BAD_CONTENT  # noqa: PT017 - either is right
        else:
            assert found.referrers == ()
    registry.remove(injected)


async def test_a_list_of_unheard_of_length_is_not_read(registry: HostileRegistry) -> None:
    """4 MiB are the cap of a page."""
    image, _ = signed(registry)
    body = b'{"schemaVersion":2,"manifests":[]}' + b" " * 4 * 1024 * 1024
    registry.inject(Fault("GET", "*/referrers/*", Answer(200, body, media_type=OCI_INDEX)))
    async with asking() as client:
        error = await failure(ReferrerLists(client).read(source(registry.host), image))
    assert error.kind is ErrorKind.BAD_CONTENT
