"""Whether a registry answers at all: OCI distribution spec 1.1, section Determining Support.

It is asked as nobody in particular, so that what comes back speaks of the registry, and not of an
account.
"""

import time
from http import HTTPStatus

import anyio
import msgspec

from image_sync.http import Http, Response, parse_date
from image_sync.model import Endpoint
from image_sync.oci.quoting import printable
from image_sync.registry.calls import request_to
from image_sync.registry.errors import RefusedRequest, error_from

_PATH = "/v2/"
_NO_REGISTRY = "what answers there is no registry: check host and port"
_ASKING = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_SHOWN = 60  # characters of what a registry calls itself


class Greeting(msgspec.Struct, frozen=True, kw_only=True):
    """What a registry says to anybody.

    Attributes:
        asks: It wants to know who we are.
        duration: Seconds from the question to the answer, with connecting.
        ahead: Seconds by which its clock is before ours, None if it did not tell the time; its
            date has no fractions.
        software: What it calls itself, empty if it does not.
    """

    asks: bool
    duration: float
    ahead: float | None
    software: str


async def greet(http: Http, endpoint: Endpoint) -> Greeting:
    """What a registry says to one request without credentials, made once.

    Raises:
        RegistryError: It did not answer, or not as a registry.
    """
    began = anyio.current_time()
    async with http.send(request_to(endpoint, "GET", _PATH, {})) as response:
        body = await response.start()
    if response.status != HTTPStatus.OK and response.status not in _ASKING:
        raise error_from(endpoint, _refusal(endpoint, response, body))
    date = parse_date(response.headers.get("Date", ""))
    return Greeting(
        asks=response.status in _ASKING,
        duration=anyio.current_time() - began,
        ahead=None if date is None else date - time.time(),
        software=printable(response.headers.get("Server", ""), _SHOWN),
    )


def _refusal(endpoint: Endpoint, response: Response, body: bytes) -> RefusedRequest:
    advice = None if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR else _NO_REGISTRY
    url = f"{endpoint.host}{_PATH}"
    return RefusedRequest("GET", url, response.status, body, advice)
