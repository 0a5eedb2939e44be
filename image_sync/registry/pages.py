"""Lists that come in pages: the next one, on the same registry only (RFC 8288, fault row 80)."""

from urllib.parse import urlsplit

from image_sync.errors import ErrorKind
from image_sync.http import RefusedUrl, join
from image_sync.model import Endpoint
from image_sync.registry.answer import Answer
from image_sync.registry.client import RegistryClient
from image_sync.registry.urls import next_link


def next_page(client: RegistryClient, endpoint: Endpoint, answer: Answer, of: str) -> str | None:
    """The path of the page that follows an answer, None if it was the last.

    Args:
        client: That asked.
        endpoint: Whom.
        answer: The page at hand.
        of: What is listed, in words for people.

    Raises:
        RegistryError: It lies on another registry.
    """
    link = next_link(answer.header_lines("Link"))
    if link is None:
        return None
    try:
        url = join(answer.url, link)
    except RefusedUrl:
        url = ""
    if not client.calls.is_own(endpoint, url):
        message = f"{endpoint.repository}: the next page of {of} lies elsewhere"
        raise answer.lie(endpoint, message, ErrorKind.UNSAFE)
    split = urlsplit(url)
    return f"{split.path}?{split.query}"
