"""Who refers to a manifest: OCI distribution spec 1.1, section Listing Referrers.

Registries without that API are read and written by the Referrers Tag Schema: an index of referrers
under a tag that is made from the digest. One level only: what refers to a referrer is not asked.

Not here: cosign's tags, which are tags like others, and what is done with a list (`sync/`).
"""

import math
from http import HTTPStatus
from typing import NamedTuple

from image_sync.errors import ErrorKind, RegistryError
from image_sync.model import Endpoint
from image_sync.oci import (
    Descriptor,
    Digest,
    Manifest,
    ManifestError,
    Reference,
    Repository,
    mediatypes,
)
from image_sync.oci.manifest import MAX_MANIFEST
from image_sync.oci.referrers import fallback_tag, listing, without
from image_sync.registry.answer import Answer
from image_sync.registry.calls import request_to
from image_sync.registry.client import RegistryClient
from image_sync.registry.pages import next_page
from image_sync.runtime.parallel import IMAGE_REQUESTS, for_each

MAX_PAGES = 10
"""Pages that are read of one list (fault row 80)."""
_NOT_OFFERED = frozenset(
    {
        HTTPStatus.NOT_FOUND,
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.NOT_ACCEPTABLE,
        HTTPStatus.NOT_IMPLEMENTED,
    }
)
"""What registries without the API answer: 404 by the specification; 400 and 406 in the field, where
other clients fall back as well (go-containerregistry v0.20.7, pkg/v1/remote/referrers.go); 405 and
501 by their meaning (RFC 9110, sections 15.5.6 and 15.6.2)."""

_ABSENT = frozenset({"NAME_UNKNOWN", "MANIFEST_UNKNOWN"})
"""Codes of an answer that speaks of what was asked for, and not of the API."""


class Listed(NamedTuple):
    """Who refers to a manifest.

    Attributes:
        referrers: Each once, in the registry's order.
        by_api: The registry has the API, and nobody need keep an index for it.
        cut_off: There are more.
    """

    referrers: tuple[Descriptor, ...]
    by_api: bool
    cut_off: bool = False

    def lacks(self, referrer: Digest) -> bool:
        """True if a referrer is not in it, and not in what was cut off."""
        return not self.cut_off and all(each.digest != referrer for each in self.referrers)


