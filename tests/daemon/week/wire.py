"""Requests on their way: through the real admission to a simulated host, with the real retries."""

from collections.abc import Mapping
from http import HTTPStatus

from image_sync.errors import ErrorKind, RegistryError
from image_sync.events import CircuitOpened, Emit
from image_sync.http import Memory
from image_sync.http.admission import Admission
from image_sync.http.circuit import FIRST_PAUSE, Cause
from image_sync.http.message import Request
from image_sync.model import Endpoint
from image_sync.registry.errors import is_transient
from image_sync.runtime.retry import retrying
from tests.daemon.week.host import Host, TooMany, Trouble, Troubled

_KINDS: dict[Trouble, tuple[ErrorKind, int | None]] = {
    Trouble.SILENT: (ErrorKind.TIMEOUT, None),
    Trouble.UNREACHABLE: (ErrorKind.TIMEOUT, None),
    Trouble.REFUSING: (ErrorKind.NETWORK, None),
    Trouble.FAILING: (ErrorKind.UNAVAILABLE, HTTPStatus.SERVICE_UNAVAILABLE),
}
"""What becomes of a host's trouble, and the status that it answers."""


class Wire:
    """Sends requests as `http.Http` does, to hosts that are not there.

    Args:
        hosts: By name.
        memory: What is known of hosts.
        emit: Takes the events.
    """

    def __init__(self, hosts: Mapping[str, Host], memory: Memory, emit: Emit) -> None:
        self._hosts = hosts
        self._memory = memory
        self._emit = emit
        self._admission = Admission(memory.limits, memory.pauses, memory.circuits, emit)

    def paused(self, endpoint: Endpoint) -> float:
        """Seconds for which pulls of an endpoint's host are to be left alone."""
        return self._admission.paused(endpoint.host, pulls=True)

    async def ask(self, endpoint: Endpoint, *, pulls: bool = False) -> None:
        """Have an answer, in some tries.

        Raises:
            RegistryError: There is none.
        """
        await retrying(lambda _: self.ask_once(endpoint, pulls=pulls), retryable=is_transient)

    async def ask_once(
        self, endpoint: Endpoint, *, pulls: bool = False, seconds: float = 0.0
    ) -> None:
        """Have an answer whose body takes some seconds.

        Raises:
            RegistryError: There is none.
        """
        path = endpoint.repository.path
        request = Request(
            side=endpoint.side,
            host=endpoint.host,
            tls=endpoint.tls,
            method="GET" if pulls or seconds else "HEAD",
            target=f"/v2/{path}/manifests/1",
            repository=path,
            spends_pull=pulls,
        )
        async with self._admission.admit(request):
            await self._travel(request, seconds)

    async def _travel(self, request: Request, seconds: float) -> None:
        host = self._hosts[request.host]
        try:
            await host.answer(pulls=request.spends_pull, seconds=seconds)
        except Troubled as troubled:
            raise self._failure(request, troubled.trouble) from None
        except TooMany as limited:
            raise self._limited(request, limited) from None
        self._memory.circuits.succeeded(request.host)
        self._admission.answered(request)

    def _failure(self, request: Request, trouble: Trouble) -> RegistryError:
        """The error that `http/exchange.py` makes of it, which tells the circuit."""
        kind, status = _KINDS[trouble]
        if trouble is not Trouble.SILENT:  # that one could be connected to
            subject = request.repository if status else request.path
            if self._memory.circuits.failed(request.host, subject, Cause(kind, trouble)):
                self._emit(CircuitOpened(host=request.host, seconds=FIRST_PAUSE))
        return _error(request, kind, trouble, status=status)

    def _limited(self, request: Request, limited: TooMany) -> RegistryError:
        self._memory.circuits.succeeded(request.host)
        pause = limited.pause
        seconds = self._admission.pause(
            request.host, pause.seconds, "too many requests", pulls_only=pause.pulls_only
        )
        return _error(
            request,
            ErrorKind.RATE_LIMITED,
            "too many requests",
            status=HTTPStatus.TOO_MANY_REQUESTS,
            retry_after=seconds,
        )


def _error(
    request: Request,
    kind: ErrorKind,
    message: str,
    *,
    status: int | None = None,
    retry_after: float | None = None,
) -> RegistryError:
    return RegistryError(
        f"{request.host}: {message}",
        kind,
        side=request.side,
        method=request.method,
        status=status,
        retry_after=retry_after,
    )
