"""What holds for every request to a registry: who we are, another try, another link of a CDN.

Judging what came is done above, in `client.py`, `tags.py` and `upload.py`.
"""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import TypeVar

import msgspec

from image_sync.http import MAX_ASIDE, Http, Request
from image_sync.model import Endpoint, Security
from image_sync.registry.answer import Answer
from image_sync.registry.auth import Authenticator
from image_sync.registry.errors import RETRYABLE_STATUS, is_transient, requested_pause
from image_sync.registry.urls import is_on
from image_sync.runtime.retry import retrying

T = TypeVar("T")

_READING = frozenset({"GET", "HEAD"})


class Calls:
    """Sends requests, with credentials to the registry itself and to nobody else."""

    def __init__(
        self,
        http: Http,
        authenticator: Authenticator,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._http = http
        self._auth = authenticator
        self._sleep = sleep

    async def retry(self, operation: Callable[[int], Awaitable[T]]) -> T:
        """What an operation returns, begun anew where that may help.

        Args:
            operation: Gets the number of the try, from 1.

        Raises:
            RegistryError: The operation's own, from the last try.
        """
        return await retrying(
            operation, retryable=is_transient, at_least=requested_pause, sleep=self._sleep
        )

    async def repeated(
        self, endpoint: Endpoint, request: Request, limit: int = MAX_ASIDE
    ) -> Answer:
        """The answer to a request that does no harm when it arrives twice.

        Args:
            endpoint: Whom it asks.
            request: Made by `request_to`.
            limit: Bytes of a good answer above which it is refused.

        Raises:
            RegistryError: No answer came in several tries, the registry has a fault, or limits us.
        """

        async def once(tries: int) -> Answer:
            return await self.once(endpoint, request, limit, tries)

        return await self.retry(once)

    async def once(
        self, endpoint: Endpoint, request: Request, limit: int = MAX_ASIDE, tries: int = 1
    ) -> Answer:
        """The answer to one try: with another step where the registry asks who we are.

        Args:
            endpoint: Whom it asks.
            request: Made by `request_to`.
            limit: Bytes of a good answer above which it is refused.
            tries: Which try this is, from 1.

        Raises:
            RegistryError: No answer came, or one that says that another try may help.
        """
        answer = await self._ask(endpoint, request, limit, tries)
        denied = answer.redirected and answer.status == HTTPStatus.FORBIDDEN
        if denied and request.method in _READING:
            # The link that the registry handed out ran out: it makes a new one (fault row 6).
            answer = await self._ask(endpoint, request, limit, tries)
        if answer.status in RETRYABLE_STATUS:
            error = answer.error(endpoint)
            if is_transient(error):
                raise error
        return answer

    def is_own(self, endpoint: Endpoint, target: str) -> bool:
        """True if a path or an absolute URL lies on the registry itself."""
        if target.startswith("/"):
            return True
        clear = self._http.security(endpoint.host, endpoint.tls) is Security.CLEAR
        return is_on(endpoint.host, target, clear=clear)

    async def _ask(self, endpoint: Endpoint, request: Request, limit: int, tries: int) -> Answer:
        async def exchange(authorization: str | None) -> Answer:
            sent = request
            if authorization or tries > 1:
                who = {"Authorization": authorization} if authorization else {}
                headers = {**request.headers, **who}
                sent = msgspec.structs.replace(request, headers=headers, tries=tries)
            async with self._http.send(sent) as response:
                return await Answer.read(request.method, response, limit)

        if not self.is_own(endpoint, request.target):
            return await exchange(None)
        return await self._auth.ask(endpoint, exchange)


def request_to(
    endpoint: Endpoint,
    method: str,
    target: str,
    headers: Mapping[str, str],
    content: bytes | None = None,
    *,
    spends_pull: bool = False,
) -> Request:
    """A request to a registry.

    Args:
        endpoint: Whom it asks.
        method: HTTP method.
        target: Path on that registry, or an absolute URL that it named; on another origin it gets
            no credentials.
        headers: Without those of authorization.
        content: Body.
        spends_pull: True for a manifest GET.
    """
    return Request(
        side=endpoint.side,
        host=endpoint.host,
        tls=endpoint.tls,
        method=method,
        target=target,
        headers=headers,
        content=content,
        repository=endpoint.repository.path,
        spends_pull=spends_pull,
    )
