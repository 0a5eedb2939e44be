"""Uploads, from asking for a place on: OCI distribution spec 1.1, section Pushing blobs.

How a session takes its bytes is in `sessions.py`. A blob that is in memory goes in one request
after the session is opened.
"""

from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus

import msgspec

from image_sync.errors import ErrorKind, RegistryError
from image_sync.model import Endpoint
from image_sync.oci import Digest, Repository
from image_sync.registry.access import Access
from image_sync.registry.answer import Answer
from image_sync.registry.calls import request_to
from image_sync.registry.client import RegistryClient
from image_sync.registry.sessions import UploadSession
from image_sync.registry.ways import Wanted
from image_sync.runtime.farewell import completed

_FORBIDDEN = frozenset({ErrorKind.UNAUTHORIZED, ErrorKind.DENIED})
_ABOUT_US = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
"""Refusals that speak of who we are and of the repository, not of mounting."""
_REFUSALS = frozenset({*range(400, 500), HTTPStatus.NOT_IMPLEMENTED})
_OPENED = frozenset({HTTPStatus.CREATED, HTTPStatus.ACCEPTED})


class Mounted(msgspec.Struct, frozen=True):
    """The repository has the blob: it took it from another one of the same registry."""


async def open_upload(
    client: RegistryClient,
    endpoint: Endpoint,
    digest: Digest,
    *,
    mount_from: Repository | None = None,
    find: bool = True,
    whole: bool = True,
) -> UploadSession | Mounted:
    """A place for a blob, unless the registry has the blob, and finds it.

    A registry that cannot mount, or may not, gives a session as it would have without (fault row
    48).

    Args:
        client: For the requests.
        endpoint: Where the blob is to be.
        digest: Which one.
        mount_from: A repository of the same registry that is known to have it.
        find: False to have it sent whatever the registry has, as what is damaged must be.
        whole: False to have it sent so that it can go on after a failure, however small it is.

    Raises:
        RegistryError: The registry did not give one.
    """
    ways, host = client.ways, endpoint.host
    wanted = Wanted(digest, replaces=not find, whole=whole)

    async def once(tries: int) -> UploadSession | Mounted:
        opening, answer = _Opening(client, endpoint, digest, tries), None
        if find and mount_from is not None and ways.mounts(host):
            answer = await opening.mount(mount_from)
        if answer is None and find and ways.searches(host):
            answer = await opening.search()
        if answer is None:
            answer = await opening.plainly()
        opening.learn(answer)
        return _opened(client, endpoint, wanted, answer)

    return await client.calls.retry(once)


async def push_blob(client: RegistryClient, endpoint: Endpoint, content: bytes) -> Digest:
    """Store a small blob, unless the repository has it.

    Every try opens a session of its own: one that broke in the middle holds some of the bytes
    already, and one that the registry lost is gone (fault row 44).

    Raises:
        RegistryError: The registry did not take it.
    """
    digest = Digest.of(content)

    async def once(tries: int) -> None:
        answer = await _post(client, Access(endpoint), digest, "", tries)
        opened = _opened(client, endpoint, Wanted(digest), answer)
        if isinstance(opened, UploadSession):
            await opened.put(content, tries)

    if await client.head_blob(endpoint, digest) is None:
        await client.calls.retry(once)
    return digest


class _Opening:
    """The requests of one try, and what their answers say of the registry.

    A wish is given up for good only if the registry gives a place without it.
    """

    def __init__(
        self, client: RegistryClient, endpoint: Endpoint, digest: Digest, tries: int
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._digest = digest
        self._mount = f"?mount={digest}"
        self._tries = tries
        self._refused: list[Callable[[str], None]] = []  # what gives up each wish

    async def mount(self, source: Repository) -> Answer | None:
        """The answer to the wish to mount from a repository, None if that is not to be had."""
        access = Access(self._endpoint, mounts=source)
        try:
            answer = await self._post(access, f"{self._mount}&from={source.path}")
        except RegistryError as error:
            if error.kind in _FORBIDDEN:  # by the token server
                return None
            raise
        if answer.status not in _REFUSALS:
            return answer
        if answer.status not in _ABOUT_US:
            self._refused.append(self._client.ways.forgo_mounts)
        return None

    async def search(self) -> Answer | None:
        """The answer of a registry that may look in all its repositories, as Zot does.

        None if it does not like to be asked.
        """
        answer = await self._post(Access(self._endpoint), self._mount)
        if answer.status not in _REFUSALS or answer.status in _ABOUT_US:
            return answer
        self._refused.append(self._client.ways.forgo_searches)
        return None

    async def plainly(self) -> Answer:
        """The answer to a request for a place and nothing else."""
        return await self._post(Access(self._endpoint), "")

    def learn(self, answer: Answer) -> None:
        """Remember which wishes were refused, if what came last was not."""
        if answer.status in _OPENED:
            for forgo in self._refused:
                forgo(self._endpoint.host)

    async def _post(self, access: Access, query: str) -> Answer:
        return await _post(self._client, access, self._digest, query, self._tries)


async def _post(
    client: RegistryClient, access: Access, digest: Digest, query: str, tries: int
) -> Answer:
    """The answer to a POST; an upload that it opens while we are cancelled is taken back."""
    endpoint = access.endpoint
    path = f"/v2/{endpoint.repository.path}/blobs/uploads/{query}"
    request = request_to(endpoint, "POST", path, {}, b"")

    async def take_back(answer: Answer) -> None:
        with suppress(RegistryError):
            opened = _opened(client, endpoint, Wanted(digest), answer)
            if isinstance(opened, UploadSession):
                await opened.cancel()

    return await completed(
        lambda: client.calls.once(endpoint, request, tries=tries, access=access), take_back
    )


def _opened(
    client: RegistryClient, endpoint: Endpoint, wanted: Wanted, answer: Answer
) -> UploadSession | Mounted:
    if answer.status == HTTPStatus.CREATED:
        return Mounted()
    if answer.status != HTTPStatus.ACCEPTED:
        raise answer.error(endpoint)
    return UploadSession(client, endpoint, wanted, answer)