class ReferrerLists:
    """Reads and extends lists of referrers; remembers which repositories have no API for them.

    One answer is not enough to believe it of a host: a proxy may give it, for one repository or for
    a moment. It is not believed at all of a host that has ever answered by its API.
    """

    def __init__(self, client: RegistryClient) -> None:
        self._client = client
        self._without_api: set[Repository] = set()
        self._with_api: set[str] = set()

    async def read(self, endpoint: Endpoint, subject: Digest, enough: float = math.inf) -> Listed:
        """Who refers to a manifest; nobody, where the registry has no such manifest.

        Args:
            endpoint: Where.
            subject: The manifest.
            enough: How many are wanted: no further page is read once there are more.

        Raises:
            RegistryError: The registry did not say, or serves what is no list.
        """
        if endpoint.host in self._with_api or endpoint.repository not in self._without_api:
            listed = await self._by_api(endpoint, subject, enough)
            if listed:
                return listed
        index = await self._index(endpoint, subject)
        children = index.children if index and index.is_index else ()
        return Listed(_distinct(children), by_api=False)

    async def extend(
        self, endpoint: Endpoint, subject: Digest, referrers: tuple[Manifest, ...]
    ) -> None:
        """Have the index of a manifest's referrers list some that the registry holds.

        Nothing keeps two writers apart: the last one wins, and what another wrote in between is
        added again when the list is read next.

        Raises:
            RegistryError: The registry did not take it, or has something else under the tag.
        """
        index = await self._index(endpoint, subject)
        try:
            await self._put(endpoint, subject, index, referrers)
        except RegistryError as error:
            if error.kind not in {ErrorKind.BLOB_MISSING, ErrorKind.REFUSED_BY_TARGET} or not index:
                raise
            # It lists what the registry lost, and so may not be stored again as it is.
            lost = await self._lost(endpoint, index)
            if not lost:
                raise
            rest = Manifest.parse(without(index, lost), index.media_type)
            await self._put(endpoint, subject, rest, referrers)

    async def _by_api(self, endpoint: Endpoint, subject: Digest, enough: float) -> Listed | None:
        """What the API answers; None if there is none."""
        path = f"/v2/{endpoint.repository.path}/referrers/{subject}"
        found: tuple[Descriptor, ...] = ()
        for page in range(MAX_PAGES):
            request = request_to(endpoint, "GET", path, {"Accept": mediatypes.OCI_INDEX})
            answer = await self._client.calls.repeated(endpoint, request, MAX_MANIFEST)
            if page == 0 and self._is_not_offered(endpoint, answer):
                return None
            if answer.status != HTTPStatus.OK:
                raise answer.error(endpoint)
            found = _distinct(found + _children(endpoint, subject, answer))
            following = next_page(self._client, endpoint, answer, "referrers")
            if following is None:
                return Listed(found, by_api=True)
            if len(found) > enough:
                break
            path = following
        return Listed(found, by_api=True, cut_off=True)

    def _is_not_offered(self, endpoint: Endpoint, answer: Answer) -> bool:
        """True if the registry has no such API; a refusal of the request says it for this time."""
        if answer.status == HTTPStatus.OK:
            content_type = mediatypes.essence(answer.header("Content-Type"))
            missing = content_type != mediatypes.OCI_INDEX  # a page for people, as a rule
        else:
            missing = answer.status in _NOT_OFFERED
        if not missing and answer.status == HTTPStatus.OK:
            self._with_api.add(endpoint.host)
        unclear = answer.status == HTTPStatus.BAD_REQUEST
        if missing and not unclear and not _ABSENT.intersection(answer.error(endpoint).codes):
            self._without_api.add(endpoint.repository)
        return missing

    async def _index(self, endpoint: Endpoint, subject: Digest) -> Manifest | None:
        """What the tag for referrers names, None if nothing.

        A HEAD is no pull, and what it names may be at hand.
        """
        head = await self._client.head_manifest(endpoint, _tag(endpoint, subject))
        # Some registries take the tag for another spelling of the digest.
        if head is None or head.digest == subject:
            return None
        return await self._client.get_manifest(endpoint, endpoint.repository.digest(head.digest))

    async def _put(
        self,
        endpoint: Endpoint,
        subject: Digest,
        index: Manifest | None,
        referrers: tuple[Manifest, ...],
    ) -> None:
        reference = _tag(endpoint, subject)
        try:
            content = listing(index, referrers)
        except ManifestError as error:
            message = f"{reference}: {error}"
            raise RegistryError(message, ErrorKind.BAD_CONTENT, side=endpoint.side) from error
        if content is not None:
            media_type = index.media_type if index else mediatypes.OCI_INDEX
            await self._client.put_manifest(endpoint, reference, content, media_type)

    async def _lost(self, endpoint: Endpoint, index: Manifest) -> list[Digest]:
        """What an index lists and the registry has not."""
        lost: list[Digest] = []

        async def look(child: Descriptor) -> None:
            reference = endpoint.repository.digest(child.digest)
            if await self._client.head_manifest(endpoint, reference) is None:
                lost.append(child.digest)

        await for_each(look, index.children, workers=IMAGE_REQUESTS)
        return lost


def _tag(endpoint: Endpoint, subject: Digest) -> Reference:
    return endpoint.repository.tag(fallback_tag(subject))


def _children(endpoint: Endpoint, subject: Digest, answer: Answer) -> tuple[Descriptor, ...]:
    try:
        return Manifest.parse(answer.body, mediatypes.OCI_INDEX).children
    except ManifestError as error:
        message = f"{endpoint.repository}: the referrers of {subject}: {error}"
        raise answer.lie(endpoint, message) from error


def _distinct(descriptors: tuple[Descriptor, ...]) -> tuple[Descriptor, ...]:
    return tuple({each.digest: each for each in descriptors}.values())
