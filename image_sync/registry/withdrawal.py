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
_PAUSES = (0.0, 0.1, 0.2, 0.4)
"""Seconds before it is asked once more: a busy registry writes for a moment what it received before
the connection broke, and stands further again by the time of the DELETE (measured on 2.8.1: 2 of
some 50 uploads)."""


async def withdraw(calls: Calls, endpoint: Endpoint, place: Place) -> None:
    """Have a registry delete an upload; where it cannot, it collects old ones by itself.

    Raises:
        RegistryError: It did not answer.
    """
    answer = await calls.once(endpoint, place.request("DELETE"))
    for pause in _PAUSES:
        if answer.status not in _ELSEWHERE:
            return
        await calls.sleep(pause)
        asked = await calls.once(endpoint, place.request("GET"))
        if asked.status >= HTTPStatus.MULTIPLE_CHOICES:
            return
        place.move(asked)
        answer = await calls.once(endpoint, place.request("DELETE"))
