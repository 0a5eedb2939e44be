"""Servers that do not do ranges as RFC 9110, section 14 says (row 21).

A refused range is `Refusal(416, ...)` or `Answer(400)` on requests that carry one: `OnlyRanged`.
"""

import msgspec

from tests.hostile.fault import Behaviour, Exchange
from tests.hostile.response import Response


class RangeIgnored:
    """200 and the whole body, whatever range was asked for."""

    async def __call__(self, exchange: Exchange) -> Response:
        """The inner answer to the same request without Range."""
        headers = exchange.request.headers.without("Range")
        return await exchange.proceed(msgspec.structs.replace(exchange.request, headers=headers))


class OnlyRanged:
    """Another behaviour for requests with Range; the honest answer for all others."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour

    async def __call__(self, exchange: Exchange) -> Response:
        """That behaviour's answer, or the inner one."""
        if "Range" in exchange.request.headers:
            return await self._behaviour(exchange)
        return await exchange.proceed()


class ShiftedRange:
    """206 whose Content-Range is true and starts `by` bytes off what was asked for."""

    def __init__(self, by: int = 1) -> None:
        self._by = by

    async def __call__(self, exchange: Exchange) -> Response:
        """The inner answer to a range that starts elsewhere."""
        asked = exchange.request.headers.get("Range") or "bytes=0-"
        first = int(asked.removeprefix("bytes=").split("-")[0])
        headers = exchange.request.headers.replacing("Range", f"bytes={first + self._by}-")
        return await exchange.proceed(msgspec.structs.replace(exchange.request, headers=headers))
