"""Which passwords may still be tried where, so that nobody is locked out (fault row 4).

A password that was not accepted yet is tried by one request at a time, and given up after a few
refusals until it changes. One that was accepted is given up only when it fails where it worked:
a refusal elsewhere speaks of that repository, not of the password.

Not here: finding and reading passwords again (`auth.py`, `tokens.py`).
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

import anyio

from image_sync.credentials import Credential
from image_sync.errors import ErrorKind, RegistryError
from image_sync.model import Endpoint
from image_sync.registry.answer import Answer

_REFUSALS = 3
"""After which a password is given up: below the 5 to 10 failures that lock accounts."""
_MOST = 1_000
"""Passwords and places that are remembered; short-lived ones come and go for months."""


class Trials:
    """How every password fared at every place."""

    def __init__(self) -> None:
        self._trials: dict[tuple[str, Credential], _Trial] = {}

    def spent(self, place: str, credential: Credential | None) -> bool:
        """True if this password is not to be sent to this place any more."""
        return credential is not None and self._of(place, credential).spent

    def proven(self, place: str, credential: Credential | None) -> bool:
        """True if this password was accepted at this place, and not refused since."""
        return credential is None or self._of(place, credential).proven

    async def send(
        self,
        endpoint: Endpoint,
        place: str,
        credential: Credential | None,
        exchange: Callable[[], Awaitable[Answer]],
        refused: Callable[[Answer], bool],
    ) -> Answer:
        """The answer to a request that carries a password, in its turn.

        Args:
            endpoint: What it is for.
            place: Who gets the password: a registry, or a realm.
            credential: The password; None if the request carries none.
            exchange: Sends the request.
            refused: Whether an answer refuses the password.

        Raises:
            RegistryError: The password is not to be sent any more, or no answer came.
        """
        if credential is None:
            return await exchange()
        trial = self._of(place, credential)
        if not trial.proven:
            async with trial.turn:
                if not trial.proven:  # while others waited, nobody found out
                    return await _judged(trial, endpoint, place, exchange, refused)
        return await _judged(trial, endpoint, place, exchange, refused)

    def _of(self, place: str, credential: Credential) -> "_Trial":
        key = (place, credential)
        trial = self._trials.get(key)
        if trial is None:
            if len(self._trials) >= _MOST:
                del self._trials[next(iter(self._trials))]
            trial = self._trials[key] = _Trial()
        return trial


class _Trial:
    """How one password fared at one place."""

    def __init__(self) -> None:
        self.turn = anyio.Lock(fast_acquire=True)
        self._worked: set[str] = set()  # repositories it was accepted for
        self._doubts = 0  # telling refusals since it was last accepted

    @property
    def proven(self) -> bool:
        return bool(self._worked) and not self._doubts

    @property
    def spent(self) -> bool:
        return self._doubts >= _REFUSALS

    def accepted(self, repository: str) -> None:
        self._worked.add(repository)
        self._doubts = 0

    def refused(self, repository: str) -> None:
        if not self._worked or repository in self._worked:
            self._doubts += 1


async def _judged(
    trial: _Trial,
    endpoint: Endpoint,
    place: str,
    exchange: Callable[[], Awaitable[Answer]],
    refused: Callable[[Answer], bool],
) -> Answer:
    if trial.spent:
        raise _spent(endpoint, place)
    answer = await exchange()
    if refused(answer):
        trial.refused(endpoint.repository.path)
    elif answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        trial.accepted(endpoint.repository.path)
    return answer


def _spent(endpoint: Endpoint, place: str) -> RegistryError:
    return RegistryError(
        f"{endpoint.repository}: {place} refused these credentials {_REFUSALS} times; they are "
        "not sent there again until they change",
        ErrorKind.UNAUTHORIZED,
        side=endpoint.side,
    )
