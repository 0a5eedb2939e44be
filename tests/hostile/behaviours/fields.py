"""Header fields that are missing, false, repeated or huge, on answers that are otherwise honest."""

import msgspec

from tests.hostile.fault import Exchange
from tests.hostile.response import Response


class WithoutFields:
    """Fields are missing: Docker-Content-Digest (row 29), Content-Length (row 23)."""

    def __init__(self, *names: str) -> None:
        self._names = names

    async def __call__(self, exchange: Exchange) -> Response:
        """The inner answer without them."""
        answer = await exchange.proceed()
        headers = answer.headers
        for name in self._names:
            headers = headers.without(name)
        return msgspec.structs.replace(answer, headers=headers)


class WithField:
    """A field has this value alone.

    A lying Docker-Content-Digest (row 30) or Content-Type (row 31), a Location (row 46),
    OCI-Chunk-Min-Length (row 47), a Link to elsewhere (row 80).
    """

    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value

    async def __call__(self, exchange: Exchange) -> Response:
        """The inner answer with it."""
        answer = await exchange.proceed()
        headers = answer.headers.replacing(self._name, self._value)
        return msgspec.structs.replace(answer, headers=headers)


class WithExtraField:
    """A field comes once more, beside what was there: a second Content-Length (row 62)."""

    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value

    async def __call__(self, exchange: Exchange) -> Response:
        """The inner answer with it."""
        answer = await exchange.proceed()
        headers = answer.headers.adding(self._name, self._value)
        return msgspec.structs.replace(answer, headers=headers)


class HugeFields:
    """Hundreds of kilobytes of header fields (row 62)."""

    def __init__(self, size: int = 500 * 1024, *, fields: int = 1) -> None:
        self._padding = "x" * (size // fields)  # size in bytes, over all fields
        self._fields = fields

    async def __call__(self, exchange: Exchange) -> Response:
        """The inner answer with them."""
        answer = await exchange.proceed()
        headers = answer.headers
        for number in range(self._fields):
            headers = headers.adding(f"X-Padding-{number}", self._padding)
        return msgspec.structs.replace(answer, headers=headers)
