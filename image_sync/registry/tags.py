"""The tags of a repository: OCI distribution spec 1.1, section Listing tags."""

from http import HTTPStatus

import msgspec

from image_sync.errors import ErrorKind, RegistryError
from image_sync.model import Endpoint
from image_sync.oci.reference import parse_tag
from image_sync.registry.answer import Answer
from image_sync.registry.calls import request_to
from image_sync.registry.client import RegistryClient
from image_sync.registry.pages import next_page

MAX_PAGE = 4 * 1024 * 1024
"""Bytes of one page: the bound of manifests; 30,000 tags of the longest kind."""
MAX_PAGES = 20
"""Pages that are read; registries put 50 to 1,000 tags on one."""


class _Page(msgspec.Struct):
    tags: list[str] | None = None


async def list_tags(client: RegistryClient, endpoint: Endpoint) -> list[str]:
    """All tags of a repository, empty if there is no such repository.

    Raises:
        RegistryError: The registry did not say, or not all of it.
    """
    path = f"/v2/{endpoint.repository.path}/tags/list"
    tags: list[str] = []
    for page in range(MAX_PAGES):
        request = request_to(endpoint, "GET", path, {})
        answer = await client.calls.repeated(endpoint, request, MAX_PAGE)
        if answer.status == HTTPStatus.NOT_FOUND and page == 0:
            return []
        if answer.status != HTTPStatus.OK:
            raise answer.error(endpoint)
        tags += _tags(endpoint, answer)
        following = next_page(client, endpoint, answer, "tags")
        if following is None:
            return tags
        path = following
    raise RegistryError(
        f"{endpoint.repository}: the tags fill more than {MAX_PAGES} pages",
        ErrorKind.BAD_CONTENT,
        side=endpoint.side,
    )


def _tags(endpoint: Endpoint, answer: Answer) -> list[str]:
    try:
        page = msgspec.json.decode(answer.body, type=_Page)
        return [parse_tag(tag) for tag in page.tags or ()]
    except (msgspec.MsgspecError, ValueError) as error:
        raise answer.lie(endpoint, f"{endpoint.repository}: not a list of tags") from error
