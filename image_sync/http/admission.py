"""Who may go to a host now: pauses, circuit, slots and rate; and what a 429 does to a host."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

from image_sync.errors import ErrorKind, RegistryError
from image_sync.events import Emit, HostPaused
from image_sync.http.circuit import Circuits
from image_sync.http.errors import Asked
from image_sync.http.limits import Limits
from image_sync.http.message import Request, Response
from image_sync.http.pauses import Pauses
from image_sync.http.quota import is_pull_quota
from image_sync.oci.quoting import printable
from image_sync.oci.wire import parse_errors

_NEWS = 1.0
"""Seconds that a pause must grow by to be told again: requests that were in flight together bring
the same news a few milliseconds apart."""


class Admission:
    """The doorkeeper of every host."""

    def __init__(
        self,
        limits: Limits,
        pauses: Pauses,
        circuits: Circuits,
        emit: Emit,
    ) -> None:
        self._limits = limits
        self._pauses = pauses
        self._circuits = circuits
        self._emit = emit

    @asynccontextmanager
    async def admit(self, request: Request) -> AsyncGenerator[None, None]:
        """A slot at the request's host, given back at the end whatever happens.

        Raises:
            RegistryError: The host is paused (RATE_LIMITED) or its circuit open (the kind of
                its last failure).
        """
        self._refuse(request, self._circuits.left(request.host))
        kind = self._limits.streams if request.is_stream else self._limits.slots
        slots = kind(request.host, request.side)
        holder = object()
        try:
            slots.acquire_on_behalf_of_nowait(holder)
        except anyio.WouldBlock:
            await slots.acquire_on_behalf_of(holder)
        try:
            rate = self._limits.rate(request.host)
            if rate:
                await rate.take()
            # Waiting took time; a pause or an open circuit may have come meanwhile.
            self._refuse(request, self._circuits.enter(request.host))
            yield
        finally:
            slots.release_on_behalf_of(holder)

    def paused(self, host: str, *, pulls: bool) -> float:
        """Seconds that a host is paused for."""
        return self._pauses.left(host, pulls=pulls)

    def pause(self, host: str, seconds: float | None, why: str, *, pulls_only: bool) -> float:
        """Leave a host alone, tell so if that is news, and return for how many seconds."""
        before = self._pauses.left(host, pulls=pulls_only)
        after = self._pauses.pause(host, seconds, pulls_only=pulls_only)
        if after > before + _NEWS:
            self._emit(HostPaused(host=host, seconds=after, pulls_only=pulls_only, why=why))
        return after

    def answered(self, request: Request) -> None:
        """A host answered with something else than 429."""
        self._pauses.succeeded(request.host, pulls=request.spends_pull)

    async def limited(self, request: Request, asked: Asked, response: Response) -> RegistryError:
        """The error for a 429, after its host was paused."""
        errors = parse_errors(await response.start())
        # A HEAD costs no pull, so a limit that hits one is not the pull quota's.
        pulls_only = request.method != "HEAD" and is_pull_quota(response.headers, errors)
        why = errors.message or printable(", ".join(errors.codes)) or "too many requests"
        seconds = self.pause(request.host, response.retry_after, why, pulls_only=pulls_only)
        return asked.error(
            ErrorKind.RATE_LIMITED,
            f"{request.host} asks to be left alone for {seconds:.0f} s: {why}",
            status=response.status,
            codes=errors.codes,
            retry_after=seconds,
        )

    def _refuse(self, request: Request, open_for: float) -> None:
        paused_for = self._pauses.left(request.host, pulls=request.spends_pull)
        if paused_for:
            raise _not_sent(request).error(
                ErrorKind.RATE_LIMITED,
                f"{request.host} asked to be left alone for another {paused_for:.0f} s",
                retry_after=paused_for,
            )
        if open_for and request.method != "DELETE":  # what is taken back is sent all the same
            cause = self._circuits.cause(request.host)
            raise _not_sent(request).error(
                cause.kind,
                f"{cause.message} (as for others before; asked again in {open_for:.0f} s)",
                retry_after=open_for,
            )


def _not_sent(request: Request) -> Asked:
    url = request.target
    if url.startswith("/"):
        url = f"https://{request.host}{url}"
    return Asked(request.side, request.method, url)
