"""What the engine holds in memory is bounded by its window, however large and many blobs are."""

import sys

import anyio
import pytest

from image_sync.engines.builtin.window import SIZE
from tests.engines.builtin.copier import STATUS
from tests.engines.builtin.support import BLOBS, UPLOADS
from tests.hostile import Endless, Fault, HostileRegistry
from tests.hostile.fault import Exchange
from tests.hostile.response import Response
from tests.hostile.store import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, descriptor, digest_of, document
from tests.registry.asking import REPOSITORY

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not STATUS.exists(), reason="the kernel does not tell a process's peak"),
]

MB = 1_000_000


class Sluggish:
    """A request's body is read more slowly than it could come, and never answered."""

    async def __call__(self, exchange: Exchange) -> Response:
        while True:
            await exchange.connection.read_something()
            exchange.connection._buffer.clear()
            await anyio.sleep(0.02)


def put_image(registry: HostileRegistry, names: list[str], size: int) -> str:
    """An image whose layers are said to be that large, and have no bytes at all."""
    layers = [descriptor(OCI_LAYER, name.encode(), size=size) for name in names]
    for name in names:
        registry.store.repository(REPOSITORY).blobs[digest_of(name.encode())] = b""
    registry.store.put_blob(REPOSITORY, b"{}")
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(OCI_CONFIG, b"{}"),
        "layers": layers,
    }
    return registry.store.put_manifest(REPOSITORY, None, document(manifest), OCI_MANIFEST)


async def test_large_blobs_into_a_slow_cache_need_a_window_s_worth() -> None:
    """Two images with sixteen of 40 MB each, at once. Measured: 34 MB. As much again as the window
    is left for allocators that keep more; without a bound it would be 80 MB."""
    async with HostileRegistry("127.0.0.1") as source, HostileRegistry("127.0.0.2") as cache:
        images = [[f"layer {number} of {image}" for number in range(16)] for image in range(2)]
        digests = [put_image(source, names, 40 * MB) for names in images]
        source.inject(Fault("GET", BLOBS, Endless()))
        cache.inject(Fault("PATCH", UPLOADS, Sluggish()))
        copier = [sys.executable, "-m", "tests.engines.builtin.copier"]
        with anyio.fail_after(60):
            done = await anyio.run_process(
                [*copier, source.host, cache.host, str(60 * MB), *digests], stderr=None
            )
    before, after = map(int, done.stdout.split())
    assert after - before < 2 * SIZE
