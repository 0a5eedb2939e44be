"""An image whose one layer is what goes wrong, and what tests ask about it."""

from typing import Final

import pytest

from image_sync.engines import CopyRequest
from image_sync.errors import EngineError, ErrorKind
from tests.engines.builtin.support import REPOSITORY, UPLOADS, Lab, Place
from tests.hostile.message import Request
from tests.hostile.store import digest_of

LAYER: Final = bytes(range(256)) * 4096
"""1 MiB: small enough to go in one request."""
LAYER_DIGEST: Final = digest_of(LAYER)
LAYER_PATH: Final = f"/v2/*/blobs/{LAYER_DIGEST}"
LAYER_QUERY: Final = f"*digest=*{LAYER_DIGEST.partition(':')[2]}*"
"""Of the request that makes a blob of it."""
HALF: Final = 500_000
"""Bytes of it that come before something happens."""


def image(lab: Lab) -> CopyRequest:
    """The request for that image, which is at the source now."""
    return lab.request(lab.source.store.put_image(REPOSITORY, layers=[LAYER]))


async def failure(lab: Lab, request: CopyRequest) -> EngineError:
    """What a copy fails with; nothing of the image is there then."""
    with pytest.raises(EngineError) as caught:
        await lab.builtin.copy(request, Place())
    assert caught.value.engine == "builtin"
    assert caught.value.kind is not ErrorKind.INTERNAL
    assert lab.cache.store.repository(REPOSITORY).manifests == {}
    return caught.value


def ranges(lab: Lab) -> list[str | None]:
    """Which part of the layer each request for it asked for."""
    return [each.headers.get("Range") for each in lab.source.asked("GET", LAYER_PATH)]


def finishing(lab: Lab) -> list[Request]:
    """The requests that would make a blob of the layer: with all of it, or after that."""
    named = lab.cache.asked("PUT", UPLOADS, query=LAYER_QUERY)
    return [each for each in named if len(each.body) in {0, len(LAYER)} and _is_whole(each)]


def _is_whole(request: Request) -> bool:
    return request.headers.get("Content-Length") == str(len(request.body))


def arrived(lab: Lab) -> list[int]:
    """Bytes that each upload that the cache has holds."""
    return [len(each.received) for each in lab.cache.uploads.sessions.values()]
