"""What holds for every request to a registry: who we are, another try, another link of a CDN.

Judging what came is done above, in `client.py`, `blobs.py`, `tags.py`, `upload.py` and others.
"""

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import TypeVar

import msgspec

from image_sync.http import MAX_ASIDE, Http, Request
from image_sync.model import Endpoint, Security
from image_sync.registry.access import Access
from image_sync.registry.answer import Answer
from image_sync.registry.auth import Authenticator, Exchange
from image_sync.registry.errors import RETRYABLE_STATUS, is_transient, requested_pause
from image_sync.registry.urls import is_on
from image_sync.runtime.retry import retrying

T = TypeVar("T")

_READING = frozenset({"GET", "HEAD"})
_CONTENT = frozenset({HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT})


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
        self.sleep = sleep

    async def retry(self, operation: Callable[[int], Awaitable[T]]) -> T:
        """What an operation returns, begun anew where that may help.

        Args:
            operation: Gets the number of the try, from 1.

        Raises:
            RegistryError: The operation's own, from the last try.
        """
        return await retrying(
            operation, retryable=is_transient, at_least=requested_pause, sleep=self.sleep
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
        self,
        endpoint: Endpoint,
        request: Request,
        limit: int = MAX_ASIDE,
        tries: int = 1,
        access: Access | None = None,
    ) -> Answer:
        """The answer to one try: with another step where the registry asks who we are.

        Args:
            endpoint: Whom it asks.
            request: Made by `request_to`.
            limit: Bytes of a good answer above which it is refused.
            tries: Which try this is, from 1.
            access: What it does there, if that is more than to read or to write.

        Raises:
            RegistryError: No answer came, or one that says that another try may help.
        """

        async def exchange(authorization: str | None) -> Answer:
            async with self._http.send(_signed(request, authorization, tries)) as response:
                return await Answer.read(request.method, response, limit)

        answer = await self._ask(access or Access(endpoint), request, exchange)
        _check(endpoint, answer)
        return answer

    @asynccontextmanager
    async def opened(self, endpoint: Endpoint, request: Request) -> AsyncGenerator[Answer, None]:
        """The answer to one try as `once` gives it; if it is good, its body is still to be read.

        Raises:
            RegistryError: As `once`.
        """
        async with AsyncExitStack() as sending:

            async def exchange(authorization: str | None) -> Answer:
                send = self._http.send(_signed(request, authorization))
                response = await sending.enter_async_context(send)
                if response.status in _CONTENT:
                    return Answer(request.method, response, b"")
                answer = await Answer.read(request.method, response, MAX_ASIDE)
                await sending.aclose()  # its slot is free before another request needs one
                return answer

            answer = await self._ask(Access(endpoint), request, exchange)
            _check(endpoint, answer)
            yield answer

    async def streamed(self, endpoint: Endpoint, request: Request) -> Answer:
        """The answer to a request whose content cannot be sent twice.

        It is sent once, with what the registry accepts at present; a refusal is the answer.

        Raises:
            RegistryError: No answer came, one that says that another try may help, or what the
                registry accepts is in doubt (as a 401: whatever is asked next finds out).
        """

        async def exchange(authorization: str | None) -> Answer:
            async with self._http.send(_signed(request, authorization)) as response:
                return await Answer.read(request.method, response, MAX_ASIDE)

        own = self.is_own(endpoint, request.target)
        answer = await (self._auth.ask_once(Access(endpoint), exchange) if own else exchange(None))
        _check(endpoint, answer)
        return answer

    def is_own(self, endpoint: Endpoint, target: str) -> bool:
        """True if a path or an absolute URL lies on the registry itself."""
        if target.startswith("/"):
            return True
        clear = self._http.security(endpoint.host, endpoint.tls) is Security.CLEAR
        return is_on(endpoint.host, target, clear=clear)

    async def _ask(self, access: Access, request: Request, exchange: Exchange) -> Answer:
        own = self.is_own(access.endpoint, request.target)
        answer = await (self._auth.ask(access, exchange) if own else exchange(None))
        denied = answer.redirected and answer.status == HTTPStatus.FORBIDDEN
        if denied and request.method in _READING:
            # The link that the registry handed out ran out: it makes a new one (fault row 6).
            return await (self._auth.ask(access, exchange) if own else exchange(None))
        return answer


def _signed(request: Request, authorization: str | None, tries: int = 1) -> Request:
    if authorization is None and tries == 1:
        return request
    who = {"Authorization": authorization} if authorization else {}
    headers = {**request.headers, **who}
    return msgspec.structs.replace(request, headers=headers, tries=tries)


def _check(endpoint: Endpoint, answer: Answer) -> None:
    """Raise the error of an answer that says that another try may help."""
    if answer.status in RETRYABLE_STATUS:
        error = answer.error(endpoint)
        if is_transient(error):
            raise error


def request_to(
    endpoint: Endpoint,
    method: str,
    target: str,
    headers: Mapping[str, str],
    content: bytes | AsyncIterable[bytes] | None = None,
    *,
    length: int | None = None,
    patience: float = 0.0,
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
        length: Bytes of a body that is a stream, where they are known.
        patience: Seconds more than usual that the answer may take.
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
        content_length=length,
        patience=patience,
        repository=endpoint.repository.path,
        spends_pull=spends_pull,
    )
