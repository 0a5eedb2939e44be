"""Small pushes: a blob that is in memory, in one request after the session is opened.

OCI distribution spec 1.1, section Pushing blobs, POST then PUT. Streams, chunks and mounts belong
to an engine.
"""

from http import HTTPStatus
from urllib.parse import urlsplit

from image_sync.http import RefusedUrl, join
from image_sync.model import Endpoint
from image_sync.oci import Digest
from image_sync.registry.calls import request_to
from image_sync.registry.client import RegistryClient


async def push_blob(client: RegistryClient, endpoint: Endpoint, content: bytes) -> Digest:
    """Store a small blob, unless the repository has it.

    Every try opens a session of its own: one that broke in the middle holds some of the bytes
    already, and one that the registry lost is gone (fault row 44).

    Raises:
        RegistryError: The registry did not take it.
    """
    digest = Digest.of(content)

    async def once(tries: int) -> None:
        await _push(client, endpoint, content, digest, tries)

    if await client.head_blob(endpoint, digest) is None:
        await client.calls.retry(once)
    return digest


async def _push(
    client: RegistryClient, endpoint: Endpoint, content: bytes, digest: Digest, tries: int
) -> None:
    sessions = f"/v2/{endpoint.repository.path}/blobs/uploads/"
    request = request_to(endpoint, "POST", sessions, {}, b"")
    opened = await client.calls.once(endpoint, request, tries=tries)
    if opened.status == HTTPStatus.CREATED:
        return
    if opened.status != HTTPStatus.ACCEPTED:
        raise opened.error(endpoint)
    try:
        location = join(opened.url, opened.header("Location"))
    except RefusedUrl as error:
        message = f"{endpoint.repository}: an upload without a usable Location: {error}"
        raise opened.lie(endpoint, message) from None
    joint = "&" if urlsplit(location).query else "?"
    target = f"{location}{joint}digest={digest}"
    headers = {"Content-Type": "application/octet-stream"}
    request = request_to(endpoint, "PUT", target, headers, content)
    closed = await client.calls.once(endpoint, request, tries=tries)
    if closed.status != HTTPStatus.CREATED:
        raise closed.error(endpoint)
