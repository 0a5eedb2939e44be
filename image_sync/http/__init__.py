"""HTTP out: transport, addresses, limits, pauses, deadlines. Nothing else imports httpx or aiohttp.

What belongs here is true of every request to a registry, whatever it means. Authorization, tokens,
retries and the meaning of statuses belong in `registry/`. Importing this costs a tenth of a second:
only what sends requests does.
"""

import image_sync.http.lean  # noqa: F401 - before httpx is first imported

# isort: split
from image_sync.http.api import Answer, ApiClient
from image_sync.http.client import Http
from image_sync.http.clock import Clock
from image_sync.http.deadlines import Deadlines
from image_sync.http.memory import Memory
from image_sync.http.message import MAX_ASIDE, Request, Response
from image_sync.http.pauses import parse_date
from image_sync.http.quota import Quota
from image_sync.http.upload import closing
from image_sync.http.urls import (
    Origin,
    RefusedUrl,
    join,
    parse_origin,
    redacted_url,
    registry_origin,
)

__all__ = [
    "MAX_ASIDE",
    "Answer",
    "ApiClient",
    "Clock",
    "Deadlines",
    "Http",
    "Memory",
    "Origin",
    "Quota",
    "RefusedUrl",
    "Request",
    "Response",
    "closing",
    "join",
    "parse_date",
    "parse_origin",
    "redacted_url",
    "registry_origin",
]
